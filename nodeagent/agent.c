#include "nodeagent/agent.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/host_ports.h"
#include "net/podnet.h"
#include "nodeagent/evictor.h"
#include "nodeagent/log_paths.h"
#include "nodeagent/node.h"
#include "nodeagent/node_api.h"
#include "nodeagent/pod_ports.h"
#include "nodeagent/pod_record.h"
#include "nodeagent/pod_worker.h"
#include "nodeagent/reclaim.h"
#include "nodeagent/service_lookup.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define AGENT_API_PORT       10250
#define AGENT_LOG_CHECK_MS   10000 /* how often logs are looked at for rotation */
/* So long after its start an agent waits for a server's word on the pods it has records of. */
#define AGENT_ALONE_MS       5000
#define AGENT_ALONE_CHECK_MS 250
#define AGENT_LOCK_TRIES \
    40 /* of 50 ms: a killed agent's lock goes with its last child before exec */

struct agent {
    uv_loop_t *loop;
    char *node_name, *node_ip, *data_dir, *run_dir, *log_dir, *dns_ip, *domain;
    struct informer *services, *slices; /* borrowed */
    struct pod_host host;
    struct runtime *rt;
    struct image_store *images;
    struct events *events;
    struct sources *sources;
    struct http_client *probe_http;
    struct node *node;
    struct node_api *api;
    struct informer *pods;
    struct reclaim *reclaim;
    struct evictor *evictor;
    struct host_ports *ports; /* NULL without a pod network */
    struct client_listener back;
    struct map *workers; /* uid to struct pod_worker */
    struct timer *log_timer;
    struct timer *alone_timer; /* until it is known whether the server is there */
    int64_t started_ms;        /* monotonic */
    bool is_alone;             /* no server came: the records count */
    int lock_fd;               /* held as long as we live */
    void (*on_cidr)(void *arg, const char *pod_cidr);
    void *arg;
};

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

static void agent_on_network(void *arg)
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

/* --- changes --- */

static void agent_on_sources(void *arg, const char *ns)
{
    struct agent *a = arg;
    const char *uid;
    void *w;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_on_sources(w, ns);
}

static void agent_on_slice(void *arg, const struct object *object UNUSED,
                           const struct object *before UNUSED)
{
    struct agent *a = arg;
    const char *uid;
    void *w;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_on_endpoints(w);
}

static void agent_on_node(void *arg, const struct object *object, const struct object *before)
{
    struct agent *a = arg;

    if (str_eq((object != NULL ? object : before)->name, a->node_name))
        node_on_shown(a->node, object);
}

static void agent_on_back(void *arg)
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
static void agent_on_alone_timer(void *arg)
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

static void agent_on_log_timer(void *arg)
{
    struct agent *a = arg;
    const char *uid;
    void *w;

    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_rotate_logs(w);
    timer_start(a->log_timer, AGENT_LOG_CHECK_MS);
}

/* --- node API --- */

static struct pod_worker *agent_find(void *arg, const char *ns, const char *name)
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

static struct pod_worker *agent_find_uid(void *arg, const char *uid)
{
    struct agent *a = arg;

    return map_get(a->workers, uid);
}

static struct pod_worker *agent_next(void *arg, size_t *it)
{
    struct agent *a = arg;
    const char *uid;
    void *value;

    return map_each(a->workers, it, &uid, &value) ? value : NULL;
}

static int agent_serve(struct agent *a, const struct agent_opts *opts, struct err *err)
{
    struct node_api_opts api = {
        .address = opts->api_address == NULL ? "0.0.0.0" : opts->api_address,
        .port = opts->api_port == 0 ? AGENT_API_PORT : opts->api_port,
        .creds = opts->creds,
        .cgroup = runtime_cgroup(a->rt),
        .node_name = a->node_name,
        .rt = a->rt,
        .find = agent_find,
        .find_uid = agent_find_uid,
        .next = agent_next,
        .arg = a,
    };

    return opts->creds == NULL ? 0 : node_api_new(&a->api, a->loop, &api, err);
}

/* --- life --- */

static void agent_on_registered(void *arg, const char *cidr)
{
    struct agent *a = arg;

    a->on_cidr(a->arg, cidr);
}

/* Two agents would each sweep away what the other makes. */
static int agent_lock(struct agent *a, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("%s/agent.lock", a->data_dir);
    int rc = file_mkdirs(a->data_dir, 0711, err);

    if (rc < 0)
        return rc;
    a->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (a->lock_fd < 0)
        return err_errno(err, errno, "open %s", path);
    for (int i = 0; flock(a->lock_fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK || i == AGENT_LOCK_TRIES)
            return err_set(err, ERR_BUSY, "another agent runs with %s", a->data_dir);
        usleep(50000);
    }
    return 0;
}

static int agent_make_parts(struct agent *a, const struct agent_opts *opts, struct err *err)
{
    struct runtime_opts runtime = { .data_dir = a->data_dir,
                                    .run_dir = a->run_dir,
                                    .cgroup_root = opts->cgroup_root };
    struct image_store_opts images = { .data_dir = a->data_dir,
                                       .mirrors = opts->image_mirrors,
                                       .archive_dir = opts->image_archive_dir };
    struct http_client_opts probes = { .insecure = true, .user_agent = "kube-probe/1.32" };
    int rc = agent_lock(a, err);

    if (rc == 0)
        rc = runtime_new(&a->rt, a->loop, &runtime, err);
    if (rc == 0)
        rc = image_store_new(&a->images, a->loop, &images, err);
    if (rc == 0)
        rc = http_client_new(&a->probe_http, a->loop, &probes, err);
    if (rc == 0)
        rc = agent_serve(a, opts, err);
    return rc;
}

static void agent_fill_host(struct agent *a, struct client *client)
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
        .is_alone = agent_is_alone,
        .on_network = agent_on_network,
        .on_finished = agent_on_finished,
        .arg = a,
    };
    a->host.sandbox = (struct sandbox_host){
        .rt = a->rt, .node_ip = a->node_ip, .dns_ip = a->dns_ip, .cluster_domain = a->domain
    };
}

int agent_new(struct agent **ret, uv_loop_t *loop, const struct agent_opts *opts, struct err *err)
{
    struct agent *a = MEM_NEW(struct agent);
    struct node_opts node = {
        .client = opts->client,
        .name = opts->node_name,
        .ip = opts->node_ip,
        .labels = opts->labels,
        .taints = opts->taints,
        .data_dir = opts->data_dir,
        .api_port = opts->creds == NULL   ? 0
                    : opts->api_port == 0 ? AGENT_API_PORT
                                          : opts->api_port,
        .memory = opts->memory,
        .cpu_milli = opts->cpu_milli,
        .max_pods = opts->max_pods,
        .on_registered = agent_on_registered,
        .arg = a,
    };
    struct informer_listener slices = { .on_change = agent_on_slice, .arg = a };
    struct informer_listener nodes = { .on_change = agent_on_node, .arg = a };
    int rc;

    a->loop = loop;
    a->lock_fd = -1;
    a->node_name = mem_str(opts->node_name);
    a->node_ip = mem_str(opts->node_ip);
    a->data_dir = mem_str(opts->data_dir);
    a->run_dir = mem_str(opts->run_dir);
    a->log_dir = opts->log_dir != NULL ? mem_str(opts->log_dir) : mem_fmt("%s/log", opts->data_dir);
    a->dns_ip = mem_str(opts->dns_ip);
    a->domain = mem_str(opts->cluster_domain == NULL ? "cluster.local" : opts->cluster_domain);
    a->services = opts->services;
    a->slices = opts->slices;
    a->on_cidr = opts->on_cidr;
    a->arg = opts->arg;
    a->workers = map_new(NULL);
    rc = agent_make_parts(a, opts, err);
    if (rc < 0) {
        agent_close(a);
        return rc;
    }
    a->events = events_new(loop, opts->client, a->node_name);
    a->sources = sources_new(loop, opts->client, agent_on_sources, a);
    a->node = node_new(loop, &node);
    agent_fill_host(a, opts->client);
    if (a->slices != NULL)
        informer_listen(a->slices, &slices);
    if (opts->nodes != NULL)
        informer_listen(opts->nodes, &nodes);
    a->back = (struct client_listener){ .on_back = agent_on_back, .arg = a };
    client_listen(opts->client, &a->back);
    a->log_timer = timer_new(loop, agent_on_log_timer, a);
    a->alone_timer = timer_new(loop, agent_on_alone_timer, a);
    a->started_ms = clock_mono_ms();
    node_start(a->node);
    *ret = a;
    return 0;
}

/* A record of an earlier agent becomes a worker, which adopts what runs. */
static void agent_take_up(struct agent *a, const char *uid)
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

static void agent_on_swept(void *arg UNUSED, int rc, const struct err *err)
{
    if (rc < 0)
        log_warn("sandbox without a pod is not removed", KV_ERR(err));
}

/* Sandboxes of pods that have no record: the agent was killed in the middle of something. */
static void agent_sweep_sandboxes(struct agent *a)
{
    cleanup(freep) char *path = mem_fmt("%s/pods", a->run_dir);
    DIR *d = opendir(path);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.' && map_get(a->workers, e->d_name) == NULL)
            sandbox_remove(&a->host.sandbox, e->d_name, agent_on_swept, NULL);
    if (d != NULL)
        closedir(d);
}

static int agent_follow(struct agent *a, struct err *err)
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

int agent_run(struct agent *a, struct podnet *podnet, struct err *err)
{
    cleanup(strv_freep) char **uids = pod_record_list(a->data_dir);
    static const char *const none[] = { NULL };
    int rc;

    assert(a->pods == NULL);
    a->host.sandbox.podnet = podnet;
    for (char **uid = uids; *uid != NULL; uid++)
        agent_take_up(a, *uid);
    runtime_sweep(a->rt, none);
    log_paths_sweep(a->log_dir);
    agent_sweep_sandboxes(a);
    if (podnet != NULL) {
        podnet_sweep(podnet, (const char *const *)uids);
        a->ports = host_ports_new(a->loop);
        agent_on_network(a); /* also takes away what pods had that are no more */
    }
    timer_start(a->log_timer, AGENT_LOG_CHECK_MS);
    timer_start(a->alone_timer, AGENT_ALONE_CHECK_MS);
    a->evictor = evictor_new(&(struct evictor_opts){ .loop = a->loop,
                                                     .images = a->images,
                                                     .data_dir = a->data_dir,
                                                     .next = agent_next,
                                                     .find = agent_find_uid,
                                                     .arg = a });
    rc = reclaim_new(&a->reclaim, a->loop, a->host.client, a->node_name, a->data_dir, err);
    return rc < 0 ? rc : agent_follow(a, err);
}

void agent_renew(struct agent *a, struct tls_server *creds)
{
    if (a->api != NULL)
        node_api_renew(a->api, creds);
}

struct agent *agent_close(struct agent *a)
{
    const char *uid;
    void *w;

    if (a == NULL)
        return NULL;
    client_unlisten(&a->back);
    if (a->pods != NULL)
        informer_close(a->pods);
    reclaim_close(a->reclaim);
    evictor_close(a->evictor);
    a->ports = host_ports_close(a->ports);
    a->api = node_api_close(a->api);
    for (size_t it = 0; map_each(a->workers, &it, &uid, &w);)
        pod_worker_leave(w);
    map_free(a->workers);
    a->node = node_close(a->node);
    events_close(a->events);
    sources_close(a->sources);
    timer_close(a->log_timer);
    timer_close(a->alone_timer);
    if (a->probe_http != NULL)
        http_client_close(a->probe_http);
    if (a->images != NULL)
        image_store_free(a->images);
    runtime_close(a->rt);
    closep(&a->lock_fd);
    free(a->node_name);
    free(a->node_ip);
    free(a->data_dir);
    free(a->run_dir);
    free(a->log_dir);
    free(a->dns_ip);
    free(a->domain);
    free(a);
    return NULL;
}

size_t agent_count(const struct agent *a)
{
    return map_len(a->workers);
}
