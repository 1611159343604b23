#include "controlplane/runner.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/runner_write.h"

#include <assert.h>

#define RUNNER_IN_FLIGHT_DEFAULT 256
#define RUNNER_PLANS_PER_STEP    512
#define RUNNER_VIEW_BYTES_MAX    (4u << 20)
#define RUNNER_CONFLICT_FIRST_MS 5
#define RUNNER_CONFLICT_MAX_MS   1000
#define RUNNER_BACKOFF_FIRST_MS  50
#define RUNNER_BACKOFF_MAX_MS    30000

/* One controller at work. */
struct runner_row {
    const struct controller *controller;
    struct queue *queue; /* owned */
    void *state;         /* owned, by state_free */
    uint64_t plans, retries;
};

/* A plan being carried out. */
struct runner_job {
    struct list link; /* in runner.jobs */
    struct runner_row *row;
    struct queue_item *item; /* borrowed from the row's queue, busy */
    struct plan plan;        /* owned */
    size_t next;             /* writes before it were submitted */
    size_t unanswered;
    const struct plan_write *refused; /* the first; NULL = none so far */
    char *message;                    /* owned; why it was refused */
    enum runner_outcome outcome;
};

/* A write whose answer is awaited.  Lives until answered, also when the runner is gone. */
struct runner_call {
    struct list link;      /* in runner.calls */
    struct runner *runner; /* NULL = nobody listens any more */
    struct runner_job *job;
    const struct plan_write *write;
};

struct runner {
    struct registry *registry;   /* borrowed */
    struct store *store;         /* borrowed */
    struct view *view;           /* owned */
    struct store_cursor *cursor; /* owned */
    struct runner_row *rows;     /* owned */
    size_t n_rows;
    size_t turn; /* the row that plans next */
    struct list jobs, calls;
    size_t in_flight, max_in_flight, keep_trees;
    void (*wake)(void *arg);
    void *arg;
    bool started;
    struct clock_now now; /* of the last step */
    struct runner_stats stats;
};

/* --- life --- */

static void runner_on_change(void *arg)
{
    struct runner *r = arg;

    if (r->wake)
        r->wake(r->arg);
}

static void runner_follow(struct runner *r)
{
    int rc;

    r->cursor = store_cursor_free(r->cursor);
    rc = store_cursor_new(&r->cursor, r->store, NULL, store_revision(r->store), runner_on_change,
                          r);
    assert(rc == 0); /* the newest revision is always known */
    (void)rc;
}

int runner_new(struct runner **ret, const struct runner_opts *opts, struct err *err)
{
    struct runner *r = MEM_NEW(struct runner);

    (void)err;
    assert(opts->registry && opts->controllers);
    r->registry = opts->registry;
    r->store = registry_store(opts->registry);
    r->view = view_new(r->store);
    view_set_metrics(r->view, opts->metrics);
    view_set_rbac(r->view, registry_rbac(opts->registry));
    r->keep_trees = opts->keep_trees;
    view_keep(r->view, r->keep_trees);
    r->wake = opts->wake;
    r->arg = opts->arg;
    r->max_in_flight = opts->max_in_flight ? opts->max_in_flight : RUNNER_IN_FLIGHT_DEFAULT;
    list_init(&r->jobs);
    list_init(&r->calls);
    while (opts->controllers[r->n_rows])
        r->n_rows++;
    r->rows = MEM_NEW_ARRAY(struct runner_row, r->n_rows);
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct controller *c = opts->controllers[i];

        r->rows[i].controller = c;
        r->rows[i].queue = queue_new();
        r->rows[i].state = c->state_new ? c->state_new() : NULL;
    }
    *ret = r;
    return 0;
}

static void runner_job_free(struct runner_job *job)
{
    list_del(&job->link);
    plan_fini(&job->plan);
    free(job->message);
    free(job);
}

struct runner *runner_free(struct runner *r)
{
    if (!r)
        return NULL;
    while (!list_empty(&r->calls)) {
        struct runner_call *call = list_entry(r->calls.next, struct runner_call, link);

        list_del(&call->link);
        call->runner = NULL;
    }
    while (!list_empty(&r->jobs))
        runner_job_free(list_entry(r->jobs.next, struct runner_job, link));
    for (size_t i = 0; i < r->n_rows; i++) {
        if (r->rows[i].controller->state_free)
            r->rows[i].controller->state_free(r->rows[i].state);
        queue_free(r->rows[i].queue);
    }
    free(r->rows);
    store_cursor_free(r->cursor);
    view_free(r->view);
    free(r);
    return NULL;
}

void runner_stats(const struct runner *r, struct runner_stats *ret)
{
    *ret = r->stats;
    ret->in_flight = r->in_flight;
    for (size_t i = 0; i < r->n_rows; i++)
        ret->queued += queue_len(r->rows[i].queue);
}

bool runner_row_stats(const struct runner *r, size_t i, struct runner_row_stats *ret)
{
    const struct runner_row *row = &r->rows[i];

    if (i >= r->n_rows)
        return false;
    *ret = (struct runner_row_stats){ .controller = row->controller->name,
                                      .depth = queue_len(row->queue),
                                      .plans = row->plans,
                                      .retries = row->retries };
    return true;
}

/* --- following --- */

static bool runner_follows(const struct controller *c, const char *bucket)
{
    for (const char *const *b = c->buckets; *b; b++)
        if (str_eq(*b, "*") || str_eq(*b, bucket))
            return true;
    return false;
}

static void runner_map(struct runner *r, const struct store_change *change)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct controller *c = r->rows[i].controller;

        if (runner_follows(c, change->object->bucket))
            c->map(r->rows[i].queue, r->view, change);
    }
    view_let_go(r->view, RUNNER_VIEW_BYTES_MAX);
}

/* Everything is as if it had just appeared. */
static void runner_relist(struct runner *r)
{
    cleanup(freep) const char **buckets = store_buckets(r->store);

    r->stats.relists++;
    runner_follow(r);
    for (const char **b = buckets; *b; b++) {
        struct store_iter it;
        struct store_change change = { .type = STORE_ADDED };

        store_iter_init(&it, r->store, *b, NULL, NULL, NULL);
        while ((change.object = store_iter_next(&it)))
            runner_map(r, &change);
        view_end_step(r->view);
    }
}

static void runner_catch_up(struct runner *r)
{
    struct store_change change;
    int rc;

    if (!r->started) {
        r->started = true;
        runner_relist(r);
    }
    while ((rc = store_cursor_next(r->cursor, &change)) != 0) {
        if (rc == STORE_TOO_OLD)
            runner_relist(r);
        else
            runner_map(r, &change);
    }
}

/* --- carrying out --- */

static int64_t runner_pause(unsigned failures, int64_t first_ms, int64_t max_ms)
{
    int64_t ms = first_ms;

    for (unsigned i = 1; i < failures && ms < max_ms; i++)
        ms *= 2;
    return ms < max_ms ? ms : max_ms;
}

static int64_t runner_job_due(const struct runner *r, const struct runner_job *job)
{
    unsigned n = job->item->failures;

    switch (job->outcome) {
    case RUNNER_CONFLICT:
        return r->now.mono_ms + runner_pause(n, RUNNER_CONFLICT_FIRST_MS, RUNNER_CONFLICT_MAX_MS);
    case RUNNER_REFUSED:
        return r->now.mono_ms + runner_pause(n, RUNNER_BACKOFF_FIRST_MS, RUNNER_BACKOFF_MAX_MS);
    case RUNNER_DONE:
    case RUNNER_MOOT: break;
    }
    return job->plan.again_ms < 0 ? -1 : r->now.mono_ms + job->plan.again_ms;
}

static void runner_job_end(struct runner *r, struct runner_job *job)
{
    const struct controller *c = job->row->controller;

    assert(job->unanswered == 0);
    if (c->settled)
        c->settled(job->row->state, job->item->ns, job->item->name, job->refused, job->message);
    job->row->retries += job->outcome != RUNNER_DONE;
    job->item->failures = job->outcome == RUNNER_DONE ? 0 : job->item->failures + 1;
    queue_finish(job->row->queue, job->item, runner_job_due(r, job));
    runner_job_free(job);
}

static void runner_job_refuse(struct runner *r, struct runner_job *job, const struct plan_write *w,
                              enum runner_outcome outcome, const char *message)
{
    if (outcome == RUNNER_CONFLICT) {
        r->stats.conflicts++;
    } else {
        r->stats.failures++;
        log_warn("write refused", KV("controller", "%s", job->row->controller->name),
                 KV("key", "%s", job->item->key), KV("bucket", "%s", w->bucket),
                 KV("name", "%s", w->name), KV("why", "%s", message));
    }
    if (job->refused)
        return;
    job->refused = w;
    job->outcome = outcome;
    job->message = mem_str(message);
    job->next = job->plan.n; /* what follows counted on this one */
}

static void runner_job_answer(struct runner *r, struct runner_job *job, const struct plan_write *w,
                              const struct registry_answer *answer)
{
    enum runner_outcome outcome = runner_write_outcome(w, answer);

    switch (outcome) {
    case RUNNER_DONE:
        if (w->on_success)
            runner_write_event(r->registry, w->on_success,
                               answer->object ? answer->object->name : w->name, NULL,
                               r->now.wall_ms);
        break;
    case RUNNER_MOOT: job->next = job->plan.n; break;
    case RUNNER_REFUSED:
        if (w->on_failure)
            runner_write_event(r->registry, w->on_failure, w->name, runner_write_message(answer),
                               r->now.wall_ms);
        runner_job_refuse(r, job, w, outcome, runner_write_message(answer));
        break;
    case RUNNER_CONFLICT:
        runner_job_refuse(r, job, w, outcome, runner_write_message(answer));
        break;
    }
}

static void runner_on_answer(void *arg, const struct registry_answer *answer)
{
    struct runner_call *call = arg;
    struct runner *r = call->runner;
    struct runner_job *job = call->job;
    const struct plan_write *w = call->write;

    list_del(&call->link);
    free(call);
    if (!r)
        return;
    r->in_flight--;
    job->unanswered--;
    runner_job_answer(r, job, w, answer);
    /* The job ends in runner_step; this may be called from within it. */
    if (r->wake)
        r->wake(r->arg);
}

/* As whom metadata.managedFields shall note it: the program that does this in Kubernetes. */
static const char *runner_manager(const struct controller *c)
{
    return c->manager != NULL ? c->manager : "kube-controller-manager";
}

static void runner_submit(struct runner *r, struct runner_job *job, const struct plan_write *w)
{
    struct runner_call *call = MEM_NEW(struct runner_call);

    call->runner = r;
    call->job = job;
    call->write = w;
    list_add_tail(&r->calls, &call->link);
    r->in_flight++;
    job->unanswered++;
    r->stats.writes++;
    runner_write_submit(r->registry, runner_manager(job->row->controller), w, runner_on_answer,
                        call);
}

/* Submits what fits; ends the job when all is answered.  False: no room for more. */
static bool runner_job_push(struct runner *r, struct runner_job *job)
{
    while (job->next < job->plan.n) {
        const struct plan_write *w = &job->plan.writes[job->next];

        if (r->in_flight >= r->max_in_flight)
            return false;
        job->next++;
        if (w->verb == PLAN_EVENT)
            runner_write_event(r->registry, w->tree, NULL, NULL, r->now.wall_ms);
        else
            runner_submit(r, job, w);
    }
    if (job->unanswered == 0)
        runner_job_end(r, job);
    return true;
}

static void runner_plan(struct runner *r, struct runner_row *row, struct queue_item *item)
{
    struct runner_job *job = MEM_NEW(struct runner_job);

    job->row = row;
    job->item = item;
    job->plan = (struct plan)PLAN_EMPTY;
    list_add_tail(&r->jobs, &job->link);
    r->stats.plans++;
    row->plans++;
    row->controller->plan(&job->plan, r->view, row->state, item->ns, item->name, r->now);
    if (view_footprint(r->view) > RUNNER_VIEW_BYTES_MAX + r->keep_trees)
        view_end_step(r->view);
    runner_job_push(r, job);
}

/* Plans one key of the next row that has one; false when there is none. */
static bool runner_plan_one(struct runner *r)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        struct runner_row *row = &r->rows[(r->turn + i) % r->n_rows];
        struct queue_item *item = queue_pop(row->queue, r->now.mono_ms);

        if (!item)
            continue;
        r->turn = (r->turn + i + 1) % r->n_rows;
        runner_plan(r, row, item);
        return true;
    }
    return false;
}

static int64_t runner_next(const struct runner *r)
{
    int64_t next = -1;

    for (size_t i = 0; i < r->n_rows; i++) {
        int64_t due = queue_next_due(r->rows[i].queue);

        if (queue_is_ready(r->rows[i].queue, r->now.mono_ms))
            return r->in_flight < r->max_in_flight ? 0 : -1;
        if (due >= 0 && (next < 0 || due - r->now.mono_ms < next))
            next = due - r->now.mono_ms;
    }
    return next;
}

int64_t runner_step(struct runner *r, struct clock_now now)
{
    unsigned plans = 0;

    r->now = now;
    runner_catch_up(r);
    LIST_EACH_SAFE (it, &r->jobs)
        runner_job_push(r, list_entry(it, struct runner_job, link));
    while (plans++ < RUNNER_PLANS_PER_STEP && r->in_flight < r->max_in_flight)
        if (!runner_plan_one(r))
            break;
    view_end_step(r->view);
    return runner_next(r);
}
