/* HorizontalPodAutoscalers of autoscaling/v1: one metric, the CPU's; what else version 2 can say
 * rides in annotations (Kubernetes: pkg/apis/autoscaling/v1/conversion.go). */
#include "api/alias_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define SCALER_METRICS    "autoscaling.alpha.kubernetes.io/metrics"
#define SCALER_CURRENT    "autoscaling.alpha.kubernetes.io/current-metrics"
#define SCALER_CONDITIONS "autoscaling.alpha.kubernetes.io/conditions"
#define SCALER_BEHAVIOR   "autoscaling.alpha.kubernetes.io/behavior"

/* --- one metric in the words of both --- */

struct scaler_words {               /* dotted paths within the metric's body */
    const char *v2, *spec, *status; /* in version 1; NULL = the same */
};

static const struct scaler_words scaler_resource[] = {
    { "name", "name", "name" },
    { "container", "container", "container" },
    { "averageUtilization", "targetAverageUtilization", "currentAverageUtilization" },
    { "averageValue", "targetAverageValue", "currentAverageValue" },
    { NULL, NULL, NULL },
};
static const struct scaler_words scaler_pods[] = {
    { "metric.name", "metricName", "metricName" },
    { "metric.selector", "selector", "selector" },
    { "averageValue", "targetAverageValue", "currentAverageValue" },
    { NULL, NULL, NULL },
};
static const struct scaler_words scaler_object[] = {
    { "describedObject", "target", "target" },
    { "metric.name", "metricName", "metricName" },
    { "metric.selector", "selector", "selector" },
    { "value", "targetValue", "currentValue" },
    { "averageValue", "averageValue", "averageValue" },
    { NULL, NULL, NULL },
};
static const struct scaler_words scaler_external[] = {
    { "metric.name", "metricName", "metricName" },
    { "metric.selector", "metricSelector", "metricSelector" },
    { "value", "targetValue", "currentValue" },
    { "averageValue", "targetAverageValue", "currentAverageValue" },
    { NULL, NULL, NULL },
};

static const struct scaler_kind {
    const char *type, *member;
    const struct scaler_words *words;
} scaler_kinds[] = {
    { "Resource", "resource", scaler_resource },
    { "ContainerResource", "containerResource", scaler_resource },
    { "Pods", "pods", scaler_pods },
    { "Object", "object", scaler_object },
    { "External", "external", scaler_external },
};

static const struct scaler_kind *scaler_kind_of(const json_t *metric)
{
    for (size_t i = 0; i < N_ELEMENTS(scaler_kinds); i++)
        if (str_eq(json_str(metric, "type"), scaler_kinds[i].type))
            return &scaler_kinds[i];
    return NULL;
}

/* Numbers stand in `target` of a spec and in `current` of a status. */
static char *scaler_path(const char *word, bool is_spec)
{
    static const char *const numbers[] = { "averageUtilization", "averageValue", "value" };

    for (size_t i = 0; i < N_ELEMENTS(numbers); i++)
        if (str_eq(word, numbers[i]))
            return mem_fmt("%s.%s", is_spec ? "target" : "current", word);
    return mem_str(word);
}

static json_t *scaler_metric_out(const json_t *metric, bool is_spec)
{
    const struct scaler_kind *kind = scaler_kind_of(metric);
    json_t *ret = json_pack("{s:s}", "type", json_str_or(metric, "type", ""));
    const json_t *from = kind != NULL ? json_object_get(metric, kind->member) : NULL;
    json_t *to;

    if (from == NULL)
        return ret;
    to = json_object();
    json_object_set_new(ret, kind->member, to);
    for (const struct scaler_words *w = kind->words; w->v2 != NULL; w++) {
        cleanup(freep) char *path = scaler_path(w->v2, is_spec);
        json_t *value = json_at(from, path);

        if (value != NULL)
            json_put(to, is_spec ? w->spec : w->status, json_deep_copy(value));
    }
    return ret;
}

static const char *scaler_target_type(const json_t *body)
{
    if (json_at(body, "target.averageUtilization") != NULL)
        return "Utilization";
    return json_at(body, "target.averageValue") != NULL ? "AverageValue" : "Value";
}

static json_t *scaler_metric_in(const json_t *metric, bool is_spec)
{
    const struct scaler_kind *kind = scaler_kind_of(metric);
    json_t *ret = json_pack("{s:s}", "type", json_str_or(metric, "type", ""));
    const json_t *from = kind != NULL ? json_object_get(metric, kind->member) : NULL;
    json_t *to;

    if (from == NULL)
        return ret;
    to = json_object();
    json_object_set_new(ret, kind->member, to);
    for (const struct scaler_words *w = kind->words; w->v2 != NULL; w++) {
        cleanup(freep) char *path = scaler_path(w->v2, is_spec);
        json_t *value = json_at(from, is_spec ? w->spec : w->status);

        if (value != NULL)
            json_put(to, path, json_deep_copy(value));
    }
    if (is_spec)
        json_put_str(to, "target.type", scaler_target_type(to));
    return ret;
}

/* --- the behavior: Kubernetes writes Go's own names there --- */

static json_t *scaler_case(const json_t *value, bool up)
{
    const char *key;
    json_t *member, *ret;
    size_t i;

    if (json_is_array(value)) {
        ret = json_array();
        json_array_foreach (value, i, member)
            json_array_append_new(ret, scaler_case(member, up));
        return ret;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    ret = json_object();
    json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
        cleanup(freep) char *name = mem_str(key);

        if (up && name[0] >= 'a' && name[0] <= 'z')
            name[0] = (char)(name[0] - 'a' + 'A');
        else if (!up && name[0] >= 'A' && name[0] <= 'Z')
            name[0] = (char)(name[0] - 'A' + 'a');
        json_object_set_new(ret, name, scaler_case(member, up));
    }
    return ret;
}

/* --- annotations --- */

static void scaler_annotate(json_t *tree, const char *key, json_t *value_steal)
{
    cleanup(freep) char *text = json_print(value_steal, NULL);

    if (json_at(tree, "metadata.annotations") == NULL)
        json_put(tree, "metadata.annotations", json_object());
    json_object_set_new(json_at(tree, "metadata.annotations"), key, json_string(text));
    json_decref(value_steal);
}

/* Takes the annotation away; what it held, or NULL: a value that cannot be read is dropped. */
static json_t *scaler_take(json_t *tree, const char *key)
{
    json_t *annotations = json_at(tree, "metadata.annotations");
    const char *text = json_string_value(json_object_get(annotations, key));
    struct err ignored = ERR_EMPTY;
    json_t *ret = NULL;

    if (text != NULL && json_parse(&ret, text, strlen(text), NULL, &ignored) < 0)
        ret = NULL;
    json_object_del(annotations, key);
    if (annotations != NULL && json_object_size(annotations) == 0)
        json_del(tree, "metadata.annotations");
    return ret;
}

/* --- both ways --- */

/* What version 1 has a field for. */
static bool scaler_is_plain(const json_t *metric)
{
    return str_eq(json_str(metric, "type"), "Resource") &&
           str_eq(json_str(metric, "resource.name"), "cpu") &&
           json_at(metric, "resource.target.averageUtilization") != NULL;
}

static json_t *scaler_metrics_in(const json_t *list, bool is_spec)
{
    json_t *ret = json_array();
    const json_t *metric;
    size_t i;

    json_array_foreach (list, i, metric)
        json_array_append_new(ret, scaler_metric_in(metric, is_spec));
    return ret;
}

static json_t *scaler_cpu(const char *member, json_t *percent)
{
    return json_pack("{s:s, s:{s:s, s:{s:O}}}", "type", "Resource", "resource", "name", "cpu",
                     member, "averageUtilization", percent);
}

static void scaler_spec_in(json_t *tree, json_t *spec)
{
    cleanup(json_decrefpp) json_t *others = scaler_take(tree, SCALER_METRICS);
    cleanup(json_decrefpp) json_t *behavior = scaler_take(tree, SCALER_BEHAVIOR);
    json_t *target = json_object_get(spec, "targetCPUUtilizationPercentage");
    json_t *metrics = scaler_metrics_in(others, true);

    if (target != NULL) {
        json_t *cpu = scaler_cpu("target", target);

        json_put_str(cpu, "resource.target.type", "Utilization");
        json_array_append_new(metrics, cpu);
        json_object_del(spec, "targetCPUUtilizationPercentage");
    }
    if (json_array_size(metrics) > 0)
        json_object_set(spec, "metrics", metrics);
    json_decref(metrics);
    if (json_is_object(behavior))
        json_object_set_new(spec, "behavior", scaler_case(behavior, false));
}

static void scaler_status_in(json_t *tree, json_t *status)
{
    cleanup(json_decrefpp) json_t *current = scaler_take(tree, SCALER_CURRENT);
    cleanup(json_decrefpp) json_t *conditions = scaler_take(tree, SCALER_CONDITIONS);
    json_t *percent = json_object_get(status, "currentCPUUtilizationPercentage");

    if (status == NULL)
        return;
    if (json_is_array(current))
        json_object_set_new(status, "currentMetrics", scaler_metrics_in(current, false));
    else if (percent != NULL)
        json_object_set_new(status, "currentMetrics",
                            json_pack("[o]", scaler_cpu("current", percent)));
    json_object_del(status, "currentCPUUtilizationPercentage");
    if (json_is_array(conditions))
        json_object_set(status, "conditions", conditions);
}

void alias_scaler_in(json_t *tree)
{
    json_t *spec = json_object_get(tree, "spec");

    if (json_is_object(spec))
        scaler_spec_in(tree, spec);
    scaler_status_in(tree, json_object_get(tree, "status"));
}

static void scaler_spec_out(json_t *tree, json_t *spec)
{
    json_t *others = json_array();
    json_t *behavior = json_object_get(spec, "behavior"), *metric;
    size_t i;

    json_array_foreach (json_object_get(spec, "metrics"), i, metric) {
        if (scaler_is_plain(metric))
            json_object_set(spec, "targetCPUUtilizationPercentage",
                            json_at(metric, "resource.target.averageUtilization"));
        else
            json_array_append_new(others, scaler_metric_out(metric, true));
    }
    if (json_array_size(others) > 0)
        scaler_annotate(tree, SCALER_METRICS, json_incref(others));
    json_decref(others);
    if (behavior != NULL)
        scaler_annotate(tree, SCALER_BEHAVIOR, scaler_case(behavior, true));
    json_object_del(spec, "metrics");
    json_object_del(spec, "behavior");
}

static void scaler_status_out(json_t *tree, json_t *status)
{
    json_t *current = json_object_get(status, "currentMetrics"), *metric;
    json_t *conditions = json_object_get(status, "conditions");
    json_t *list = json_array();
    size_t i;

    json_array_foreach (current, i, metric) {
        json_t *percent = json_at(metric, "resource.current.averageUtilization");

        json_array_append_new(list, scaler_metric_out(metric, false));
        if (str_eq(json_str(metric, "resource.name"), "cpu") && percent != NULL)
            json_object_set(status, "currentCPUUtilizationPercentage", percent);
    }
    if (json_array_size(list) > 0)
        scaler_annotate(tree, SCALER_CURRENT, json_incref(list));
    json_decref(list);
    if (json_array_size(conditions) > 0)
        scaler_annotate(tree, SCALER_CONDITIONS, json_incref(conditions));
    json_object_del(status, "currentMetrics");
    json_object_del(status, "conditions");
}

void alias_scaler_out(json_t *tree)
{
    scaler_spec_out(tree, json_object_get(tree, "spec"));
    scaler_status_out(tree, json_object_get(tree, "status"));
}
