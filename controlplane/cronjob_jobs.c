#include "controlplane/cronjob_impl.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define CRONJOB_TOLD_MAX 64

void cronjob_tell(struct cronjob *c, bool warning, const char *reason, const char *what,
                  const char *message)
{
    cleanup(freep) char *key = mem_fmt("%s %s", reason, what);

    if (map_get(c->memo->told, key))
        return;
    if (map_len(c->memo->told) >= CRONJOB_TOLD_MAX) {
        map_free(c->memo->told);
        c->memo->told = map_new(NULL);
    }
    map_put(c->memo->told, key, c->memo);
    plan_event(c->plan, c->object, warning, CRONJOB_NAME, reason, "%s", message);
}

char *cronjob_jobs_name(const struct cronjob *c, int64_t due_s)
{
    return mem_fmt("%s-%lld", c->object->name, (long long)(due_s / 60));
}

/* "Complete", "Failed", or NULL while it is neither. */
static const char *cronjob_jobs_end(const json_t *job)
{
    const json_t *status = json_object_get(job, "status");

    if (condition_is(status, "Complete", "True"))
        return "Complete";
    return condition_is(status, "Failed", "True") ? "Failed" : NULL;
}

/* --- status.active --- */

static size_t cronjob_jobs_active(const struct cronjob *c, const char *uid)
{
    const json_t *active = json_object_get(c->status, "active"), *ref;
    size_t i;

    json_array_foreach (active, i, ref)
        if (str_eq(json_str(ref, "uid"), uid))
            return i;
    return SIZE_MAX;
}

static void cronjob_jobs_drop(struct cronjob *c, size_t i)
{
    json_t *active = json_object_get(c->status, "active");

    json_array_remove(active, i);
    if (json_array_size(active) == 0)
        json_object_del(c->status, "active");
}

static void cronjob_jobs_add(struct cronjob *c, const struct object *job)
{
    json_t *active = json_object_get(c->status, "active");
    char version[24];

    snprintf(version, sizeof(version), "%llu", (unsigned long long)job->revision);
    if (!active) {
        active = json_array();
        json_object_set_new(c->status, "active", active);
    }
    json_array_append_new(active,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "Job", "namespace",
                                    job->ns, "name", job->name, "uid", job->uid, "apiVersion",
                                    "batch/v1", "resourceVersion", version));
}

/* --- following --- */

/* The time for which this controller made the Job; CRON_NEVER: somebody else did. */
static int64_t cronjob_jobs_due(const struct cronjob *c, const struct object *job)
{
    const json_t *annotations = json_at(view_tree(c->view, job), "metadata.annotations");
    const char *text = json_string_value(json_object_get(annotations, CRONJOB_TIMESTAMP));
    cleanup(freep) char *name = NULL;
    int64_t ms;

    if (!text || !clock_parse(text, &ms))
        return CRON_NEVER;
    name = cronjob_jobs_name(c, ms / 1000);
    return str_eq(name, job->name) ? ms / 1000 : CRON_NEVER;
}

/* Jobs that were made and not yet written down. */
static void cronjob_jobs_record(struct cronjob *c)
{
    int64_t served_s = CRON_NEVER, last_ms;
    char text[CLOCK_TEXT_MAX];

    if (clock_parse(json_str_or(c->status, "lastScheduleTime", ""), &last_ms))
        served_s = last_ms / 1000;
    last_ms = served_s;
    for (size_t i = 0; c->jobs[i]; i++) {
        int64_t due_s = cronjob_jobs_due(c, c->jobs[i]);

        if (due_s <= served_s || cronjob_jobs_active(c, c->jobs[i]->uid) != SIZE_MAX)
            continue;
        cronjob_jobs_add(c, c->jobs[i]);
        if (due_s > last_ms)
            last_ms = due_s;
    }
    if (last_ms == served_s)
        return;
    clock_print(text, last_ms * 1000);
    json_put_str(c->status, "lastScheduleTime", text);
}

static void cronjob_jobs_succeeded(struct cronjob *c, const json_t *job)
{
    const char *text = json_str_or(job, "status.completionTime", "");
    int64_t ms, before_ms;

    if (!clock_parse(text, &ms))
        return;
    if (!clock_parse(json_str_or(c->status, "lastSuccessfulTime", ""), &before_ms) ||
        ms > before_ms)
        json_put_str(c->status, "lastSuccessfulTime", text);
}

static void cronjob_jobs_look(struct cronjob *c, const struct object *job)
{
    const json_t *tree = view_tree(c->view, job);
    const char *end = cronjob_jobs_end(tree);
    size_t active = cronjob_jobs_active(c, job->uid);
    cleanup(freep) char *text = NULL;

    if (end && active != SIZE_MAX) {
        cronjob_jobs_drop(c, active);
        plan_event(c->plan, c->object, false, CRONJOB_NAME, "SawCompletedJob",
                   "Saw completed job: %s, condition: %s", job->name, end);
    } else if (!end && active == SIZE_MAX) {
        text = mem_fmt("Saw a job that the controller did not create or forgot: %s", job->name);
        cronjob_tell(c, true, "UnexpectedJob", job->uid, text);
    }
    if (str_eq(end, "Complete"))
        cronjob_jobs_succeeded(c, tree);
}

static void cronjob_jobs_drop_missing(struct cronjob *c)
{
    const json_t *ref;

    for (size_t i = 0; (ref = json_array_get(json_object_get(c->status, "active"), i));) {
        const char *name = json_str_or(ref, "name", "");
        const struct object *job = view_get(c->view, CRONJOB_JOBS, c->object->ns, name);

        if (job && str_eq(job->uid, json_str(ref, "uid"))) {
            i++;
            continue;
        }
        plan_event(c->plan, c->object, false, CRONJOB_NAME, "MissingJob",
                   "Active job went missing: %s", name);
        cronjob_jobs_drop(c, i);
    }
}

void cronjob_jobs_follow(struct cronjob *c)
{
    cronjob_jobs_record(c);
    for (size_t i = 0; c->jobs[i]; i++)
        cronjob_jobs_look(c, c->jobs[i]);
    cronjob_jobs_drop_missing(c);
}

/* --- history --- */

void cronjob_jobs_delete(struct cronjob *c, const struct object *job)
{
    size_t active = cronjob_jobs_active(c, job->uid);

    if (active != SIZE_MAX)
        cronjob_jobs_drop(c, active);
    plan_delete(c->plan, job);
    plan_on_success(c->plan, c->object, CRONJOB_NAME, "SuccessfulDelete", "Deleted job %s",
                    job->name);
    plan_on_failure(c->plan, c->object, CRONJOB_NAME, "FailedDelete", "Deleted job: {error}");
}

struct cronjob_finished {
    const struct object *job;
    int64_t start_ms;
};

/* By start; those that never started are the youngest. */
static int cronjob_jobs_order(const void *a, const void *b)
{
    const struct cronjob_finished *x = a, *y = b;

    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    return strcmp(x->job->name, y->job->name);
}

static void cronjob_jobs_prune_end(struct cronjob *c, size_t n_jobs, const char *end, int64_t limit)
{
    cleanup(freep) struct cronjob_finished *list = MEM_NEW_ARRAY(struct cronjob_finished,
                                                                 n_jobs + 1);
    size_t n = 0;

    for (size_t i = 0; i < n_jobs; i++) {
        const json_t *tree = view_tree(c->view, c->jobs[i]);

        if (c->jobs[i]->deleting || !str_eq(cronjob_jobs_end(tree), end))
            continue;
        list[n] = (struct cronjob_finished){ .job = c->jobs[i], .start_ms = INT64_MAX };
        clock_parse(json_str_or(tree, "status.startTime", ""), &list[n].start_ms);
        n++;
    }
    qsort(list, n, sizeof(*list), cronjob_jobs_order);
    for (size_t i = 0; (int64_t)(n - i) > limit; i++)
        cronjob_jobs_delete(c, list[i].job);
}

void cronjob_jobs_prune(struct cronjob *c)
{
    static const struct {
        const char *end, *limit;
    } rows[] = {
        { "Complete", "spec.successfulJobsHistoryLimit" },
        { "Failed", "spec.failedJobsHistoryLimit" },
    };
    size_t n = 0;

    while (c->jobs[n])
        n++;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (json_at(c->tree, rows[i].limit))
            cronjob_jobs_prune_end(c, n, rows[i].end, json_int(c->tree, rows[i].limit, 0));
}
