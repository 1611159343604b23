#include "controlplane/claim.h"
#include "controlplane/controllers.h"
#include "controlplane/deployment_impl.h"

#include "api/selector.h"
#include "base/mem.h"

static void deployment_load(struct deployment *d)
{
    d->tree = view_tree(d->view, d->object);
    d->replicas = json_int(d->tree, "spec.replicas", 1);
    d->paused = json_bool(d->tree, "spec.paused", false);
    d->recreate = str_eq(json_str(d->tree, "spec.strategy.type"), "Recreate");
    d->collisions = json_int(d->tree, "status.collisionCount", 0);
    d->progress_deadline_s = json_int(d->tree, "spec.progressDeadlineSeconds", INT32_MAX);
    if (d->progress_deadline_s == INT32_MAX)
        d->progress_deadline_s = -1;
    deployment_scale_limits(d);
}

/* Is a pod of an old set still there that has not ended?  Also one that is being deleted. */
static bool deployment_old_pods_run(struct deployment *d)
{
    for (size_t i = 0; i < d->n_sets; i++) {
        const struct object *const *pods;
        size_t n;

        if (&d->sets[i] == d->newest || !d->sets[i].object)
            continue;
        pods = view_owned(d->view, "pods", d->sets[i].object->uid, &n);
        for (size_t j = 0; j < n; j++)
            if (!str_eq(pods[j]->phase, "Succeeded") && !str_eq(pods[j]->phase, "Failed"))
                return true;
    }
    return false;
}

/* One step towards the new template; true when nothing was moved (old sets may be trimmed). */
static bool deployment_roll(struct deployment *d)
{
    if (!d->recreate)
        return !deployment_scale_roll(d);
    if (deployment_scale_old_to_zero(d))
        return false;
    if (!d->newest || d->newest->replicas == d->replicas)
        return true;
    if (deployment_old_pods_run(d))
        return false;
    deployment_scale_to(d, d->newest, d->replicas);
    return false;
}

/* May a new set be made now?  Recreate waits until the old pods are gone. */
static bool deployment_may_create(struct deployment *d)
{
    if (!d->recreate)
        return true;
    for (size_t i = 0; i < d->n_sets; i++)
        if (&d->sets[i] != d->newest && d->sets[i].replicas > 0)
            return false;
    return !deployment_old_pods_run(d);
}

/* The newest set's revision is also the Deployment's. */
static bool deployment_show_revision(struct deployment *d)
{
    const char *now, *want;
    json_t *tree;

    if (!d->newest)
        return false;
    want = json_string_value(
        json_object_get(json_at(d->newest->tree, "metadata.annotations"), DEPLOYMENT_REVISION));
    now = json_string_value(
        json_object_get(json_at(d->tree, "metadata.annotations"), DEPLOYMENT_REVISION));
    if (!want || str_eq(now, want))
        return false;
    tree = json_deep_copy(d->tree);
    if (!json_at(tree, "metadata.annotations"))
        json_put(tree, "metadata.annotations", json_object());
    json_object_set_new(json_at(tree, "metadata.annotations"), DEPLOYMENT_REVISION,
                        json_string(want));
    plan_update(d->plan, d->object, tree);
    return true;
}

/* Both the annotation and the status are due now and then, but one object is written once per
 * plan: the status goes first when it tells that a set was made, else the annotation. */
static void deployment_show(struct deployment *d, bool rollout)
{
    if (d->created || !deployment_show_revision(d))
        deployment_status_write(d, rollout);
}

static void deployment_act(struct deployment *d)
{
    bool still, rollout = true;

    if (d->paused || deployment_scale_is_due(d)) {
        rollout = false;
        deployment_sets_sync(d, false);
        deployment_scale_spread(d);
        still = d->paused;
    } else {
        if (!deployment_sets_sync(d, deployment_may_create(d))) {
            d->collisions++;
            deployment_status_write(d, true);
            return;
        }
        still = !d->created && deployment_roll(d) &&
                deployment_status_is_complete(d, json_object_get(d->tree, "status"));
    }
    deployment_sets_write(d);
    if (still)
        deployment_sets_trim(d);
    deployment_show(d, rollout);
}

static void deployment_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                            const char *name, struct clock_now now)
{
    struct deployment d = { .plan = ret, .view = v, .now = now };

    (void)state;
    d.object = view_get(v, DEPLOYMENT, ns, name);
    if (!d.object)
        return;
    deployment_load(&d);
    if (deployment_sets_load(&d)) {
        if (d.object->deleting)
            deployment_status_write(&d, false);
        else
            deployment_act(&d);
    }
    deployment_sets_fini(&d);
}

/* A Recreate waits for pods to go. */
static void deployment_map_pod(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object_owner *set = object_controller(change->object);
    const struct object_owner *owner;
    const struct object *o;

    if (change->type == STORE_ADDED || !set || !str_eq(set->kind, "ReplicaSet"))
        return;
    if (change->type == STORE_MODIFIED && change->before &&
        str_eq(change->before->phase, change->object->phase))
        return;
    o = view_get(v, DEPLOYMENT_SETS, change->object->ns, set->name);
    owner = o ? object_controller(o) : NULL;
    if (owner && str_eq(owner->kind, "Deployment"))
        queue_add(q, o->ns, owner->name);
}

static void deployment_map(struct queue *q, struct view *v, const struct store_change *change)
{
    if (str_eq(change->object->bucket, DEPLOYMENT)) {
        queue_add(q, change->object->ns, change->object->name);
    } else if (str_eq(change->object->bucket, "pods")) {
        deployment_map_pod(q, v, change);
    } else {
        claim_map_controller(q, change, "Deployment");
        claim_map_orphan(q, v, change, DEPLOYMENT);
    }
}

static const char *const deployment_buckets[] = { DEPLOYMENT, DEPLOYMENT_SETS, "pods", NULL };

const struct controller deployment_controller = {
    .name = DEPLOYMENT_NAME,
    .buckets = deployment_buckets,
    .map = deployment_map,
    .plan = deployment_plan,
};
