/* service_lookup: what this node knows of Services, asked by the workers of its pods.
 *
 * Reads informers; NULL ones know nothing.  Thread: loop.
 */
#ifndef NODEAGENT_SERVICE_LOOKUP_H
#define NODEAGENT_SERVICE_LOOKUP_H

#include "api/informer.h"
#include "nodeagent/env.h"

/* Variables of the Services in @ns, and of default/kubernetes; only the latter when !@all. */
void service_lookup_env(struct env_list *ret, const struct informer *services, const char *ns,
                        bool all);
/* Is the pod a ready endpoint of any Service? */
bool service_lookup_is_endpoint(const struct informer *slices, const char *uid);

#endif
