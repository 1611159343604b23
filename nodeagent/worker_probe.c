#include "nodeagent/pod_worker_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>

static void container_on_miss(void *arg, enum probe_kind kind, const char *why)
{
    struct worker_container *c = arg;

    if (!container_facts(c)->is_stopping)
        events_pod(c->worker->host->events, c->worker->pod, container_view(c)->name, EVENT_WARNING,
                   "Unhealthy", "%s probe failed: %s", probe_kind_name(kind), why);
}

static void container_on_probe_error(void *arg, enum probe_kind kind, const char *why)
{
    struct worker_container *c = arg;

    if (!container_facts(c)->is_stopping)
        events_pod(c->worker->host->events, c->worker->pod, container_view(c)->name, EVENT_WARNING,
                   "Unhealthy", "%s probe errored and resulted in unknown state: %s",
                   probe_kind_name(kind), why);
}

static void container_on_verdict(void *arg, enum probe_kind kind, bool passes,
                                 const struct probe_spec *spec);

/* Makes the probe if the container has one; false otherwise. */
static bool container_make_probe(struct worker_container *c, enum probe_kind kind)
{
    const json_t *probe = json_at(container_view(c)->spec, probe_kind_field(kind));
    struct probe_listener listener = { .on_miss = container_on_miss,
                                       .on_error = container_on_probe_error,
                                       .on_verdict = container_on_verdict,
                                       .arg = c };
    struct pod_surroundings around;
    struct action_context context;
    struct err err = ERR_EMPTY;

    if (probe == NULL || c->probes[kind] != NULL)
        return c->probes[kind] != NULL;
    worker_surroundings(c->worker, &around);
    container_action_context(c, &context);
    if (probe_new(&c->probes[kind], kind, probe, container_view(c), around.pod_ip, &context,
                  &listener, &err) == 0)
        return true;
    /* A port name that no container port has: the probe can never pass. */
    container_on_probe_error(c, kind, err.text);
    return false;
}

static void container_begin_probe(struct worker_container *c, enum probe_kind kind, bool at_once)
{
    int64_t ran_ms = clock_wall_ms() - container_facts(c)->started_ms;

    if (container_make_probe(c, kind) && !probe_is_started(c->probes[kind]))
        probe_start(c->probes[kind], at_once ? INT64_MAX : ran_ms);
}

void container_start_probes(struct worker_container *c, bool was_adopted)
{
    if (c->life == NULL)
        return;
    if (!container_facts(c)->started) {
        container_begin_probe(c, PROBE_STARTUP, false);
        return;
    }
    container_begin_probe(c, PROBE_LIVENESS, was_adopted);
    container_begin_probe(c, PROBE_READINESS, was_adopted);
}

void container_stop_probes(struct worker_container *c)
{
    for (int kind = 0; kind < PROBE_KINDS; kind++)
        c->probes[kind] = probe_close(c->probes[kind]);
}

/* Liveness and startup failed for good: the restart policy decides what follows the end. */
static void container_unhealthy(struct worker_container *c, enum probe_kind kind,
                                const struct probe_spec *spec)
{
    struct pod_worker *w = c->worker;
    const char *name = container_view(c)->name;
    int64_t grace_s = spec->grace_s >= 0
                          ? spec->grace_s
                          : json_int(w->pod->spec, "terminationGracePeriodSeconds", 30);

    if (container_facts(c)->is_stopping)
        return;
    events_pod(w->host->events, w->pod, name, EVENT_NORMAL, "Killing",
               "Container %s failed %s probe%s", name,
               kind == PROBE_STARTUP ? "startup" : "liveness",
               w->pod->restart == RESTART_NEVER && container_view(c)->kind != CONTAINER_SIDECAR
                   ? ""
                   : ", will be restarted");
    container_stop(c, grace_s, "");
}

static void container_on_verdict(void *arg, enum probe_kind kind, bool passes,
                                 const struct probe_spec *spec)
{
    struct worker_container *c = arg;
    struct container_facts *f = container_facts(c);

    if (kind == PROBE_READINESS) {
        if (f->ready != passes) {
            f->ready = passes;
            worker_wake_urgent(c->worker);
        }
        return;
    }
    if (!passes) {
        container_unhealthy(c, kind, spec);
        return;
    }
    if (kind == PROBE_STARTUP && !f->started) {
        f->started = true;
        c->probes[kind] = probe_close(c->probes[kind]);
        container_start_probes(c, false);
        worker_wake_urgent(c->worker);
    }
}
