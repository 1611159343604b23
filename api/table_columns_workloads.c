#include "api/conditions.h"
#include "api/table.h"
#include "api/table_impl.h"
#include "base/clock.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define TEMPLATE_SPEC "spec.template.spec"
#define TABLE_SELECTOR                                                                         \
    {                                                                                          \
        .name = "Selector", .cell = table_cell_selector, .path = "spec.selector", .wide = true \
    }
#define TABLE_INT(name_, path_)                                                     \
    {                                                                               \
        .name = (name_), .cell = table_cell_int, .path = (path_), .type = "integer" \
    }

static const struct table_column table_deployment_columns[] = {
    TABLE_NAME,
    { .name = "Ready",
      .cell = table_cell_ratio,
      .path = "status.readyReplicas",
      .otherwise = "spec.replicas" },
    { .name = "Up-to-date", .cell = table_cell_int, .path = "status.updatedReplicas" },
    { .name = "Available", .cell = table_cell_int, .path = "status.availableReplicas" },
    TABLE_AGE,
    TABLE_WIDE_PODS(TEMPLATE_SPEC),
    { .name = "Selector",
      .cell = table_cell_selector,
      .path = "spec.selector",
      .otherwise = "",
      .wide = true },
};

static const struct table_column table_replicaset_columns[] = {
    TABLE_NAME,
    TABLE_INT("Desired", "spec.replicas"),
    TABLE_INT("Current", "status.replicas"),
    TABLE_INT("Ready", "status.readyReplicas"),
    TABLE_AGE,
    TABLE_WIDE_PODS(TEMPLATE_SPEC),
    TABLE_SELECTOR,
};

static const struct table_column table_controller_columns[] = {
    TABLE_NAME,
    TABLE_INT("Desired", "spec.replicas"),
    TABLE_INT("Current", "status.replicas"),
    TABLE_INT("Ready", "status.readyReplicas"),
    TABLE_AGE,
    TABLE_WIDE_PODS(TEMPLATE_SPEC),
    { .name = "Selector", .cell = table_cell_labels, .path = "spec.selector", .wide = true },
};

static const struct table_column table_statefulset_columns[] = {
    TABLE_NAME,
    { .name = "Ready",
      .cell = table_cell_ratio,
      .path = "status.readyReplicas",
      .otherwise = "spec.replicas" },
    TABLE_AGE,
    TABLE_WIDE_PODS(TEMPLATE_SPEC),
};

static const struct table_column table_daemonset_columns[] = {
    TABLE_NAME,
    TABLE_INT("Desired", "status.desiredNumberScheduled"),
    TABLE_INT("Current", "status.currentNumberScheduled"),
    TABLE_INT("Ready", "status.numberReady"),
    TABLE_INT("Up-to-date", "status.updatedNumberScheduled"),
    TABLE_INT("Available", "status.numberAvailable"),
    { .name = "Node Selector", .cell = table_cell_labels, .path = TEMPLATE_SPEC ".nodeSelector" },
    TABLE_AGE,
    TABLE_WIDE_PODS(TEMPLATE_SPEC),
    TABLE_SELECTOR,
};

/* --- jobs ----------------------------------------------------------------------- */

static void table_cell_job_status(const struct table_view *v, const struct table_column *c)
{
    const json_t *status = json_object_get(v->tree, "status");
    const char *text = "Running";

    (void)c;
    if (condition_is(status, "Complete", "True"))
        text = "Complete";
    else if (condition_is(status, "Failed", "True"))
        text = "Failed";
    else if (json_str(v->tree, "metadata.deletionTimestamp") != NULL)
        text = "Terminating";
    else if (condition_is(status, "Suspended", "True"))
        text = "Suspended";
    else if (condition_is(status, "FailureTarget", "True"))
        text = "FailureTarget";
    table_put_text(v, text);
}

static void table_cell_job_completions(const struct table_view *v, const struct table_column *c)
{
    long long succeeded = json_int(v->tree, "status.succeeded", 0);
    long long parallelism = json_int(v->tree, "spec.parallelism", 0);
    char text[96];

    (void)c;
    if (json_at(v->tree, "spec.completions") != NULL)
        snprintf(text, sizeof(text), "%lld/%lld", succeeded,
                 (long long)json_int(v->tree, "spec.completions", 0));
    else if (parallelism > 1)
        snprintf(text, sizeof(text), "%lld/1 of %lld", succeeded, parallelism);
    else
        snprintf(text, sizeof(text), "%lld/1", succeeded);
    table_put_text(v, text);
}

static void table_cell_job_duration(const struct table_view *v, const struct table_column *c)
{
    const char *start = json_str(v->tree, "status.startTime");
    const char *end = json_str(v->tree, "status.completionTime");
    int64_t from, to = v->now_ms;
    char age[TABLE_AGE_MAX] = "";

    (void)c;
    if (start != NULL && clock_parse(start, &from)) {
        if (end != NULL)
            clock_parse(end, &to);
        table_age(age, to - from);
    }
    table_put_text(v, age);
}

static const struct table_column table_job_columns[] = {
    TABLE_NAME,
    { .name = "Status", .cell = table_cell_job_status },
    { .name = "Completions", .cell = table_cell_job_completions },
    { .name = "Duration", .cell = table_cell_job_duration },
    TABLE_AGE,
    TABLE_WIDE_PODS(TEMPLATE_SPEC),
    TABLE_SELECTOR,
};

static void table_cell_cronjob_suspend(const struct table_view *v, const struct table_column *c)
{
    (void)c;
    if (json_at(v->tree, "spec.suspend") == NULL)
        table_put_text(v, "<unset>");
    else
        table_put_text(v, json_bool(v->tree, "spec.suspend", false) ? "True" : "False");
}

static const struct table_column table_cronjob_columns[] = {
    TABLE_NAME,
    { .name = "Schedule", .cell = table_cell_text, .path = "spec.schedule" },
    { .name = "Timezone", .cell = table_cell_text, .path = "spec.timeZone", .otherwise = "<none>" },
    { .name = "Suspend", .cell = table_cell_cronjob_suspend, .type = "boolean" },
    { .name = "Active", .cell = table_cell_count, .path = "status.active", .type = "integer" },
    { .name = "Last Schedule",
      .cell = table_cell_age,
      .path = "status.lastScheduleTime",
      .otherwise = "<none>" },
    TABLE_AGE,
    TABLE_WIDE_PODS("spec.jobTemplate.spec.template.spec"),
    { .name = "Selector",
      .cell = table_cell_selector,
      .path = "spec.jobTemplate.spec.selector",
      .wide = true },
};

static void table_cell_revision_owner(const struct table_view *v, const struct table_column *c)
{
    const json_t *owners = json_at(v->tree, "metadata.ownerReferences"), *owner;
    size_t i;

    (void)c;
    json_array_foreach (owners, i, owner) {
        const char *version = json_str_or(owner, "apiVersion", "");
        const char *slash = strchr(version, '/');
        cleanup(freep) char *text = NULL;

        if (!json_bool(owner, "controller", false))
            continue;
        text = mem_fmt("%s%s%.*s/%s", json_str_or(owner, "kind", ""), slash != NULL ? "." : "",
                       slash != NULL ? (int)(slash - version) : 0, version,
                       json_str_or(owner, "name", ""));
        for (char *p = text; *p != '/' && *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        table_put_text(v, text);
        return;
    }
    table_put_text(v, "<none>");
}

static const struct table_column table_revision_columns[] = {
    TABLE_NAME,
    { .name = "Controller", .cell = table_cell_revision_owner },
    { .name = "Revision", .cell = table_cell_int, .path = "revision" },
    TABLE_AGE,
};

/* --- autoscalers --------------------------------------------------------------------- */

static void table_cell_hpa_reference(const struct table_view *v, const struct table_column *c)
{
    cleanup(freep) char *text = mem_fmt("%s/%s",
                                        json_str_or(v->tree, "spec.scaleTargetRef.kind", ""),
                                        json_str_or(v->tree, "spec.scaleTargetRef.name", ""));

    (void)c;
    table_put_text(v, text);
}

/* Where a metric's source stands: member of spec, member of status, prefix of the text. */
struct table_hpa_source {
    const char *type, *member;
    bool resource, average_suffix;
};

static const struct table_hpa_source table_hpa_sources[] = {
    { "Resource", "resource", true, false },
    { "ContainerResource", "containerResource", true, false },
    { "Pods", "pods", false, false },
    { "Object", "object", false, true },
    { "External", "external", false, true },
};

static void table_hpa_percent(char ret[32], const json_t *from, const char *otherwise)
{
    if (json_object_get(from, "averageUtilization") == NULL)
        snprintf(ret, 32, "%s", otherwise);
    else
        snprintf(ret, 32, "%lld%%", (long long)json_int(from, "averageUtilization", 0));
}

static void table_hpa_metric(struct table_list *list, const struct table_hpa_source *source,
                             const json_t *spec, const json_t *status)
{
    const json_t *body = json_object_get(spec, source->member);
    const json_t *target = json_object_get(body, "target");
    const json_t *current = json_object_get(json_object_get(status, source->member), "current");
    const char *prefix = source->resource ? json_str_or(body, "name", "") : "";
    const char *separator = source->resource ? ": " : "";
    const char *average = json_str(target, "averageValue");
    cleanup(freep) char *text = NULL;

    if (average != NULL) {
        text = mem_fmt("%s%s%s/%s%s", prefix, separator,
                       json_str_or(current, "averageValue", "<unknown>"), average,
                       source->average_suffix ? " (avg)" : "");
    } else if (source->resource) {
        char have[32], want[32];

        table_hpa_percent(have, current, "<unknown>");
        table_hpa_percent(want, target, "<auto>");
        text = mem_fmt("%s%s%s/%s", prefix, separator, have, want);
    } else {
        text = mem_fmt("%s/%s", json_str_or(current, "value", "<unknown>"),
                       json_str_or(target, "value", "<auto>"));
    }
    table_list_add(list, text);
}

/* The autoscaling/v1 form knows only the processor. */
static void table_hpa_v1(struct table_list *list, const struct table_view *v)
{
    char have[32] = "<unknown>", text[80];
    const char *current = "status.currentCPUUtilizationPercentage";

    if (json_at(v->tree, "spec.targetCPUUtilizationPercentage") == NULL)
        return;
    if (json_at(v->tree, current) != NULL)
        snprintf(have, sizeof(have), "%lld%%", (long long)json_int(v->tree, current, 0));
    snprintf(text, sizeof(text), "cpu: %s/%lld%%", have,
             (long long)json_int(v->tree, "spec.targetCPUUtilizationPercentage", 0));
    table_list_add(list, text);
}

static void table_cell_hpa_targets(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY, .separator = ", ", .max = 2 };
    const json_t *metric;
    size_t i;

    (void)c;
    json_array_foreach (json_at(v->tree, "spec.metrics"), i, metric) {
        const json_t *status = json_array_get(json_at(v->tree, "status.currentMetrics"), i);

        for (size_t k = 0; k < N_ELEMENTS(table_hpa_sources); k++) {
            if (str_eq(json_str(metric, "type"), table_hpa_sources[k].type))
                table_hpa_metric(&list, &table_hpa_sources[k], metric, status);
        }
    }
    table_hpa_v1(&list, v);
    table_list_put(v, &list, "<none>");
}

static void table_cell_hpa_min(const struct table_view *v, const struct table_column *c)
{
    char text[32] = "<unset>";

    if (json_at(v->tree, c->path) != NULL)
        snprintf(text, sizeof(text), "%lld", (long long)json_int(v->tree, c->path, 0));
    table_put_text(v, text);
}

static const struct table_column table_hpa_columns[] = {
    TABLE_NAME,
    { .name = "Reference", .cell = table_cell_hpa_reference },
    { .name = "Targets", .cell = table_cell_hpa_targets },
    { .name = "MinPods", .cell = table_cell_hpa_min, .path = "spec.minReplicas" },
    { .name = "MaxPods", .cell = table_cell_int, .path = "spec.maxReplicas" },
    { .name = "Replicas", .cell = table_cell_int, .path = "status.currentReplicas" },
    TABLE_AGE,
};

static void table_cell_int_or_text(const struct table_view *v, const struct table_column *c)
{
    const json_t *value = json_at(v->tree, c->path);
    char text[32];

    if (json_is_integer(value)) {
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
        table_put_text(v, text);
    } else {
        table_put_text(v, json_is_string(value) ? json_string_value(value) : c->otherwise);
    }
}

static const struct table_column table_pdb_columns[] = {
    TABLE_NAME,
    { .name = "Min Available",
      .cell = table_cell_int_or_text,
      .path = "spec.minAvailable",
      .otherwise = "N/A" },
    { .name = "Max Unavailable",
      .cell = table_cell_int_or_text,
      .path = "spec.maxUnavailable",
      .otherwise = "N/A" },
    TABLE_INT("Allowed Disruptions", "status.disruptionsAllowed"),
    TABLE_AGE,
};

const struct table_kind table_kinds_workloads[] = {
    TABLE_KIND("deployments.apps", table_deployment_columns),
    TABLE_KIND("replicasets.apps", table_replicaset_columns),
    TABLE_KIND("replicationcontrollers", table_controller_columns),
    TABLE_KIND("statefulsets.apps", table_statefulset_columns),
    TABLE_KIND("daemonsets.apps", table_daemonset_columns),
    TABLE_KIND("controllerrevisions.apps", table_revision_columns),
    TABLE_KIND("jobs.batch", table_job_columns),
    TABLE_KIND("cronjobs.batch", table_cronjob_columns),
    TABLE_KIND("horizontalpodautoscalers.autoscaling", table_hpa_columns),
    TABLE_KIND("poddisruptionbudgets.policy", table_pdb_columns),
    { .bucket = NULL },
};
