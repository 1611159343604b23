/* node_api: the HTTPS server of this node (:10250): health, pods, logs, what they use, streams.
 *
 * Only the API server and administrators are answered (client certificate of the cluster's CA:
 * organisation system:masters, or CN kube-apiserver-kubelet-client).
 * Owner: agent.  Thread: loop.
 */
#ifndef NODEAGENT_NODE_API_H
#define NODEAGENT_NODE_API_H

#include "base/err.h"
#include "base/tls.h"
#include "nodeagent/cgroup.h"
#include "nodeagent/pod_worker.h"

#include <uv.h>

struct node_api;

struct node_api_opts {
    const char *address; /* "0.0.0.0" */
    uint16_t port;       /* 10250 */
    struct tls_server *creds;
    const struct cgroup *cgroup; /* borrowed, as is node_name */
    const char *node_name;
    struct runtime *rt; /* borrowed: programs in containers */
    /* The pod of that name that runs here now (the newest), or NULL. */
    struct pod_worker *(*find)(void *arg, const char *ns, const char *name);
    struct pod_worker *(*find_uid)(void *arg, const char *uid);
    /* All: for (it = 0; (w = next(arg, &it)); ) */
    struct pod_worker *(*next)(void *arg, size_t *it);
    void *arg;
};

int node_api_new(struct node_api **ret, uv_loop_t *loop, const struct node_api_opts *opts,
                 struct err *err);
void node_api_renew(struct node_api *a, struct tls_server *creds);
struct node_api *node_api_close(struct node_api *a); /* returns NULL */

#endif
