/* node: this node in the API: registered, its Lease renewed every 10 s, its status told on
 * change, every 5 minutes, and whenever the server shows another than ours.
 *
 * The pod CIDR the server gave is kept on disk, so that a node whose server is away starts its pods
 * all the same.  Owner: agent.  Thread: loop.
 */
#ifndef NODEAGENT_NODE_H
#define NODEAGENT_NODE_H

#include "api/client.h"
#include "nodeagent/node_status.h"
#include "storage/object.h"

struct node;

struct node_opts {
    struct client *client; /* borrowed */
    const char *name, *ip;
    const char *const *labels; /* "key=value", or NULL; given at registration only */
    const char *const *taints; /* "key[=value]:Effect", likewise */
    const char *data_dir;
    uint16_t api_port;
    int64_t memory;    /* bytes to offer; 0 = what the machine has */
    int64_t cpu_milli; /* likewise */
    int max_pods;      /* 0 = 110 */
    /* Once, not from within node_start: the node's pod CIDR is known (from the server, or from disk
     * while it is away). */
    void (*on_registered)(void *arg, const char *pod_cidr);
    void *arg;
};

struct node *node_new(uv_loop_t *loop, const struct node_opts *opts);
void node_start(struct node *n);
/* Why the node is not ready; NULL = it is.  Told at once.  Until first called: "starting". */
void node_set_ready(struct node *n, const char *why_not);
/* The own Node as an informer shows it (NULL: deleted; it comes back): told again what others wrote over (the lifecycle
 * controller, when the node was silent). */
void node_on_shown(struct node *n, const struct object *object);
/* The server answers again after a while without: tells it anew, at once. */
void node_on_back(struct node *n);
const json_t *node_allocatable(const struct node *n); /* borrowed, lives as long as the node */
struct node *node_close(struct node *n);              /* returns NULL */

#endif
