#include "controlplane/daemonset_impl.h"

#include "api/pod_status.h"
#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/claim.h"
#include "controlplane/controllers.h"

#include <stdlib.h>
#include <string.h>

#define DAEMONSET_BURST            250
#define DAEMONSET_BACKOFF_FIRST_MS 1000
#define DAEMONSET_BACKOFF_MAX_MS   (15 * 60 * 1000)

/* --- loading --- */

static bool daemonset_load_pods(struct daemonset *d)
{
    cleanup(freep) const struct object **mine = NULL;
    const struct claim claim = {
        .owner = d->object,
        .api_version = "apps/v1",
        .kind = "DaemonSet",
        .selector = json_at(d->tree, "spec.selector"),
        .bucket = "pods",
        .adopt_finished = true,
    };

    mine = claim_run(d->plan, d->view, &claim, &d->n_pods);
    d->pods = MEM_NEW_ARRAY(struct daemonset_pod, d->n_pods + 1);
    for (size_t i = 0; i < d->n_pods; i++) {
        struct daemonset_pod *p = &d->pods[i];

        p->object = mine[i];
        p->tree = view_tree(d->view, mine[i]);
        p->node = daemonset_place_of(p->object, p->tree);
        p->available = pod_is_available(p->tree, d->min_ready_seconds, d->now.wall_ms);
        if (!p->available && pod_is_ready(p->tree))
            plan_again(d->plan,
                       pod_ready_since_ms(p->tree) + d->min_ready_seconds * 1000 - d->now.wall_ms);
    }
    return d->plan->n == 0;
}

static int daemonset_older(const void *pa, const void *pb)
{
    const struct daemonset_pod *const *a = pa, *const *b = pb;
    const char *ca = json_str_or((*a)->tree, "metadata.creationTimestamp", "");
    const char *cb = json_str_or((*b)->tree, "metadata.creationTimestamp", "");
    int d = strcmp(ca, cb); /* one format, one zone: the text sorts as the time does */

    return d ? d : strcmp((*a)->object->name, (*b)->object->name);
}

static struct daemonset_node *daemonset_node(struct daemonset *d, const char *name)
{
    for (size_t i = 0; i < d->n_nodes; i++)
        if (str_eq(d->nodes[i].name, name))
            return &d->nodes[i];
    return NULL;
}

static void daemonset_load_nodes(struct daemonset *d)
{
    size_t n;
    const struct object *const *nodes = view_list(d->view, "nodes", NULL, &n);

    d->nodes = MEM_NEW_ARRAY(struct daemonset_node, n + d->n_pods + 1);
    for (size_t i = 0; i < n; i++) {
        d->nodes[i].object = nodes[i];
        d->nodes[i].name = nodes[i]->name;
        daemonset_place_judge(d, &d->nodes[i]);
    }
    d->n_nodes = n;
    for (size_t i = 0; i < d->n_pods; i++) {
        struct daemonset_node *at = daemonset_node(d, d->pods[i].node);

        if (!at) {
            at = &d->nodes[d->n_nodes++];
            at->name = d->pods[i].node;
        }
        at->pods = mem_grow(at->pods, at->n_pods + 1, sizeof(*at->pods));
        at->pods[at->n_pods++] = &d->pods[i];
    }
    for (size_t i = 0; i < d->n_nodes; i++)
        if (d->nodes[i].n_pods > 1)
            qsort(d->nodes[i].pods, d->nodes[i].n_pods, sizeof(struct daemonset_pod *),
                  daemonset_older);
}

static void daemonset_fini(struct daemonset *d)
{
    for (size_t i = 0; i < d->n_nodes; i++)
        free(d->nodes[i].pods);
    for (size_t i = 0; i < d->n_pods; i++)
        free(d->pods[i].node);
    free(d->nodes);
    free(d->pods);
    history_fini(&d->history);
}

/* --- writes --- */

void daemonset_create(struct daemonset *d, const struct daemonset_node *n)
{
    if (d->n_planned++ >= DAEMONSET_BURST)
        return; /* the rest when these are there */
    plan_create(d->plan, "pods", d->object->ns, daemonset_place_pod(d, n->name));
    plan_on_success(d->plan, d->object, DAEMONSET_NAME, "SuccessfulCreate", "Created pod: {name}");
    plan_on_failure(d->plan, d->object, DAEMONSET_NAME, "FailedCreate", "Error creating: {error}");
}

void daemonset_delete(struct daemonset *d, const struct daemonset_pod *p)
{
    if (p->object->deleting || d->n_planned++ >= DAEMONSET_BURST)
        return;
    plan_delete(d->plan, p->object);
    plan_on_success(d->plan, d->object, DAEMONSET_NAME, "SuccessfulDelete", "Deleted pod: %s",
                    p->object->name);
    plan_on_failure(d->plan, d->object, DAEMONSET_NAME, "FailedDelete", "Error deleting: {error}");
}

/* --- pods that end: replaced, ever more slowly while they keep failing --- */

struct daemonset_failures {
    int64_t last_ms, pause_ms;
};

static void daemonset_replace_ended(struct daemonset *d, const struct daemonset_pod *p)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", d->object->uid, p->node);
    struct daemonset_failures *f = map_get(d->failures, key);
    bool failed = str_eq(p->object->phase, "Failed");

    if (f && d->now.mono_ms < f->last_ms + f->pause_ms) {
        plan_again(d->plan, f->last_ms + f->pause_ms - d->now.mono_ms);
        return;
    }
    if (!f) {
        f = MEM_NEW(struct daemonset_failures);
        map_put(d->failures, key, f);
    }
    /* Quiet for twice the longest pause: it starts over. */
    if (f->pause_ms == 0 || d->now.mono_ms - f->last_ms > 2 * DAEMONSET_BACKOFF_MAX_MS)
        f->pause_ms = DAEMONSET_BACKOFF_FIRST_MS;
    else if (f->pause_ms < DAEMONSET_BACKOFF_MAX_MS)
        f->pause_ms *= 2;
    f->last_ms = d->now.mono_ms;
    plan_event(d->plan, d->object, failed, DAEMONSET_NAME,
               failed ? "FailedDaemonPod" : "SucceededDaemonPod",
               "Found %s daemon pod %s/%s on node %s, will try to %s it",
               failed ? "failed" : "succeeded", p->object->ns, p->object->name, p->node,
               failed ? "kill" : "delete");
    daemonset_delete(d, p);
}

/* --- one pod per node --- */

/* Of several that run, the oldest of each revision stays; without surge only the oldest. */
static void daemonset_thin_out(struct daemonset *d, const struct daemonset_node *n)
{
    bool surges = !str_eq(json_str(d->tree, "spec.updateStrategy.type"), "OnDelete") &&
                  daemonset_roll_limit(d, "maxSurge") > 0;
    bool seen[2] = { false, false };

    for (size_t i = 0; i < n->n_pods; i++) {
        const struct daemonset_pod *p = n->pods[i];
        bool *slot = &seen[surges && p->updated];

        if (p->object->deleting || pod_is_terminal(p->tree))
            continue;
        if (*slot)
            daemonset_delete(d, p);
        *slot = true;
    }
}

static void daemonset_tend(struct daemonset *d, const struct daemonset_node *n)
{
    if (n->name[0] == '\0')
        return; /* adopted, and bound for nowhere */
    if (n->should_run && n->n_pods == 0) {
        daemonset_create(d, n);
        return;
    }
    if (!n->may_stay) {
        for (size_t i = 0; i < n->n_pods; i++)
            daemonset_delete(d, n->pods[i]);
        return;
    }
    for (size_t i = 0; i < n->n_pods; i++)
        if (pod_is_terminal(n->pods[i]->tree) && !n->pods[i]->object->deleting)
            daemonset_replace_ended(d, n->pods[i]);
    daemonset_thin_out(d, n);
}

/* --- status --- */

static void daemonset_count(const struct daemonset *d, json_t *status)
{
    int64_t desired = 0, current = 0, misplaced = 0, ready = 0, available = 0, updated = 0;

    for (size_t i = 0; i < d->n_nodes; i++) {
        const struct daemonset_node *n = &d->nodes[i];

        desired += n->should_run;
        misplaced += !n->should_run && n->object && n->n_pods > 0;
        if (!n->should_run || n->n_pods == 0)
            continue;
        current++;
        ready += pod_is_ready(n->pods[0]->tree);
        available += n->pods[0]->available;
        updated += n->pods[n->n_pods - 1]->updated;
    }
    json_put_int(status, "desiredNumberScheduled", desired);
    json_put_int(status, "currentNumberScheduled", current);
    json_put_int(status, "numberMisscheduled", misplaced);
    json_put_int(status, "numberReady", ready);
    json_put_int(status, "updatedNumberScheduled", updated);
    json_put_int(status, "numberAvailable", available);
    json_put_int(status, "numberUnavailable", desired - available);
}

static void daemonset_status(struct daemonset *d, int64_t collisions)
{
    static const char *const omitted_when_0[] = { "updatedNumberScheduled", "numberAvailable",
                                                  "numberUnavailable" };
    const json_t *old = json_object_get(d->tree, "status");
    cleanup(json_decrefpp) json_t *status = old ? json_deep_copy(old) : json_object();
    json_t *tree;

    daemonset_count(d, status);
    for (size_t i = 0; i < N_ELEMENTS(omitted_when_0); i++)
        if (json_int(status, omitted_when_0[i], 0) <= 0)
            json_del(status, omitted_when_0[i]);
    if (d->object->generation > 0)
        json_put_int(status, "observedGeneration", d->object->generation);
    if (collisions > 0)
        json_put_int(status, "collisionCount", collisions);
    if (old && json_equal(old, status))
        return;
    tree = json_deep_copy(d->tree);
    json_put(tree, "status", json_incref(status));
    plan_status(d->plan, d->object, tree);
}

/* --- the controller --- */

static bool daemonset_revision_is_live(void *arg, const char *name)
{
    const struct daemonset *d = arg;

    for (size_t i = 0; i < d->n_pods; i++) {
        const char *hash = object_label(d->pods[i].object, DAEMONSET_REVISION_LABEL);

        if (hash && str_ends(name, hash))
            return true;
    }
    return false;
}

static void daemonset_act(struct daemonset *d)
{
    int64_t collisions = json_int(d->tree, "status.collisionCount", 0);

    if (!history_sync(&d->history, collisions)) {
        daemonset_load_nodes(d);
        daemonset_status(d, collisions + 1);
        return;
    }
    d->hash = d->history.update->name + strlen(d->object->name) + 1;
    for (size_t i = 0; i < d->n_pods; i++)
        d->pods[i].updated = str_eq(object_label(d->pods[i].object, DAEMONSET_REVISION_LABEL),
                                    d->hash);
    daemonset_load_nodes(d);
    daemonset_status(d, collisions);
    if (d->object->deleting)
        return;
    for (size_t i = 0; i < d->n_nodes; i++)
        daemonset_tend(d, &d->nodes[i]);
    if (d->n_planned == 0)
        daemonset_roll(d);
    history_trim(&d->history, daemonset_revision_is_live, d);
}

static void daemonset_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                           const char *name, struct clock_now now)
{
    struct daemonset d = { .plan = ret, .view = v, .failures = state, .now = now };

    d.object = view_get(v, DAEMONSET, ns, name);
    if (!d.object)
        return;
    d.tree = view_tree(v, d.object);
    d.min_ready_seconds = json_int(d.tree, "spec.minReadySeconds", 0);
    d.history = (struct history){
        .plan = ret, .view = v, .owner = d.object, .tree = d.tree, .kind = "DaemonSet"
    };
    if (daemonset_load_pods(&d) && history_load(&d.history))
        daemonset_act(&d);
    daemonset_fini(&d);
}

static void daemonset_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;

    if (str_eq(o->bucket, DAEMONSET)) {
        queue_add(q, o->ns, o->name);
    } else if (str_eq(o->bucket, "nodes")) {
        const struct object *const *all = view_list(v, DAEMONSET, NULL, NULL);

        for (; *all; all++)
            queue_add(q, (*all)->ns, (*all)->name);
    } else {
        claim_map_controller(q, change, "DaemonSet");
        if (str_eq(o->bucket, "pods"))
            claim_map_orphan(q, v, change, DAEMONSET);
    }
}

static void *daemonset_state_new(void)
{
    return map_new(free);
}

static void daemonset_state_free(void *state)
{
    map_free(state);
}

static const char *const daemonset_buckets[] = { DAEMONSET, "pods", "nodes", HISTORY, NULL };

const struct controller daemonset_controller = {
    .name = DAEMONSET_NAME,
    .buckets = daemonset_buckets,
    .map = daemonset_map,
    .plan = daemonset_plan,
    .state_new = daemonset_state_new,
    .state_free = daemonset_state_free,
};
