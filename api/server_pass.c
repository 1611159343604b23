/* A request passed on to another HTTP server, and its answer as it comes: APIs of others, pods, Services
 * and nodes.  At most PASS_MAX at a time; a client who does not read slows the other end down. */
#include "api/server_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PASS_MAX         512
#define PASS_BACKLOG_MAX (1024 * 1024)

/* --- headers --- */

void server_pass_fini(struct server_pass *p)
{
    for (size_t i = 0; i < p->n_headers; i++)
        free(p->header[i]);
    free(p->prefix);
    free(p->target_host);
}

void server_pass_header(struct server_pass *p, const char *name, const char *value)
{
    if (p->n_headers < SERVER_PASS_HEADERS && strpbrk(value, "\r\n") == NULL)
        p->header[p->n_headers++] = mem_fmt("%s: %s", name, value);
}

static bool pass_is_among(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

/* Of this connection, or ours to say. */
static bool pass_keeps(const char *name)
{
    static const char *const names[] = {
        "Host",    "Connection",        "Keep-Alive",    "TE",
        "Trailer", "Transfer-Encoding", "Authorization", "Content-Length",
        "Upgrade", "Accept-Encoding",   "Expect",        NULL
    };
    static const char *const prefixes[] = { "Proxy-", "Impersonate-", "X-Remote-" };

    for (size_t i = 0; i < N_ELEMENTS(prefixes); i++)
        if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return pass_is_among(name, names);
}

void server_pass_headers(struct server_pass *p, const struct call *c)
{
    cleanup(freep) char *all = http_header_names(c->x, "");
    cleanup(strv_freep) char **name = str_split(all, ',');
    cleanup(freep) char *before = http_header_all(c->x, "X-Forwarded-For");
    cleanup(freep) char *forwarded = mem_fmt("%s%s%s", before, before[0] != '\0' ? ", " : "",
                                             http_remote(c->x));

    server_pass_header(p, "X-Forwarded-For", forwarded);
    for (size_t i = 0; name[i] != NULL; i++) {
        const char *n = name[i] + strspn(name[i], " ");
        cleanup(freep) char *value = http_header_all(c->x, n);

        if (n[0] != '\0' && !pass_keeps(n) && strcasecmp(n, "X-Forwarded-For") != 0)
            server_pass_header(p, n, value);
    }
}

/* --- the answer --- */

struct pass {
    struct call *call;
    struct http_call *upstream; /* NULL once done */
    bool is_streaming, is_html;
    char *prefix, *target_host, *host; /* owned; prefix NULL: nothing is rewritten */
    struct proxy_links links;
};

static void pass_free(struct pass *p)
{
    p->call->s->n_passes--;
    proxy_links_fini(&p->links);
    free(p->prefix);
    free(p->target_host);
    free(p->host);
    free(p);
}

static void pass_on_gone(void *arg)
{
    struct pass *p = arg;
    struct call *c = p->call;

    if (p->upstream != NULL)
        http_call_cancel(p->upstream);
    pass_free(p);
    call_free(c);
}

static void pass_on_drain(void *arg)
{
    struct pass *p = arg;

    if (p->upstream != NULL)
        http_call_resume(p->upstream);
}

static void pass_head(const struct pass *p, const struct http_head *head)
{
    static const char *const not_passed[] = {
        "Connection",   "Keep-Alive", "Transfer-Encoding",  "Content-Length",
        "Trailer",      "Upgrade",    "Proxy-Authenticate", "Date",
        "Content-Type", NULL
    };

    for (size_t i = 0; i < head->n_headers; i++) {
        cleanup(text_fini) struct text value = TEXT_EMPTY;

        if (pass_is_among(head->headers[i].name, not_passed))
            continue;
        if (p->prefix != NULL && strcasecmp(head->headers[i].name, "Location") == 0)
            proxy_link(&value, &p->links.place, head->headers[i].value,
                       strlen(head->headers[i].value));
        else
            text_puts(&value, head->headers[i].value);
        http_set_header(p->call->x, head->headers[i].name, text_str(&value));
    }
}

static bool pass_is_html(const struct http_head *head)
{
    size_t len = strlen("text/html");

    return strncasecmp(head->content_type, "text/html", len) == 0 &&
           !isalnum((unsigned char)head->content_type[len]) &&
           http_head_get(head, "Content-Encoding") == NULL &&
           http_head_get(head, "Location") == NULL;
}

static void pass_begin(struct pass *p, const struct http_head *head)
{
    const struct http_stream_listener listener = { .on_drain = pass_on_drain,
                                                   .on_gone = pass_on_gone,
                                                   .arg = p };

    p->is_streaming = true;
    p->is_html = p->prefix != NULL && pass_is_html(head);
    pass_head(p, head);
    server_observe_answer(p->call, head->status, NULL, 0);
    http_stream(p->call->x, head->status, head->content_type, &listener);
}

static void pass_write(struct pass *p, const void *data, size_t len, bool is_last)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (p->is_html) {
        proxy_links_feed(&p->links, &t, data, len);
        if (is_last)
            proxy_links_end(&p->links, &t);
        http_write(p->call->x, text_str(&t), t.len);
    } else if (len > 0) {
        http_write(p->call->x, data, len);
    }
}

static int pass_on_data(void *arg, const struct http_head *head, const void *data, size_t len)
{
    struct pass *p = arg;

    if (!p->is_streaming)
        pass_begin(p, head);
    pass_write(p, data, len, false);
    if (http_backlog(p->call->x) > PASS_BACKLOG_MAX)
        http_call_pause(p->upstream);
    return 0;
}

/* In the words of Go's client. */
static void pass_fail(struct call *c, const struct http_head *head, const char *where,
                      const struct err *err)
{
    char reason[128] = "";

    if (head->sys_error == 0) {
        call_fail(c, ERR_UNAVAILABLE, "error trying to reach service: %s", err->text);
        return;
    }
    snprintf(reason, sizeof(reason), "%s", strerror(head->sys_error));
    reason[0] = (char)tolower((unsigned char)reason[0]);
    call_fail(c, ERR_UNAVAILABLE, "error trying to reach service: dial tcp %s: connect: %s", where,
              reason);
}

static void pass_end(struct pass *p, int rc)
{
    pass_write(p, "", 0, true);
    if (rc < 0)
        http_abort(p->call->x);
    else
        http_end(p->call->x); /* the rest is done when it is gone */
}

static void pass_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                         size_t len, const struct err *err)
{
    struct pass *p = arg;
    struct call *c = p->call;
    struct text none = TEXT_EMPTY;

    p->upstream = NULL;
    if (p->is_streaming) {
        pass_end(p, rc);
    } else if (rc < 0) {
        cleanup(freep) char *where = mem_str(p->target_host != NULL ? p->target_host : "service");

        pass_free(p);
        pass_fail(c, head, where, err);
    } else if (len > 0) {
        pass_begin(p, head);
        pass_write(p, body, len, false);
        pass_end(p, 0);
    } else {
        pass_head(p, head);
        pass_free(p);
        call_send_text(c, head->status, head->content_type, &none);
    }
}

/* --- the question --- */

void server_pass_target(struct text *ret, const struct call *c, const char *path)
{
    const char *query = http_raw_query(c->x);

    text_fmt(ret, "%s%s%s", path, query[0] != '\0' ? "?" : "", query);
}

static struct pass *pass_new(struct call *c, const struct server_pass *spec)
{
    struct pass *p = MEM_NEW(struct pass);
    const char *host = http_header(c->x, "Host");
    struct proxy_place place;

    p->call = c;
    c->s->n_passes++;
    p->prefix = mem_str(spec->prefix);
    p->target_host = mem_str(spec->target_host);
    p->host = mem_str(host != NULL ? host : "");
    place = (struct proxy_place){ .prefix = p->prefix,
                                  .target_host = p->target_host,
                                  .host = p->host };
    proxy_links_init(&p->links, &place);
    return p;
}

void server_pass(struct call *c, const struct server_pass *spec)
{
    cleanup(text_fini) struct text url = TEXT_EMPTY;
    struct http_call_spec upstream = { .method = http_method(c->x),
                                       .connect_to = spec->connect_to,
                                       .timeout_ms = spec->timeout_ms,
                                       .headers = (const char *const *)spec->header };
    struct http_call_listener listener = { .on_data = pass_on_data, .on_done = pass_on_done };

    if (c->s->n_passes >= PASS_MAX) {
        call_send_status(c, status_too_many());
        return;
    }
    text_puts(&url, spec->base);
    server_pass_target(&url, c, spec->path);
    upstream.url = text_str(&url);
    upstream.body = http_body(c->x, &upstream.body_len);
    listener.arg = pass_new(c, spec);
    ((struct pass *)listener.arg)->upstream = http_call(spec->client, &upstream, &listener);
}
