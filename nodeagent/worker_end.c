/* Why the node itself ends a pod (it may not run here, its time is over, it uses too much), and what is
 * left to do when it is gone. */
#include "nodeagent/pod_worker_impl.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/disk_usage.h"
#include "nodeagent/eviction.h"
#include "nodeagent/log_paths.h"
#include "nodeagent/pod_record.h"
#include "nodeagent/pod_support.h"

#include <assert.h>

#define END_EVICTED_GRACE_S 1 /* the kubelet's, for those over their limits */

static void worker_end_as(struct pod_worker *w, enum worker_end end, const char *reason,
                          char *message)
{
    w->end = end;
    w->end_reason = mem_str(reason);
    w->end_message = message;
}

static void worker_reject(struct pod_worker *w, const char *reason, const char *message)
{
    log_warn("pod refused", KV("pod", "%s/%s", w->pod->ns, w->pod->name), KV("why", "%s", message));
    events_pod(w->host->events, w->pod, NULL, EVENT_WARNING, reason, "%s", message);
    worker_end_as(w, WORKER_END_REJECTED, reason, mem_fmt("Pod was rejected: %s", message));
}

void worker_admit(struct pod_worker *w)
{
    struct err err = ERR_EMPTY;

    if (w->is_over)
        return;
    if (pod_support_sysctls(w->pod, &err) != 0)
        worker_reject(w, "SysctlForbidden", err.text);
    else if (!w->is_recorded && w->host->ports_are_taken(w->host->arg, w->pod))
        worker_reject(w, "NodePorts",
                      "Predicate NodePorts failed: node(s) didn't have free ports for the "
                      "requested pod ports");
}

bool pod_worker_holds_ports(const struct pod_worker *w)
{
    return !w->is_over && !w->is_gone && w->end == WORKER_END_NONE;
}

void pod_worker_evict(struct pod_worker *w, const char *message)
{
    if (pod_worker_is_over(w))
        return;
    log_warn("pod evicted", KV("pod", "%s/%s", w->pod->ns, w->pod->name), KV("why", "%s", message));
    events_pod(w->host->events, w->pod, NULL, EVENT_WARNING, "Evicted", "%s", message);
    worker_end_as(w, WORKER_END_EVICTED, "Evicted", mem_str(message));
    worker_wake_urgent(w);
}

bool pod_worker_is_over(const struct pod_worker *w)
{
    return w->is_over || worker_stops(w) || w->end_reason != NULL;
}

void pod_worker_places(const struct pod_worker *w, struct pod_places *ret)
{
    cleanup(freep) char *logs = log_paths_pod(w->host->log_dir, w->pod);
    size_t i;
    json_t *volume;

    for (i = 0; i < w->pod->n; i++) {
        const char *name = w->pod->containers[i].name;

        if (w->facts[i].id[0] != '\0')
            pod_places_add(ret, runtime_store(w->host->rt, w->facts[i].id, "upper"), false, i);
        pod_places_add(ret, mem_fmt("%s/%s", logs, name), false, i);
    }
    json_array_foreach (json_at(w->pod->spec, "volumes"), i, volume)
        if (eviction_is_disk(volume))
            pod_places_add(ret,
                           mem_fmt("%s/pods/%s/volumes/%s", w->host->data_dir, w->pod->uid,
                                   json_str_or(volume, "name", "")),
                           true, i);
}

void worker_say_deadline(struct pod_worker *w)
{
    if (w->deadline_said || w->is_over || !str_eq(w->plan.reason, "DeadlineExceeded"))
        return;
    w->deadline_said = true;
    events_pod(w->host->events, w->pod, NULL, EVENT_NORMAL, "DeadlineExceeded",
               "Pod was active on the node longer than the specified deadline");
}

void worker_keep_end(struct pod_worker *w)
{
    const json_t *shown = json_at(w->pod->tree, "status");
    const char *reason = json_str(shown, "reason");

    if (w->end_reason != NULL || str_empty(reason) || !worker_is_shown_over(w))
        return;
    worker_end_as(w, WORKER_END_NONE, reason, mem_str(json_str(shown, "message")));
}

int64_t worker_grace_s(const struct pod_worker *w)
{
    if (worker_stops(w) || w->plan.reason == NULL)
        return w->pod->grace_s;
    return w->end == WORKER_END_EVICTED
               ? END_EVICTED_GRACE_S
               : json_int(w->pod->spec, "terminationGracePeriodSeconds", 30);
}

void worker_end_fini(struct pod_worker *w)
{
    free(w->end_reason);
    free(w->end_message);
}

/* --- the end: nothing of the pod is left but its record --- */

struct worker_finish {
    struct pod_worker *worker;
    char *data_dir, *uid, *pod_logs, *log_dir;
};

static int worker_finish_run(void *arg, struct err *err)
{
    struct worker_finish *f = arg;
    int rc = file_remove_tree(f->pod_logs, err);

    log_paths_sweep(f->log_dir);
    return rc < 0 ? rc : pod_record_remove(f->data_dir, f->uid, err);
}

static void worker_finish_done(void *arg, int rc, const struct err *err)
{
    struct worker_finish *f = arg;
    struct pod_worker *w = f->worker;

    if (rc < 0)
        log_warn("pod left files behind", KV("pod", "%s/%s", w->pod->ns, w->pod->name),
                 KV_ERR(err));
    free(f->data_dir);
    free(f->uid);
    free(f->pod_logs);
    free(f->log_dir);
    free(f);
    w->n_jobs--;
    if (w->is_left) {
        worker_job_over(w);
        return;
    }
    w->host->on_finished(w->host->arg, w);
    worker_free(w);
}

void worker_finish(struct pod_worker *w)
{
    struct worker_finish *f = MEM_NEW(struct worker_finish);

    assert(!w->is_finished);
    w->is_finished = true;
    timer_stop(w->step);
    timer_stop(w->publish);
    f->worker = w;
    f->data_dir = mem_str(w->host->data_dir);
    f->uid = mem_str(w->pod->uid);
    f->pod_logs = log_paths_pod(w->host->log_dir, w->pod);
    f->log_dir = mem_str(w->host->log_dir);
    w->n_jobs++;
    work_submit(w->host->loop, worker_finish_run, worker_finish_done, f);
}
