#include "nodeagent/node.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NODE_LEASE_S        40
#define NODE_LEASE_EVERY_MS 10000
/* A renewal that gets no answer is tried anew on another connection: TCP's own pauses between
 * tries grow with the time a cable was out.  Each so-manieth try has time for a slow server. */
#define NODE_LEASE_MS       10000
#define NODE_LEASE_FAST_MS  2000
#define NODE_LEASE_SLOW     4
#define NODE_LEASE_PAUSE_MS 500
#define NODE_STATUS_MS      10000 /* measured so often, told when it differs */
#define NODE_REPORT_MS      (5 * 60 * 1000)
#define NODE_RETRY_MS       1000
#define NODE_MAX_PODS       110
#define NODE_OFFLINE_MS     3000 /* so long the server may take before the disk is believed */

struct node {
    uv_loop_t *loop;
    struct node_opts opts; /* strings owned */
    char *name, *ip, *data_dir;
    json_t *info;        /* owned */
    json_t *allocatable; /* owned */
    json_t *published;   /* status the server has; NULL = none */
    json_t *sending;
    uint64_t revision;    /* of the Node that has it */
    struct object *shown; /* the Node as the informer saw it last; NULL = not yet */
    unsigned n_misses;    /* renewals of the Lease without an answer, in a row */
    char *not_ready;
    bool is_starting, is_stale;
    bool is_registered, is_told; /* in the API; to the owner */
    char *uid;
    int64_t reported_ms;      /* monotonic */
    struct client_call *call; /* registration, then status */
    struct client_call *lease_call;
    struct timer *timer; /* registration retry, then status */
    struct timer *lease_timer;
    struct timer *offline;
};

static void node_measure(const struct node *n, struct node_measures *m)
{
    *m = (struct node_measures){
        .now_wall_ms = clock_wall_ms(),
        .memory = n->opts.memory > 0 ? n->opts.memory : host_info_memory(),
        .memory_available = host_info_memory_available(),
        .cpu_milli = n->opts.cpu_milli > 0 ? n->opts.cpu_milli : host_info_cpus() * 1000,
        .pids = host_info_pids(),
        .pid_max = host_info_pid_max(),
        .max_pods = n->opts.max_pods > 0 ? n->opts.max_pods : NODE_MAX_PODS,
        .not_ready = n->is_starting ? "node is starting" : n->not_ready,
    };
    m->has_disk = host_info_disk(n->data_dir, &m->disk);
}

static struct node_identity node_identity(const struct node *n)
{
    return (struct node_identity){ .name = n->name,
                                   .ip = n->ip,
                                   .labels = n->opts.labels,
                                   .taints = n->opts.taints,
                                   .api_port = n->opts.api_port,
                                   .info = n->info };
}

/* --- the pod CIDR, told once --- */

static char *node_cidr_path(const struct node *n)
{
    return mem_fmt("%s/pod-cidr", n->data_dir);
}

static void node_tell(struct node *n, const char *cidr)
{
    if (n->is_told)
        return;
    n->is_told = true;
    n->offline = timer_close(n->offline);
    n->opts.on_registered(n->opts.arg, cidr);
}

static void node_on_offline(void *arg)
{
    struct node *n = arg;
    cleanup(freep) char *path = node_cidr_path(n);
    cleanup(text_fini) struct text cidr = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (file_read(&cidr, path, 64, &err) < 0)
        return; /* never registered: nothing to start from */
    log_warn("server is away, starting with what this node knows",
             KV("podCIDR", "%s", text_str(&cidr)));
    node_tell(n, text_str(&cidr));
}

/* --- lease --- */

static void node_renew(void *arg);

static void node_on_lease(void *arg, int rc, int status, const json_t *body UNUSED,
                          const struct err *err)
{
    struct node *n = arg;

    n->lease_call = NULL;
    if (rc < 0)
        log_debug("lease not renewed", KV_ERR(err));
    n->n_misses = status != 0 ? 0 : n->n_misses + 1;
    timer_start(n->lease_timer, rc == 0       ? NODE_LEASE_EVERY_MS
                                : status != 0 ? NODE_RETRY_MS
                                              : NODE_LEASE_PAUSE_MS);
}

static json_t *node_lease_body(const struct node *n, bool is_new)
{
    char now[CLOCK_TEXT_MAX];
    json_t *lease;

    clock_print_micro(now, clock_wall_ms() * 1000);
    lease = json_pack("{s:{s:s, s:i, s:s}}", "spec", "holderIdentity", n->name,
                      "leaseDurationSeconds", NODE_LEASE_S, "renewTime", now);
    if (!is_new)
        return lease;
    json_object_set_new(lease, "apiVersion", json_string("coordination.k8s.io/v1"));
    json_object_set_new(lease, "kind", json_string("Lease"));
    json_object_set_new(lease, "metadata",
                        json_pack("{s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}", "name", n->name,
                                  "namespace", "kube-node-lease", "ownerReferences", "apiVersion",
                                  "v1", "kind", "Node", "name", n->name, "uid", n->uid));
    return lease;
}

#define NODE_LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

static void node_on_renewed(void *arg, int rc, int status, const json_t *body,
                            const struct err *err)
{
    struct node *n = arg;

    if (rc < 0 && status == 404) {
        cleanup(json_decrefpp) json_t *lease = node_lease_body(n, true);

        n->lease_call = client_call(n->opts.client, "POST", NODE_LEASES, "application/json", lease,
                                    node_on_lease, n);
        return;
    }
    node_on_lease(n, rc, status, body, err);
}

static void node_renew(void *arg)
{
    struct node *n = arg;
    cleanup(freep) char *path = mem_fmt(NODE_LEASES "/%s", n->name);
    cleanup(json_decrefpp) json_t *patch = node_lease_body(n, false);
    bool is_fast = n->n_misses % NODE_LEASE_SLOW != 0;

    assert(n->lease_call == NULL);
    n->lease_call = client_call_within(n->opts.client, is_fast ? NODE_LEASE_FAST_MS : NODE_LEASE_MS,
                                       "PATCH", path, "application/merge-patch+json", patch,
                                       node_on_renewed, n);
}

/* --- status --- */

static void node_report(void *arg);
static void node_register(void *arg);

/* Somebody deleted the Node: it comes back. */
static void node_deleted(struct node *n)
{
    n->is_registered = false;
    json_decref(n->published);
    n->published = NULL;
}

/* Does the server show another status than our last word? */
static void node_compare(struct node *n)
{
    cleanup(json_decrefpp) json_t *tree = NULL;

    /* While a call is under way its answer counts; what is older than ours is only late. */
    if (!n->is_registered || n->call != NULL || n->published == NULL || n->shown == NULL ||
        n->shown->revision <= n->revision)
        return;
    tree = object_tree(n->shown);
    if (conditions_agree(n->published, json_at(tree, "status")))
        return;
    log_info("node status was overwritten, told again",
             KV("ready", "%s",
                json_str_or(condition_get(json_at(tree, "status"), "Ready"), "status", "absent")));
    json_decref(n->published);
    n->published = json_deep_copy(json_at(tree, "status"));
    n->revision = n->shown->revision;
    timer_start(n->timer, 0);
}

static uint64_t node_revision(const json_t *object)
{
    uint64_t revision = 0;

    str_u64(json_str_or(object, "metadata.resourceVersion", ""), &revision);
    return revision;
}

static void node_on_status(void *arg, int rc, int status, const json_t *body, const struct err *err)
{
    struct node *n = arg;
    json_t *sent = STEAL(n->sending);

    n->call = NULL;
    if (rc == 0) {
        json_decref(n->published);
        n->published = sent;
        n->revision = node_revision(body);
        n->reported_ms = clock_mono_ms();
        timer_start(n->timer, n->is_stale ? 0 : NODE_STATUS_MS);
        node_compare(n);
        return;
    }
    json_decref(sent);
    log_debug("node status not delivered", KV_ERR(err));
    if (status == 404)
        node_deleted(n);
    timer_start(n->timer, NODE_RETRY_MS);
}

static void node_report(void *arg)
{
    struct node *n = arg;
    struct node_identity id = node_identity(n);
    struct node_measures m;
    cleanup(json_decrefpp) json_t *patch = NULL;
    cleanup(freep) char *path = mem_fmt("/api/v1/nodes/%s/status", n->name);
    cleanup(json_decrefpp) json_t *status = NULL;

    if (n->call != NULL)
        return;
    if (!n->is_registered) {
        node_register(n);
        return;
    }
    /* Nothing is said before we know: a restarted agent must not make its node unready. */
    if (n->is_starting)
        return;
    n->is_stale = false;
    node_measure(n, &m);
    status = node_status_make(&id, &m, n->published);
    if (n->published != NULL && !node_status_differs(status, n->published) &&
        clock_mono_ms() - n->reported_ms < NODE_REPORT_MS) {
        timer_start(n->timer, NODE_STATUS_MS);
        return;
    }
    patch = json_pack("{s:O}", "status", status);
    n->sending = STEAL(status);
    n->call = client_call(n->opts.client, "PATCH", path, "application/strategic-merge-patch+json",
                          patch, node_on_status, n);
}

/* --- registration --- */

static void node_registered(struct node *n, const json_t *object)
{
    const char *cidr = json_str_or(object, "spec.podCIDR", "");
    cleanup(freep) char *path = node_cidr_path(n);
    struct err err = ERR_EMPTY;

    if (cidr[0] == '\0') {
        log_info("node waits for its pod CIDR");
        timer_start(n->timer, NODE_RETRY_MS);
        return;
    }
    n->is_registered = true;
    free(n->uid);
    n->uid = mem_str(json_str_or(object, "metadata.uid", ""));
    /* A few bytes, once, at start. */
    if (!n->is_told && file_write_atomic(path, cidr, strlen(cidr), 0644, &err) < 0)
        log_warn("pod CIDR is not recorded", KV_ERR(&err));
    json_decref(n->published);
    n->published = json_deep_copy(json_at(object, "status"));
    n->revision = node_revision(object);
    n->reported_ms = 0;
    timer_start(n->timer, 0);
    if (n->lease_call == NULL)
        timer_start(n->lease_timer, 0);
    node_tell(n, cidr);
}

static void node_on_got(void *arg, int rc, int status, const json_t *body, const struct err *err)
{
    struct node *n = arg;

    n->call = NULL;
    if (status == 404)
        node_deleted(n);
    if (rc < 0) {
        log_warn("node is not registered", KV_ERR(err));
        timer_start(n->timer, NODE_RETRY_MS);
        return;
    }
    node_registered(n, body);
}

static void node_on_created(void *arg, int rc, int status, const json_t *body,
                            const struct err *err)
{
    struct node *n = arg;
    cleanup(freep) char *path = mem_fmt("/api/v1/nodes/%s", n->name);

    if (rc < 0 && status == 409) {
        n->call = client_call(n->opts.client, "GET", path, NULL, NULL, node_on_got, n);
        return;
    }
    node_on_got(n, rc, status, body, err);
}

static void node_register(void *arg)
{
    struct node *n = arg;
    struct node_identity id = node_identity(n);
    struct node_measures m;
    cleanup(json_decrefpp) json_t *object = NULL;

    node_measure(n, &m);
    object = node_status_object(&id, &m);
    n->call = client_call(n->opts.client, "POST", "/api/v1/nodes", "application/json", object,
                          node_on_created, n);
}

/* --- life --- */

struct node *node_new(uv_loop_t *loop, const struct node_opts *opts)
{
    struct node *n = MEM_NEW(struct node);
    struct node_measures m;

    n->loop = loop;
    n->opts = *opts;
    n->name = mem_str(opts->name);
    n->ip = mem_str(opts->ip);
    n->data_dir = mem_str(opts->data_dir);
    n->info = host_info_node();
    n->is_starting = true;
    n->uid = mem_str("");
    n->timer = timer_new(loop, node_report, n);
    n->lease_timer = timer_new(loop, node_renew, n);
    n->offline = timer_new(loop, node_on_offline, n);
    node_measure(n, &m);
    n->allocatable = node_status_allocatable(&m);
    return n;
}

void node_start(struct node *n)
{
    timer_start(n->offline, NODE_OFFLINE_MS);
    node_register(n);
}

void node_set_ready(struct node *n, const char *why_not)
{
    free(n->not_ready);
    n->not_ready = mem_str(why_not);
    n->is_starting = false;
    n->is_stale = true; /* a report under way tells the state before */
    if (n->is_registered && n->call == NULL)
        timer_start(n->timer, 0);
}

void node_on_shown(struct node *n, const struct object *object)
{
    object_unref(n->shown);
    n->shown = object == NULL ? NULL : object_ref(object);
    if (object != NULL) {
        node_compare(n);
    } else if (n->is_registered && n->call == NULL) {
        node_deleted(n);
        timer_start(n->timer, 0);
    }
}

/* The Node is read again, then told what differs. */
void node_on_back(struct node *n)
{
    cleanup(freep) char *path = mem_fmt("/api/v1/nodes/%s", n->name);

    if (!n->is_registered) {
        if (n->call == NULL)
            timer_start(n->timer, 0);
        return;
    }
    if (n->call != NULL)
        client_call_cancel(n->call);
    json_decref(STEAL(n->sending));
    timer_stop(n->timer);
    n->call = client_call(n->opts.client, "GET", path, NULL, NULL, node_on_got, n);
}

const json_t *node_allocatable(const struct node *n)
{
    return n->allocatable;
}

struct node *node_close(struct node *n)
{
    if (n == NULL)
        return NULL;
    if (n->call != NULL)
        client_call_cancel(n->call);
    if (n->lease_call != NULL)
        client_call_cancel(n->lease_call);
    timer_close(n->timer);
    timer_close(n->lease_timer);
    timer_close(n->offline);
    json_decref(n->info);
    json_decref(n->allocatable);
    json_decref(n->published);
    json_decref(n->sending);
    object_unref(n->shown);
    free(n->name);
    free(n->ip);
    free(n->data_dir);
    free(n->not_ready);
    free(n->uid);
    free(n);
    return NULL;
}
