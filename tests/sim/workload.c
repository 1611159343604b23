/* What people and the weather do: workloads come, change and go; things break. */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define WORKLOAD_USER "kubernetes-admin"

static const char *workload_bucket(const struct sim_workload *w)
{
    if (w->is_daemon)
        return "daemonsets.apps";
    return w->is_stateful ? "statefulsets.apps" : "deployments.apps";
}

/* @fmt is JSON with single quotes. */
static json_t *workload_json(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static json_t *workload_json(const char *fmt, ...)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < t.len; i++)
        if (t.data[i] == '\'')
            t.data[i] = '"';
    if (json_parse(&tree, t.data, t.len, NULL, &err) < 0)
        abort();
    return tree;
}

/* --- making them --- */

static void workload_strategy(const struct sim_workload *w, json_t *tree)
{
    if (w->is_daemon)
        json_put(tree, "spec.updateStrategy",
                 workload_json("{'type': 'RollingUpdate', 'rollingUpdate':"
                               " {'maxSurge': %d, 'maxUnavailable': %d}}",
                               w->surge > 0, w->surge == 0));
    else if (w->is_stateful)
        json_put_str(tree, "spec.podManagementPolicy", w->parallel ? "Parallel" : "OrderedReady");
    else if (w->recreate)
        json_put_str(tree, "spec.strategy.type", "Recreate");
    else
        json_put(tree, "spec.strategy",
                 workload_json("{'type': 'RollingUpdate', 'rollingUpdate':"
                               " {'maxSurge': %lld, 'maxUnavailable': %lld}}",
                               (long long)w->surge, (long long)w->unavailable));
}

static json_t *workload_tree(const struct sim_workload *w)
{
    json_t *tree = workload_json(
        "{'apiVersion': 'apps/v1', 'kind': '%s', 'metadata': {'name': '%s'}, 'spec': {"
        " 'replicas': %lld, 'selector': {'matchLabels': {'app': '%s'}},"
        " 'template': {'metadata': {'labels': {'app': '%s'}, 'annotations': {'v': '%u'}},"
        " 'spec': {'containers': [{'name': 'main', 'image': 'app',"
        "   'resources': {'requests': {'cpu': '%lldm'}}}]}}}}",
        w->is_daemon     ? "DaemonSet"
        : w->is_stateful ? "StatefulSet"
                         : "Deployment",
        w->name, (long long)w->replicas, w->name, w->name, w->version, (long long)w->cpu_milli);

    if (w->is_daemon)
        json_del(tree, "spec.replicas");
    if (w->is_stateful)
        json_put_str(tree, "spec.serviceName", w->name);
    if (w->has_claims)
        json_put(tree, "spec.volumeClaimTemplates",
                 workload_json("[{'metadata': {'name': 'data'}, 'spec': {'accessModes':"
                               " ['ReadWriteOnce'], 'resources': {'requests':"
                               " {'storage': '1Gi'}}}}]"));
    if (w->is_critical)
        json_put_str(tree, "spec.template.spec.priorityClassName", "system-cluster-critical");
    workload_strategy(w, tree);
    return tree;
}

struct workload_call {
    struct sim *sim;
    struct sim_workload *w;
};

/* What was refused, or never answered, is tried again: people do. */
static void workload_on_created(void *arg, const struct registry_answer *answer)
{
    struct workload_call *call = arg;

    if (answer->http >= 300 && answer->http != 409)
        sim_say(call->sim, "create %s: %d %s", call->w->name, answer->http,
                json_str_or(answer->body, "message", ""));
    call->w->exists = answer->http < 300 || answer->http == 409;
    free(call);
}

/* Nothing comes near its limits; what it says is used must be true (check.c). */
static void workload_quota(struct sim *s)
{
    if (s->up && !store_get(s->store, "resourcequotas", SIM_NS, SIM_QUOTA))
        sim_write(s, WORKLOAD_USER, REGISTRY_CREATE, "resourcequotas", "", "",
                  workload_json("{'metadata': {'name': '" SIM_QUOTA "'}, 'spec': {'hard': {"
                                "'pods': '1k', 'count/pods': '1k', 'services': '1k',"
                                " 'persistentvolumeclaims': '1k', 'requests.storage': '1Ti',"
                                " 'count/replicasets.apps': '10k'}}}"),
                  NULL, NULL);
}

static void workload_create(struct sim *s, struct sim_workload *w)
{
    struct workload_call *call = MEM_NEW(struct workload_call);

    workload_quota(s);
    *call = (struct workload_call){ s, w };
    sim_say(s, "create %s with %lld", w->name, (long long)w->replicas);
    if (!sim_write(s, WORKLOAD_USER, REGISTRY_CREATE, workload_bucket(w), "", "", workload_tree(w),
                   workload_on_created, call))
        free(call);
    if (w->has_service)
        sim_write(s, WORKLOAD_USER, REGISTRY_CREATE, "services", "", "",
                  workload_json("{'metadata': {'name': '%s'}, 'spec': {'selector':"
                                " {'app': '%s'}, 'ports': [{'port': 80}]}}",
                                w->name, w->name),
                  NULL, NULL);
}

void sim_workloads_init(struct sim *s)
{
    s->n_workloads = (unsigned)sim_between(s, 2, 4);
    for (unsigned i = 0; i < s->n_workloads; i++) {
        struct sim_workload *w = &s->workloads[i];

        w->is_stateful = i == 0 || sim_chance(s, 40);
        w->is_daemon = i > 1 && !w->is_stateful && sim_chance(s, 30);
        snprintf(w->name, sizeof(w->name), "%s-%u",
                 w->is_daemon     ? "log"
                 : w->is_stateful ? "db"
                                  : "web",
                 i);
        w->replicas = sim_between(s, 1, 4);
        w->cpu_milli = 20 * sim_between(s, 3, 8);
        w->recreate = !w->is_stateful && sim_chance(s, 15);
        w->parallel = w->is_stateful && sim_chance(s, 30);
        w->has_claims = w->is_stateful && !s->tight && sim_chance(s, 50);
        w->has_service = sim_chance(s, 60);
        w->is_critical = sim_chance(s, 40);
        w->surge = sim_between(s, 0, 2);
        w->unavailable = sim_between(s, w->surge == 0, 2);
    }
}

struct sim_workload *sim_workload_of(struct sim *s, const struct object *pod)
{
    const char *app = object_label(pod, "app");

    for (unsigned i = 0; app && i < s->n_workloads; i++)
        if (str_eq(s->workloads[i].name, app))
            return &s->workloads[i];
    return NULL;
}

/* --- changing them --- */

static void workload_patch(struct sim *s, const struct sim_workload *w, json_t *patch_steal)
{
    sim_write(s, WORKLOAD_USER, REGISTRY_PATCH, workload_bucket(w), "", w->name, patch_steal, NULL,
              NULL);
}

static void workload_update(struct sim *s, struct sim_workload *w);

static void workload_scale(struct sim *s, struct sim_workload *w)
{
    if (w->is_daemon) {
        workload_update(s, w);
        return;
    }
    /* More than there is room for, now and then: then priorities decide. */
    w->replicas = sim_between(s, sim_chance(s, 90), s->tight ? 12 : 5);
    sim_say(s, "scale %s to %lld", w->name, (long long)w->replicas);
    workload_patch(s, w, workload_json("{'spec': {'replicas': %lld}}", (long long)w->replicas));
}

static void workload_update(struct sim *s, struct sim_workload *w)
{
    /* Sometimes back to one that was there before. */
    w->version = sim_chance(s, 30) && w->version > 0 ? w->version - 1 : w->version + 1;
    sim_say(s, "update %s to version %u", w->name, w->version);
    workload_patch(s, w,
                   workload_json("{'spec': {'template': {'metadata': {'annotations':"
                                 " {'v': '%u'}}}}}",
                                 w->version));
}

static void workload_delete(struct sim *s, struct sim_workload *w)
{
    static const char *const policies[] = { "Background", "Background", "Foreground" };

    sim_say(s, "delete %s", w->name);
    sim_check_disturb(s, 10000);
    w->exists = false;
    sim_write(s, WORKLOAD_USER, REGISTRY_DELETE, workload_bucket(w), "", w->name,
              workload_json("{'propagationPolicy': '%s'}", policies[sim_between(s, 0, 2)]), NULL,
              NULL);
}

static void workload_delete_pod(struct sim *s, struct sim_workload *w)
{
    const struct object *o, *victim = NULL;
    struct store_iter it;
    unsigned n = 0;

    (void)w;
    if (!s->up)
        return;
    store_iter_init(&it, s->store, "pods", SIM_NS, NULL, NULL);
    while ((o = store_iter_next(&it)))
        if (sim_random(s) % ++n == 0)
            victim = o;
    if (!victim)
        return;
    sim_say(s, "delete pod %s", victim->name);
    sim_check_disturb(s, 10000);
    sim_write(s, WORKLOAD_USER, REGISTRY_DELETE, "pods", "", victim->name, NULL, NULL, NULL);
}

/* Another writer touches objects while the controllers are at work. */
static void workload_touch(struct sim *s, void *arg)
{
    static const char *const buckets[] = { "deployments.apps", "replicasets.apps",
                                           "statefulsets.apps", "pods" };
    const struct object *o, *chosen = NULL;
    struct store_iter it;
    unsigned n = 0;

    (void)arg;
    if (!s->up)
        return;
    for (size_t i = 0; i < N_ELEMENTS(buckets); i++) {
        store_iter_init(&it, s->store, buckets[i], SIM_NS, NULL, NULL);
        while ((o = store_iter_next(&it)))
            if (sim_random(s) % ++n == 0)
                chosen = o;
    }
    if (chosen)
        sim_write(s, WORKLOAD_USER, REGISTRY_PATCH, chosen->bucket, "", chosen->name,
                  workload_json("{'metadata': {'annotations': {'touched': '%llu'}}}",
                                (unsigned long long)sim_random(s) % 1000),
                  NULL, NULL);
}

void sim_workloads_touch(struct sim *s, int64_t n, int64_t ms)
{
    for (int64_t i = 0; i < n; i++)
        sim_after(s, sim_between(s, 0, ms), workload_touch, NULL, NULL);
}

static void workload_touch_often(struct sim *s, struct sim_workload *w)
{
    (void)w;
    sim_workloads_touch(s, sim_between(s, 1, 20), 2000);
}

/* --- things break --- */

static struct sim_agent *workload_some_agent(struct sim *s)
{
    return &s->agents[sim_between(s, 0, s->n_agents - 1)];
}

static void workload_power_on(struct sim *s, void *arg)
{
    (void)s;
    sim_agent_power_on(arg);
}

static void workload_link_on(struct sim *s, void *arg)
{
    (void)s;
    sim_agent_link(arg, true);
}

static int64_t workload_outage_ms(struct sim *s)
{
    return sim_chance(s, 60) ? sim_between(s, 500, 60000) : sim_between(s, 60000, 500000);
}

static void workload_lose_node(struct sim *s, struct sim_workload *w)
{
    struct sim_agent *a = workload_some_agent(s);

    (void)w;
    sim_agent_power_off(a);
    sim_after(s, workload_outage_ms(s), workload_power_on, a, &a->life);
}

static void workload_cut_node(struct sim *s, struct sim_workload *w)
{
    struct sim_agent *a = workload_some_agent(s);

    (void)w;
    sim_agent_link(a, false);
    sim_after(s, workload_outage_ms(s), workload_link_on, a, NULL);
}

static void workload_restart_agent(struct sim *s, struct sim_workload *w)
{
    (void)w;
    sim_agent_restart(workload_some_agent(s));
}

static void workload_crash_container(struct sim *s, struct sim_workload *w)
{
    (void)w;
    sim_agent_crash_container(workload_some_agent(s), sim_chance(s, 25));
}

static void workload_server_on(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->up)
        sim_server_start(s);
}

static void workload_crash_server(struct sim *s, struct sim_workload *w)
{
    (void)w;
    sim_server_crash(s, sim_chance(s, 50));
    sim_after(s, sim_between(s, 50, 15000), workload_server_on, NULL, &s->server_life);
}

static void workload_disk_heals(struct sim *s, void *arg)
{
    (void)arg;
    backend_memory_fail(s->disk, 1, 0, ERR_IO);
}

static void workload_fill_disk(struct sim *s, struct sim_workload *w)
{
    (void)w;
    sim_say(s, "the disk is full");
    sim_check_disturb(s, 40000);
    backend_memory_fail(s->disk, 1, 1000000, ERR_NOSPACE);
    sim_after(s, sim_between(s, 100, 20000), workload_disk_heals, NULL, NULL);
}

static void workload_cordon(struct sim *s, struct sim_workload *w)
{
    bool off = sim_chance(s, 40);
    struct sim_agent *a = workload_some_agent(s);

    (void)w;
    sim_say(s, "%s %s", off ? "cordon" : "uncordon", a->name);
    sim_write(s, WORKLOAD_USER, REGISTRY_PATCH, "nodes", "", a->name,
              workload_json("{'spec': {'unschedulable': %s}}", off ? "true" : "null"), NULL, NULL);
}

/* --- the dice --- */

static const struct workload_act {
    unsigned weight;
    bool needs_workload;
    void (*act)(struct sim *s, struct sim_workload *w);
} workload_acts[] = {
    { 16, true, workload_scale },
    { 16, true, workload_update },
    { 4, true, workload_delete },
    { 10, false, workload_delete_pod },
    { 10, false, workload_touch_often },
    { 5, false, workload_lose_node },
    { 5, false, workload_cut_node },
    { 5, false, workload_restart_agent },
    { 10, false, workload_crash_container },
    { 8, false, workload_crash_server },
    { 2, false, workload_fill_disk },
    { 4, false, workload_cordon },
};

static void workload_roll_dice(struct sim *s)
{
    struct sim_workload *w = &s->workloads[sim_between(s, 0, s->n_workloads - 1)];
    unsigned total = 0, at;
    size_t i = 0;

    for (size_t j = 0; j < N_ELEMENTS(workload_acts); j++)
        total += workload_acts[j].weight;
    at = (unsigned)(sim_random(s) % total);
    while (at >= workload_acts[i].weight)
        at -= workload_acts[i++].weight;
    if (workload_acts[i].needs_workload && !w->exists)
        workload_create(s, w);
    else
        workload_acts[i].act(s, w);
}

static void workload_on_act(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->chaos)
        return;
    workload_roll_dice(s);
    sim_after(s, sim_chance(s, 40) ? sim_between(s, 0, 500) : sim_between(s, 500, 14000),
              workload_on_act, NULL, NULL);
}

void sim_workloads_act(struct sim *s)
{
    sim_after(s, 100, workload_on_act, NULL, NULL);
}

/* Everything is there, of a size that fits, until it is so. */
static void workload_on_settle(struct sim *s, void *arg)
{
    bool all = s->up;

    (void)arg;
    for (unsigned i = 0; i < s->n_workloads; i++) {
        struct sim_workload *w = &s->workloads[i];

        if (!w->exists)
            workload_create(s, w);
        all &= w->exists;
    }
    if (!all)
        sim_after(s, 1000, workload_on_settle, NULL, NULL);
}

void sim_workloads_settle(struct sim *s)
{
    for (unsigned i = 0; i < s->n_agents; i++)
        sim_write(s, WORKLOAD_USER, REGISTRY_PATCH, "nodes", "", s->agents[i].name,
                  workload_json("{'spec': {'unschedulable': null}}"), NULL, NULL);
    for (unsigned i = 0; i < s->n_workloads; i++)
        if (s->workloads[i].replicas > 3 && !s->workloads[i].is_daemon) {
            s->workloads[i].replicas = 3;
            workload_patch(s, &s->workloads[i], workload_json("{'spec': {'replicas': 3}}"));
        }
    workload_on_settle(s, NULL);
}
