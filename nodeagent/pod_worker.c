#include "nodeagent/pod_worker_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/log_rotate.h"
#include "nodeagent/pod_record.h"
#include "nodeagent/pod_support.h"

#include <assert.h>
#include <string.h>

bool worker_stops(const struct pod_worker *w)
{
    return w->pod->deleting || w->is_gone;
}

void worker_wake_in(struct pod_worker *w, int64_t ms)
{
    int64_t at_ms = clock_mono_ms() + (ms < 0 ? 0 : ms);

    if (w->is_finished || w->is_left || (timer_active(w->step) && w->step_at_ms <= at_ms))
        return;
    w->step_at_ms = at_ms;
    timer_start(w->step, ms < 0 ? 0 : ms);
}

void worker_wake(struct pod_worker *w)
{
    worker_wake_in(w, 0);
}

void worker_wake_urgent(struct pod_worker *w)
{
    w->publish_dirty = true;
    worker_wake(w);
}

/* So long ErrImagePull is shown before ImagePullBackOff, and how a container ended before CrashLoopBackOff. */
#define WORKER_SHOWN_MS 2000

/* --- memory --- */

void worker_free(struct pod_worker *w)
{
    assert(w->n_lives == 0 && w->n_jobs == 0);
    for (size_t i = 0; i < w->pod->n; i++) {
        container_fini(&w->containers[i]);
        free(w->facts[i].end.message);
        free(w->facts[i].last.message);
        free(w->facts[i].waiting_message);
        free(w->facts[i].image_id);
    }
    worker_status_fini(w);
    worker_end_fini(w);
    pod_lookup_close(w->lookup);
    sandbox_free(w->sandbox);
    volumes_fini(&w->volumes);
    timer_close(w->step);
    timer_close(w->publish);
    timer_close(w->drain);
    pod_view_unref(w->pod);
    free(w);
}

void worker_job_over(struct pod_worker *w)
{
    if (w->is_left && w->n_jobs == 0 && w->n_lives == 0)
        worker_free(w);
}

/* All containers have ended for good: status, sandbox, API object, record; in that order. */
static void worker_wind_down(struct pod_worker *w)
{
    pod_lookup_rest(w->lookup);
    if (w->is_foreign)
        w->sandbox_gone = true; /* never made here */
    if (!w->is_over && !worker_stops(w)) {
        w->is_over = true;
        worker_save(w);
    }
    if (w->n_lives > 0 || w->n_jobs > 0)
        return;
    if (!w->sandbox_gone) {
        worker_teardown(w);
        return;
    }
    if (!worker_stops(w))
        return;
    if (!w->is_gone && !worker_is_published(w))
        return;
    if (!w->is_gone && !w->delete_done)
        worker_delete(w);
    else
        worker_finish(w);
}

/* --- the step --- */

static void worker_facts(const struct pod_worker *w, struct pod_facts *ret)
{
    *ret = (struct pod_facts){
        .now_ms = clock_mono_ms(),
        .now_wall_ms = clock_wall_ms(),
        .started_wall_ms = w->started_wall_ms,
        .is_over = w->is_over,
        .must_end = w->is_gone,
        .mains_began = w->mains_began,
        .evicted = w->end_reason,
        .containers = w->facts,
    };
}

/* Has the first word been shown for long enough? */
static bool worker_was_shown(struct pod_worker *w, const struct backoff *b, int64_t now_ms)
{
    int64_t shown_ms = now_ms - (b->retry_at_ms - b->delay_ms);

    if (shown_ms < WORKER_SHOWN_MS)
        worker_wake_in(w, WORKER_SHOWN_MS - shown_ms);
    return shown_ms >= WORKER_SHOWN_MS;
}

/* A failed pull shows as ErrImagePull first, then as waiting for the next try. */
static void worker_name_pull(struct pod_worker *w, size_t i, int64_t now_ms)
{
    struct container_facts *c = &w->facts[i];
    const struct container_view *view = &w->pod->containers[i];
    cleanup(freep) char *before = NULL;

    if (!str_eq(c->waiting, "ErrImagePull") || !worker_was_shown(w, &c->refused, now_ms))
        return;
    before = STEAL(c->waiting_message);
    c->waiting = "ImagePullBackOff";
    c->waiting_message = mem_fmt("Back-off pulling image \"%s\": ErrImagePull: %s", view->image,
                                 before == NULL ? "" : before);
    w->publish_dirty = true;
    events_pod(w->host->events, w->pod, view->name, EVENT_NORMAL, "BackOff",
               "Back-off pulling image \"%s\"", view->image);
    events_pod(w->host->events, w->pod, view->name, EVENT_WARNING, "Failed",
               "Error: ImagePullBackOff");
}

/* Held containers say why they wait: the refusal's back-off, or that they keep crashing.  The
 * latter after a while: first their owner sees how they ended (Error, OOMKilled). */
static void worker_name_held(struct pod_worker *w, int64_t now_ms)
{
    for (size_t i = 0; i < w->pod->n; i++) {
        struct container_facts *c = &w->facts[i];
        bool is_held = w->plan.held >> i & 1;

        if (is_held)
            worker_name_pull(w, i, now_ms);
        if (!is_held || c->refused.has_failed || str_eq(c->waiting, "CrashLoopBackOff") ||
            !worker_was_shown(w, &c->crash, now_ms))
            continue;
        c->waiting = "CrashLoopBackOff";
        free(c->waiting_message);
        c->waiting_message = mem_fmt("back-off %llds restarting failed container=%s pod=%s_%s(%s)",
                                     (long long)(c->crash.delay_ms / 1000),
                                     w->pod->containers[i].name, w->pod->name, w->pod->ns,
                                     w->pod->uid);
        w->publish_dirty = true;
        events_pod(w->host->events, w->pod, w->pod->containers[i].name, EVENT_WARNING, "BackOff",
                   "Back-off restarting failed container %s in pod %s_%s(%s)",
                   w->pod->containers[i].name, w->pod->name, w->pod->ns, w->pod->uid);
    }
}

static void worker_start_containers(struct pod_worker *w)
{
    if (w->plan.start == 0 || w->unsupported.code != 0)
        return;
    /* It may have been deleted, and run elsewhere, while this node was off. */
    if (w->awaits_server && !w->host->is_alone(w->host->arg))
        return;
    for (size_t i = 0; i < w->pod->n; i++)
        if (w->plan.start >> i & 1)
            container_begin(&w->containers[i]);
}

static void worker_stop_containers(struct pod_worker *w)
{
    int64_t grace_s = worker_grace_s(w);

    if (w->plan.stop == 0)
        return;
    if (worker_stops(w))
        worker_drain(w);
    for (size_t i = 0; i < w->pod->n; i++)
        if (w->plan.stop >> i & 1)
            container_stop(&w->containers[i], grace_s, NULL);
}

static void worker_step(void *arg)
{
    struct pod_worker *w = arg;
    struct pod_facts facts;

    if (w->is_finished || w->is_left)
        return;
    worker_facts(w, &facts);
    pod_plan(&w->plan, w->pod, &facts);
    worker_name_held(w, facts.now_ms);
    worker_say_deadline(w);
    if (!w->plan.is_ending)
        worker_prepare(w);
    worker_start_containers(w);
    worker_stop_containers(w);
    for (size_t i = 0; i < w->pod->n; i++)
        container_go_on(&w->containers[i]);
    worker_reconcile(w);
    worker_publish(w, w->publish_dirty || w->plan.is_down);
    if (w->plan.wake_ms >= 0)
        worker_wake_in(w, w->plan.wake_ms - facts.now_ms);
    if (w->plan.is_down)
        worker_wind_down(w);
}

/* --- making --- */

/* What a volume waited for may have come: no back-off counts any more. */
static void worker_try_volumes_now(struct pod_worker *w)
{
    if (w->sandbox_mounted && !w->volumes_ready)
        w->retry_at_ms = w->retry_ms = 0;
    worker_refresh_volumes(w);
}

static void worker_on_lookup(void *arg)
{
    struct pod_worker *w = arg;

    worker_try_volumes_now(w);
    worker_wake(w);
}

static void worker_adopt(struct pod_worker *w)
{
    bool stands = sandbox_stands(&w->host->sandbox, w->pod);

    w->mains_began = stands && worker_had_begun(w);
    for (size_t i = 0; i < w->pod->n; i++)
        container_adopt(&w->containers[i], !stands);
    /* A new sandbox is a new beginning: init containers run again. */
    for (size_t i = 0; i < w->pod->n && !stands && !w->is_over; i++) {
        struct container_facts *f = &w->facts[i];

        if (w->pod->containers[i].kind != CONTAINER_INIT || f->phase != CONTAINER_EXITED)
            continue;
        f->phase = CONTAINER_ABSENT;
        free(f->last.message);
        f->last = f->end;
        f->end = (struct container_end){ .id = "" };
    }
    /* What runs already needs no waiting; the sandbox is taken up again in any case. */
    if (!w->is_over)
        worker_prepare(w);
}

struct pod_worker *pod_worker_new(const struct pod_host *host, struct pod_view *pod,
                                  const struct pod_worker_start *start)
{
    struct pod_worker *w = MEM_NEW(struct pod_worker);
    struct pod_lookup_opts lookup = { .loop = host->loop,
                                      .client = host->client,
                                      .sources = host->sources,
                                      .pod = pod,
                                      .cache = start->sources,
                                      .on_change = worker_on_lookup,
                                      .arg = w };

    log_debug("pod accepted", KV("pod", "%s/%s", pod->ns, pod->name),
              KV("from", "%s", start->from_record ? "record" : "server"));
    w->host = host;
    w->pod = pod_view_ref(pod);
    w->volumes = (struct volumes)VOLUMES_EMPTY;
    w->step = timer_new(host->loop, worker_step, w);
    w->publish = timer_new(host->loop, worker_on_publish_timer, w);
    w->started_wall_ms = start->started_wall_ms != 0 ? start->started_wall_ms : clock_wall_ms();
    w->is_over = start->is_over;
    w->is_recorded = start->from_record;
    w->is_foreign = start->is_over && !start->from_record;
    w->awaits_server = start->from_record;
    for (size_t i = 0; i < pod->n; i++)
        w->containers[i] = (struct worker_container){ .worker = w, .index = i };
    w->lookup = pod_lookup_new(&lookup);
    pod_support_check(pod, &w->unsupported);
    if (w->unsupported.code != 0)
        events_pod(host->events, pod, NULL, EVENT_WARNING, "FailedCreatePodSandBox",
                   "Failed to create pod sandbox: %s", w->unsupported.text);
    worker_keep_end(w);
    if (w->end_reason == NULL)
        worker_admit(w);
    if (start->from_record)
        worker_adopt(w);
    worker_wake(w);
    return w;
}

/* --- changes from outside --- */

/* Containers whose image changed run the old one: they end, and start again with the new. */
static void worker_compare_images(struct pod_worker *w)
{
    for (size_t i = 0; i < w->pod->n; i++) {
        struct worker_container *c = &w->containers[i];
        const struct container_view *view = &w->pod->containers[i];

        if (c->life == NULL || c->image_name == NULL || str_eq(c->image_name, view->image) ||
            w->facts[i].is_stopping)
            continue;
        events_pod(w->host->events, w->pod, view->name, EVENT_NORMAL, "Killing",
                   "Container %s definition changed, will be restarted", view->name);
        w->facts[i].crash = (struct backoff){ .delay_ms = 0 };
        container_stop(c, w->pod->grace_s, "");
    }
}

/* Volumes of the downward API show labels and annotations as they are now. */
static bool worker_is_relabelled(const struct pod_view *a, const struct pod_view *b)
{
    static const char *const maps[] = { "metadata.labels", "metadata.annotations" };

    for (size_t i = 0; i < N_ELEMENTS(maps); i++) {
        const json_t *x = json_at(a->tree, maps[i]), *y = json_at(b->tree, maps[i]);

        if (x != y && (x == NULL || y == NULL || !json_equal(x, y)))
            return true;
    }
    return false;
}

/* Containers from @first on are new here.  An earlier agent may have started them, though, and ended
 * before it recorded the pod with them. */
static void worker_welcome(struct pod_worker *w, size_t first)
{
    if (first == w->pod->n)
        return;
    for (size_t i = first; i < w->pod->n; i++) {
        w->containers[i] = (struct worker_container){ .worker = w, .index = i };
        container_adopt(&w->containers[i], false);
    }
    pod_lookup_follow(w->lookup, w->pod);
    worker_save(w);
}

void pod_worker_update(struct pod_worker *w, struct pod_view *pod)
{
    struct pod_view *before = w->pod;
    bool was_deleting = before->deleting, is_relabelled = worker_is_relabelled(before, pod);

    assert(str_eq(before->uid, pod->uid));
    if (!pod_view_continues(pod, before)) /* only ephemeral containers come, and none goes */
        return;
    w->pod = pod_view_ref(pod);
    w->awaits_server = false;
    worker_welcome(w, before->n);
    pod_view_unref(before);
    /* Whoever ended it, it stays ended. */
    w->is_over = w->is_over || worker_is_shown_over(w);
    worker_keep_end(w);
    worker_compare_images(w);
    if (is_relabelled)
        worker_refresh_volumes(w);
    if (pod->deleting && !was_deleting) {
        w->publish_dirty = true;
        worker_save(w);
    }
    /* A shorter grace period is told to containers that are being stopped. */
    for (size_t i = 0; i < pod->n && pod->deleting; i++)
        if (w->facts[i].is_stopping)
            container_stop(&w->containers[i], pod->grace_s, NULL);
    worker_wake(w);
}

void pod_worker_gone(struct pod_worker *w)
{
    w->is_gone = true;
    for (size_t i = 0; i < w->pod->n; i++)
        if (w->facts[i].is_stopping)
            container_stop(&w->containers[i], w->pod->grace_s, NULL);
    worker_wake(w);
}

void pod_worker_on_source(struct pod_worker *w, const struct source_ref *ref, bool is_news)
{
    if (!pod_lookup_refers(w->lookup, ref) || w->is_over || worker_stops(w) || w->is_finished)
        return;
    if (is_news || !w->volumes_ready)
        worker_try_volumes_now(w);
    /* A container that waits for a configmap or secret need not wait for its back-off. */
    for (size_t i = 0; i < w->pod->n; i++)
        if (str_eq(w->facts[i].waiting, "CreateContainerConfigError"))
            w->facts[i].refused.retry_at_ms = 0;
    worker_wake(w);
}

void pod_worker_on_endpoints(struct pod_worker *w)
{
    worker_drain_check(w);
}

void pod_worker_on_back(struct pod_worker *w)
{
    if (w->is_finished)
        return;
    if (w->api_retry_ms != 0)
        timer_start(w->publish, 0);
    worker_wake(w);
}

struct pod_worker *pod_worker_leave(struct pod_worker *w)
{
    if (w == NULL)
        return NULL;
    w->is_left = true;
    for (size_t i = 0; i < w->pod->n; i++) {
        struct worker_container *c = &w->containers[i];

        if (c->life == NULL)
            continue;
        life_leave(STEAL(c->life));
        w->n_lives--;
    }
    timer_stop(w->step);
    timer_stop(w->publish);
    worker_job_over(w);
    return NULL;
}

const struct pod_view *pod_worker_pod(const struct pod_worker *w)
{
    return w->pod;
}

json_t *pod_worker_tree(const struct pod_worker *w)
{
    json_t *tree = json_deep_copy(w->pod->tree);

    json_object_set_new(tree, "status", worker_status(w));
    return tree;
}

/* --- logs --- */

char *pod_worker_log(const struct pod_worker *w, const char *container, bool previous,
                     bool *ret_is_open)
{
    for (size_t i = 0; i < w->pod->n; i++) {
        const struct worker_container *c = &w->containers[i];

        if (!str_eq(w->pod->containers[i].name, container))
            continue;
        *ret_is_open = !previous && c->life != NULL;
        return mem_str(previous ? c->last_log_path : c->log_path);
    }
    return NULL;
}

bool pod_worker_running(const struct pod_worker *w, size_t *it, struct worker_running *ret)
{
    while (*it < w->pod->n) {
        size_t i = (*it)++;
        const struct life *life = w->containers[i].life;

        if (life == NULL || w->facts[i].phase != CONTAINER_RUNNING)
            continue;
        *ret = (struct worker_running){ .name = w->pod->containers[i].name,
                                        .id = life_id(life),
                                        .started_ms = life_started_ms(life) };
        return true;
    }
    return false;
}

/* --- streams --- */

const char *pod_worker_container(const struct pod_worker *w, const char *container, pid_t *ret_pid)
{
    for (size_t i = 0; i < w->pod->n; i++) {
        const struct worker_container *c = &w->containers[i];

        if (!str_eq(w->pod->containers[i].name, container))
            continue;
        if (c->life == NULL || (c->stage != STAGE_RUNNING && c->stage != STAGE_POSTSTART) ||
            life_pid(c->life) == 0)
            return NULL;
        *ret_pid = life_pid(c->life);
        return life_id(c->life);
    }
    return NULL;
}

bool pod_worker_net_ns(const struct pod_worker *w, const char **ret)
{
    if (!w->sandbox_ready || w->sandbox == NULL)
        return false;
    *ret = sandbox_net_ns(w->sandbox);
    return true;
}

void pod_worker_rotate_logs(struct pod_worker *w)
{
    for (size_t i = 0; i < w->pod->n; i++) {
        struct worker_container *c = &w->containers[i];

        if (c->life != NULL && w->facts[i].phase == CONTAINER_RUNNING && log_rotate(c->log_path))
            life_reopen_log(c->life);
    }
}
