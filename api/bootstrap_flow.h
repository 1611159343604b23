/* bootstrap_flow: the priority levels and flow schemas that every cluster begins with (v1.32,
 * k8s.io/apiserver pkg/apis/flowcontrol/bootstrap/default.go).
 *
 * They are what clients look for; what is limited here, and how, is not read from them.  Pure.
 */
#ifndef API_BOOTSTRAP_FLOW_H
#define API_BOOTSTRAP_FLOW_H

#include "base/json.h"

#include <stdbool.h>

#define FLOW_LEVELS  "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"
#define FLOW_SCHEMAS "flowschemas.flowcontrol.apiserver.k8s.io"

/* Arrays of objects; the caller's. */
json_t *bootstrap_flow_levels(void);
json_t *bootstrap_flow_schemas(void);

/* Makes @have what @want says, unless its owner keeps it (the annotation
 * apf.kubernetes.io/autoupdate-spec; without it, a first generation is ours); "exempt" and
 * "catch-all" are nobody's.  False: there was nothing to do. */
bool bootstrap_flow_reconcile(json_t *have, const json_t *want);

#endif
