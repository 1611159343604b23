/* deployment_impl: what the files of the Deployment controller share.  Private to
 * controlplane/deployment*.c.
 *
 * A plan works on copies: replicas of each set are moved about here and the sets that
 * differ in the end are written, each once.
 */
#ifndef CONTROLPLANE_DEPLOYMENT_IMPL_H
#define CONTROLPLANE_DEPLOYMENT_IMPL_H

#include "controlplane/controller.h"

#define DEPLOYMENT          "deployments.apps"
#define DEPLOYMENT_SETS     "replicasets.apps"
#define DEPLOYMENT_NAME     "deployment-controller"
#define DEPLOYMENT_REVISION "deployment.kubernetes.io/revision"
#define DEPLOYMENT_HISTORY  "deployment.kubernetes.io/revision-history"
#define DEPLOYMENT_DESIRED  "deployment.kubernetes.io/desired-replicas"
#define DEPLOYMENT_MAX      "deployment.kubernetes.io/max-replicas"

struct deployment_set {
    const struct object *object; /* borrowed; NULL = to be created */
    json_t *tree;                /* owned; a copy to change */
    const char *name;            /* borrowed from tree */
    int64_t replicas;            /* wanted: spec.replicas, as this plan moves it */
    int64_t was;                 /* spec.replicas as it stands */
    int64_t observed, ready;     /* status */
    int64_t available;           /* status, but never more than wanted now */
    int64_t created_ms;
    bool has_looked; /* its controller has seen the size it has now */
    bool changed;
};

struct deployment {
    struct plan *plan;
    struct view *view;
    const struct object *object;
    const json_t *tree;
    struct clock_now now;
    struct deployment_set *sets; /* owned; oldest first; room for one more */
    size_t n_sets;
    struct deployment_set *newest; /* the one with the current template, or NULL */
    bool created;                  /* newest is made by this plan */
    int64_t replicas;
    int64_t surge, unavailable; /* both 0 for Recreate */
    bool recreate, paused;
    int64_t progress_deadline_s; /* -1 = none */
    int64_t collisions;
};

/* --- deployment_sets.c: the sets and their revisions --- */

/* False: sets are being adopted or released, look again afterwards. */
bool deployment_sets_load(struct deployment *d);
void deployment_sets_fini(struct deployment *d);
/* Sees to revision and annotations of the newest set; makes it, when there is none and @create.
 * False: its name is taken, count a collision and come back. */
bool deployment_sets_sync(struct deployment *d, bool create);
void deployment_sets_write(struct deployment *d);
/* Deletes old, idle sets beyond spec.revisionHistoryLimit. */
void deployment_sets_trim(struct deployment *d);

/* --- deployment_scale.c: how many pods where --- */

void deployment_scale_limits(struct deployment *d);
void deployment_scale_to(struct deployment *d, struct deployment_set *s, int64_t replicas);
/* How large the newest set may be now. */
int64_t deployment_scale_newest(const struct deployment *d);
bool deployment_scale_is_due(const struct deployment *d);
/* After spec.replicas has changed: spreads the difference over the sets. */
void deployment_scale_spread(struct deployment *d);
/* One step of a rolling update: up, else down.  Did anything change? */
bool deployment_scale_roll(struct deployment *d);
bool deployment_scale_old_to_zero(struct deployment *d);

/* --- deployment_status.c --- */

bool deployment_status_is_complete(const struct deployment *d, const json_t *status);
/* @rollout: also judges progress (not while paused or scaling). */
void deployment_status_write(struct deployment *d, bool rollout);

#endif
