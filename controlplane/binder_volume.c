/* Volumes: their phase, and what becomes of them when their claim is gone. */
#include "controlplane/binder_impl.h"

#include "base/clock.h"
#include "base/mem.h"

/* True when it had to be written. */
static bool binder_volume_phase(struct plan *ret, struct view *v, const struct object *volume,
                                const char *phase, const char *message, struct clock_now now)
{
    json_t *changed;
    char time[CLOCK_TEXT_MAX];

    if (str_eq(volume->phase, phase))
        return false;
    changed = json_deep_copy(view_tree(v, volume));
    clock_print(time, now.wall_ms);
    json_put_str(changed, "status.phase", phase);
    json_put_str(changed, "status.lastPhaseTransitionTime", time);
    if (message)
        json_put_str(changed, "status.message", message);
    else
        json_del(changed, "status.message");
    plan_status(ret, volume, changed);
    return true;
}

/* The claim the volume belongs to, if that very one is still there. */
static const struct object *binder_claim_of(struct view *v, const struct object *volume)
{
    const json_t *tree = view_tree(v, volume);
    const char *name = json_str(tree, "spec.claimRef.name");
    const struct object *claim = name ? view_get(v, VOLUME_CLAIMS,
                                                 json_str_or(tree, "spec.claimRef.namespace", ""),
                                                 name)
                                      : NULL;

    return claim && volume_is_claimed_by(tree, claim) ? claim : NULL;
}

static bool binder_is_ours(struct view *v, const struct object *volume)
{
    return str_eq(volume_annotation(view_tree(v, volume), BINDER_PROVISIONED_BY),
                  VOLUME_PROVISIONER);
}

static void binder_reclaim(struct plan *ret, struct view *v, const struct object *volume,
                           struct clock_now now)
{
    const char *policy = json_str_or(view_tree(v, volume), "spec.persistentVolumeReclaimPolicy",
                                     "Retain");
    cleanup(freep) char *why = NULL;

    if (str_eq(policy, "Retain") || str_eq(volume->phase, "Failed"))
        return;
    if (str_eq(policy, "Delete") && binder_is_ours(v, volume)) {
        plan_delete(ret, volume);
        return;
    }
    why = str_eq(policy, "Delete")
              ? mem_fmt("error getting deleter volume plugin for volume \"%s\": no deletable "
                        "volume plugin matched",
                        volume->name)
              : mem_str("no recyclable volume plugin matched");
    plan_event(ret, volume, true, BINDER_NAME,
               str_eq(policy, "Delete") ? "VolumeFailedDelete" : "VolumeFailedRecycle", "%s", why);
    binder_volume_phase(ret, v, volume, "Failed", why, now);
}

/* The claim has another volume: this one was taken for it and is not needed. */
static void binder_unbind(struct plan *ret, struct view *v, const struct object *volume,
                          struct clock_now now)
{
    json_t *changed;

    if (binder_is_ours(v, volume)) {
        if (!binder_volume_phase(ret, v, volume, "Released", NULL, now))
            binder_reclaim(ret, v, volume, now);
        return;
    }
    if (!volume_annotation(view_tree(v, volume), BINDER_BY_US)) {
        binder_volume_phase(ret, v, volume, "Available", NULL, now);
        return;
    }
    changed = json_deep_copy(view_tree(v, volume));
    json_del(changed, "spec.claimRef");
    json_object_del(json_at(changed, "metadata.annotations"), BINDER_BY_US);
    plan_update(ret, volume, changed);
}

static void binder_volume_settle(struct plan *ret, struct view *v, const struct object *volume,
                                 struct clock_now now)
{
    const json_t *tree = view_tree(v, volume);
    const struct object *claim = binder_claim_of(v, volume);
    const char *named = claim ? json_str(view_tree(v, claim), "spec.volumeName") : NULL;
    bool reserved = str_empty(json_str(tree, "spec.claimRef.uid"));

    if (!json_at(tree, "spec.claimRef") || (reserved && !named))
        binder_volume_phase(ret, v, volume, "Available", NULL, now);
    else if (!claim && !reserved) {
        if (str_eq(volume->phase, "Failed") ||
            !binder_volume_phase(ret, v, volume, "Released", NULL, now))
            binder_reclaim(ret, v, volume, now);
    } else if (str_eq(named, volume->name))
        binder_volume_phase(ret, v, volume, "Bound", NULL, now);
    else if (named)
        binder_unbind(ret, v, volume, now);
}

/* What a volume that goes away no longer waits for. */
static void binder_volume_let_go(struct plan *ret, struct view *v, const struct object *volume)
{
    const json_t *tree = view_tree(v, volume);
    const char *node = volume_annotation(tree, BINDER_NODE);
    bool bound = str_eq(volume->phase, "Bound") && binder_claim_of(v, volume);
    bool data_gone = !node || !view_get(v, "nodes", "", node);
    json_t *changed = json_deep_copy(tree);

    if (!bound)
        binder_drop_finalizer(changed, BINDER_VOLUME_PROTECTED);
    if (!bound && data_gone)
        binder_drop_finalizer(changed, BINDER_HAS_DATA);
    if (json_equal(changed, tree))
        json_decref(changed);
    else
        plan_update(ret, volume, changed);
}

void binder_volume_plan(struct plan *ret, struct view *v, const struct object *volume,
                        struct clock_now now)
{
    json_t *changed;

    if (volume->deleting) {
        binder_volume_let_go(ret, v, volume);
        return;
    }
    if (!binder_has_finalizer(view_tree(v, volume), BINDER_VOLUME_PROTECTED)) {
        changed = json_deep_copy(view_tree(v, volume));
        binder_add_finalizer(changed, BINDER_VOLUME_PROTECTED);
        plan_update(ret, volume, changed);
        return;
    }
    binder_volume_settle(ret, v, volume, now);
}
