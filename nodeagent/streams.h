/* streams: exec, attach and port-forward requests of this node: negotiation, the limit, their end.
 *
 * At most STREAMS_MAX clients at a time; more are answered 429.  Owner: node_api.  Thread: loop.
 */
#ifndef NODEAGENT_STREAMS_H
#define NODEAGENT_STREAMS_H

#include "base/http_server.h"
#include "nodeagent/runtime.h"

#include <sys/types.h>

#define STREAMS_MAX      64
#define STREAMS_ARGS_MAX 1024 /* words of an exec's command */

struct streams;
struct streams *streams_new(uv_loop_t *loop, struct runtime *rt);
/* Ends all of them; clients see broken connections.  NULL is fine; returns NULL. */
struct streams *streams_close(struct streams *s);

/* Each answers @x.  Query: stdin, stdout, stderr, tty; exec: command, repeated. */
void streams_exec(struct streams *s, struct http_exchange *x, const char *container_id);
void streams_attach(struct streams *s, struct http_exchange *x, const char *container_id,
                    pid_t pid);
/* @net_ns: NULL = the node's own.  Query: ports, for WebSockets. */
void streams_port_forward(struct streams *s, struct http_exchange *x, const char *net_ns,
                          const char *pod_name, const char *pod_uid);

#endif
