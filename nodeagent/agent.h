/* agent: the node's part of the cluster: follows the pods bound to this node and runs each in
 * a pod_worker; registers the node and keeps it alive; serves the node API.
 *
 * An ordinary API client.  agent_new registers the node and, once the pod CIDR is known, calls
 * @on_cidr; the owner then makes the pod network and calls agent_run.  Killed at any moment, the
 * next one takes up what it finds: records on disk, containers under conmon.
 * Owner: cmd.  Thread: loop.
 */
#ifndef NODEAGENT_AGENT_H
#define NODEAGENT_AGENT_H

#include "api/client.h"
#include "api/informer.h"
#include "base/err.h"
#include "base/tls.h"

#include <stdint.h>
#include <uv.h>

struct agent;
struct podnet;

struct agent_opts {
    const char *node_name, *node_ip;
    const char *data_dir, *run_dir; /* "/var/lib/mkube", "/run/mkube" */
    const char *log_dir;            /* "/var/log": see log_paths; NULL = below data_dir */
    const char *cgroup_root;        /* NULL = "/mkube" */
    const char *const *labels;      /* of the Node, "key=value"; NULL = none; borrowed for life */
    const char *const *taints;      /* likewise, "key[=value]:Effect"; given at registration only */
    struct client *client;          /* borrowed */
    struct informer *services, *slices, *nodes; /* borrowed, listened to; not started yet */
    const char *dns_ip;                         /* name server of pods; NULL = the node's own */
    const char *cluster_domain;                 /* NULL = "cluster.local" */
    const char *const *image_mirrors;           /* as in image_store_opts */
    const char *image_archive_dir;
    int64_t memory, cpu_milli; /* to offer; 0 = what the machine has */
    int max_pods;              /* 0 = 110 */
    struct tls_server *creds;  /* of the node API; NULL = no node API */
    const char *api_address;   /* NULL = "0.0.0.0" */
    uint16_t api_port;         /* 0 = 10250 */
    /* Once: the pod CIDR of this node. */
    void (*on_cidr)(void *arg, const char *pod_cidr);
    void *arg;
};

/* Blocking for a moment (directories, host facts).  Nothing of the pods is touched yet.
 * ERR_BUSY: another agent runs with this data directory. */
int agent_new(struct agent **ret, uv_loop_t *loop, const struct agent_opts *opts, struct err *err);
/* The pod network stands (NULL: only pods on the node's network can run): takes up what an
 * earlier agent left, removes what belongs to nobody, follows the pods. */
int agent_run(struct agent *a, struct podnet *podnet, struct err *err);
/* A renewed certificate for the node API. */
void agent_renew(struct agent *a, struct tls_server *creds);
/* Leaves all containers running.  Returns NULL. */
struct agent *agent_close(struct agent *a);

size_t agent_count(const struct agent *a); /* pods on this node now */

#endif
