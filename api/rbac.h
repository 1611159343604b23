/* rbac: what Roles and ClusterRoles of the store give a user.
 *
 * Kubernetes' RBAC: a ClusterRoleBinding gives everywhere, a RoleBinding in its namespace; rules
 * only allow.  Bindings are indexed by namespace and subject, so that a question costs what the
 * user's own bindings cost, whatever others have; the index is built at the first question and
 * follows what rbac_touch is told.  Owner: registry.  Thread: loop.
 */
#ifndef API_RBAC_H
#define API_RBAC_H

#include "base/json.h"
#include "base/text.h"
#include "storage/store.h"

#define RBAC_GROUP                "rbac.authorization.k8s.io"
#define RBAC_ROLES                "roles." RBAC_GROUP
#define RBAC_CLUSTER_ROLES        "clusterroles." RBAC_GROUP
#define RBAC_ROLE_BINDINGS        "rolebindings." RBAC_GROUP
#define RBAC_CLUSTER_ROLEBINDINGS "clusterrolebindings." RBAC_GROUP

struct auth_user;
struct auth_question;
struct rbac;

struct rbac *rbac_new(const struct store *store); /* borrowed */
struct rbac *rbac_free(struct rbac *r);           /* NULL is fine; returns NULL */
const struct store *rbac_store(const struct rbac *r);
/* The visible state of this object has changed; other buckets than the four are ignored. */
void rbac_touch(struct rbac *r, const char *bucket, const char *ns, const char *name);

bool rbac_allows(struct rbac *r, const struct auth_user *u, const struct auth_question *q);
/* The same; if so, @ret says by which binding, in Kubernetes' words. */
bool rbac_tells(struct rbac *r, const struct auth_user *u, const struct auth_question *q,
                struct text *ret);
/* Appends (borrowed) all rules that hold for @u in @ns ("" = cluster-wide ones only). */
void rbac_rules(struct rbac *r, const struct auth_user *u, const char *ns, json_t *ret);
/* The rules of the role that @ref of a binding in @ns names; borrowed; NULL: there is no such. */
const json_t *rbac_rules_of(struct rbac *r, const json_t *ref, const char *ns);

/* --- rbac_cover.c: rules held against rules; pure --- */

bool rbac_rule_allows(const json_t *rule, const struct auth_question *q);
/* Whether @have gives all that @want does; otherwise what is missing, as rules of one verb each, is
 * appended to @ret_missing (may be NULL). */
bool rbac_covers(const json_t *have, const json_t *want, json_t *ret_missing);
/* {APIGroups:[""], Resources:["pods"], Verbs:["get"]}: a line each, rules that differ in verbs
 * alone as one. */
void rbac_print_rules(struct text *ret, const json_t *rules);
/* The rules of all ClusterRoles (trees of @roles) that @role's aggregationRule selects, by name,
 * none twice; the caller's.  NULL: it has no such rule. */
json_t *rbac_aggregate(const json_t *role, const json_t *roles);

#endif
