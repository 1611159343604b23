#include "api/route.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ROUTE_PARTS_MAX 16

struct route_parts {
    char text[ROUTE_PARTS_MAX][ROUTE_PART_MAX];
    unsigned n;
};

static int route_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One path segment, percent-decoded.  Only what a name may consist of is accepted (path segment
 * names: printable ASCII, no '/', '%', "." or ".."): all else could not be stored either. */
static bool route_decode(char ret[ROUTE_PART_MAX], const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)s[i];

        if (c == '%') {
            int hi = i + 1 < len ? route_hex(s[i + 1]) : -1;
            int lo = i + 2 < len ? route_hex(s[i + 2]) : -1;

            if (hi < 0 || lo < 0)
                return false;
            c = hi * 16 + lo;
            i += 2;
        }
        if (c < ' ' || c > '~' || c == '/' || n + 1 >= ROUTE_PART_MAX)
            return false;
        ret[n++] = (char)c;
    }
    ret[n] = '\0';
    return !str_eq(ret, ".") && !str_eq(ret, "..");
}

/* api/v1/nodes/NAME/proxy, api/v1/namespaces/NS/RESOURCE/NAME/proxy: what follows is not ours. */
static bool route_ends_in_proxy(const struct route_parts *p)
{
    return str_eq(p->text[p->n - 1], "proxy") && str_eq(p->text[0], "api") &&
           ((p->n == 5 && str_eq(p->text[2], "nodes")) ||
            (p->n == 7 && str_eq(p->text[2], "namespaces")));
}

static bool route_split(struct route_parts *ret, const char *path, const char **ret_rest)
{
    ret->n = 0;
    *ret_rest = "";
    while (*path != '\0') {
        size_t len;

        while (*path == '/')
            path++;
        len = strcspn(path, "/");
        if (len == 0)
            break;
        if (ret->n == ROUTE_PARTS_MAX)
            return false;
        if (!route_decode(ret->text[ret->n], path, len))
            return false;
        ret->n++;
        path += len;
        if (route_ends_in_proxy(ret)) {
            *ret_rest = path;
            break;
        }
    }
    return true;
}

static const char *route_verb(const char *method, bool named, bool watch)
{
    static const struct {
        const char *method, *on_one, *on_all;
    } verbs[] = {
        { "GET", "get", "list" },       { "HEAD", "get", "list" },
        { "POST", "create", "create" }, { "PUT", "update", "update" },
        { "PATCH", "patch", "patch" },  { "DELETE", "delete", "deletecollection" },
    };

    for (size_t i = 0; i < N_ELEMENTS(verbs); i++)
        if (str_eq(method, verbs[i].method)) {
            if (watch && !named && str_eq(verbs[i].on_all, "list"))
                return "watch"; /* of one object: the list with metadata.name=x */
            return named ? verbs[i].on_one : verbs[i].on_all;
        }
    return "";
}

/* The parts from @i on: resource [name [sub [rest]]]. */
static void route_fill(struct route *ret, const struct route_parts *p, unsigned i,
                       const char *group, const char *version)
{
    ret->resource = schema_resource(group, version, p->text[i]);
    if (ret->resource == NULL)
        return;
    if (i + 1 < p->n)
        snprintf(ret->name, sizeof(ret->name), "%s", p->text[i + 1]);
    if (i + 2 < p->n) {
        snprintf(ret->sub, sizeof(ret->sub), "%.63s", p->text[i + 2]);
        ret->sub_row = schema_sub(ret->resource, ret->sub);
        if (ret->sub_row == NULL || i + 3 < p->n)
            ret->resource = NULL;
    }
}

static void route_resource(struct route *ret, const struct route_parts *p, unsigned i,
                           const char *group, const char *version)
{
    bool in_namespace = str_eq(p->text[i], "namespaces") && i + 2 < p->n &&
                        schema_resource(group, version, p->text[i + 2]) != NULL;

    ret->kind = ROUTE_UNKNOWN;
    if (in_namespace) {
        snprintf(ret->ns, sizeof(ret->ns), "%s", p->text[i + 1]);
        route_fill(ret, p, i + 2, group, version);
        if (ret->resource != NULL && !ret->resource->namespaced)
            ret->resource = NULL;
    } else {
        route_fill(ret, p, i, group, version);
        /* A namespaced object cannot be named without its namespace. */
        if (ret->resource != NULL && ret->resource->namespaced && ret->name[0] != '\0')
            ret->resource = NULL;
    }
    if (ret->resource != NULL)
        ret->kind = ROUTE_RESOURCE;
}

bool route_parse(struct route *ret, const char *method, const char *path, bool watch)
{
    struct route_parts p;

    memset(ret, 0, sizeof(*ret));
    ret->kind = ROUTE_OTHER;
    if (!route_split(&p, path, &ret->rest))
        return false;
    if (p.n >= 3 && str_eq(p.text[0], "api"))
        route_resource(ret, &p, 2, "", p.text[1]);
    else if (p.n >= 4 && str_eq(p.text[0], "apis"))
        route_resource(ret, &p, 3, p.text[1], p.text[2]);
    ret->verb = route_verb(method, ret->name[0] != '\0', watch);
    return true;
}
