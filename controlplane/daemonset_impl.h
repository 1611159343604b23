/* daemonset_impl: what the files of the DaemonSet controller share.  Private to
 * controlplane/daemonset*.c. */
#ifndef CONTROLPLANE_DAEMONSET_IMPL_H
#define CONTROLPLANE_DAEMONSET_IMPL_H

#include "base/map.h"
#include "controlplane/controller.h"
#include "controlplane/history.h"

#define DAEMONSET                "daemonsets.apps"
#define DAEMONSET_NAME           "daemonset-controller"
#define DAEMONSET_REVISION_LABEL "controller-revision-hash"

struct daemonset_pod {
    const struct object *object; /* borrowed */
    const json_t *tree;          /* borrowed */
    char *node;                  /* owned; where it is or is meant to be, "" if nowhere */
    bool updated;                /* of the template as it is now */
    bool available;
};

struct daemonset_node {
    const struct object *object; /* borrowed; NULL = there is no such node (any more) */
    const char *name;            /* borrowed */
    struct daemonset_pod **pods; /* owned array, oldest first */
    size_t n_pods;
    bool should_run, may_stay;
};

struct daemonset {
    struct plan *plan;
    struct view *view;
    struct map *failures; /* the controller's state */
    const struct object *object;
    const json_t *tree;
    struct clock_now now;
    struct history history;
    const char *hash;           /* of the template now; within history */
    struct daemonset_pod *pods; /* owned */
    size_t n_pods;
    struct daemonset_node *nodes; /* owned */
    size_t n_nodes;
    int64_t min_ready_seconds;
    size_t n_planned; /* pods made and deleted by this plan */
};

/* --- daemonset_place.c: which nodes, and the pod for one --- */

/* Fills should_run and may_stay. */
void daemonset_place_judge(const struct daemonset *d, struct daemonset_node *n);
json_t *daemonset_place_pod(const struct daemonset *d, const char *node);
/* The node that @pod is on, or that its affinity names; a new string, "" if neither. */
char *daemonset_place_of(const struct object *pod, const json_t *tree);

/* --- daemonset_roll.c --- */
void daemonset_roll(struct daemonset *d);
/* "maxSurge" or "maxUnavailable" as a number of nodes. */
int64_t daemonset_roll_limit(const struct daemonset *d, const char *key);

/* --- daemonset.c --- */
void daemonset_create(struct daemonset *d, const struct daemonset_node *n);
void daemonset_delete(struct daemonset *d, const struct daemonset_pod *p);

#endif
