/* ClusterRoles with an aggregationRule are what the selected roles are
 * (clusterrole-aggregation-controller). */
#include "controlplane/controllers.h"

#include "base/mem.h"

/* All at once, under one key: any role may be part of any other, and those made of others are few. */
static void aggregation_map(struct queue *q, struct view *v, const struct store_change *change)
{
    (void)v, (void)change;
    queue_add(q, "", "all");
}

static void aggregation_plan_role(struct plan *ret, struct view *v, const struct object *o,
                                  const json_t *roles)
{
    cleanup(json_decrefpp) json_t *rules = rbac_aggregate(view_tree(v, o), roles);
    json_t *tree;

    if (rules == NULL || json_equal(rules, json_object_get(view_tree(v, o), "rules")))
        return;
    tree = json_deep_copy(view_tree(v, o));
    json_object_set(tree, "rules", rules);
    plan_update(ret, o, tree);
}

static void aggregation_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                             const char *name, struct clock_now now)
{
    size_t n;
    const struct object *const *all = view_list(v, RBAC_CLUSTER_ROLES, NULL, &n);
    cleanup(json_decrefpp) json_t *roles = json_array();

    (void)state, (void)ns, (void)name, (void)now;
    for (size_t i = 0; i < n; i++)
        json_array_append(roles, (json_t *)(uintptr_t)view_tree(v, all[i]));
    for (size_t i = 0; i < n; i++)
        if (!all[i]->deleting)
            aggregation_plan_role(ret, v, all[i], roles);
}

static const char *const aggregation_buckets[] = { RBAC_CLUSTER_ROLES, NULL };

const struct controller aggregation_controller = {
    .name = "clusterrole-aggregation-controller",
    .buckets = aggregation_buckets,
    .map = aggregation_map,
    .plan = aggregation_plan,
};
