/* PodDisruptionBudgets: how many of their pods may be evicted now.  The registry takes from
 * disruptionsAllowed with each eviction and notes the pod; here both are made true again. */
#include "controlplane/controllers.h"

#include "api/conditions.h"
#include "api/intstr.h"
#include "api/pod_status.h"
#include "api/selector.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#define BUDGET_NAME        "controllermanager"
#define BUDGET_BUCKET      "poddisruptionbudgets.policy"
#define BUDGET_EVICTION_MS (2 * 60 * 1000) /* an evicted pod must be going by then */

struct budget {
    struct view *view;
    const struct object *object;
    const json_t *tree;
    const struct object **pods; /* owned; those it selects */
    size_t n_pods;
    int64_t expected, desired, healthy;
    json_t *disrupted; /* owned; evicted, and not yet seen to go */
};

static void budget_select(struct budget *b)
{
    cleanup(selector_freep) struct selector *s = NULL;
    const struct object *const *all;
    struct err err = ERR_EMPTY;
    size_t n;

    all = view_list(b->view, "pods", b->object->ns, &n);
    b->pods = MEM_NEW_ARRAY(const struct object *, n + 1);
    if (selector_from_json(&s, json_at(b->tree, "spec.selector"), &err) < 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (selector_matches(s, all[i]) && !str_eq(all[i]->phase, "Succeeded") &&
            !str_eq(all[i]->phase, "Failed"))
            b->pods[b->n_pods++] = all[i];
}

/* --- how many there should be --- */

static const struct {
    const char *kind, *bucket;
} budget_owners[] = {
    { "ReplicaSet", "replicasets.apps" },
    { "StatefulSet", "statefulsets.apps" },
    { "ReplicationController", "replicationcontrollers" },
    { "Deployment", "deployments.apps" },
};

static const struct object *budget_owner(struct view *v, const struct object *o)
{
    const struct object_owner *ref = object_controller(o);

    for (size_t i = 0; ref && i < N_ELEMENTS(budget_owners); i++) {
        const struct object *owner;

        if (!str_eq(ref->kind, budget_owners[i].kind))
            continue;
        owner = view_get(v, budget_owners[i].bucket, o->ns, ref->name);
        return owner && str_eq(owner->uid, ref->uid) ? owner : NULL;
    }
    return NULL;
}

/* The sum of what the controllers of these pods were asked for. */
static int64_t budget_scale(const struct budget *b)
{
    cleanup(map_freep) struct map *seen = map_new(NULL);
    int64_t sum = 0;

    for (size_t i = 0; i < b->n_pods; i++) {
        const struct object *owner = budget_owner(b->view, b->pods[i]);
        const struct object *above = owner ? budget_owner(b->view, owner) : NULL;

        if (above)
            owner = above;
        if (!owner || map_get(seen, owner->uid))
            continue;
        map_put(seen, owner->uid, seen);
        sum += json_int(view_tree(b->view, owner), "spec.replicas", 1);
    }
    return sum;
}

static void budget_demand(struct budget *b)
{
    const json_t *max = json_at(b->tree, "spec.maxUnavailable");
    const json_t *min = json_at(b->tree, "spec.minAvailable");
    int64_t unavailable = 0;

    b->expected = max || json_is_string(min) ? budget_scale(b) : (int64_t)b->n_pods;
    if (max && intstr_scale(max, b->expected, true, &unavailable))
        b->desired = b->expected - unavailable;
    else if (!min || !intstr_scale(min, b->expected, true, &b->desired))
        b->desired = 0;
    if (b->desired < 0)
        b->desired = 0;
}

/* --- how many there are --- */

static void budget_count_disrupted(struct budget *b, struct plan *ret, int64_t wall_ms)
{
    const json_t *noted = json_at(b->tree, "status.disruptedPods");

    b->disrupted = json_object();
    for (size_t i = 0; i < b->n_pods; i++) {
        json_t *time = json_object_get(noted, b->pods[i]->name);
        int64_t at;

        if (!time || b->pods[i]->deleting || !clock_parse(json_string_value(time), &at) ||
            wall_ms - at >= BUDGET_EVICTION_MS)
            continue;
        json_object_set(b->disrupted, b->pods[i]->name, time);
        plan_again(ret, at + BUDGET_EVICTION_MS - wall_ms);
    }
}

static void budget_count_healthy(struct budget *b)
{
    for (size_t i = 0; i < b->n_pods; i++)
        b->healthy += !b->pods[i]->deleting && !json_object_get(b->disrupted, b->pods[i]->name) &&
                      pod_is_ready(view_tree(b->view, b->pods[i]));
}

/* --- status --- */

static void budget_status(struct budget *b, struct plan *ret, int64_t wall_ms)
{
    const json_t *old = json_object_get(b->tree, "status");
    cleanup(json_decrefpp) json_t *status = old ? json_deep_copy(old) : json_object();
    int64_t allowed = b->expected > 0 && b->healthy > b->desired ? b->healthy - b->desired : 0;
    json_t *changed;

    json_put_int(status, "observedGeneration", b->object->generation);
    json_put_int(status, "expectedPods", b->expected);
    json_put_int(status, "desiredHealthy", b->desired);
    json_put_int(status, "currentHealthy", b->healthy);
    json_put_int(status, "disruptionsAllowed", allowed);
    if (json_object_size(b->disrupted) > 0)
        json_object_set(status, "disruptedPods", b->disrupted);
    else
        json_object_del(status, "disruptedPods");
    condition_set(status, "DisruptionAllowed", allowed > 0 ? "True" : "False",
                  allowed > 0 ? "SufficientPods" : "InsufficientPods", "", wall_ms);
    json_put_int(json_find(json_object_get(status, "conditions"), "type", "DisruptionAllowed"),
                 "observedGeneration", b->object->generation);
    if (old && json_equal(old, status))
        return;
    changed = json_deep_copy(b->tree);
    json_object_set(changed, "status", status);
    plan_status(ret, b->object, changed);
}

static void budget_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                        const char *name, struct clock_now now)
{
    struct budget b = { .view = v, .object = view_get(v, BUDGET_BUCKET, ns, name) };

    (void)state;
    if (!b.object || b.object->deleting)
        return;
    b.tree = view_tree(v, b.object);
    budget_select(&b);
    budget_demand(&b);
    budget_count_disrupted(&b, ret, now.wall_ms);
    budget_count_healthy(&b);
    budget_status(&b, ret, now.wall_ms);
    free(b.pods);
    json_decref(b.disrupted);
}

static void budget_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;
    struct store_iter it;
    const struct object *b;

    if (str_eq(o->bucket, BUDGET_BUCKET)) {
        queue_add(q, o->ns, o->name);
        return;
    }
    store_iter_init(&it, view_store(v), BUDGET_BUCKET, o->ns, NULL, NULL);
    while ((b = store_iter_next(&it))) {
        cleanup(selector_freep) struct selector *s = NULL;
        struct err err = ERR_EMPTY;

        if (!str_eq(o->bucket, "pods")) {
            queue_add(q, b->ns, b->name);
            continue;
        }
        if (selector_from_json(&s, json_at(view_tree(v, b), "spec.selector"), &err) == 0 &&
            (selector_matches(s, o) || (change->before && selector_matches(s, change->before))))
            queue_add(q, b->ns, b->name);
    }
}

static const char *const budget_buckets[] = { BUDGET_BUCKET,
                                              "pods",
                                              "deployments.apps",
                                              "replicasets.apps",
                                              "statefulsets.apps",
                                              "replicationcontrollers",
                                              NULL };

const struct controller budget_controller = {
    .name = BUDGET_NAME,
    .buckets = budget_buckets,
    .map = budget_map,
    .plan = budget_plan,
};
