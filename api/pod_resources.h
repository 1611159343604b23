/* pod_resources: what a pod asks of a node, and its quality of service.  Pure.
 *
 * The effective request is the larger of what runs together (containers and sidecars) and the
 * largest step of initialisation (an init container beside the sidecars started before it),
 * plus the overhead.  Requests are expected to be defaulted from limits.
 */
#ifndef API_POD_RESOURCES_H
#define API_POD_RESOURCES_H

#include "base/json.h"

#include <stdint.h>

struct pod_resources {
    int64_t cpu_milli;
    int64_t memory;    /* bytes */
    int64_t ephemeral; /* ephemeral-storage, bytes */
    json_t *extended;  /* owned: every other resource, name to integer; NULL when none */
};
#define POD_RESOURCES_EMPTY                                           \
    {                                                                 \
        .cpu_milli = 0, .memory = 0, .ephemeral = 0, .extended = NULL \
    }

void pod_resources_sum(struct pod_resources *ret, const json_t *pod_spec);
/* A resource list ({"cpu": "4", "memory": "8Gi", ..}, as in a node's allocatable), same form. */
void pod_resources_of_list(struct pod_resources *ret, const json_t *list);
void pod_resources_add(struct pod_resources *to, const struct pod_resources *more);
void pod_resources_fini(struct pod_resources *r); /* idempotent; usable with cleanup() */

/* "Guaranteed", "Burstable" or "BestEffort" (static). */
const char *pod_qos(const json_t *pod_spec);

#endif
