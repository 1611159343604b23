#include "client/why_nodes.h"

#include "api/conditions.h"
#include "api/node_affinity.h"
#include "api/pod_status.h"
#include "api/quantity.h"
#include "api/resource_list.h"
#include "api/taint.h"
#include "base/mem.h"
#include "client/why_impl.h"
#include "storage/object.h"

#define WHY_NODES_SHOWN 5

void why_nodes_fini(struct why_nodes *n)
{
    for (size_t i = 0; i < n->n; i++) {
        free(n->nodes[i].taint);
        free(n->nodes[i].room);
        free(n->nodes[i].lacking);
        free(n->nodes[i].free);
        free(n->nodes[i].volume);
        free(n->nodes[i].port);
    }
    free(n->nodes);
    *n = (struct why_nodes){ .n = 0 };
}

/* --- obstacles --- */

static void why_node_taint(struct why_node *n, const json_t *pod)
{
    static const char *const effects[] = { "NoSchedule", "NoExecute", NULL };
    const json_t *tolerations = json_at(pod, "spec.tolerations");
    const json_t *taints = json_at(n->node, "spec.taints"), *taint;
    bool away = !condition_is(json_at(n->node, "status"), "Ready", "True");
    size_t i;

    if (away)
        n->obstacles |= WHY_NODE_AWAY;
    json_array_foreach (taints, i, taint) {
        const char *key = json_str_or(taint, "key", ""), *value = json_str_or(taint, "value", "");
        cleanup(json_decrefpp) json_t *one = json_pack("[O]", taint);

        if (taint_untolerated(one, tolerations, effects) == NULL)
            continue;
        if (str_eq(key, TAINT_UNSCHEDULABLE)) {
            n->obstacles |= WHY_NODE_CORDONED;
        } else if (!away || !str_starts(key, "node.kubernetes.io/")) {
            n->obstacles |= WHY_NODE_TAINT;
            free(n->taint);
            n->taint = mem_fmt("%s%s%s:%s", key, value[0] != '\0' ? "=" : "", value,
                               json_str_or(taint, "effect", ""));
        }
    }
    if (json_bool(n->node, "spec.unschedulable", false) && json_array_size(taints) == 0)
        n->obstacles |= WHY_NODE_CORDONED;
}

static bool why_node_matches(const json_t *node, const json_t *terms)
{
    struct node_affinity *a = node_affinity_new(terms);
    json_t *copy = json_deep_copy(node);
    struct object *o = object_new("nodes", 1, copy);
    bool matches = node_affinity_matches(a, o);

    object_unref(o);
    json_decref(copy);
    node_affinity_free(a);
    return matches;
}

static void why_node_place(struct why_node *n, const json_t *pod)
{
    static const char required[] =
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
        "nodeSelectorTerms";
    const json_t *labels = json_at(n->node, "metadata.labels");
    json_t *selector = json_at(pod, "spec.nodeSelector"), *value;
    const json_t *terms = json_at(pod, required);
    const char *key;

    json_object_foreach (selector, key, value)
        if (!json_equal(json_object_get(labels, key), value))
            n->obstacles |= WHY_NODE_SELECTOR;
    if (terms != NULL && !why_node_matches(n->node, terms))
        n->obstacles |= WHY_NODE_AFFINITY;
}

/* What pods there ask for already. */
static json_t *why_node_used(const struct why_world *w, const json_t *node)
{
    const json_t *pods = why_list(w, "pods"), *pod;
    json_t *used = json_object();
    int64_t n = 0;
    size_t i;

    json_array_foreach (pods, i, pod) {
        cleanup(json_decrefpp) json_t *asks = NULL;

        if (!str_eq(json_str(pod, "spec.nodeName"), why_name(node)) || pod_is_terminal(pod))
            continue;
        asks = resource_list_of_pod_charged(json_at(pod, "spec"), "requests");
        resource_list_add(used, asks);
        n++;
    }
    json_object_set_new(used, "pods", json_sprintf("%lld", (long long)n));
    return used;
}

static void why_node_room(struct why_node *n, const struct why_world *w, const json_t *pod)
{
    const json_t *has = json_at(n->node, "status.allocatable");
    cleanup(json_decrefpp)
        json_t *asks = resource_list_of_pod_charged(json_at(pod, "spec"), "requests");
    cleanup(json_decrefpp) json_t *used = why_node_used(w, n->node);
    cleanup(freep) const char **names = NULL;

    json_object_set_new(asks, "pods", json_string("1"));
    names = json_keys(asks);
    for (size_t i = 0; names[i] != NULL; i++) {
        struct quantity want, all, taken, left;
        char want_text[QUANTITY_TEXT_MAX], left_text[QUANTITY_TEXT_MAX];

        resource_list_get(asks, names[i], &want);
        resource_list_get(has, names[i], &all);
        resource_list_get(used, names[i], &taken);
        left = quantity_sub(all, taken);
        if (quantity_cmp(want, left) <= 0 || quantity_value(want) == 0)
            continue;
        quantity_print(want_text, want);
        quantity_print(left_text, left);
        n->obstacles |= WHY_NODE_ROOM;
        if (n->room == NULL) {
            n->lacking = mem_str(names[i]);
            n->free = mem_str(left_text);
            n->room = mem_fmt("%s: asks for %s, free %s", names[i], want_text, left_text);
        }
    }
}

/* Volumes that claims are bound to may live on one node. */
static void why_node_volumes(struct why_node *n, const struct why_world *w, const json_t *pod)
{
    const json_t *volumes = json_at(pod, "spec.volumes"), *v;
    size_t i;

    json_array_foreach (volumes, i, v) {
        const char *claim_name = json_str(v, "persistentVolumeClaim.claimName");
        const json_t *claim = why_get(w, "persistentvolumeclaims", why_ns(pod), claim_name);
        const json_t *volume = why_get(w, "persistentvolumes", NULL,
                                       json_str_or(claim, "spec.volumeName", ""));
        const json_t *terms = json_at(volume, "spec.nodeAffinity.required.nodeSelectorTerms");

        if (claim_name == NULL || terms == NULL || why_node_matches(n->node, terms))
            continue;
        n->obstacles |= WHY_NODE_VOLUME;
        free(n->volume);
        n->volume = mem_str(claim_name);
    }
}

static bool why_node_has_port(const json_t *pod, int64_t port, const char *protocol)
{
    const json_t *containers = json_at(pod, "spec.containers"), *c, *p;
    size_t i, k;

    json_array_foreach (containers, i, c)
        json_array_foreach (json_at(c, "ports"), k, p)
            if (json_int(p, "hostPort", 0) == port &&
                str_eq(json_str_or(p, "protocol", "TCP"), protocol))
                return true;
    return false;
}

static void why_node_ports(struct why_node *n, const struct why_world *w, const json_t *pod)
{
    const json_t *containers = json_at(pod, "spec.containers"), *c, *p, *other;
    size_t i, k, j;

    json_array_foreach (containers, i, c)
        json_array_foreach (json_at(c, "ports"), k, p)
            json_array_foreach (why_list(w, "pods"), j, other) {
                int64_t port = json_int(p, "hostPort", 0);

                if (port == 0 || pod_is_terminal(other) ||
                    !str_eq(json_str(other, "spec.nodeName"), why_name(n->node)) ||
                    !why_node_has_port(other, port, json_str_or(p, "protocol", "TCP")))
                    continue;
                n->obstacles |= WHY_NODE_PORT;
                free(n->port);
                n->port = mem_fmt("%lld (pod %s/%s has it)", (long long)port, why_ns(other),
                                  why_name(other));
            }
}

void why_nodes_look(struct why_nodes *ret, const struct why_world *w, const json_t *pod)
{
    const json_t *list = why_list(w, "nodes"), *node;
    size_t i;

    *ret = (struct why_nodes){ .n = 0 };
    ret->nodes = MEM_NEW_ARRAY(struct why_node, json_array_size(list) + 1);
    json_array_foreach (list, i, node) {
        struct why_node *n = &ret->nodes[ret->n++];

        n->node = node;
        why_node_taint(n, pod);
        why_node_place(n, pod);
        why_node_room(n, w, pod);
        why_node_volumes(n, w, pod);
        why_node_ports(n, w, pod);
        ret->all |= n->obstacles;
    }
}

const struct why_node *why_nodes_best(const struct why_nodes *n)
{
    const struct why_node *best = NULL;

    for (size_t i = 0; i < n->n; i++)
        if (best == NULL ||
            __builtin_popcount(n->nodes[i].obstacles) < __builtin_popcount(best->obstacles))
            best = &n->nodes[i];
    return best;
}

static void why_node_print(struct text *ret, const struct why_node *n)
{
    const struct {
        enum why_obstacle obstacle;
        const char *says, *value;
    } words[] = {
        { WHY_NODE_AWAY, "not ready", NULL },
        { WHY_NODE_CORDONED, "cordoned", NULL },
        { WHY_NODE_TAINT, "taint ", n->taint },
        { WHY_NODE_SELECTOR, "not of the nodeSelector", NULL },
        { WHY_NODE_AFFINITY, "not of the node affinity", NULL },
        { WHY_NODE_ROOM, "", n->room },
        { WHY_NODE_VOLUME, "not the node of volume ", n->volume },
        { WHY_NODE_PORT, "host port ", n->port },
    };
    const char *between = ": ";

    text_puts(ret, why_name(n->node));
    for (size_t i = 0; i < N_ELEMENTS(words); i++) {
        if ((n->obstacles & words[i].obstacle) == 0)
            continue;
        text_fmt(ret, "%s%s%s", between, words[i].says,
                 words[i].value != NULL ? words[i].value : "");
        between = ", ";
    }
    if (n->obstacles == 0)
        text_puts(ret, ": fits");
}

void why_nodes_print(struct text *ret, const struct why_nodes *n)
{
    for (size_t i = 0; i < n->n && i < WHY_NODES_SHOWN; i++) {
        text_puts(ret, i > 0 ? "; " : "");
        why_node_print(ret, &n->nodes[i]);
    }
    if (n->n > WHY_NODES_SHOWN)
        text_fmt(ret, "; and %zu more", n->n - WHY_NODES_SHOWN);
}
