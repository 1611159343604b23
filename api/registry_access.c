/* What a write may do that depends on who writes: questions to the authoriser on the way. */
#include "api/admission.h"
#include "base/mem.h"
#include "base/text.h"

static const char *const access_masters[] = { "system:masters", NULL };
const struct registry_user registry_itself = { .name = "system:apiserver",
                                               .groups = access_masters,
                                               .uid = "" };

bool op_may(const struct op *op, const struct auth_question *q)
{
    struct auth_user user;

    if (op->user == NULL) /* nobody asks: the simulator, tests */
        return true;
    auth_borrow_user(&user, op->user->name, op->user->groups, op->user->uid);
    return auth_may(&user, op->r->rbac, q);
}

/* --- nobody gives away what he does not have (pkg/registry/rbac) --- */

static bool access_in_group(const struct op *op, const char *group)
{
    struct auth_user user;

    if (op->user == NULL)
        return true;
    auth_borrow_user(&user, op->user->name, op->user->groups, op->user->uid);
    return auth_in_group(&user, group);
}

/* What is left of @tree when ownership and finalizers are not looked at: these the garbage
 * collector changes for anybody. */
static json_t *access_content(const json_t *tree)
{
    json_t *copy = json_deep_copy(tree);

    json_del(copy, "metadata.ownerReferences");
    json_del(copy, "metadata.finalizers");
    json_del(copy, "metadata.managedFields");
    return copy;
}

static bool access_is_about_content(const struct op *op)
{
    cleanup(json_decrefpp) json_t *now = access_content(op->tree);
    cleanup(json_decrefpp) json_t *before = NULL;

    if (op->old_tree == NULL)
        return true;
    before = access_content(op->old_tree);
    return !json_equal(now, before);
}

static bool access_has_verb(const struct op *op, const char *verb, const char *resource,
                            const char *name)
{
    const struct auth_question q = { .verb = verb,
                                     .group = RBAC_GROUP,
                                     .resource = resource,
                                     .sub = "",
                                     .ns = op->ns,
                                     .name = name,
                                     .path = "" };

    return op_may(op, &q);
}

static void access_print_groups(struct text *ret, const struct registry_user *user)
{
    for (size_t i = 0; user->groups != NULL && user->groups[i] != NULL; i++)
        text_fmt(ret, "%s\"%s\"", i > 0 ? " " : "", user->groups[i]);
}

static void access_refuse(struct op *op, const json_t *missing)
{
    cleanup(text_fini) struct text groups = TEXT_EMPTY;
    cleanup(text_fini) struct text rules = TEXT_EMPTY;

    access_print_groups(&groups, op->user);
    rbac_print_rules(&rules, missing);
    admit_forbid(op,
                 "user \"%s\" (groups=[%s]) is attempting to grant RBAC permissions not currently "
                 "held:\n%s",
                 op->user->name, text_str(&groups), text_str(&rules));
}

static bool access_holds(struct op *op, const json_t *rules, json_t *ret_missing)
{
    cleanup(json_decrefpp) json_t *held = json_array();
    struct auth_user user;

    auth_borrow_user(&user, op->user->name, op->user->groups, op->user->uid);
    rbac_rules(op->r->rbac, &user, op->ns, held);
    return rbac_covers(held, rules, ret_missing);
}

static void access_check(struct op *op, const json_t *rules)
{
    cleanup(json_decrefpp) json_t *missing = json_array();

    if (!access_holds(op, rules, missing))
        access_refuse(op, missing);
}

/* Whoever chooses what is taken in chooses what the role gives one day: all of it must be his. */
static void access_check_aggregation(struct op *op)
{
    cleanup(json_decrefpp) json_t *all = json_pack("[{s:[s], s:[s], s:[s]}, {s:[s], s:[s]}]",
                                                   "verbs", "*", "apiGroups", "*", "resources", "*",
                                                   "verbs", "*", "nonResourceURLs", "*");

    if (json_object_get(op->tree, "aggregationRule") == NULL &&
        (op->old_tree == NULL || json_object_get(op->old_tree, "aggregationRule") == NULL))
        return;
    if (!access_holds(op, all, NULL))
        admit_forbid(op, "must have cluster-admin privileges to use the aggregationRule");
}

void admit_role(struct op *op)
{
    if (access_in_group(op, "system:masters") || !access_is_about_content(op) ||
        access_has_verb(op, "escalate", op->resource->plural, admit_name(op)))
        return;
    access_check(op, json_object_get(op->tree, "rules"));
    if (op_ok(op))
        access_check_aggregation(op);
}

void admit_role_binding(struct op *op)
{
    const json_t *ref = json_object_get(op->tree, "roleRef");
    bool cluster = str_eq(json_str(ref, "kind"), "ClusterRole");
    const char *name = json_str_or(ref, "name", "");
    const json_t *rules;

    if (access_in_group(op, "system:masters") || !access_is_about_content(op) ||
        access_has_verb(op, "bind", cluster ? "clusterroles" : "roles", name))
        return;
    rules = rbac_rules_of(op->r->rbac, ref, op->ns);
    if (rules == NULL)
        op_refuse(op,
                  status_not_found(schema_bucket(cluster ? RBAC_CLUSTER_ROLES : RBAC_ROLES), name));
    else
        access_check(op, rules);
}
