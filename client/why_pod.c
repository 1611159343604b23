/* Rules for pods as a whole: not placed, not let in, ending, ended. */
#include "api/conditions.h"
#include "api/pod_status.h"
#include "base/clock.h"
#include "base/mem.h"
#include "client/why_impl.h"
#include "client/why_nodes.h"

#include <string.h>

#define WHY_GRACE_MS 30000 /* beyond its own, before an end is called stuck */

/* --- ending --- */

static int64_t why_ms_since(const struct why_case *c, const char *path)
{
    const char *text = json_str(c->o, path);
    int64_t ms;

    return text != NULL && clock_parse(text, &ms) ? c->w->now_ms - ms : -1;
}

static bool why_stuck_finalizers(struct why_case *c)
{
    const json_t *list = json_at(c->o, "metadata.finalizers"), *f;
    cleanup(text_fini) struct text names = TEXT_EMPTY;
    size_t i;

    if (json_array_size(list) == 0 || why_ms_since(c, "metadata.deletionTimestamp") < WHY_GRACE_MS)
        return false;
    json_array_foreach (list, i, f)
        text_fmt(&names, "%s%s", i > 0 ? ", " : "", json_string_value(f));
    why_put(c, "finalizers", "%s", text_str(&names));
    why_put_age(c, "age", json_str(c->o, "metadata.deletionTimestamp"));
    return true;
}

const struct why_rule why_any_rules[] = {
    { why_stuck_finalizers, WHY_BROKEN,
      "it is being deleted since {age}, and its finalizers wait for their owners: {finalizers}",
      "see that whoever set them runs; if nobody will: mkube patch {object} {in} --type=merge -p "
      "'{\"metadata\":{\"finalizers\":null}}'",
      WHY_NO_LOG, NULL },
    WHY_END,
};

static const json_t *why_node_of(const struct why_case *c)
{
    return why_get(c->w, "nodes", NULL, json_str_or(c->o, "spec.nodeName", ""));
}

static bool why_node_is_away(struct why_case *c)
{
    const json_t *node = why_node_of(c), *ready = condition_get(json_at(node, "status"), "Ready");
    const char *name = json_str_or(c->o, "spec.nodeName", "");

    why_put(c, "node", "%s", name);
    why_put(c, "message", "%s", json_str_or(ready, "message", ""));
    why_put_age(c, "age", json_str(ready, "lastTransitionTime"));
    return node != NULL && !condition_is(json_at(node, "status"), "Ready", "True");
}

static bool why_ending_away(struct why_case *c)
{
    return pod_is_deleting(c->o) && why_node_is_away(c);
}

static bool why_ending_long(struct why_case *c)
{
    const json_t *event = why_event(c, c->o, NULL, NULL);

    why_put(c, "node", "%s", json_str_or(c->o, "spec.nodeName", ""));
    why_put_age(c, "age", json_str(c->o, "metadata.deletionTimestamp"));
    why_put(c, "message", "%s", json_str_or(event, "message", "nothing was told"));
    return why_ms_since(c, "metadata.deletionTimestamp") > WHY_GRACE_MS;
}

/* Nothing more is asked of a pod on its way out. */
static bool why_ending(struct why_case *c)
{
    why_put_age(c, "age", json_str(c->o, "metadata.deletionTimestamp"));
    return pod_is_deleting(c->o);
}

static bool why_running_away(struct why_case *c)
{
    return !pod_is_terminal(c->o) && why_node_is_away(c);
}

/* --- ended --- */

static bool why_failed(struct why_case *c, const char *reason)
{
    why_put(c, "message", "%s", json_str_or(c->o, "status.message", ""));
    why_put(c, "reason", "%s", json_str_or(c->o, "status.reason", ""));
    why_put_place(c, c->o);
    return str_eq(json_str(c->o, "status.phase"), "Failed") &&
           (reason == NULL || str_eq(json_str(c->o, "status.reason"), reason));
}

static bool why_evicted(struct why_case *c)
{
    return why_failed(c, "Evicted");
}

static bool why_too_late(struct why_case *c)
{
    return why_failed(c, "DeadlineExceeded");
}

static bool why_failed_reason(struct why_case *c)
{
    return why_failed(c, NULL) && why_value(c, "reason")[0] != '\0';
}

/* --- not placed --- */

static const json_t *why_unplaced(const struct why_case *c)
{
    const json_t *placed = condition_get(json_at(c->o, "status"), "PodScheduled");

    if (str_eq(json_str(placed, "status"), "True") || !str_empty(json_str(c->o, "spec.nodeName")))
        return NULL;
    return placed != NULL ? placed : json_at(c->o, "spec");
}

static bool why_gated(struct why_case *c)
{
    const json_t *gates = json_at(c->o, "spec.schedulingGates");

    why_put(c, "gate", "%s", json_str_or(json_array_get(gates, 0), "name", ""));
    return why_unplaced(c) != NULL && json_array_size(gates) > 0;
}

static bool why_other_scheduler(struct why_case *c)
{
    const char *name = json_str_or(c->o, "spec.schedulerName", "default-scheduler");

    why_put(c, "scheduler", "%s", name);
    why_put_place(c, c->o);
    return why_unplaced(c) != NULL && !str_eq(name, "default-scheduler") &&
           why_event(c, c->o, "FailedScheduling", NULL) == NULL;
}

static bool why_no_nodes(struct why_case *c)
{
    const json_t *nodes = why_list(c->w, "nodes");

    return why_unplaced(c) != NULL && nodes != NULL && json_array_size(nodes) == 0;
}

/* The claim of a volume that is not there, or not bound. */
static const char *why_claim(const struct why_case *c, bool absent)
{
    const json_t *volumes = json_at(c->o, "spec.volumes"), *v;
    size_t i;

    json_array_foreach (volumes, i, v) {
        const char *name = json_str(v, "persistentVolumeClaim.claimName");
        const json_t *claim = why_get(c->w, "persistentvolumeclaims", why_ns(c->o), name);

        if (name == NULL)
            continue;
        if (absent ? why_lacks(c->w, "persistentvolumeclaims", why_ns(c->o), name)
                   : claim != NULL && !str_eq(json_str(claim, "status.phase"), "Bound"))
            return name;
    }
    return NULL;
}

static bool why_claim_absent(struct why_case *c)
{
    const char *name = why_claim(c, true);

    why_put(c, "claim", "%s", name != NULL ? name : "");
    why_put_place(c, c->o);
    return why_unplaced(c) != NULL && name != NULL;
}

/* The sentence of @obstacle when it is the one thing in the best node's way. */
static bool why_obstacle(struct why_case *c, unsigned obstacle)
{
    cleanup(text_fini) struct text told = TEXT_EMPTY;
    cleanup(why_nodes_fini) struct why_nodes nodes = { .n = 0 };
    const struct why_node *best;
    bool found;

    if (why_unplaced(c) == NULL || why_list(c->w, "nodes") == NULL)
        return false;
    why_nodes_look(&nodes, c->w, c->o);
    best = why_nodes_best(&nodes);
    found = best != NULL && best->obstacles == obstacle;
    why_nodes_print(&told, &nodes);
    why_put(c, "nodes", "%s", text_str(&told));
    if (best == NULL)
        return false;
    why_put(c, "node", "%s", why_name(best->node));
    why_put(c, "taint", "%s", best->taint != NULL ? best->taint : "");
    why_put(c, "key", "%.*s", best->taint != NULL ? (int)strcspn(best->taint, "=:") : 0,
            best->taint != NULL ? best->taint : "");
    why_put(c, "effect", "%s",
            best->taint != NULL && strrchr(best->taint, ':') != NULL ? strrchr(best->taint, ':') + 1
                                                                     : "");
    why_put(c, "lacking", "%s", best->lacking != NULL ? best->lacking : "");
    why_put(c, "free", "%s", best->free != NULL ? best->free : "");
    why_put(c, "claim", "%s", best->volume != NULL ? best->volume : "");
    why_put(c, "port", "%s", best->port != NULL ? best->port : "");
    why_put_place(c, c->o);
    return found;
}

static bool why_cordoned(struct why_case *c)
{
    return why_obstacle(c, WHY_NODE_CORDONED);
}

static bool why_all_away(struct why_case *c)
{
    return why_obstacle(c, WHY_NODE_AWAY);
}

static bool why_tainted(struct why_case *c)
{
    return why_obstacle(c, WHY_NODE_TAINT);
}

static bool why_no_room(struct why_case *c)
{
    return why_obstacle(c, WHY_NODE_ROOM);
}

static bool why_selector(struct why_case *c)
{
    const char *key = NULL;
    json_t *value;

    if (!why_obstacle(c, WHY_NODE_SELECTOR))
        return false;
    json_object_foreach (json_at(c->o, "spec.nodeSelector"), key, value) {
        const json_t *node = why_get(c->w, "nodes", NULL, why_value(c, "node"));

        if (json_equal(json_object_get(json_at(node, "metadata.labels"), key), value))
            continue;
        why_put(c, "label", "%s=%s", key, json_string_value(value));
    }
    return true;
}

static bool why_affinity(struct why_case *c)
{
    return why_obstacle(c, WHY_NODE_AFFINITY);
}

static bool why_volume_elsewhere(struct why_case *c)
{
    return why_obstacle(c, WHY_NODE_VOLUME);
}

static bool why_port_taken(struct why_case *c)
{
    return why_obstacle(c, WHY_NODE_PORT);
}

/* More than one thing for every node, or one that we do not compute. */
static bool why_unschedulable(struct why_case *c)
{
    const json_t *placed = why_unplaced(c);

    why_put(c, "message", "%s", json_str_or(placed, "message", ""));
    why_put(c, "nodes", "%s", why_value(c, "nodes")); /* nodes may not have been fetched */
    why_put(c, "node", "%s", why_value(c, "node"));
    return str_eq(json_str(placed, "reason"), "Unschedulable") && why_claim(c, false) == NULL;
}

static bool why_not_looked_at(struct why_case *c)
{
    why_put_age(c, "age", json_str(c->o, "metadata.creationTimestamp"));
    return why_unplaced(c) != NULL && why_claim(c, false) == NULL;
}

/* --- let in, but not made --- */

static bool why_mount(struct why_case *c, const char *part)
{
    const json_t *event = why_event(c, c->o, "FailedMount", part);

    if (event == NULL || pod_is_ready(c->o) || pod_is_terminal(c->o))
        return false;
    why_put(c, "message", "%s", json_str_or(event, "message", ""));
    why_put_place(c, c->o);
    return !condition_is(json_at(c->o, "status"), "ContainersReady", "True");
}

static bool why_mount_secret(struct why_case *c)
{
    return why_mount(c, "secret \"") &&
           why_put_quoted(c, "wanted", why_value(c, "message"), "secret ") &&
           why_get(c->w, "secrets", why_ns(c->o), why_value(c, "wanted")) == NULL;
}

static bool why_mount_config_map(struct why_case *c)
{
    return why_mount(c, "configmap \"") &&
           why_put_quoted(c, "wanted", why_value(c, "message"), "configmap ") &&
           why_get(c->w, "configmaps", why_ns(c->o), why_value(c, "wanted")) == NULL;
}

static bool why_mount_other(struct why_case *c)
{
    const json_t *list = json_at(c->o, "status.containerStatuses");

    return json_at(json_array_get(list, 0), "state.running") == NULL && why_mount(c, NULL);
}

static bool why_sandbox(struct why_case *c)
{
    const json_t *event = why_event(c, c->o, "FailedCreatePodSandBox", NULL);
    const json_t *list = json_at(c->o, "status.containerStatuses");

    why_put(c, "message", "%s", json_str_or(event, "message", ""));
    why_put_place(c, c->o);
    return event != NULL && !pod_is_terminal(c->o) &&
           str_eq(json_str(json_array_get(list, 0), "state.waiting.reason"), "ContainerCreating");
}

static bool why_gate_missing(struct why_case *c)
{
    const json_t *gates = json_at(c->o, "spec.readinessGates"), *gate;
    size_t i;

    if (!condition_is(json_at(c->o, "status"), "ContainersReady", "True") || pod_is_ready(c->o))
        return false;
    json_array_foreach (gates, i, gate) {
        const char *type = json_str_or(gate, "conditionType", "");

        if (condition_is(json_at(c->o, "status"), type, "True"))
            continue;
        why_put(c, "gate", "%s", type);
        return true;
    }
    return false;
}

#define WHY_NO_NODE "no node takes it: {nodes}"

const struct why_rule why_pod_rules[] = {
    { why_ending_away, WHY_BROKEN,
      "it is being deleted, but its node {node} is not ready since {age} and cannot say that it is "
      "gone",
      "bring {node} back; if it is gone for good: mkube delete pod {name} {in} --force", WHY_NO_LOG,
      NULL },
    { why_ending_long, WHY_WAITING, "it is being deleted since {age} on node {node}: {message}",
      "mkube delete pod {name} {in} --force, when node {node} does not run it any more", WHY_NO_LOG,
      NULL },
    { why_ending, WHY_NOTE, "it is being deleted", "", WHY_NO_LOG, NULL },
    { why_evicted, WHY_BROKEN, "it was evicted: {message}",
      "make room on its node, or in {manifest}: {at}.containers[].resources; then mkube delete pod "
      "{name} {in}",
      WHY_NO_LOG, NULL },
    { why_too_late, WHY_BROKEN, "it ran longer than it may: {message}",
      "raise activeDeadlineSeconds in {manifest}", WHY_NO_LOG, NULL },
    { why_failed_reason, WHY_BROKEN, "it failed: {reason} {message}",
      "mkube delete pod {name} {in}, once the cause is gone", WHY_NO_LOG, NULL },
    { why_running_away, WHY_BROKEN, "its node {node} is not ready since {age}: {message}",
      "mkube why node/{node}", WHY_NO_LOG, NULL },
    { why_gated, WHY_WAITING, "it is held back by the scheduling gate {gate}",
      "whoever set the gate has to take it away from spec.schedulingGates", WHY_NO_LOG, NULL },
    { why_other_scheduler, WHY_BROKEN, "it asks for the scheduler {scheduler}, which is not here",
      "in {manifest}: remove {at}.schedulerName", WHY_NO_LOG, NULL },
    { why_no_nodes, WHY_BROKEN, "the cluster has no nodes",
      "mkube token create, then mkube agent on a worker", WHY_NO_LOG, NULL },
    { why_claim_absent, WHY_BROKEN,
      "it needs the PersistentVolumeClaim {claim}, which is not there",
      "create it {in}, or correct claimName in {manifest}: {at}.volumes", WHY_NO_LOG, NULL },
    { why_cordoned, WHY_BROKEN, WHY_NO_NODE, "mkube uncordon {node}", WHY_NO_LOG, NULL },
    { why_all_away, WHY_BROKEN, WHY_NO_NODE, "bring {node} back: mkube why node/{node}", WHY_NO_LOG,
      NULL },
    { why_tainted, WHY_BROKEN, WHY_NO_NODE,
      "in {manifest}: {at}.tolerations: [{key: {key}, operator: Exists, effect: {effect}}]; or "
      "take "
      "the taint away: mkube taint node {node} {key}-",
      WHY_NO_LOG, NULL },
    { why_no_room, WHY_BROKEN, WHY_NO_NODE,
      "in {manifest}: {at}.containers[].resources.requests.{lacking}: at most {free}; or make room "
      "on {node}",
      WHY_NO_LOG, NULL },
    { why_selector, WHY_BROKEN, WHY_NO_NODE,
      "mkube label node {node} {label}; or correct {at}.nodeSelector in {manifest}", WHY_NO_LOG,
      NULL },
    { why_affinity, WHY_BROKEN, WHY_NO_NODE,
      "label a node as {at}.affinity.nodeAffinity in {manifest} demands, or correct that",
      WHY_NO_LOG, NULL },
    { why_volume_elsewhere, WHY_BROKEN, WHY_NO_NODE,
      "the data of claim {claim} is on another node: see why that one does not take it (mkube "
      "why), "
      "or start with a new claim",
      WHY_NO_LOG, NULL },
    { why_port_taken, WHY_BROKEN, WHY_NO_NODE,
      "choose another hostPort in {manifest}, or a Service in its place", WHY_NO_LOG, NULL },
    { why_unschedulable, WHY_BROKEN, "no node takes it: {message} ({nodes})",
      "begin with node {node}", WHY_NO_LOG, NULL },
    { why_not_looked_at, WHY_WAITING, "it has waited {age} for the scheduler",
      "is mkube server running well? see its log", WHY_NO_LOG, NULL },
    { why_mount_secret, WHY_BROKEN, "a volume needs Secret {wanted}, which is not there: {message}",
      "mkube create secret generic {wanted} {in} --from-literal=KEY=VALUE; or optional: true in "
      "{manifest}: {at}.volumes",
      WHY_NO_LOG, NULL },
    { why_mount_config_map, WHY_BROKEN,
      "a volume needs ConfigMap {wanted}, which is not there: {message}",
      "mkube create configmap {wanted} {in} --from-literal=KEY=VALUE; or optional: true in "
      "{manifest}: {at}.volumes",
      WHY_NO_LOG, NULL },
    { why_mount_other, WHY_BROKEN, "a volume cannot be mounted: {message}",
      "correct {at}.volumes in {manifest}", WHY_NO_LOG, NULL },
    { why_sandbox, WHY_BROKEN, "its node cannot make its sandbox: {message}",
      "correct {at} in {manifest}, as the message says", WHY_NO_LOG, NULL },
    { why_gate_missing, WHY_WAITING,
      "its containers are ready, but nobody has set its condition {gate} (a readiness gate)",
      "see that the controller that sets {gate} runs", WHY_NO_LOG, NULL },
    WHY_END,
};
