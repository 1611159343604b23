/* events: tells people through the API what this node does with its pods.
 *
 * The same thing said again raises the count of the Event there is.  Bounded: one client cannot
 * make this node flood the server, what is over the limit is dropped (Kubernetes drops it too).
 * Owner: agent.  Thread: loop.
 */
#ifndef NODEAGENT_EVENTS_H
#define NODEAGENT_EVENTS_H

#include "api/client.h"
#include "nodeagent/pod_view.h"

struct events;

struct events *events_new(uv_loop_t *loop, struct client *client, const char *node_name);
struct events *events_close(struct events *e); /* what is on its way may be lost; returns NULL */

enum event_type { EVENT_NORMAL, EVENT_WARNING };

/* About a pod; @container names one of its containers, or NULL.  @e NULL: nobody is told. */
void events_pod(struct events *e, const struct pod_view *pod, const char *container,
                enum event_type type, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* About this node. */
void events_node(struct events *e, enum event_type type, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
