/* node_peers: tells the pod network which nodes there are, from the Node objects.
 *
 * Shared by the agent and the entry.  Owner: cmd.  Thread: loop.
 */
#ifndef CMD_NODE_PEERS_H
#define CMD_NODE_PEERS_H

#include "api/informer.h"
#include "net/podnet.h"

struct node_peers;

/* @nodes is borrowed and not started yet; @own_name is left out (NULL = none). */
struct node_peers *node_peers_new(uv_loop_t *loop, struct informer *nodes, const char *own_name);
/* The network stands: routes are set from now on. */
void node_peers_set_podnet(struct node_peers *p, struct podnet *podnet);
struct node_peers *node_peers_close(struct node_peers *p);

#endif
