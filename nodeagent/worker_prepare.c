#include "nodeagent/pod_worker_impl.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/pod_record.h"
#include "nodeagent/pod_support.h"

#include <assert.h>
#include <string.h>

#define PREPARE_RETRY_MIN_MS 1000
#define PREPARE_RETRY_MAX_MS 60000

void worker_surroundings(const struct pod_worker *w, struct pod_surroundings *ret)
{
    *ret = (struct pod_surroundings){
        .node_name = w->host->node_name,
        .host_ip = w->host->node_ip,
        .pod_ip = w->pod->host_network ? w->host->node_ip
                  : w->sandbox_ready   ? sandbox_ip(w->sandbox)
                                       : "",
        .allocatable = w->host->allocatable,
    };
}

static void worker_retry_later(struct pod_worker *w)
{
    w->retry_ms = w->retry_ms == 0 ? PREPARE_RETRY_MIN_MS : w->retry_ms * 2;
    if (w->retry_ms > PREPARE_RETRY_MAX_MS)
        w->retry_ms = PREPARE_RETRY_MAX_MS;
    w->retry_at_ms = clock_mono_ms() + w->retry_ms;
    worker_wake_in(w, w->retry_ms);
}

static bool worker_may_try(struct pod_worker *w)
{
    int64_t left = w->retry_at_ms - clock_mono_ms();

    if (left <= 0)
        return true;
    worker_wake_in(w, left);
    return false;
}

/* --- the record --- */

struct worker_save_job {
    struct pod_worker *worker;
    char *data_dir, *uid, *pod, *sources;
    bool is_first;
};

static int worker_save_run(void *arg, struct err *err)
{
    struct worker_save_job *j = arg;

    return pod_record_save(j->data_dir, j->uid, j->pod, j->sources, err);
}

static void worker_save_done(void *arg, int rc, const struct err *err)
{
    struct worker_save_job *j = arg;
    struct pod_worker *w = j->worker;

    if (rc < 0)
        log_warn("pod is not recorded", KV("pod", "%s/%s", w->pod->ns, w->pod->name), KV_ERR(err));
    free(j->data_dir);
    free(j->uid);
    free(j->pod);
    free(j->sources);
    free(j);
    w->n_jobs--;
    /* A node whose disk is full still runs what it can. */
    w->is_recorded = true;
    worker_job_over(w);
    if (!w->is_left)
        worker_wake(w);
}

void worker_save(struct pod_worker *w)
{
    struct worker_save_job *j = MEM_NEW(struct worker_save_job);

    j->worker = w;
    j->data_dir = mem_str(w->host->data_dir);
    j->uid = mem_str(w->pod->uid);
    j->pod = pod_record_print(w->pod, w->started_wall_ms, w->is_over);
    w->n_jobs++;
    work_submit(w->host->loop, worker_save_run, worker_save_done, j);
}

/* --- the sandbox --- */

static void worker_on_mounted(void *arg)
{
    struct pod_worker *w = arg;

    w->sandbox_mounted = true;
    worker_wake(w);
}

static void worker_on_sandbox(void *arg, int rc, const struct err *err)
{
    struct pod_worker *w = arg;

    if (rc < 0) {
        log_warn("pod sandbox failed", KV("pod", "%s/%s", w->pod->ns, w->pod->name), KV_ERR(err));
        events_pod(w->host->events, w->pod, NULL, EVENT_WARNING, "FailedCreatePodSandBox",
                   "Failed to create pod sandbox: %s", err->text);
        w->sandbox = sandbox_free(w->sandbox);
        w->sandbox_mounted = false;
        worker_retry_later(w);
        return;
    }
    log_debug("pod sandbox stands", KV("pod", "%s/%s", w->pod->ns, w->pod->name));
    w->retry_ms = w->retry_at_ms = 0;
    w->sandbox_ready = true;
    w->host->on_network(w->host->arg);
    /* Probes of adopted containers were waiting for the pod's address. */
    for (size_t i = 0; i < w->pod->n; i++)
        if (w->containers[i].stage == STAGE_RUNNING)
            container_start_probes(&w->containers[i], true);
    worker_wake(w);
}

/* --- volumes --- */

struct worker_volumes_job {
    struct pod_worker *worker;
    struct volumes volumes;
    char *data_dir, *uid, *sources;
};

static int worker_volumes_run(void *arg, struct err *err)
{
    struct worker_volumes_job *j = arg;
    int rc = volumes_make(&j->volumes, err);

    return rc < 0 ? rc : pod_record_save(j->data_dir, j->uid, NULL, j->sources, err);
}

static void worker_mount_failed(struct pod_worker *w, const struct err *err)
{
    events_pod(w->host->events, w->pod, NULL, EVENT_WARNING, "FailedMount", "%s", err->text);
    worker_retry_later(w);
}

static void worker_volumes_done(void *arg, int rc, const struct err *err)
{
    struct worker_volumes_job *j = arg;
    struct pod_worker *w = j->worker;

    w->n_jobs--;
    w->volumes_busy = false;
    if (rc == 0 && !w->is_left) {
        volumes_fini(&w->volumes);
        w->volumes = j->volumes;
        j->volumes = (struct volumes)VOLUMES_EMPTY;
        w->volumes_ready = true;
        log_debug("pod volumes stand", KV("pod", "%s/%s", w->pod->ns, w->pod->name));
    }
    volumes_fini(&j->volumes);
    free(j->data_dir);
    free(j->uid);
    free(j->sources);
    free(j);
    if (w->is_left) {
        worker_job_over(w);
        return;
    }
    if (rc < 0)
        worker_mount_failed(w, err);
    if (w->volumes_dirty)
        worker_refresh_volumes(w);
    worker_wake(w);
}

static int worker_plan_volumes(struct pod_worker *w, struct volumes *ret, struct err *err)
{
    cleanup(freep) char *run_dir = mem_fmt("%s/pods/%s", w->host->run_dir, w->pod->uid);
    cleanup(freep) char *data_dir = mem_fmt("%s/pods/%s", w->host->data_dir, w->pod->uid);
    struct pod_surroundings around;
    struct payload_sources sources = {
        .find = pod_lookup_find, .token = pod_lookup_token, .arg = w->lookup, .around = &around
    };
    struct volume_context ctx = { .run_dir = run_dir,
                                  .data_dir = data_dir,
                                  .node_data_dir = w->host->data_dir,
                                  .sources = &sources,
                                  .claim = pod_lookup_claim,
                                  .arg = w->lookup };

    worker_surroundings(w, &around);
    return volumes_plan(ret, w->pod, &ctx, err);
}

static void worker_make_volumes(struct pod_worker *w)
{
    struct worker_volumes_job *j;
    struct volumes planned = VOLUMES_EMPTY;
    struct err err = ERR_EMPTY;

    if (w->volumes_busy) {
        w->volumes_dirty = true;
        return;
    }
    w->volumes_dirty = false;
    if (worker_plan_volumes(w, &planned, &err) < 0) {
        /* While containers run on the old content stays, as on Kubernetes. */
        worker_mount_failed(w, &err);
        return;
    }
    j = MEM_NEW(struct worker_volumes_job);
    j->worker = w;
    j->volumes = planned;
    j->data_dir = mem_str(w->host->data_dir);
    j->uid = mem_str(w->pod->uid);
    j->sources = pod_lookup_cache(w->lookup);
    w->volumes_busy = true;
    w->n_jobs++;
    work_submit(w->host->loop, worker_volumes_run, worker_volumes_done, j);
}

void worker_refresh_volumes(struct pod_worker *w)
{
    if (w->sandbox_mounted && !w->tearing_down && !w->sandbox_gone && !w->is_over &&
        !worker_stops(w) && pod_lookup_ready(w->lookup) && (w->volumes_ready || w->volumes_busy))
        worker_make_volumes(w);
}

/* --- initialisation is over: a mark in the sandbox's own tmpfs, which goes with it --- */

static char *worker_began_path(const struct pod_worker *w)
{
    return mem_fmt("%s/pods/%s/began", w->host->run_dir, w->pod->uid);
}

void worker_mains_began(struct pod_worker *w)
{
    cleanup(freep) char *path = worker_began_path(w);
    struct err err = ERR_EMPTY;

    if (w->mains_began)
        return;
    w->mains_began = true;
    if (file_write_fast(path, "", 0, 0600, &err) < 0)
        log_warn("initialisation may run again", KV("pod", "%s/%s", w->pod->ns, w->pod->name),
                 KV_ERR(&err));
}

bool worker_had_begun(const struct pod_worker *w)
{
    cleanup(freep) char *path = worker_began_path(w);

    return file_exists(path);
}

/* --- all of it --- */

/* False: another runtime than this node has is asked for, or that is not known yet. */
static bool worker_has_runtime(struct pod_worker *w)
{
    const char *handler = pod_lookup_handler(w->lookup);

    if (handler == NULL)
        return false;
    if (pod_support_handler(handler, &w->unsupported) == 0)
        return true;
    events_pod(w->host->events, w->pod, NULL, EVENT_WARNING, "FailedCreatePodSandBox",
               "Failed to create pod sandbox: %s", w->unsupported.text);
    return false;
}

void worker_prepare(struct pod_worker *w)
{
    if (w->tearing_down || w->sandbox_gone || w->unsupported.code != 0)
        return;
    if (!w->is_recorded && w->n_jobs == 0)
        worker_save(w);
    if (!worker_has_runtime(w))
        return;
    if (w->sandbox == NULL && worker_may_try(w))
        w->sandbox = sandbox_make(&w->host->sandbox, w->pod, worker_on_mounted, worker_on_sandbox,
                                  w);
    if (w->sandbox_mounted && !w->volumes_ready && !w->volumes_busy &&
        pod_lookup_ready(w->lookup) && worker_may_try(w))
        worker_make_volumes(w);
}

bool worker_is_prepared(const struct pod_worker *w)
{
    return w->is_recorded && w->sandbox_ready && w->volumes_ready && pod_lookup_ready(w->lookup);
}

static void worker_on_torn_down(void *arg, int rc, const struct err *err)
{
    struct pod_worker *w = arg;

    w->n_jobs--;
    w->tearing_down = false;
    w->sandbox_gone = rc == 0;
    if (w->is_left) {
        worker_job_over(w);
        return;
    }
    if (rc < 0) {
        log_warn("pod sandbox is not removed", KV("pod", "%s/%s", w->pod->ns, w->pod->name),
                 KV_ERR(err));
        events_pod(w->host->events, w->pod, NULL, EVENT_WARNING, "FailedKillPod",
                   "error killing pod: %s", err->text);
        worker_retry_later(w);
        return;
    }
    w->host->on_network(w->host->arg);
    worker_wake(w);
}

void worker_teardown(struct pod_worker *w)
{
    /* One that is being made is waited for: two threads must not mount and unmount at once. */
    if (w->tearing_down || (w->sandbox != NULL && !w->sandbox_ready) || !worker_may_try(w))
        return;
    w->tearing_down = true;
    w->sandbox = sandbox_free(w->sandbox);
    w->sandbox_ready = w->sandbox_mounted = w->volumes_ready = false;
    w->n_jobs++;
    sandbox_remove(&w->host->sandbox, w->pod->uid, worker_on_torn_down, w);
}
