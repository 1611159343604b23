/* pod_status_make: the status this node publishes for a pod.
 *
 * Pure.  Holds only what the node owns: phase, container statuses, addresses, start time, QoS and
 * its own conditions; conditions of others (readiness gates, DisruptionTarget) are read from the
 * pod and left alone by the strategic merge that publishes this.
 */
#ifndef NODEAGENT_POD_STATUS_MAKE_H
#define NODEAGENT_POD_STATUS_MAKE_H

#include "nodeagent/pod_plan.h"
#include "nodeagent/pod_view.h"

struct pod_status_input {
    const struct pod_view *pod;
    const struct pod_facts *facts;
    const struct pod_plan *plan;
    const json_t *before; /* the status published last: times of transitions; may be NULL */
    const char *host_ip;
    const char *pod_ip; /* "" while not known */
    bool has_sandbox;
    bool is_rejected;    /* never let in: no containers are shown */
    bool is_evicted;     /* by this node: DisruptionTarget */
    const char *message; /* of the pod, with plan->reason; may be NULL */
};

/* A new tree, the caller's. */
json_t *pod_status_make(const struct pod_status_input *in);

/* The body of PATCH pods/status (application/strategic-merge-patch+json) that makes @status of
 * whatever is there; only for the pod with this uid. */
json_t *pod_status_patch(const struct pod_view *pod, const json_t *status);

#endif
