/* port_forward: TCP connections to a pod's ports, many over one client connection.
 *
 * SPDY (plain, or inside WebSocket messages): two streams for each connection, "error" and "data",
 * with the same header requestID.  WebSocket v4.channel.k8s.io (Python, JavaScript): the ports stand
 * in the query, two channels each: 2i data, 2i+1 error, both begun with the port in two bytes.
 * At most FORWARD_MAX connections at a time; one that is not read from holds up the others of its
 * client, as in Kubernetes.  Owner: streams.  Thread: loop.
 */
#ifndef NODEAGENT_PORT_FORWARD_H
#define NODEAGENT_PORT_FORWARD_H

#include "nodeagent/peer.h"

#include <stdint.h>

#define FORWARD_MAX 128

struct port_forward_opts {
    struct peer_opts peer;
    const char *net_ns;             /* NULL = the node's own */
    const char *pod_name, *pod_uid; /* for messages */
    /* Channels: these ports.  SPDY: n_ports is 0. */
    bool is_spdy;
    uint16_t ports[FORWARD_MAX];
    size_t n_ports;
};

struct port_forward;
/* @on_done: once, when nothing is left of it (also after peers_close_all). */
struct port_forward *port_forward_new(struct peers *set, const struct port_forward_opts *opts,
                                      void (*on_done)(void *arg), void *arg);

#endif
