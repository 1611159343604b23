#include "controlplane/daemonset_impl.h"

#include "api/node_affinity.h"
#include "api/taint.h"
#include "base/mem.h"
#include "controlplane/template.h"

#include <string.h>

/* Tolerations of every daemon pod: it stays where others leave. */
static const struct daemonset_toleration {
    const char *key, *effect;
    bool host_network_only;
} daemonset_tolerations[] = {
    { "node.kubernetes.io/not-ready", "NoExecute", false },
    { "node.kubernetes.io/unreachable", "NoExecute", false },
    { "node.kubernetes.io/disk-pressure", "NoSchedule", false },
    { "node.kubernetes.io/memory-pressure", "NoSchedule", false },
    { "node.kubernetes.io/pid-pressure", "NoSchedule", false },
    { "node.kubernetes.io/unschedulable", "NoSchedule", false },
    { "node.kubernetes.io/network-unavailable", "NoSchedule", true },
};

/* The template's own and those above; the caller's. */
static json_t *daemonset_place_tolerations(const json_t *spec)
{
    json_t *list = json_deep_copy(json_object_get(spec, "tolerations"));

    if (!list)
        list = json_array();
    for (size_t i = 0; i < N_ELEMENTS(daemonset_tolerations); i++) {
        const struct daemonset_toleration *t = &daemonset_tolerations[i];
        json_t *one;

        if (t->host_network_only && !json_bool(spec, "hostNetwork", false))
            continue;
        one = json_object();
        json_put_str(one, "key", t->key);
        json_put_str(one, "operator", "Exists");
        json_put_str(one, "effect", t->effect);
        json_array_append_new(list, one);
    }
    return list;
}

static bool daemonset_place_selects(const json_t *spec, const struct object *node)
{
    json_t *selector = json_object_get(spec, "nodeSelector"), *value;
    const json_t *terms = json_at(
        spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
              "nodeSelectorTerms");
    struct node_affinity *affinity;
    const char *key;
    bool matches;

    json_object_foreach (selector, key, value)
        if (!str_eq(object_label(node, key), json_string_value(value)))
            return false;
    if (!terms)
        return true;
    affinity = node_affinity_new(terms);
    matches = node_affinity_matches(affinity, node);
    node_affinity_free(affinity);
    return matches;
}

void daemonset_place_judge(const struct daemonset *d, struct daemonset_node *n)
{
    static const char *const entry[] = { "NoSchedule", "NoExecute", NULL };
    static const char *const stay[] = { "NoExecute", NULL };
    const json_t *spec = json_at(d->tree, "spec.template.spec");
    const char *fixed = json_str_or(spec, "nodeName", "");
    cleanup(json_decrefpp) json_t *tolerations = NULL;
    const json_t *taints;

    n->should_run = n->may_stay = false;
    if (!n->object || (fixed[0] && !str_eq(fixed, n->name)) ||
        !daemonset_place_selects(spec, n->object))
        return;
    tolerations = daemonset_place_tolerations(spec);
    taints = json_at(view_tree(d->view, n->object), "spec.taints");
    n->should_run = !taint_untolerated(taints, tolerations, entry);
    n->may_stay = n->should_run || !taint_untolerated(taints, tolerations, stay);
}

/* One term on the node's name in place of all that the template demands: the node was
 * chosen by that already. */
static json_t *daemonset_place_terms(const char *node)
{
    return json_pack("[{s:[{s:s, s:s, s:[s]}]}]", "matchFields", "key", "metadata.name", "operator",
                     "In", "values", node);
}

json_t *daemonset_place_pod(const struct daemonset *d, const char *node)
{
    json_t *pod = template_pod(json_at(d->tree, "spec.template"), d->object, "apps/v1",
                               "DaemonSet");
    cleanup(freep) char *prefix = mem_fmt("%s-", d->object->name);
    json_t *labels = json_at(pod, "metadata.labels");

    if (!labels) {
        labels = json_object();
        json_put(pod, "metadata.labels", labels);
    }
    json_object_set_new(labels, DAEMONSET_REVISION_LABEL, json_string(d->hash));
    json_put_str(pod, "metadata.generateName", prefix);
    json_put(pod, "spec.tolerations",
             daemonset_place_tolerations(json_at(d->tree, "spec.template.spec")));
    json_put(pod,
             "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
             "nodeSelectorTerms",
             daemonset_place_terms(node));
    return pod;
}

char *daemonset_place_of(const struct object *pod, const json_t *tree)
{
    const json_t *terms = json_at(
        tree, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
              "nodeSelectorTerms");
    json_t *term, *field;
    size_t i, j;

    if (!str_empty(pod->node))
        return mem_str(pod->node);
    json_array_foreach (terms, i, term)
        json_array_foreach (json_object_get(term, "matchFields"), j, field)
            if (str_eq(json_str(field, "key"), "metadata.name"))
                return mem_str(
                    json_string_value(json_array_get(json_object_get(field, "values"), 0)) ?: "");
    return mem_str("");
}
