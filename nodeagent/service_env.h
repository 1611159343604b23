/* service_env: the environment variables that tell a pod of Services ({NAME}_SERVICE_HOST, ...).
 *
 * Pure.  Order and spelling are Kubernetes' (docker-links style included).
 */
#ifndef NODEAGENT_SERVICE_ENV_H
#define NODEAGENT_SERVICE_ENV_H

#include "nodeagent/env.h"

/* Adds the variables of one Service with a cluster IP; headless and ExternalName add none. */
void service_env_add(struct env_list *to, const json_t *service);

#endif
