/* statefulset_impl: what the files of the StatefulSet controller share.  Private to
 * controlplane/statefulset*.c. */
#ifndef CONTROLPLANE_STATEFULSET_IMPL_H
#define CONTROLPLANE_STATEFULSET_IMPL_H

#include "controlplane/controller.h"
#include "controlplane/history.h"

#define STATEFULSET                "statefulsets.apps"
#define STATEFULSET_NAME           "statefulset-controller"
#define STATEFULSET_REVISION_LABEL "controller-revision-hash"
#define STATEFULSET_POD_LABEL      "statefulset.kubernetes.io/pod-name"
/* More are not looked at: a limit before memory, far beyond what one set is used for. */
#define STATEFULSET_PODS_MAX       100000
#define STATEFULSET_INDEX_LABEL    "apps.kubernetes.io/pod-index"

struct statefulset_pod {
    int64_t ordinal;
    const struct object *object; /* borrowed; NULL = there is none */
    const json_t *tree;          /* borrowed, or NULL */
};

struct statefulset {
    struct plan *plan;
    struct view *view;
    const struct object *object;
    const json_t *tree;
    struct clock_now now;
    struct history history;
    const struct history_entry *current; /* what the set was at before; maybe the same as update */
    struct statefulset_pod *pods;        /* owned; one per wanted ordinal, ascending */
    int64_t n_pods, start;
    struct statefulset_pod *condemned; /* owned; beyond the wanted ones, highest first */
    size_t n_condemned;
    int64_t min_ready_seconds;
    int64_t partition; /* first ordinal (from start) to update */
    bool ordered, rolling;
    bool claims_follow_set, claims_follow_pod; /* persistentVolumeClaimRetentionPolicy is Delete */
};

/* --- statefulset_pod.c: names, volumes, identity --- */

/* The ordinal in "<set>-<ordinal>", -1 when @pod_name is not of this form. */
int64_t statefulset_ordinal(const char *set_name, const char *pod_name);
/* Plans claims and the pod; an event and no pod when a claim is on its way out. */
void statefulset_pod_create(struct statefulset *s, int64_t ordinal);
void statefulset_pod_delete(struct statefulset *s, const struct statefulset_pod *p);
/* Sees to labels of the pod, to its claims and to their owners. */
void statefulset_pod_mend(struct statefulset *s, const struct statefulset_pod *p, bool condemned);

#endif
