#include "nodeagent/pod_worker_impl.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/log_rotate.h"
#include "nodeagent/pod_record.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct container_facts *container_facts(struct worker_container *c)
{
    return &c->worker->facts[c->index];
}

const struct container_view *container_view(const struct worker_container *c)
{
    return &c->worker->pod->containers[c->index];
}

#define MAY(stage) (1u << (stage))
static const unsigned stage_next[] = {
    [STAGE_IDLE] = MAY(STAGE_PULLING) | MAY(STAGE_RUNNING) | MAY(STAGE_IDLE),
    [STAGE_PULLING] = MAY(STAGE_WAITING) | MAY(STAGE_IDLE),
    [STAGE_WAITING] = MAY(STAGE_BINDING) | MAY(STAGE_CREATING) | MAY(STAGE_IDLE),
    [STAGE_BINDING] = MAY(STAGE_CREATING) | MAY(STAGE_IDLE),
    [STAGE_CREATING] = MAY(STAGE_POSTSTART) | MAY(STAGE_RUNNING) | MAY(STAGE_IDLE),
    [STAGE_POSTSTART] = MAY(STAGE_RUNNING) | MAY(STAGE_IDLE),
    [STAGE_RUNNING] = MAY(STAGE_IDLE),
};

void container_enter(struct worker_container *c, enum worker_stage next)
{
    static const char *const names[] = { "idle",     "pulling",    "waiting", "binding",
                                         "creating", "post-start", "running" };

    assert(stage_next[c->stage] & MAY(next));
    log_debug("container stage", KV("pod", "%s/%s", c->worker->pod->ns, c->worker->pod->name),
              KV("container", "%s", container_view(c)->name), KV("stage", "%s", names[next]));
    c->stage = next;
}

static void container_drop_image(struct worker_container *c)
{
    if (c->request != NULL)
        image_request_cancel(STEAL(c->request));
    c->image = image_unref(c->image);
}

/* Back to what it was before the start that came to nothing. */
void container_idle(struct worker_container *c)
{
    struct container_facts *f = container_facts(c);

    container_drop_image(c);
    container_enter(c, STAGE_IDLE);
    f->phase = f->end.id[0] != '\0' ? CONTAINER_EXITED : CONTAINER_ABSENT;
}

void container_abort(struct worker_container *c)
{
    assert(c->stage < STAGE_BINDING);
    container_idle(c);
    worker_wake(c->worker);
}

static void container_say_waiting(struct container_facts *f, const char *reason, char *message)
{
    f->waiting = reason;
    free(f->waiting_message);
    f->waiting_message = message;
}

void container_refuse(struct worker_container *c, const char *reason, const char *message)
{
    struct container_facts *f = container_facts(c);

    container_idle(c);
    container_say_waiting(f, reason, mem_str(message));
    backoff_failed(&f->refused, clock_mono_ms());
    log_warn("container cannot start", KV("pod", "%s/%s", c->worker->pod->ns, c->worker->pod->name),
             KV("container", "%s", container_view(c)->name), KV("reason", "%s", reason),
             KV("err", "%s", message));
    worker_wake_urgent(c->worker);
}

void container_save(struct worker_container *c)
{
    struct pod_worker *w = c->worker;
    cleanup(freep) char *path = pod_record_container(w->host->data_dir, w->pod->uid,
                                                     container_view(c)->name);
    cleanup(freep) char *text = pod_record_facts(container_facts(c), c->log_path);
    struct err err = ERR_EMPTY;

    /* On the loop, though it blocks for some 50 us: on a thread it could overtake, or be overtaken
     * by, the record that the next life writes before it begins. */
    if (file_write_fast(path, text, strlen(text), 0600, &err) < 0)
        log_warn("container is not recorded", KV("container", "%s", container_view(c)->name),
                 KV_ERR(&err));
}

void container_begin(struct worker_container *c)
{
    assert(c->stage == STAGE_IDLE && c->life == NULL);
    container_enter(c, STAGE_PULLING);
    container_facts(c)->phase = CONTAINER_STARTING;
    container_pull(c);
}

void container_config_error(struct worker_container *c, const struct err *err)
{
    struct pod_worker *w = c->worker;

    events_pod(w->host->events, w->pod, container_view(c)->name, EVENT_WARNING, "Failed",
               "Error: %s", err->text);
    container_refuse(c, "CreateContainerConfigError", err->text);
}

/* --- life --- */

static void container_on_started(void *arg, int rc, const struct err *err);
static void container_on_exited(void *arg, const struct life_exit *end);
static void container_on_gone(void *arg);

struct life_listener container_listener(struct worker_container *c)
{
    return (struct life_listener){ .on_started = container_on_started,
                                   .on_exited = container_on_exited,
                                   .on_gone = container_on_gone,
                                   .arg = c };
}

static void container_on_post_start(void *arg, int rc, const struct err *err)
{
    struct worker_container *c = arg;

    c->hook_run = NULL;
    action_fini(&c->hook);
    if (rc == 0 && !container_facts(c)->is_stopping) {
        container_running(c, false);
        return;
    }
    if (rc < 0) {
        container_hook_failed(c, "PostStart", err);
        container_stop(c, c->worker->pod->grace_s, "FailedPostStartHook");
    }
}

void container_action_context(const struct worker_container *c, struct action_context *ret)
{
    const struct pod_host *host = c->worker->host;

    *ret = (struct action_context){
        .loop = host->loop,
        .http = host->probe_http,
        .runc = runtime_runc(host->rt),
        .runc_root = runtime_runc_root(host->rt),
        .container_id = life_id(c->life),
        .run_dir = host->run_dir,
    };
}

/* True: a hook is under way, the container counts as running when it is over. */
static bool container_post_start(struct worker_container *c)
{
    struct pod_worker *w = c->worker;
    const json_t *hook = json_at(container_view(c)->spec, "lifecycle.postStart");
    struct pod_surroundings around;
    struct action_context context;
    struct err err = ERR_EMPTY;

    if (hook == NULL)
        return false;
    worker_surroundings(w, &around);
    container_action_context(c, &context);
    container_enter(c, STAGE_POSTSTART);
    if (action_parse(&c->hook, hook, container_view(c), around.pod_ip, ACTION_HOOK, &err) < 0) {
        container_hook_failed(c, "PostStart", &err);
        container_stop(c, w->pod->grace_s, "FailedPostStartHook");
        return true;
    }
    c->hook_run = action_run(&c->hook, &context, INT64_C(24) * 3600 * 1000, container_on_post_start,
                             c);
    return true;
}

void container_running(struct worker_container *c, bool was_adopted)
{
    struct container_facts *f = container_facts(c);
    const json_t *spec = container_view(c)->spec;

    container_enter(c, STAGE_RUNNING);
    f->phase = CONTAINER_RUNNING;
    f->started_ms = life_started_ms(c->life);
    f->started = was_adopted || json_at(spec, "startupProbe") == NULL;
    f->ready = was_adopted || json_at(spec, "readinessProbe") == NULL;
    f->refused = (struct backoff){ .delay_ms = 0 };
    container_say_waiting(f, NULL, NULL);
    if (container_view(c)->kind == CONTAINER_MAIN)
        worker_mains_began(c->worker);
    if (c->worker->sandbox_ready)
        container_start_probes(c, was_adopted);
    worker_wake_urgent(c->worker);
}

/* The life is over, or never was: facts, record, and away with its traces. */
static void container_over(struct worker_container *c)
{
    struct container_facts *f = container_facts(c);

    container_stop_probes(c);
    container_forget_stop(c);
    container_drop_image(c);
    container_enter(c, STAGE_IDLE);
    f->phase = CONTAINER_EXITED;
    f->started = f->ready = false;
    if (pod_plan_restarts(c->worker->pod->restart, container_view(c)->kind, f->end.exit_code)) {
        int64_t now = clock_mono_ms();

        backoff_exited(&f->crash, now - (f->end.finished_ms - f->end.started_ms), now);
    }
    f->id[0] = '\0';
    container_save(c);
    life_remove(STEAL(c->life));
    worker_wake_urgent(c->worker);
}

static void container_end_as(struct container_facts *f, int code, const char *reason,
                             const char *message, int64_t started_ms, int64_t finished_ms)
{
    free(f->end.message);
    f->end = (struct container_end){ .exit_code = code,
                                     .started_ms = started_ms,
                                     .finished_ms = finished_ms };
    snprintf(f->end.id, sizeof(f->end.id), "%s", f->id);
    snprintf(f->end.reason, sizeof(f->end.reason), "%s", reason);
    f->end.message = str_empty(message) ? NULL : mem_str(message);
}

/* It was never made, because of what it asks for: not a life, so it is not counted. */
static void container_unmade(struct worker_container *c, const struct err *err)
{
    struct container_facts *f = container_facts(c);

    if (f->last.id[0] != '\0') {
        f->restarts--;
        f->end = f->last;
        f->last = (struct container_end){ .id = "" };
    }
    f->id[0] = '\0';
    container_forget_stop(c);
    container_config_error(c, err);
    container_save(c);
    life_remove(STEAL(c->life));
}

static void container_on_started(void *arg, int rc, const struct err *err)
{
    struct worker_container *c = arg;
    struct pod_worker *w = c->worker;
    struct container_facts *f = container_facts(c);
    const char *name = container_view(c)->name;

    assert(c->stage == STAGE_CREATING);
    if (rc == ERR_INVALID) {
        container_unmade(c, err);
        return;
    }
    if (rc < 0) {
        int64_t now = clock_wall_ms();

        log_warn("container did not start", KV("pod", "%s/%s", w->pod->ns, w->pod->name),
                 KV("container", "%s", name), KV_ERR(err));
        events_pod(w->host->events, w->pod, name, EVENT_WARNING, "Failed", "Error: %s", err->text);
        container_end_as(f, 128, "StartError", err->text, now, now);
        container_over(c);
        return;
    }
    container_drop_image(c);
    events_pod(w->host->events, w->pod, name, EVENT_NORMAL, "Created", "Created container: %s",
               name);
    events_pod(w->host->events, w->pod, name, EVENT_NORMAL, "Started", "Started container %s",
               name);
    if (f->is_stopping) {
        container_enter(c, STAGE_RUNNING);
        life_signal(c->life, SIGKILL);
        return;
    }
    if (!container_post_start(c))
        container_running(c, false);
}

static void container_on_exited(void *arg, const struct life_exit *end)
{
    struct worker_container *c = arg;
    const char *reason = end->unknown          ? "ContainerStatusUnknown"
                         : end->oom_killed     ? "OOMKilled"
                         : end->exit_code == 0 ? "Completed"
                                               : "Error";

    container_end_as(container_facts(c), end->exit_code, reason, end->message, end->started_ms,
                     end->finished_ms);
    container_over(c);
}

static void container_on_gone(void *arg)
{
    struct worker_container *c = arg;
    struct pod_worker *w = c->worker;

    assert(w->n_lives > 0);
    w->n_lives--;
    worker_job_over(w);
    if (!w->is_left)
        worker_wake(w);
}

/* --- adoption --- */

static void container_lost(struct worker_container *c, bool is_rebooted)
{
    struct container_facts *f = container_facts(c);

    if (!is_rebooted && f->phase == CONTAINER_STARTING) {
        /* The agent was killed between recording and starting it: there was no life. */
        f->id[0] = '\0';
        container_enter(c, STAGE_IDLE);
        if (f->last.id[0] != '\0') {
            f->restarts--;
            f->end = f->last;
            f->last = (struct container_end){ .id = "" };
        }
        f->phase = f->end.id[0] != '\0' ? CONTAINER_EXITED : CONTAINER_ABSENT;
        /* Before its traces go: were we killed in between, the next one would take its removal
         * for an end. */
        container_save(c);
        life_remove(STEAL(c->life));
        return;
    }
    /* The node went down under it. */
    container_end_as(f, 255, "Unknown", NULL, f->started_ms, clock_wall_ms());
    container_over(c);
}

bool container_adopt(struct worker_container *c, bool is_rebooted)
{
    struct pod_worker *w = c->worker;
    struct container_facts *f = container_facts(c);
    struct life_listener listener = container_listener(c);

    if (!pod_record_read_facts(f, &c->log_path, w->host->data_dir, w->pod->uid,
                               container_view(c)->name))
        return false;
    if (f->id[0] == '\0' || f->phase == CONTAINER_EXITED || f->phase == CONTAINER_ABSENT) {
        f->phase = f->end.id[0] != '\0' ? CONTAINER_EXITED : CONTAINER_ABSENT;
        if (f->crash.delay_ms > 0) /* the record holds the delay, not when it began to run */
            f->crash.retry_at_ms = clock_mono_ms() + f->crash.delay_ms -
                                   (clock_wall_ms() - f->end.finished_ms);
        return true;
    }
    c->image_name = mem_str(container_view(c)->image);
    w->n_lives++;
    switch (life_adopt(&c->life, w->host->rt, f->id, w->pod, c->index, c->log_path, &listener)) {
    case LIFE_FOUND_RUNNING: container_running(c, true); break;
    case LIFE_FOUND_EXITED:
        container_enter(c, STAGE_RUNNING);
        f->phase = CONTAINER_RUNNING;
        break;
    case LIFE_FOUND_NOTHING: container_lost(c, is_rebooted); break;
    }
    return true;
}

void container_fini(struct worker_container *c)
{
    assert(c->life == NULL);
    container_stop_probes(c);
    container_forget_stop(c);
    container_drop_image(c);
    free(c->log_path);
    free(c->last_log_path);
    free(c->image_name);
}
