/* runner_write: a planned write as a request to the registry; Events with their counts.
 *
 * Owner: runner.  Thread: loop.
 */
#ifndef CONTROLPLANE_RUNNER_WRITE_H
#define CONTROLPLANE_RUNNER_WRITE_H

#include "api/registry.h"
#include "controlplane/plan.h"

enum runner_outcome {
    RUNNER_DONE,     /* as planned, or no longer needed */
    RUNNER_CONFLICT, /* computed from what is no longer so: plan again soon */
    RUNNER_REFUSED,  /* plan again after a pause */
    RUNNER_MOOT,     /* its namespace goes: nothing is made there, nor tried again */
};

/* Hands @w (not an Event) to the registry as @manager's (metadata.managedFields); @done as in
 * registry_write. */
void runner_write_submit(struct registry *r, const char *manager, const struct plan_write *w,
                         registry_done_fn done, void *arg);
enum runner_outcome runner_write_outcome(const struct plan_write *w,
                                         const struct registry_answer *answer);
/* The refusal in words; borrowed from @answer. */
const char *runner_write_message(const struct registry_answer *answer);

/* Creates @event or, when the same was told within the last hour, counts the old one up.  The
 * answer is not waited for.  @name and @error complete the message, may be NULL. */
void runner_write_event(struct registry *r, const json_t *event, const char *name,
                        const char *error, int64_t now_wall_ms);

#endif
