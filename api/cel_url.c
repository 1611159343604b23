/* url("https://host:80/path?a=b") and its parts, by libcurl's URL parser. */
#include "api/cel_kube.h"

#include "base/http_args.h"
#include "base/mem.h"
#include "base/text.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define CEL_URL_QUERY_MAX 1000 /* parameters */

struct cel_url { /* in the context's memory; absent parts are "" */
    const char *scheme, *host, *port, *path, *query;
    const char *text;
};

static bool cel_url_equal(const void *a, const void *b)
{
    const struct cel_url *x = a, *y = b;

    return str_eq(x->text, y->text);
}

static const struct cel_type cel_url_type = { .kind = CEL_OPAQUE,
                                              .name = "kubernetes.URL",
                                              .equal = cel_url_equal };

static const char *cel_url_part(struct cel_context *c, CURLU *u, CURLUPart part)
{
    char *text = NULL;
    struct cel_value kept;

    if (curl_url_get(u, part, &text, 0) != CURLUE_OK)
        return "";
    kept = cel_copy(c, text, strlen(text));
    curl_free(text);
    return kept.kind == CEL_STRING ? kept.s : "";
}

/* NULL: it is none.  As Go's url.ParseRequestURI: with a scheme, or a path from the root. */
static struct cel_url *cel_url_parse(struct cel_context *c, const char *text)
{
    unsigned flags = CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS;
    bool path_only = text[0] == '/';
    cleanup(freep) char *whole = path_only ? mem_fmt("http://h%s", text) : mem_str(text);
    CURLU *u = curl_url();
    struct cel_url *ret = NULL;

    if (u != NULL && cel_charge(c, strlen(text) / 10 + 5) &&
        (path_only || strstr(text, "://") != NULL) &&
        curl_url_set(u, CURLUPART_URL, whole, flags) == CURLUE_OK) {
        ret = cel_alloc(c, sizeof(*ret));
        ret->scheme = path_only ? "" : cel_url_part(c, u, CURLUPART_SCHEME);
        ret->host = path_only ? "" : cel_url_part(c, u, CURLUPART_HOST);
        ret->port = cel_url_part(c, u, CURLUPART_PORT);
        ret->path = cel_url_part(c, u, CURLUPART_PATH);
        ret->query = cel_url_part(c, u, CURLUPART_QUERY);
        ret->text = cel_copy(c, text, strlen(text)).s;
    }
    curl_url_cleanup(u);
    return ret;
}

static const struct cel_url *cel_url_of(const struct cel_value *v)
{
    return v->arg;
}

CEL_FN(cel_url_new)
{
    struct cel_url *u = cel_url_parse(c, a[0].s);

    return u != NULL ? cel_opaque(&cel_url_type, u)
                     : cel_error(c,
                                 "URL parse error during conversion from string: parse \"%.128s\": "
                                 "invalid URI for request",
                                 a[0].s);
}

CEL_FN(cel_url_is)
{
    return cel_bool(cel_url_parse(c, a[0].s) != NULL);
}

CEL_FN(cel_url_scheme)
{
    return cel_string(cel_url_of(&a[0])->scheme);
}

CEL_FN(cel_url_host)
{
    const struct cel_url *u = cel_url_of(&a[0]);
    cleanup(freep) char *both = mem_fmt("%s%s%s", u->host, u->port[0] != '\0' ? ":" : "", u->port);

    return cel_copy(c, both, strlen(both));
}

/* Without the brackets of IPv6. */
CEL_FN(cel_url_hostname)
{
    const char *host = cel_url_of(&a[0])->host;
    size_t len = strlen(host);

    return host[0] == '[' && len > 1 ? cel_copy(c, host + 1, len - 2) : cel_string(host);
}

CEL_FN(cel_url_port)
{
    return cel_string(cel_url_of(&a[0])->port);
}

CEL_FN(cel_url_path)
{
    return cel_string(cel_url_of(&a[0])->path);
}

/* Percent signs and plus signs taken away. */
static struct cel_value cel_url_decoded(struct cel_context *c, const char *s, size_t n)
{
    cleanup(freep) char *plain = mem_strn(s, n);
    char *decoded;
    struct cel_value v;
    int len = 0;

    for (char *p = plain; *p != '\0'; p++)
        if (*p == '+')
            *p = ' ';
    decoded = curl_easy_unescape(NULL, plain, 0, &len);
    v = cel_copy(c, decoded != NULL ? decoded : "", decoded != NULL ? (size_t)len : 0);
    curl_free(decoded);
    return v;
}

/* One more value of @key. */
static void cel_url_add(struct cel_context *c, struct cel_value *map, struct cel_pair *pairs,
                        struct cel_value key, struct cel_value value)
{
    struct cel_value *items, *list;
    size_t i = 0;

    while (i < map->n && strcmp(pairs[i].key.s, key.s) != 0)
        i++;
    if (i == map->n)
        pairs[map->n++] = (struct cel_pair){ key, cel_list(NULL, 0) };
    list = &pairs[i].value;
    items = cel_alloc(c, (list->n + 1) * sizeof(*items));
    if (list->n > 0)
        memcpy(items, list->items, list->n * sizeof(*items));
    items[list->n] = value;
    *list = cel_list(items, list->n + 1);
}

CEL_FN(cel_url_query)
{
    const char *s = cel_url_of(&a[0])->query;
    struct cel_pair *pairs;
    struct cel_value map = { .kind = CEL_MAP };
    size_t parts = 1;

    for (const char *p = s; *p != '\0'; p++)
        parts += *p == '&';
    if (parts > CEL_URL_QUERY_MAX || !cel_charge(c, parts * parts))
        return cel_error(c, "the query has too many parameters");
    map.pairs = pairs = cel_alloc(c, parts * sizeof(*pairs));
    while (*s != '\0') {
        size_t len = strcspn(s, "&"), name = strcspn(s, "&=");
        size_t from = s[name] == '=' ? name + 1 : name;

        if (len > 0)
            cel_url_add(c, &map, pairs, cel_url_decoded(c, s, name),
                        cel_url_decoded(c, s + from, len - from));
        s += len + (s[len] == '&');
    }
    return map;
}

static const struct cel_type *const cel_url_types[] = { &cel_url_type };

static const struct cel_function cel_url_functions[] = {
    { "url", false, "s:0", cel_url_new },
    { "isURL", false, "s:b", cel_url_is },
    { "getScheme", true, "0:s", cel_url_scheme },
    { "getHost", true, "0:s", cel_url_host },
    { "getHostname", true, "0:s", cel_url_hostname },
    { "getPort", true, "0:s", cel_url_port },
    { "getEscapedPath", true, "0:s", cel_url_path },
    { "getQuery", true, "0:MsLs", cel_url_query },
};

const struct cel_library cel_lib_url = { cel_url_functions, N_ELEMENTS(cel_url_functions),
                                         cel_url_types };
