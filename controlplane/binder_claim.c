/* Claims: finding, making and keeping their volumes. */
#include "controlplane/binder_impl.h"

#include "base/mem.h"

#include <string.h>

/* --- in use? --- */

static bool binder_pod_uses(const struct object *pod, const json_t *tree, const char *claim)
{
    const json_t *volume;
    size_t i;

    json_array_foreach (json_at(tree, "spec.volumes"), i, volume) {
        const char *name = json_str(volume, "persistentVolumeClaim.claimName");
        cleanup(freep) char *own = NULL;

        if (json_at(volume, "ephemeral"))
            own = mem_fmt("%s-%s", pod->name, json_str_or(volume, "name", ""));
        if (str_eq(own ? own : name, claim))
            return true;
    }
    return false;
}

/* A pod without a node does not count: it will not be started with a claim that is going. */
static bool binder_is_used(struct view *v, const struct object *claim)
{
    struct store_iter it;
    const struct object *pod;

    store_iter_init(&it, view_store(v), "pods", claim->ns, NULL, NULL);
    while ((pod = store_iter_next(&it)))
        if (*pod->node && strstr(pod->json, claim->name) &&
            binder_pod_uses(pod, view_tree(v, pod), claim->name))
            return true;
    return false;
}

/* True when the finalizer had to be changed: one write of the claim at a time. */
static bool binder_claim_protect(struct plan *ret, struct view *v, const struct object *claim)
{
    const json_t *tree = view_tree(v, claim);
    bool has = binder_has_finalizer(tree, BINDER_CLAIM_PROTECTED);
    json_t *changed;

    if (claim->deleting ? !has || binder_is_used(v, claim) : has)
        return false;
    changed = json_deep_copy(tree);
    if (claim->deleting)
        binder_drop_finalizer(changed, BINDER_CLAIM_PROTECTED);
    else
        binder_add_finalizer(changed, BINDER_CLAIM_PROTECTED);
    plan_update(ret, claim, changed);
    return true;
}

/* --- status --- */

static void binder_claim_phase(struct plan *ret, struct view *v, const struct object *claim,
                               const char *phase, const struct object *volume)
{
    const json_t *tree = view_tree(v, claim), *old = json_object_get(tree, "status");
    const json_t *spec = volume ? json_object_get(view_tree(v, volume), "spec") : NULL;
    cleanup(json_decrefpp) json_t *status = old ? json_deep_copy(old) : json_object();
    json_t *changed;

    json_put_str(status, "phase", phase);
    if (spec) {
        json_put(status, "accessModes", json_deep_copy(json_object_get(spec, "accessModes")));
        json_put(status, "capacity", json_deep_copy(json_object_get(spec, "capacity")));
    } else {
        json_del(status, "accessModes");
        json_del(status, "capacity");
    }
    if (old && json_equal(old, status))
        return;
    changed = json_deep_copy(tree);
    json_object_set(changed, "status", status);
    plan_status(ret, claim, changed);
}

static void binder_claim_lost(struct plan *ret, struct view *v, const struct object *claim,
                              const char *reason, const char *message)
{
    if (str_eq(claim->phase, "Lost"))
        return;
    plan_event(ret, claim, true, BINDER_NAME, reason, "%s", message);
    binder_claim_phase(ret, v, claim, "Lost", NULL);
}

/* --- binding --- */

static void binder_bind(struct plan *ret, struct view *v, const struct object *claim,
                        const struct object *volume)
{
    const json_t *tree = view_tree(v, volume);
    const char *uid = json_str_or(tree, "spec.claimRef.uid", "");
    bool reserved = json_at(tree, "spec.claimRef") != NULL;

    if (!str_eq(uid, claim->uid)) {
        json_t *changed = json_deep_copy(tree);

        json_put(changed, "spec.claimRef", binder_claim_ref(claim));
        if (!reserved)
            binder_annotate(changed, BINDER_BY_US, "yes");
        plan_update(ret, volume, changed);
    }
    if (!binder_claim_refer(ret, v, claim, volume->name))
        binder_claim_phase(ret, v, claim, "Bound", volume);
}

/* The claim names its volume. */
static void binder_claim_with(struct plan *ret, struct view *v, const struct object *claim,
                              const char *name)
{
    const struct object *volume = view_get(v, VOLUME_VOLUMES, "", name);
    bool was_bound = volume_annotation(view_tree(v, claim), BINDER_COMPLETED) != NULL;

    if (volume && (volume_is_claimed_by(view_tree(v, volume), claim) ||
                   (!json_at(view_tree(v, volume), "spec.claimRef") && !volume->deleting)))
        binder_bind(ret, v, claim, volume);
    else if (was_bound && !volume)
        binder_claim_lost(ret, v, claim, "ClaimLost",
                          "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    else if (was_bound)
        binder_claim_lost(ret, v, claim, "ClaimMisbound",
                          "Two claims are bound to the same volume, this one is bound incorrectly");
}

/* What would do for the claim: first of all one that was made for it already. */
static const struct object *binder_find(struct view *v, const struct object *claim,
                                        const struct object *node)
{
    cleanup(freep) char *own = mem_fmt("pvc-%s", claim->uid);
    const struct object *volume = view_get(v, VOLUME_VOLUMES, "", own);

    if (volume && volume_is_claimed_by(view_tree(v, volume), claim))
        return volume;
    return volume_find(v, claim, node);
}

static void binder_claim_without(struct plan *ret, struct view *v, const struct object *claim)
{
    const json_t *tree = view_tree(v, claim);
    const char *selected = volume_annotation(tree, VOLUME_SELECTED_NODE);
    const struct object *node = selected ? view_get(v, "nodes", "", selected) : NULL;
    const struct object *volume = binder_find(v, claim, node);
    bool reserved = volume && json_at(view_tree(v, volume), "spec.claimRef");
    struct volume_class class;

    volume_class_of(&class, v, tree);
    if (class.waits && !selected && !reserved)
        plan_event(ret, claim, false, BINDER_NAME, "WaitForFirstConsumer",
                   "waiting for first consumer to be created before binding");
    else if (volume)
        binder_bind(ret, v, claim, volume);
    else if (class.provisions)
        binder_provision(ret, v, claim, &class);
    else
        plan_event(ret, claim, false, BINDER_NAME, "FailedBinding",
                   "no persistent volumes available for this claim and no storage class is set");
}

void binder_claim_plan(struct plan *ret, struct view *v, const struct object *claim,
                       struct clock_now now)
{
    const char *name = json_str_or(view_tree(v, claim), "spec.volumeName", "");

    (void)now;
    if (binder_claim_protect(ret, v, claim) || claim->deleting)
        return;
    if (*name)
        binder_claim_with(ret, v, claim, name);
    else
        binder_claim_without(ret, v, claim);
}
