#include "controlplane/job_impl.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/claim.h"
#include "controlplane/controllers.h"

#include <stdlib.h>
#include <string.h>

#define JOB_INDEXES_MAX 100000 /* as validation allows */

static void job_load(struct job *j)
{
    const json_t *old = json_object_get(j->tree, "status");
    int64_t n;

    j->status = old ? json_deep_copy(old) : json_object();
    j->completions = json_int(j->tree, "spec.completions", -1);
    j->parallelism = json_int(j->tree, "spec.parallelism", 1);
    j->backoff_limit = json_int(j->tree, "spec.backoffLimit", 6);
    j->per_index_limit = json_int(j->tree, "spec.backoffLimitPerIndex", -1);
    j->suspended = json_bool(j->tree, "spec.suspend", false);
    j->indexed = str_eq(json_str(j->tree, "spec.completionMode"), "Indexed");
    j->waits_for_leaving = str_eq(json_str(j->tree, "spec.podReplacementPolicy"), "Failed") ||
                           json_at(j->tree, "spec.podFailurePolicy");
    n = j->indexed && j->completions > 0 ? j->completions : 0;
    if (n > JOB_INDEXES_MAX)
        n = JOB_INDEXES_MAX;
    job_indexes_init(&j->succeeded_indexes, n, json_str(old, "completedIndexes"));
    job_indexes_init(&j->failed_indexes, n, json_str(old, "failedIndexes"));
}

static void job_fini(struct job *j)
{
    job_indexes_fini(&j->succeeded_indexes);
    job_indexes_fini(&j->failed_indexes);
    json_decref(j->status);
    free(j->pods);
}

/* --- suspension --- */

static void job_suspend(struct job *j)
{
    char now[CLOCK_TEXT_MAX];

    clock_print(now, j->now.wall_ms);
    if (j->suspended && !j->ending) {
        if (condition_is(j->status, "Suspended", "True"))
            return;
        condition_set(j->status, "Suspended", "True", "JobSuspended", "Job suspended",
                      j->now.wall_ms);
        json_del(j->status, "startTime");
        plan_event(j->plan, j->object, false, JOB_NAME, "Suspended", "Job suspended");
        return;
    }
    if (condition_is(j->status, "Suspended", "True")) {
        condition_set(j->status, "Suspended", "False", "JobResumed", "Job resumed", j->now.wall_ms);
        plan_event(j->plan, j->object, false, JOB_NAME, "Resumed", "Job resumed");
    }
    if (!json_str(j->status, "startTime"))
        json_put_str(j->status, "startTime", now);
}

/* --- a finished one --- */

static int64_t job_finished_ms(const struct job *j)
{
    const char *type = condition_is(j->status, "Failed", "True") ? "Failed" : "Complete";
    int64_t ms;

    if (!clock_parse(json_str_or(condition_get(j->status, type), "lastTransitionTime", ""), &ms))
        return j->now.wall_ms;
    return ms;
}

static void job_retire(struct job *j)
{
    int64_t ttl_s = json_int(j->tree, "spec.ttlSecondsAfterFinished", -1), left_ms;

    for (size_t i = 0; i < j->n_pods; i++)
        if (j->pods[i].tracked)
            job_pods_untrack(j->plan, j->view, j->pods[i].object);
    if (ttl_s < 0 || j->object->deleting)
        return;
    left_ms = job_finished_ms(j) + ttl_s * 1000 - j->now.wall_ms;
    if (left_ms > 0)
        plan_again(j->plan, left_ms);
    else
        plan_delete_with(j->plan, j->object, -1, "Foreground");
}

/* Pods of a Job that is gone, of an earlier one of the same name, or of nobody, hold the finalizer
 * for nobody. */
static bool job_is_orphan(struct view *v, const struct object *pod, const char *name,
                          const struct object *job)
{
    const struct object_owner *c = object_controller(pod);

    if (!c)
        return !claim_is_wanted(v, pod, JOB);
    return str_eq(c->kind, "Job") && str_eq(c->name, name) && !(job && str_eq(job->uid, c->uid));
}

static void job_release_orphans(struct plan *p, struct view *v, const char *ns, const char *name,
                                const struct object *job)
{
    const struct object *const *pods = view_list(v, "pods", ns, NULL);

    for (; *pods; pods++)
        if ((*pods)->has_finalizers && strstr((*pods)->json, JOB_FINALIZER) &&
            job_is_orphan(v, *pods, name, job))
            job_pods_untrack(p, v, *pods);
}

/* --- the controller --- */

static void job_act(struct job *j)
{
    job_policy_judge_pods(j);
    job_status_count(j);
    job_policy_decide(j);
    job_suspend(j);
    job_status_write(j);
    if (j->object->deleting)
        return;
    if (j->ending || j->suspended)
        job_pods_delete_active(j, j->active);
    else
        job_pods_create(j);
}

static void job_plan_one(struct job *j)
{
    cleanup(freep) const struct object **mine = NULL;
    const struct claim claim = {
        .owner = j->object,
        .api_version = "batch/v1",
        .kind = "Job",
        .selector = json_at(j->tree, "spec.selector"),
        .bucket = "pods",
        .adopt_finished = true,
        .finalizer = JOB_FINALIZER,
    };
    size_t before = j->plan->n, n;

    mine = claim_run(j->plan, j->view, &claim, &n);
    if (j->plan->n > before)
        return; /* adopted or released: look again afterwards */
    job_pods_load(j, mine, n);
    if (job_status_is_finished(j->status))
        job_retire(j);
    else
        job_act(j);
}

static void job_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                     const char *name, struct clock_now now)
{
    struct job j = { .plan = ret, .view = v, .now = now };
    const char *manager;

    (void)state;
    j.object = view_get(v, JOB, ns, name);
    job_release_orphans(ret, v, ns, name, j.object);
    if (!j.object)
        return;
    j.tree = view_tree(v, j.object);
    manager = json_str(j.tree, "spec.managedBy");
    if (manager && !str_eq(manager, "kubernetes.io/job-controller"))
        return;
    job_load(&j);
    job_plan_one(&j);
    job_fini(&j);
}

static void job_map(struct queue *q, struct view *v, const struct store_change *change)
{
    if (str_eq(change->object->bucket, JOB)) {
        queue_add(q, change->object->ns, change->object->name);
        return;
    }
    claim_map_controller(q, change, "Job");
    claim_map_orphan(q, v, change, JOB);
}

static const char *const job_buckets[] = { JOB, "pods", NULL };

const struct controller job_controller = {
    .name = JOB_NAME,
    .buckets = job_buckets,
    .map = job_map,
    .plan = job_plan,
};
