#include "net/entry_request.h"

#include "base/mem.h"
#include "net/entry_cors.h"

#include <assert.h>
#include <ctype.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

static const char *const entry_request_idempotent[] = { "GET", "HEAD", "OPTIONS", "PUT", "DELETE" };

void entry_request_fini(struct entry_request *r)
{
    text_fini(&r->path);
}

/* --- Host --- */

static bool entry_request_is_host(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && (s[i] == '\0' || strchr("-._:[]", s[i]) == NULL))
            return false;
    return true;
}

/* "A.Example:8080" to "a.example"; an address in brackets keeps them. */
static bool entry_request_set_host(struct entry_request *r, const char *s, size_t len)
{
    const char *close = len > 0 && s[0] == '[' ? memchr(s, ']', len) : NULL;
    const char *from = close != NULL ? close : s;
    const char *colon = memchr(from, ':', len - (size_t)(from - s));
    size_t n = colon != NULL ? (size_t)(colon - s) : len;

    if (!entry_request_is_host(s, len) || n >= sizeof(r->host))
        return false;
    for (size_t i = 0; colon != NULL && i + n + 1 < len; i++)
        if (!isdigit((unsigned char)colon[i + 1]))
            return false;
    if (n > 0 && s[n - 1] == '.')
        n--;
    for (size_t i = 0; i < n; i++)
        r->host[i] = (char)tolower((unsigned char)s[i]);
    r->host[n] = '\0';
    return true;
}

static int entry_request_read_host(struct entry_request *r, const struct entry_head *h)
{
    unsigned n;
    const struct entry_field *f = entry_head_find(h, ENTRY_FIELD_HOST, &n);

    /* RFC 9112, 3.2: one Host, except in HTTP/1.0; a target that names the host wins. */
    if (n > 1 || (n == 0 && !r->is_http10))
        return 400;
    if (r->authority_len == 0 && f != NULL) {
        r->authority = f->value;
        r->authority_len = f->value_len;
    }
    return entry_request_set_host(r, entry_head_at(h, r->authority), r->authority_len) ? 0 : 400;
}

/* --- target --- */

static int entry_request_hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

static bool entry_request_decode(struct text *ret, const char *path, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int high = path[i] == '%' && i + 2 < len ? entry_request_hex(path[i + 1]) : -1;
        int low = high >= 0 ? entry_request_hex(path[i + 2]) : -1;
        char c = path[i] == '%' ? (char)(high * 16 + low) : path[i];

        if (path[i] == '%' && (low < 0 || c == '\0'))
            return false;
        text_putc(ret, c);
        i += path[i] == '%' ? 2 : 0;
    }
    return true;
}

/* Nearly all paths are what they look like: most of the work below can be left out. */
static bool entry_request_is_plain(const char *path, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (path[i] == '%' || (path[i] == '/' && i + 1 < len && strchr("/.", path[i + 1]) != NULL))
            return false;
    return len > 0 && path[0] == '/';
}

bool entry_request_normalise(struct text *ret, const char *path, size_t len)
{
    cleanup(text_fini) struct text raw = TEXT_EMPTY;
    size_t start = ret->len;
    const char *p, *end;

    if (entry_request_is_plain(path, len)) {
        text_add(ret, path, len);
        return true;
    }
    if (!entry_request_decode(&raw, path, len) || raw.len == 0 || raw.data[0] != '/')
        return false;
    end = raw.data + raw.len;
    text_putc(ret, '/');
    for (p = raw.data; p < end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t n = (size_t)((slash != NULL ? slash : end) - p);
        bool up = n == 2 && memcmp(p, "..", 2) == 0;

        /* What is in @ret always ends with a slash here. */
        if (up && ret->len == start + 1)
            return false;
        if (up)
            do
                ret->len--;
            while (ret->data[ret->len - 1] != '/');
        else if (n > 0 && !(n == 1 && *p == '.')) {
            text_add(ret, p, n);
            if (slash != NULL)
                text_putc(ret, '/');
        }
        p = slash != NULL ? slash + 1 : end;
    }
    ret->data[ret->len] = '\0';
    return true;
}

/* "http://host/path" (RFC 9112, 3.2.2) to its authority and the rest. */
static bool entry_request_absolute(struct entry_request *r, const struct entry_head *h)
{
    const char *s = entry_head_at(h, r->target);
    size_t skip = strncasecmp(s, "http://", 7) == 0    ? 7
                  : strncasecmp(s, "https://", 8) == 0 ? 8
                                                       : 0;

    if (skip == 0 || r->target_len < skip)
        return false;
    r->authority = r->target + (uint32_t)skip;
    r->authority_len = 0;
    while (skip + r->authority_len < r->target_len &&
           strchr("/?", s[skip + r->authority_len]) == NULL)
        r->authority_len++;
    r->target = r->authority + r->authority_len;
    r->target_len -= (uint32_t)skip + r->authority_len;
    return r->authority_len > 0;
}

static bool entry_request_is_target(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] <= 0x20 || s[i] == 0x7f || s[i] == '#')
            return false;
    return true;
}

static int entry_request_read_target(struct entry_request *r, const struct entry_head *h)
{
    const char *s = entry_head_at(h, h->target), *query;
    size_t len;

    r->target = h->target;
    r->target_len = h->target_len;
    if (!entry_request_is_target(s, h->target_len))
        return 400;
    if (r->target_len == 1 && s[0] == '*' && str_eq(r->method, "OPTIONS")) {
        text_puts(&r->path, "/");
        return 0;
    }
    if ((r->target_len == 0 || s[0] != '/') && !entry_request_absolute(r, h))
        return 400;
    s = entry_head_at(h, r->target);
    query = memchr(s, '?', r->target_len);
    len = query != NULL ? (size_t)(query - s) : r->target_len;
    if (len == 0) {
        text_puts(&r->path, "/");
        return 0;
    }
    return entry_request_normalise(&r->path, s, len) ? 0 : 400;
}

/* --- framing --- */

static bool entry_request_number(const char *s, size_t len, uint64_t *ret)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i]) || n > (INT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(s[i] - '0');
    }
    *ret = n;
    return len > 0;
}

static int entry_request_read_framing(struct entry_request *r, const struct entry_head *h)
{
    unsigned n_lengths, n_codings;
    const struct entry_field *length = entry_head_find(h, ENTRY_FIELD_LENGTH, &n_lengths);
    const struct entry_field *coding = entry_head_find(h, ENTRY_FIELD_CODING, &n_codings);

    if (n_lengths > 1 || n_codings > 1 || (length != NULL && coding != NULL) ||
        (coding != NULL && r->is_http10))
        return 400;
    if (coding != NULL && !entry_head_is(h, coding, "chunked"))
        return 501;
    r->is_chunked = coding != NULL;
    r->has_length = length != NULL;
    if (length != NULL &&
        !entry_request_number(entry_head_at(h, length->value), length->value_len, &r->length))
        return 400;
    return 0;
}

/* --- the rest --- */

static void entry_request_read_connection(struct entry_request *r, const struct entry_head *h)
{
    unsigned n;
    const struct entry_field *upgrade = entry_head_find(h, ENTRY_FIELD_UPGRADE, &n);
    bool close = false, keep = false, says_upgrade = false;

    for (unsigned i = 0; i < h->n_fields; i++) {
        const struct entry_field *f = &h->fields[i];

        if (f->kind != ENTRY_FIELD_CONNECTION)
            continue;
        close = close || entry_head_has(h, f, "close", 5);
        keep = keep || entry_head_has(h, f, "keep-alive", 10);
        says_upgrade = says_upgrade || entry_head_has(h, f, "upgrade", 7);
    }
    r->keeps_alive = !close && (keep || !r->is_http10);
    /* h2c would hide later requests from our routing. */
    r->upgrades = says_upgrade && n == 1 && !r->is_http10 && upgrade->value_len > 0 &&
                  !entry_head_has(h, upgrade, "h2c", 3);
}

int entry_request_read(struct entry_request *ret, const struct entry_head *h,
                       const struct entry_line *line)
{
    const struct entry_field *expect = entry_head_find(h, ENTRY_FIELD_EXPECT, NULL);
    struct text path = ret->path;
    int status;

    text_clear(&path);
    memset(ret, 0, sizeof(*ret));
    ret->path = path;
    ret->method = line->method;
    ret->is_http10 = line->major == 1 && line->minor == 0;
    if (line->major != 1 || line->minor > 1)
        return 505;
    if (str_eq(line->method, "CONNECT") || str_eq(line->method, "TRACE"))
        return 405;
    ret->is_head = str_eq(line->method, "HEAD");
    for (size_t i = 0; i < N_ELEMENTS(entry_request_idempotent); i++)
        ret->is_idempotent = ret->is_idempotent ||
                             str_eq(line->method, entry_request_idempotent[i]);
    status = entry_request_read_target(ret, h);
    if (status == 0)
        status = entry_request_read_host(ret, h);
    if (status == 0)
        status = entry_request_read_framing(ret, h);
    if (status != 0)
        return status;
    entry_request_read_connection(ret, h);
    ret->expects = expect != NULL && !ret->is_http10;
    if (ret->expects && !entry_head_is(h, expect, "100-continue"))
        return 417;
    return 0;
}

/* --- heads that go on --- */

static void entry_request_print_ours(struct text *t, const struct entry_request *r,
                                     const struct entry_head *h, const struct entry_forward *to)
{
    const struct entry_field *before = entry_head_find(h, ENTRY_FIELD_FORWARDED, NULL);
    const struct entry_field *id = entry_head_find(h, ENTRY_FIELD_REQUEST_ID, NULL);

    text_puts(t, "X-Request-ID: ");
    if (id != NULL)
        text_add(t, entry_head_at(h, id->value), id->value_len);
    else
        text_puts(t, to->request_id);
    text_puts(t, "\r\nX-Real-IP: ");
    text_puts(t, to->remote_ip);
    text_puts(t, "\r\nX-Forwarded-For: ");
    text_puts(t, to->remote_ip);
    text_puts(t, "\r\nX-Forwarded-Host: ");
    text_add(t, entry_head_at(h, r->authority), r->authority_len);
    text_fmt(t,
             "\r\nX-Forwarded-Port: %u\r\nX-Forwarded-Proto: %s\r\nX-Forwarded-Scheme: %s\r\n"
             "X-Scheme: %s\r\n",
             to->port, to->scheme, to->scheme, to->scheme);
    if (to->prefix != NULL)
        text_fmt(t, "X-Forwarded-Prefix: %s\r\n", to->prefix);
    if (before != NULL) {
        text_puts(t, "X-Original-Forwarded-For: ");
        text_add(t, entry_head_at(h, before->value), before->value_len);
        text_puts(t, "\r\n");
    }
}

static void entry_request_print_target(struct text *ret, const struct entry_request *r,
                                       const struct entry_head *h,
                                       const struct entry_forward *forward)
{
    if (forward->target != NULL) {
        text_puts(ret, forward->target);
        return;
    }
    /* "GET http://host?q" has no path of its own. */
    if (r->target_len == 0 || entry_head_at(h, r->target)[0] == '?')
        text_putc(ret, '/');
    text_add(ret, entry_head_at(h, r->target), r->target_len);
}

void entry_request_print(struct text *ret, const struct entry_request *r,
                         const struct entry_head *h, const struct entry_forward *forward)
{
    text_puts(ret, r->method);
    text_putc(ret, ' ');
    entry_request_print_target(ret, r, h, forward);
    text_puts(ret, " HTTP/1.1\r\nHost: ");
    if (forward->host != NULL)
        text_puts(ret, forward->host);
    else
        text_add(ret, entry_head_at(h, r->authority), r->authority_len);
    text_puts(ret, "\r\n");
    for (unsigned i = 0; i < h->n_fields; i++) {
        const struct entry_field *f = &h->fields[i];

        if (f->kind == ENTRY_FIELD_OTHER && !entry_head_is_hop(h, f)) {
            if (!forward->keeps_secret || !entry_head_is_named(h, f, "authorization"))
                entry_head_print(ret, h, f);
        } else if (f->kind == ENTRY_FIELD_UPGRADE && r->upgrades) {
            text_puts(ret, "Connection: Upgrade\r\n");
            entry_head_print(ret, h, f);
        }
    }
    entry_request_print_ours(ret, r, h, forward);
    if (r->is_chunked)
        text_puts(ret, "Transfer-Encoding: chunked\r\n");
    else if (r->has_length)
        text_fmt(ret, "Content-Length: %llu\r\n", (unsigned long long)r->length);
    text_puts(ret, "\r\n");
}

static bool entry_reply_passes(const struct entry_reply *reply, const struct entry_head *h,
                               const struct entry_field *f)
{
    switch (f->kind) {
    case ENTRY_FIELD_HOP:
    case ENTRY_FIELD_CONNECTION:
    case ENTRY_FIELD_KEEP_ALIVE:
    case ENTRY_FIELD_CODING: return false;
    case ENTRY_FIELD_UPGRADE: return reply->upgrades || reply->status == 426;
    case ENTRY_FIELD_LENGTH: return !reply->is_chunked;
    case ENTRY_FIELD_OTHER:
        if (reply->has_cors && entry_cors_is_field(entry_head_at(h, f->name), f->name_len))
            return false;
        return !entry_head_is_hop(h, f);
    case ENTRY_FIELD_HOST:
    case ENTRY_FIELD_EXPECT:
    case ENTRY_FIELD_OURS:
    case ENTRY_FIELD_FORWARDED:
    case ENTRY_FIELD_REQUEST_ID: return !entry_head_is_hop(h, f);
    }
    return false;
}

void entry_reply_print(struct text *ret, const struct entry_reply *reply,
                       const struct entry_head *h)
{
    text_fmt(ret, "HTTP/1.1 %u ", reply->status);
    text_add(ret, entry_head_at(h, h->target), h->target_len);
    text_puts(ret, "\r\n");
    for (unsigned i = 0; i < h->n_fields; i++)
        if (entry_reply_passes(reply, h, &h->fields[i]))
            entry_head_print(ret, h, &h->fields[i]);
    if (reply->fields != NULL)
        text_puts(ret, reply->fields);
    if (reply->is_chunked)
        text_puts(ret, "Transfer-Encoding: chunked\r\n");
    if (reply->upgrades)
        text_puts(ret, "Connection: Upgrade\r\n");
    else if (reply->says_close)
        text_puts(ret, "Connection: close\r\n");
    else if (reply->says_keep_alive)
        text_puts(ret, "Connection: keep-alive\r\n");
    text_puts(ret, "\r\n");
}

const char *entry_reply_words(unsigned status)
{
    const char *words = http_status_str((enum http_status)status);

    return words[0] != '<' ? words : "Unknown"; /* "<unknown>" */
}

void entry_reply_own(struct text *ret, unsigned status, bool says_close, bool without_body,
                     const char *fields)
{
    static const struct {
        unsigned status;
        const char *text;
    } texts[] = {
        { 404, "404 Not Found: no Ingress rule for this host and path" },
        { 502, "502 Bad Gateway: the backend failed to answer" },
        { 503, "503 Service Unavailable: no ready endpoints" },
        { 504, "504 Gateway Timeout: the backend did not answer in time" },
    };
    cleanup(text_fini) struct text body = TEXT_EMPTY;
    const char *connection = says_close ? "Connection: close\r\n" : "Connection: keep-alive\r\n";

    if (status == 204) { /* RFC 9110, 8.6: it has no Content-Length either */
        text_fmt(ret, "HTTP/1.1 204 No Content\r\n%s%s\r\n", fields != NULL ? fields : "",
                 connection);
        return;
    }
    for (size_t i = 0; i < N_ELEMENTS(texts); i++)
        if (texts[i].status == status)
            text_puts(&body, texts[i].text);
    if (body.len == 0)
        text_fmt(&body, "%u %s", status, entry_reply_words(status));
    text_putc(&body, '\n');
    text_fmt(ret,
             "HTTP/1.1 %u %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Length: %zu\r\n%s%s\r\n",
             status, entry_reply_words(status), body.len, fields != NULL ? fields : "", connection);
    if (!without_body)
        text_add(ret, body.data, body.len);
}
