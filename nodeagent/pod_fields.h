/* pod_fields: what a pod may ask about itself (downward API): fieldRef and resourceFieldRef.
 *
 * Pure.  Used for environment variables and for downwardAPI volumes.
 */
#ifndef NODEAGENT_POD_FIELDS_H
#define NODEAGENT_POD_FIELDS_H

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "nodeagent/pod_view.h"

struct pod_surroundings { /* what the pod's own tree may not say yet; all borrowed */
    const char *node_name;
    const char *host_ip;
    const char *pod_ip;        /* "" while not known */
    const json_t *allocatable; /* of the node: default of limits */
};

/* "metadata.labels['app']", "status.podIP", ...; appends to @ret.  ERR_INVALID: unknown path.
 * "metadata.labels" and "metadata.annotations" (volumes only) give sorted key="value" lines. */
int pod_fields_get(struct text *ret, const struct pod_view *pod, const char *path,
                   const struct pod_surroundings *around, struct err *err);
/* @ref is a ResourceFieldSelector; @container is used when it names none. */
int pod_fields_resource(struct text *ret, const struct pod_view *pod, const json_t *ref,
                        const char *container, const struct pod_surroundings *around,
                        struct err *err);

#endif
