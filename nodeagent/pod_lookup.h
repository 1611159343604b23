/* pod_lookup: what one pod's environment and volumes refer to: ConfigMaps and Secrets, the
 * volumes behind its claims, its ServiceAccount tokens, its RuntimeClass.
 *
 * Everything handed out is also kept in a cache that the pod's record holds on disk, so that the
 * pod can be started again while the server is unreachable.
 * Owner: pod_worker.  Thread: loop.
 */
#ifndef NODEAGENT_POD_LOOKUP_H
#define NODEAGENT_POD_LOOKUP_H

#include "nodeagent/payload.h"
#include "nodeagent/pod_view.h"
#include "nodeagent/sources.h"

struct pod_lookup;

struct pod_lookup_opts {
    uv_loop_t *loop;
    struct client *client; /* borrowed, as are the others */
    struct sources *sources;
    struct pod_view *pod;         /* referenced */
    json_t *cache;                /* taken; of an earlier agent, or NULL */
    void (*on_change)(void *arg); /* something arrived, changed or failed; never from within */
    void *arg;
};

/* Begins to fetch at once. */
struct pod_lookup *pod_lookup_new(const struct pod_lookup_opts *opts);
struct pod_lookup *pod_lookup_close(struct pod_lookup *l); /* returns NULL */
/* The pod has ended for good: its ConfigMaps and Secrets are followed no longer.  Idempotent. */
void pod_lookup_rest(struct pod_lookup *l);

bool pod_lookup_refers(const struct pod_lookup *l, const struct source_ref *ref);

/* @pod has more containers now. */
void pod_lookup_follow(struct pod_lookup *l, const struct pod_view *pod);
/* Is everything in that can be waited for?  (What is missing for good shows in the lookups.) */
bool pod_lookup_ready(struct pod_lookup *l);
/* Borrowed until the next lookup of the same. */
const json_t *pod_lookup_find(void *lookup, const char *kind, const char *name);
const char *pod_lookup_token(void *lookup, const char *volume, const json_t *source);
const json_t *pod_lookup_claim(void *lookup, const char *claim, struct err *err);
/* The handler of the pod's RuntimeClass; "" when it names none, NULL while it is not known. */
const char *pod_lookup_handler(const struct pod_lookup *l);
/* What was handed out so far, as text to keep; a new string. */
char *pod_lookup_cache(const struct pod_lookup *l);

#endif
