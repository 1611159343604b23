/* resource_list: arithmetic over Kubernetes' ResourceLists, JSON objects of name to quantity
 * ({"cpu": "500m", "pods": "3"}), as quotas and limit ranges need it.  Pure.
 *
 * A name that is absent is zero to add and to subtract.  Values keep the format of the first.
 */
#ifndef API_RESOURCE_LIST_H
#define API_RESOURCE_LIST_H

#include "api/quantity.h"
#include "base/json.h"
#include "base/text.h"

/* Zero when absent; false then. */
bool resource_list_get(const json_t *list, const char *name, struct quantity *ret);
void resource_list_set(json_t *list, const char *name, struct quantity q);
void resource_list_add(json_t *to, const json_t *more);
void resource_list_subtract(json_t *from, const json_t *less);
void resource_list_raise(json_t *to, const json_t *other); /* to the larger of both, by name */

/* What the containers of a pod need at once at most: @which is "requests" or "limits".  Init
 * containers and sidecars count as they run; the pod's overhead is left out.  The caller's. */
json_t *resource_list_of_pod(const json_t *pod_spec, const char *which);
/* The same with the overhead; of limits only where there is one. */
json_t *resource_list_of_pod_charged(const json_t *pod_spec, const char *which);

/* "cpu=1,pods=2", in order of names. */
void resource_list_print(struct text *ret, const json_t *list);
#endif
