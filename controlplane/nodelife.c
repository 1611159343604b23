/* Node lifecycle: a node whose Lease is no longer renewed becomes Unknown, conditions become
 * taints, and pods of a dead node are not ready.
 *
 * Age is counted on the monotonic clock from when a renewal was seen here: the times that
 * nodes write are never compared with ours.  After a start, or when this process itself was
 * stopped for a while, every node has its whole time again. */
#include "api/taint.h"
#include "controlplane/controllers.h"

#include "api/conditions.h"
#include "api/pod_status.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#define NODELIFE_NAME       "node-controller"
#define NODELIFE_GRACE_MS   (40 * 1000)
#define NODELIFE_TICK_MS    (5 * 1000)
/* Not being called for so long means that we were stopped, not the nodes. */
#define NODELIFE_STOPPED_MS (3 * NODELIFE_TICK_MS)
#define NODELIFE_LEASES     "leases.coordination.k8s.io"
#define NODELIFE_LEASE_NS   "kube-node-lease"

/* The last sign of life of a node. */
struct nodelife_sign {
    char *uid;       /* owned; of the Node */
    char *renewal;   /* owned; the Lease's renewTime, and the heartbeat of the status */
    int64_t seen_ms; /* monotonic */
};

struct nodelife_state {
    struct map *signs; /* owned; node to nodelife_sign, owned */
    int64_t called_ms; /* monotonic; 0 = never */
};

/* --- signs of life --- */

static void nodelife_sign_free(void *arg)
{
    struct nodelife_sign *s = arg;

    free(s->uid);
    free(s->renewal);
    free(s);
}

static void *nodelife_state_new(void)
{
    struct nodelife_state *s = MEM_NEW(struct nodelife_state);

    s->signs = map_new(nodelife_sign_free);
    return s;
}

static void nodelife_state_free(void *arg)
{
    struct nodelife_state *s = arg;

    map_free(s->signs);
    free(s);
}

static void nodelife_forgive_pause(struct nodelife_state *s, int64_t now_ms)
{
    int64_t pause = s->called_ms ? now_ms - s->called_ms : 0;
    const char *key;
    void *value;

    s->called_ms = now_ms;
    if (pause < NODELIFE_STOPPED_MS)
        return;
    for (size_t it = 0; map_each(s->signs, &it, &key, &value);)
        ((struct nodelife_sign *)value)->seen_ms += pause;
}

static char *nodelife_renewal(struct view *v, const struct object *node)
{
    const struct object *lease = view_get(v, NODELIFE_LEASES, NODELIFE_LEASE_NS, node->name);
    const json_t *ready = condition_get(json_at(view_tree(v, node), "status"), "Ready");

    return mem_fmt("%s %s", lease ? json_str_or(view_tree(v, lease), "spec.renewTime", "") : "",
                   json_str_or(ready, "lastHeartbeatTime", ""));
}

/* How long the node has been silent. */
static int64_t nodelife_silence(struct plan *ret, struct nodelife_state *s, struct view *v,
                                const struct object *node, int64_t now_ms)
{
    struct nodelife_sign *sign = map_get(s->signs, node->name);
    char *renewal = nodelife_renewal(v, node);

    if (!sign || !str_eq(sign->uid, node->uid)) {
        sign = MEM_NEW(struct nodelife_sign);
        sign->uid = mem_str(node->uid);
        map_put(s->signs, node->name, sign);
        plan_event(ret, node, false, NODELIFE_NAME, "RegisteredNode",
                   "Node %s event: Registered Node %s in Controller", node->name, node->name);
    }
    if (!sign->renewal || !str_eq(sign->renewal, renewal))
        sign->seen_ms = now_ms;
    free(sign->renewal);
    sign->renewal = renewal;
    return now_ms - sign->seen_ms;
}

/* --- conditions --- */

static void nodelife_unknown(json_t *status, const char *type, int64_t wall_ms)
{
    const json_t *old = condition_get(status, type);

    if (old && str_eq(json_str(old, "status"), "Unknown"))
        return;
    condition_set(status, type, "Unknown", old ? "NodeStatusUnknown" : "NodeStatusNeverUpdated",
                  old ? "Kubelet stopped posting node status."
                      : "Kubelet never posted node status.",
                  wall_ms);
}

/* True when the node's conditions had to be changed. */
static bool nodelife_lose(struct plan *ret, struct view *v, const struct object *node,
                          int64_t wall_ms)
{
    static const char *const types[] = { "Ready", "MemoryPressure", "DiskPressure", "PIDPressure" };
    const json_t *tree = view_tree(v, node), *old = json_object_get(tree, "status");
    cleanup(json_decrefpp) json_t *status = old ? json_deep_copy(old) : json_object();
    json_t *changed;

    for (size_t i = 0; i < N_ELEMENTS(types); i++)
        nodelife_unknown(status, types[i], wall_ms);
    if (old && json_equal(old, status))
        return false;
    if (condition_is(old, "Ready", "True"))
        plan_event(ret, node, false, NODELIFE_NAME, "NodeNotReady",
                   "Node %s status is now: NodeNotReady", node->name);
    changed = json_deep_copy(tree);
    json_object_set(changed, "status", status);
    plan_status(ret, node, changed);
    return true;
}

/* --- taints --- */

static const struct nodelife_taint {
    const char *condition, *status;
    const char *key;
    bool evicts;
} nodelife_taints[] = {
    { "Ready", "False", TAINT_NOT_READY, true },
    { "Ready", "Unknown", TAINT_UNREACHABLE, true },
    { "MemoryPressure", "True", "node.kubernetes.io/memory-pressure", false },
    { "DiskPressure", "True", "node.kubernetes.io/disk-pressure", false },
    { "PIDPressure", "True", "node.kubernetes.io/pid-pressure", false },
    { "NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable", false },
};

static bool nodelife_is_ready(struct view *v, const struct object *node)
{
    return condition_is(json_at(view_tree(v, node), "status"), "Ready", "True");
}

/* When no node at all is ready it is rather us who are cut off: then nobody is evicted. */
static bool nodelife_may_evict(struct view *v)
{
    const struct object *const *all = view_list(v, "nodes", NULL, NULL);

    for (; *all; all++)
        if (nodelife_is_ready(v, *all))
            return true;
    return false;
}

static json_t *nodelife_find_taint(json_t *taints, const char *key, const char *effect,
                                   size_t *ret_index)
{
    json_t *t;
    size_t i;

    json_array_foreach (taints, i, t)
        if (str_eq(json_str(t, "key"), key) && str_eq(json_str(t, "effect"), effect)) {
            *ret_index = i;
            return t;
        }
    return NULL;
}

static void nodelife_set_taint(json_t *taints, const char *key, const char *effect, bool wanted,
                               int64_t wall_ms)
{
    char time[CLOCK_TEXT_MAX];
    size_t i;
    bool there = nodelife_find_taint(taints, key, effect, &i) != NULL;

    if (there && !wanted)
        json_array_remove(taints, i);
    if (there || !wanted)
        return;
    clock_print(time, wall_ms);
    json_array_append_new(
        taints, json_pack("{s:s, s:s, s:s}", "key", key, "effect", effect, "timeAdded", time));
}

static void nodelife_want_taints(json_t *taints, struct view *v, const struct object *node,
                                 int64_t wall_ms)
{
    const json_t *tree = view_tree(v, node), *status = json_at(tree, "status");
    bool never = condition_get(status, "Ready") == NULL;
    bool evict = nodelife_may_evict(v);

    for (size_t i = 0; i < N_ELEMENTS(nodelife_taints); i++) {
        const struct nodelife_taint *row = &nodelife_taints[i];
        bool holds = condition_is(status, row->condition, row->status);

        /* A node that has not yet told its state is not ready, but evicts nobody. */
        nodelife_set_taint(taints, row->key, "NoSchedule",
                           holds || (never && str_eq(row->key, TAINT_NOT_READY)), wall_ms);
        if (row->evicts)
            nodelife_set_taint(taints, row->key, "NoExecute", holds && evict, wall_ms);
    }
    nodelife_set_taint(taints, TAINT_UNSCHEDULABLE, "NoSchedule",
                       json_bool(tree, "spec.unschedulable", false), wall_ms);
}

static void nodelife_taint(struct plan *ret, struct view *v, const struct object *node,
                           int64_t wall_ms)
{
    const json_t *tree = view_tree(v, node), *old = json_at(tree, "spec.taints");
    cleanup(json_decrefpp) json_t *taints = old ? json_deep_copy(old) : json_array();
    json_t *changed;

    nodelife_want_taints(taints, v, node, wall_ms);
    if (json_array_size(old) == json_array_size(taints) &&
        (json_array_size(taints) == 0 || json_equal(old, taints)))
        return;
    changed = json_deep_copy(tree);
    if (json_array_size(taints) > 0)
        json_put(changed, "spec.taints", json_incref(taints));
    else
        json_del(changed, "spec.taints");
    plan_update(ret, node, changed);
}

/* --- pods --- */

/* Nobody answers for pods of a silent node: Services must not lead there. */
static void nodelife_unready_pods(struct plan *ret, struct view *v, const struct object *node,
                                  int64_t wall_ms)
{
    const struct object *const *pods = view_on_node(v, node->name, NULL);

    for (; *pods; pods++) {
        const json_t *tree = view_tree(v, *pods);
        json_t *changed;

        if (!pod_is_ready(tree))
            continue;
        changed = json_deep_copy(tree);
        condition_set(json_object_get(changed, "status"), "Ready", "False", "NodeNotReady", NULL,
                      wall_ms);
        plan_status(ret, *pods, changed);
        plan_event(ret, *pods, true, NODELIFE_NAME, "NodeNotReady", "Node is not ready");
    }
}

/* --- the controller --- */

static void nodelife_plan(struct plan *ret, struct view *v, void *arg, const char *ns,
                          const char *name, struct clock_now now)
{
    struct nodelife_state *s = arg;
    const struct object *node = view_get(v, "nodes", "", name);
    int64_t silence;

    (void)ns;
    nodelife_forgive_pause(s, now.mono_ms);
    if (!node) {
        map_del(s->signs, name);
        return;
    }
    silence = nodelife_silence(ret, s, v, node, now.mono_ms);
    plan_again(ret, NODELIFE_TICK_MS);
    if (silence < NODELIFE_GRACE_MS)
        plan_again(ret, NODELIFE_GRACE_MS - silence);
    /* One write of the node at a time: each is computed from what the one before left. */
    else if (nodelife_lose(ret, v, node, now.wall_ms))
        return;
    nodelife_taint(ret, v, node, now.wall_ms);
    if (silence >= NODELIFE_GRACE_MS)
        nodelife_unready_pods(ret, v, node, now.wall_ms);
}

static void nodelife_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;
    const struct object *const *all;

    if (str_eq(o->bucket, NODELIFE_LEASES)) {
        if (str_eq(o->ns, NODELIFE_LEASE_NS))
            queue_add(q, "", o->name);
        return;
    }
    queue_add(q, "", o->name);
    if (change->type == STORE_MODIFIED && change->before &&
        nodelife_is_ready(v, o) == nodelife_is_ready(v, change->before))
        return;
    for (all = view_list(v, "nodes", NULL, NULL); *all; all++)
        queue_add(q, "", (*all)->name); /* whether others evict hangs on this one */
}

static const char *const nodelife_buckets[] = { "nodes", NODELIFE_LEASES, NULL };

const struct controller nodelife_controller = {
    .name = NODELIFE_NAME,
    .buckets = nodelife_buckets,
    .map = nodelife_map,
    .plan = nodelife_plan,
    .state_new = nodelife_state_new,
    .state_free = nodelife_state_free,
};
