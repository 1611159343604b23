/* bootstrap_roles: the ClusterRoles and bindings that every cluster has, as Kubernetes v1.32 makes
 * them (plugin/pkg/auth/authorizer/rbac/bootstrappolicy), as tables.
 *
 * A rule is a row of words; rules of one role stand together.  Left out are roles of what no
 * longer exists or never will here (heapster, kube-dns, attach and detach).
 */
#ifndef API_BOOTSTRAP_ROLES_H
#define API_BOOTSTRAP_ROLES_H

#include "base/json.h"

struct bootstrap_rule {
    const char *role;
    const char *verbs;  /* words with blanks between, as in the next */
    const char *groups; /* "core" is the group ""; NULL: @resources are URLs */
    const char *resources;
    const char *names; /* resourceNames, or NULL */
};

/* Ended by a row without role. */
extern const struct bootstrap_rule bootstrap_rules[];            /* bootstrap_roles.c */
extern const struct bootstrap_rule bootstrap_controller_rules[]; /* bootstrap_controller_roles.c */

/* Arrays of whole objects, the caller's. */
json_t *bootstrap_cluster_roles(void);
json_t *bootstrap_cluster_role_bindings(void);
json_t *bootstrap_roles(void); /* of namespaces */

/* What a later start changes of what it finds: @have becomes what it should be at least; whether it
 * had to.  Objects with the annotation rbac.authorization.kubernetes.io/autoupdate "false" are
 * their owner's. */
bool bootstrap_reconcile(json_t *have, const json_t *want);
/* Whether @have binds to another role than it should, and is ours: roleRef cannot be changed, so it
 * goes, and comes anew. */
bool bootstrap_is_misbound(const json_t *have, const json_t *want);

#endif
