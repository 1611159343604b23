/* The pods of this node: from the server's word, or from records, to workers. */
#include "nodeagent/agent_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/podnet.h"
#include "nodeagent/pod_ports.h"
#include "nodeagent/pod_record.h"
#include "nodeagent/service_lookup.h"

/* So long after its start an agent waits for a server's word on the pods it has records of. */
#define AGENT_ALONE_MS 5000

/* --- what workers ask --- */

static void agent_service_env(void *arg, const char *ns, bool all, struct env_list *ret)
{
    struct agent *a = arg;

    service_lookup_env(ret, a->services, ns, all);
}

static bool agent_is_endpoint(void *arg, const char *uid)
{
    struct agent *a = arg;

    return service_lookup_is_endpoint(a->slices, uid);
}

static void agent_collect_ports(struct agent *a, struct pod_ports *ret, bool deleting)
{
    const char *uid;
    void *w;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);) {
        char ip[PODNET_IP_MAX];

        if (pod_worker_pod(w)->deleting == deleting && podnet_get(a->host.sandbox.podnet, uid, ip))
            pod_ports_add(ret, pod_worker_pod(w), ip);
    }
}

void agent_on_network(void *arg)
{
    struct agent *a = arg;
    struct pod_ports all = POD_PORTS_EMPTY;

    if (a->ports == NULL)
        return;
    agent_collect_ports(a, &all, false);
    agent_collect_ports(a, &all, true); /* those that go make room */
    host_ports_set(a->ports, all.list, all.n);
    pod_ports_fini(&all);
}

static bool agent_ports_are_taken(void *arg, const struct pod_view *pod)
{
    const struct agent *a = arg;
    const char *uid;
    void *w;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        if (!str_eq(uid, pod->uid) && pod_worker_holds_ports(w) &&
            pod_ports_clash(pod_worker_pod(w), pod))
            return true;
    return false;
}

static bool agent_is_alone(void *arg)
{
    const struct agent *a = arg;

    return a->is_alone;
}

static void agent_on_finished(void *arg, struct pod_worker *w)
{
    struct agent *a = arg;

    log_info("pod is gone", KV("pod", "%s/%s", pod_worker_pod(w)->ns, pod_worker_pod(w)->name));
    map_take(a->workers, pod_worker_pod(w)->uid);
}

void agent_fill_host(struct agent *a, struct client *client)
{
    a->host = (struct pod_host){
        .loop = a->loop,
        .client = client,
        .rt = a->rt,
        .images = a->images,
        .events = a->events,
        .sources = a->sources,
        .probe_http = a->probe_http,
        .node_name = a->node_name,
        .node_ip = a->node_ip,
        .data_dir = a->data_dir,
        .run_dir = a->run_dir,
        .log_dir = a->log_dir,
        .allocatable = node_allocatable(a->node),
        .service_env = agent_service_env,
        .is_endpoint = agent_is_endpoint,
        .ports_are_taken = agent_ports_are_taken,
        .is_alone = agent_is_alone,
        .on_network = agent_on_network,
        .on_finished = agent_on_finished,
        .arg = a,
    };
    a->host.sandbox = (struct sandbox_host){
        .rt = a->rt, .node_ip = a->node_ip, .dns_ip = a->dns_ip, .cluster_domain = a->domain
    };
}

struct pod_worker *agent_find(void *arg, const char *ns, const char *name)
{
    struct agent *a = arg;
    struct pod_worker *found = NULL;
    const char *uid;
    void *value;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &value);) {
        const struct pod_view *pod = pod_worker_pod(value);

        /* Two of one name: the older is on its way out. */
        if (str_eq(pod->ns, ns) && str_eq(pod->name, name) && (found == NULL || !pod->deleting))
            found = value;
    }
    return found;
}

struct pod_worker *agent_find_uid(void *arg, const char *uid)
{
    struct agent *a = arg;

    return map_get(a->workers, uid);
}

struct pod_worker *agent_next(void *arg, size_t *it)
{
    struct agent *a = arg;
    const char *uid;
    void *value;

    return map_each(a->workers, it, &uid, &value) ? value : NULL;
}

/* --- changes --- */

void agent_on_source(void *arg, const struct source_ref *ref, bool is_news)
{
    struct agent *a = arg;
    const char *uid;
    void *w;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_on_source(w, ref, is_news);
}

void agent_on_slice(void *arg, const struct object *object UNUSED,
                    const struct object *before UNUSED)
{
    struct agent *a = arg;
    const char *uid;
    void *w;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_on_endpoints(w);
}

void agent_on_back(void *arg)
{
    struct agent *a = arg;
    const char *uid;
    void *w;

    log_info("server answers again");
    node_on_back(a->node);
    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_on_back(w);
}

/* A server that answers will say which pods are ours, however long its list takes. */
void agent_on_alone_timer(void *arg)
{
    struct agent *a = arg;
    const char *uid;
    void *w;

    if (informer_synced(a->pods))
        return;
    if (clock_mono_ms() - a->started_ms < AGENT_ALONE_MS || !client_is_away(a->host.client)) {
        timer_start(a->alone_timer, AGENT_ALONE_CHECK_MS);
        return;
    }
    log_warn("server is away, pods are started from records",
             KV("pods", "%zu", map_len(a->workers)));
    a->is_alone = true;
    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_on_back(w);
}

static bool agent_is_over(const json_t *tree)
{
    const char *phase = json_str(tree, "status.phase");

    return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

static void agent_accept(struct agent *a, const struct object *object)
{
    struct pod_view *view = NULL;
    struct err err = ERR_EMPTY;
    struct pod_worker *w = map_get(a->workers, object->uid);
    struct pod_worker_start start = { .sources = NULL };

    if (pod_view_new(&view, object_tree(object), &err) < 0) {
        log_warn("pod cannot run here", KV("pod", "%s/%s", object->ns, object->name), KV_ERR(&err));
        return;
    }
    if (w != NULL) {
        pod_worker_update(w, view);
    } else {
        start.is_over = agent_is_over(view->tree);
        /* It ended before, here or elsewhere: nothing to run, only perhaps to remove. */
        if (!start.is_over || view->deleting)
            map_put(a->workers, view->uid, pod_worker_new(&a->host, view, &start));
    }
    pod_view_unref(view);
}

static void agent_forget(struct agent *a, const char *uid)
{
    struct pod_worker *w = map_get(a->workers, uid);

    if (w != NULL)
        pod_worker_gone(w);
}

static void agent_on_pod(void *arg, const struct object *object, const struct object *before)
{
    struct agent *a = arg;

    /* The same name may be another pod by now. */
    if (before != NULL && (object == NULL || !str_eq(object->uid, before->uid)))
        agent_forget(a, before->uid);
    if (object != NULL)
        agent_accept(a, object);
}

/* Pods of our records that the server does not know any more have ended while we were away. */
static void agent_on_synced(void *arg)
{
    struct agent *a = arg;
    const char *uid;
    void *value;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &value);) {
        const struct pod_view *pod = pod_worker_pod(value);
        const struct object *o = informer_get(a->pods, pod->ns, pod->name);

        if (o == NULL || !str_eq(o->uid, uid))
            pod_worker_gone(value);
    }
    node_set_ready(a->node, NULL);
}

void agent_on_log_timer(void *arg)
{
    struct agent *a = arg;
    const char *uid;
    void *w;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_rotate_logs(w);
    timer_start(a->log_timer, AGENT_LOG_CHECK_MS);
}

/* --- beginning --- */

void agent_take_up(struct agent *a, const char *uid)
{
    struct pod_worker_start start = { .from_record = true };
    json_t *record = NULL;
    struct pod_view *view = NULL;
    struct err err = ERR_EMPTY;
    int rc = pod_record_load(&record, &start.sources, a->data_dir, uid, &err);

    if (rc == 0) {
        start.started_wall_ms = json_int(record, "startedMs", 0);
        start.is_over = json_bool(record, "isOver", false);
        rc = pod_view_new(&view, json_incref(json_object_get(record, "pod")), &err);
    }
    json_decref(record);
    if (rc < 0) {
        /* Absent: the last agent was killed before it was written, so nothing was begun either. */
        if (rc != ERR_NOT_FOUND)
            log_warn("record of a pod is not usable", KV("uid", "%s", uid), KV_ERR(&err));
        json_decref(start.sources);
        if (pod_record_remove(a->data_dir, uid, &err) < 0)
            log_warn("record of a pod is not removed", KV("uid", "%s", uid), KV_ERR(&err));
        return;
    }
    map_put(a->workers, uid, pod_worker_new(&a->host, view, &start));
    pod_view_unref(view);
}

int agent_follow(struct agent *a, struct err *err)
{
    cleanup(freep) char *selector = mem_fmt("spec.nodeName=%s", a->node_name);
    struct informer_opts opts = { .client = a->host.client,
                                  .bucket = "pods",
                                  .field_selector = selector };
    struct informer_listener listener = { .on_change = agent_on_pod,
                                          .on_synced = agent_on_synced,
                                          .arg = a };
    int rc = informer_new(&a->pods, a->loop, &opts, err);

    if (rc < 0)
        return rc;
    informer_listen(a->pods, &listener);
    informer_start(a->pods);
    return 0;
}
