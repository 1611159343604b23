#include "api/proxy_links.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Attributes of HTML that hold an address, and the elements where they do. */
static const struct {
    const char *attribute;
    const char *elements[10];
} links_table[] = {
    { "action", { "form" } },
    { "background", { "body" } },
    { "cite", { "blockquote", "del", "ins", "q" } },
    { "classid", { "object" } },
    { "codebase", { "applet", "object" } },
    { "data", { "object" } },
    { "formaction", { "button", "input" } },
    { "href", { "a", "area", "base", "link" } },
    { "icon", { "command" } },
    { "longdesc", { "frame", "iframe", "img" } },
    { "manifest", { "html" } },
    { "poster", { "video" } },
    { "profile", { "head" } },
    { "src", { "audio", "embed", "frame", "iframe", "img", "input", "script", "source", "video" } },
    { "usemap", { "img", "input", "object" } },
};

static const char *const links_raw_elements[] = { "script", "style",   "textarea", "title",
                                                  "xmp",    "noembed", "noframes" };

static bool links_is_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* --- one address --- */

static bool links_is(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(s, word, len) == 0;
}

void proxy_link(struct text *ret, const struct proxy_place *place, const char *link, size_t len)
{
    size_t n_scheme = 0, n_prefix = strlen(place->prefix), at;

    while (n_scheme < len && isalpha((unsigned char)link[n_scheme]))
        n_scheme++;
    at = n_scheme > 0 && n_scheme < len && link[n_scheme] == ':' ? n_scheme + 1 : 0;
    if (at + 1 < len && link[at] == '/' && link[at + 1] == '/') {
        size_t host = at + 2, end = host;

        while (end < len && !links_is_of(link[end], "/?#"))
            end++;
        if (links_is(link + host, end - host, place->host))
            text_add(ret, link, end);
        else if (!links_is(link + host, end - host, place->target_host))
            end = len; /* somebody else's */
        if (end == len || link[end] != '/') {
            text_add(ret, link, len);
            return;
        }
        link += end;
        len -= end;
    } else if (len == 0 || link[0] != '/') {
        text_add(ret, link, len);
        return;
    }
    if (len < n_prefix || memcmp(link, place->prefix, n_prefix) != 0)
        text_puts(ret, place->prefix);
    text_add(ret, link, len);
}

/* --- one tag --- */

struct links_cursor {
    const char *at, *end;
};

static bool links_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void links_skip_blank(struct links_cursor *c)
{
    while (c->at < c->end && (links_is_blank(*c->at) || *c->at == '/'))
        c->at++;
}

static size_t links_word(struct links_cursor *c)
{
    const char *from = c->at;

    while (c->at < c->end && !links_is_blank(*c->at) && !links_is_of(*c->at, "/=>"))
        c->at++;
    return (size_t)(c->at - from);
}

static bool links_holds_address(const char *element, size_t n_element, const char *attribute,
                                size_t n_attribute)
{
    for (size_t i = 0; i < N_ELEMENTS(links_table); i++)
        if (links_is(attribute, n_attribute, links_table[i].attribute))
            for (size_t j = 0; j < N_ELEMENTS(links_table[i].elements); j++)
                if (links_table[i].elements[j] != NULL &&
                    links_is(element, n_element, links_table[i].elements[j]))
                    return true;
    return false;
}

/* The value behind '=': where it begins and how long it is; @c ends behind it. */
static const char *links_value(struct links_cursor *c, size_t *ret_len)
{
    const char *from;
    char quote = '\0';

    while (c->at < c->end && links_is_blank(*c->at))
        c->at++;
    if (c->at < c->end && (*c->at == '"' || *c->at == '\''))
        quote = *c->at++;
    from = c->at;
    while (c->at < c->end &&
           (quote != '\0' ? *c->at != quote : !links_is_blank(*c->at) && *c->at != '>'))
        c->at++;
    *ret_len = (size_t)(c->at - from);
    if (quote != '\0' && c->at < c->end)
        c->at++;
    return from;
}

static void links_tag(struct proxy_links *l, struct text *ret)
{
    struct links_cursor c = { .at = l->held.data + 1, .end = l->held.data + l->held.len };
    const char *element = c.at, *done = l->held.data;
    size_t n_element = links_word(&c);

    while (c.at < c.end && *c.at != '>') {
        const char *attribute;
        size_t n_attribute;

        links_skip_blank(&c);
        attribute = c.at;
        n_attribute = links_word(&c);
        while (c.at < c.end && links_is_blank(*c.at))
            c.at++;
        if (c.at < c.end && *c.at == '=') {
            size_t n_value;
            const char *value;

            c.at++;
            value = links_value(&c, &n_value);
            if (links_holds_address(element, n_element, attribute, n_attribute)) {
                text_add(ret, done, (size_t)(value - done));
                proxy_link(ret, &l->place, value, n_value);
                done = value + n_value;
            }
        }
    }
    text_add(ret, done, (size_t)(c.end - done));
    for (size_t i = 0; i < N_ELEMENTS(links_raw_elements); i++)
        if (links_is(element, n_element, links_raw_elements[i]))
            snprintf(l->raw, sizeof(l->raw), "%s", links_raw_elements[i]);
}

/* --- pieces of a document --- */

void proxy_links_init(struct proxy_links *ret, const struct proxy_place *place)
{
    *ret = (struct proxy_links){ .place = *place };
}

void proxy_links_fini(struct proxy_links *l)
{
    text_fini(&l->held);
}

static void links_let_go(struct proxy_links *l, struct text *ret, enum proxy_links_state next)
{
    text_add(ret, l->held.data, l->held.len);
    text_clear(&l->held);
    l->state = next;
}

static void links_end_tag(struct proxy_links *l, struct text *ret)
{
    links_tag(l, ret);
    text_clear(&l->held);
    l->state = l->raw[0] != '\0' ? LINKS_RAW : LINKS_TEXT;
}

static void links_begin_tag(struct proxy_links *l, char c)
{
    text_putc(&l->held, c);
    l->state = LINKS_TAG;
    l->quote = '\0';
}

/* Whether a quote opens here: right behind '=' and blanks. */
static bool links_opens(const struct text *held)
{
    size_t i = held->len - 1; /* the quote itself */

    while (i > 0 && links_is_blank(held->data[i - 1]))
        i--;
    return i > 0 && held->data[i - 1] == '=';
}

static void links_in_tag(struct proxy_links *l, struct text *ret, char c)
{
    text_putc(&l->held, c);
    if (l->held.len == 2 && !isalpha((unsigned char)c) && c != '/' && c != '!' && c != '?') {
        links_let_go(l, ret, LINKS_TEXT); /* no tag */
    } else if (l->held.len == 4 && memcmp(l->held.data, "<!--", 4) == 0) {
        l->dashes = 0;
        links_let_go(l, ret, LINKS_COMMENT);
    } else if (l->quote != '\0') {
        if (c == l->quote)
            l->quote = '\0';
    } else if (c == '>') {
        links_end_tag(l, ret);
    } else if ((c == '"' || c == '\'') && links_opens(&l->held)) {
        l->quote = c;
    }
    if (l->held.len >= LINKS_TAG_MAX)
        links_let_go(l, ret, LINKS_TEXT);
}

static void links_in_comment(struct proxy_links *l, struct text *ret, char c)
{
    text_putc(ret, c);
    if (c == '>' && l->dashes >= 2)
        l->state = LINKS_TEXT;
    l->dashes = c == '-' ? l->dashes + 1 : 0;
}

/* Only "</name" ends it. */
static void links_in_raw(struct proxy_links *l, struct text *ret, char c)
{
    size_t n = strlen(l->raw), len = l->held.len;
    bool fits = len == 0   ? c == '<'
                : len == 1 ? c == '/'
                           : tolower((unsigned char)c) == l->raw[len - 2];

    if (len > 0 && !fits) {
        links_let_go(l, ret, LINKS_RAW);
        fits = c == '<';
    }
    if (!fits) {
        text_putc(ret, c);
        return;
    }
    text_putc(&l->held, c);
    if (l->held.len == n + 2) {
        l->raw[0] = '\0';
        l->quote = '\0';
        l->state = LINKS_TAG;
    }
}

void proxy_links_feed(struct proxy_links *l, struct text *ret, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        switch (l->state) {
        case LINKS_TEXT:
            if (data[i] == '<')
                links_begin_tag(l, data[i]);
            else
                text_putc(ret, data[i]);
            break;
        case LINKS_TAG: links_in_tag(l, ret, data[i]); break;
        case LINKS_COMMENT: links_in_comment(l, ret, data[i]); break;
        case LINKS_RAW: links_in_raw(l, ret, data[i]); break;
        }
    }
}

void proxy_links_end(struct proxy_links *l, struct text *ret)
{
    links_let_go(l, ret, LINKS_TEXT);
}
