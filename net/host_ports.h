/* host_ports: ports of this node that lead to its pods (hostPort), as nftables maps.
 *
 * host_ports_print is pure: the whole set in, one `nft -f` transaction out; one lookup per
 * connection however many there are.  Ports of loopback addresses are not led: the kernel would
 * have to route 127.0.0.0/8, for pods too.  Rules stay when the agent goes.
 * Owner: agent.  Thread: loop.
 */
#ifndef NET_HOST_PORTS_H
#define NET_HOST_PORTS_H

#include "base/err.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct host_port {        /* borrowed strings */
    const char *protocol; /* "TCP", "UDP", "SCTP" */
    const char *host_ip;  /* "", "0.0.0.0" = any of the node's */
    uint16_t host_port;
    const char *pod_ip;
    uint16_t pod_port;
};

/* Of two that want the same port the first has it. */
void host_ports_print(struct text *ret, const struct host_port *list, size_t n);

struct host_ports;

struct host_ports *host_ports_new(uv_loop_t *loop);
/* Replaces the set before; @list is borrowed for the call.  The first time also what an earlier
 * agent left. */
void host_ports_set(struct host_ports *h, const struct host_port *list, size_t n);
struct host_ports *host_ports_close(struct host_ports *h); /* rules stay; returns NULL */

#endif
