#include "api/alias.h"

#include "base/mem.h"
#include "base/text.h"

static void alias_rename(json_t *tree, const char *from, const char *to)
{
    json_t *value = json_incref(json_object_get(tree, from));

    if (value == NULL)
        return;
    json_object_del(tree, from);
    json_object_set_new(tree, to, value);
}

/* --- events: the same fields under other names (events/v1 conversion) --- */

static const struct {
    const char *core, *events;
} alias_event_names[] = {
    { "involvedObject", "regarding" },
    { "message", "note" },
    { "reportingComponent", "reportingController" },
    { "source", "deprecatedSource" },
    { "firstTimestamp", "deprecatedFirstTimestamp" },
    { "lastTimestamp", "deprecatedLastTimestamp" },
    { "count", "deprecatedCount" },
};

static void alias_event_in(json_t *tree)
{
    for (size_t i = 0; i < N_ELEMENTS(alias_event_names); i++)
        alias_rename(tree, alias_event_names[i].events, alias_event_names[i].core);
}

static void alias_event_out(json_t *tree)
{
    for (size_t i = 0; i < N_ELEMENTS(alias_event_names); i++)
        alias_rename(tree, alias_event_names[i].core, alias_event_names[i].events);
}

/* --- autoscaling: v1 knows one metric, the CPU's --- */

static json_t *alias_cpu_metric(const char *target, json_t *percent_steal)
{
    return json_pack("{s:s, s:{s:s, s:o}}", "type", "Resource", "resource", "name", "cpu", target,
                     json_pack("{s:o}", "averageUtilization", percent_steal));
}

static json_t *alias_find_cpu(const json_t *metrics)
{
    size_t i;
    json_t *metric;

    json_array_foreach (metrics, i, metric)
        if (str_eq(json_str(metric, "type"), "Resource") &&
            str_eq(json_str(metric, "resource.name"), "cpu"))
            return metric;
    return NULL;
}

static void alias_scaler_in(json_t *tree)
{
    json_t *spec = json_object_get(tree, "spec"), *status = json_object_get(tree, "status");
    json_t *target = json_incref(json_object_get(spec, "targetCPUUtilizationPercentage"));
    json_t *current = json_incref(json_object_get(status, "currentCPUUtilizationPercentage"));

    if (target != NULL) {
        json_t *metric = alias_cpu_metric("target", target);

        json_put_str(metric, "resource.target.type", "Utilization");
        json_object_del(spec, "targetCPUUtilizationPercentage");
        json_object_set_new(spec, "metrics", json_pack("[o]", metric));
    }
    if (current != NULL) {
        json_object_del(status, "currentCPUUtilizationPercentage");
        json_object_set_new(status, "currentMetrics",
                            json_pack("[o]", alias_cpu_metric("current", current)));
    }
}

static void alias_scaler_out(json_t *tree)
{
    json_t *spec = json_object_get(tree, "spec"), *status = json_object_get(tree, "status");
    const json_t *wanted = alias_find_cpu(json_object_get(spec, "metrics"));
    const json_t *now = alias_find_cpu(json_object_get(status, "currentMetrics"));
    json_t *target = json_at(wanted, "resource.target.averageUtilization");
    json_t *current = json_at(now, "resource.current.averageUtilization");

    if (target != NULL)
        json_object_set(spec, "targetCPUUtilizationPercentage", target);
    if (current != NULL)
        json_object_set(status, "currentCPUUtilizationPercentage", current);
    json_object_del(spec, "metrics");
    json_object_del(spec, "behavior");
    json_object_del(status, "currentMetrics");
    json_object_del(status, "conditions");
}

/* --- both ways --- */

static const struct alias_row {
    const char *bucket;
    void (*in)(json_t *tree);
    void (*out)(json_t *tree);
} alias_rows[] = {
    { "events", alias_event_in, alias_event_out },
    { "horizontalpodautoscalers.autoscaling", alias_scaler_in, alias_scaler_out },
};

static void alias_set_version(json_t *tree, const struct schema_resource *r)
{
    char version[128];

    schema_api_version(version, sizeof(version), r);
    json_put_str(tree, "apiVersion", version);
    json_put_str(tree, "kind", r->kind);
}

void alias_to_stored(json_t *tree, const struct schema_resource *alias)
{
    if (alias->stored)
        return;
    for (size_t i = 0; i < N_ELEMENTS(alias_rows); i++)
        if (str_eq(alias->bucket, alias_rows[i].bucket))
            alias_rows[i].in(tree);
    alias_set_version(tree, schema_bucket(alias->bucket));
}

void alias_from_stored(json_t *tree, const struct schema_resource *alias)
{
    if (alias->stored)
        return;
    for (size_t i = 0; i < N_ELEMENTS(alias_rows); i++)
        if (str_eq(alias->bucket, alias_rows[i].bucket))
            alias_rows[i].out(tree);
    alias_set_version(tree, alias);
}
