/* layer: nodeagent */
#include "base/mem.h"
#include "nodeagent/pod_plan.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct pod_view *pod;
    struct container_facts c[8];
    struct pod_facts facts;
    struct pod_plan plan;
};

/* Init containers "i...", sidecars "s...", main containers "m..." in @names. */
static void up(struct fixture *f, const char *policy, const char *names, const char *more)
{
    struct err err = ERR_EMPTY;
    json_t *tree = json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:[], s:[]}}", "metadata", "name", "p",
                             "namespace", "n", "uid", "u", "spec", "restartPolicy", policy,
                             "initContainers", "containers");

    memset(f, 0, sizeof(*f));
    for (const char *p = names; *p != '\0'; p++) {
        char name[3] = { *p, (char)('a' + (p - names)), '\0' };
        json_t *c = json_pack("{s:s, s:s}", "name", name, "image", "x");

        if (*p == 's')
            json_put_str(c, "restartPolicy", "Always");
        json_array_append_new(json_at(tree, *p == 'm' ? "spec.containers" : "spec.initContainers"),
                              c);
    }
    if (more != NULL) {
        json_t *extra = NULL;

        CHECK_INT(json_parse(&extra, more, strlen(more), NULL, &err), 0);
        json_object_update_new(json_at(tree, "metadata"), json_incref(json_at(extra, "metadata")));
        json_object_update_new(json_at(tree, "spec"), json_incref(json_at(extra, "spec")));
        json_decref(extra);
    }
    CHECK_INT(pod_view_new(&f->pod, tree, &err), 0);
    f->facts = (struct pod_facts){
        .now_ms = 1000000, .now_wall_ms = 5000000, .started_wall_ms = 4000000, .containers = f->c
    };
}

static void plan(struct fixture *f)
{
    pod_plan(&f->plan, f->pod, &f->facts);
}

static void down(struct fixture *f)
{
    pod_view_unref(f->pod);
}

static void run(struct container_facts *c)
{
    c->phase = CONTAINER_RUNNING;
    c->started = c->ready = true;
}

static void end(struct container_facts *c, int code)
{
    c->phase = CONTAINER_EXITED;
    snprintf(c->end.id, sizeof(c->end.id), "x");
    c->end.exit_code = code;
}

TEST(pod_plan, init_containers_run_one_after_the_other)
{
    struct fixture f;

    up(&f, "Always", "iim", NULL);
    plan(&f);
    CHECK_INT(f.plan.start, 1);
    CHECK(f.plan.phase == POD_PENDING && !f.plan.is_initialized);
    run(&f.c[0]);
    plan(&f);
    CHECK_INT(f.plan.start, 0);
    end(&f.c[0], 0);
    plan(&f);
    CHECK_INT(f.plan.start, 2);
    end(&f.c[1], 0);
    plan(&f);
    CHECK_INT(f.plan.start, 4);
    CHECK(f.plan.is_initialized && f.plan.phase == POD_PENDING);
    run(&f.c[2]);
    f.facts.mains_began = true;
    plan(&f);
    CHECK_INT(f.plan.start, 0);
    CHECK(f.plan.phase == POD_RUNNING);
    down(&f);
}

TEST(pod_plan, a_failed_init_container_is_retried_or_fails_the_pod)
{
    struct fixture f;

    up(&f, "Always", "im", NULL);
    end(&f.c[0], 1);
    f.c[0].crash.retry_at_ms = 1010000;
    plan(&f);
    CHECK_INT(f.plan.start, 0);
    CHECK_INT(f.plan.held, 1);
    CHECK_INT(f.plan.wake_ms, 1010000);
    down(&f);

    up(&f, "Never", "im", NULL);
    end(&f.c[0], 1);
    plan(&f);
    CHECK_INT(f.plan.start, 0);
    CHECK(f.plan.is_down && f.plan.phase == POD_FAILED);
    down(&f);
}

TEST(pod_plan, a_sidecar_must_have_started_before_the_next_begins)
{
    struct fixture f;

    up(&f, "Always", "sim", NULL);
    run(&f.c[0]);
    f.c[0].started = false;
    plan(&f);
    CHECK_INT(f.plan.start, 0);
    f.c[0].started = true;
    plan(&f);
    CHECK_INT(f.plan.start, 2);
    end(&f.c[1], 0);
    run(&f.c[2]);
    f.facts.mains_began = true;
    end(&f.c[0], 0); /* it comes back whatever its exit code and the policy */
    plan(&f);
    CHECK_INT(f.plan.start, 1);
    CHECK(f.plan.phase == POD_RUNNING);
    down(&f);
}

TEST(pod_plan, restart_policy_decides_the_phase)
{
    static const struct {
        const char *policy;
        int a, b;
        uint64_t start;
        enum pod_phase phase;
        bool is_down;
    } cases[] = {
        { "Never", 0, 0, 0, POD_SUCCEEDED, true },     { "Never", 0, 1, 0, POD_FAILED, true },
        { "OnFailure", 0, 0, 0, POD_SUCCEEDED, true }, { "OnFailure", 0, 1, 2, POD_RUNNING, false },
        { "Always", 0, 0, 3, POD_RUNNING, false },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct fixture f;

        up(&f, cases[i].policy, "mm", NULL);
        end(&f.c[0], cases[i].a);
        end(&f.c[1], cases[i].b);
        plan(&f);
        CHECK_INT(f.plan.start, cases[i].start);
        CHECK_INT(f.plan.phase, cases[i].phase);
        CHECK_INT(f.plan.is_down, cases[i].is_down);
        down(&f);
    }
}

TEST(pod_plan, sidecars_end_last_in_reverse_order)
{
    struct fixture f;

    up(&f, "Always", "ssm",
       "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{}}");
    run(&f.c[0]);
    run(&f.c[1]);
    run(&f.c[2]);
    f.facts.mains_began = true;
    plan(&f);
    CHECK_INT(f.plan.stop, 4);
    CHECK(!f.plan.is_down);
    end(&f.c[2], 0);
    plan(&f);
    CHECK_INT(f.plan.stop, 2);
    end(&f.c[1], 0);
    plan(&f);
    CHECK_INT(f.plan.stop, 1);
    end(&f.c[0], 137);
    plan(&f);
    CHECK(f.plan.is_down && f.plan.start == 0);
    CHECK_INT(f.plan.phase, POD_SUCCEEDED);
    down(&f);
}

TEST(pod_plan, a_finished_pod_stops_its_sidecars_first)
{
    struct fixture f;

    up(&f, "Never", "sm", NULL);
    run(&f.c[0]);
    end(&f.c[1], 0);
    f.facts.mains_began = true;
    plan(&f);
    CHECK_INT(f.plan.stop, 1);
    CHECK(f.plan.phase == POD_RUNNING && !f.plan.is_down);
    down(&f);
}

TEST(pod_plan, the_deadline_ends_the_pod_and_wakes_before)
{
    struct fixture f;

    up(&f, "Always", "m", "{\"metadata\":{},\"spec\":{\"activeDeadlineSeconds\":1001}}");
    run(&f.c[0]);
    plan(&f);
    CHECK_INT(f.plan.wake_ms, 1001000);
    CHECK(f.plan.reason == NULL && f.plan.stop == 0);
    f.facts.now_wall_ms += 1000;
    plan(&f);
    CHECK_STR(f.plan.reason, "DeadlineExceeded");
    CHECK_INT(f.plan.stop, 1);
    end(&f.c[0], 0);
    plan(&f);
    CHECK(f.plan.is_down && f.plan.phase == POD_FAILED);
    down(&f);
}

TEST(pod_plan, what_is_over_never_starts_again)
{
    struct fixture f;

    up(&f, "Always", "m", NULL);
    end(&f.c[0], 1);
    f.facts.is_over = true;
    plan(&f);
    CHECK(f.plan.start == 0 && f.plan.held == 0 && f.plan.is_down && f.plan.wake_ms == -1);
    down(&f);
}

TEST(pod_plan, a_waiting_container_keeps_the_pod_pending)
{
    struct fixture f;

    up(&f, "Always", "mm", NULL);
    run(&f.c[0]);
    f.c[1].refused.retry_at_ms = 1500000;
    plan(&f);
    CHECK_INT(f.plan.phase, POD_PENDING);
    CHECK_INT(f.plan.held, 2);
    CHECK_INT(f.plan.wake_ms, 1500000);
    down(&f);
}

TEST(backoff, first_restart_is_at_once_then_doubles_to_five_minutes)
{
    static const int64_t want[] = { 0, 10000, 20000, 40000, 80000, 160000, 300000, 300000 };
    struct backoff b = { .delay_ms = 0 };

    for (size_t i = 0; i < N_ELEMENTS(want); i++) {
        backoff_exited(&b, 1000, 2000);
        CHECK_INT(b.delay_ms, want[i]);
        CHECK_INT(b.retry_at_ms, want[i] == 0 ? 0 : 2000 + want[i]);
    }
    backoff_exited(&b, 0, BACKOFF_RESET_MS);
    CHECK_INT(b.delay_ms, 0);
}

TEST(backoff, a_failed_pull_waits_from_the_first_time)
{
    struct backoff b = { .delay_ms = 0 };

    backoff_failed(&b, 5000);
    CHECK_INT(b.retry_at_ms, 15000);
    backoff_failed(&b, 20000);
    CHECK_INT(b.retry_at_ms, 40000);
    backoff_clear(&b);
    CHECK(!b.has_failed && b.retry_at_ms == 0);
}
