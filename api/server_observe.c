/* What is counted of each call (/metrics), and what the audit log holds of it. */
#include "api/decode.h"
#include "api/server_impl.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"

#include <ctype.h>
#include <stdio.h>
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

/* --- the audit log --- */

static int64_t observe_wall_us(void)
{
    return clock_wall_ms() * 1000;
}

/* The client's own, if it brought one: it may follow its request through several servers. */
void server_observe_arrival(struct call *c)
{
    const char *brought = http_header(c->x, "Audit-Id");

    if (!str_empty(brought) && strlen(brought) < sizeof(c->audit_id))
        snprintf(c->audit_id, sizeof(c->audit_id), "%s", brought);
    else
        bits_uuid(c->audit_id);
    http_set_header(c->x, "Audit-Id", c->audit_id);
}

static void observe_uri(struct text *ret, const struct call *c)
{
    const char *key, *value;

    text_puts(ret, http_path(c->x));
    for (size_t it = 0; http_query_each(c->x, &it, &key, &value);) {
        text_putc(ret, ret->len == strlen(http_path(c->x)) ? '?' : '&');
        server_add_query(ret, key, value);
        ret->data[--ret->len] = '\0'; /* its own '&' */
    }
}

/* What is no resource has the method for a verb, in small letters. */
static void observe_method_verb(char ret[16], const char *method)
{
    size_t n = 0;

    for (; n < 15 && method[n] != '\0'; n++)
        ret[n] = (char)tolower((unsigned char)method[n]);
    ret[n] = '\0';
}

static struct audit_who observe_who(const struct call *c)
{
    return (struct audit_who){ .name = c->user.name,
                               .uid = c->user.uid,
                               .groups = (const char *const *)c->user.groups,
                               .extra = c->user.extra };
}

void server_observe_user(struct call *c, bool known)
{
    const struct route *r = &c->route;
    cleanup(text_fini) struct text uri = TEXT_EMPTY;
    struct audit_who who = observe_who(c);
    struct audit_request request = { .id = c->audit_id,
                                     .source_ip = http_remote(c->x),
                                     .user_agent = http_header(c->x, "User-Agent"),
                                     .who = known ? &who : NULL };
    struct audit_question *q = &request.question;
    struct audit_verdict verdict;
    char verb[16];

    if (c->s->audit == NULL)
        return;
    observe_method_verb(verb, http_method(c->x));
    *q = (struct audit_question){ .verb = verb, .path = http_path(c->x), .group = "" };
    q->resource = q->sub = q->ns = q->name = "";
    if (r->kind == ROUTE_RESOURCE) {
        request.api_version = r->resource->version;
        *q = (struct audit_question){ .verb = r->verb,
                                      .is_resource = true,
                                      .group = r->resource->group,
                                      .resource = r->resource->plural,
                                      .sub = r->sub,
                                      .ns = r->ns,
                                      .name = r->name,
                                      .path = http_path(c->x) };
    }
    verdict = audit_ask(c->s->audit, &request);
    if (verdict.level == AUDIT_NONE)
        return;
    observe_uri(&uri, c);
    request.uri = text_str(&uri);
    c->event = audit_begin(c->s->audit, &request, verdict, observe_wall_us());
}

void server_observe_impersonated(struct call *c)
{
    const struct audit_who as = observe_who(c);

    if (c->event != NULL)
        audit_impersonated(c->event, &as);
}

void server_observe_decision(struct call *c, bool allowed)
{
    if (c->event != NULL)
        audit_decided(c->event, allowed);
}

void server_observe_annotations(struct call *c, const json_t *map)
{
    if (c->event != NULL)
        audit_annotate(c->event, map);
}

static void observe_parse_yaml(json_t **ret, const char *data, size_t len)
{
    cleanup(json_decrefpp) json_t *docs = NULL;
    struct err err = ERR_EMPTY;

    if (yaml_parse(&docs, data, len, &err) == 0 && json_array_size(docs) == 1)
        *ret = json_incref(json_array_get(docs, 0));
}

/* The body as the client sent it; what was read of it may have been changed since. */
static json_t *observe_request_body(const struct call *c)
{
    const char *type = http_header(c->x, "Content-Type");
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;
    size_t len;
    const char *data = http_body(c->x, &len);

    if (len == 0)
        return NULL;
    if (type != NULL && str_starts(type, "application/vnd.kubernetes.protobuf"))
        decode_protobuf(&tree, data, len, &err);
    else if (type != NULL && strstr(type, "yaml") != NULL)
        observe_parse_yaml(&tree, data, len);
    else
        json_parse(&tree, data, len, NULL, &err);
    return tree;
}

/* A refusal says why at every level; an object is only worth reading when it is to be logged. */
static json_t *observe_answer_body(const struct call *c, int status, const char *body, size_t len)
{
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    if (body != NULL && len > 0 && *body == '{' &&
        (status >= 400 || audit_event_level(c->event) >= AUDIT_REQUEST_RESPONSE))
        json_parse(&tree, body, len, NULL, &err);
    return tree;
}

void server_observe_answer(struct call *c, int status, const char *body, size_t len)
{
    c->status = status;
    if (c->event == NULL)
        return;
    audit_names(c->event, c->body);
    if (audit_event_level(c->event) >= AUDIT_REQUEST)
        audit_request_object(c->event, observe_request_body(c));
    audit_answer(c->event, status, observe_answer_body(c, status, body, len));
    if (body == NULL)
        audit_log_stage(c->s->audit, c->event, AUDIT_STARTED, observe_wall_us());
}

/* The exchange may be gone. */
void server_observe_end(struct call *c)
{
    if (c->event != NULL)
        audit_log_stage(c->s->audit, c->event, AUDIT_COMPLETE, observe_wall_us());
    c->event = audit_event_free(c->event);
    if (c->kind.verb != NULL)
        request_stats_end(c->s->stats, &c->kind, c->status,
                          (double)((int64_t)(uv_hrtime() / 1000) - c->began_us) / 1e6);
}
