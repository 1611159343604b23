#include "nodeagent/pod_plan.h"

#include <assert.h>

#define BIT(i) (UINT64_C(1) << (i))

const char *pod_phase_name(enum pod_phase phase)
{
    static const char *const names[] = {
        [POD_PENDING] = "Pending",
        [POD_RUNNING] = "Running",
        [POD_SUCCEEDED] = "Succeeded",
        [POD_FAILED] = "Failed",
    };

    return names[phase];
}

bool pod_plan_restarts(enum restart_policy policy, enum container_kind kind, int exit_code)
{
    if (kind == CONTAINER_SIDECAR)
        return true;
    if (kind == CONTAINER_EPHEMERAL)
        return false;
    if (kind == CONTAINER_INIT)
        return exit_code != 0 && policy != RESTART_NEVER;
    return policy == RESTART_ALWAYS || (policy == RESTART_ON_FAILURE && exit_code != 0);
}

static bool container_is_up(const struct container_facts *c)
{
    return c->phase == CONTAINER_STARTING || c->phase == CONTAINER_RUNNING;
}

static void pod_plan_wake(struct pod_plan *p, int64_t at_ms)
{
    if (p->wake_ms < 0 || at_ms < p->wake_ms)
        p->wake_ms = at_ms;
}

/* Starts container @i, or waits for the later of its two back-offs. */
static void pod_plan_start(struct pod_plan *p, const struct pod_facts *facts, size_t i)
{
    const struct container_facts *c = &facts->containers[i];
    int64_t at_ms = c->refused.retry_at_ms;

    if (c->phase == CONTAINER_EXITED && c->crash.retry_at_ms > at_ms)
        at_ms = c->crash.retry_at_ms;
    if (at_ms > facts->now_ms) {
        p->held |= BIT(i);
        pod_plan_wake(p, at_ms);
        return;
    }
    p->start |= BIT(i);
}

/* One init container or sidecar.  False: those after it must wait. */
static bool pod_plan_init_step(struct pod_plan *p, const struct pod_view *pod,
                               const struct pod_facts *facts, size_t i, bool *ret_failed)
{
    const struct container_facts *c = &facts->containers[i];
    enum container_kind kind = pod->containers[i].kind;

    if (kind == CONTAINER_INIT && facts->mains_began)
        return true;
    if (container_is_up(c))
        return kind == CONTAINER_SIDECAR &&
               (facts->mains_began || (c->phase == CONTAINER_RUNNING && c->started));
    if (c->phase == CONTAINER_EXITED && !pod_plan_restarts(pod->restart, kind, c->end.exit_code)) {
        *ret_failed = *ret_failed || c->end.exit_code != 0;
        return c->end.exit_code == 0;
    }
    pod_plan_start(p, facts, i);
    return facts->mains_began;
}

struct main_counts {
    unsigned n, up, waiting, ended, succeeded; /* ended: has a life behind it and runs no more */
    bool will_run;                             /* something is to be started (again) */
};

static void pod_plan_count(struct main_counts *ret, const struct pod_view *pod,
                           const struct pod_facts *facts)
{
    *ret = (struct main_counts){ .n = 0 };
    for (size_t i = 0; i < pod->n; i++) {
        const struct container_facts *c = &facts->containers[i];

        if (pod->containers[i].kind != CONTAINER_MAIN)
            continue;
        ret->n++;
        if (c->phase == CONTAINER_RUNNING)
            ret->up++;
        else if (c->phase != CONTAINER_EXITED && c->last.id[0] == '\0')
            ret->waiting++;
        else
            ret->ended++;
        if (c->phase == CONTAINER_EXITED && c->end.exit_code == 0)
            ret->succeeded++;
        if (c->phase != CONTAINER_EXITED ||
            pod_plan_restarts(pod->restart, CONTAINER_MAIN, c->end.exit_code))
            ret->will_run = true;
    }
}

/* Main and init containers at once; sidecars after them, last one first (KEP-753). */
static void pod_plan_stop_all(struct pod_plan *p, const struct pod_view *pod,
                              const struct pod_facts *facts)
{
    bool others_up = false;

    p->is_ending = true;
    p->is_down = true;
    for (size_t i = 0; i < pod->n; i++) {
        if (!container_is_up(&facts->containers[i]))
            continue;
        p->is_down = false;
        if (pod->containers[i].kind != CONTAINER_SIDECAR) {
            others_up = true;
            p->stop |= BIT(i);
        }
    }
    for (size_t i = pod->n; i-- > 0 && !others_up;) {
        if (pod->containers[i].kind == CONTAINER_SIDECAR &&
            container_is_up(&facts->containers[i])) {
            p->stop |= BIT(i);
            break;
        }
    }
}

static enum pod_phase pod_plan_living_phase(const struct pod_plan *p, const struct main_counts *n)
{
    if (!p->is_initialized || n->waiting > 0)
        return POD_PENDING;
    return POD_RUNNING;
}

static void pod_plan_begin(struct pod_plan *p, const struct pod_view *pod,
                           const struct pod_facts *facts, bool *ret_init_failed)
{
    size_t i;

    p->is_initialized = true;
    for (i = 0; i < pod->n && pod->containers[i].kind != CONTAINER_MAIN; i++) {
        if (!pod_plan_init_step(p, pod, facts, i, ret_init_failed)) {
            p->is_initialized = false;
            return;
        }
    }
    for (; i < pod->n && pod->containers[i].kind == CONTAINER_MAIN; i++) {
        const struct container_facts *c = &facts->containers[i];

        if (container_is_up(c))
            continue;
        if (c->phase == CONTAINER_ABSENT ||
            pod_plan_restarts(pod->restart, CONTAINER_MAIN, c->end.exit_code))
            pod_plan_start(p, facts, i);
    }
}

/* Ephemeral ones start once, whatever the others do: they may be there to find out why those do not. */
static void pod_plan_ephemeral(struct pod_plan *p, const struct pod_view *pod,
                               const struct pod_facts *facts)
{
    for (size_t i = pod->n; i-- > 0 && pod->containers[i].kind == CONTAINER_EPHEMERAL;)
        if (facts->containers[i].phase == CONTAINER_ABSENT)
            pod_plan_start(p, facts, i);
}

/* -1: no deadline; else milliseconds left, 0 when it has passed. */
static int64_t pod_plan_deadline_left(const struct pod_view *pod, const struct pod_facts *facts)
{
    int64_t left;

    if (pod->deadline_s < 0 || facts->started_wall_ms == 0)
        return -1;
    left = facts->started_wall_ms + pod->deadline_s * 1000 - facts->now_wall_ms;
    return left < 0 ? 0 : left;
}

void pod_plan(struct pod_plan *ret, const struct pod_view *pod, const struct pod_facts *facts)
{
    int64_t left_ms = pod_plan_deadline_left(pod, facts);
    bool init_failed = false;
    struct main_counts n;
    bool finished;

    assert(pod->n > 0);
    *ret = (struct pod_plan){ .wake_ms = -1, .phase = POD_PENDING };
    pod_plan_count(&n, pod, facts);
    pod_plan_begin(ret, pod, facts, &init_failed);
    pod_plan_ephemeral(ret, pod, facts);
    ret->reason = facts->evicted != NULL ? facts->evicted
                  : left_ms == 0         ? "DeadlineExceeded"
                                         : NULL;
    finished = init_failed || (n.up == 0 && !n.will_run);
    if (left_ms > 0)
        pod_plan_wake(ret, facts->now_ms + left_ms);
    ret->phase = pod_plan_living_phase(ret, &n);
    if (!finished && !pod->deleting && !facts->must_end && !facts->is_over && ret->reason == NULL)
        return;

    ret->start = ret->held = 0;
    ret->wake_ms = -1;
    pod_plan_stop_all(ret, pod, facts);
    if (ret->is_down)
        ret->phase = ret->reason == NULL && !init_failed && n.succeeded == n.n ? POD_SUCCEEDED
                                                                               : POD_FAILED;
}
