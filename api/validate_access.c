#include "api/validate_impl.h"

#include "api/rbac.h"
#include "base/mem.h"

#include <string.h>

/* --- roles ------------------------------------------------------------------------------- */

static void validate_policy_rule(struct field_errors *e, const json_t *rule, bool namespaced,
                                 const char *path)
{
    size_t n_urls = json_array_size(json_object_get(rule, "nonResourceURLs"));
    size_t n_groups = json_array_size(json_object_get(rule, "apiGroups"));
    size_t n_resources = json_array_size(json_object_get(rule, "resources"));
    size_t n_names = json_array_size(json_object_get(rule, "resourceNames"));

    if (json_array_size(json_object_get(rule, "verbs")) == 0)
        field_required(e, AT("%s.verbs", path), "verbs must contain at least one value");
    if (n_urls > 0) {
        if (namespaced)
            field_invalid(e, AT("%s.nonResourceURLs", path),
                          json_object_get(rule, "nonResourceURLs"),
                          "namespaced rules cannot apply to non-resource URLs");
        if (n_groups + n_resources + n_names > 0)
            field_invalid(e, AT("%s.nonResourceURLs", path),
                          json_object_get(rule, "nonResourceURLs"),
                          "rules cannot apply to both regular resources and non-resource URLs");
        return;
    }
    if (n_groups == 0)
        field_required(e, AT("%s.apiGroups", path),
                       "resource rules must supply at least one api group");
    if (n_resources == 0)
        field_required(e, AT("%s.resources", path),
                       "resource rules must supply at least one resource");
}

static void validate_rules(struct field_errors *e, const json_t *tree, bool namespaced)
{
    const json_t *rule;
    size_t i;

    json_array_foreach (json_object_get(tree, "rules"), i, rule)
        validate_policy_rule(e, rule, namespaced, AT("rules[%zu]", i));
}

static void validate_role(struct field_errors *e, const json_t *tree)
{
    validate_rules(e, tree, true);
}

static void validate_clusterrole(struct field_errors *e, const json_t *tree)
{
    const json_t *selector;
    size_t i;

    validate_rules(e, tree, false);
    json_array_foreach (json_at(tree, "aggregationRule.clusterRoleSelectors"), i, selector)
        validate_label_selector(e, selector, AT("aggregationRule.clusterRoleSelectors[%zu]", i));
}

/* --- bindings ------------------------------------------------------------------------------ */

static void validate_subject(struct field_errors *e, const json_t *subject, bool cluster,
                             const char *path)
{
    static const char *const kinds[] = { "ServiceAccount", "User", "Group", NULL };
    static const char *const core_group[] = { "", NULL };
    static const char *const rbac_group[] = { RBAC_GROUP, NULL };
    const char *kind = json_str_or(subject, "kind", "");
    const json_t *group = json_object_get(subject, "apiGroup");
    bool account = str_eq(kind, "ServiceAccount");

    validate_required(e, subject, "name", path, NULL);
    if (account) {
        validate_text(e, subject, "name", path, validate_dns1123_subdomain);
        if (json_string_length(group) > 0)
            field_not_supported(e, AT("%s.apiGroup", path), group, core_group);
        if (cluster)
            validate_required(e, subject, "namespace", path, NULL);
    } else if (str_eq(kind, "User") || str_eq(kind, "Group")) {
        if (!str_eq(json_string_value(group), RBAC_GROUP)) {
            cleanup(json_decrefpp) json_t *empty = json_string("");

            field_not_supported(e, AT("%s.apiGroup", path), group != NULL ? group : empty,
                                rbac_group);
        }
    } else {
        cleanup(json_decrefpp) json_t *value = json_string(kind);

        field_not_supported(e, AT("%s.kind", path), value, kinds);
    }
}

static void validate_role_ref(struct field_errors *e, const json_t *ref, const char *const *kinds)
{
    static const char *const groups[] = { RBAC_GROUP, NULL };
    cleanup(json_decrefpp) json_t *group = json_string(json_str_or(ref, "apiGroup", ""));
    cleanup(json_decrefpp) json_t *kind = json_string(json_str_or(ref, "kind", ""));
    bool known = false;

    if (!str_eq(json_string_value(group), RBAC_GROUP))
        field_not_supported(e, "roleRef.apiGroup", group, groups);
    for (size_t i = 0; kinds[i] != NULL; i++)
        known = known || str_eq(json_string_value(kind), kinds[i]);
    if (!known)
        field_not_supported(e, "roleRef.kind", kind, kinds);
    validate_required(e, ref, "name", "roleRef", NULL);
    validate_text(e, ref, "name", "roleRef", validate_path_segment);
}

static void validate_any_binding(struct field_errors *e, const json_t *tree, bool cluster,
                                 const char *const *kinds)
{
    const json_t *subject;
    size_t i;

    validate_role_ref(e, json_object_get(tree, "roleRef"), kinds);
    json_array_foreach (json_object_get(tree, "subjects"), i, subject)
        validate_subject(e, subject, cluster, AT("subjects[%zu]", i));
}

static void validate_rolebinding(struct field_errors *e, const json_t *tree)
{
    static const char *const kinds[] = { "Role", "ClusterRole", NULL };

    validate_any_binding(e, tree, false, kinds);
}

static void validate_clusterrolebinding(struct field_errors *e, const json_t *tree)
{
    static const char *const kinds[] = { "ClusterRole", NULL };

    validate_any_binding(e, tree, true, kinds);
}

static void validate_binding_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    const json_t *ref = json_object_get(tree, "roleRef");
    cleanup(text_fini) struct text printed = TEXT_EMPTY;

    if (validate_same(ref, json_object_get(old, "roleRef")))
        return;
    text_fmt(&printed, "rbac.RoleRef{APIGroup:\"%s\", Kind:\"%s\", Name:\"%s\"}",
             json_str_or(ref, "apiGroup", ""), json_str_or(ref, "kind", ""),
             json_str_or(ref, "name", ""));
    field_invalid_printed(e, "roleRef", text_str(&printed), "cannot change roleRef");
}

const struct validate_kind validate_kinds_access[] = {
    { .bucket = "roles." RBAC_GROUP, .name = validate_path_segment, .always = validate_role },
    { .bucket = "clusterroles." RBAC_GROUP,
      .name = validate_path_segment,
      .always = validate_clusterrole },
    { .bucket = "rolebindings." RBAC_GROUP,
      .name = validate_path_segment,
      .always = validate_rolebinding,
      .change = validate_binding_change },
    { .bucket = "clusterrolebindings." RBAC_GROUP,
      .name = validate_path_segment,
      .always = validate_clusterrolebinding,
      .change = validate_binding_change },
    { .bucket = NULL },
};
