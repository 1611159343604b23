#include "api/validate_impl.h"

#include "base/mem.h"

#include <string.h>

#define PRIORITY_USER_MAX 1000000000

/* --- Node, Namespace ---------------------------------------------------------------------- */

static void validate_taints(struct field_errors *e, const json_t *taints, const char *path)
{
    cleanup(json_decrefpp) json_t *seen = json_object();
    const json_t *taint;
    size_t i;

    json_array_foreach (taints, i, taint) {
        struct validate_path at = validate_path("%s[%zu]", path, i);
        cleanup(freep) char *key = mem_fmt("%s:%s", json_str_or(taint, "key", ""),
                                           json_str_or(taint, "effect", ""));

        validate_text(e, taint, "key", at.s, validate_label_key);
        validate_text(e, taint, "value", at.s, validate_label_value);
        if (json_object_get(seen, key) != NULL)
            field_duplicate(e, at.s, taint);
        json_object_set_new(seen, key, json_true());
    }
}

static void validate_node(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec"), *cidr;
    size_t i;

    validate_taints(e, json_object_get(spec, "taints"), "spec.taints");
    json_array_foreach (json_object_get(spec, "podCIDRs"), i, cidr)
        validate_value(e, cidr, AT("spec.podCIDRs[%zu]", i), validate_cidr);
}

/* Addresses and identity are given once; taints and schedulability are free. */
static void validate_node_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    static const char *const free_fields[] = { "podCIDR", "podCIDRs",      "providerID",
                                               "taints",  "unschedulable", "configSource" };
    const json_t *was = json_object_get(old, "spec"), *is = json_object_get(tree, "spec");
    cleanup(json_decrefpp) json_t *a = is != NULL ? json_copy((json_t *)(uintptr_t)is)
                                                  : json_object();
    cleanup(json_decrefpp) json_t *b = was != NULL ? json_copy((json_t *)(uintptr_t)was)
                                                   : json_object();

    if (!str_empty(json_str(was, "podCIDR")) &&
        !validate_same(json_object_get(is, "podCIDRs"), json_object_get(was, "podCIDRs")))
        field_forbidden(e, "spec.podCIDRs",
                        "node updates may not change podCIDR except from \"\" to valid");
    if (!str_empty(json_str(was, "providerID")) &&
        !str_eq(json_str(was, "providerID"), json_str(is, "providerID")))
        field_forbidden(e, "spec.providerID",
                        "node updates may not change providerID except from \"\" to valid");
    for (size_t i = 0; i < N_ELEMENTS(free_fields); i++) {
        json_object_del(a, free_fields[i]);
        json_object_del(b, free_fields[i]);
    }
    if (!json_equal(a, b))
        field_forbidden(e, "spec",
                        "node updates may only change labels, taints, or capacity (or "
                        "configSource, if the DynamicKubeletConfig feature gate is "
                        "enabled)");
}

static void validate_namespace(struct field_errors *e, const json_t *tree)
{
    const json_t *finalizer;
    size_t i;

    json_array_foreach (json_at(tree, "spec.finalizers"), i, finalizer)
        validate_value(e, finalizer, "spec.finalizers", validate_label_key);
}

/* --- scheduling, runtime, leases ------------------------------------------------------------- */

static void validate_priorityclass(struct field_errors *e, const json_t *tree)
{
    const char *name = json_str_or(tree, "metadata.name", "");
    int64_t value = json_int(tree, "value", 0);
    bool known = (str_eq(name, "system-cluster-critical") && value == 2000000000) ||
                 (str_eq(name, "system-node-critical") && value == 2000001000);

    if (known)
        return;
    if (str_starts(name, "system-"))
        field_forbidden(e, "metadata.name",
                        "priority class names with 'system-' prefix are reserved for system use "
                        "only. error: only system-node-critical, system-cluster-critical are "
                        "allowed");
    if (value > PRIORITY_USER_MAX)
        field_forbidden(e, "value",
                        "maximum allowed value of a user defined priority is 1000000000");
}

static void validate_priorityclass_change(struct field_errors *e, const json_t *tree,
                                          const json_t *old)
{
    if (!validate_same(json_object_get(tree, "value"), json_object_get(old, "value")))
        field_forbidden(e, "value", "may not be changed in an update.");
    validate_immutable(e, json_object_get(tree, "preemptionPolicy"),
                       json_object_get(old, "preemptionPolicy"), "preemptionPolicy");
}

static void validate_runtimeclass(struct field_errors *e, const json_t *tree)
{
    validate_text(e, tree, "handler", "", validate_dns1123_label);
}

static void validate_runtimeclass_change(struct field_errors *e, const json_t *tree,
                                         const json_t *old)
{
    validate_immutable(e, json_object_get(tree, "handler"), json_object_get(old, "handler"),
                       "handler");
}

static void validate_lease(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");

    validate_positive(e, spec, "leaseDurationSeconds", "spec");
    validate_non_negative(e, spec, "leaseTransitions", "spec");
}

/* --- extensions -------------------------------------------------------------------------------- */

static void validate_apiservice(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    cleanup(freep) char *want = mem_fmt("%s.%s", json_str_or(spec, "version", ""),
                                        json_str_or(spec, "group", ""));

    if (!str_eq(json_str(tree, "metadata.name"), want))
        field_invalid(e, "metadata.name", json_at(tree, "metadata.name"),
                      "must be `spec.version+\".\"+spec.group`: \"%s\"", want);
    validate_between(e, spec, "groupPriorityMinimum", "spec", 1, 20000);
    validate_between(e, spec, "versionPriority", "spec", 1, 1000);
}

const struct validate_kind validate_kinds_cluster[] = {
    { .bucket = "nodes", .always = validate_node, .change = validate_node_change },
    { .bucket = "namespaces", .name = validate_dns1123_label, .always = validate_namespace },
    { .bucket = "priorityclasses.scheduling.k8s.io",
      .always = validate_priorityclass,
      .change = validate_priorityclass_change },
    { .bucket = "runtimeclasses.node.k8s.io",
      .always = validate_runtimeclass,
      .change = validate_runtimeclass_change },
    { .bucket = "leases.coordination.k8s.io", .always = validate_lease },
    { .bucket = "apiservices.apiregistration.k8s.io",
      .name = validate_path_segment,
      .always = validate_apiservice },
    { .bucket = "flowschemas.flowcontrol.apiserver.k8s.io", .name = validate_path_segment },
    { .bucket = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
      .name = validate_path_segment },
    { .bucket = NULL },
};
