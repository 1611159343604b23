/* probe: asks one running container, at a steady pace, whether it is well.
 *
 * It reports verdicts and leaves policy to pod_worker.  Startup, liveness and readiness are three
 * of these; who waits for the startup probe is the owner's business.
 * Owner: pod_worker, per life of a container.  Thread: loop.
 */
#ifndef NODEAGENT_PROBE_H
#define NODEAGENT_PROBE_H

#include "nodeagent/action.h"
#include "nodeagent/probe_spec.h"

struct probe;

struct probe_listener {
    /* A single answer that was no; @why is its text.  For the Unhealthy event. */
    void (*on_miss)(void *arg, enum probe_kind kind, const char *why);
    /* The question could not be put; it counts neither way. */
    void (*on_error)(void *arg, enum probe_kind kind, const char *why);
    /* A threshold was reached: the container passes, or fails, this probe (may repeat). */
    void (*on_verdict)(void *arg, enum probe_kind kind, bool passes, const struct probe_spec *spec);
    void *arg;
};

/* @probe is the probe's tree, borrowed as long as the probe lives; @context is copied (its strings
 * are borrowed).  ERR_INVALID: a port that does not exist. */
int probe_new(struct probe **ret, enum probe_kind kind, const json_t *probe,
              const struct container_view *c, const char *pod_ip,
              const struct action_context *context, const struct probe_listener *listener,
              struct err *err);
/* The first question comes when @since_ms (the time it has run) reaches the initial delay. */
void probe_start(struct probe *p, int64_t since_ms);
bool probe_is_started(const struct probe *p);
struct probe *probe_close(struct probe *p); /* no callback after; returns NULL */

#endif
