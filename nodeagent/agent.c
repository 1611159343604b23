#include "nodeagent/agent.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/podnet.h"
#include "nodeagent/agent_impl.h"
#include "nodeagent/log_paths.h"
#include "nodeagent/pod_record.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define AGENT_API_PORT 10250
#define AGENT_LOCK_TRIES \
    40 /* of 50 ms: a killed agent's lock goes with its last child before exec */

/* --- node API --- */

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

static void agent_on_node(void *arg, const struct object *object, const struct object *before)
{
    struct agent *a = arg;

    if (str_eq((object != NULL ? object : before)->name, a->node_name))
        node_on_shown(a->node, object);
}

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
    a->sources = sources_new(loop, opts->client, agent_on_source, a);
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
