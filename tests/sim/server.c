#include "tests/sim/sim.h"

#include "api/schema.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>

/* --- what the server is given --- */

static int64_t server_wall_ms(void *arg)
{
    return sim_wall_ms(arg);
}

static uint64_t server_random(void *arg)
{
    return sim_random(arg);
}

/* --- the disk: a commit takes its time --- */

static void server_on_disk(struct sim *s, void *arg)
{
    (void)arg;
    s->stepping_disk = false;
    backend_memory_step(s->disk);
}

static void server_notify(void *arg)
{
    struct sim *s = arg;

    if (s->stepping_disk)
        return;
    s->stepping_disk = true;
    sim_after(s, sim_chance(s, 10) ? sim_between(s, 20, 150) : sim_between(s, 1, 12),
              server_on_disk, NULL, &s->server_life);
}

static void server_flush(struct sim *s, void *arg)
{
    (void)arg;
    backend_memory_flush(s->disk);
    sim_after(s, 10000, server_flush, NULL, &s->server_life);
}

/* --- the runner: woken, or when its time comes --- */

static void server_on_step(struct sim *s, void *arg);

static void server_step_in(struct sim *s, int64_t delay_ms)
{
    int64_t at_ms = s->now_ms + delay_ms;

    if (at_ms < s->held_until_ms)
        at_ms = s->held_until_ms;
    if (s->stepping_runner && s->runner_at_ms <= at_ms)
        return;
    s->stepping_runner = true;
    s->runner_at_ms = at_ms;
    sim_after(s, at_ms - s->now_ms, server_on_step, NULL, &s->server_life);
}

static void server_on_step(struct sim *s, void *arg)
{
    const struct clock_now now = { .wall_ms = sim_wall_ms(s), .mono_ms = s->now_ms };
    int64_t next_ms;

    (void)arg;
    if (!s->stepping_runner || s->runner_at_ms > s->now_ms || !s->runner)
        return; /* another event came before this one */
    s->stepping_runner = false;
    next_ms = runner_step(s->runner, now);
    if (next_ms >= 0)
        server_step_in(s, next_ms > 0 ? next_ms : 1);
}

/* Now and then the process does not get to run for a while; the log moves on. */
static void server_stall(struct sim *s)
{
    if (s->stall_ms == 0 && s->chaos && sim_random(s) % 200 == 0)
        s->stall_ms = sim_between(s, 1000, 20000);
    if (s->stall_ms == 0)
        return;
    sim_say(s, "controllers stall for %lld ms", (long long)s->stall_ms);
    sim_check_disturb(s, s->stall_ms + 5000);
    s->held_until_ms = s->now_ms + s->stall_ms;
    s->stepping_runner = false;
    s->stall_ms = 0;
}

void sim_server_wake(struct sim *s)
{
    if (s->stepping_runner && s->runner_at_ms <= s->now_ms + 3)
        return;
    server_stall(s);
    server_step_in(s, sim_between(s, 0, 3));
}

static void server_on_wake(void *arg)
{
    sim_server_wake(arg);
}

/* --- life --- */

static void server_on_bootstrapped(void *arg, int rc, const struct err *err)
{
    struct sim *s = arg;
    const struct runner_opts opts = {
        .registry = s->registry,
        .controllers = controllers,
        .metrics = s->metrics,
        .wake = server_on_wake,
        .arg = s,
        .max_in_flight = 64,
        .keep_trees = SIM_TREES,
    };
    struct err e = ERR_EMPTY;

    if (rc < 0 && !s->up)
        return; /* it crashed meanwhile */
    if (rc < 0) {
        sim_say(s, "bootstrap: %s", err->text);
        registry_bootstrap(s->registry, "10.0.0.1", 6443, server_on_bootstrapped, s);
        return;
    }
    rc = runner_new(&s->runner, &opts, &e);
    assert(rc == 0);
    sim_server_wake(s);
}

void sim_server_start(struct sim *s)
{
    const struct store_opts store_opts = { .ring_changes = s->ring };
    struct registry_opts opts = {
        .wall_ms = server_wall_ms,
        .random = server_random,
        .arg = s,
        .service_cidr = "10.96.0.0/16",
        .pod_cidr = "10.244.0.0/16",
        .node_port_min = 30000,
        .node_port_max = 32767,
        .cluster_domain = "cluster.local",
        .ca_pem = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    };
    struct err err = ERR_EMPTY;
    int rc;

    assert(!s->up);
    sim_say(s, "server starts");
    s->server_life++;
    s->stepping_disk = s->stepping_runner = false;
    s->held_until_ms = 0;
    backend_memory_notify(s->disk, server_notify, s);
    rc = store_open(&s->store, backend_memory_open(s->disk), &store_opts, &err);
    if (rc < 0) {
        sim_fail(s, "store_open: %s", err.text);
        return;
    }
    opts.store = s->store;
    s->view = view_new(s->store);
    view_keep(s->view, SIM_TREES);
    rc = registry_new(&s->registry, &opts, &err);
    assert(rc == 0);
    s->metrics = metrics_new();
    s->up = true;
    sim_load_server_started(s);
    sim_after(s, 10000, server_flush, NULL, &s->server_life);
    sim_check_after_crash(s);
    registry_bootstrap(s->registry, "10.0.0.1", 6443, server_on_bootstrapped, s);
    sim_agent_wake_all(s);
}

static void server_on_closed(void *arg)
{
    *(bool *)arg = true;
}

void sim_server_close(struct sim *s)
{
    bool closed = false;

    if (!s->store)
        return;
    s->up = false;
    s->server_life++;
    s->watch = store_cursor_free(s->watch);
    s->quota_counted = 0;
    s->runner = runner_free(s->runner);
    s->metrics = metrics_free(s->metrics);
    s->view = view_free(s->view);
    store_close(s->store, server_on_closed, &closed);
    while (!closed && backend_memory_step(s->disk))
        ;
    assert(closed);
    s->store = NULL;
    s->registry = registry_free(s->registry);
}

void sim_server_count(struct sim *s)
{
    struct runner_stats stats;

    if (!s->runner)
        return;
    runner_stats(s->runner, &stats);
    s->stats.plans += stats.plans;
    s->stats.conflicts += stats.conflicts;
    s->stats.relists += stats.relists;
    s->stats.refusals += stats.failures;
}

void sim_server_crash(struct sim *s, bool power)
{
    if (!s->up)
        return;
    sim_say(s, "server %s", power ? "loses power" : "is killed");
    s->stats.crashes++;
    sim_check_before_crash(s);
    sim_server_count(s);
    if (power)
        backend_memory_power_cut(s->disk);
    else
        backend_memory_fail(s->disk, 1, 1000000, ERR_IO);
    sim_server_close(s);
    backend_memory_fail(s->disk, 1, 0, ERR_IO);
}

/* --- writing --- */

static void server_ignore(void *arg, const struct registry_answer *answer)
{
    (void)arg, (void)answer;
}

bool sim_write(struct sim *s, const char *user, enum registry_verb verb, const char *bucket,
               const char *sub, const char *name, json_t *body_steal, registry_done_fn done,
               void *arg)
{
    static const char *const groups[] = { "system:masters", "system:authenticated", NULL };
    cleanup(json_decrefpp) json_t *body = body_steal;
    const struct registry_user who = { .name = user, .groups = groups, .uid = "" };
    struct registry_request req = {
        .verb = verb,
        .resource = schema_bucket(bucket),
        .sub = sub,
        .ns = SIM_NS,
        .name = name,
        .body = body,
        .patch = REGISTRY_MERGE_PATCH,
        .user = &who,
        .grace_seconds = -1,
    };

    assert(req.resource);
    if (!s->up)
        return false;
    if (!req.resource->namespaced)
        req.ns = "";
    else if (str_eq(bucket, "leases.coordination.k8s.io"))
        req.ns = "kube-node-lease";
    registry_write(s->registry, &req, done ? done : server_ignore, arg);
    return true;
}
