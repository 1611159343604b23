#include "net/entry.h"

#include "api/informer.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls_stream.h"
#include "net/entry_certs.h"
#include "net/entry_events.h"
#include "net/entry_facts.h"
#include "net/entry_names.h"
#include "net/entry_status.h"
#include "net/entry_table.h"
#include "net/entry_tcp.h"
#include "net/entry_worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Changes within this time make one table. */
#define ENTRY_GATHER_MS  10
/* Ports that somebody else has on this host are tried again. */
#define ENTRY_WANTING_MS 10000
/* Descriptors that are not for clients, and how many one client may need (TCP, both ends of a
 * socketpair, an endpoint). */
#define ENTRY_SPARE_FDS  128
#define ENTRY_CLIENT_FDS 4

enum entry_bucket {
    ENTRY_BUCKET_INGRESSES,
    ENTRY_BUCKET_CLASSES,
    ENTRY_BUCKET_SERVICES,
    ENTRY_BUCKET_SLICES,
    ENTRY_BUCKET_SECRETS,
    ENTRY_BUCKET_GROUPS,
    ENTRY_BUCKET_POOLS,
    ENTRY_BUCKET_USERS,
    ENTRY_BUCKETS
};

struct entry_source { /* of facts */
    struct entry *entry;
    enum entry_bucket bucket;
    struct informer *informer;
};

struct entry {
    uv_loop_t *loop;
    struct client *client; /* borrowed */
    char *publish_ip;
    struct entry_source sources[ENTRY_BUCKETS];
    struct entry_facts facts;
    struct timer *gather;
    struct entry_certs *certs;
    struct entry_worker *worker;
    struct entry_tcp *tcp;
    struct entry_status *status;
    struct entry_events *events;
    struct entry_names *names;
    struct tls_listener *http, *https;
    bool is_serving; /* the first table is in */
    bool closing;
    unsigned n_open; /* parts that end with a callback */
    void (*on_closed)(void *arg);
    void *arg;
};

/* --- objects to facts --- */

static void entry_take_ingress(struct entry *e, const char *ns, const char *name,
                               const json_t *tree)
{
    entry_facts_ingress(&e->facts, ns, name, tree);
}

static void entry_take_class(struct entry *e, const char *ns UNUSED, const char *name,
                             const json_t *tree)
{
    const struct informer *ingresses = e->sources[ENTRY_BUCKET_INGRESSES].informer;
    const struct object *o;
    size_t it = 0;

    entry_facts_class(&e->facts, name, tree);
    /* They are read by the dialect of their class. */
    while ((o = informer_next(ingresses, &it)) != NULL) {
        cleanup(json_decrefpp) json_t *ingress = object_tree(o);

        entry_facts_ingress(&e->facts, o->ns, o->name, ingress);
    }
}

static void entry_take_service(struct entry *e, const char *ns, const char *name,
                               const json_t *tree)
{
    entry_facts_service(&e->facts, ns, name, tree);
}

static void entry_take_slice(struct entry *e, const char *ns, const char *name, const json_t *tree)
{
    entry_facts_slice(&e->facts, ns, name, tree);
}

static void entry_take_secret(struct entry *e, const char *ns, const char *name, const json_t *tree)
{
    entry_certs_secret(e->certs, ns, name, tree);
}

static void entry_take_group(struct entry *e, const char *ns, const char *name, const json_t *tree)
{
    entry_facts_group(&e->facts, ns, name, tree);
}

static void entry_take_pool(struct entry *e, const char *ns, const char *name, const json_t *tree)
{
    entry_facts_pool(&e->facts, ns, name, tree);
}

/* Looked up when a table is made: few of them are ours. */
static void entry_take_users(struct entry *e UNUSED, const char *ns UNUSED, const char *name UNUSED,
                             const json_t *tree UNUSED)
{
}

static const struct {
    const char *bucket, *fields;
    void (*take)(struct entry *e, const char *ns, const char *name, const json_t *tree);
} entry_buckets[ENTRY_BUCKETS] = {
    [ENTRY_BUCKET_INGRESSES] = { "ingresses.networking.k8s.io", NULL, entry_take_ingress },
    [ENTRY_BUCKET_CLASSES] = { "ingressclasses.networking.k8s.io", NULL, entry_take_class },
    [ENTRY_BUCKET_SERVICES] = { "services", NULL, entry_take_service },
    [ENTRY_BUCKET_SLICES] = { "endpointslices.discovery.k8s.io", NULL, entry_take_slice },
    [ENTRY_BUCKET_SECRETS] = { "secrets", "type=kubernetes.io/tls", entry_take_secret },
    [ENTRY_BUCKET_GROUPS] = { "targetgroupbindings.elbv2.k8s.aws", NULL, entry_take_group },
    [ENTRY_BUCKET_POOLS] = { "ipaddresspools.metallb.io", NULL, entry_take_pool },
    [ENTRY_BUCKET_USERS] = { "secrets", "type=Opaque", entry_take_users },
};

static void entry_on_change(void *arg, const struct object *object, const struct object *before)
{
    struct entry_source *s = arg;
    const struct object *o = object != NULL ? object : before;
    cleanup(json_decrefpp) json_t *tree = object != NULL ? object_tree(object) : NULL;

    entry_buckets[s->bucket].take(s->entry, o->ns, o->name, tree);
    if (!timer_active(s->entry->gather))
        timer_start(s->entry->gather, ENTRY_GATHER_MS);
}

static void entry_on_synced(void *arg)
{
    struct entry_source *s = arg;

    timer_start(s->entry->gather, 0);
}

/* --- facts to tables --- */

static void entry_on_problem(void *arg, const struct entry_listen *want, const char *message)
{
    struct entry *e = arg;
    cleanup(freep) char *whole = mem_fmt("Error syncing load balancer: %s", message);

    entry_events_warn(e->events, want->binding != NULL ? ENTRY_GROUP : ENTRY_SERVICE,
                      want->binding != NULL ? want->binding : want->service,
                      "SyncLoadBalancerFailed", whole);
}

static void entry_tell_warnings(struct entry *e, const struct entry_table *table)
{
    size_t n;
    const struct entry_warning *w = entry_table_warnings(table, &n);

    for (size_t i = 0; i < n; i++)
        entry_events_warn(e->events, w[i].is_binding ? ENTRY_GROUP : ENTRY_INGRESS, w[i].ingress,
                          w[i].reason, w[i].message);
}

static void entry_put_users(struct entry *e)
{
    const struct informer *secrets = e->sources[ENTRY_BUCKET_USERS].informer;
    const struct entry_ingress **list = entry_facts_claimed(&e->facts);

    for (size_t i = 0; list[i] != NULL; i++) {
        const struct entry_basic *basic = &list[i]->policy.basic;
        const char *slash = basic->secret != NULL ? strchr(basic->secret, '/') : NULL;
        const struct object *o = slash != NULL ? informer_get(secrets, list[i]->who.ns, slash + 1)
                                               : NULL;
        cleanup(json_decrefpp) json_t *tree = o != NULL ? object_tree(o) : NULL;

        if (slash != NULL)
            entry_auth_put(e->worker->auth, basic->secret, basic->is_map, tree);
        if (slash != NULL && tree == NULL)
            entry_events_warn(e->events, ENTRY_INGRESS, &list[i]->who, "SecretNotFound",
                              "the Secret of nginx.ingress.kubernetes.io/auth-secret does not "
                              "exist: nobody is let in (503)");
    }
    entry_auth_sweep(e->worker->auth);
    free(list);
}

static void entry_want_names(struct entry *e, const struct entry_table *table)
{
    size_t n;
    const char *const *names = entry_table_names(table, &n);

    entry_names_want(e->names, names, n);
}

static void entry_on_names(void *arg)
{
    struct entry *e = arg;

    if (!timer_active(e->gather))
        timer_start(e->gather, ENTRY_GATHER_MS);
}

static void entry_show_status(struct entry *e)
{
    const char *key;
    size_t it = 0;
    void *value;

    while (map_each(e->facts.ingresses, &it, &key, &value)) {
        bool serves = entry_facts_claims(&e->facts, value);

        entry_status_ingress(e->status, value, serves);
        if (serves)
            entry_events_synced(e->events, value);
    }
    it = 0;
    while (map_each(e->facts.services, &it, &key, &value)) {
        const struct entry_service *s = value;

        entry_status_service(e->status, s,
                             entry_facts_balances(&e->facts, s) &&
                                 entry_tcp_serves(e->tcp, s->who.ns, s->who.name));
    }
    it = 0;
    while (map_each(e->facts.groups, &it, &key, &value))
        entry_status_group(e->status, value);
}

static bool entry_is_synced(const struct entry *e)
{
    for (size_t i = 0; i < ENTRY_BUCKETS; i++)
        if (!informer_synced(e->sources[i].informer))
            return false;
    return true;
}

static void entry_watch_room(struct entry *e)
{
    bool pause = !e->is_serving || entry_worker_is_full(e->worker);

    tls_listener_pause(e->http, pause);
    tls_listener_pause(e->https, pause);
}

static void entry_on_gathered(void *arg)
{
    struct entry *e = arg;
    struct tls_server *creds;
    struct entry_table *table;

    /* Before all is known, a part of the routes would answer 404 to the rest. */
    if (!entry_is_synced(e))
        return;
    table = entry_table_new(&e->facts);
    entry_put_users(e);
    entry_worker_swap(e->worker, table);
    entry_want_names(e, table);
    entry_tcp_update(e->tcp, table, entry_on_problem, e);
    if (entry_tcp_is_wanting(e->tcp))
        timer_start(e->gather, ENTRY_WANTING_MS);
    creds = entry_certs_server(e->certs, &e->facts);
    if (creds != NULL)
        tls_listener_renew(e->https, creds);
    tls_server_unref(creds);
    entry_tell_warnings(e, table);
    entry_table_unref(table);
    entry_show_status(e);
    if (!e->is_serving)
        log_info("entry serves", KV("ingresses", "%zu", map_len(e->facts.ingresses)),
                 KV("services", "%zu", map_len(e->facts.services)));
    e->is_serving = true;
    entry_watch_room(e);
}

static void entry_on_status_again(void *arg)
{
    struct entry *e = arg;

    if (e->is_serving)
        entry_show_status(e);
}

/* --- clients --- */

static void entry_accept(struct entry *e, int fd, const struct sockaddr *remote, const char *scheme,
                         struct tls_listener *listener)
{
    struct entry_arrival arrival = {
        .fd = fd, .remote = remote, .scheme = scheme, .port = tls_listener_port(listener)
    };

    entry_worker_accept(e->worker, &arrival);
    if (entry_worker_is_full(e->worker))
        entry_watch_room(e);
}

static void entry_on_http(void *arg, int fd, const struct sockaddr *remote, socklen_t len UNUSED,
                          const struct tls_peer *peer UNUSED)
{
    struct entry *e = arg;

    entry_accept(e, fd, remote, "http", e->http);
}

static void entry_on_https(void *arg, int fd, const struct sockaddr *remote, socklen_t len UNUSED,
                           const struct tls_peer *peer UNUSED)
{
    struct entry *e = arg;

    entry_accept(e, fd, remote, "https", e->https);
}

static void entry_on_room(void *arg)
{
    struct entry *e = arg;

    if (e->is_serving && !e->closing)
        entry_watch_room(e);
}

/* --- end --- */

static void entry_free(struct entry *e)
{
    void (*on_closed)(void *arg) = e->on_closed;
    void *arg = e->arg;

    entry_events_close(e->events);
    entry_status_close(e->status);
    entry_certs_free(e->certs);
    entry_facts_fini(&e->facts);
    free(e->publish_ip);
    free(e);
    if (on_closed != NULL)
        on_closed(arg);
}

static void entry_on_part_closed(void *arg)
{
    struct entry *e = arg;

    assert(e->n_open > 0);
    if (--e->n_open == 0)
        entry_free(e);
}

static void entry_on_worker_closed(void *arg)
{
    struct entry *e = arg;

    /* Its TLS clients were still being served by this one. */
    if (e->https != NULL)
        tls_listener_close(STEAL(e->https), entry_on_part_closed, e);
    entry_on_part_closed(e);
}

static void entry_on_tcp_closed(void *arg)
{
    struct entry *e = arg;

    if (e->worker != NULL)
        entry_worker_close(e->worker, entry_on_worker_closed, e);
}

void entry_close(struct entry *e, void (*on_closed)(void *arg), void *arg)
{
    assert(!e->closing);
    e->closing = true;
    e->on_closed = on_closed;
    e->arg = arg;
    for (size_t i = 0; i < ENTRY_BUCKETS; i++)
        e->sources[i].informer = informer_close(e->sources[i].informer);
    e->gather = timer_close(e->gather);
    e->names = entry_names_close(e->names);
    e->n_open = 1 + (e->http != NULL) + (e->https != NULL);
    if (e->https != NULL)
        tls_listener_pause(e->https, true);
    if (e->http != NULL)
        tls_listener_close(STEAL(e->http), entry_on_part_closed, e);
    entry_tcp_close(STEAL(e->tcp), entry_on_tcp_closed, e);
}

/* --- making --- */

/* As many clients as there are descriptors for. */
static unsigned entry_max_clients(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur > 4 * 65536)
        return 65536;
    return limit.rlim_cur > ENTRY_SPARE_FDS + ENTRY_CLIENT_FDS
               ? (unsigned)(limit.rlim_cur - ENTRY_SPARE_FDS) / ENTRY_CLIENT_FDS
               : 1;
}

static int entry_make_sources(struct entry *e, struct err *err)
{
    for (size_t i = 0; i < ENTRY_BUCKETS; i++) {
        struct entry_source *s = &e->sources[i];
        struct informer_opts opts = { .client = e->client,
                                      .bucket = entry_buckets[i].bucket,
                                      .field_selector = entry_buckets[i].fields };
        struct informer_listener listener = { .on_change = entry_on_change,
                                              .on_synced = entry_on_synced,
                                              .arg = s };
        int rc = informer_new(&s->informer, e->loop, &opts, err);

        if (rc < 0)
            return rc;
        s->entry = e;
        s->bucket = (enum entry_bucket)i;
        informer_listen(s->informer, &listener);
    }
    return 0;
}

static int entry_listen(struct entry *e, const struct entry_opts *opts, unsigned max_clients,
                        struct err *err)
{
    struct tls_listener_opts http = {
        .address = opts->address, .port = opts->http_port, .on_connection = entry_on_http, .arg = e
    };
    struct tls_listener_opts https = { .address = opts->address,
                                       .port = opts->https_port,
                                       .max_connections = max_clients,
                                       .on_connection = entry_on_https,
                                       .arg = e };
    int rc = entry_certs_new(&e->certs, opts->data_dir, opts->publish_ip, err);

    if (rc < 0)
        return rc;
    https.creds = entry_certs_server(e->certs, &e->facts);
    if (https.creds == NULL)
        return err_set(err, ERR_INTERNAL, "no certificate to show");
    rc = tls_listener_new(&e->http, e->loop, &http, err);
    if (rc == 0)
        rc = tls_listener_new(&e->https, e->loop, &https, err);
    tls_server_unref(https.creds);
    if (rc == 0)
        entry_watch_room(e);
    return rc;
}

/* "https://10.0.0.1:6443" to 6443: no Service gets the API's port while the API is away. */
static uint16_t entry_api_port(const struct client *client)
{
    const char *colon = strrchr(client_server(client), ':');
    uint64_t port;

    return colon != NULL && str_u64(colon + 1, &port) && port <= UINT16_MAX ? (uint16_t)port : 443;
}

int entry_new(struct entry **ret, uv_loop_t *loop, const struct entry_opts *opts, struct err *err)
{
    struct entry_limits limits = { .max_clients = entry_max_clients() };
    uint16_t reserved[] = { opts->http_port, opts->https_port, entry_api_port(opts->client), 0 };
    struct entry_tcp_opts tcp = { .address = opts->address, .reserved = reserved };
    struct entry *e = MEM_NEW(struct entry);
    int rc;

    e->loop = loop;
    e->client = opts->client;
    e->publish_ip = mem_str(opts->publish_ip);
    entry_facts_init(&e->facts);
    e->gather = timer_new(loop, entry_on_gathered, e);
    e->worker = tcp.worker = entry_worker_new(loop, &limits);
    e->worker->on_room = entry_on_room;
    e->worker->arg = e;
    e->tcp = entry_tcp_new(&tcp);
    e->events = entry_events_new(e->client);
    e->names = entry_names_new(loop, entry_on_names, e);
    e->facts.resolved = entry_names_resolved(e->names);
    e->status = entry_status_new(loop, e->client, e->publish_ip, entry_on_status_again, e);
    rc = entry_listen(e, opts, limits.max_clients, err);
    if (rc == 0)
        rc = entry_make_sources(e, err);
    if (rc < 0) {
        entry_close(e, NULL, NULL);
        return rc;
    }
    for (size_t i = 0; i < ENTRY_BUCKETS; i++)
        informer_start(e->sources[i].informer);
    *ret = e;
    return 0;
}
