/* rbac: what Roles and ClusterRoles of the store give a user.
 *
 * Kubernetes' RBAC: a ClusterRoleBinding gives everywhere, a RoleBinding in its namespace; rules
 * only allow.  Pure reads of the store.  Thread: loop.
 */
#ifndef API_RBAC_H
#define API_RBAC_H

#include "api/auth.h"
#include "base/json.h"
#include "storage/store.h"

bool rbac_allows(const struct auth_user *u, const struct store *store,
                 const struct auth_question *q);
/* Appends copies of all rules that hold for @u in @ns ("" = cluster-wide ones only). */
void rbac_rules(const struct auth_user *u, const struct store *store, const char *ns,
                json_t *resource_rules, json_t *url_rules);

#endif
