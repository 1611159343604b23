#include "net/entry_head.h"

#include "base/mem.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Fields that get another treatment than being passed on. */
static const struct entry_known {
    const char *name;
    size_t len;
    enum entry_field_kind kind;
} entry_known[] = {
#define ROW_(name, kind)                           \
    {                                              \
        name, sizeof(name) - 1, ENTRY_FIELD_##kind \
    }
    ROW_("connection", CONNECTION),
    ROW_("content-length", LENGTH),
    ROW_("expect", EXPECT),
    ROW_("host", HOST),
    ROW_("keep-alive", KEEP_ALIVE),
    ROW_("proxy", OURS), /* becomes HTTP_PROXY in CGI programs */
    ROW_("proxy-authenticate", HOP),
    ROW_("proxy-authorization", HOP),
    ROW_("proxy-connection", HOP),
    ROW_("te", HOP),
    ROW_("trailer", HOP),
    ROW_("transfer-encoding", CODING),
    ROW_("upgrade", UPGRADE),
    ROW_("http2-settings", HOP),
    ROW_("x-forwarded-for", FORWARDED),
    ROW_("x-forwarded-host", OURS),
    ROW_("x-forwarded-port", OURS),
    ROW_("x-forwarded-proto", OURS),
    ROW_("x-forwarded-scheme", OURS),
    ROW_("x-original-forwarded-for", OURS),
    ROW_("x-real-ip", OURS),
    ROW_("x-request-id", REQUEST_ID),
    ROW_("x-scheme", OURS),
#undef ROW_
};

void entry_head_clear(struct entry_head *h)
{
    text_clear(&h->raw);
    h->n_fields = 0;
    h->target = h->target_len = 0;
    h->in_value = false;
}

void entry_head_fini(struct entry_head *h)
{
    text_fini(&h->raw);
    free(h->fields);
    memset(h, 0, sizeof(*h));
}

/* --- filling --- */

static bool entry_head_add(struct entry_head *h, const char *at, size_t len)
{
    if (len > ENTRY_HEAD_MAX_BYTES - h->raw.len)
        return false;
    text_add(&h->raw, at, len);
    return true;
}

enum entry_head_full entry_head_target(struct entry_head *h, const char *at, size_t len)
{
    if (len > ENTRY_HEAD_MAX_TARGET - h->target_len)
        return ENTRY_HEAD_TARGET_TOO_LONG;
    if (!entry_head_add(h, at, len))
        return ENTRY_HEAD_TOO_LARGE;
    h->target_len += (uint32_t)len;
    return ENTRY_HEAD_OK;
}

static bool entry_head_begin_field(struct entry_head *h)
{
    if (h->n_fields == ENTRY_HEAD_MAX_FIELDS)
        return false;
    if (h->n_fields == h->room) {
        h->room = h->room > 0 ? h->room * 2 : 16;
        h->fields = mem_grow(h->fields, h->room, sizeof(*h->fields));
    }
    h->fields[h->n_fields++] = (struct entry_field){ .name = (uint32_t)h->raw.len };
    return true;
}

enum entry_head_full entry_head_name(struct entry_head *h, const char *at, size_t len)
{
    if ((h->n_fields == 0 || h->in_value) && !entry_head_begin_field(h))
        return ENTRY_HEAD_TOO_LARGE;
    h->in_value = false;
    if (!entry_head_add(h, at, len))
        return ENTRY_HEAD_TOO_LARGE;
    h->fields[h->n_fields - 1].name_len += (uint32_t)len;
    return ENTRY_HEAD_OK;
}

enum entry_head_full entry_head_value(struct entry_head *h, const char *at, size_t len)
{
    struct entry_field *f;

    assert(h->n_fields > 0);
    f = &h->fields[h->n_fields - 1];
    if (!h->in_value)
        f->value = (uint32_t)h->raw.len;
    h->in_value = true;
    if (!entry_head_add(h, at, len))
        return ENTRY_HEAD_TOO_LARGE;
    f->value_len += (uint32_t)len;
    return ENTRY_HEAD_OK;
}

/* --- sorting --- */

/* RFC 9110, 5.6.2: what a field name is made of. */
static bool entry_head_is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) &&
            (s[i] == '\0' || strchr("!#$%&'*+-.^_`|~", s[i]) == NULL))
            return false;
    return len > 0;
}

static bool entry_head_is_value(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
            return false;
    return true;
}

/* Some servers take '_' for '-': such a twin of a field that we set must not get through. */
static bool entry_known_matches(const struct entry_known *k, const char *name, bool *ret_twin)
{
    *ret_twin = false;
    for (size_t i = 0; i < k->len; i++) {
        char c = (char)tolower((unsigned char)name[i]);

        *ret_twin = *ret_twin || c == '_';
        if ((c == '_' ? '-' : c) != k->name[i])
            return false;
    }
    return true;
}

static enum entry_field_kind entry_head_kind(const char *name, size_t len)
{
    bool twin;

    for (size_t i = 0; i < N_ELEMENTS(entry_known); i++)
        if (entry_known[i].len == len && entry_known_matches(&entry_known[i], name, &twin))
            return twin ? ENTRY_FIELD_OURS : entry_known[i].kind;
    return ENTRY_FIELD_OTHER;
}

/* http_parser leaves blanks at the end of a value. */
static void entry_head_trim(const struct entry_head *h, struct entry_field *f)
{
    const char *value = entry_head_at(h, f->value);

    while (f->value_len > 0 && (value[f->value_len - 1] == ' ' || value[f->value_len - 1] == '\t'))
        f->value_len--;
}

bool entry_head_end(struct entry_head *h)
{
    for (unsigned i = 0; i < h->n_fields; i++) {
        struct entry_field *f = &h->fields[i];
        const char *name = entry_head_at(h, f->name);

        if (!entry_head_is_token(name, f->name_len) ||
            !entry_head_is_value(entry_head_at(h, f->value), f->value_len))
            return false;
        entry_head_trim(h, f);
        f->kind = entry_head_kind(name, f->name_len);
    }
    return true;
}

/* --- reading --- */

const char *entry_head_at(const struct entry_head *h, uint32_t offset)
{
    return text_str(&h->raw) + offset;
}

bool entry_head_is_named(const struct entry_head *h, const struct entry_field *f, const char *name)
{
    return strlen(name) == f->name_len &&
           strncasecmp(entry_head_at(h, f->name), name, f->name_len) == 0;
}

const struct entry_field *entry_head_named(const struct entry_head *h, const char *name)
{
    for (unsigned i = 0; i < h->n_fields; i++)
        if (entry_head_is_named(h, &h->fields[i], name))
            return &h->fields[i];
    return NULL;
}

bool entry_head_is(const struct entry_head *h, const struct entry_field *f, const char *word)
{
    return strlen(word) == f->value_len &&
           strncasecmp(entry_head_at(h, f->value), word, f->value_len) == 0;
}

bool entry_head_has(const struct entry_head *h, const struct entry_field *f, const char *word,
                    size_t len)
{
    const char *p = entry_head_at(h, f->value), *end = p + f->value_len;

    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma != NULL ? comma : end;

        while (p < stop && (*p == ' ' || *p == '\t'))
            p++;
        while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        if ((size_t)(stop - p) == len && strncasecmp(p, word, len) == 0)
            return true;
        p = comma != NULL ? comma + 1 : end;
    }
    return false;
}

const struct entry_field *entry_head_find(const struct entry_head *h, enum entry_field_kind kind,
                                          unsigned *ret_n)
{
    const struct entry_field *found = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < h->n_fields; i++)
        if (h->fields[i].kind == kind && n++ == 0)
            found = &h->fields[i];
    if (ret_n != NULL)
        *ret_n = n;
    return found;
}

bool entry_head_is_hop(const struct entry_head *h, const struct entry_field *f)
{
    for (unsigned i = 0; i < h->n_fields; i++)
        if (h->fields[i].kind == ENTRY_FIELD_CONNECTION &&
            entry_head_has(h, &h->fields[i], entry_head_at(h, f->name), f->name_len))
            return true;
    return false;
}

void entry_head_print(struct text *ret, const struct entry_head *h, const struct entry_field *f)
{
    text_add(ret, entry_head_at(h, f->name), f->name_len);
    text_add(ret, ": ", 2);
    text_add(ret, entry_head_at(h, f->value), f->value_len);
    text_add(ret, "\r\n", 2);
}
