#include "api/validate_impl.h"

#include "base/mem.h"

#include <string.h>

/* Deeper than any kind but schemas of custom resources, which recurse. */
#define VALIDATE_SCHEMA_DEPTH 32

/* Where "required" of OpenAPI is not what the server enforces: an empty value is fine, or the
 * kind's own rule says it in other words. */
static const struct {
    const char *type, *field;
} validate_schema_exempt[] = {
    { "core/v1.LimitRangeSpec", "limits" },
    { "core/v1.NodeSelector", "nodeSelectorTerms" },
    { "core/v1.PodAffinityTerm", "topologyKey" },
    { "core/v1.TopologySpreadConstraint", "topologyKey" },
    { "core/v1.Toleration", "operator" },
    { "core/v1.NodeSelectorRequirement", "operator" },
    { "core/v1.EventSource", NULL },
    { "apps/v1.StatefulSetSpec", "podManagementPolicy" },
    { "apps/v1.StatefulSetUpdateStrategy", "type" },
    { "discovery/v1.EndpointSlice", "endpoints" },
    { "discovery/v1.Endpoint", "addresses" },
    { "meta/v1.LabelSelectorRequirement", "operator" },
    { "networking/v1.HTTPIngressPath", "pathType" },
    { "networking/v1.IngressServiceBackend", "name" },
    { "rbac/v1.PolicyRule", "verbs" },
    { "rbac/v1.RoleRef", NULL },
    { "rbac/v1.Subject", NULL },
    { "storage/v1.CSINodeSpec", "drivers" },
    { "apiextensions/v1.CustomResourceDefinitionSpec", "versions" },
    { "apiextensions/v1.JSONSchemaProps", NULL },
    { "core/v1.ObjectReference", NULL },
    { "admissionregistration/v1.MutatingWebhook", "sideEffects" },
    { "admissionregistration/v1.MutatingWebhook", "admissionReviewVersions" },
    { "admissionregistration/v1.ValidatingWebhook", "sideEffects" },
    { "admissionregistration/v1.ValidatingWebhook", "admissionReviewVersions" },
    { "admissionregistration/v1.ServiceReference", NULL },
    { "apiextensions/v1.ServiceReference", NULL },
};

/* The tables name values in alphabetical order, and so does the server but for these. */
static const struct {
    const char *type, *field;
    const char *order[5];
} validate_schema_orders[] = {
    { "core/v1.PodSpec", "restartPolicy", { "Always", "OnFailure", "Never" } },
    { "core/v1.PodSpec",
      "dnsPolicy",
      { "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None" } },
    { "core/v1.PodSpec", "preemptionPolicy", { "PreemptLowerPriority", "Never" } },
    { "core/v1.Taint", "effect", { "NoSchedule", "PreferNoSchedule", "NoExecute" } },
    { "core/v1.Toleration", "effect", { "NoSchedule", "PreferNoSchedule", "NoExecute" } },
    { "core/v1.Container", "terminationMessagePolicy", { "File", "FallbackToLogsOnError" } },
    { "apps/v1.DaemonSetUpdateStrategy", "type", { "RollingUpdate", "OnDelete" } },
    { "batch/v1.CronJobSpec", "concurrencyPolicy", { "Allow", "Forbid", "Replace" } },
    { "batch/v1.JobSpec", "completionMode", { "NonIndexed", "Indexed" } },
    { "scheduling/v1.PriorityClass", "preemptionPolicy", { "PreemptLowerPriority", "Never" } },
};

static const char *const *validate_schema_order(const struct schema_type *type,
                                                const struct schema_field *f)
{
    for (size_t i = 0; i < N_ELEMENTS(validate_schema_orders); i++) {
        if (str_eq(type->name, validate_schema_orders[i].type) &&
            str_eq(f->name, validate_schema_orders[i].field))
            return validate_schema_orders[i].order;
    }
    return f->enums;
}

static bool validate_schema_is_exempt(const struct schema_type *type, const char *field)
{
    for (size_t i = 0; i < N_ELEMENTS(validate_schema_exempt); i++) {
        if (str_eq(type->name, validate_schema_exempt[i].type) &&
            (validate_schema_exempt[i].field == NULL ||
             str_eq(field, validate_schema_exempt[i].field)))
            return true;
    }
    return false;
}

static void validate_schema_object(struct field_errors *e, const struct schema_type *type,
                                   const json_t *tree, const char *path, unsigned depth);

/* Absent structs that Go keeps by value are there, empty; those it keeps by pointer are not. */
static bool validate_schema_by_value(const struct schema_type *owner, const struct schema_field *f)
{
    if (f->scalar != SCHEMA_STRUCT || f->shape != SCHEMA_ONE)
        return false;
    if (str_eq(f->name, "template"))
        return !str_eq(owner->name, "core/v1.ReplicationControllerSpec");
    return f->required || str_eq(f->name, "spec");
}

static void validate_schema_missing(struct field_errors *e, const struct schema_type *owner,
                                    const struct schema_field *f, const char *path, unsigned depth)
{
    bool selector = f->type != NULL && str_eq(f->type->name, "meta/v1.LabelSelector");

    if (f->required && selector && str_eq(f->name, "selector"))
        field_required(e, path, NULL);
    else if (validate_schema_by_value(owner, f))
        validate_schema_object(e, f->type, NULL, path, depth + 1);
    else if (f->required &&
             (f->shape != SCHEMA_ONE || f->scalar == SCHEMA_STRING || f->scalar == SCHEMA_BYTES))
        field_required(e, path, NULL);
}

static void validate_schema_enum(struct field_errors *e, const struct schema_type *owner,
                                 const struct schema_field *f, const json_t *value,
                                 const char *path)
{
    const char *s = json_string_value(value);

    if (str_empty(s))
        return;
    for (size_t i = 0; f->enums[i] != NULL; i++) {
        if (str_eq(f->enums[i], s))
            return;
    }
    field_not_supported(e, path, value, validate_schema_order(owner, f));
}

static void validate_schema_members(struct field_errors *e, const struct schema_type *owner,
                                    const struct schema_field *f, const json_t *value,
                                    const char *path, unsigned depth)
{
    json_t *item;
    const char *key;
    size_t i;

    if (f->enums != NULL) {
        json_array_foreach (value, i, item)
            validate_schema_enum(e, owner, f, item, path);
        if (json_is_string(value))
            validate_schema_enum(e, owner, f, value, path);
    }
    if (f->scalar != SCHEMA_STRUCT)
        return;
    if (f->shape == SCHEMA_ONE && json_is_object(value))
        validate_schema_object(e, f->type, value, path, depth + 1);
    if (f->shape == SCHEMA_LIST) {
        json_array_foreach (value, i, item)
            validate_schema_object(e, f->type, item, AT("%s[%zu]", path, i), depth + 1);
    }
    if (f->shape == SCHEMA_MAP && json_is_object(value)) {
        json_object_foreach ((json_t *)(uintptr_t)value, key, item)
            validate_schema_object(e, f->type, item, AT("%s[%s]", path, key), depth + 1);
    }
}

static bool validate_schema_is_empty(const struct schema_field *f, const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return true;
    if (f->shape != SCHEMA_ONE)
        return json_array_size(value) + json_object_size(value) == 0;
    return json_is_string(value) && json_string_length(value) == 0;
}

static void validate_schema_object(struct field_errors *e, const struct schema_type *type,
                                   const json_t *tree, const char *path, unsigned depth)
{
    if (depth > VALIDATE_SCHEMA_DEPTH)
        return;
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        const json_t *value = json_object_get(tree, f->name);
        struct validate_path at = validate_path("%s.%s", path, f->name);

        if (str_eq(f->name, "metadata") || (str_eq(f->name, "status") && f->type != NULL))
            continue;
        if (validate_schema_is_exempt(type, f->name))
            continue;
        if (validate_schema_is_empty(f, value))
            validate_schema_missing(e, type, f, at.s, depth);
        else
            validate_schema_members(e, type, f, value, at.s, depth);
    }
}

void validate_schema(struct field_errors *e, const struct schema_resource *r, const json_t *tree)
{
    validate_schema_object(e, r->type, tree, "", 0);
}
