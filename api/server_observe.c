/* What is counted of each call: /metrics. */
#include "api/server_impl.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* Kubernetes' words for verbs of resources: apiserver/pkg/endpoints/metrics. */
static const struct {
    const char *verb, *word;
} observe_verbs[] = {
    { "get", "GET" },       { "list", "LIST" },
    { "watch", "WATCH" },   { "create", "POST" },
    { "update", "PUT" },    { "patch", "PATCH" },
    { "delete", "DELETE" }, { "deletecollection", "DELETECOLLECTION" },
};

/* Paths under which others are counted; what is asked of nobody has no name. */
static const char *const observe_paths[] = { "/api",        "/apis",    "/cacerts", "/healthz",
                                             "/livez",      "/metrics", "/mkube",   "/openapi/v2",
                                             "/openapi/v3", "/readyz",  "/version" };

static bool observe_is_connect(const struct route *r)
{
    return str_eq(r->sub, "exec") || str_eq(r->sub, "attach") || str_eq(r->sub, "portforward") ||
           str_eq(r->sub, "proxy");
}

static const char *observe_verb(const struct call *c)
{
    const char *type = http_header(c->x, "Content-Type");

    if (observe_is_connect(&c->route))
        return "CONNECT";
    if (str_eq(c->route.verb, "patch") && type != NULL &&
        str_starts(type, "application/apply-patch+yaml"))
        return "APPLY";
    for (size_t i = 0; i < N_ELEMENTS(observe_verbs); i++)
        if (str_eq(c->route.verb, observe_verbs[i].verb))
            return observe_verbs[i].word;
    return "other";
}

/* Methods are the client's own words. */
static const char *observe_method(const char *method)
{
    static const char *const known[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

    for (size_t i = 0; i < N_ELEMENTS(known); i++)
        if (str_eq(method, known[i]))
            return known[i];
    return str_eq(method, "HEAD") ? "GET" : "other";
}

static const char *observe_path(const char *path)
{
    for (size_t i = 0; i < N_ELEMENTS(observe_paths); i++) {
        size_t n = strlen(observe_paths[i]);

        if (str_starts(path, observe_paths[i]) && (path[n] == '\0' || path[n] == '/'))
            return observe_paths[i];
    }
    return "";
}

static bool observe_mutates(const char *verb)
{
    return !str_eq(verb, "GET") && !str_eq(verb, "LIST") && !str_eq(verb, "WATCH");
}

void server_observe_begin(struct call *c)
{
    const struct route *r = &c->route;
    struct request_kind *k = &c->kind;

    *k = (struct request_kind){ .group = "", .version = "", .resource = "", .sub = "" };
    k->scope = "";
    if (r->kind == ROUTE_RESOURCE) {
        k->verb = observe_verb(c);
        k->group = r->resource->group;
        k->version = r->resource->version;
        k->resource = r->resource->plural;
        k->sub = r->sub;
        k->scope = r->name[0] != '\0' ? "resource" : r->ns[0] != '\0' ? "namespace" : "cluster";
        k->is_long = observe_is_connect(r) || str_eq(k->verb, "WATCH") || str_eq(r->sub, "log");
    } else {
        k->verb = observe_method(http_method(c->x));
        k->sub = observe_path(http_path(c->x));
    }
    k->dry_run = !str_empty(http_query(c->x, "dryRun"));
    k->mutates = observe_mutates(k->verb);
    c->began_us = (int64_t)(uv_hrtime() / 1000);
    request_stats_begin(c->s->stats, k);
}

void server_observe_answer(struct call *c, int status, const char *body, size_t len)
{
    (void)body;
    (void)len;
    c->status = status;
}

/* The exchange may be gone. */
void server_observe_end(struct call *c)
{
    if (c->kind.verb == NULL)
        return;
    request_stats_end(c->s->stats, &c->kind, c->status,
                      (double)((int64_t)(uv_hrtime() / 1000) - c->began_us) / 1e6);
}
