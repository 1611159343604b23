/* http_args: the query of a URL as pairs, in order, with repeats.
 *
 * "%XX" and "+" are decoded as Go's url.ParseQuery does; pairs that are malformed or would
 * hold a NUL are left out, as are all past HTTP_ARGS_MAX.  Thread: any.
 */
#ifndef BASE_HTTP_ARGS_H
#define BASE_HTTP_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_ARGS_MAX 1024

struct http_args {
    struct http_arg {
        const char *key, *value; /* in @text */
    } * list;                    /* owned */
    size_t n;
    char *text; /* owned */
};

/* @query is without '?'; NULL gives none. */
void http_args_init(struct http_args *ret, const char *query);
void http_args_fini(struct http_args *a);
const char *http_args_get(const struct http_args *a,
                          const char *key); /* the first; NULL if absent */
/* A flag's value as Kubernetes reads it (apimachinery/pkg/runtime/conversion.go): all but "false" and
 * "0" is yes, "" and "True" too.  NULL is no. */
bool http_args_flag(const char *value);
/* %XX become bytes, in place; false, and @s is spoilt: malformed, or a NUL that would hide the rest. */
bool http_args_unescape(char *s);

#endif
