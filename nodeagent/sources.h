/* sources: the ConfigMaps and Secrets that pods of this node refer to, each followed by name.
 *
 * The server shows a node nothing else of them (api/node_auth.h).  The first SOURCES_WATCHES are
 * watched, each on a connection of its own, and for a while after their last pod; what is more than
 * that is asked for every SOURCES_POLL_MS, less often when there is very much of it, and at once for
 * a new pod.
 * Owner: agent.  Thread: loop.
 */
#ifndef NODEAGENT_SOURCES_H
#define NODEAGENT_SOURCES_H

#include "api/client.h"
#include "base/json.h"

#include <stdbool.h>
#include <uv.h>

#define SOURCES_WATCHES 32 /* of CLIENT_CONNECTIONS; 16 KiB each here, 24 KiB at the server */
#define SOURCES_POLL_MS 10000

struct sources;

struct source_ref {
    const char *ns, *kind, *name; /* @kind "configmaps" or "secrets" */
};

/* @ref is in for the first time, new, changed or gone; or only (@is_news false) known to be still
 * what it was, which those who hold it since then may wait for.  Borrowed for the call. */
typedef void (*sources_change_fn)(void *arg, const struct source_ref *ref, bool is_news);

struct sources *sources_new(uv_loop_t *loop, struct client *client, sources_change_fn on_change,
                            void *arg);
struct sources *sources_close(struct sources *s); /* returns NULL */

/* Counted.  Begins to fetch at once. */
void sources_hold(struct sources *s, const struct source_ref *ref);
void sources_drop(struct sources *s, const struct source_ref *ref);
/* It is known what it holds, or that it is not there. */
bool sources_ready(const struct sources *s, const struct source_ref *ref);
/* A fresh tree, NULL when there is none (or not ready). */
json_t *sources_get(const struct sources *s, const struct source_ref *ref);
unsigned sources_watches(const struct sources *s);

#endif
