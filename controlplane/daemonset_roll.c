#include "controlplane/daemonset_impl.h"

#include "api/intstr.h"
#include "base/mem.h"

/* The one old and the one new pod of a node; false when there are more of a kind, which the
 * count of pods per node puts right first. */
static bool daemonset_roll_pair(const struct daemonset_node *n, struct daemonset_pod **ret_old,
                                struct daemonset_pod **ret_new)
{
    *ret_old = *ret_new = NULL;
    for (size_t i = 0; i < n->n_pods; i++) {
        struct daemonset_pod *p = n->pods[i];
        struct daemonset_pod **slot = p->updated ? ret_new : ret_old;

        if (p->object->deleting)
            continue;
        if (*slot)
            return false;
        *slot = p;
    }
    return true;
}

int64_t daemonset_roll_limit(const struct daemonset *d, const char *key)
{
    const json_t *rolling = json_at(d->tree, "spec.updateStrategy.rollingUpdate");
    int64_t desired = 0, limit = 0;

    for (size_t i = 0; i < d->n_nodes; i++)
        desired += d->nodes[i].should_run;
    intstr_scale(json_object_get(rolling, key), desired, true, &limit);
    return limit;
}

/* Old pods make way, at most @most nodes being without one that is available. */
static void daemonset_roll_replace(struct daemonset *d, int64_t most)
{
    int64_t unavailable = 0;
    struct daemonset_pod *old, *new;

    for (size_t i = 0; i < d->n_nodes; i++) {
        struct daemonset_node *n = &d->nodes[i];

        if (!n->should_run)
            continue;
        if (!daemonset_roll_pair(n, &old, &new) || (!old && !new) || (old && new))
            unavailable++;
        else if (new && !new->available)
            unavailable++;
        else if (old && !old->available) {
            unavailable++;
            daemonset_delete(d, old); /* it is of no use to anybody */
        }
    }
    for (size_t i = 0; i < d->n_nodes && unavailable < most; i++) {
        struct daemonset_node *n = &d->nodes[i];

        if (!n->should_run || !daemonset_roll_pair(n, &old, &new) || !old || new || !old->available)
            continue;
        daemonset_delete(d, old);
        unavailable++;
    }
}

/* New pods come beside old ones, at most @most at a time; an old one goes when the new one of
 * its node is available. */
static void daemonset_roll_surge(struct daemonset *d, int64_t most)
{
    int64_t surge = 0;
    struct daemonset_pod *old, *new;

    for (size_t i = 0; i < d->n_nodes; i++) {
        if (!daemonset_roll_pair(&d->nodes[i], &old, &new))
            surge++;
        else if (old && new &&new->available)
            daemonset_delete(d, old);
        else if (old && new)
            surge++;
        else if (old && !old->available && d->nodes[i].should_run)
            daemonset_create(d, &d->nodes[i]);
    }
    for (size_t i = 0; i < d->n_nodes && surge < most; i++) {
        struct daemonset_node *n = &d->nodes[i];

        if (!n->should_run || !daemonset_roll_pair(n, &old, &new) || !old || new || !old->available)
            continue;
        daemonset_create(d, n);
        surge++;
    }
}

void daemonset_roll(struct daemonset *d)
{
    int64_t surge = daemonset_roll_limit(d, "maxSurge");

    if (str_eq(json_str(d->tree, "spec.updateStrategy.type"), "OnDelete"))
        return;
    if (surge > 0)
        daemonset_roll_surge(d, surge);
    else
        daemonset_roll_replace(d, daemonset_roll_limit(d, "maxUnavailable"));
}
