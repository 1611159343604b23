/* pod_refs: the Secrets, ConfigMaps and claims that a Pod names.
 *
 * One list for both sides: what an agent asks for is what node_auth lets it have.  Pure.
 */
#ifndef API_POD_REFS_H
#define API_POD_REFS_H

#include "base/json.h"

#include <stdbool.h>

/* @resource "secrets", "configmaps" or "persistentvolumeclaims"; @name in the pod's namespace, borrowed
 * for the call; one name may come more than once.  Returning true ends the walk. */
typedef bool (*pod_refs_fn)(void *arg, const char *resource, const char *name);

/* Whether @each returned true. */
bool pod_refs_each(const json_t *pod, pod_refs_fn each, void *arg);

bool pod_refs_has(const json_t *pod, const char *resource, const char *name);

#endif
