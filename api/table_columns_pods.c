#include "api/conditions.h"
#include "api/table.h"
#include "api/table_impl.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

/* What kubectl shows of a pod, worked out once per row from its container statuses. */
struct table_pod {
    char status[256];
    int64_t total, ready;
    int64_t restarts;
    int64_t last_restart_ms; /* -1: never */
};

static const json_t *table_pod_list(const struct table_view *v, const char *path)
{
    return json_at(v->tree, path);
}

static bool table_pod_is_sidecar(const struct table_view *v, const char *name)
{
    const json_t *c = json_find(table_pod_list(v, "spec.initContainers"), "name", name);

    return str_eq(json_str(c, "restartPolicy"), "Always");
}

static void table_pod_count_restarts(struct table_pod *p, const json_t *status)
{
    const char *finished = json_str(status, "lastState.terminated.finishedAt");
    int64_t ms;

    p->restarts += json_int(status, "restartCount", 0);
    if (finished != NULL && clock_parse(finished, &ms) && ms > p->last_restart_ms)
        p->last_restart_ms = ms;
}

/* "Signal:9", "ExitCode:1", or the reason if there is one, after @prefix. */
static void table_pod_terminated(struct table_pod *p, const json_t *terminated, const char *prefix)
{
    const char *reason = json_str_or(terminated, "reason", "");
    int64_t signal = json_int(terminated, "signal", 0);

    if (*reason != '\0')
        snprintf(p->status, sizeof(p->status), "%s%s", prefix, reason);
    else if (signal != 0)
        snprintf(p->status, sizeof(p->status), "%sSignal:%lld", prefix, (long long)signal);
    else
        snprintf(p->status, sizeof(p->status), "%sExitCode:%lld", prefix,
                 (long long)json_int(terminated, "exitCode", 0));
}

/* Has this init container done its part?  If not, @p says what it is at. */
static bool table_pod_init_passed(struct table_pod *p, const json_t *s, bool sidecar, size_t i,
                                  size_t n)
{
    const json_t *terminated = json_at(s, "state.terminated");
    const char *waiting = json_str_or(s, "state.waiting.reason", "");

    if (terminated != NULL && json_int(terminated, "exitCode", 0) == 0)
        return true;
    if (sidecar && json_bool(s, "started", false)) {
        if (json_bool(s, "ready", false))
            p->ready++;
        return true;
    }
    if (terminated != NULL)
        table_pod_terminated(p, terminated, "Init:");
    else if (*waiting != '\0' && !str_eq(waiting, "PodInitializing"))
        snprintf(p->status, sizeof(p->status), "Init:%s", waiting);
    else
        snprintf(p->status, sizeof(p->status), "Init:%zu/%zu", i, n);
    return false;
}

/* True while initialising.  @sidecars collects what their restarts add later. */
static bool table_pod_walk_init(struct table_pod *p, struct table_pod *sidecars,
                                const struct table_view *v)
{
    size_t n = json_array_size(table_pod_list(v, "spec.initContainers")), i;
    const json_t *s;

    json_array_foreach (table_pod_list(v, "status.initContainerStatuses"), i, s) {
        bool sidecar = table_pod_is_sidecar(v, json_str_or(s, "name", ""));

        table_pod_count_restarts(p, s);
        if (sidecar)
            table_pod_count_restarts(sidecars, s);
        if (!table_pod_init_passed(p, s, sidecar, i, n))
            return true;
    }
    return false;
}

static void table_pod_walk_containers(struct table_pod *p, const struct table_view *v)
{
    const json_t *list = table_pod_list(v, "status.containerStatuses");
    bool has_running = false;

    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *s = json_array_get(list, i);
        const json_t *terminated = json_at(s, "state.terminated");
        const char *waiting = json_str_or(s, "state.waiting.reason", "");

        table_pod_count_restarts(p, s);
        if (*waiting != '\0') {
            snprintf(p->status, sizeof(p->status), "%s", waiting);
        } else if (terminated != NULL) {
            table_pod_terminated(p, terminated, "");
        } else if (json_bool(s, "ready", false) && json_at(s, "state.running") != NULL) {
            has_running = true;
            p->ready++;
        }
    }
    if (str_eq(p->status, "Completed") && has_running) {
        bool ready = condition_is(json_object_get(v->tree, "status"), "Ready", "True");

        snprintf(p->status, sizeof(p->status), "%s", ready ? "Running" : "NotReady");
    }
}

static void table_pod_total(struct table_pod *p, const struct table_view *v)
{
    const json_t *c;
    size_t i;

    p->total = (int64_t)json_array_size(table_pod_list(v, "spec.containers"));
    json_array_foreach (table_pod_list(v, "spec.initContainers"), i, c) {
        if (str_eq(json_str(c, "restartPolicy"), "Always"))
            p->total++;
    }
}

static void table_pod_deleting(struct table_pod *p, const struct table_view *v, const char *phase)
{
    if (json_str(v->tree, "metadata.deletionTimestamp") == NULL)
        return;
    if (str_eq(json_str(v->tree, "status.reason"), "NodeLost"))
        snprintf(p->status, sizeof(p->status), "Unknown");
    else if (!str_eq(phase, "Succeeded") && !str_eq(phase, "Failed"))
        snprintf(p->status, sizeof(p->status), "Terminating");
}

static struct table_pod table_pod_read(const struct table_view *v)
{
    struct table_pod p = { .last_restart_ms = -1 };
    struct table_pod sidecars = { .last_restart_ms = -1 };
    const json_t *status = json_object_get(v->tree, "status");
    const char *phase = json_str_or(status, "phase", "");
    const char *reason = json_str_or(status, "reason", "");
    const char *scheduled = json_str_or(condition_get(status, "PodScheduled"), "reason", "");

    snprintf(p.status, sizeof(p.status), "%s", *reason != '\0' ? reason : phase);
    if (str_eq(scheduled, "SchedulingGated"))
        snprintf(p.status, sizeof(p.status), "SchedulingGated");
    table_pod_total(&p, v);
    if (!table_pod_walk_init(&p, &sidecars, v) || condition_is(status, "Initialized", "True")) {
        p.restarts = sidecars.restarts;
        p.last_restart_ms = sidecars.last_restart_ms;
        table_pod_walk_containers(&p, v);
    }
    table_pod_deleting(&p, v, phase);
    return p;
}

static void table_cell_pod_ready(const struct table_view *v, const struct table_column *c)
{
    struct table_pod p = table_pod_read(v);
    char text[48];

    (void)c;
    snprintf(text, sizeof(text), "%lld/%lld", (long long)p.ready, (long long)p.total);
    table_put_text(v, text);
}

static void table_cell_pod_status(const struct table_view *v, const struct table_column *c)
{
    struct table_pod p = table_pod_read(v);

    (void)c;
    table_put_text(v, p.status);
}

static void table_cell_pod_restarts(const struct table_view *v, const struct table_column *c)
{
    struct table_pod p = table_pod_read(v);
    char text[64], age[TABLE_AGE_MAX];

    (void)c;
    snprintf(text, sizeof(text), "%lld", (long long)p.restarts);
    if (p.restarts > 0 && p.last_restart_ms >= 0) {
        table_age(age, v->now_ms - p.last_restart_ms);
        snprintf(text, sizeof(text), "%lld (%s ago)", (long long)p.restarts, age);
    }
    table_put_text(v, text);
}

static void table_cell_pod_ip(const struct table_view *v, const struct table_column *c)
{
    const json_t *first = json_array_get(table_pod_list(v, "status.podIPs"), 0);
    const char *ip = json_str_or(first, "ip", "");

    (void)c;
    table_put_text(v, *ip != '\0' ? ip : "<none>");
}

static void table_cell_pod_gates(const struct table_view *v, const struct table_column *c)
{
    const json_t *gates = table_pod_list(v, "spec.readinessGates"), *gate;
    const json_t *status = json_object_get(v->tree, "status");
    size_t i, n_true = 0;
    char text[48];

    (void)c;
    json_array_foreach (gates, i, gate)
        n_true += condition_is(status, json_str_or(gate, "conditionType", ""), "True");
    snprintf(text, sizeof(text), "%zu/%zu", n_true, json_array_size(gates));
    table_put_text(v, json_array_size(gates) == 0 ? "<none>" : text);
}

/* kubectl wait and others learn from the row that a pod is over. */
static void table_pod_conditions(const struct table_view *v)
{
    const char *phase = json_str_or(v->tree, "status.phase", "");

    if (str_eq(phase, "Succeeded"))
        text_puts(v->out, "\"conditions\":[{\"type\":\"Completed\",\"status\":\"True\",\"reason\":"
                          "\"Succeeded\",\"message\":\"The pod has completed successfully.\"}],");
    else if (str_eq(phase, "Failed"))
        text_puts(v->out, "\"conditions\":[{\"type\":\"Completed\",\"status\":\"True\",\"reason\":"
                          "\"Failed\",\"message\":\"The pod failed.\"}],");
}

static const struct table_column table_pod_columns[] = {
    TABLE_NAME,
    { .name = "Ready", .cell = table_cell_pod_ready },
    { .name = "Status", .cell = table_cell_pod_status },
    { .name = "Restarts", .cell = table_cell_pod_restarts },
    TABLE_AGE,
    { .name = "IP", .cell = table_cell_pod_ip, .wide = true },
    { .name = "Node",
      .cell = table_cell_text,
      .path = "spec.nodeName",
      .otherwise = "<none>",
      .wide = true },
    { .name = "Nominated Node",
      .cell = table_cell_text,
      .path = "status.nominatedNodeName",
      .otherwise = "<none>",
      .wide = true },
    { .name = "Readiness Gates", .cell = table_cell_pod_gates, .wide = true },
};

const struct table_kind table_kinds_pods[] = {
    { .bucket = "pods",
      .columns = table_pod_columns,
      .n_columns = N_ELEMENTS(table_pod_columns),
      .conditions = table_pod_conditions },
    { .bucket = NULL },
};
