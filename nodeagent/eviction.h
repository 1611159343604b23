/* eviction: which pods a node ends because they use more local disk than they said they would, or
 * because its disk is nearly full.
 *
 * Pure: usage in, the sentence for status and event out.  Order and wording are the kubelet's
 * (pkg/kubelet/eviction, v1.32): sizeLimit of an emptyDir, then ephemeral-storage limits of the pod,
 * then of each container.  Volumes in memory are held to their size by the kernel instead.
 */
#ifndef NODEAGENT_EVICTION_H
#define NODEAGENT_EVICTION_H

#include "nodeagent/pod_view.h"

#include <stdbool.h>
#include <stdint.h>

struct pod_usage {                          /* bytes on the node's disk */
    int64_t containers[POD_CONTAINERS_MAX]; /* what they wrote, and their logs */
    const int64_t *volumes;                 /* as spec.volumes; 0 for all but emptyDirs on disk */
    size_t n_volumes;
};

/* Is there anything to hold the pod to? */
bool eviction_has_limits(const struct pod_view *pod);
/* Why it must go; a new string, NULL: it keeps within its limits. */
char *eviction_over_limit(const struct pod_view *pod, const struct pod_usage *usage);

struct eviction_candidate {
    const struct pod_view *pod;
    const struct pod_usage *usage;
};
/* Whom a full disk costs its place: those over their requests before others, low priority before high,
 * then by how far they are over.  Critical pods never.  @n: nobody. */
size_t eviction_choose(const struct eviction_candidate *all, size_t n);
/* The sentence for it, new. */
char *eviction_disk_message(const struct eviction_candidate *c, int64_t threshold,
                            int64_t available);

/* The emptyDir of this volume lies on disk. */
bool eviction_is_disk(const json_t *volume);

#endif
