/* layer: controlplane */
#include "api/conditions.h"
#include "base/mem.h"
#include "controlplane/controllers.h"
#include "controlplane/job_impl.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#define SPEC                                                                    \
    "'parallelism': 2, 'completions': 3, 'backoffLimit': 2,"                    \
    " 'selector': {'matchLabels': {'job': 'j'}}, 'template': {"                 \
    " 'metadata': {'labels': {'job': 'j'}}, 'spec': {'restartPolicy': 'Never'," \
    " 'containers': [{'name': 'c', 'image': 'i'}]}}"
#define JOBS    "jobs.batch"
#define THE_JOB &job_controller, "default", "j"

static void up(struct plan_fixture *f, const char *more)
{
    plan_fixture_up(f);
    plan_fixture_putf(f, JOBS,
                      "{'metadata': {'name': 'j', 'generation': 1}, 'spec': {%s " SPEC "}}", more);
}

static void settle(struct plan_fixture *f)
{
    plan_fixture_settle(f, THE_JOB, 20);
}

static const json_t *status(struct plan_fixture *f)
{
    return json_at(view_tree(f->view, plan_fixture_get(f, JOBS, "j")), "status");
}

/* The first pod that has not ended and whose name starts with @prefix; a new string. */
static char *running(struct plan_fixture *f, const char *prefix)
{
    const struct object *const *pods = view_list(f->view, "pods", NULL, NULL);

    for (; *pods; pods++)
        if (str_starts((*pods)->name, prefix) && !str_eq((*pods)->phase, "Succeeded") &&
            !str_eq((*pods)->phase, "Failed"))
            return mem_str((*pods)->name);
    return NULL;
}

static int count_running(struct plan_fixture *f)
{
    const struct object *const *pods = view_list(f->view, "pods", NULL, NULL);
    int n = 0;

    for (; *pods; pods++)
        n += !str_eq((*pods)->phase, "Succeeded") && !str_eq((*pods)->phase, "Failed");
    return n;
}

static void end_pod(struct plan_fixture *f, const char *prefix, int code)
{
    cleanup(freep) char *name = running(f, prefix);
    char json[256];

    CHECK(name != NULL);
    snprintf(json, sizeof(json),
             "{'phase': '%s', 'containerStatuses': [{'name': 'c', 'state': {'terminated':"
             " {'exitCode': %d, 'finishedAt': '2026-01-01T00:00:00Z'}}}]}",
             code ? "Failed" : "Succeeded", code);
    plan_fixture_set(f, "pods", name, "status", json);
    settle(f);
}

TEST(job, runs_pods_until_enough_succeeded)
{
    struct plan_fixture f;
    const struct plan_write *w;

    up(&f, "");
    plan_fixture_run(&f, THE_JOB);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 2);
    w = plan_fixture_write(&f, PLAN_CREATE, "pods", 0);
    CHECK_STR(json_str(w->tree, "metadata.generateName"), "j-");
    CHECK_STR(json_string_value(json_array_get(json_at(w->tree, "metadata.finalizers"), 0)),
              "batch.kubernetes.io/job-tracking");
    settle(&f);
    CHECK(json_str(status(&f), "startTime") != NULL);
    end_pod(&f, "j-", 0);
    CHECK_INT(count_running(&f), 2);
    end_pod(&f, "j-", 0);
    CHECK_INT(count_running(&f), 1);
    CHECK_INT(json_int(status(&f), "succeeded", 0), 2);
    end_pod(&f, "j-", 0);
    CHECK_INT(json_int(status(&f), "succeeded", 0), 3);
    CHECK(condition_is(status(&f), "SuccessCriteriaMet", "True"));
    CHECK(condition_is(status(&f), "Complete", "True"));
    CHECK(json_str(status(&f), "completionTime") != NULL);
    plan_fixture_down(&f);
}

TEST(job, counts_a_pod_once_though_it_is_deleted)
{
    struct plan_fixture f;
    cleanup(freep) char *name = NULL;

    up(&f, "");
    settle(&f);
    name = running(&f, "j-");
    plan_fixture_set(&f, "pods", name, "status", "{'phase': 'Succeeded'}");
    plan_fixture_run(&f, THE_JOB); /* writes the uid down */
    plan_fixture_apply(&f);
    CHECK(strstr(plan_fixture_get(&f, "pods", name)->json, "job-tracking") != NULL);
    plan_fixture_run(&f, THE_JOB); /* lets go of the pod */
    plan_fixture_apply(&f);
    CHECK(strstr(plan_fixture_get(&f, "pods", name)->json, "job-tracking") == NULL);
    plan_fixture_remove(&f, "pods", name);
    settle(&f);
    CHECK_INT(json_int(status(&f), "succeeded", 0), 1);
    CHECK_INT(json_object_size(json_at(status(&f), "uncountedTerminatedPods")), 0);
    plan_fixture_down(&f);
}

TEST(job, waits_ever_longer_after_failures_and_gives_up)
{
    struct plan_fixture f;

    up(&f, "");
    settle(&f);
    end_pod(&f, "j-", 1);
    CHECK_INT(count_running(&f), 1);
    CHECK_INT(f.plan.again_ms, 10000);
    f.now.wall_ms += 10000;
    settle(&f);
    CHECK_INT(count_running(&f), 2);
    end_pod(&f, "j-", 1);
    f.now.wall_ms += 30000;
    settle(&f);
    end_pod(&f, "j-", 1);
    settle(&f);
    CHECK_INT(json_int(status(&f), "failed", 0), 3);
    CHECK(condition_is(status(&f), "FailureTarget", "True"));
    CHECK(condition_is(status(&f), "Failed", "True"));
    CHECK_STR(json_str(condition_get(status(&f), "Failed"), "reason"), "BackoffLimitExceeded");
    CHECK_INT(count_running(&f), 0);
    plan_fixture_down(&f);
}

TEST(job, indexed_pods_have_names_and_results_by_index)
{
    struct plan_fixture f;
    const struct plan_write *w;

    up(&f, "'completionMode': 'Indexed',");
    plan_fixture_run(&f, THE_JOB);
    w = plan_fixture_write(&f, PLAN_CREATE, "pods", 1);
    CHECK_STR(json_str(w->tree, "metadata.generateName"), "j-1-");
    CHECK_STR(json_str(w->tree, "spec.hostname"), "j-1");
    CHECK(strstr(json_str(
                     json_array_get(
                         json_at(json_array_get(json_at(w->tree, "spec.containers"), 0), "env"), 0),
                     "name"),
                 "JOB_COMPLETION_INDEX") != NULL);
    plan_fixture_apply(&f);
    settle(&f);
    end_pod(&f, "j-1-", 0);
    CHECK_STR(json_str(status(&f), "completedIndexes"), "1");
    end_pod(&f, "j-0-", 0);
    end_pod(&f, "j-2-", 0);
    CHECK_STR(json_str(status(&f), "completedIndexes"), "0-2");
    CHECK(condition_is(status(&f), "Complete", "True"));
    plan_fixture_down(&f);
}

TEST(job, a_failure_policy_can_end_it_or_look_away)
{
    struct plan_fixture f;

    up(&f, "'podFailurePolicy': {'rules': ["
           "{'action': 'Ignore', 'onExitCodes': {'operator': 'In', 'values': [5]}},"
           "{'action': 'FailJob', 'onExitCodes': {'operator': 'In', 'values': [42]}}]},");
    settle(&f);
    end_pod(&f, "j-", 5);
    CHECK_INT(json_int(status(&f), "failed", 0), 0);
    CHECK_INT(count_running(&f), 2);
    end_pod(&f, "j-", 42);
    CHECK_STR(json_str(condition_get(status(&f), "Failed"), "reason"), "PodFailurePolicy");
    CHECK_INT(count_running(&f), 0);
    plan_fixture_down(&f);
}

TEST(job, limits_failures_by_index)
{
    struct plan_fixture f;

    up(&f, "'completionMode': 'Indexed', 'backoffLimitPerIndex': 0,");
    plan_fixture_set(&f, JOBS, "j", "spec.backoffLimit", "1000");
    settle(&f);
    end_pod(&f, "j-0-", 1);
    CHECK_STR(json_str(status(&f), "failedIndexes"), "0");
    end_pod(&f, "j-1-", 0);
    end_pod(&f, "j-2-", 0);
    CHECK_STR(json_str(status(&f), "completedIndexes"), "1,2");
    CHECK_STR(json_str(condition_get(status(&f), "Failed"), "reason"), "FailedIndexes");
    plan_fixture_down(&f);
}

TEST(job, a_success_policy_ends_it_early)
{
    struct plan_fixture f;

    up(&f, "'completionMode': 'Indexed', 'successPolicy': {'rules':"
           " [{'succeededIndexes': '0'}]},");
    settle(&f);
    end_pod(&f, "j-0-", 0);
    settle(&f);
    CHECK_STR(json_str(condition_get(status(&f), "Complete"), "reason"), "SuccessPolicy");
    CHECK_INT(count_running(&f), 0);
    plan_fixture_down(&f);
}

TEST(job, suspension_takes_pods_without_counting_them)
{
    struct plan_fixture f;

    up(&f, "");
    settle(&f);
    plan_fixture_set(&f, JOBS, "j", "spec.suspend", "true");
    settle(&f);
    CHECK_INT(count_running(&f), 0);
    CHECK(condition_is(status(&f), "Suspended", "True"));
    CHECK_INT(json_int(status(&f), "failed", 0), 0);
    CHECK_STR(json_str(status(&f), "startTime"), NULL);
    plan_fixture_set(&f, JOBS, "j", "spec.suspend", "false");
    settle(&f);
    CHECK_INT(count_running(&f), 2);
    CHECK_STR(json_str(condition_get(status(&f), "Suspended"), "reason"), "JobResumed");
    plan_fixture_down(&f);
}

TEST(job, a_deadline_and_a_time_to_live_pass)
{
    struct plan_fixture f;

    up(&f, "'activeDeadlineSeconds': 60, 'ttlSecondsAfterFinished': 100,");
    settle(&f);
    plan_fixture_run(&f, THE_JOB);
    CHECK_INT(f.plan.again_ms, 60000);
    f.now.wall_ms += 60000;
    settle(&f);
    CHECK_STR(json_str(condition_get(status(&f), "Failed"), "reason"), "DeadlineExceeded");
    plan_fixture_run(&f, THE_JOB);
    CHECK_INT(f.plan.again_ms, 100000);
    f.now.wall_ms += 100000;
    plan_fixture_run(&f, THE_JOB);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, JOBS), 1);
    plan_fixture_down(&f);
}

TEST(job, pods_of_a_job_that_is_gone_are_let_go)
{
    struct plan_fixture f;

    up(&f, "");
    settle(&f);
    plan_fixture_remove(&f, JOBS, "j");
    plan_fixture_run(&f, THE_JOB);
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, "pods"), 2);
    plan_fixture_down(&f);
}

static bool is_held(struct plan_fixture *f, const char *name)
{
    return strstr(plan_fixture_get(f, "pods", name)->json, JOB_FINALIZER) != NULL;
}

TEST(job, what_it_lets_go_is_held_no_more)
{
    cleanup(freep) char *name = NULL;
    struct plan_fixture f;

    up(&f, "");
    settle(&f);
    name = running(&f, "j-");
    CHECK(is_held(&f, name));
    plan_fixture_set(&f, "pods", name, "metadata.labels", "{'job': 'other'}");
    settle(&f);
    CHECK(!is_held(&f, name));
    CHECK_INT(store_count(f.store, "pods"), 3);
    plan_fixture_down(&f);
}

TEST(job, what_it_adopts_is_held)
{
    struct plan_fixture f;

    up(&f, "");
    plan_fixture_put(&f, "pods",
                     "{'metadata': {'name': 'found', 'labels': {'job': 'j'}}, 'spec': {},"
                     " 'status': {'phase': 'Running'}}");
    settle(&f);
    CHECK(is_held(&f, "found"));
    CHECK_INT(store_count(f.store, "pods"), 2);
    plan_fixture_down(&f);
}

TEST(job, orphans_that_no_job_wants_are_held_no_more)
{
    cleanup(freep) char *name = NULL;
    struct plan_fixture f;

    up(&f, "");
    settle(&f);
    name = running(&f, "j-");
    plan_fixture_set(&f, "pods", name, "metadata.ownerReferences", "null");
    plan_fixture_remove(&f, JOBS, "j");
    settle(&f);
    CHECK(!is_held(&f, name));
    plan_fixture_down(&f);
}

TEST(job, without_a_selector_it_keeps_what_it_made)
{
    struct plan_fixture f;

    up(&f, "");
    plan_fixture_set(&f, JOBS, "j", "spec.selector", "null");
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 2);
    plan_fixture_down(&f);
}

TEST(job, indexes_are_written_as_ranges)
{
    struct job_indexes s;
    struct text t = TEXT_EMPTY;

    job_indexes_init(&s, 12, "0-2,4,6,7,9-20,x");
    job_indexes_print(&s, &t);
    CHECK_STR(text_str(&t), "0-2,4,6,7,9-11");
    CHECK_INT(s.count, 9);
    text_fini(&t);
    job_indexes_fini(&s);
}

TEST(job, fewer_indexes_take_the_pods_beyond)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, JOBS,
                     "{'metadata': {'name': 'j'}, 'spec': {'parallelism': 3, 'completions': 3,"
                     " 'backoffLimit': 6, 'completionMode': 'Indexed', 'selector': {'matchLabels':"
                     " {'job': 'j'}}, 'template': {'metadata': {'labels': {'job': 'j'}}, 'spec':"
                     " {'restartPolicy': 'Never', 'containers': [{'name': 'c'}]}}}}");
    settle(&f);
    CHECK_INT(count_running(&f), 3);
    plan_fixture_set(&f, JOBS, "j", "spec.completions", "2");
    plan_fixture_set(&f, JOBS, "j", "spec.parallelism", "2");
    settle(&f);
    CHECK_INT(count_running(&f), 2);
    CHECK(running(&f, "j-2-") == NULL);
    plan_fixture_down(&f);
}
