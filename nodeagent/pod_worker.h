/* pod_worker: runs one pod on this node: carries out pod_plan, publishes the status, and ends
 * with the pod's removal from the node and from the API.
 *
 *   every change -> step: facts -> pod_plan -> start and stop containers, publish, wind down
 *
 * Owner: agent, by uid.  Thread: loop.
 */
#ifndef NODEAGENT_POD_WORKER_H
#define NODEAGENT_POD_WORKER_H

#include "api/client.h"
#include "nodeagent/env.h"
#include "nodeagent/events.h"
#include "nodeagent/image.h"
#include "nodeagent/pod_view.h"
#include "nodeagent/runtime.h"
#include "nodeagent/sandbox.h"
#include "nodeagent/sources.h"

struct pod_worker;
struct pod_places;

struct pod_host { /* the node, the same for all workers; borrowed */
    uv_loop_t *loop;
    struct client *client;
    struct runtime *rt;
    struct sandbox_host sandbox;
    struct image_store *images;
    struct events *events;
    struct sources *sources;
    struct http_client *probe_http;
    const char *node_name, *node_ip;
    const char *data_dir, *run_dir, *log_dir; /* log_dir: see log_paths */
    const json_t *allocatable;
    /* Variables of the Services in @ns (and of default/kubernetes); only the latter when !@all. */
    void (*service_env)(void *arg, const char *ns, bool all, struct env_list *ret);
    /* Is the pod a ready endpoint of any Service, as this node knows? */
    bool (*is_endpoint)(void *arg, const char *uid);
    /* Does another pod that was let in hold a port of the node that @pod asks for? */
    bool (*ports_are_taken)(void *arg, const struct pod_view *pod);
    /* May pods be started that only our records tell of?  Once it says yes, it goes on to; the
     * workers are told by pod_worker_on_back. */
    bool (*is_alone)(void *arg);
    /* A pod network stands now, or no longer does. */
    void (*on_network)(void *arg);
    /* The pod has left the node (and the API); the worker is freed after this returns. */
    void (*on_finished)(void *arg, struct pod_worker *w);
    void *arg;
};

/* @record: pod_record_load's sources (taken, may be NULL), time of acceptance (0 = now) and
 * whether it was over: all from disk.  Adopts the containers the records tell of. */
struct pod_worker_start {
    json_t *sources;
    int64_t started_wall_ms;
    bool is_over;
    bool from_record;
};
struct pod_worker *pod_worker_new(const struct pod_host *host, struct pod_view *pod,
                                  const struct pod_worker_start *start);
void pod_worker_update(struct pod_worker *w, struct pod_view *pod); /* referenced */
/* The API object has gone without us: stop, clean up, finish. */
void pod_worker_gone(struct pod_worker *w);
void pod_worker_on_source(struct pod_worker *w, const struct source_ref *ref, bool is_news);
void pod_worker_on_endpoints(struct pod_worker *w);
/* Ends it, as using more than its share or the node has: phase Failed, reason Evicted. */
void pod_worker_evict(struct pod_worker *w, const char *message);
bool pod_worker_is_over(const struct pod_worker *w); /* or on its way there */
/* Was it let in, and not yet seen to end?  Then ports of the node are its own. */
bool pod_worker_holds_ports(const struct pod_worker *w);
/* Where it writes on the node's disk: root file systems, logs, emptyDirs. */
void pod_worker_places(const struct pod_worker *w, struct pod_places *ret);
/* The server answers again, or is given up: what waits for it is tried now. */
void pod_worker_on_back(struct pod_worker *w);
/* The agent ends: memory goes, the pod runs on.  Returns NULL. */
struct pod_worker *pod_worker_leave(struct pod_worker *w);

const struct pod_view *pod_worker_pod(const struct pod_worker *w);
/* The pod with the status as this node sees it; a fresh tree. */
json_t *pod_worker_tree(const struct pod_worker *w);
/* Log file of a container's present (or ended) life, or of the one before; a new string, NULL =
 * there is none. @ret_is_open: it may still grow. */
char *pod_worker_log(const struct pod_worker *w, const char *container, bool previous,
                     bool *ret_is_open);
struct worker_running { /* borrowed until the worker's next step */
    const char *name, *id;
    int64_t started_ms; /* wall clock */
};
/* Each container that runs: for (it = 0; pod_worker_running(w, &it, &c); ) */
bool pod_worker_running(const struct pod_worker *w, size_t *it, struct worker_running *ret);
/* The id of a container's running life and its first process; NULL = it does not run. */
const char *pod_worker_container(const struct pod_worker *w, const char *container, pid_t *ret_pid);
/* Is there a network to connect to?  *@ret is its namespace, NULL = the node's own. */
bool pod_worker_net_ns(const struct pod_worker *w, const char **ret);
/* Ids of all containers that exist, appended to a NULL-terminated array (owned strings). */
void pod_worker_rotate_logs(struct pod_worker *w);

#endif
