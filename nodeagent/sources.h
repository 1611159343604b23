/* sources: the ConfigMaps and Secrets of the namespaces that have pods on this node.
 *
 * One pair of informers per namespace in use (never of the whole cluster), closed when the
 * last pod of the namespace has gone; Secrets of helm's history are left out.
 * Owner: agent.  Thread: loop.
 */
#ifndef NODEAGENT_SOURCES_H
#define NODEAGENT_SOURCES_H

#include "api/client.h"
#include "base/json.h"

#include <stdbool.h>
#include <uv.h>

struct sources;

/* @on_change: something of @ns is new, changed or gone, or its first list is in. */
typedef void (*sources_change_fn)(void *arg, const char *ns);

struct sources *sources_new(uv_loop_t *loop, struct client *client, sources_change_fn on_change,
                            void *arg);
struct sources *sources_close(struct sources *s); /* returns NULL */

/* Counted. */
void sources_hold(struct sources *s, const char *ns);
void sources_drop(struct sources *s, const char *ns);
bool sources_ready(const struct sources *s, const char *ns); /* both first lists are in */
/* @kind "configmaps" or "secrets"; a fresh tree, NULL when there is none (or not ready). */
json_t *sources_get(const struct sources *s, const char *ns, const char *kind, const char *name);

#endif
