/* A load that comes and goes, a Deployment that carries it, and the autoscaler between them.  The
 * nodes' figures are made here and put where the server's questions would put them. */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <string.h>

#define LOAD_USER      "kubernetes-admin"
#define LOAD_NAME      "load"
#define LOAD_SAMPLE_MS 5000
#define LOAD_WINDOW_MS 20000 /* scaleDown.stabilizationWindowSeconds */
#define LOAD_SLACK_MS  2000  /* between a decision and its being seen */
#define LOAD_POD_MILLI 10
#define LOAD_TARGET    50 /* percent */
#define LOAD_MIN       1
#define LOAD_MAX       4

static json_t *load_json(const char *text)
{
    cleanup(freep) char *json = mem_str(text);
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    if (json_parse(&tree, json, strlen(json), NULL, &err) < 0)
        abort();
    return tree;
}

/* --- being there --- */

static void load_create(struct sim *s, const char *bucket, const char *text)
{
    if (!store_get(s->store, bucket, SIM_NS, LOAD_NAME))
        sim_write(s, LOAD_USER, REGISTRY_CREATE, bucket, "", "", load_json(text), NULL, NULL);
}

static void load_make(struct sim *s)
{
    load_create(s, "deployments.apps",
                "{'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': 'load'},"
                " 'spec': {'selector': {'matchLabels': {'app': 'load'}}, 'template': {'metadata':"
                " {'labels': {'app': 'load'}}, 'spec': {'containers': [{'name': 'main', 'image':"
                " 'app', 'resources': {'requests': {'cpu': '10m'}}}]}}}}");
    load_create(s, "horizontalpodautoscalers.autoscaling",
                "{'apiVersion': 'autoscaling/v2', 'kind': 'HorizontalPodAutoscaler', 'metadata':"
                " {'name': 'load'}, 'spec': {'scaleTargetRef': {'apiVersion': 'apps/v1', 'kind':"
                " 'Deployment', 'name': 'load'}, 'minReplicas': 1, 'maxReplicas': 4, 'metrics':"
                " [{'type': 'Resource', 'resource': {'name': 'cpu', 'target': {'type':"
                " 'Utilization', 'averageUtilization': 50}}}], 'behavior': {'scaleDown':"
                " {'stabilizationWindowSeconds': 20}}}}");
}

/* --- what the nodes measure --- */

static bool load_carries(const struct sim_slot *slot)
{
    return slot->state == SIM_READY && str_starts(slot->name, LOAD_NAME "-");
}

static int64_t load_carriers(const struct sim *s)
{
    int64_t n = 0;

    for (unsigned i = 0; i < s->n_agents; i++)
        for (size_t j = 0; j < SIM_SLOTS; j++)
            n += load_carries(&s->agents[i].slots[j]);
    return n;
}

static void load_measure(struct sim *s, const struct sim_slot *slot, struct metrics_sample *sample)
{
    const struct metrics_reading r = { .ns = SIM_NS,
                                       .pod = slot->name,
                                       .container = "main",
                                       .cpu_ns = slot->cpu_ns,
                                       .memory = 1 << 20,
                                       .at_ms = sim_wall_ms(s),
                                       .start_ms = SIM_WALL_START_MS + slot->live_ms };
    struct err err = ERR_EMPTY;

    if (metrics_sample_add(sample, &r, &err) < 0)
        sim_fail(s, "%s", err.text);
}

static void load_sample(struct sim *s, struct sim_agent *a, int64_t each_milli)
{
    struct metrics_sample *sample = metrics_sample_new();

    for (size_t j = 0; j < SIM_SLOTS; j++) {
        struct sim_slot *slot = &a->slots[j];

        if (load_carries(slot))
            slot->cpu_ns += each_milli * LOAD_SAMPLE_MS * 1000;
        if (slot->state == SIM_LIVE || slot->state == SIM_READY)
            load_measure(s, slot, sample);
    }
    if (s->up && a->powered && a->linked) {
        metrics_put(s->metrics, a->name, sample);
        return;
    }
    metrics_sample_free(sample);
    if (s->up)
        metrics_forget(s->metrics, a->name);
}

static void load_on_sample(struct sim *s, void *arg)
{
    int64_t n = load_carriers(s);

    (void)arg;
    if (s->up)
        load_make(s);
    for (unsigned i = 0; i < s->n_agents; i++)
        load_sample(s, &s->agents[i], n > 0 ? s->load.milli / n : 0);
    sim_after(s, LOAD_SAMPLE_MS, load_on_sample, NULL, NULL);
}

/* --- the load --- */

static void load_on_change(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->chaos)
        return; /* it stays as it is now */
    s->load.milli = sim_chance(s, 25) ? 0 : sim_between(s, 0, 30);
    sim_say(s, "load is %lldm", (long long)s->load.milli);
    sim_after(s, sim_chance(s, 30) ? sim_between(s, 1000, 20000) : sim_between(s, 20000, 90000),
              load_on_change, NULL, NULL);
}

void sim_load_init(struct sim *s)
{
    s->load.is_there = sim_chance(s, 50);
    if (!s->load.is_there)
        return;
    sim_after(s, 200, load_on_sample, NULL, NULL);
    sim_after(s, 300, load_on_change, NULL, NULL);
}

/* --- what must hold --- */

static int64_t load_replicas(struct sim *s)
{
    const struct object *o = store_get(s->store, "deployments.apps", SIM_NS, LOAD_NAME);

    return o ? json_int(view_tree(s->view, o), "spec.replicas", 1) : -1;
}

/* Nothing is remembered from before: the window begins anew. */
void sim_load_server_started(struct sim *s)
{
    s->load.replicas = load_replicas(s);
    s->load.grown_ms = s->now_ms;
}

void sim_load_check(struct sim *s)
{
    int64_t now = load_replicas(s), before = s->load.replicas;

    s->load.replicas = now;
    if (now < 0 || before < 0 || now == before)
        return;
    sim_say(s, "load of %lldm: %lld replicas after %lld", (long long)s->load.milli, (long long)now,
            (long long)before);
    if (now < LOAD_MIN || now > LOAD_MAX)
        sim_fail(s, "the autoscaler made %lld replicas, %d to %d are allowed", (long long)now,
                 LOAD_MIN, LOAD_MAX);
    if (now < before && s->now_ms - s->load.grown_ms < LOAD_WINDOW_MS - LOAD_SLACK_MS)
        sim_fail(s, "from %lld to %lld replicas %lld ms after they grew", (long long)before,
                 (long long)now, (long long)(s->now_ms - s->load.grown_ms));
    if (now > before)
        s->load.grown_ms = s->now_ms;
}

/* The load has been the same for long: the size is one that the algorithm would leave alone. */
void sim_load_check_end(struct sim *s)
{
    int64_t n = load_replicas(s), percent, wanted;

    if (!s->load.is_there)
        return;
    if (n < 1) {
        sim_fail(s, "the Deployment that carries the load is not there");
        return;
    }
    percent = s->load.milli / n * 100 / LOAD_POD_MILLI;
    wanted = (percent * n + LOAD_TARGET - 1) / LOAD_TARGET;
    wanted = wanted < LOAD_MIN ? LOAD_MIN : wanted > LOAD_MAX ? LOAD_MAX : wanted;
    if (wanted != n && (percent < LOAD_TARGET * 9 / 10 || percent > LOAD_TARGET * 11 / 10))
        sim_fail(s, "came to rest with %lld replicas at %lld%% of %d%%, wanted are %lld",
                 (long long)n, (long long)percent, LOAD_TARGET, (long long)wanted);
}
