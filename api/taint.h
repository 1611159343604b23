/* taint: which taints of a node a pod tolerates.  Pure; used by scheduling, eviction, `mkube why`. */
#ifndef API_TAINT_H
#define API_TAINT_H

#include "base/json.h"

#include <stdbool.h>

#define TAINT_NOT_READY     "node.kubernetes.io/not-ready"
#define TAINT_UNREACHABLE   "node.kubernetes.io/unreachable"
#define TAINT_UNSCHEDULABLE "node.kubernetes.io/unschedulable"

bool taint_matches(const json_t *toleration, const json_t *taint);
bool taint_is_tolerated(const json_t *taint, const json_t *tolerations);
/* The first of @taints with one of the effects that nothing in @tolerations tolerates, or
 * NULL.  @effects is a NULL-terminated list. */
const json_t *taint_untolerated(const json_t *taints, const json_t *tolerations,
                                const char *const *effects);

#endif
