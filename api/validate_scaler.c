/* Rules of HorizontalPodAutoscalers (Kubernetes: pkg/apis/autoscaling/validation). */
#include "api/validate_impl.h"

#include "api/quantity.h"
#include "api/validate_names.h"
#include "base/mem.h"

#define SCALER_WINDOW_MAX 3600
#define SCALER_PERIOD_MAX 1800

/* --- metrics --- */

static void scaler_quantity(struct field_errors *e, const json_t *target, const char *key,
                            const char *path)
{
    const json_t *value = json_object_get(target, key);
    struct quantity q;

    if (value != NULL && quantity_parse(json_string_value(value), &q) && q.nano <= 0)
        field_invalid(e, AT("%s.%s", path, key), value, "must be positive");
}

static void scaler_target(struct field_errors *e, const json_t *target, const char *path)
{
    static const char *const types[] = { "Utilization", "Value", "AverageValue" };
    const json_t *type = json_object_get(target, "type");
    bool known = type == NULL;

    for (size_t i = 0; i < N_ELEMENTS(types); i++)
        known = known || str_eq(json_string_value(type), types[i]);
    if (!known)
        field_invalid(e, AT("%s.type", path), type,
                      "must be either Utilization, Value, or AverageValue");
    scaler_quantity(e, target, "value", path);
    scaler_quantity(e, target, "averageValue", path);
    validate_positive(e, target, "averageUtilization", path);
}

static void scaler_resource(struct field_errors *e, const json_t *target, const char *path)
{
    bool percent = json_object_get(target, "averageUtilization") != NULL;
    bool value = json_object_get(target, "averageValue") != NULL;

    if (!percent && !value)
        field_required(e, AT("%s.averageUtilization", path),
                       "must set either a target raw value or a target utilization");
    if (percent && value)
        field_forbidden(e, AT("%s.averageValue", path),
                        "may not set both a target raw value and a target utilization");
}

static void scaler_pods(struct field_errors *e, const json_t *target, const char *path)
{
    if (json_object_get(target, "averageValue") == NULL)
        field_required(e, AT("%s.averageValue", path),
                       "must specify a positive target averageValue");
}

static void scaler_object(struct field_errors *e, const json_t *target, const char *path)
{
    if (json_object_get(target, "averageValue") == NULL && json_object_get(target, "value") == NULL)
        field_required(e, AT("%s.averageValue", path),
                       "must set either a target value or averageValue");
}

static void scaler_external(struct field_errors *e, const json_t *target, const char *path)
{
    bool value = json_object_get(target, "value") != NULL;
    bool average = json_object_get(target, "averageValue") != NULL;

    if (!value && !average)
        field_required(e, AT("%s.averageValue", path),
                       "must set either a target value for metric or a per-pod target");
    if (value && average)
        field_forbidden(e, AT("%s.value", path),
                        "may not set both a target value for metric and a per-pod target");
}

static const struct scaler_source {
    const char *type, *member;
    void (*target)(struct field_errors *e, const json_t *target, const char *path);
} scaler_sources[] = {
    { "ContainerResource", "containerResource", scaler_resource },
    { "External", "external", scaler_external },
    { "Object", "object", scaler_object },
    { "Pods", "pods", scaler_pods },
    { "Resource", "resource", scaler_resource },
};

static void scaler_metric(struct field_errors *e, const json_t *metric, const char *path)
{
    static const char *const types[] = { "ContainerResource", "External", "Object", "Pods",
                                         "Resource",          NULL };
    const char *type = json_str_or(metric, "type", "");

    validate_one_of(e, metric, "type", path, types);
    for (size_t i = 0; i < N_ELEMENTS(scaler_sources); i++) {
        const struct scaler_source *s = &scaler_sources[i];
        const json_t *body = json_object_get(metric, s->member);
        const json_t *target = json_object_get(body, "target");
        struct validate_path at = validate_path("%s.%s.target", path, s->member);
        bool wanted = str_eq(type, s->type);

        if (wanted && body == NULL)
            field_required(e, AT("%s.%s", path, s->member),
                           "must populate information for the given metric source");
        if (!wanted && body != NULL)
            field_forbidden(e, AT("%s.%s", path, s->member),
                            "must populate the given metric source only");
        if (!wanted || target == NULL)
            continue;
        scaler_target(e, target, at.s);
        s->target(e, target, at.s);
    }
}

/* --- behavior --- */

/* More than nothing and at most @max. */
static void scaler_span(struct field_errors *e, const json_t *object, const char *key,
                        const char *path, int64_t max)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL)
        return;
    if (json_integer_value(value) <= 0)
        field_invalid(e, AT("%s.%s", path, key), value, "must be greater than zero");
    else if (json_integer_value(value) > max)
        field_invalid(e, AT("%s.%s", path, key), value, "must be less than or equal to %lld",
                      (long long)max);
}

static void scaler_rules(struct field_errors *e, const json_t *rules, const char *path)
{
    static const char *const selects[] = { "Disabled", "Max", "Min", NULL };
    static const char *const types[] = { "Percent", "Pods", NULL };
    const json_t *window = json_object_get(rules, "stabilizationWindowSeconds"), *policy;
    size_t i;

    if (rules == NULL)
        return;
    if (window != NULL && json_integer_value(window) < 0)
        field_invalid(e, AT("%s.stabilizationWindowSeconds", path), window,
                      "must be greater than or equal to zero");
    else if (window != NULL && json_integer_value(window) > SCALER_WINDOW_MAX)
        field_invalid(e, AT("%s.stabilizationWindowSeconds", path), window,
                      "must be less than or equal to %d", SCALER_WINDOW_MAX);
    validate_one_of(e, rules, "selectPolicy", path, selects);
    if (json_array_size(json_object_get(rules, "policies")) == 0)
        field_required(e, AT("%s.policies", path), "must specify at least one Policy");
    json_array_foreach (json_object_get(rules, "policies"), i, policy) {
        struct validate_path at = validate_path("%s.policies[%zu]", path, i);

        validate_one_of(e, policy, "type", at.s, types);
        scaler_span(e, policy, "value", at.s, INT32_MAX);
        scaler_span(e, policy, "periodSeconds", at.s, SCALER_PERIOD_MAX);
    }
}

/* --- the whole --- */

static void scaler_bounds(struct field_errors *e, const json_t *spec)
{
    cleanup(json_decrefpp) json_t *max = json_integer(json_int(spec, "maxReplicas", 0));
    const json_t *min = json_object_get(spec, "minReplicas");

    if (json_is_integer(min) && json_integer_value(min) < 1)
        field_invalid(e, "spec.minReplicas", min, "must be greater than or equal to 1");
    if (json_integer_value(max) < 1)
        field_invalid(e, "spec.maxReplicas", max, "must be greater than 0");
    if (json_is_integer(min) && json_integer_value(max) < json_integer_value(min))
        field_invalid(e, "spec.maxReplicas", max, "must be greater than or equal to `minReplicas`");
}

void validate_scaler(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec"), *metric;
    size_t i;

    scaler_bounds(e, spec);
    validate_text(e, json_object_get(spec, "scaleTargetRef"), "kind", "spec.scaleTargetRef",
                  validate_path_segment);
    validate_text(e, json_object_get(spec, "scaleTargetRef"), "name", "spec.scaleTargetRef",
                  validate_path_segment);
    json_array_foreach (json_object_get(spec, "metrics"), i, metric)
        scaler_metric(e, metric, AT("spec.metrics[%zu]", i));
    scaler_rules(e, json_at(spec, "behavior.scaleUp"), "spec.behavior.scaleUp");
    scaler_rules(e, json_at(spec, "behavior.scaleDown"), "spec.behavior.scaleDown");
}
