#include "api/aggregate.h"

#include "api/conditions.h"
#include "api/service_peer.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/tls.h"

#include <assert.h>
#include <string.h>

#define AGGREGATE_CALL_MS 5000
#define AGGREGATE_DOC_MAX (1024 * 1024)

struct aggregate_row {
    struct aggregate_api api;
    struct list link;
    struct aggregate *a;
    char *name;
    json_t *tree; /* owned: the APIService; api borrows */
    json_t *document;
    struct http_call *probe;
    bool seen; /* during a reload */
};

struct aggregate {
    uv_loop_t *loop;
    struct registry *registry; /* borrowed */
    struct store *store;       /* borrowed */
    struct list rows;
    size_t n_rows;
    struct store_cursor *cursor;
    struct timer *reload, *tick;
    struct tls_pair ca, own; /* how those APIs know us */
    bool closing;
};

static void aggregate_ignore(void *arg, const struct registry_answer *answer)
{
    (void)arg;
    (void)answer;
}

/* --- status --- */

static void row_write_status(struct aggregate_row *row, bool ok, const char *reason,
                             const char *message)
{
    json_t *status = json_deep_copy(json_at(row->tree, "status"));
    cleanup(json_decrefpp) json_t *body = NULL;
    struct registry_request req = { .verb = REGISTRY_PATCH,
                                    .patch = REGISTRY_MERGE_PATCH,
                                    .resource = schema_bucket(AGGREGATE_BUCKET),
                                    .sub = "status",
                                    .ns = "",
                                    .name = row->name,
                                    .user = &registry_itself,
                                    .grace_seconds = -1 };

    if (status == NULL)
        status = json_object();
    row->api.available = ok;
    if (!condition_set(status, "Available", ok ? "True" : "False", reason, message,
                       clock_wall_ms())) {
        json_decref(status);
        return;
    }
    json_object_set(row->tree, "status", status);
    req.body = body = json_pack("{s:o}", "status", status);
    registry_write(row->a->registry, &req, aggregate_ignore, NULL);
}

/* --- asking --- */

int aggregate_place(const struct aggregate *a, const struct aggregate_api *api, char **ret_url,
                    char **ret_connect_to, struct err *err)
{
    const json_t *service = json_at(api->spec, "service");
    const char *ns = json_str_or(service, "namespace", "");
    const char *name = json_str_or(service, "name", "");
    int64_t port = json_int(service, "port", 443);
    char peer[SERVICE_PEER_MAX];
    uint64_t random;
    int rc;

    bits_random(&random, sizeof(random));
    rc = service_peer(peer, a->store, ns, name, port, random, err);
    if (rc < 0)
        return rc;
    *ret_url = mem_fmt("https://%s.%s.svc:%lld", name, ns, (long long)port);
    *ret_connect_to = mem_str(peer);
    return 0;
}

static void row_take_document(struct aggregate_row *row, json_t *document)
{
    json_decref(row->document);
    row->document = json_incref(document);
    row->api.resources = json_object_get(document, "resources");
    row_write_status(row, true, "Passed", "all checks passed");
}

static void row_on_probed(void *arg, int rc, const struct http_head *head, const void *body,
                          size_t len, const struct err *err)
{
    struct aggregate_row *row = arg;
    cleanup(json_decrefpp) json_t *document = NULL;
    cleanup(freep) char *why = NULL;
    struct err ignored = ERR_EMPTY;

    row->probe = NULL;
    if (row->a->closing)
        return;
    if (rc < 0)
        why = mem_fmt("failing or missing response from /apis/%s/%s: %.300s", row->api.group,
                      row->api.version, err->text);
    else if (head->status < 200 || head->status > 299)
        why = mem_fmt("failing or missing response from /apis/%s/%s: bad status: %d",
                      row->api.group, row->api.version, head->status);
    else if (json_parse(&document, body, len, NULL, &ignored) < 0 ||
             !json_is_array(json_object_get(document, "resources")))
        why = mem_fmt("failing or missing response from /apis/%s/%s: it is no APIResourceList",
                      row->api.group, row->api.version);
    if (why != NULL)
        row_write_status(row, false, "FailedDiscoveryCheck", why);
    else
        row_take_document(row, document);
}

/* Words of kube-aggregator's availability controller. */
static void row_unplaced(struct aggregate_row *row, const struct err *why)
{
    const json_t *service = json_at(row->api.spec, "service");
    const char *ns = json_str_or(service, "namespace", "");
    const char *name = json_str_or(service, "name", "");
    bool present = store_get(row->a->store, "services", ns, name) != NULL;
    cleanup(freep) char *message = NULL;

    if (!present)
        message = mem_fmt("service/%s in \"%s\" is not present", name, ns);
    else if (why->code == ERR_NOT_FOUND)
        message = mem_fmt("service/%s in \"%s\" is not listening on port %lld", name, ns,
                          (long long)json_int(service, "port", 443));
    else
        message = mem_fmt("endpoints for service/%s in \"%s\" have no addresses", name, ns);
    row_write_status(row, false,
                     !present                     ? "ServiceNotFound"
                     : why->code == ERR_NOT_FOUND ? "ServicePortError"
                                                  : "MissingEndpoints",
                     message);
}

static void row_probe(struct aggregate_row *row)
{
    static const char *const headers[] = { "X-Remote-User: system:kube-aggregator",
                                           "X-Remote-Group: system:masters",
                                           "Accept: application/json", NULL };
    const struct http_call_listener listener = { .on_done = row_on_probed, .arg = row };
    struct http_call_spec spec = { .headers = headers,
                                   .timeout_ms = AGGREGATE_CALL_MS,
                                   .max_body = AGGREGATE_DOC_MAX };
    cleanup(freep) char *base = NULL;
    cleanup(freep) char *connect_to = NULL;
    cleanup(freep) char *url = NULL;
    struct err err = ERR_EMPTY;

    if (row->probe != NULL)
        return;
    if (aggregate_place(row->a, &row->api, &base, &connect_to, &err) < 0) {
        row_unplaced(row, &err);
        return;
    }
    spec.url = url = mem_fmt("%s/apis/%s/%s", base, row->api.group, row->api.version);
    spec.connect_to = connect_to;
    row->probe = http_call(row->api.client, &spec, &listener);
}

static void aggregate_on_tick(void *arg)
{
    struct aggregate *a = arg;

    LIST_EACH (it, &a->rows)
        row_probe(list_entry(it, struct aggregate_row, link));
    if (!list_empty(&a->rows))
        timer_start(a->tick, AGGREGATE_PROBE_MS);
}

/* --- the set --- */

static void row_free(struct aggregate_row *row)
{
    if (row->probe != NULL)
        http_call_cancel(row->probe);
    list_del(&row->link);
    row->a->n_rows--;
    http_client_close(row->api.client);
    json_decref(row->tree);
    json_decref(row->document);
    free(row->name);
    free(row);
}

static int row_client(struct aggregate_row *row, struct err *err)
{
    const json_t *spec = row->api.spec, *bundle = json_object_get(spec, "caBundle");
    cleanup(text_fini) struct text ca = TEXT_EMPTY;
    struct http_client_opts opts = { .cert_pem = row->a->own.cert_pem,
                                     .key_pem = row->a->own.key_pem,
                                     .insecure = json_bool(spec, "insecureSkipTLSVerify", false) };
    size_t bad;

    if (json_is_string(bundle) &&
        !bits_unbase64(&ca, json_string_value(bundle), json_string_length(bundle), &bad))
        return err_set(err, ERR_INVALID, "bad base64");
    opts.ca_pem = ca.len > 0 ? text_str(&ca) : NULL;
    return http_client_new(&row->api.client, row->a->loop, &opts, err);
}

static struct aggregate_row *aggregate_row(const struct aggregate *a, const char *name)
{
    LIST_EACH (it, &a->rows) {
        struct aggregate_row *row = list_entry(it, struct aggregate_row, link);

        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

static void aggregate_add(struct aggregate *a, const struct object *o, json_t *tree)
{
    struct aggregate_row *row = MEM_NEW(struct aggregate_row);
    struct err err = ERR_EMPTY;

    row->a = a;
    row->name = mem_str(o->name);
    row->tree = json_incref(tree);
    row->seen = true;
    row->api.spec = json_at(tree, "spec");
    row->api.group = json_str_or(tree, "spec.group", "");
    row->api.version = json_str_or(tree, "spec.version", "");
    list_add_tail(&a->rows, &row->link);
    a->n_rows++;
    if (row_client(row, &err) < 0) {
        row_write_status(row, false, "FailedDiscoveryCheck", err.text);
        row_free(row); /* until it is changed */
        return;
    }
    row_probe(row);
}

/* Whether it is somebody else's, and what changed of it. */
static void aggregate_look(struct aggregate *a, const struct object *o)
{
    cleanup(json_decrefpp) json_t *tree = object_tree(o);
    struct aggregate_row *row = aggregate_row(a, o->name);

    if (json_at(tree, "spec.service") == NULL ||
        schema_serves(json_str_or(tree, "spec.group", ""), json_str_or(tree, "spec.version", "")))
        return;
    if (row != NULL && json_equal(json_at(tree, "spec"), row->api.spec)) {
        row->seen = true;
        json_object_set(row->tree, "status", json_at(tree, "status"));
        return;
    }
    if (row != NULL)
        row_free(row);
    if (a->n_rows < AGGREGATE_MAX)
        aggregate_add(a, o, tree);
}

static void aggregate_on_reload(void *arg)
{
    struct aggregate *a = arg;
    struct store_change change;
    const struct object *o;
    struct store_iter it;
    bool idle = list_empty(&a->rows);

    while (store_cursor_next(a->cursor, &change) == 1)
        ;
    LIST_EACH (l, &a->rows)
        list_entry(l, struct aggregate_row, link)->seen = false;
    store_iter_init(&it, a->store, AGGREGATE_BUCKET, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL)
        aggregate_look(a, o);
    LIST_EACH_SAFE (l, &a->rows) {
        struct aggregate_row *row = list_entry(l, struct aggregate_row, link);

        if (!row->seen)
            row_free(row);
    }
    if (idle && !list_empty(&a->rows))
        timer_start(a->tick, AGGREGATE_PROBE_MS);
}

static void aggregate_on_wake(void *arg)
{
    struct aggregate *a = arg;

    timer_start(a->reload, 0);
}

const struct aggregate_api *aggregate_find(const struct aggregate *a, const char *group,
                                           const char *version)
{
    LIST_EACH (it, &a->rows) {
        const struct aggregate_row *row = list_entry(it, struct aggregate_row, link);

        if (strcmp(row->api.group, group) == 0 && strcmp(row->api.version, version) == 0)
            return &row->api;
    }
    return NULL;
}

const struct aggregate_api *aggregate_at(const struct aggregate *a, size_t index)
{
    LIST_EACH (it, &a->rows)
        if (index-- == 0)
            return &list_entry(it, struct aggregate_row, link)->api;
    return NULL;
}

/* --- whom they shall believe --- */

static void aggregate_publish(struct aggregate *a, const char *client_ca_pem)
{
    cleanup(json_decrefpp) json_t *map = json_pack(
        "{s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "metadata", "name",
        "extension-apiserver-authentication", "namespace", "kube-system", "data", "client-ca-file",
        client_ca_pem, "requestheader-client-ca-file", a->ca.cert_pem,
        "requestheader-allowed-names", "[\"front-proxy-client\"]", "requestheader-username-headers",
        "[\"X-Remote-User\"]", "requestheader-group-headers", "[\"X-Remote-Group\"]",
        "requestheader-extra-headers-prefix", "[\"X-Remote-Extra-\"]");
    bool present = store_latest(a->store, "configmaps", "kube-system",
                                "extension-apiserver-authentication") != NULL;
    struct registry_request req = { .verb = present ? REGISTRY_UPDATE : REGISTRY_CREATE,
                                    .resource = schema_bucket("configmaps"),
                                    .sub = "",
                                    .ns = "kube-system",
                                    .name = present ? "extension-apiserver-authentication" : "",
                                    .body = map,
                                    .user = &registry_itself,
                                    .grace_seconds = -1 };

    registry_write(a->registry, &req, aggregate_ignore, NULL);
}

static int aggregate_identity(struct aggregate *a, const struct tls_pair *front_ca, struct err *err)
{
    const struct tls_spec spec = { .cn = "front-proxy-client", .is_client = true };
    int rc = 0;

    if (front_ca == NULL)
        rc = tls_ca_make(&a->ca, "mkube front proxy", err);
    else
        a->ca = (struct tls_pair){ .cert_pem = mem_str(front_ca->cert_pem),
                                   .key_pem = mem_str(front_ca->key_pem) };

    return rc < 0 ? rc : tls_issue(&a->own, &a->ca, &spec, err);
}

int aggregate_new(struct aggregate **ret, uv_loop_t *loop, struct registry *registry,
                  const char *client_ca_pem, const struct tls_pair *front_ca, struct err *err)
{
    struct aggregate *a = MEM_NEW(struct aggregate);
    int rc;

    a->loop = loop;
    a->registry = registry;
    a->store = registry_store(registry);
    list_init(&a->rows);
    rc = aggregate_identity(a, front_ca, err);
    if (rc == 0)
        rc = store_cursor_new(&a->cursor, a->store, AGGREGATE_BUCKET, store_revision(a->store),
                              aggregate_on_wake, a);
    assert(rc <= 0); /* it begins at what is there */
    if (rc < 0) {
        tls_pair_fini(&a->ca);
        tls_pair_fini(&a->own);
        free(a);
        return rc;
    }
    a->reload = timer_new(loop, aggregate_on_reload, a);
    a->tick = timer_new(loop, aggregate_on_tick, a);
    timer_start(a->reload, 0);
    aggregate_publish(a, client_ca_pem);
    *ret = a;
    return 0;
}

struct aggregate *aggregate_close(struct aggregate *a)
{
    if (a == NULL)
        return NULL;
    a->closing = true;
    while (!list_empty(&a->rows))
        row_free(list_entry(a->rows.next, struct aggregate_row, link));
    store_cursor_free(a->cursor);
    timer_close(a->reload);
    timer_close(a->tick);
    tls_pair_fini(&a->ca);
    tls_pair_fini(&a->own);
    free(a);
    return NULL;
}
