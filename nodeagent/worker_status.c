#include "nodeagent/pod_worker_impl.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "nodeagent/pod_status_make.h"

#include <assert.h>
#include <string.h>

#define STATUS_COALESCE_MS    100  /* changes nobody waits for are published together */
#define STATUS_OVERWRITTEN_MS 1000 /* so long we wait before we answer the same writer again */
#define STATUS_RETRY_MIN_MS   200
#define STATUS_RETRY_MAX_MS   10000

json_t *worker_status(const struct pod_worker *w)
{
    struct pod_facts facts = { .now_wall_ms = clock_wall_ms(),
                               .started_wall_ms = w->started_wall_ms,
                               .containers = w->facts };
    const json_t *before = w->sending != NULL     ? w->sending
                           : w->published != NULL ? w->published
                                                  : json_at(w->pod->tree, "status");
    struct pod_status_input in = {
        .pod = w->pod,
        .facts = &facts,
        .plan = &w->plan,
        .before = before,
        .host_ip = w->host->node_ip,
        /* A pod that has ended still shows the address it had. */
        .pod_ip = w->sandbox_ready ? sandbox_ip(w->sandbox) : json_str_or(before, "podIP", ""),
        /* While it is being removed, the end of the sandbox is not worth a write of its own. */
        .has_sandbox = w->sandbox_ready || (worker_stops(w) && w->published != NULL),
        .is_rejected = w->end == WORKER_END_REJECTED,
        .is_evicted = w->end == WORKER_END_EVICTED,
        .message = w->end_message != NULL ? w->end_message
                   : str_eq(w->plan.reason, "DeadlineExceeded")
                       ? "Pod was active on the node longer than the specified deadline"
                       : NULL,
    };

    return pod_status_make(&in);
}

bool worker_is_published(const struct pod_worker *w)
{
    cleanup(json_decrefpp) json_t *now = w->is_foreign ? NULL : worker_status(w);

    return w->is_foreign ||
           (w->status_call == NULL && w->published != NULL && json_equal(now, w->published));
}

static void worker_status_retry(struct pod_worker *w)
{
    w->api_retry_ms = w->api_retry_ms == 0 ? STATUS_RETRY_MIN_MS : w->api_retry_ms * 2;
    if (w->api_retry_ms > STATUS_RETRY_MAX_MS)
        w->api_retry_ms = STATUS_RETRY_MAX_MS;
    timer_start(w->publish, w->api_retry_ms);
}

static uint64_t worker_revision(const json_t *pod)
{
    uint64_t revision = 0;

    str_u64(json_str_or(pod, "metadata.resourceVersion", ""), &revision);
    return revision;
}

static void worker_on_status(void *arg, int rc, int status, const json_t *body,
                             const struct err *err)
{
    struct pod_worker *w = arg;
    json_t *sent = STEAL(w->sending);

    w->status_call = NULL;
    /* The server understood and said no (the pod has gone or is another one): repeating the same
     * would not help, and the informer will tell what became of it. */
    if (rc == 0 || (status >= 400 && status < 500 && status != 401 && status != 403 &&
                    status != 409 && status != 429)) {
        if (rc < 0)
            log_warn("pod status refused", KV("pod", "%s/%s", w->pod->ns, w->pod->name),
                     KV_ERR(err));
        json_decref(w->published);
        w->published = sent;
        w->published_revision = rc == 0 ? worker_revision(body) : worker_revision(w->pod->tree);
        w->api_retry_ms = 0;
        worker_wake(w);
        return;
    }
    json_decref(sent);
    log_debug("pod status not delivered", KV("pod", "%s/%s", w->pod->ns, w->pod->name),
              KV_ERR(err));
    worker_status_retry(w);
}

static void worker_send(struct pod_worker *w, json_t *status)
{
    cleanup(freep) char *path = mem_fmt("/api/v1/namespaces/%s/pods/%s/status", w->pod->ns,
                                        w->pod->name);
    cleanup(json_decrefpp) json_t *patch = pod_status_patch(w->pod, status);

    assert(w->status_call == NULL && w->sending == NULL);
    w->sending = status;
    w->status_call = client_call(w->host->client, "PATCH", path,
                                 "application/strategic-merge-patch+json", patch, worker_on_status,
                                 w);
}

void worker_publish(struct pod_worker *w, bool urgent)
{
    json_t *status;

    if (w->is_gone || w->is_foreign || w->status_call != NULL || w->delete_call != NULL ||
        w->api_retry_ms != 0)
        return; /* the answer, or the retry, comes back here */
    /* An adopted pod is shown again when all of it is known: its address and the times of its
     * conditions must not flicker because the agent was restarted. */
    if (w->awaits_server || (worker_is_shown_over(w) && !w->plan.is_down) ||
        (w->published == NULL && w->sandbox != NULL && !w->sandbox_ready && w->mains_began &&
         !w->plan.is_ending))
        return;
    status = worker_status(w);
    if (w->published != NULL && json_equal(status, w->published)) {
        json_decref(status);
        w->publish_dirty = false;
        return;
    }
    if (!urgent) {
        if (!timer_active(w->publish))
            timer_start(w->publish, STATUS_COALESCE_MS);
        json_decref(status);
        return;
    }
    w->publish_dirty = false;
    timer_stop(w->publish);
    worker_send(w, status);
}

void worker_on_publish_timer(void *arg)
{
    struct pod_worker *w = arg;

    w->api_retry_ms = 0;
    if (w->plan.is_down && w->sandbox_gone && worker_stops(w))
        worker_wake(w); /* the removal from the API may be what is to be repeated */
    worker_publish(w, true);
}

bool worker_is_shown_over(const struct pod_worker *w)
{
    const char *phase = json_str(w->pod->tree, "status.phase");

    return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

/* Does the server show, after our write, something else than ours (from the node lifecycle
 * controller, while we were away)? */
static bool worker_is_overwritten(const struct pod_worker *w)
{
    const json_t *theirs = json_at(w->pod->tree, "status");

    return w->published != NULL && worker_revision(w->pod->tree) > w->published_revision &&
           (!str_eq(json_str(theirs, "phase"), json_str(w->published, "phase")) ||
            !conditions_agree(w->published, theirs));
}

void worker_reconcile(struct pod_worker *w)
{
    int64_t now = clock_mono_ms(), left = w->overwritten_ms + STATUS_OVERWRITTEN_MS - now;

    if (w->is_gone || w->is_foreign || w->status_call != NULL || !worker_is_overwritten(w))
        return;
    if (w->overwritten_ms != 0 && left > 0) {
        worker_wake_in(w, left);
        return;
    }
    w->overwritten_ms = now;
    json_decref(w->published);
    w->published = NULL;
    w->publish_dirty = true;
}

static void worker_on_deleted(void *arg, int rc, int status, const json_t *body UNUSED,
                              const struct err *err)
{
    struct pod_worker *w = arg;

    w->delete_call = NULL;
    if (rc == 0 || status == 404 || status == 409) {
        w->delete_done = true;
        worker_wake(w);
        return;
    }
    log_debug("pod not removed from the API", KV("pod", "%s/%s", w->pod->ns, w->pod->name),
              KV_ERR(err));
    worker_status_retry(w);
}

void worker_delete(struct pod_worker *w)
{
    cleanup(freep) char *path = mem_fmt("/api/v1/namespaces/%s/pods/%s", w->pod->ns, w->pod->name);
    cleanup(json_decrefpp) json_t *body = NULL;

    if (w->delete_call != NULL || w->api_retry_ms != 0)
        return;
    body = json_pack("{s:s, s:s, s:i, s:{s:s}}", "kind", "DeleteOptions", "apiVersion", "v1",
                     "gracePeriodSeconds", 0, "preconditions", "uid", w->pod->uid);
    w->delete_call = client_call(w->host->client, "DELETE", path, "application/json", body,
                                 worker_on_deleted, w);
}

void worker_status_fini(struct pod_worker *w)
{
    if (w->status_call != NULL)
        client_call_cancel(STEAL(w->status_call));
    if (w->delete_call != NULL)
        client_call_cancel(STEAL(w->delete_call));
    json_decref(w->sending);
    json_decref(w->published);
    w->sending = w->published = NULL;
}
