#include "nodeagent/probe.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"

#include <assert.h>

struct probe {
    enum probe_kind kind;
    struct probe_spec spec;
    struct probe_verdict verdict;
    struct action action;
    struct action_context context;
    struct probe_listener listener;
    struct timer *timer;
    struct action_run *run; /* the question under way */
    int64_t due_ms;         /* monotonic: of the latest question, for a steady pace */
    bool is_started;
};

static void probe_ask(void *arg);

static void probe_on_answer(void *arg, int rc, const struct err *err)
{
    struct probe *p = arg;
    int64_t now = clock_mono_ms();
    struct probe_listener l = p->listener;
    enum probe_kind kind = p->kind;
    bool reached;

    p->run = NULL;
    p->due_ms += p->spec.period_ms;
    if (p->due_ms < now)
        p->due_ms = now;
    timer_start(p->timer, p->due_ms - now);
    if (rc == ERR_UNAVAILABLE && p->action.type == ACTION_EXEC) {
        l.on_error(l.arg, kind, err->text);
        return;
    }
    reached = probe_verdict_feed(&p->verdict, &p->spec, rc == 0);
    if (rc < 0)
        l.on_miss(l.arg, kind, err->text);
    if (reached)
        l.on_verdict(l.arg, kind, rc == 0, &p->spec); /* last: it may close us */
}

static void probe_ask(void *arg)
{
    struct probe *p = arg;

    assert(p->run == NULL);
    p->run = action_run(&p->action, &p->context, p->spec.timeout_ms, probe_on_answer, p);
}

int probe_new(struct probe **ret, enum probe_kind kind, const json_t *probe,
              const struct container_view *c, const char *pod_ip,
              const struct action_context *context, const struct probe_listener *listener,
              struct err *err)
{
    struct probe *p = MEM_NEW(struct probe);
    int rc = action_parse(&p->action, probe, c, pod_ip, ACTION_PROBE, err);

    if (rc < 0) {
        free(p);
        return rc;
    }
    p->kind = kind;
    p->context = *context;
    p->listener = *listener;
    probe_spec_read(&p->spec, probe);
    probe_verdict_init(&p->verdict, kind);
    p->timer = timer_new(context->loop, probe_ask, p);
    *ret = p;
    return 0;
}

void probe_start(struct probe *p, int64_t since_ms)
{
    int64_t wait_ms = p->spec.delay_ms > since_ms ? p->spec.delay_ms - since_ms : 0;

    assert(!p->is_started);
    p->is_started = true;
    p->due_ms = clock_mono_ms() + wait_ms;
    timer_start(p->timer, wait_ms);
}

bool probe_is_started(const struct probe *p)
{
    return p->is_started;
}

struct probe *probe_close(struct probe *p)
{
    if (p == NULL)
        return NULL;
    if (p->run != NULL)
        action_cancel(p->run);
    timer_close(p->timer);
    action_fini(&p->action);
    free(p);
    return NULL;
}
