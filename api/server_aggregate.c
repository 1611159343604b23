/* Requests for APIs that somebody else serves: passed on, with who asks in headers that the other
 * end believes (api/aggregate.h), and its answer as it comes. */
#include "api/server_impl.h"

#include "base/http_args.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define AGGREGATE_TIMEOUT_MS 60000

/* --- what is asked --- */

/* "/apis/group/version" and what follows; false: it is no such path. */
static bool aggregate_split(const char *path, char group[128], char version[64],
                            const char **ret_rest)
{
    size_t n;

    if (!str_starts(path, "/apis/"))
        return false;
    path += strlen("/apis/");
    n = strcspn(path, "/");
    if (n == 0 || n >= 128 || path[n] != '/')
        return false;
    snprintf(group, 128, "%.*s", (int)n, path);
    path += n + 1;
    n = strcspn(path, "/");
    if (n == 0 || n >= 64)
        return false;
    snprintf(version, 64, "%.*s", (int)n, path);
    *ret_rest = path + n + (path[n] == '/');
    return true;
}

const struct aggregate_api *server_aggregate_of(const struct call *c)
{
    char group[128], version[64];
    const char *rest;

    if (c->route.kind == ROUTE_RESOURCE || !aggregate_split(http_path(c->x), group, version, &rest))
        return NULL;
    return aggregate_find(c->s->aggregate, group, version);
}

/* namespaces/NS/RESOURCE/NAME/SUB or RESOURCE/NAME/SUB, as strings of @part. */
static void aggregate_question(struct auth_question *q, char **part, const char *method, bool watch)
{
    size_t n = 0, i = 0;

    while (part[n] != NULL && part[n][0] != '\0')
        n++;
    if (n >= 3 && str_eq(part[0], "namespaces")) {
        q->ns = part[1];
        i = 2;
    }
    q->resource = i < n ? part[i] : "";
    q->name = i + 1 < n ? part[i + 1] : "";
    q->sub = i + 2 < n ? part[i + 2] : "";
    if (str_eq(method, "POST"))
        q->verb = "create";
    else if (str_eq(method, "PUT"))
        q->verb = "update";
    else if (str_eq(method, "PATCH"))
        q->verb = "patch";
    else if (str_eq(method, "DELETE"))
        q->verb = q->name[0] != '\0' ? "delete" : "deletecollection";
    else
        q->verb = watch ? "watch" : (q->name[0] != '\0' ? "get" : "list");
}

bool server_aggregate_may(struct call *c, const struct aggregate_api *api)
{
    char group[128], version[64];
    const char *rest = "", *watch = http_query(c->x, "watch");
    struct auth_question q = { .path = http_path(c->x),
                               .group = api->group,
                               .resource = "",
                               .sub = "",
                               .ns = "",
                               .name = "" };
    cleanup(text_fini) struct text why = TEXT_EMPTY;
    cleanup(strv_freep) char **part = NULL;
    bool allowed;

    aggregate_split(http_path(c->x), group, version, &rest);
    part = str_split(rest, '/');
    aggregate_question(&q, part, http_method(c->x), http_args_flag(watch));
    if (q.resource[0] == '\0') {
        q.group = "";
        q.verb = "get"; /* its discovery */
    }
    allowed = auth_may(&c->user, registry_rbac(c->s->registry), &q);
    if (allowed)
        return true;
    auth_refusal(&why, &c->user, &q);
    if (c->user.anonymous)
        call_fail(c, ERR_UNAUTHORIZED, "Unauthorized");
    else
        call_fail(c, ERR_FORBIDDEN, "forbidden: %s", text_str(&why));
    return false;
}

/* --- passing on --- */

/* A header's name holds tokens only (RFC 9110); the rest is escaped, as client-go does. */
static void aggregate_extra(struct server_pass *pass, const json_t *extra)
{
    static const char token[] = "!#$&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz";
    const char *key;
    json_t *values, *value;
    size_t i;

    json_object_foreach ((json_t *)(uintptr_t)extra, key, values) {
        cleanup(text_fini) struct text name = TEXT_EMPTY;

        text_puts(&name, "X-Remote-Extra-");
        for (const char *s = key; *s != '\0'; s++)
            text_fmt(&name, strchr(token, *s) != NULL ? "%c" : "%%%02X", (unsigned char)*s);
        json_array_foreach (values, i, value)
            server_pass_header(pass, text_str(&name), json_string_value(value));
    }
}

static void aggregate_headers(struct server_pass *pass, const struct call *c)
{
    server_pass_header(pass, "X-Remote-User", c->user.name);
    for (size_t i = 0; c->user.groups != NULL && c->user.groups[i] != NULL; i++)
        server_pass_header(pass, "X-Remote-Group", c->user.groups[i]);
    aggregate_extra(pass, c->user.extra);
    server_pass_headers(pass, c);
}

void server_aggregate(struct call *c, const struct aggregate_api *api)
{
    cleanup(server_pass_fini) struct server_pass pass = { .timeout_ms = AGGREGATE_TIMEOUT_MS };
    const char *watch = http_query(c->x, "watch");
    cleanup(freep) char *base = NULL;
    cleanup(freep) char *connect_to = NULL;
    struct err err = ERR_EMPTY;

    if (!api->available) {
        call_fail(c, ERR_UNAVAILABLE, "service unavailable");
        return;
    }
    if (http_header(c->x, "Upgrade") != NULL) {
        call_fail(c, ERR_METHOD, "mkube passes no upgrades to aggregated APIs yet");
        return;
    }
    if (aggregate_place(c->s->aggregate, api, &base, &connect_to, &err) < 0) {
        call_fail(c, ERR_UNAVAILABLE, "%s", err.text);
        return;
    }
    aggregate_headers(&pass, c);
    pass.client = api->client;
    pass.base = base;
    pass.path = http_path(c->x);
    pass.connect_to = connect_to;
    if (http_args_flag(watch))
        pass.timeout_ms = -1;
    server_pass(c, &pass);
}
