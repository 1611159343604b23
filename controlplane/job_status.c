#include "controlplane/job_impl.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"

bool job_status_is_finished(const json_t *status)
{
    return condition_is(status, "Complete", "True") || condition_is(status, "Failed", "True");
}

/* --- counting what ended --- */

static bool job_status_lists(const json_t *list, const char *uid)
{
    json_t *each;
    size_t i;

    json_array_foreach (list, i, each)
        if (str_eq(json_string_value(each), uid))
            return true;
    return false;
}

static const struct job_pod *job_status_pod(const struct job *j, const char *uid)
{
    for (size_t i = 0; i < j->n_pods; i++)
        if (str_eq(j->pods[i].object->uid, uid))
            return &j->pods[i];
    return NULL;
}

/* Uids whose pods are gone, or have lost their finalizer, become a number. */
static void job_status_settle(struct job *j, json_t *list, const char *count)
{
    size_t i = 0;

    while (i < json_array_size(list)) {
        const struct job_pod *p = job_status_pod(j, json_string_value(json_array_get(list, i)));

        if (p && p->tracked) {
            i++;
            continue;
        }
        json_array_remove(list, i);
        json_put_int(j->status, count, json_int(j->status, count, 0) + 1);
    }
}

static json_t *job_status_list(struct job *j, const char *key)
{
    json_t *all = json_object_get(j->status, "uncountedTerminatedPods"), *list;

    if (!all) {
        all = json_object();
        json_object_set_new(j->status, "uncountedTerminatedPods", all);
    }
    list = json_object_get(all, key);
    if (!list) {
        list = json_array();
        json_object_set_new(all, key, list);
    }
    return list;
}

/* An index that failed for the last time. */
static void job_status_fail_index(struct job *j, const struct job_pod *p)
{
    if (j->per_index_limit < 0 || p->index < 0)
        return;
    if (p->action == JOB_FAIL_INDEX ||
        (p->action == JOB_COUNT && p->failures + 1 > j->per_index_limit))
        job_indexes_add(&j->failed_indexes, p->index);
}

/* The last failed pod of an index remembers its failures until a new one does. */
static bool job_status_is_needed(const struct job *j, const struct job_pod *p)
{
    if (j->per_index_limit < 0 || p->index < 0 || j->ending ||
        job_indexes_has(&j->failed_indexes, p->index) ||
        job_indexes_has(&j->succeeded_indexes, p->index))
        return false;
    for (size_t i = 0; i < j->n_pods; i++)
        if (j->pods[i].index == p->index && j->pods[i].failures > p->failures)
            return false;
    return true;
}

static void job_status_note(struct job *j, const struct job_pod *p, const json_t *old)
{
    const char *key = p->state == JOB_POD_SUCCEEDED ? "succeeded" : "failed";
    const json_t *known = json_object_get(json_object_get(old, "uncountedTerminatedPods"), key);
    bool by_index = p->state == JOB_POD_SUCCEEDED && j->indexed;

    if (by_index) {
        struct job_indexes told;
        bool is_told;

        job_indexes_init(&told, j->succeeded_indexes.n, json_str(old, "completedIndexes"));
        is_told = job_indexes_has(&told, p->index) || p->index < 0 || p->index >= told.n;
        job_indexes_fini(&told);
        job_indexes_add(&j->succeeded_indexes, p->index);
        if (is_told)
            job_pods_untrack(j->plan, j->view, p->object);
        return;
    }
    if (p->state == JOB_POD_FAILED)
        job_status_fail_index(j, p);
    if (p->state == JOB_POD_FAILED && p->action == JOB_IGNORE) {
        job_pods_untrack(j->plan, j->view, p->object);
    } else if (!job_status_lists(known, p->object->uid)) {
        if (!job_status_lists(job_status_list(j, key), p->object->uid))
            json_array_append_new(job_status_list(j, key), json_string(p->object->uid));
    } else if (!job_status_is_needed(j, p)) {
        job_pods_untrack(j->plan, j->view, p->object);
    }
}

void job_status_count(struct job *j)
{
    const json_t *old = json_object_get(j->tree, "status");

    job_status_settle(j, job_status_list(j, "succeeded"), "succeeded");
    job_status_settle(j, job_status_list(j, "failed"), "failed");
    for (size_t i = 0; i < j->n_pods; i++) {
        const struct job_pod *p = &j->pods[i];

        if (p->tracked && (p->state == JOB_POD_SUCCEEDED || p->state == JOB_POD_FAILED))
            job_status_note(j, p, old);
    }
    j->failed = json_int(j->status, "failed", 0) +
                (int64_t)json_array_size(job_status_list(j, "failed"));
    if (j->indexed)
        j->succeeded = j->succeeded_indexes.count;
    else
        j->succeeded = json_int(j->status, "succeeded", 0) +
                       (int64_t)json_array_size(job_status_list(j, "succeeded"));
}

/* --- telling --- */

static void job_status_put(json_t *status, const char *key, int64_t n)
{
    if (n > 0)
        json_put_int(status, key, n);
    else
        json_del(status, key);
}

static void job_status_put_indexes(struct job *j, const char *key, const struct job_indexes *s)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    job_indexes_print(s, &t);
    if (t.len > 0)
        json_put_str(j->status, key, text_str(&t));
    else
        json_del(j->status, key);
}

/* All is counted and nothing runs: what was decided comes true. */
static void job_status_finish(struct job *j)
{
    bool failed = condition_is(j->status, "FailureTarget", "True");
    const json_t *why = condition_get(j->status, failed ? "FailureTarget" : "SuccessCriteriaMet");
    const json_t *uncounted = json_object_get(j->status, "uncountedTerminatedPods");
    cleanup(freep) char *reason = mem_str(json_str(why, "reason"));
    cleanup(freep) char *message = mem_str(json_str(why, "message"));
    char now[CLOCK_TEXT_MAX];

    if (!j->ending || j->active > 0 || j->leaving > 0 || json_object_size(uncounted) > 0)
        return;
    for (size_t i = 0; i < j->n_pods; i++)
        if (j->pods[i].tracked)
            return;
    clock_print(now, j->now.wall_ms);
    condition_set(j->status, failed ? "Failed" : "Complete", "True", reason, message,
                  j->now.wall_ms);
    if (!failed)
        json_put_str(j->status, "completionTime", now);
    if (failed)
        plan_event(j->plan, j->object, true, JOB_NAME, reason, "%s", message);
    else
        plan_event(j->plan, j->object, false, JOB_NAME, "Completed", "Job completed");
}

static void job_status_drop_empty(struct job *j)
{
    json_t *all = json_object_get(j->status, "uncountedTerminatedPods");

    if (json_array_size(json_object_get(all, "succeeded")) == 0)
        json_object_del(all, "succeeded");
    if (json_array_size(json_object_get(all, "failed")) == 0)
        json_object_del(all, "failed");
}

void job_status_write(struct job *j)
{
    const json_t *old = json_object_get(j->tree, "status");
    json_t *tree;

    job_status_put(j->status, "active", j->active);
    json_put_int(j->status, "ready", j->ready);
    json_put_int(j->status, "terminating", j->leaving);
    job_status_drop_empty(j);
    if (j->indexed) {
        job_status_put(j->status, "succeeded", j->succeeded_indexes.count);
        job_status_put_indexes(j, "completedIndexes", &j->succeeded_indexes);
        if (j->per_index_limit >= 0)
            job_status_put_indexes(j, "failedIndexes", &j->failed_indexes);
    }
    job_status_finish(j);
    if (old && json_equal(old, j->status))
        return;
    tree = json_deep_copy(j->tree);
    json_put(tree, "status", json_incref(j->status));
    plan_status(j->plan, j->object, tree);
}
