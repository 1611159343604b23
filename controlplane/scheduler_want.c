/* One pod to be placed, compiled once before it is held against every node. */
#include "controlplane/scheduler_impl.h"

#include "base/mem.h"

static void sched_want_preferred(struct sched_want *w, const json_t *list)
{
    const json_t *item;
    size_t i, n = json_array_size(list);

    if (n == 0)
        return;
    w->preferred = MEM_NEW_ARRAY(struct node_affinity *, n);
    w->preferred_weights = MEM_NEW_ARRAY(int64_t, n);
    json_array_foreach (list, i, item) {
        cleanup(json_decrefpp) json_t *terms = json_array();

        json_array_append(terms, json_object_get(item, "preference"));
        w->preferred[w->n_preferred] = node_affinity_new(terms);
        w->preferred_weights[w->n_preferred++] = json_int(item, "weight", 1);
    }
}

void sched_want_init(struct sched_want *ret, struct view *v, struct sched_snapshot *s,
                     const struct object *pod)
{
    const json_t *affinity, *required, *labels;

    *ret = (struct sched_want){ .view = v, .snapshot = s, .object = pod };
    ret->tree = view_tree(v, pod);
    ret->spec = json_object_get(ret->tree, "spec");
    ret->priority = json_int(ret->spec, "priority", 0);
    ret->tolerations = json_object_get(ret->spec, "tolerations");
    pod_resources_sum(&ret->requests, ret->spec);
    ret->ports = sched_host_ports(ret->tree);
    labels = json_object_get(ret->spec, "nodeSelector");
    if (json_object_size(labels) > 0)
        ret->node_labels = selector_from_map(labels);
    affinity = json_at(ret->spec, "affinity.nodeAffinity");
    required = json_at(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
    if (required)
        ret->required = node_affinity_new(json_object_get(required, "nodeSelectorTerms"));
    sched_want_preferred(
        ret, json_object_get(affinity, "preferredDuringSchedulingIgnoredDuringExecution"));
    sched_terms_load(&ret->terms, pod, ret->tree);
}

void sched_want_fini(struct sched_want *w)
{
    pod_resources_fini(&w->requests);
    json_decref(w->ports);
    selector_free(w->node_labels);
    node_affinity_free(w->required);
    for (size_t i = 0; i < w->n_preferred; i++)
        node_affinity_free(w->preferred[i]);
    free(w->preferred);
    free(w->preferred_weights);
    sched_terms_fini(&w->terms);
    sched_topology_fini(&w->topology);
    sched_claims_fini(&w->claims);
}

bool sched_want_selects(const struct sched_want *w, const struct sched_node *n)
{
    return selector_matches(w->node_labels, n->object) &&
           node_affinity_matches(w->required, n->object);
}

const char *sched_want_controller(const struct object *pod)
{
    const struct object_owner *owner = object_controller(pod);

    return owner ? owner->uid : NULL;
}
