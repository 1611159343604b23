/* controller: one decision maker as a row of a table.
 *
 * A controller follows buckets, turns each change into keys ("ns/name" of what it looks
 * after), and plans for one key at a time.  It keeps no truth: only what it can rebuild (timers,
 * back-offs) may live in @state.  Same view, same now: same plan.
 *
 * Changes are hints: when the runner fell behind the log it maps every object again as
 * STORE_ADDED, and deletions in between are not told.  So a plan looks at what is there, and
 * a map leads from a dependent to its owner's key as well as from the owner to its own.
 */
#ifndef CONTROLPLANE_CONTROLLER_H
#define CONTROLPLANE_CONTROLLER_H

#include "controlplane/plan.h"
#include "controlplane/queue.h"
#include "controlplane/view.h"
#include "storage/store.h"

#include <stdint.h>

struct clock_now {
    int64_t wall_ms; /* written into objects */
    int64_t mono_ms; /* compared with earlier readings */
};

struct controller {
    const char *name;           /* "deployment-controller": event source and log field */
    const char *manager;        /* of the fields it writes; NULL = "kube-controller-manager" */
    const char *const *buckets; /* NULL-terminated; "*" = all of them */
    /* Which keys does this change concern?  Called for every object at start as STORE_ADDED. */
    void (*map)(struct queue *q, struct view *v, const struct store_change *change);
    void (*plan)(struct plan *ret, struct view *v, void *state, const char *ns, const char *name,
                 struct clock_now now);
    void *(*state_new)(void); /* NULL = stateless */
    void (*state_free)(void *state);
    /* NULL, or: every write of the plan for this key has been answered.  @refused is the first
     * write that was not carried out and @message says why; NULL when all went well. */
    void (*settled)(void *state, const char *ns, const char *name, const struct plan_write *refused,
                    const char *message);
};

/* The table (controllers.c): NULL-terminated array of pointers. */
extern const struct controller *const controllers[];

#endif
