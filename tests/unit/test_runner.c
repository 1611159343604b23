/* layer: controlplane */
#include "api/schema.h"
#include "base/mem.h"
#include "controlplane/controllers.h"
#include "controlplane/runner.h"
#include "storage/backend.h"
#include "tests/lib/test.h"

#include <string.h>

/* The controller under the runner: what it does, the test says. */
static struct toy {
    void (*plan)(struct plan *p, struct view *v, const struct object *o);
    unsigned plans, settled, refused;
    char message[200];
} toy;

static void toy_map(struct queue *q, struct view *v, const struct store_change *change)
{
    (void)v;
    queue_add(q, change->object->ns, change->object->name);
}

static void toy_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                     const char *name, struct clock_now now)
{
    const struct object *o = view_get(v, "configmaps", ns, name);

    (void)state, (void)now;
    toy.plans++;
    if (o && toy.plan)
        toy.plan(ret, v, o);
}

static void toy_settled(void *state, const char *ns, const char *name,
                        const struct plan_write *refused, const char *message)
{
    (void)state, (void)ns, (void)name;
    toy.settled++;
    toy.refused += refused != NULL;
    snprintf(toy.message, sizeof(toy.message), "%s", message ? message : "");
}

static const char *const toy_buckets[] = { "configmaps", NULL };
static const struct controller toy_controller = {
    .name = "toy",
    .buckets = toy_buckets,
    .map = toy_map,
    .plan = toy_plan,
    .settled = toy_settled,
};
static const struct controller *const toys[] = { &toy_controller, NULL };

struct fixture {
    struct backend_memory *memory;
    struct store *store;
    struct registry *registry;
    struct runner *runner;
    struct clock_now now;
    uint64_t random;
    bool woken;
};

static int64_t wall_ms(void *arg)
{
    return ((struct fixture *)arg)->now.wall_ms;
}

static uint64_t some_random(void *arg)
{
    struct fixture *f = arg;

    return f->random = f->random * 6364136223846793005u + 1442695040888963407u;
}

static void on_wake(void *arg)
{
    ((struct fixture *)arg)->woken = true;
}

/* Until nothing is to do at this instant; returns what the runner waits for. */
static int64_t turn(struct fixture *f)
{
    int64_t next = 0;

    for (int i = 0; i < 100; i++) {
        f->woken = false;
        next = runner_step(f->runner, f->now);
        while (backend_memory_step(f->memory))
            ;
        if (!f->woken && next != 0)
            break;
    }
    return next;
}

static void write_map(struct fixture *f, enum registry_verb verb, const char *name,
                      const char *value)
{
    static const struct registry_user user = { .name = "tester", .uid = "" };
    cleanup(json_decrefpp) json_t *body = json_object();
    struct registry_request req = {
        .verb = verb,
        .resource = schema_bucket("configmaps"),
        .sub = "",
        .ns = "default",
        .name = verb == REGISTRY_CREATE ? "" : name,
        .body = body,
        .patch = REGISTRY_MERGE_PATCH,
        .user = &user,
        .grace_seconds = -1,
    };

    json_put_str(body, "metadata.name", name);
    json_put_str(body, "data.value", value);
    registry_write(f->registry, &req, (registry_done_fn)(void *)on_wake, f);
}

static void bootstrapped(void *arg, int rc, const struct err *err)
{
    (void)arg, (void)err;
    CHECK_INT(rc, 0);
}

static void up(struct fixture *f)
{
    struct store_opts store_opts = { .ring_changes = 50 };
    struct registry_opts opts = { .wall_ms = wall_ms,
                                  .random = some_random,
                                  .arg = f,
                                  .service_cidr = "10.96.0.0/16",
                                  .pod_cidr = "10.244.0.0/16",
                                  .node_port_min = 30000,
                                  .node_port_max = 32767,
                                  .cluster_domain = "cluster.local" };
    struct runner_opts runner_opts = { .controllers = toys, .wake = on_wake, .arg = f };
    struct err err = ERR_EMPTY;

    *f = (struct fixture){ .now = { 1767225600000, 1000 } };
    f->memory = backend_memory_new();
    CHECK_INT(store_open(&f->store, backend_memory_open(f->memory), &store_opts, &err), 0);
    opts.store = f->store;
    CHECK_INT(registry_new(&f->registry, &opts, &err), 0);
    registry_bootstrap(f->registry, "10.0.0.1", 6443, bootstrapped, NULL);
    while (backend_memory_step(f->memory))
        ;
    runner_opts.registry = f->registry;
    CHECK_INT(runner_new(&f->runner, &runner_opts, &err), 0);
    toy = (struct toy){ 0 };
    turn(f);
    toy = (struct toy){ 0 }; /* the cluster comes with ConfigMaps of its own */
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void down(struct fixture *f)
{
    bool closed = false;

    runner_free(f->runner);
    store_close(f->store, on_closed, &closed);
    while (!closed && backend_memory_step(f->memory))
        ;
    registry_free(f->registry);
    backend_memory_free(f->memory);
}

static const struct object *config_map(struct fixture *f, const char *name)
{
    return store_get(f->store, "configmaps", "default", name);
}

/* --- */

static void make_partner(struct plan *p, struct view *v, const struct object *o)
{
    json_t *tree;

    if (strlen(o->name) != 1 || view_get(v, "configmaps", o->ns, "partner"))
        return;
    tree = json_object();
    json_put_str(tree, "metadata.name", "partner");
    plan_create(p, "configmaps", o->ns, tree);
    plan_on_success(p, o, "toy", "Made", "made {name}");
}

TEST(runner, sees_its_own_writes_when_it_plans_again)
{
    struct fixture f;
    struct runner_stats stats;

    up(&f);
    toy.plan = make_partner;
    write_map(&f, REGISTRY_CREATE, "a", "1");
    turn(&f);
    CHECK(config_map(&f, "partner") != NULL);
    runner_stats(f.runner, &stats);
    CHECK_INT(stats.writes, 1);
    CHECK_INT(stats.failures, 0);
    CHECK_INT(store_count(f.store, "events"), 1);
    CHECK_INT(stats.queued, 0);
    down(&f);
}

static void make_invalid(struct plan *p, struct view *v, const struct object *o)
{
    json_t *tree = json_object();

    (void)v;
    json_put_str(tree, "metadata.name", "Not A Name");
    plan_create(p, "configmaps", o->ns, tree);
    plan_on_failure(p, o, "toy", "Failed", "no: {error}");
    plan_create(p, "configmaps", o->ns, json_pack("{s:{s:s}}", "metadata", "name", "later"));
}

TEST(runner, a_refusal_ends_the_plan_and_backs_off)
{
    struct fixture f;
    int64_t wait;

    up(&f);
    toy.plan = make_invalid;
    write_map(&f, REGISTRY_CREATE, "a", "1");
    wait = turn(&f);
    CHECK_INT(wait, 50);
    CHECK(config_map(&f, "later") == NULL);
    CHECK_INT(toy.refused, 1);
    CHECK(strstr(toy.message, "Not A Name") != NULL);
    for (int i = 0; i < 12; i++) {
        f.now.mono_ms += wait;
        wait = turn(&f);
    }
    CHECK_INT(wait, 30000);
    CHECK_INT(toy.refused, 13);
    down(&f);
}

static void write_namespace(struct fixture *f, enum registry_verb verb, const char *finalizer)
{
    static const struct registry_user user = { .name = "tester", .uid = "" };
    cleanup(json_decrefpp) json_t *body = verb == REGISTRY_CREATE
                                              ? json_pack("{s:{s:s, s:[s]}}", "metadata", "name",
                                                          "away", "finalizers", finalizer)
                                              : json_object();
    struct registry_request req = {
        .verb = verb,
        .resource = schema_bucket("namespaces"),
        .sub = "",
        .ns = "",
        .name = verb == REGISTRY_CREATE ? "" : "away",
        .body = body,
        .user = &user,
        .grace_seconds = -1,
    };

    registry_write(f->registry, &req, (registry_done_fn)(void *)on_wake, f);
}

static void make_away(struct plan *p, struct view *v, const struct object *o)
{
    (void)v;
    plan_create(p, "configmaps", "away", json_pack("{s:{s:s}}", "metadata", "name", "first"));
    plan_on_failure(p, o, "toy", "Failed", "no: {error}");
    plan_create(p, "configmaps", "away", json_pack("{s:{s:s}}", "metadata", "name", "later"));
}

TEST(runner, what_a_namespace_that_goes_refuses_is_neither_a_failure_nor_tried_again)
{
    struct fixture f;
    struct runner_stats stats;

    up(&f);
    write_namespace(&f, REGISTRY_CREATE, "example.com/hold");
    turn(&f);
    write_namespace(&f, REGISTRY_DELETE, NULL);
    turn(&f);
    toy.plan = make_away;
    write_map(&f, REGISTRY_CREATE, "a", "1");
    CHECK_INT(turn(&f), -1);
    runner_stats(f.runner, &stats);
    CHECK_INT(stats.writes, 1);
    CHECK_INT(stats.failures, 0);
    CHECK_INT(toy.refused, 0);
    CHECK_INT(store_count(f.store, "events"), 0);
    down(&f);
}

static void tell(struct plan *p, struct view *v, const struct object *o)
{
    (void)v;
    plan_event(p, o, true, "toy", "Said", "again");
    plan_again(p, 1000);
}

TEST(runner, the_same_event_is_counted_up_within_the_hour)
{
    struct fixture f;
    struct store_iter it;
    cleanup(json_decrefpp) json_t *e = NULL;

    up(&f);
    toy.plan = tell;
    write_map(&f, REGISTRY_CREATE, "a", "1");
    turn(&f);
    for (int i = 0; i < 2; i++) {
        f.now.mono_ms += 1000;
        f.now.wall_ms += 1000;
        turn(&f);
    }
    CHECK_INT(store_count(f.store, "events"), 1);
    store_iter_init(&it, f.store, "events", "default", NULL, NULL);
    e = object_tree(store_iter_next(&it));
    CHECK_INT(json_int(e, "count", 0), 3);
    CHECK_STR(json_str(e, "firstTimestamp"), "2026-01-01T00:00:00Z");
    CHECK_STR(json_str(e, "lastTimestamp"), "2026-01-01T00:00:02Z");
    CHECK_STR(json_str(e, "source.component"), "toy");
    down(&f);
}

static void answer_value(struct plan *p, struct view *v, const struct object *o)
{
    json_t *tree;

    if (str_eq(json_str(view_tree(v, o), "data.seen"), json_str(view_tree(v, o), "data.value")))
        return;
    tree = object_tree(o);
    json_put_str(tree, "data.seen", json_str_or(tree, "data.value", ""));
    plan_update(p, o, tree);
}

TEST(runner, a_conflict_is_planned_again_from_what_won)
{
    struct fixture f;
    struct runner_stats stats;
    cleanup(json_decrefpp) json_t *tree = NULL;
    int64_t wait;

    up(&f);
    toy.plan = answer_value;
    write_map(&f, REGISTRY_CREATE, "a", "1");
    while (backend_memory_step(f.memory))
        ;
    write_map(&f, REGISTRY_PATCH, "a", "2"); /* submitted, not visible yet */
    wait = runner_step(f.runner, f.now);
    CHECK(wait >= 0);
    runner_stats(f.runner, &stats);
    CHECK_INT(stats.conflicts, 1);
    while (backend_memory_step(f.memory))
        ;
    f.now.mono_ms += 10;
    turn(&f);
    tree = object_tree(config_map(&f, "a"));
    CHECK_STR(json_str(tree, "data.seen"), "2");
    down(&f);
}

TEST(runner, what_was_missed_in_the_log_is_looked_up)
{
    struct fixture f;
    struct runner_stats stats;

    up(&f);
    toy.plan = answer_value;
    write_map(&f, REGISTRY_CREATE, "a", "1");
    for (int i = 0; i < 200; i++) {
        write_map(&f, REGISTRY_CREATE, "x", "1");
        write_map(&f, REGISTRY_PATCH, "x", i % 2 ? "1" : "2");
        while (backend_memory_step(f.memory))
            ;
    }
    turn(&f);
    runner_stats(f.runner, &stats);
    CHECK_INT(stats.relists, 2);
    CHECK(strstr(config_map(&f, "a")->json, "\"seen\":\"1\"") != NULL);
    down(&f);
}

TEST(runner, may_end_with_writes_under_way)
{
    struct fixture f;

    up(&f);
    toy.plan = make_partner;
    write_map(&f, REGISTRY_CREATE, "a", "1");
    while (backend_memory_step(f.memory))
        ;
    runner_step(f.runner, f.now);
    CHECK_INT(toy.settled, 0);
    down(&f);
    CHECK_INT(toy.settled, 0);
}

static void gone(struct plan *p, struct view *v, const struct object *o)
{
    struct object ghost = *o;

    if (strlen(o->name) != 1 || view_get(v, "configmaps", o->ns, "later"))
        return;
    ghost.name = "ghost";
    plan_delete(p, &ghost);
    plan_create(p, "configmaps", o->ns, json_pack("{s:{s:s}}", "metadata", "name", "later"));
}

TEST(runner, deleting_what_is_gone_is_a_success)
{
    struct fixture f;

    up(&f);
    toy.plan = gone;
    write_map(&f, REGISTRY_CREATE, "a", "1");
    turn(&f);
    CHECK(config_map(&f, "later") != NULL);
    CHECK_INT(toy.refused, 0);
    down(&f);
}
