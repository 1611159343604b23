#include "controlplane/cronjob_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/claim.h"
#include "controlplane/controllers.h"

#include <stdlib.h>

#define CRONJOB_DEADLINE_MAX INT64_C(10000000000) /* seconds; more is for ever */

/* --- what is remembered --- */

static void cronjob_memo_free(void *arg)
{
    struct cronjob_memo *m = arg;

    free(m->uid);
    free(m->schedule);
    map_free(m->told);
    free(m);
}

static void *cronjob_state_new(void)
{
    return map_new(cronjob_memo_free);
}

static void cronjob_state_free(void *state)
{
    map_free(state);
}

static struct cronjob_memo *cronjob_remember(struct map *state, const struct object *o)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", o->ns, o->name);
    struct cronjob_memo *m = map_get(state, key);

    if (m && str_eq(m->uid, o->uid))
        return m;
    m = MEM_NEW(struct cronjob_memo);
    m->uid = mem_str(o->uid);
    m->told = map_new(NULL);
    m->hold_s = INT64_MIN;
    map_put(state, key, m);
    return m;
}

/* --- starting one --- */

static json_t *cronjob_job(const struct cronjob *c, const char *name, int64_t due_s)
{
    const json_t *template = json_at(c->tree, "spec.jobTemplate");
    const json_t *labels = json_at(template, "metadata.labels");
    const json_t *annotations = json_at(template, "metadata.annotations");
    json_t *job = json_object(), *notes = annotations ? json_deep_copy(annotations) : json_object();
    cleanup(freep) char *time = cronjob_print(c->zone, due_s);

    json_put_str(job, "apiVersion", "batch/v1");
    json_put_str(job, "kind", "Job");
    json_put_str(job, "metadata.name", name);
    json_put_str(job, "metadata.namespace", c->object->ns);
    if (labels)
        json_put(job, "metadata.labels", json_deep_copy(labels));
    json_object_set_new(notes, CRONJOB_TIMESTAMP, json_string(time));
    json_put(job, "metadata.annotations", notes);
    json_put(job, "metadata.ownerReferences", json_array());
    json_array_append_new(json_at(job, "metadata.ownerReferences"),
                          claim_reference(c->object, "batch/v1", "CronJob"));
    json_put(job, "spec", json_deep_copy(json_object_get(template, "spec")));
    return job;
}

static void cronjob_start(struct cronjob *c, const char *name, int64_t due_s)
{
    map_free(c->memo->told); /* whatever is so again later is told again */
    c->memo->told = map_new(NULL);
    plan_create(c->plan, CRONJOB_JOBS, c->object->ns, cronjob_job(c, name, due_s));
    plan_on_success(c->plan, c->object, CRONJOB_NAME, "SuccessfulCreate", "Created job %s", name);
    plan_on_failure(c->plan, c->object, CRONJOB_NAME, "FailedCreate",
                    "Error creating job: {error}");
}

static void cronjob_replace(struct cronjob *c)
{
    const json_t *ref;

    while ((ref = json_array_get(json_object_get(c->status, "active"), 0)))
        cronjob_jobs_delete(
            c, view_get(c->view, CRONJOB_JOBS, c->object->ns, json_str_or(ref, "name", "")));
}

/* --- what is due --- */

static bool cronjob_is_late(struct cronjob *c, int64_t due_s)
{
    int64_t deadline_s = json_int(c->tree, "spec.startingDeadlineSeconds", -1);
    cleanup(freep) char *time = cronjob_print_mail(due_s);
    cleanup(freep) char *text = mem_fmt("Missed scheduled time to start a job: %s", time);

    if (deadline_s < 0 || deadline_s > CRONJOB_DEADLINE_MAX ||
        (due_s + deadline_s) * 1000 >= c->now.wall_ms)
        return false;
    cronjob_tell(c, true, "MissSchedule", time, text);
    return true;
}

static int64_t cronjob_due(struct cronjob *c, int64_t now_s)
{
    int64_t deadline_s = json_int(c->tree, "spec.startingDeadlineSeconds", -1);
    int64_t earliest_s = c->earliest_s;
    struct cronjob_times times;

    if (deadline_s >= 0 && deadline_s < CRONJOB_DEADLINE_MAX && now_s - deadline_s > earliest_s)
        earliest_s = now_s - deadline_s;
    times = cronjob_times(&c->cron, c->zone, earliest_s, now_s);
    if (times.is_odd) {
        cleanup(freep) char *text = mem_fmt("invalid schedule: %s : time difference between two "
                                            "schedules is less than 1 second",
                                            json_str_or(c->tree, "spec.schedule", ""));

        cronjob_tell(c, true, "InvalidSchedule", "", text);
    }
    if (times.recent_s != CRON_NEVER && times.missed == CRONJOB_MANY_MISSED)
        cronjob_tell(c, true, "TooManyMissedTimes", "",
                     "too many missed start times. Set or decrease .spec.startingDeadlineSeconds "
                     "or check clock skew");
    return times.recent_s;
}

/* What keeps the Job of @due_s from being started. */
static bool cronjob_may_start(struct cronjob *c, int64_t due_s, const char *name)
{
    const json_t *active = json_object_get(c->status, "active");

    if (due_s == CRON_NEVER || due_s < c->memo->hold_s || cronjob_is_late(c, due_s))
        return false;
    if (due_s == c->earliest_s || view_get(c->view, CRONJOB_JOBS, c->object->ns, name))
        return false; /* served, or its name is taken */
    if (json_array_size(active) > 0 &&
        str_eq(json_str(c->tree, "spec.concurrencyPolicy"), "Forbid")) {
        cronjob_tell(c, false, "JobAlreadyActive", name,
                     "Not starting job because prior execution is running and concurrency policy "
                     "is Forbid");
        return false;
    }
    return true;
}

/* Kubernetes waits for the next time of a schedule that was changed, also when the new one would
 * have had a time since the last Job. */
static void cronjob_hold(struct cronjob *c, int64_t now_s)
{
    cleanup(freep) char *schedule = mem_fmt("%s %s", json_str_or(c->tree, "spec.timeZone", ""),
                                            json_str_or(c->tree, "spec.schedule", ""));
    struct cronjob_memo *m = c->memo;

    if (str_eq(m->schedule, schedule))
        return;
    if (m->schedule)
        m->hold_s = cronjob_next(&c->cron, c->zone, c->earliest_s, now_s);
    free(m->schedule);
    m->schedule = STEAL(schedule);
}

static bool cronjob_read(struct cronjob *c)
{
    const char *zone = json_str(c->tree, "spec.timeZone");
    const char *schedule = json_str_or(c->tree, "spec.schedule", "");
    cleanup(freep) char *text = NULL;
    struct err err = ERR_EMPTY;

    if (zone && zone_load(&c->zone, zone, &err) < 0) {
        text = mem_fmt("invalid timeZone: \"%s\": %s", zone, err.text);
        cronjob_tell(c, true, "UnknownTimeZone", zone, text);
        return false;
    }
    if (json_bool(c->tree, "spec.suspend", false))
        return false;
    if (cron_parse(&c->cron, schedule, &err) < 0) {
        text = mem_fmt("unparseable schedule: \"%s\" : %s", schedule, err.text);
        cronjob_tell(c, true, "UnparseableSchedule", schedule, text);
        return false;
    }
    return true;
}

/* --- the controller --- */

static void cronjob_write_status(struct cronjob *c)
{
    const json_t *old = json_object_get(c->tree, "status");
    json_t *tree;

    if (json_equal(old, c->status) || (!old && json_object_size(c->status) == 0))
        return;
    tree = json_deep_copy(c->tree);
    json_put(tree, "status", json_incref(c->status));
    plan_status(c->plan, c->object, tree);
}

/* Jobs that are replaced leave the status in the same plan, so it is written after their
 * deletion and before the new one, which is written down when it is there. */
static void cronjob_act(struct cronjob *c)
{
    int64_t now_s = c->now.wall_ms / 1000, due_s, next_s;
    cleanup(freep) char *name = NULL;
    bool starts;

    if (c->object->deleting || !cronjob_read(c)) {
        cronjob_write_status(c);
        return;
    }
    cronjob_hold(c, now_s);
    due_s = cronjob_due(c, now_s);
    name = cronjob_jobs_name(c, due_s);
    starts = cronjob_may_start(c, due_s, name);
    if (starts && str_eq(json_str(c->tree, "spec.concurrencyPolicy"), "Replace"))
        cronjob_replace(c);
    cronjob_write_status(c);
    if (starts)
        cronjob_start(c, name, due_s);
    next_s = cronjob_next(&c->cron, c->zone, c->earliest_s, now_s);
    if (next_s != CRON_NEVER)
        plan_again(c->plan, next_s * 1000 - c->now.wall_ms);
}

/* The time served last, or of its creation. */
static void cronjob_load_earliest(struct cronjob *c)
{
    const char *last = json_str(c->status, "lastScheduleTime");
    int64_t ms = c->now.wall_ms;

    clock_parse(last ? last : json_str_or(c->tree, "metadata.creationTimestamp", ""), &ms);
    c->earliest_s = ms / 1000;
}

static void cronjob_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                         const char *name, struct clock_now now)
{
    struct cronjob c = { .plan = ret, .view = v, .now = now };
    const json_t *old;

    c.object = view_get(v, CRONJOB, ns, name);
    if (!c.object) {
        cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);

        map_del(state, key);
        return;
    }
    c.tree = view_tree(v, c.object);
    old = json_object_get(c.tree, "status");
    c.status = old ? json_deep_copy(old) : json_object();
    c.jobs = view_owned(v, CRONJOB_JOBS, c.object->uid, NULL);
    c.memo = cronjob_remember(state, c.object);
    cronjob_jobs_follow(&c);
    cronjob_load_earliest(&c);
    cronjob_act(&c);
    if (!c.object->deleting)
        cronjob_jobs_prune(&c);
    json_decref(c.status);
    zone_free(c.zone);
}

static void cronjob_map(struct queue *q, struct view *v, const struct store_change *change)
{
    (void)v;
    if (str_eq(change->object->bucket, CRONJOB))
        queue_add(q, change->object->ns, change->object->name);
    else
        claim_map_controller(q, change, "CronJob");
}

static const char *const cronjob_buckets[] = { CRONJOB, CRONJOB_JOBS, NULL };

const struct controller cronjob_controller = {
    .name = CRONJOB_NAME,
    .buckets = cronjob_buckets,
    .map = cronjob_map,
    .plan = cronjob_plan,
    .state_new = cronjob_state_new,
    .state_free = cronjob_state_free,
};
