/* pod_dial: a TCP connection to a port of a pod's loopback, made inside its network namespace.
 *
 * IPv4 first, then IPv6, as the container runtimes do.  Owner: port_forward.  Thread: loop; the
 * socket is made on a worker thread, where changing the namespace harms nobody.
 */
#ifndef NODEAGENT_POD_DIAL_H
#define NODEAGENT_POD_DIAL_H

#include "base/err.h"

#include <stdint.h>
#include <uv.h>

#define POD_DIAL_MS 10000

struct pod_dial;
/* @net_ns: path, NULL = the node's own.  @done: once; fd (the callee's) or -1 and why. */
struct pod_dial *pod_dial(uv_loop_t *loop, const char *net_ns, uint16_t port,
                          void (*done)(void *arg, int fd, const struct err *err), void *arg);
void pod_dial_cancel(struct pod_dial *d); /* no @done; the pointer is dead after */

#endif
