#include "api/validate_impl.h"

#include "base/mem.h"

#include <string.h>

#define SYSCTL_MAX 253

/* --- affinity ------------------------------------------------------------------- */

static void validate_weight(struct field_errors *e, const json_t *term, const char *path)
{
    cleanup(json_decrefpp) json_t *weight = json_integer(json_int(term, "weight", 0));

    if (json_integer_value(weight) < 1 || json_integer_value(weight) > 100)
        field_invalid(e, AT("%s.weight", path), weight, "must be in the range 1-100");
}

static void validate_pod_term(struct field_errors *e, const json_t *term, const char *path)
{
    const json_t *ns;
    size_t i;

    validate_label_selector(e, json_object_get(term, "labelSelector"),
                            AT("%s.labelSelector", path));
    validate_label_selector(e, json_object_get(term, "namespaceSelector"),
                            AT("%s.namespaceSelector", path));
    json_array_foreach (json_object_get(term, "namespaces"), i, ns)
        validate_value(e, ns, AT("%s.namespace", path), validate_dns1123_label);
    if (json_string_length(json_object_get(term, "topologyKey")) == 0)
        field_required(e, AT("%s.topologyKey", path), "can not be empty");
    validate_text(e, term, "topologyKey", path, validate_label_key);
}

static void validate_pod_affinity(struct field_errors *e, const json_t *affinity, const char *path)
{
    static const char required[] = "requiredDuringSchedulingIgnoredDuringExecution";
    static const char preferred[] = "preferredDuringSchedulingIgnoredDuringExecution";
    const json_t *term;
    size_t i;

    json_array_foreach (json_object_get(affinity, required), i, term)
        validate_pod_term(e, term, AT("%s.%s[%zu]", path, required, i));
    json_array_foreach (json_object_get(affinity, preferred), i, term) {
        struct validate_path at = validate_path("%s.%s[%zu]", path, preferred, i);

        validate_weight(e, term, at.s);
        validate_pod_term(e, json_object_get(term, "podAffinityTerm"),
                          AT("%s.podAffinityTerm", at.s));
    }
}

static void validate_node_affinity(struct field_errors *e, const json_t *affinity, const char *path)
{
    static const char required[] = "requiredDuringSchedulingIgnoredDuringExecution";
    static const char preferred[] = "preferredDuringSchedulingIgnoredDuringExecution";
    const json_t *term;
    size_t i;

    validate_node_selector(e, json_object_get(affinity, required), AT("%s.%s", path, required));
    json_array_foreach (json_object_get(affinity, preferred), i, term)
        validate_weight(e, term, AT("%s.%s[%zu]", path, preferred, i));
}

void validate_affinity(struct field_errors *e, const json_t *affinity, const char *path)
{
    validate_node_affinity(e, json_object_get(affinity, "nodeAffinity"),
                           AT("%s.nodeAffinity", path));
    validate_pod_affinity(e, json_object_get(affinity, "podAffinity"), AT("%s.podAffinity", path));
    validate_pod_affinity(e, json_object_get(affinity, "podAntiAffinity"),
                          AT("%s.podAntiAffinity", path));
}

static void validate_spread(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *c;
    size_t i;

    json_array_foreach (json_object_get(spec, "topologySpreadConstraints"), i, c) {
        struct validate_path at = validate_path("%s.topologySpreadConstraints[%zu]", path, i);
        cleanup(json_decrefpp) json_t *skew = json_integer(json_int(c, "maxSkew", 0));

        if (json_integer_value(skew) <= 0)
            field_invalid(e, AT("%s.maxSkew", at.s), skew, "must be greater than zero");
        if (json_string_length(json_object_get(c, "topologyKey")) == 0)
            field_required(e, AT("%s.topologyKey", at.s), "can not be empty");
        validate_text(e, c, "topologyKey", at.s, validate_label_key);
        validate_label_selector(e, json_object_get(c, "labelSelector"),
                                AT("%s.labelSelector", at.s));
    }
}

/* --- tolerations -------------------------------------------------------------------- */

static void validate_toleration(struct field_errors *e, const json_t *t, const char *path)
{
    static const char *const operators[] = { "Equal", "Exists", NULL };
    const char *op = json_str_or(t, "operator", "");
    bool exists = str_eq(op, "Exists");

    validate_text(e, t, "key", path, validate_label_key);
    if (json_string_length(json_object_get(t, "key")) == 0 && !exists)
        field_invalid_str(e, AT("%s.operator", path), op,
                          "operator must be Exists when `key` is empty, which means \"match all "
                          "values and all keys\"");
    if (json_object_get(t, "tolerationSeconds") != NULL &&
        !str_eq(json_str(t, "effect"), "NoExecute"))
        field_invalid_str(e, AT("%s.effect", path), json_str_or(t, "effect", ""),
                          "effect must be 'NoExecute' when `tolerationSeconds` is set");
    validate_one_of(e, t, "operator", path, operators);
    if (exists && json_string_length(json_object_get(t, "value")) > 0)
        field_invalid(e, AT("%s.operator", path), t,
                      "value must be empty when `operator` is 'Exists'");
    else if (!exists)
        validate_value(e, json_object_get(t, "value"), AT("%s.operator", path),
                       validate_label_value);
}

static void validate_tolerations(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *t;
    size_t i;

    json_array_foreach (json_object_get(spec, "tolerations"), i, t)
        validate_toleration(e, t, AT("%s.tolerations[%zu]", path, i));
}

/* --- the rest of a pod's spec ---------------------------------------------------------- */

static void validate_dns(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *config = json_object_get(spec, "dnsConfig"), *v;
    const json_t *servers = json_object_get(config, "nameservers");
    struct validate_path at = validate_path("%s.dnsConfig", path);
    size_t i;

    if (str_eq(json_str(spec, "dnsPolicy"), "None") && json_array_size(servers) == 0)
        field_required(e, AT("%s.nameservers", at.s),
                       "must provide at least one DNS nameserver when `dnsPolicy` is None");
    if (json_array_size(servers) > 3)
        field_invalid(e, AT("%s.nameservers", at.s), servers,
                      "must not have more than 3 nameservers");
    json_array_foreach (servers, i, v)
        validate_value(e, v, AT("%s.nameservers[%zu]", at.s, i), validate_ip);
    if (json_array_size(json_object_get(config, "searches")) > 32)
        field_invalid(e, AT("%s.searches", at.s), json_object_get(config, "searches"),
                      "must not have more than 32 search paths");
}

static void validate_host_aliases(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *alias, *name;
    size_t i, k;

    json_array_foreach (json_object_get(spec, "hostAliases"), i, alias) {
        struct validate_path at = validate_path("%s.hostAliases[%zu]", path, i);

        validate_text(e, alias, "ip", at.s, validate_ip);
        json_array_foreach (json_object_get(alias, "hostnames"), k, name)
            validate_value(e, name, AT("%s.hostnames", at.s), validate_dns1123_subdomain);
    }
}

/* Letters, digits, '-' and '_' in segments that begin and end with a letter or digit, between dots
 * or slashes. */
static bool validate_is_sysctl(const char *name)
{
    static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";

    if (strlen(name) > SYSCTL_MAX)
        return false;
    for (;; name++) {
        size_t len = strspn(name, inner);

        if (len == 0 || strchr(ends, name[0]) == NULL || strchr(ends, name[len - 1]) == NULL)
            return false;
        name += len;
        if (*name == '\0')
            return true;
        if (*name != '.' && *name != '/')
            return false;
    }
}

static void validate_sysctls(struct field_errors *e, const json_t *list, const char *path)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        struct validate_path at = validate_path("%s[%zu].name", path, i);
        const json_t *name = json_object_get(item, "name");

        if (str_empty(json_string_value(name)))
            field_required(e, at.s, "");
        else if (!validate_is_sysctl(json_string_value(name)))
            field_invalid(e, at.s, name,
                          "must have at most 253 characters and match regex "
                          "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?");
        else if (json_find(list, "name", json_string_value(name)) != item)
            field_duplicate(e, at.s, name);
    }
}

static void validate_pod_security(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *sc = json_object_get(spec, "securityContext"), *group;
    struct validate_path at = validate_path("%s.securityContext", path);
    size_t i;

    validate_between(e, sc, "runAsUser", at.s, 0, INT32_MAX);
    validate_between(e, sc, "runAsGroup", at.s, 0, INT32_MAX);
    validate_between(e, sc, "fsGroup", at.s, 0, INT32_MAX);
    json_array_foreach (json_object_get(sc, "supplementalGroups"), i, group) {
        if (json_integer_value(group) < 0 || json_integer_value(group) > INT32_MAX)
            field_invalid(e, AT("%s.supplementalGroups[%zu]", at.s, i), group,
                          "must be between 0 and 2147483647, inclusive");
    }
    validate_sysctls(e, json_object_get(sc, "sysctls"), AT("%s.sysctls", at.s));
    if (json_bool(spec, "hostPID", false) && json_bool(spec, "shareProcessNamespace", false))
        field_invalid(e, AT("%s.shareProcessNamespace", path),
                      json_object_get(spec, "shareProcessNamespace"),
                      "ShareProcessNamespace and HostPID cannot both be enabled");
}

static void validate_pod_lists(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *gates = json_object_get(spec, "schedulingGates"), *item;
    size_t i;

    json_array_foreach (json_object_get(spec, "imagePullSecrets"), i, item)
        validate_required(e, item, "name", AT("%s.imagePullSecrets[%zu]", path, i), NULL);
    json_array_foreach (json_object_get(spec, "readinessGates"), i, item)
        validate_text(e, item, "conditionType", AT("%s.readinessGates[%zu]", path, i),
                      validate_label_key);
    json_array_foreach (gates, i, item) {
        struct validate_path at = validate_path("%s.schedulingGates[%zu]", path, i);

        validate_text(e, item, "name", at.s, validate_label_key);
        if (json_find(gates, "name", json_str_or(item, "name", "")) != item)
            field_duplicate(e, AT("%s.name", at.s), json_object_get(item, "name"));
    }
}

void validate_pod_spec(struct field_errors *e, const json_t *spec, const char *path)
{
    validate_volumes(e, spec, path);
    validate_containers(e, spec, path);
    validate_labels(e, json_object_get(spec, "nodeSelector"), AT("%s.nodeSelector", path));
    validate_pod_security(e, spec, path);
    validate_affinity(e, json_object_get(spec, "affinity"), AT("%s.affinity", path));
    validate_dns(e, spec, path);
    validate_pod_lists(e, spec, path);
    validate_spread(e, spec, path);
    validate_text(e, spec, "serviceAccountName", path, validate_dns1123_subdomain);
    validate_text(e, spec, "nodeName", path, validate_dns1123_subdomain);
    validate_between(e, spec, "activeDeadlineSeconds", path, 1, INT32_MAX);
    validate_text(e, spec, "hostname", path, validate_dns1123_label);
    validate_text(e, spec, "subdomain", path, validate_dns1123_label);
    validate_tolerations(e, spec, path);
    validate_host_aliases(e, spec, path);
    validate_text(e, spec, "priorityClassName", path, validate_dns1123_subdomain);
    validate_text(e, spec, "runtimeClassName", path, validate_dns1123_subdomain);
}

/* The paths of a template's metadata leave "metadata" out, as in Kubernetes. */
void validate_pod_template(struct field_errors *e, const json_t *template, const char *path)
{
    validate_labels(e, json_at(template, "metadata.labels"), AT("%s.labels", path));
    validate_annotations(e, json_at(template, "metadata.annotations"), AT("%s.annotations", path));
    validate_pod_spec(e, json_object_get(template, "spec"), AT("%s.spec", path));
    if (json_array_size(json_at(template, "spec.ephemeralContainers")) > 0)
        field_forbidden(e, AT("%s.spec.ephemeralContainers", path),
                        "ephemeral containers not allowed in pod template");
}

/* --- changes ------------------------------------------------------------------------------- */

static const char validate_pod_fixed[] =
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)";

/* Copies @key of each item of the list from @old to @now, index by index. */
static void validate_pod_copy(json_t *now, const json_t *old, const char *list, const char *key)
{
    json_t *items = json_object_get(now, list), *item;
    size_t i;

    json_array_foreach (items, i, item) {
        json_t *was = json_object_get(json_array_get(json_object_get(old, list), i), key);

        if (was != NULL)
            json_object_set(item, key, was);
        else
            json_object_del(item, key);
    }
}

/* Is every item of @old in @now? */
static bool validate_pod_only_adds(const json_t *now, const json_t *old)
{
    const json_t *was, *is;
    size_t i, k;

    json_array_foreach (old, i, was) {
        bool found = false;

        json_array_foreach (now, k, is)
            found = found || json_equal(was, is);
        if (!found)
            return false;
    }
    return true;
}

static void validate_pod_take_back(json_t *now, const json_t *old, const char *key)
{
    json_t *was = json_object_get(old, key);

    if (was != NULL)
        json_object_set(now, key, was);
    else
        json_object_del(now, key);
}

static void validate_pod_deadline(struct field_errors *e, const json_t *now, const json_t *old)
{
    const json_t *is = json_object_get(now, "activeDeadlineSeconds");
    const json_t *was = json_object_get(old, "activeDeadlineSeconds");

    if (was == NULL)
        return;
    if (is == NULL)
        field_invalid(e, "spec.activeDeadlineSeconds", NULL,
                      "must not update from a positive integer to nil value");
    else if (json_integer_value(is) > json_integer_value(was))
        field_invalid(e, "spec.activeDeadlineSeconds", is,
                      "must be less than or equal to previous value");
}

/* While gates hold a pod back, where it may go can still be narrowed. */
static bool validate_pod_was_gated(const json_t *old)
{
    return json_array_size(json_object_get(old, "schedulingGates")) > 0;
}

static void validate_pod_gates(struct field_errors *e, const json_t *now, const json_t *old)
{
    if (!validate_pod_only_adds(json_object_get(old, "schedulingGates"),
                                json_object_get(now, "schedulingGates")))
        field_forbidden(e, "spec.schedulingGates",
                        "only deletion is allowed, but found new scheduling gates");
}

static bool validate_pod_same_counts(struct field_errors *e, const json_t *now, const json_t *old)
{
    static const char *const lists[] = { "containers", "initContainers" };

    for (size_t i = 0; i < N_ELEMENTS(lists); i++) {
        if (json_array_size(json_object_get(now, lists[i])) ==
            json_array_size(json_object_get(old, lists[i])))
            continue;
        field_forbidden(e, AT("spec.%s", lists[i]), "pod updates may not add or remove containers");
        return false;
    }
    return true;
}

/* Everything that may change is put back; what still differs may not. */
static void validate_pod_change(struct field_errors *e, const json_t *tree, const json_t *old_tree)
{
    static const char *const free_fields[] = { "activeDeadlineSeconds", "schedulingGates" };
    cleanup(json_decrefpp) json_t *now = json_deep_copy(json_object_get(tree, "spec"));
    const json_t *old = json_object_get(old_tree, "spec");

    if (now == NULL || old == NULL || !validate_pod_same_counts(e, now, old))
        return;
    validate_pod_deadline(e, now, old);
    validate_pod_gates(e, now, old);
    validate_pod_copy(now, old, "containers", "image");
    validate_pod_copy(now, old, "initContainers", "image");
    for (size_t i = 0; i < N_ELEMENTS(free_fields); i++)
        validate_pod_take_back(now, old, free_fields[i]);
    if (validate_pod_only_adds(json_object_get(now, "tolerations"),
                               json_object_get(old, "tolerations")))
        validate_pod_take_back(now, old, "tolerations");
    if (json_int(old, "terminationGracePeriodSeconds", 0) < 0 &&
        json_int(now, "terminationGracePeriodSeconds", 0) == 1)
        validate_pod_take_back(now, old, "terminationGracePeriodSeconds");
    if (validate_pod_was_gated(old)) {
        validate_pod_take_back(now, old, "nodeSelector");
        validate_pod_take_back(now, old, "affinity");
    }
    if (!json_equal(now, old))
        field_forbidden(e, "spec", validate_pod_fixed);
}

static void validate_pod(struct field_errors *e, const json_t *tree)
{
    validate_pod_spec(e, json_object_get(tree, "spec"), "spec");
}

static void validate_pod_new(struct field_errors *e, const json_t *tree)
{
    if (json_array_size(json_at(tree, "spec.ephemeralContainers")) > 0)
        field_forbidden(e, "spec.ephemeralContainers", "cannot be set on create");
}

static void validate_podtemplate(struct field_errors *e, const json_t *tree)
{
    validate_pod_template(e, json_object_get(tree, "template"), "template");
}

const struct validate_kind validate_kinds_pods[] = {
    { .bucket = "pods",
      .always = validate_pod,
      .create = validate_pod_new,
      .change = validate_pod_change },
    { .bucket = "podtemplates", .always = validate_podtemplate },
    { .bucket = NULL },
};
