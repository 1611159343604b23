/* Ending a container: preStop and leaving the endpoints beside each other, then the stop signal,
 * then SIGKILL when the grace period is over (it counts from the beginning). */
#include "nodeagent/pod_worker_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <ctype.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#define STOP_EXTRA_MS     2000 /* after a preStop that used up the whole grace period */
#define STOP_DRAIN_MAX_MS 2000 /* bound of the wait for proxies */
#define STOP_DRAIN_SETTLE_MS \
    250 /* from "no endpoint any more" here until other nodes' proxies have it too */

/* "SIGQUIT", "QUIT", "3", "SIGRTMIN+3" as in images. */
static int stop_signal_number(const char *name)
{
    int64_t n;

    if (str_empty(name))
        return SIGTERM;
    if (str_i64(name, &n))
        return n > 0 && n < NSIG ? (int)n : SIGTERM;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    if (strncasecmp(name, "RTMIN", 5) == 0 && (name[5] == '\0' || name[5] == '+'))
        return str_i64(name[5] == '+' ? name + 6 : "0", &n) && n <= SIGRTMAX - SIGRTMIN
                   ? SIGRTMIN + (int)n
                   : SIGTERM;
    for (int i = 1; i < SIGRTMIN; i++)
        if (sigabbrev_np(i) != NULL && strcasecmp(name, sigabbrev_np(i)) == 0)
            return i;
    return SIGTERM;
}

static int container_stop_signal(const struct worker_container *c)
{
    const struct image *img = c->image_name == NULL
                                  ? NULL
                                  : image_known(c->worker->host->images, c->image_name);

    return stop_signal_number(img == NULL ? NULL : json_str(img->config, "config.StopSignal"));
}

static void container_arm_kill(struct worker_container *c)
{
    int64_t left = c->kill_at_ms - clock_mono_ms();

    timer_start(c->kill_timer, left > 0 ? left : 0);
}

static void container_term(struct worker_container *c)
{
    if (c->term_sent || c->life == NULL)
        return;
    c->term_sent = true;
    life_signal(c->life, container_stop_signal(c));
}

/* Hook and proxies are done with. */
static void container_stop_go_on(struct worker_container *c)
{
    if (c->hook_done && c->drained)
        container_term(c);
}

static void container_on_kill_timer(void *arg)
{
    struct worker_container *c = arg;

    if (c->life == NULL)
        return;
    if (!c->term_sent) {
        container_term(c);
        c->kill_at_ms = clock_mono_ms() + STOP_EXTRA_MS;
        container_arm_kill(c);
        return;
    }
    life_signal(c->life, SIGKILL);
}

/* The event says no more than the kubelet's: what a hook prints may be secret. */
void container_hook_failed(const struct worker_container *c, const char *hook,
                           const struct err *err)
{
    const struct pod_worker *w = c->worker;
    cleanup(freep) char *reason = mem_fmt("Failed%sHook", hook);

    log_debug("hook failed", KV("pod", "%s/%s", w->pod->ns, w->pod->name),
              KV("container", "%s", container_view(c)->name), KV_ERR(err));
    events_pod(w->host->events, w->pod, container_view(c)->name, EVENT_WARNING, reason,
               "%sHook failed", hook);
}

static void container_on_pre_stop(void *arg, int rc, const struct err *err)
{
    struct worker_container *c = arg;

    c->hook_run = NULL;
    action_fini(&c->hook);
    if (rc < 0)
        container_hook_failed(c, "PreStop", err);
    c->hook_done = true;
    container_stop_go_on(c);
}

static void container_pre_stop(struct worker_container *c, int64_t grace_s)
{
    struct pod_worker *w = c->worker;
    const json_t *hook = json_at(container_view(c)->spec, "lifecycle.preStop");
    struct pod_surroundings around;
    struct action_context context;
    struct err err = ERR_EMPTY;

    c->hook_done = true;
    if (hook == NULL || c->stage != STAGE_RUNNING)
        return;
    worker_surroundings(w, &around);
    container_action_context(c, &context);
    if (action_parse(&c->hook, hook, container_view(c), around.pod_ip, ACTION_HOOK, &err) < 0) {
        container_hook_failed(c, "PreStop", &err);
        return;
    }
    c->hook_done = false;
    c->hook_run = action_run(&c->hook, &context, grace_s * 1000, container_on_pre_stop, c);
}

/* A stop is under way already: the shorter time counts. */
static void container_stop_sooner(struct worker_container *c, int64_t at_ms)
{
    if (c->kill_timer == NULL || at_ms >= c->kill_at_ms)
        return;
    c->kill_at_ms = at_ms;
    container_arm_kill(c);
}

void container_stop(struct worker_container *c, int64_t grace_s, const char *message)
{
    struct pod_worker *w = c->worker;
    struct container_facts *f = container_facts(c);
    int64_t at_ms = clock_mono_ms() + grace_s * 1000;

    if (f->is_stopping) {
        container_stop_sooner(c, at_ms);
        return;
    }
    if (c->stage == STAGE_PULLING || c->stage == STAGE_WAITING) {
        container_abort(c);
        return;
    }
    if (c->stage == STAGE_IDLE)
        return;
    f->is_stopping = true;
    if (c->life == NULL || c->stage == STAGE_CREATING)
        return; /* ended as soon as it is there: worker_container.c */
    if (message == NULL)
        events_pod(w->host->events, w->pod, container_view(c)->name, EVENT_NORMAL, "Killing",
                   "Stopping container %s", container_view(c)->name);
    else if (message[0] != '\0')
        events_pod(w->host->events, w->pod, container_view(c)->name, EVENT_NORMAL, "Killing", "%s",
                   message);
    if (c->hook_run != NULL) { /* postStart */
        action_cancel(STEAL(c->hook_run));
        action_fini(&c->hook);
    }
    for (int kind = 0; kind < PROBE_KINDS; kind++) /* liveness must not kill what ends by itself */
        if (kind != PROBE_READINESS)
            c->probes[kind] = probe_close(c->probes[kind]);
    c->term_sent = false;
    c->kill_at_ms = at_ms;
    c->kill_timer = timer_new(w->host->loop, container_on_kill_timer, c);
    c->drained = !worker_stops(w) || w->drain == NULL || !timer_active(w->drain);
    if (grace_s <= 0) {
        c->hook_done = c->drained = c->term_sent = true;
        life_signal(c->life, SIGKILL);
        return;
    }
    container_arm_kill(c);
    container_pre_stop(c, grace_s);
    container_stop_go_on(c);
}

void container_forget_stop(struct worker_container *c)
{
    c->kill_timer = timer_close(c->kill_timer);
    if (c->hook_run != NULL)
        action_cancel(STEAL(c->hook_run));
    action_fini(&c->hook);
    c->term_sent = c->hook_done = c->drained = false;
    container_facts(c)->is_stopping = false;
}

/* --- leaving the endpoints --- */

static void worker_on_drained(void *arg)
{
    struct pod_worker *w = arg;

    for (size_t i = 0; i < w->pod->n; i++) {
        struct worker_container *c = &w->containers[i];

        c->drained = true;
        if (w->facts[i].is_stopping && c->kill_timer != NULL)
            container_stop_go_on(c);
    }
}

/* The deletion mark takes the pod out of the ready endpoints; SIGTERM waits until this node sees
 * that, and a moment more for the proxies of the others, who hear it from the same watch. */
void worker_drain(struct pod_worker *w)
{
    if (w->drain_begun)
        return;
    w->drain_begun = true;
    w->drain = timer_new(w->host->loop, worker_on_drained, w);
    if (w->host->is_endpoint(w->host->arg, w->pod->uid))
        timer_start(w->drain, STOP_DRAIN_MAX_MS);
}

void worker_drain_check(struct pod_worker *w)
{
    if (!w->drain_begun || !timer_active(w->drain) || w->is_draining ||
        w->host->is_endpoint(w->host->arg, w->pod->uid))
        return;
    w->is_draining = true;
    timer_start(w->drain, STOP_DRAIN_SETTLE_MS);
}
