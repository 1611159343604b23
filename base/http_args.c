#include "base/http_args.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static int http_args_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool http_args_decode_to(char *s, char plus)
{
    char *to = s;

    for (; *s != '\0'; s++) {
        int high, low;

        if (*s != '%') {
            *to++ = *s == '+' ? plus : *s;
            continue;
        }
        high = http_args_hex(s[1]);
        low = high < 0 ? -1 : http_args_hex(s[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high * 16 + low);
        s += 2;
    }
    *to = '\0';
    return true;
}

static bool http_args_decode(char *s)
{
    return http_args_decode_to(s, ' ');
}

bool http_args_unescape(char *s)
{
    return http_args_decode_to(s, '+');
}

static size_t http_args_count(const char *s)
{
    size_t n = 1;

    for (; *s != '\0' && n < HTTP_ARGS_MAX; s++)
        n += *s == '&';
    return n;
}

void http_args_init(struct http_args *ret, const char *query)
{
    char *rest, *pair;

    *ret = (struct http_args){ .n = 0 };
    if (query == NULL || *query == '\0')
        return;
    ret->text = rest = mem_str(query);
    ret->list = MEM_NEW_ARRAY(struct http_arg, http_args_count(query));
    for (size_t i = 0; i < HTTP_ARGS_MAX && (pair = strsep(&rest, "&")) != NULL; i++) {
        char *value = strchr(pair, '=');

        /* Go refuses ';', which some took for a separator. */
        if (*pair == '\0' || strchr(pair, ';') != NULL)
            continue;
        if (value != NULL)
            *value++ = '\0';
        else
            value = pair + strlen(pair);
        if (http_args_decode(pair) && (*value == '\0' || http_args_decode(value)))
            ret->list[ret->n++] = (struct http_arg){ .key = pair, .value = value };
    }
}

void http_args_fini(struct http_args *a)
{
    free(STEAL(a->list));
    free(STEAL(a->text));
    a->n = 0;
}

const char *http_args_get(const struct http_args *a, const char *key)
{
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->list[i].key, key) == 0)
            return a->list[i].value;
    }
    return NULL;
}

bool http_args_flag(const char *value)
{
    return value != NULL && strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0;
}
