#include "api/server.h"

#include "api/custom.h"
#include "api/impersonate.h"
#include "api/server_impl.h"
#include "base/clock.h"
#include "base/http_args.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define SERVER_MAX_CALLS_OF_USER    600
#define SERVER_STRANGER_CONNECTIONS 256 /* to one pod */

/* --- dispatch --- */

static const struct {
    const char *verb;
    unsigned may;
    void (*serve)(struct call *c);
} server_verbs[] = {
    { "get", SCHEMA_MAY_GET, server_get },
    { "list", SCHEMA_MAY_LIST, server_list },
    { "watch", SCHEMA_MAY_WATCH, server_watch },
    { "create", SCHEMA_MAY_CREATE, server_write },
    { "update", SCHEMA_MAY_UPDATE, server_write },
    { "patch", SCHEMA_MAY_PATCH, server_write },
    { "delete", SCHEMA_MAY_DELETE, server_write },
    { "deletecollection", SCHEMA_MAY_DELETECOLLECTION, server_delete_collection },
};

/* Subresources that are no plain read or write of the stored object. */
static const struct {
    const char *bucket, *sub, *verb; /* NULL: any, also none that has a name */
    void (*serve)(struct call *c);
} server_subs[] = {
    { "pods", "log", "get", server_log },
    { "pods", "exec", "get", server_stream },
    { "pods", "exec", "create", server_stream },
    { "pods", "attach", "get", server_stream },
    { "pods", "attach", "create", server_stream },
    { "pods", "portforward", "get", server_stream },
    { "pods", "portforward", "create", server_stream },
    { "serviceaccounts", "token", "create", server_token_request },
    { "pods", "proxy", NULL, server_proxy },
    { "services", "proxy", NULL, server_proxy },
    { "nodes", "proxy", NULL, server_proxy },
};

/* Whether the registry or the reads know this subresource. */
static bool server_serves_sub(const struct route *r)
{
    static const char *const subs[] = {
        "status", "scale", "binding", "eviction", "finalize", "approval", "ephemeralcontainers"
    };

    for (size_t i = 0; i < N_ELEMENTS(subs); i++)
        if (str_eq(r->sub, subs[i]))
            return true;
    return r->sub[0] == '\0';
}

/* One object is changed by its name, a new one comes without: its name is in the body. */
static bool server_names_fit(const struct route *r)
{
    bool named = r->name[0] != '\0';

    if (str_eq(r->verb, "create") && r->sub[0] == '\0')
        return !named;
    return named || (!str_eq(r->verb, "update") && !str_eq(r->verb, "patch"));
}

static void server_resource(struct call *c)
{
    const struct route *r = &c->route;
    unsigned may = r->sub_row != NULL ? r->sub_row->verbs : r->resource->verbs;

    if (r->resource->custom != NULL && custom_version(r->resource)->deprecation != NULL)
        call_warn(c, custom_version(r->resource)->deprecation);
    for (size_t i = 0; i < N_ELEMENTS(server_subs); i++)
        if (str_eq(r->resource->bucket, server_subs[i].bucket) &&
            str_eq(r->sub, server_subs[i].sub) &&
            (server_subs[i].verb == NULL || str_eq(r->verb, server_subs[i].verb))) {
            server_subs[i].serve(c);
            return;
        }
    if (str_eq(r->verb, "create") && server_is_review(r->resource)) {
        server_review(c);
        return;
    }
    if (server_is_metrics(r->resource)) {
        server_metrics(c);
        return;
    }
    if (server_is_components(r->resource)) {
        server_components(c);
        return;
    }
    if (!server_serves_sub(r)) {
        call_fail(c, ERR_METHOD, "mkube does not serve %s/%s yet", r->resource->plural, r->sub);
        return;
    }
    for (size_t i = 0; i < N_ELEMENTS(server_verbs); i++)
        if (str_eq(r->verb, server_verbs[i].verb) && (may & server_verbs[i].may) != 0 &&
            server_names_fit(r)) {
            server_verbs[i].serve(c);
            return;
        }
    call_fail(c, ERR_METHOD, "the server does not allow this method on the requested resource");
}

/* A list or watch of the one object that the field selector names is about that object, as in
 * Kubernetes' RequestInfo; a new string or NULL. */
static char *server_field_name(const struct call *c)
{
    const char *text = http_query(c->x, "fieldSelector");
    struct field_selector *s = NULL;
    struct err ignored = ERR_EMPTY;
    char *name = NULL;

    if (str_empty(text) || c->route.kind != ROUTE_RESOURCE || str_eq(c->route.verb, "get") ||
        field_selector_parse(&s, c->route.resource->bucket, text, &ignored) < 0)
        return NULL;
    if (field_selector_exact(s, "metadata.name") != NULL)
        name = mem_str(field_selector_exact(s, "metadata.name"));
    field_selector_free(s);
    return name;
}

static bool server_authorize(struct call *c)
{
    const struct route *r = &c->route;
    cleanup(freep) char *field = server_field_name(c);
    cleanup(text_fini) struct text why = TEXT_EMPTY;
    struct auth_question q = { .verb = r->verb,
                               .path = http_path(c->x),
                               .group = "",
                               .resource = "",
                               .sub = "",
                               .ns = "",
                               .name = "" };
    bool allowed;

    if (r->kind == ROUTE_RESOURCE) {
        q.group = r->resource->group;
        q.resource = r->resource->plural;
        q.sub = r->sub;
        /* A namespace is in itself: a RoleBinding there may give the right to see it. */
        q.ns = str_eq(r->resource->bucket, "namespaces") ? r->name : r->ns;
        q.name = r->name[0] != '\0' || field == NULL ? r->name : field;
    } else {
        q.verb = str_eq(http_method(c->x), "GET") || str_eq(http_method(c->x), "HEAD") ? "get"
                 : str_eq(http_method(c->x), "POST")                                   ? "post"
                                                                                       : r->verb;
    }
    allowed = auth_may(&c->user, registry_rbac(c->s->registry), &q);
    server_observe_decision(c, allowed);
    if (allowed)
        return true;
    if (c->user.anonymous) {
        call_fail(c, ERR_UNAUTHORIZED, "Unauthorized");
        return false;
    }
    auth_refusal(&why, &c->user, &q);
    if (r->kind == ROUTE_RESOURCE)
        call_send_status(c, status_forbidden(r->resource, r->name, text_str(&why)));
    else
        call_fail(c, ERR_FORBIDDEN, "forbidden: %s", text_str(&why));
    return false;
}

static bool server_authenticate(struct call *c)
{
    struct err err = ERR_EMPTY;
    bool known = auth_who(&c->user, c->s->store, &c->s->keys, http_peer(c->x),
                          http_header(c->x, "Authorization"), clock_wall_ms(), &err) == 0;

    server_observe_user(c, known);
    if (!known)
        call_fail(c, ERR_UNAUTHORIZED, "Unauthorized");
    return known;
}

static void server_on_header(void *arg, const char *name, const char *value)
{
    static const char prefix[] = "Impersonate-Extra-";

    if (strncasecmp(name, prefix, strlen(prefix)) == 0)
        impersonate_add_extra(arg, name + strlen(prefix), value);
}

static bool server_impersonate(struct call *c)
{
    cleanup(freep) char *user = http_header_all(c->x, "Impersonate-User");
    cleanup(freep) char *groups = http_header_all(c->x, "Impersonate-Group");
    cleanup(freep) char *uid = http_header_all(c->x, "Impersonate-Uid");
    cleanup(json_decrefpp) json_t *extra = json_object();
    const struct impersonate_wish wish = {
        .user = user, .groups = groups, .uid = uid, .extra = extra
    };
    struct err err = ERR_EMPTY;
    int rc;

    http_header_each(c->x, server_on_header, extra);
    rc = impersonate(&c->user, registry_rbac(c->s->registry), &wish, &err);
    if (rc < 0)
        call_fail(c, rc, "%s", err.text);
    else if (user[0] != '\0')
        server_observe_impersonated(c);
    return rc == 0;
}

/* Not streams, which have limits of their own; nor system:masters, who are exempt in Kubernetes too
 * (the FlowSchema "exempt").  False: answered 429. */
static bool server_count(struct call *c)
{
    const struct route *r = &c->route;

    if (r->kind != ROUTE_RESOURCE || str_eq(r->verb, "watch") || str_eq(r->sub, "log") ||
        str_eq(r->sub, "exec") || str_eq(r->sub, "attach") || str_eq(r->sub, "portforward") ||
        str_eq(r->sub, "proxy") || auth_in_group(&c->user, "system:masters"))
        return true;
    if (tally_of(&c->s->calls, c->user.name) >= c->s->max_calls) {
        call_send_status(c, status_too_many());
        return false;
    }
    tally_add(&c->s->calls, c->user.name);
    c->is_counted = true;
    return true;
}

static void server_on_request(void *arg, struct http_exchange *x)
{
    struct call *c = MEM_NEW(struct call);
    const struct aggregate_api *api;
    const char *watch = http_query(x, "watch");

    c->s = arg;
    c->s->n_calls++;
    c->x = x;
    server_observe_arrival(c);
    http_set_header(x, "Cache-Control", "no-cache, private");
    if (c->s->closing) {
        call_fail(c, ERR_UNAVAILABLE, "the server is shutting down");
        return;
    }
    if (!route_parse(&c->route, http_method(x), http_path(x), http_args_flag(watch))) {
        call_fail(c, ERR_BAD_REQUEST, "the request's path is malformed or too long");
        return;
    }
    custom_hold(c->route.resource);
    server_observe_begin(c);
    if (!server_authenticate(c) || !server_impersonate(c))
        return;
    api = server_aggregate_of(c);
    if (api != NULL) {
        if (server_aggregate_may(c, api))
            server_aggregate(c, api);
        return;
    }
    if (!server_authorize(c))
        return;
    if (!server_count(c))
        return;
    if (c->route.kind == ROUTE_RESOURCE)
        server_resource(c);
    else if (c->route.kind == ROUTE_OTHER)
        server_other(c);
    else
        call_fail(c, ERR_NOT_FOUND, "the server could not find the requested resource");
}

/* 413 and its like come before a request is complete; the body is a Status all the same. */
static char *server_refusal_body(void *arg, int http_status)
{
    cleanup(json_decrefpp) json_t *status = NULL;

    if (http_status == 429)
        status = status_too_many();
    else if (http_status == 413)
        status = status_failure(ERR_LIMIT, "Request entity too large: limit is 3145728");
    else
        status = status_failure(ERR_BAD_REQUEST, "the request could not be read (HTTP %d)",
                                http_status);
    (void)arg;
    json_put_int(status, "code", http_status);
    return json_print(status, NULL);
}

/* --- life --- */

static void server_free(struct server *s)
{
    request_stats_free(s->stats);
    server_events_clear(s);
    tally_fini(&s->calls);
    tls_pair_fini(&s->ca);
    token_keys_free(s->tokens);
    free(s->address);
    free(s->issuer);
    free(s->cluster_cidr);
    free(s->service_cidr);
    free(s->dns_ip);
    free(s->domain);
    free(s);
}

static int server_listen(struct server *s, const struct server_opts *opts, struct err *err)
{
    struct tls_server *creds = NULL;
    struct http_server_opts http = {
        .address = opts->address,
        .port = opts->port,
        .max_body = opts->max_body != 0 ? opts->max_body : 3 * 1024 * 1024,
        .on_request = server_on_request,
        .refusal_body = server_refusal_body,
        .arg = s,
    };
    int rc = tls_server_new(&creds, opts->own, opts->ca->cert_pem, err);

    if (rc < 0)
        return err_wrap(err, rc, "load the server's certificate");
    http.creds = creds;
    rc = http_server_new(&s->http, s->loop, &http, err);
    tls_server_unref(creds);
    return rc < 0 ? err_wrap(err, rc, "listen on %s:%u", opts->address, opts->port) : 0;
}

/* Pods do not prove who they are, to Kubernetes' proxy neither. */
static int server_meet_strangers(struct server *s, struct err *err)
{
    const struct http_client_opts opts = { .insecure = true,
                                           .max_per_host = SERVER_STRANGER_CONNECTIONS };
    int rc = http_client_new(&s->strangers, s->loop, &opts, err);

    if (rc == 0)
        rc = tls_dialer_new_blind(&s->plain_dialer, s->loop, false, err);
    if (rc == 0)
        rc = tls_dialer_new_blind(&s->blind_dialer, s->loop, true, err);
    return rc;
}

static void server_close_clients(struct server *s)
{
    s->nodes = http_client_close(s->nodes);
    s->strangers = http_client_close(s->strangers);
    s->dialer = tls_dialer_close(s->dialer);
    s->plain_dialer = tls_dialer_close(s->plain_dialer);
    s->blind_dialer = tls_dialer_close(s->blind_dialer);
}

static int server_start(struct server *s, const struct server_opts *opts, struct err *err)
{
    struct http_client_opts nodes = { .ca_pem = opts->ca->cert_pem,
                                      .cert_pem = opts->node_client->cert_pem,
                                      .key_pem = opts->node_client->key_pem };
    int rc = token_keys_new(&s->tokens, opts->sa_key_pem, opts->sa_old_keys, err);

    if (rc < 0)
        return rc;
    s->keys.tokens = s->tokens;
    registry_set_tokens(s->registry, s->tokens);
    s->keys.issuer = s->issuer;
    rc = http_client_new(&s->nodes, s->loop, &nodes, err);
    if (rc < 0)
        return err_wrap(err, rc, "prepare calls to nodes");
    rc = tls_dialer_new(&s->dialer, s->loop, opts->ca->cert_pem, opts->node_client->cert_pem,
                        opts->node_client->key_pem, err);
    if (rc == 0)
        rc = server_meet_strangers(s, err);
    if (rc == 0)
        rc = aggregate_new(&s->aggregate, s->loop, s->registry, opts->ca->cert_pem, opts->front_ca,
                           err);
    if (rc == 0)
        rc = server_listen(s, opts, err);
    if (rc < 0) {
        s->aggregate = aggregate_close(s->aggregate);
        server_close_clients(s);
    } else {
        s->pull = metrics_pull_new(s->loop, s->store, s->nodes, s->metrics);
        s->signer = csr_signer_new(s->loop, s->registry, &s->ca, s->certificate_seconds);
    }
    return rc;
}

int server_new(struct server **ret, uv_loop_t *loop, const struct server_opts *opts,
               struct err *err)
{
    struct server *s = MEM_NEW(struct server);
    struct registry_outcall out;
    int rc;

    s->loop = loop;
    s->registry = opts->registry;
    s->store = registry_store(opts->registry);
    s->metrics = opts->metrics;
    s->certificate_seconds = opts->certificate_seconds;
    s->site = opts->site;
    s->stats = request_stats_new();
    s->audit = opts->audit;
    s->ca.cert_pem = mem_str(opts->ca->cert_pem);
    s->ca.key_pem = mem_str(opts->ca->key_pem);
    s->cluster_cidr = mem_str(opts->cluster_cidr);
    s->service_cidr = mem_str(opts->service_cidr);
    s->dns_ip = mem_str(opts->dns_ip);
    s->domain = mem_str(opts->domain);
    s->issuer = mem_fmt("https://kubernetes.default.svc.%s", opts->domain);
    list_init(&s->watches);
    list_init(&s->listings);
    s->max_calls = opts->max_calls_of_user > 0 ? opts->max_calls_of_user : SERVER_MAX_CALLS_OF_USER;
    list_init(&s->collections);
    list_init(&s->streams);
    rc = server_start(s, opts, err);
    if (rc < 0) {
        server_free(s);
        return rc;
    }
    s->address = mem_fmt("%s:%u", opts->advertise_ip, server_port(s));
    registry_on_kinds(s->registry, server_watch_end_retired, s);
    s->out = outcall_new(loop, s->store);
    out = outcall_of_registry(s->out);
    registry_on_outcall(s->registry, &out);
    *ret = s;
    return 0;
}

void server_renew(struct server *s, const struct tls_pair *own, const struct tls_pair *node_client)
{
    const struct http_client_opts nodes = { .ca_pem = s->ca.cert_pem,
                                            .cert_pem = node_client->cert_pem,
                                            .key_pem = node_client->key_pem };
    struct tls_server *creds = NULL;
    struct err err = ERR_EMPTY;

    if (tls_server_new(&creds, own, s->ca.cert_pem, &err) < 0 ||
        tls_dialer_renew(s->dialer, node_client->cert_pem, node_client->key_pem, &err) < 0)
        log_warn("renewed certificate not taken", KV_ERR(&err));
    if (creds != NULL)
        http_server_renew(s->http, creds);
    tls_server_unref(creds);
    http_client_renew(s->nodes, &nodes);
}

uint16_t server_port(const struct server *s)
{
    return http_server_port(s->http);
}

/* Writes that waited for the disk when the clients went are answered to nobody, but through @s. */
void server_settle(struct server *s)
{
    void (*on_closed)(void *arg) = s->on_closed;
    void *closed_arg = s->arg;

    if (!s->is_deaf || s->n_calls > 0)
        return;
    assert(list_empty(&s->watches) && list_empty(&s->streams) && list_empty(&s->listings));
    server_free(s);
    if (on_closed != NULL)
        on_closed(closed_arg);
}

static void server_on_http_closed(void *arg)
{
    struct server *s = arg;

    s->is_deaf = true;
    server_settle(s);
}

void server_close(struct server *s, void (*on_closed)(void *arg), void *arg)
{
    assert(!s->closing);
    s->closing = true;
    registry_set_tokens(s->registry, NULL);
    registry_on_kinds(s->registry, NULL, NULL);
    s->on_closed = on_closed;
    s->arg = arg;
    registry_on_outcall(s->registry, NULL);
    s->aggregate = aggregate_close(s->aggregate);
    s->out = outcall_close(s->out); /* who waits for a webhook is answered */
    server_watch_end_all(s);
    server_list_end_all(s);
    server_collection_end_all(s);
    s->pull = metrics_pull_close(s->pull);
    s->signer = csr_signer_close(s->signer);
    server_stream_end_all(s);
    server_close_clients(s);
    http_server_close(s->http, server_on_http_closed, s);
}
