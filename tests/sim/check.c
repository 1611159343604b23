/* What must hold at every change, whatever happens. */
#include "tests/sim/sim.h"

#include "api/intstr.h"
#include "api/node_affinity.h"
#include "api/pod_resources.h"
#include "api/pod_status.h"
#include "api/quota.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define CHECK_SCALERS        "horizontalpodautoscalers.autoscaling" /* its figures go on moving */
#define CHECK_CONTROLLERS_MS 5000 /* time for controllers to see what happened */

void sim_check_disturb(struct sim *s, int64_t for_ms)
{
    if (s->disturbed_until_ms < s->now_ms + for_ms)
        s->disturbed_until_ms = s->now_ms + for_ms;
}

/* --- one identity, one life --- */

static bool check_runs(const struct sim_slot *slot)
{
    return slot->state == SIM_LIVE || slot->state == SIM_READY || slot->state == SIM_STOPPING;
}

void sim_check_start(struct sim *s, const struct sim_slot *started)
{
    for (unsigned i = 0; i < s->n_agents && started->is_stateful; i++)
        for (size_t j = 0; j < SIM_SLOTS; j++) {
            const struct sim_slot *other = &s->agents[i].slots[j];

            if (other != started && check_runs(other) && str_eq(other->name, started->name))
                sim_fail(s, "two live pods are %s: on %s and on %s", started->name,
                         started->agent->name, s->agents[i].name);
        }
}

/* --- room --- */

static bool check_is_terminal(const struct object *o)
{
    return str_eq(o->phase, "Failed") || str_eq(o->phase, "Succeeded");
}

static void check_room(struct sim *s, const char *node)
{
    struct pod_resources room = POD_RESOURCES_EMPTY, asked = POD_RESOURCES_EMPTY;
    const struct object *o = store_get(s->store, "nodes", "", node);
    struct store_walk walk;

    if (!o)
        return;
    pod_resources_of_list(&room, json_at(view_tree(s->view, o), "status.allocatable"));
    store_walk_node(&walk, s->store, "pods", node);
    while ((o = store_walk_next(&walk))) {
        struct pod_resources one = POD_RESOURCES_EMPTY;

        if (!check_is_terminal(o))
            pod_resources_sum(&one, json_at(view_tree(s->view, o), "spec"));
        pod_resources_add(&asked, &one);
        pod_resources_fini(&one);
    }
    if (asked.cpu_milli > room.cpu_milli)
        sim_fail(s, "%s has %lldm cpu and its pods ask for %lldm", node, (long long)room.cpu_milli,
                 (long long)asked.cpu_milli);
    pod_resources_fini(&room);
    pod_resources_fini(&asked);
}

/* --- data --- */

static const json_t *check_volume_of(struct sim *s, const char *claim)
{
    const struct object *o = store_get(s->store, "persistentvolumeclaims", SIM_NS, claim);
    const char *name = o ? json_str(view_tree(s->view, o), "spec.volumeName") : NULL;

    o = name ? store_get(s->store, "persistentvolumes", "", name) : NULL;
    return o ? view_tree(s->view, o) : NULL;
}

/* A pod goes where its volumes are. */
static void check_volumes(struct sim *s, const struct object *pod)
{
    const struct object *node = store_get(s->store, "nodes", "", pod->node);
    json_t *volumes = json_at(view_tree(s->view, pod), "spec.volumes"), *v;
    size_t i;

    json_array_foreach (volumes, i, v) {
        const char *claim = json_str(v, "persistentVolumeClaim.claimName");
        const json_t *volume = claim ? check_volume_of(s, claim) : NULL;
        struct node_affinity *where;

        if (!claim)
            continue;
        if (!volume) {
            sim_fail(s, "%s is bound before its claim %s", pod->name, claim);
            return;
        }
        where = node_affinity_new(json_at(volume, "spec.nodeAffinity.required.nodeSelectorTerms"));
        if (node && !node_affinity_matches(where, node))
            sim_fail(s, "%s is on %s and its volume is not", pod->name, pod->node);
        node_affinity_free(where);
    }
}

/* --- surge and unavailability --- */

struct check_rollout {
    int64_t active, ready;
    int64_t most, least; /* that the Deployment as it is now allows */
    bool recreate;
    char hash[32]; /* of the template of the pods there are */
    bool mixed;
    bool has_looked; /* its controllers have seen what is asked for now */
};

/* Is @pod run by a set of the Deployment @owner? */
static bool check_belongs(struct sim *s, const struct object *pod, const struct object *owner)
{
    const struct object_owner *set = object_controller(pod);
    const struct object *o = set ? store_get(s->store, "replicasets.apps", pod->ns, set->name)
                                 : NULL;

    return o && str_eq(o->uid, set->uid) && object_owned_by(o, owner->uid);
}

static void check_limits(struct check_rollout *c, const json_t *tree)
{
    const json_t *rolling = json_at(tree, "spec.strategy.rollingUpdate");
    int64_t replicas = json_int(tree, "spec.replicas", 1), surge = 0, unavailable = 0;

    c->recreate = str_eq(json_str(tree, "spec.strategy.type"), "Recreate");
    intstr_scale(json_object_get(rolling, "maxSurge"), replicas, true, &surge);
    intstr_scale(json_object_get(rolling, "maxUnavailable"), replicas, false, &unavailable);
    c->most = replicas + surge;
    c->least = c->recreate ? 0 : replicas - unavailable;
}

static bool check_has_looked(struct sim *s, const struct object *o)
{
    return json_int(view_tree(s->view, o), "status.observedGeneration", 0) >= o->generation;
}

static bool check_all_looked(struct sim *s, const struct object *owner)
{
    const struct object *const *sets;
    size_t n;

    if (!check_has_looked(s, owner))
        return false;
    sets = view_owned(s->view, "replicasets.apps", owner->uid, &n);
    for (size_t i = 0; i < n; i++)
        if (!check_has_looked(s, sets[i]))
            return false;
    return true;
}

static bool check_count(struct sim *s, const struct sim_workload *w, struct check_rollout *c)
{
    const struct object *owner = store_get(s->store, "deployments.apps", SIM_NS, w->name), *o;
    struct store_iter it;

    *c = (struct check_rollout){ 0 };
    if (!owner || owner->deleting)
        return false;
    check_limits(c, view_tree(s->view, owner));
    c->has_looked = check_all_looked(s, owner);
    store_iter_init(&it, s->store, "pods", SIM_NS, NULL, NULL);
    while ((o = store_iter_next(&it))) {
        const char *hash = object_label(o, "pod-template-hash");

        if (check_is_terminal(o) || !str_eq(object_label(o, "app"), w->name) ||
            !check_belongs(s, o, owner))
            continue;
        c->mixed |= c->hash[0] && !str_eq(c->hash, hash);
        snprintf(c->hash, sizeof(c->hash), "%s", hash ? hash : "");
        if (o->deleting)
            continue;
        c->active++;
        c->ready += pod_is_ready(view_tree(s->view, o));
    }
    return true;
}

/* A change of mind takes a while to be carried out; until the number is within the new
 * bounds once, the old ones hold too. */
static void check_rollout(struct sim *s, struct sim_workload *w, bool taken_by_controller)
{
    struct check_rollout c;

    if (!check_count(s, w, &c)) {
        w->high = 0;
        w->low = 0;
        return;
    }
    if (c.has_looked && c.active <= c.most)
        w->high = c.most;
    else if (w->high < c.most)
        w->high = c.most;
    if (c.active > w->high)
        sim_fail(s, "%s has %lld pods, %lld are allowed", w->name, (long long)c.active,
                 (long long)w->high);
    if (c.has_looked && c.ready >= c.least)
        w->low = c.least;
    else if (w->low > c.least)
        w->low = c.least;
    if (taken_by_controller && c.ready < w->low && s->now_ms >= s->disturbed_until_ms)
        sim_fail(s, "%s has %lld ready pods after a deletion, at least %lld must stay", w->name,
                 (long long)c.ready, (long long)w->low);
    if (c.recreate && c.mixed)
        sim_fail(s, "%s is to be recreated and has pods of two templates", w->name);
}

/* --- following --- */

static bool check_was_ready(struct sim *s, const struct object *o)
{
    return o && pod_is_ready(view_tree(s->view, o));
}

static bool check_node_is_well(struct sim *s, const char *node)
{
    for (unsigned i = 0; i < s->n_agents; i++)
        if (str_eq(s->agents[i].name, node))
            return s->agents[i].powered && s->agents[i].linked;
    return true;
}

static void check_pod(struct sim *s, const struct store_change *change)
{
    const struct object *o = change->object, *before = change->before;
    struct sim_workload *w = sim_workload_of(s, o);
    bool was_ready = check_was_ready(s, before), taken;
    bool preempted = strstr(o->json, "\"PreemptionByScheduler\"") != NULL;

    if (!str_empty(o->node) && change->type != STORE_DELETED) {
        sim_agent_wake(s, o->node);
        if (!before || str_empty(before->node)) {
            check_room(s, o->node);
            check_volumes(s, o);
        }
    } else if (!str_empty(o->node)) {
        sim_agent_wake(s, o->node);
    }
    if (preempted && w && w->is_critical)
        sim_fail(s, "%s left for a pod that is no more important", o->name);
    /* A pod that was lost, not taken, leaves the controllers a moment to notice. */
    taken = was_ready && !before->deleting && !preempted && o->deleting &&
            check_node_is_well(s, o->node);
    if (was_ready && !before->deleting && !taken &&
        (o->deleting || change->type == STORE_DELETED || !check_was_ready(s, o)))
        sim_check_disturb(s, CHECK_CONTROLLERS_MS);
    if (w && !w->is_stateful && !w->is_daemon)
        check_rollout(s, w, taken);
}

/* Every bound that was ever asked for counts, also one that no pod came to see.  A change of size
 * amid a rollout is spread over old and new sets by their sizes, as in Kubernetes, not by what
 * is ready: unavailability is not promised then. */
static void check_deployment(struct sim *s, const struct store_change *change)
{
    const struct object *o = change->object, *before = change->before;

    if (before && json_int(view_tree(s->view, o), "spec.replicas", 1) !=
                      json_int(view_tree(s->view, before), "spec.replicas", 1))
        sim_check_disturb(s, CHECK_CONTROLLERS_MS);
    for (unsigned i = 0; i < s->n_workloads; i++)
        if (str_eq(s->workloads[i].name, o->name))
            check_rollout(s, &s->workloads[i], false);
}

static bool check_may_go_on_forever(const char *bucket)
{
    return str_eq(bucket, "leases.coordination.k8s.io") || str_eq(bucket, "events") ||
           str_eq(bucket, "nodes");
}

static void check_change(struct sim *s, const struct store_change *change)
{
    static const char *const verbs[] = { "+", "~", "-" };
    const struct object *o = change->object;

    s->stats.changes++;
    if (o->revision <= s->highest)
        sim_fail(s, "revision %llu after %llu", (unsigned long long)o->revision,
                 (unsigned long long)s->highest);
    s->highest = o->revision;
    if (!check_may_go_on_forever(o->bucket) && !str_eq(o->bucket, CHECK_SCALERS)) {
        s->last_change_ms = s->now_ms;
        sim_say(s, "  %s %s %s%s%s %s", verbs[change->type], o->bucket, o->name,
                str_empty(o->node) ? "" : " on ", o->node, o->deleting ? "(leaving)" : o->phase);
    }
    if (str_eq(o->bucket, "pods"))
        check_pod(s, change);
    else if (str_eq(o->bucket, "deployments.apps"))
        check_deployment(s, change);
    if (str_eq(o->bucket, "deployments.apps"))
        sim_load_check(s);
    else if (str_eq(o->bucket, "jobs.batch") && change->type != STORE_DELETED)
        sim_cron_check(s, o);
}

/* --- quotas --- */

#define CHECK_QUOTA_EVERY 16 /* revisions: it counts all there is */

/* With nothing under way, what a quota says is exact. */
static void check_quota(struct sim *s)
{
    const struct object *o = store_get(s->store, "resourcequotas", SIM_NS, SIM_QUOTA);
    struct store_stats stats;

    store_stats(s->store, &stats);
    if (o && stats.pending == 0 && stats.revision >= s->quota_counted + CHECK_QUOTA_EVERY) {
        cleanup(json_decrefpp) json_t *used = quota_count(s->store, view_tree(s->view, o), false);
        cleanup(freep) char *text = json_print(used, NULL);

        s->quota_counted = stats.revision;
        if (!json_equal(used, json_at(view_tree(s->view, o), "status.used")))
            sim_fail(s, "the quota is untrue: %s, there are %s", o->json, text);
    }
}

/* It looks after every event anyway. */
static void check_on_wake(void *arg)
{
    (void)arg;
}

void sim_check_follow(struct sim *s)
{
    struct store_change change;
    int rc;

    if (!s->up)
        return;
    if (!s->watch && store_cursor_new(&s->watch, s->store, NULL, store_revision(s->store),
                                      check_on_wake, s) != 0)
        return;
    while (!s->failed && (rc = store_cursor_next(s->watch, &change)) != 0) {
        if (rc == STORE_TOO_OLD) { /* one batch was larger than the ring */
            s->watch = store_cursor_free(s->watch);
            sim_agent_wake_all(s);
            return;
        }
        check_change(s, &change);
    }
    check_quota(s);
    view_end_step(s->view);
}

/* --- crashes --- */

/* These may lose their last seconds. */
static bool check_is_lazy(const char *bucket)
{
    return check_may_go_on_forever(bucket);
}

static void check_each(struct sim *s, void (*fn)(struct sim *s, const char *key, uint64_t revision))
{
    cleanup(freep) const char **buckets = store_buckets(s->store);

    for (const char **b = buckets; *b; b++) {
        const struct object *o;
        struct store_iter it;

        if (check_is_lazy(*b))
            continue;
        store_iter_init(&it, s->store, *b, NULL, NULL, NULL);
        while ((o = store_iter_next(&it))) {
            cleanup(freep) char *key = mem_fmt("%s %s/%s", o->bucket, o->ns, o->name);

            fn(s, key, o->revision);
        }
    }
}

static void check_remember(struct sim *s, const char *key, uint64_t revision)
{
    uint64_t *copy = MEM_NEW(uint64_t);

    *copy = revision;
    map_put(s->before_crash, key, copy);
}

void sim_check_before_crash(struct sim *s)
{
    sim_check_follow(s);
    map_free(s->before_crash);
    s->before_crash = map_new(free);
    check_each(s, check_remember);
}

static void check_compare(struct sim *s, const char *key, uint64_t revision)
{
    uint64_t *before = map_get(s->before_crash, key);

    if (!before)
        sim_fail(s, "%s was not there before the crash", key);
    else if (*before != revision)
        sim_fail(s, "%s was at revision %llu before the crash and is at %llu", key,
                 (unsigned long long)*before, (unsigned long long)revision);
    else
        map_del(s->before_crash, key);
}

void sim_check_after_crash(struct sim *s)
{
    cleanup(freep) const char **lost = NULL;

    if (!s->before_crash)
        return;
    check_each(s, check_compare);
    lost = map_keys(s->before_crash);
    if (lost[0])
        sim_fail(s, "lost with the crash: %s", lost[0]);
    s->before_crash = map_free(s->before_crash);
}
