/* The claims of a pod: which volume is where, and which are still to be made. */
#include "controlplane/scheduler_impl.h"

#include "base/mem.h"

/* The claim behind a volume of the pod; an ephemeral one's is named after both. */
static char *sched_claim_name(const struct sched_want *w, const json_t *volume)
{
    const char *name = json_str(volume, "persistentVolumeClaim.claimName");

    if (name)
        return mem_str(name);
    if (json_at(volume, "ephemeral"))
        return mem_fmt("%s-%s", w->object->name, json_str_or(volume, "name", ""));
    return NULL;
}

static void sched_claim_init(struct sched_claim *c, struct view *v, const struct object *o)
{
    const json_t *tree = view_tree(v, o);

    c->object = o;
    volume_class_of(&c->class, v, tree);
    c->selected = volume_annotation(tree, VOLUME_SELECTED_NODE);
    c->lost = str_eq(o->phase, "Lost");
    c->volume = str_eq(o->phase, "Bound") ? volume_bound_to(v, o) : NULL;
    if (c->volume && json_at(view_tree(v, c->volume), "spec.nodeAffinity.required"))
        c->affinity = node_affinity_new(
            json_at(view_tree(v, c->volume), "spec.nodeAffinity.required.nodeSelectorTerms"));
}

static bool sched_claim_add(struct sched_want *w, const char *name, struct text *problem)
{
    const struct object *o = view_get(w->view, VOLUME_CLAIMS, w->object->ns, name);
    struct sched_claim *c = &w->claims.items[w->claims.n];

    if (!o || o->deleting) {
        text_fmt(problem, "persistentvolumeclaim \"%s\" %s", name,
                 o ? "is being deleted" : "not found");
        return false;
    }
    sched_claim_init(c, w->view, o);
    w->claims.n++;
    if (c->lost) {
        text_fmt(problem,
                 "persistentvolumeclaim \"%s\" bound to non-existent persistentvolume "
                 "\"%s\"",
                 name, json_str_or(view_tree(w->view, o), "spec.volumeName", ""));
        return false;
    }
    if (!c->volume && !c->class.waits) {
        text_puts(problem, "pod has unbound immediate PersistentVolumeClaims");
        return false;
    }
    return true;
}

bool sched_claims_load(struct sched_want *w, struct text *problem)
{
    const json_t *volumes = json_object_get(w->spec, "volumes"), *volume;
    size_t i;

    w->claims.items = MEM_NEW_ARRAY(struct sched_claim, json_array_size(volumes) + 1);
    json_array_foreach (volumes, i, volume) {
        cleanup(freep) char *name = sched_claim_name(w, volume);

        if (name && !sched_claim_add(w, name, problem))
            return false;
    }
    return true;
}

void sched_claims_fini(struct sched_claims *c)
{
    for (size_t i = 0; i < c->n; i++)
        node_affinity_free(c->items[i].affinity);
    free(c->items);
}

/* Can the claim's volume be found or made on this node?  Where it is being made is settled
 * once a node was selected, be it for another pod. */
static bool sched_claim_can_be_made(const struct sched_want *w, const struct sched_claim *c,
                                    const struct object *node)
{
    if (c->selected)
        return str_eq(c->selected, node->name);
    if (volume_find(w->view, c->object, node))
        return true;
    return c->class.provisions && volume_class_allows(&c->class, node);
}

enum sched_verdict sched_filter_volumes(const struct sched_want *w, const struct sched_node *n,
                                        json_t *reasons)
{
    for (size_t i = 0; i < w->claims.n; i++) {
        const struct sched_claim *c = &w->claims.items[i];

        if (c->volume && !node_affinity_matches(c->affinity, n->object)) {
            sched_reason(reasons, "node(s) had volume node affinity conflict");
            return SCHED_NEVER;
        }
        if (!c->volume && !sched_claim_can_be_made(w, c, n->object)) {
            sched_reason(reasons, "node(s) didn't find available persistent volumes to bind");
            return SCHED_NEVER;
        }
    }
    return SCHED_FITS;
}
