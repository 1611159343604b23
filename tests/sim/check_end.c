/* What must hold when all is quiet: everything is as it was asked for, and nothing is left over. */
#include "tests/sim/sim.h"

#include "api/pod_status.h"
#include "api/quota.h"
#include "base/map.h"
#include "base/mem.h"

/* --- workloads are complete --- */

/* All that is known of a workload, for the reader of a failure. */
static void end_tell(struct sim *s, const char *name)
{
    cleanup(freep) const char **buckets = store_buckets(s->store);

    for (const char **b = buckets; *b; b++) {
        const struct object *o;
        struct store_iter it;

        store_iter_init(&it, s->store, *b, SIM_NS, NULL, NULL);
        while ((o = store_iter_next(&it)))
            if (str_starts(o->name, name) && !str_eq(*b, "events"))
                sim_say(s, "%s %s", *b, o->json);
    }
}

static void end_expect(struct sim *s, const char *name, const json_t *tree, const char *field,
                       int64_t want)
{
    int64_t have = json_int(json_object_get(tree, "status"), field, 0);

    if (have == want)
        return;
    end_tell(s, name);
    sim_fail(s, "%s came to rest with %s %lld, wanted is %lld", name, field, (long long)have,
             (long long)want);
}

static void end_check_daemon(struct sim *s, const struct sim_workload *w)
{
    const struct object *o = store_get(s->store, "daemonsets.apps", SIM_NS, w->name);
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (!o)
        return;
    tree = object_tree(o);
    end_expect(s, w->name, tree, "observedGeneration", o->generation);
    end_expect(s, w->name, tree, "desiredNumberScheduled", s->n_agents);
    end_expect(s, w->name, tree, "updatedNumberScheduled", s->n_agents);
    end_expect(s, w->name, tree, "numberReady", s->n_agents);
    end_expect(s, w->name, tree, "numberAvailable", s->n_agents);
    end_expect(s, w->name, tree, "numberMisscheduled", 0);
}

static void end_check_workload(struct sim *s, const struct sim_workload *w)
{
    const struct object *o = store_get(
        s->store, w->is_stateful ? "statefulsets.apps" : "deployments.apps", SIM_NS, w->name);
    cleanup(json_decrefpp) json_t *tree = NULL;
    int64_t replicas, pods = 0;
    struct store_iter it;

    if (!o)
        return;
    tree = object_tree(o);
    replicas = json_int(tree, "spec.replicas", 1);
    end_expect(s, w->name, tree, "observedGeneration", o->generation);
    end_expect(s, w->name, tree, "replicas", replicas);
    end_expect(s, w->name, tree, "updatedReplicas", replicas);
    end_expect(s, w->name, tree, "readyReplicas", replicas);
    end_expect(s, w->name, tree, "availableReplicas", replicas);
    store_iter_init(&it, s->store, "pods", SIM_NS, NULL, NULL);
    while ((o = store_iter_next(&it)))
        pods += str_eq(object_label(o, "app"), w->name) && !o->deleting &&
                !str_eq(o->phase, "Failed");
    if (pods != replicas)
        sim_fail(s, "%s came to rest with %lld pods, wanted are %lld", w->name, (long long)pods,
                 (long long)replicas);
}

/* --- nothing is left over --- */

static void end_check_owners(struct sim *s, const struct object *o, const struct map *uids)
{
    bool any = o->n_owners == 0;

    for (size_t i = 0; i < o->n_owners; i++)
        any |= map_get(uids, o->owners[i].uid) != NULL;
    if (!any)
        sim_fail(s, "%s %s is left over: its owner %s is gone", o->bucket, o->name,
                 o->owners[0].name);
    if (o->deleting)
        sim_fail(s, "%s %s came to rest while leaving", o->bucket, o->name);
}

static void end_each(struct sim *s, void (*fn)(struct sim *, const struct object *, struct map *),
                     struct map *uids)
{
    cleanup(freep) const char **buckets = store_buckets(s->store);

    for (const char **b = buckets; *b; b++) {
        const struct object *o;
        struct store_iter it;

        store_iter_init(&it, s->store, *b, NULL, NULL, NULL);
        while ((o = store_iter_next(&it)))
            fn(s, o, uids);
    }
}

static void end_note_uid(struct sim *s, const struct object *o, struct map *uids)
{
    (void)s;
    map_put(uids, o->uid, (void *)(uintptr_t)o->bucket);
}

static void end_look(struct sim *s, const struct object *o, struct map *uids)
{
    end_check_owners(s, o, uids);
}

static void end_check_slots(struct sim *s, const struct map *uids)
{
    for (unsigned i = 0; i < s->n_agents; i++)
        for (size_t j = 0; j < SIM_SLOTS; j++) {
            const struct sim_slot *slot = &s->agents[i].slots[j];

            if (slot->state != SIM_FREE && !map_get(uids, slot->uid))
                sim_fail(s, "%s still runs %s, which is gone", s->agents[i].name, slot->name);
        }
}

/* --- services lead to the pods that are ready, and to no others --- */

static void end_check_service(struct sim *s, const struct sim_workload *w)
{
    const struct object *o;
    int64_t listed = 0, ready = 0;
    struct store_iter it;

    if (!store_get(s->store, "services", SIM_NS, w->name))
        return;
    store_iter_init(&it, s->store, "endpointslices.discovery.k8s.io", SIM_NS, NULL, NULL);
    while ((o = store_iter_next(&it))) {
        cleanup(json_decrefpp) json_t *tree = NULL;
        json_t *endpoint;
        size_t i;

        if (!str_eq(object_label(o, "kubernetes.io/service-name"), w->name))
            continue;
        tree = object_tree(o);
        json_array_foreach (json_object_get(tree, "endpoints"), i, endpoint) {
            const char *name = json_str_or(endpoint, "targetRef.name", "");
            const struct object *pod = store_get(s->store, "pods", SIM_NS, name);

            if (!pod || !str_eq(pod->uid, json_str(endpoint, "targetRef.uid")))
                sim_fail(s, "service %s leads to %s, which is gone", w->name, name);
            listed += json_bool(endpoint, "conditions.ready", false);
        }
    }
    store_iter_init(&it, s->store, "pods", SIM_NS, NULL, NULL);
    while ((o = store_iter_next(&it))) {
        cleanup(json_decrefpp) json_t *pod = NULL;

        if (!str_eq(object_label(o, "app"), w->name))
            continue;
        pod = object_tree(o);
        ready += pod_is_ready(pod) && !o->deleting;
    }
    if (listed != ready)
        sim_fail(s, "service %s leads to %lld pods, %lld are ready", w->name, (long long)listed,
                 (long long)ready);
}

/* --- the quota says what is there --- */

static void end_check_quota(struct sim *s)
{
    const struct object *o = store_get(s->store, "resourcequotas", SIM_NS, SIM_QUOTA);
    cleanup(json_decrefpp) json_t *quota = o ? object_tree(o) : NULL;
    cleanup(json_decrefpp) json_t *used = NULL;
    const char *name;
    json_t *value;

    if (!quota)
        return;
    used = quota_count(s->store, quota, false);
    json_object_foreach (used, name, value)
        if (!json_equal(value, json_object_get(json_at(quota, "status.used"), name)))
            sim_fail(s, "the quota says %s of %s, there are %s",
                     json_str_or(json_at(quota, "status.used"), name, "nothing"), name,
                     json_string_value(value));
}

void sim_check_end(struct sim *s)
{
    struct map *uids = map_new(NULL);

    for (unsigned i = 0; i < s->n_workloads; i++)
        (s->workloads[i].is_daemon ? end_check_daemon : end_check_workload)(s, &s->workloads[i]);
    sim_load_check_end(s);
    end_check_quota(s);
    end_each(s, end_note_uid, uids);
    end_each(s, end_look, uids);
    end_check_slots(s, uids);
    for (unsigned i = 0; i < s->n_workloads; i++)
        end_check_service(s, &s->workloads[i]);
    map_free(uids);
}
