/* agent_impl: what the files of the agent share.  Private to nodeagent/agent.c and agent_pods.c. */
#ifndef NODEAGENT_AGENT_IMPL_H
#define NODEAGENT_AGENT_IMPL_H

#include "base/http_client.h"
#include "base/loop.h"
#include "base/map.h"
#include "net/host_ports.h"
#include "nodeagent/agent.h"
#include "nodeagent/evictor.h"
#include "nodeagent/node.h"
#include "nodeagent/node_api.h"
#include "nodeagent/pod_worker.h"
#include "nodeagent/reclaim.h"

#define AGENT_LOG_CHECK_MS   10000 /* how often logs are looked at for rotation */
#define AGENT_ALONE_CHECK_MS 250

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

/* --- agent_pods.c: the pods of this node and their workers --- */
void agent_fill_host(struct agent *a, struct client *client);
/* A record of an earlier agent becomes a worker, which adopts what runs. */
void agent_take_up(struct agent *a, const char *uid);
/* From now on the server's word counts. */
int agent_follow(struct agent *a, struct err *err);

/* Callbacks; @agent is the agent. */
void agent_on_network(void *agent);
void agent_on_source(void *agent, const struct source_ref *ref, bool is_news);
void agent_on_slice(void *agent, const struct object *object, const struct object *before);
void agent_on_back(void *agent);
void agent_on_alone_timer(void *agent);
void agent_on_log_timer(void *agent);
struct pod_worker *agent_find(void *agent, const char *ns, const char *name);
struct pod_worker *agent_find_uid(void *agent, const char *uid);
struct pod_worker *agent_next(void *agent, size_t *it);

#endif
