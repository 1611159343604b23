#include "controlplane/claim.h"
#include "controlplane/controllers.h"
#include "controlplane/replicaset_rank.h"
#include "controlplane/template.h"

#include "api/conditions.h"
#include "api/pod_status.h"
#include "api/selector.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

/* Pods made or deleted by one plan.  The registry answers a refusal at once and the runner
 * then drops the rest of the plan, so no slow start is needed to be kind to a full quota. */
#define REPLICASET_BURST 500

/* ReplicationControllers are ReplicaSets whose selector is only labels. */
struct replicaset_kind {
    const char *bucket, *name, *api_version, *kind;
    bool selects_labels;
};

static const struct replicaset_kind replicaset_kind_set = {
    .bucket = "replicasets.apps",
    .name = "replicaset-controller",
    .api_version = "apps/v1",
    .kind = "ReplicaSet",
};

static const struct replicaset_kind replicaset_kind_controller = {
    .bucket = "replicationcontrollers",
    .name = "replication-controller",
    .api_version = "v1",
    .kind = "ReplicationController",
    .selects_labels = true,
};

/* Why pods of a set could not be made or deleted, last time: becomes a condition. */
struct replicaset_failure {
    const char *reason; /* a literal */
    char *message;      /* owned */
};

/* What one plan works with; all borrowed but what is said to be owned. */
struct replicaset {
    const struct replicaset_kind *kind;
    struct plan *plan;
    struct view *view;
    const struct object *object;
    const json_t *tree;
    const struct replicaset_failure *failure; /* or NULL */
    struct replicaset_pod *pods;              /* owned; active ones */
    size_t n_pods;
    int64_t wanted;
    int64_t min_ready_seconds;
    struct clock_now now;
};

/* --- what the controller remembers: failures by key, told again by the next attempt --- */

static void replicaset_failure_free(void *arg)
{
    struct replicaset_failure *f = arg;

    free(f->message);
    free(f);
}

static void *replicaset_state_new(void)
{
    return map_new(replicaset_failure_free);
}

static void replicaset_state_free(void *state)
{
    map_free(state);
}

static void replicaset_settled(void *state, const char *ns, const char *name,
                               const struct plan_write *refused, const char *message)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    struct replicaset_failure *f;

    if (!refused) {
        map_del(state, key);
        return;
    }
    if (!str_eq(refused->bucket, "pods") ||
        (refused->verb != PLAN_CREATE && refused->verb != PLAN_DELETE))
        return;
    f = MEM_NEW(struct replicaset_failure);
    f->reason = refused->verb == PLAN_CREATE ? "FailedCreate" : "FailedDelete";
    f->message = mem_str(message);
    map_put(state, key, f);
}

/* --- pods --- */

/* As a LabelSelector; NULL when it has none.  The caller's. */
static json_t *replicaset_selector(const struct replicaset *rs)
{
    json_t *selector = json_at(rs->tree, "spec.selector");

    if (!rs->kind->selects_labels || !selector)
        return json_incref(selector);
    return json_pack("{s:O}", "matchLabels", selector);
}

static void replicaset_collect(struct replicaset *rs)
{
    cleanup(freep) const struct object **mine = NULL;
    cleanup(json_decrefpp) json_t *selector = replicaset_selector(rs);
    const struct claim claim = {
        .owner = rs->object,
        .api_version = rs->kind->api_version,
        .kind = rs->kind->kind,
        .selector = selector,
        .bucket = "pods",
    };
    size_t n;

    mine = claim_run(rs->plan, rs->view, &claim, &n);
    rs->pods = MEM_NEW_ARRAY(struct replicaset_pod, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *tree = view_tree(rs->view, mine[i]);

        if (!pod_is_active(tree))
            continue;
        rs->pods[rs->n_pods].object = mine[i];
        rs->pods[rs->n_pods++].tree = tree;
    }
}

static void replicaset_create(struct replicaset *rs, int64_t n)
{
    cleanup(freep) char *prefix = mem_fmt("%s-", rs->object->name);

    for (int64_t i = 0; i < n && i < REPLICASET_BURST; i++) {
        json_t *pod = template_pod(json_at(rs->tree, "spec.template"), rs->object,
                                   rs->kind->api_version, rs->kind->kind);

        json_put_str(pod, "metadata.generateName", prefix);
        plan_create(rs->plan, "pods", rs->object->ns, pod);
        plan_on_success(rs->plan, rs->object, rs->kind->name, "SuccessfulCreate",
                        "Created pod: {name}");
        plan_on_failure(rs->plan, rs->object, rs->kind->name, "FailedCreate",
                        "Error creating: {error}");
    }
}

/* Is @pod run by a set with the same controller (a Deployment) as this one? */
static bool replicaset_is_related(const struct replicaset *rs, const struct object *pod)
{
    const struct object_owner *mine = object_controller(rs->object);
    const struct object_owner *its = object_controller(pod);
    const struct object *set;

    if (!its || !str_eq(its->kind, rs->kind->kind))
        return false;
    if (str_eq(its->uid, rs->object->uid))
        return true;
    set = view_get(rs->view, rs->kind->bucket, pod->ns, its->name);
    return mine && set && str_eq(set->uid, its->uid) && object_owned_by(set, mine->uid);
}

static void replicaset_count_neighbours(struct replicaset *rs, struct replicaset_pod *p)
{
    const struct object *const *there;
    size_t n;

    if (str_empty(p->object->node))
        return;
    there = view_on_node(rs->view, p->object->node, &n);
    for (size_t i = 0; i < n; i++)
        if (str_eq(there[i]->ns, p->object->ns) && !there[i]->deleting &&
            !str_eq(there[i]->phase, "Succeeded") && !str_eq(there[i]->phase, "Failed") &&
            replicaset_is_related(rs, there[i]))
            p->neighbours++;
}

static void replicaset_delete(struct replicaset *rs, int64_t n)
{
    for (size_t i = 0; i < rs->n_pods; i++)
        replicaset_count_neighbours(rs, &rs->pods[i]);
    replicaset_rank(rs->pods, rs->n_pods, rs->now.wall_ms);
    for (int64_t i = 0; i < n && i < REPLICASET_BURST; i++) {
        const struct object *pod = rs->pods[i].object;

        plan_delete(rs->plan, pod);
        plan_on_success(rs->plan, rs->object, rs->kind->name, "SuccessfulDelete", "Deleted pod: %s",
                        pod->name);
        plan_on_failure(rs->plan, rs->object, rs->kind->name, "FailedDelete",
                        "Error deleting: {error}");
    }
}

/* --- status --- */

static bool replicaset_has_all_labels(const struct object *pod, const json_t *labels)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)labels, key, value)
        if (!str_eq(object_label(pod, key), json_string_value(value)))
            return false;
    return true;
}

static void replicaset_put_count(json_t *status, const char *key, int64_t n)
{
    if (n > 0)
        json_put_int(status, key, n);
    else
        json_del(status, key);
}

static void replicaset_count(const struct replicaset *rs, json_t *status)
{
    const json_t *labels = json_at(rs->tree, "spec.template.metadata.labels");
    int64_t labeled = 0, ready = 0, available = 0;

    for (size_t i = 0; i < rs->n_pods; i++) {
        const json_t *pod = rs->pods[i].tree;

        labeled += replicaset_has_all_labels(rs->pods[i].object, labels);
        if (!pod_is_ready(pod))
            continue;
        ready++;
        if (pod_is_available(pod, rs->min_ready_seconds, rs->now.wall_ms))
            available++;
        else
            plan_again(rs->plan,
                       pod_ready_since_ms(pod) + rs->min_ready_seconds * 1000 - rs->now.wall_ms);
    }
    json_put_int(status, "replicas", (int64_t)rs->n_pods);
    replicaset_put_count(status, "fullyLabeledReplicas", labeled);
    replicaset_put_count(status, "readyReplicas", ready);
    replicaset_put_count(status, "availableReplicas", available);
    replicaset_put_count(status, "observedGeneration", rs->object->generation);
}

static void replicaset_status(struct replicaset *rs)
{
    const json_t *old = json_object_get(rs->tree, "status");
    cleanup(json_decrefpp) json_t *status = old ? json_deep_copy(old) : json_object();
    json_t *tree;

    replicaset_count(rs, status);
    if (rs->failure)
        condition_set(status, "ReplicaFailure", "True", rs->failure->reason, rs->failure->message,
                      rs->now.wall_ms);
    else
        condition_remove(status, "ReplicaFailure");
    if (json_array_size(json_object_get(status, "conditions")) == 0)
        json_del(status, "conditions");
    if (old && json_equal(old, status))
        return;
    tree = json_deep_copy(rs->tree);
    json_put(tree, "status", json_incref(status));
    plan_status(rs->plan, rs->object, tree);
}

/* --- the controller --- */

static void replicaset_plan_kind(const struct replicaset_kind *kind, struct plan *ret,
                                 struct view *v, void *state, const char *ns, const char *name,
                                 struct clock_now now)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    struct replicaset rs = { .kind = kind, .plan = ret, .view = v, .now = now };
    int64_t missing;

    rs.object = view_get(v, kind->bucket, ns, name);
    if (!rs.object) {
        map_del(state, key);
        return;
    }
    rs.tree = view_tree(v, rs.object);
    rs.wanted = json_int(rs.tree, "spec.replicas", 1);
    rs.min_ready_seconds = json_int(rs.tree, "spec.minReadySeconds", 0);
    replicaset_collect(&rs);
    missing = rs.wanted - (int64_t)rs.n_pods;
    if (missing != 0 && !rs.object->deleting)
        rs.failure = map_get(state, key);
    replicaset_status(&rs);
    if (missing > 0 && !rs.object->deleting)
        replicaset_create(&rs, missing);
    else if (missing < 0 && !rs.object->deleting)
        replicaset_delete(&rs, -missing);
    free(rs.pods);
}

static void replicaset_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                            const char *name, struct clock_now now)
{
    replicaset_plan_kind(&replicaset_kind_set, ret, v, state, ns, name, now);
}

static void replicaset_plan_controller(struct plan *ret, struct view *v, void *state,
                                       const char *ns, const char *name, struct clock_now now)
{
    replicaset_plan_kind(&replicaset_kind_controller, ret, v, state, ns, name, now);
}

static void replicaset_map_kind(const struct replicaset_kind *kind, struct queue *q, struct view *v,
                                const struct store_change *change)
{
    if (str_eq(change->object->bucket, kind->bucket)) {
        queue_add(q, change->object->ns, change->object->name);
        return;
    }
    claim_map_controller(q, change, kind->kind);
    if (kind->selects_labels)
        claim_map_orphan_of_labels(q, v, change, kind->bucket);
    else
        claim_map_orphan(q, v, change, kind->bucket);
}

static void replicaset_map(struct queue *q, struct view *v, const struct store_change *change)
{
    replicaset_map_kind(&replicaset_kind_set, q, v, change);
}

static void replicaset_map_controller(struct queue *q, struct view *v,
                                      const struct store_change *change)
{
    replicaset_map_kind(&replicaset_kind_controller, q, v, change);
}

static const char *const replicaset_buckets[] = { "replicasets.apps", "pods", NULL };
static const char *const replicaset_controller_buckets[] = { "replicationcontrollers", "pods",
                                                             NULL };

const struct controller replicaset_controller = {
    .name = "replicaset-controller",
    .buckets = replicaset_buckets,
    .map = replicaset_map,
    .plan = replicaset_plan,
    .state_new = replicaset_state_new,
    .state_free = replicaset_state_free,
    .settled = replicaset_settled,
};

const struct controller replication_controller = {
    .name = "replication-controller",
    .buckets = replicaset_controller_buckets,
    .map = replicaset_map_controller,
    .plan = replicaset_plan_controller,
    .state_new = replicaset_state_new,
    .state_free = replicaset_state_free,
    .settled = replicaset_settled,
};
