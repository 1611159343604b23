#include "controlplane/statefulset_impl.h"

#include "api/pod_status.h"
#include "base/mem.h"
#include "controlplane/claim.h"
#include "controlplane/controllers.h"

#include <stdlib.h>

/* --- what pods are like --- */

static bool statefulset_is_ready(const struct statefulset_pod *p)
{
    return p->object && str_eq(p->object->phase, "Running") && pod_is_ready(p->tree);
}

static bool statefulset_is_available(const struct statefulset *s, const struct statefulset_pod *p)
{
    if (!statefulset_is_ready(p))
        return false;
    if (pod_is_available(p->tree, s->min_ready_seconds, s->now.wall_ms))
        return true;
    plan_again(s->plan, pod_ready_since_ms(p->tree) + s->min_ready_seconds * 1000 - s->now.wall_ms);
    return false;
}

static bool statefulset_is_healthy(const struct statefulset_pod *p)
{
    return statefulset_is_ready(p) && !p->object->deleting;
}

static bool statefulset_is_at(const struct statefulset_pod *p, const struct history_entry *e)
{
    return str_eq(object_label(p->object, STATEFULSET_REVISION_LABEL), e->name);
}

/* --- loading --- */

static bool statefulset_is_member(const struct object *set, const struct object *pod)
{
    return statefulset_ordinal(set->name, pod->name) >= 0;
}

static int statefulset_descending(const void *pa, const void *pb)
{
    const struct statefulset_pod *a = pa, *b = pb;

    return (a->ordinal < b->ordinal) - (a->ordinal > b->ordinal);
}

static void statefulset_load_spec(struct statefulset *s)
{
    const json_t *t = s->tree;

    s->n_pods = json_int(t, "spec.replicas", 1);
    if (s->n_pods > STATEFULSET_PODS_MAX)
        s->n_pods = STATEFULSET_PODS_MAX;
    s->start = json_int(t, "spec.ordinals.start", 0);
    s->min_ready_seconds = json_int(t, "spec.minReadySeconds", 0);
    s->ordered = !str_eq(json_str(t, "spec.podManagementPolicy"), "Parallel");
    s->rolling = !str_eq(json_str(t, "spec.updateStrategy.type"), "OnDelete");
    s->partition = json_int(t, "spec.updateStrategy.rollingUpdate.partition", 0);
    s->claims_follow_set = str_eq(
        json_str(t, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted"), "Delete");
    s->claims_follow_pod = str_eq(
        json_str(t, "spec.persistentVolumeClaimRetentionPolicy.whenScaled"), "Delete");
}

/* False: pods are being adopted or released, look again afterwards. */
static bool statefulset_load_pods(struct statefulset *s)
{
    cleanup(freep) const struct object **mine = NULL;
    const struct claim claim = {
        .owner = s->object,
        .api_version = "apps/v1",
        .kind = "StatefulSet",
        .selector = json_at(s->tree, "spec.selector"),
        .bucket = "pods",
        .is_member = statefulset_is_member,
        .adopt_finished = true,
    };
    size_t n;

    mine = claim_run(s->plan, s->view, &claim, &n);
    s->pods = MEM_NEW_ARRAY(struct statefulset_pod, (size_t)s->n_pods + 1);
    s->condemned = MEM_NEW_ARRAY(struct statefulset_pod, n + 1);
    for (int64_t i = 0; i < s->n_pods; i++)
        s->pods[i].ordinal = s->start + i;
    for (size_t i = 0; i < n; i++) {
        int64_t ordinal = statefulset_ordinal(s->object->name, mine[i]->name);
        bool wanted = ordinal >= s->start && ordinal < s->start + s->n_pods;
        struct statefulset_pod *p = wanted ? &s->pods[ordinal - s->start]
                                           : &s->condemned[s->n_condemned++];

        p->ordinal = ordinal;
        p->object = mine[i];
        p->tree = view_tree(s->view, mine[i]);
    }
    if (s->n_condemned > 1)
        qsort(s->condemned, s->n_condemned, sizeof(*s->condemned), statefulset_descending);
    return s->plan->n == 0;
}

static bool statefulset_load_history(struct statefulset *s)
{
    s->history = (struct history){
        .plan = s->plan,
        .view = s->view,
        .owner = s->object,
        .tree = s->tree,
        .kind = "StatefulSet",
    };
    return history_load(&s->history);
}

/* --- status --- */

struct statefulset_counts {
    int64_t replicas, ready, available, current, updated;
};

static void statefulset_count(struct statefulset *s, const struct statefulset_pod *p,
                              struct statefulset_counts *n)
{
    if (!p->object)
        return;
    n->replicas++;
    if (statefulset_is_ready(p)) {
        n->ready++;
        n->available += statefulset_is_available(s, p);
    }
    if (p->object->deleting)
        return;
    n->current += statefulset_is_at(p, s->current);
    n->updated += statefulset_is_at(p, s->history.update);
}

static void statefulset_put_count(json_t *status, const char *key, int64_t n)
{
    if (n > 0)
        json_put_int(status, key, n);
    else
        json_del(status, key);
}

static void statefulset_status(struct statefulset *s, int64_t collisions)
{
    const json_t *old = json_object_get(s->tree, "status");
    cleanup(json_decrefpp) json_t *status = old ? json_deep_copy(old) : json_object();
    const char *current = s->current->name, *update = s->history.update->name;
    struct statefulset_counts n = { 0 };
    json_t *tree;

    for (int64_t i = 0; i < s->n_pods; i++)
        statefulset_count(s, &s->pods[i], &n);
    for (size_t i = 0; i < s->n_condemned; i++)
        statefulset_count(s, &s->condemned[i], &n);
    /* The update is complete: it is what the set is at from now on. */
    if (s->rolling && n.updated == s->n_pods && n.ready == s->n_pods && n.replicas == s->n_pods) {
        current = update;
        n.current = n.updated;
    }
    json_put_int(status, "replicas", n.replicas);
    json_put_int(status, "availableReplicas", n.available);
    statefulset_put_count(status, "readyReplicas", n.ready);
    statefulset_put_count(status, "currentReplicas", n.current);
    statefulset_put_count(status, "updatedReplicas", n.updated);
    statefulset_put_count(status, "observedGeneration", s->object->generation);
    json_put_str(status, "currentRevision", current);
    json_put_str(status, "updateRevision", update);
    json_put_int(status, "collisionCount", collisions);
    if (old && json_equal(old, status))
        return;
    tree = json_deep_copy(s->tree);
    json_put(tree, "status", json_incref(status));
    plan_status(s->plan, s->object, tree);
}

/* --- steps; each returns whether the next may be taken --- */

static void statefulset_replace(struct statefulset *s, const struct statefulset_pod *p)
{
    if (p->object->deleting)
        return;
    plan_event(s->plan, s->object, true, STATEFULSET_NAME, "RecreatingFailedPod",
               "StatefulSet %s/%s is recreating failed Pod %s", s->object->ns, s->object->name,
               p->object->name);
    statefulset_pod_delete(s, p);
}

static bool statefulset_keep(struct statefulset *s, const struct statefulset_pod *p)
{
    if (!p->object) {
        statefulset_pod_create(s, p->ordinal);
        return !s->ordered;
    }
    /* The name is taken until the old pod is gone from the API: never two of one identity. */
    if (pod_is_terminal(p->tree)) {
        statefulset_replace(s, p);
        return false;
    }
    if (!p->object->deleting)
        statefulset_pod_mend(s, p, false);
    return !s->ordered || (statefulset_is_healthy(p) && statefulset_is_available(s, p));
}

static const struct statefulset_pod *statefulset_first_unhealthy(const struct statefulset *s)
{
    for (int64_t i = 0; i < s->n_pods; i++)
        if (!statefulset_is_healthy(&s->pods[i]))
            return &s->pods[i];
    for (size_t i = s->n_condemned; i-- > 0;)
        if (!statefulset_is_healthy(&s->condemned[i]))
            return &s->condemned[i];
    return NULL;
}

static bool statefulset_drop(struct statefulset *s, const struct statefulset_pod *p,
                             const struct statefulset_pod *first_unhealthy)
{
    if (p->object->deleting)
        return !s->ordered;
    /* One that has ended never gets well again: waiting for it would be for ever. */
    if (s->ordered && p != first_unhealthy && !pod_is_terminal(p->tree) &&
        !statefulset_is_available(s, p))
        return false;
    statefulset_pod_mend(s, p, true);
    statefulset_pod_delete(s, p);
    return !s->ordered;
}

static bool statefulset_scale(struct statefulset *s)
{
    const struct statefulset_pod *first_unhealthy = statefulset_first_unhealthy(s);
    bool go = true;

    for (int64_t i = 0; i < s->n_pods; i++) {
        go &= statefulset_keep(s, &s->pods[i]);
        if (!go && s->ordered)
            return false;
    }
    if (!go)
        return false;
    for (size_t i = 0; i < s->n_condemned; i++) {
        go &= statefulset_drop(s, &s->condemned[i], first_unhealthy);
        if (!go && s->ordered)
            return false;
    }
    return go;
}

/* From the highest ordinal down, one at a time, each healthy before the next. */
static void statefulset_roll(struct statefulset *s)
{
    for (int64_t i = s->n_pods - 1; i >= 0 && i >= s->partition; i--) {
        const struct statefulset_pod *p = &s->pods[i];

        if (p->object && !p->object->deleting && !statefulset_is_at(p, s->history.update)) {
            statefulset_pod_delete(s, p);
            return;
        }
        if (!statefulset_is_healthy(p) || !statefulset_is_available(s, p))
            return;
    }
}

/* --- the controller --- */

static bool statefulset_revision_is_live(void *arg, const char *name)
{
    const struct statefulset *s = arg;

    if (str_eq(name, s->current->name) || str_eq(name, json_str(s->tree, "status.currentRevision")))
        return true;
    for (int64_t i = 0; i < s->n_pods; i++)
        if (s->pods[i].object &&
            str_eq(object_label(s->pods[i].object, STATEFULSET_REVISION_LABEL), name))
            return true;
    for (size_t i = 0; i < s->n_condemned; i++)
        if (str_eq(object_label(s->condemned[i].object, STATEFULSET_REVISION_LABEL), name))
            return true;
    return false;
}

static void statefulset_collide(struct statefulset *s, int64_t collisions)
{
    json_t *tree = json_deep_copy(s->tree);

    json_put_int(tree, "status.collisionCount", collisions);
    if (!json_at(tree, "status.replicas"))
        json_put_int(tree, "status.replicas", 0);
    plan_status(s->plan, s->object, tree);
}

static void statefulset_act(struct statefulset *s)
{
    int64_t collisions = json_int(s->tree, "status.collisionCount", 0);

    if (!history_sync(&s->history, collisions)) {
        statefulset_collide(s, collisions + 1);
        return;
    }
    s->current = history_find(&s->history, json_str(s->tree, "status.currentRevision"));
    if (!s->current)
        s->current = s->history.update;
    statefulset_status(s, collisions);
    if (s->object->deleting)
        return;
    if (statefulset_scale(s) && s->rolling)
        statefulset_roll(s);
    history_trim(&s->history, statefulset_revision_is_live, s);
}

static void statefulset_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                             const char *name, struct clock_now now)
{
    struct statefulset s = { .plan = ret, .view = v, .now = now };

    (void)state;
    s.object = view_get(v, STATEFULSET, ns, name);
    if (!s.object)
        return;
    s.tree = view_tree(v, s.object);
    statefulset_load_spec(&s);
    if (statefulset_load_pods(&s) && statefulset_load_history(&s))
        statefulset_act(&s);
    history_fini(&s.history);
    free(s.pods);
    free(s.condemned);
}

static void statefulset_map(struct queue *q, struct view *v, const struct store_change *change)
{
    if (str_eq(change->object->bucket, STATEFULSET)) {
        queue_add(q, change->object->ns, change->object->name);
        return;
    }
    claim_map_controller(q, change, "StatefulSet");
    if (str_eq(change->object->bucket, "pods"))
        claim_map_orphan(q, v, change, STATEFULSET);
}

static const char *const statefulset_buckets[] = { STATEFULSET, "pods", HISTORY, NULL };

const struct controller statefulset_controller = {
    .name = STATEFULSET_NAME,
    .buckets = statefulset_buckets,
    .map = statefulset_map,
    .plan = statefulset_plan,
};
