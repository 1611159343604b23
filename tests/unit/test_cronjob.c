/* layer: controlplane */
#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/controllers.h"
#include "controlplane/cronjob_impl.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include <string.h>

#define TEMPLATE                                                                             \
    "'jobTemplate': {'metadata': {'labels': {'a': 'b'}, 'annotations': {'n': 'o'}}, 'spec':" \
    " {'template': {'spec': {'restartPolicy': 'Never', 'containers': [{'name': 'c'}]}}}}"
#define CRONJOBS    "cronjobs.batch"
#define JOBS        "jobs.batch"
#define THE_CRONJOB &cronjob_controller, "default", "c"

/* Made at midnight of 1 January 2026, minute 29453760 since 1970. */
static void up(struct plan_fixture *f, const char *more)
{
    plan_fixture_up(f);
    plan_fixture_putf(f, CRONJOBS,
                      "{'metadata': {'name': 'c', 'creationTimestamp': '2026-01-01T00:00:00Z'},"
                      " 'spec': {'concurrencyPolicy': 'Allow', 'successfulJobsHistoryLimit': 3,"
                      " 'failedJobsHistoryLimit': 1, %s, " TEMPLATE "}}",
                      more);
}

static void go(struct plan_fixture *f, const char *time)
{
    CHECK(clock_parse(time, &f->now.wall_ms));
    plan_fixture_run(f, THE_CRONJOB);
}

static void settle(struct plan_fixture *f, const char *time)
{
    CHECK(clock_parse(time, &f->now.wall_ms));
    plan_fixture_settle(f, THE_CRONJOB, 10);
}

static const json_t *status(struct plan_fixture *f)
{
    return json_at(view_tree(f->view, plan_fixture_get(f, CRONJOBS, "c")), "status");
}

static void end_job(struct plan_fixture *f, const char *name, const char *how, const char *time)
{
    cleanup(freep) char *text = mem_fmt("{'startTime': '%s', 'completionTime': '%s',"
                                        " 'conditions': [{'type': '%s', 'status': 'True'}]}",
                                        time, time, how);

    plan_fixture_set(f, JOBS, name, "status", text);
}

TEST(cronjob, waits_for_its_time_to_the_millisecond)
{
    struct plan_fixture f;

    up(&f, "'schedule': '*/5 * * * *'");
    go(&f, "2026-01-01T00:00:00.250Z");
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, 299750);
    plan_fixture_down(&f);
}

TEST(cronjob, makes_a_job_named_after_its_minute)
{
    struct plan_fixture f;
    const struct plan_write *w;

    up(&f, "'schedule': '*/5 * * * *'");
    go(&f, "2026-01-01T00:05:00Z");
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, JOBS), 1);
    w = plan_fixture_write(&f, PLAN_CREATE, JOBS, 0);
    CHECK_STR(w->name, "c-29453765");
    CHECK_STR(json_str(w->tree, "metadata.labels.a"), "b");
    CHECK_STR(json_str(w->tree, "metadata.annotations.n"), "o");
    CHECK_STR(json_string_value(
                  json_object_get(json_at(w->tree, "metadata.annotations"), CRONJOB_TIMESTAMP)),
              "2026-01-01T00:05:00Z");
    CHECK_STR(json_str(json_array_get(json_at(w->tree, "metadata.ownerReferences"), 0), "kind"),
              "CronJob");
    CHECK(plan_fixture_event(&f, "SuccessfulCreate", "Created job c-29453765"));
    CHECK_INT(f.plan.again_ms, 300000);
    plan_fixture_down(&f);
}

TEST(cronjob, what_was_made_is_written_down_and_not_made_again)
{
    struct plan_fixture f;

    up(&f, "'schedule': '*/5 * * * *'");
    settle(&f, "2026-01-01T00:05:00Z");
    CHECK_STR(json_str(status(&f), "lastScheduleTime"), "2026-01-01T00:05:00Z");
    CHECK_INT(json_array_size(json_at(status(&f), "active")), 1);
    go(&f, "2026-01-01T00:06:00Z");
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, 240000);
    plan_fixture_down(&f);
}

TEST(cronjob, a_finished_job_leaves_the_active_ones)
{
    struct plan_fixture f;

    up(&f, "'schedule': '*/5 * * * *'");
    settle(&f, "2026-01-01T00:05:00Z");
    end_job(&f, "c-29453765", "Complete", "2026-01-01T00:05:09Z");
    go(&f, "2026-01-01T00:05:10Z");
    CHECK(plan_fixture_event(&f, "SawCompletedJob",
                             "Saw completed job: c-29453765, condition: Complete"));
    plan_fixture_apply(&f);
    CHECK(json_at(status(&f), "active") == NULL);
    CHECK_STR(json_str(status(&f), "lastSuccessfulTime"), "2026-01-01T00:05:09Z");
    plan_fixture_down(&f);
}

TEST(cronjob, histories_are_kept_to_their_limits)
{
    struct plan_fixture f;
    char name[24], time[32];

    up(&f, "'schedule': '* * * * *'");
    for (int i = 1; i <= 9; i++) {
        snprintf(time, sizeof(time), "2026-01-01T00:%02d:00Z", i);
        settle(&f, time);
        snprintf(name, sizeof(name), "c-%d", 29453760 + i);
        end_job(&f, name, i % 3 ? "Complete" : "Failed", time);
        settle(&f, time);
    }
    for (int i = 1; i <= 9; i++) {
        snprintf(name, sizeof(name), "c-%d", 29453760 + i);
        CHECK((plan_fixture_get(&f, JOBS, name) != NULL) == (i == 5 || i == 7 || i == 8 || i == 9));
    }
    plan_fixture_down(&f);
}

TEST(cronjob, forbid_waits_and_then_catches_up_once)
{
    struct plan_fixture f;

    up(&f, "'concurrencyPolicy': 'Forbid', 'schedule': '*/5 * * * *'");
    settle(&f, "2026-01-01T00:05:00Z");
    go(&f, "2026-01-01T00:10:00Z");
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, NULL), 0);
    CHECK(plan_fixture_event(&f, "JobAlreadyActive",
                             "Not starting job because prior execution is running and concurrency "
                             "policy is Forbid"));
    go(&f, "2026-01-01T00:10:01Z");
    CHECK_INT(plan_fixture_count(&f, PLAN_EVENT, NULL), 0);
    end_job(&f, "c-29453765", "Failed", "2026-01-01T00:12:00Z");
    settle(&f, "2026-01-01T00:12:00Z");
    CHECK(plan_fixture_get(&f, JOBS, "c-29453770") != NULL);
    plan_fixture_down(&f);
}

TEST(cronjob, replace_deletes_what_still_runs)
{
    struct plan_fixture f;

    up(&f, "'concurrencyPolicy': 'Replace', 'schedule': '*/5 * * * *'");
    settle(&f, "2026-01-01T00:05:00Z");
    go(&f, "2026-01-01T00:10:00Z");
    CHECK(plan_fixture_event(&f, "SuccessfulDelete", "Deleted job c-29453765"));
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, JOBS), 1);
    settle(&f, "2026-01-01T00:10:00Z");
    CHECK(plan_fixture_get(&f, JOBS, "c-29453765") == NULL);
    CHECK_INT(json_array_size(json_at(status(&f), "active")), 1);
    plan_fixture_down(&f);
}

TEST(cronjob, of_what_was_missed_only_the_latest_is_made)
{
    struct plan_fixture f;

    up(&f, "'schedule': '*/5 * * * *'");
    go(&f, "2026-01-01T02:03:00Z");
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, JOBS), 1);
    CHECK_STR(plan_fixture_write(&f, PLAN_CREATE, JOBS, 0)->name, "c-29453880");
    CHECK_INT(plan_fixture_count(&f, PLAN_EVENT, NULL), 0);
    go(&f, "2026-01-02T00:00:00Z");
    CHECK(plan_fixture_event(&f, "TooManyMissedTimes",
                             "too many missed start times. Set or decrease "
                             ".spec.startingDeadlineSeconds or check clock skew"));
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, JOBS), 1);
    plan_fixture_down(&f);
}

TEST(cronjob, past_its_deadline_a_time_is_not_served)
{
    struct plan_fixture f;

    up(&f, "'startingDeadlineSeconds': 60, 'schedule': '0 * * * *'");
    go(&f, "2026-01-01T01:00:59Z");
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, JOBS), 1);
    go(&f, "2026-01-01T01:01:01Z");
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, JOBS), 0);
    CHECK_INT(f.plan.again_ms, 3600000 - 61000);
    plan_fixture_down(&f);
}

TEST(cronjob, a_suspended_one_rests)
{
    struct plan_fixture f;

    up(&f, "'suspend': true, 'schedule': '*/5 * * * *'");
    go(&f, "2026-01-01T02:00:00Z");
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, -1);
    plan_fixture_down(&f);
}

TEST(cronjob, a_clock_set_back_serves_no_time_twice)
{
    struct plan_fixture f;

    up(&f, "'schedule': '*/5 * * * *'");
    settle(&f, "2026-01-01T00:05:00Z");
    go(&f, "2026-01-01T00:01:00Z");
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, 9 * 60000);
    plan_fixture_down(&f);
}

TEST(cronjob, a_changed_schedule_begins_with_its_next_time)
{
    struct plan_fixture f;

    up(&f, "'schedule': '0 12 * * *'");
    go(&f, "2026-01-01T00:07:00Z");
    plan_fixture_set(&f, CRONJOBS, "c", "spec.schedule", "'*/5 * * * *'");
    go(&f, "2026-01-01T00:07:30Z");
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, 150000);
    go(&f, "2026-01-01T00:10:00Z");
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, JOBS), 1);
    plan_fixture_down(&f);
}

TEST(cronjob, a_zone_is_in_the_annotation)
{
    struct plan_fixture f;
    const json_t *tree;

    up(&f, "'timeZone': 'Asia/Kolkata', 'schedule': '30 6 * * *'");
    go(&f, "2026-01-01T01:00:00Z");
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, JOBS), 1);
    tree = plan_fixture_write(&f, PLAN_CREATE, JOBS, 0)->tree;
    CHECK_STR(json_string_value(
                  json_object_get(json_at(tree, "metadata.annotations"), CRONJOB_TIMESTAMP)),
              "2026-01-01T06:30:00+05:30");
    plan_fixture_down(&f);
}

TEST(cronjob, unknown_jobs_are_told_and_missing_ones_forgotten)
{
    struct plan_fixture f;

    up(&f, "'schedule': '0 0 1 1 *'");
    plan_fixture_put(&f, JOBS,
                     "{'metadata': {'name': 'mine', 'ownerReferences': [{'apiVersion': 'batch/v1',"
                     " 'kind': 'CronJob', 'name': 'c', 'uid': 'uid-c', 'controller': true}]}}");
    plan_fixture_set(&f, CRONJOBS, "c", "status",
                     "{'active': [{'kind': 'Job', 'name': 'gone', 'uid': 'u'}]}");
    go(&f, "2026-01-01T00:01:00Z");
    CHECK(plan_fixture_event(&f, "UnexpectedJob",
                             "Saw a job that the controller did not create or forgot: mine"));
    CHECK(plan_fixture_event(&f, "MissingJob", "Active job went missing: gone"));
    plan_fixture_apply(&f);
    CHECK(json_at(status(&f), "active") == NULL);
    plan_fixture_down(&f);
}

TEST(cronjob, a_time_that_never_comes_is_told)
{
    struct plan_fixture f;

    up(&f, "'schedule': '0 0 31 2 *'");
    go(&f, "2026-01-01T00:01:00Z");
    CHECK(plan_fixture_event(&f, "InvalidSchedule",
                             "invalid schedule: 0 0 31 2 * : time difference between two schedules "
                             "is less than 1 second"));
    CHECK_INT(f.plan.again_ms, -1);
    plan_fixture_down(&f);
}
