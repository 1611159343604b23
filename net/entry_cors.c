#include "net/entry_cors.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool entry_cors_ends(const char *s, size_t len, const char *end, size_t end_len)
{
    return len >= end_len && strncasecmp(s + len - end_len, end, end_len) == 0;
}

/* "*.a.example" behind a scheme: the star is one or more letters, digits and dashes. */
static bool entry_cors_matches(const char *pattern, size_t pattern_len, const char *origin,
                               size_t len)
{
    const char *star = memchr(pattern, '*', pattern_len);
    size_t head, tail;

    if (star == NULL)
        return entry_cors_ends(origin, len, pattern, pattern_len);
    head = (size_t)(star - pattern);
    tail = pattern_len - head - 1;
    if (!entry_cors_ends(origin, len, star + 1, tail))
        return false;
    len -= tail;
    while (len > 0 && (isalnum((unsigned char)origin[len - 1]) || origin[len - 1] == '-'))
        if (entry_cors_ends(origin, --len, pattern, head))
            return true;
    return false;
}

bool entry_cors_allows(const struct entry_cors *c, const char *origin, size_t len)
{
    const char *at = c->origins;

    if (str_eq(c->origins, "*"))
        return true;
    while (len > 0 && *at != '\0') {
        size_t n = strcspn(at, ","), skip = strspn(at, " ");
        size_t end = n;

        while (end > skip && at[end - 1] == ' ')
            end--;
        if (end > skip && entry_cors_matches(at + skip, end - skip, origin, len))
            return true;
        at += n + (at[n] == ',');
    }
    return false;
}

void entry_cors_print(struct text *ret, const struct entry_cors *c, const char *origin, size_t len)
{
    bool any = str_eq(c->origins, "*");

    text_puts(ret, "Access-Control-Allow-Origin: ");
    text_add(ret, any ? "*" : origin, any ? 1 : len);
    text_puts(ret, "\r\n");
    if (c->credentials)
        text_puts(ret, "Access-Control-Allow-Credentials: true\r\n");
    text_fmt(ret,
             "Access-Control-Allow-Methods: %s\r\nAccess-Control-Allow-Headers: %s\r\n"
             "Access-Control-Max-Age: %lld\r\n",
             c->methods, c->headers, (long long)c->max_age_s);
    if (c->exposed[0] != '\0')
        text_fmt(ret, "Access-Control-Expose-Headers: %s\r\n", c->exposed);
}

bool entry_cors_is_field(const char *name, size_t len)
{
    static const char *const names[] = {
        "Access-Control-Allow-Origin",  "Access-Control-Allow-Credentials",
        "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
        "Access-Control-Max-Age",       "Access-Control-Expose-Headers",
    };

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0)
            return true;
    return false;
}
