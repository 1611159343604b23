/* CustomResourceDefinition (apiextensions-apiserver/pkg/apis/apiextensions/validation). */
#include "api/validate_impl.h"

#include "api/crd.h"
#include "api/custom.h"
#include "api/custom_cel.h"
#include "api/jsonpath.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>

#define CRD_SELECTABLE_MAX 8

/* --- names --- */

static void validate_crd_kind(struct field_errors *e, const json_t *names, const char *member)
{
    const char *kind = json_str_or(names, member, "");
    cleanup(freep) char *lower = mem_str(kind);
    const char *problem;

    for (char *p = lower; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    problem = kind[0] != '\0' ? validate_dns1035_label(lower) : NULL;
    if (problem != NULL)
        field_invalid_str(e, AT("spec.names.%s", member), kind,
                          "may have mixed case, but should otherwise match: %s", problem);
}

static void validate_crd_words(struct field_errors *e, const json_t *names, const char *member)
{
    const json_t *word;
    size_t i;

    json_array_foreach (json_object_get(names, member), i, word)
        validate_value(e, word, AT("spec.names.%s[%zu]", member, i), validate_dns1035_label);
}

static void validate_crd_names(struct field_errors *e, const json_t *names)
{
    validate_text(e, names, "plural", "spec.names", validate_dns1035_label);
    validate_text(e, names, "singular", "spec.names", validate_dns1035_label);
    validate_crd_kind(e, names, "kind");
    validate_crd_kind(e, names, "listKind");
    if (!str_empty(json_str(names, "kind")) &&
        str_eq(json_str(names, "kind"), json_str(names, "listKind")))
        field_invalid(e, "spec.names.listKind", json_object_get(names, "listKind"),
                      "kind and listKind may not be the same");
    validate_crd_words(e, names, "shortNames");
    validate_crd_words(e, names, "categories");
}

static void validate_crd_group(struct field_errors *e, const json_t *tree)
{
    const char *group = json_str_or(tree, "spec.group", "");
    const char *approval = json_string_value(
        json_object_get(json_at(tree, "metadata.annotations"), "api-approved.kubernetes.io"));

    validate_text(e, json_at(tree, "spec"), "group", "spec", validate_dns1123_subdomain);
    if (*group != '\0' && strchr(group, '.') == NULL)
        field_invalid_str(e, "spec.group", group, "should be a domain with at least one dot");
    if ((str_ends(group, ".k8s.io") || str_ends(group, ".kubernetes.io")) && str_empty(approval))
        field_required(e, "metadata.annotations[api-approved.kubernetes.io]",
                       "protected groups must have approval annotation "
                       "\"api-approved.kubernetes.io\", see "
                       "https://github.com/kubernetes/enhancements/pull/1111");
}

/* --- versions --- */

static void validate_crd_path(struct field_errors *e, const json_t *from, const char *key,
                              const char *at, const char *prefix)
{
    const char *path = json_str_or(from, key, "");
    struct jsonpath *parsed = NULL;
    struct err err = ERR_EMPTY;

    if (path[0] == '\0')
        return;
    if (jsonpath_new(&parsed, path, &err) < 0)
        field_invalid_str(e, at, path, "is an invalid path: %s", err.text);
    else if (prefix != NULL && (!str_starts(path, prefix) || strpbrk(path, "[]\\*'\"") != NULL))
        field_invalid_str(e, at, path, "should be a json path under %.*s", (int)strlen(prefix) - 1,
                          prefix);
    jsonpath_free(parsed);
}

static void validate_crd_columns(struct field_errors *e, const json_t *version, const char *at)
{
    static const char *const types[] = { "boolean", "date", "integer", "number", "string", NULL };
    static const char *const formats[] = { "byte",  "date",  "date-time", "double", "float",
                                           "int32", "int64", "password",  NULL };
    const json_t *column;
    size_t i;

    json_array_foreach (json_object_get(version, "additionalPrinterColumns"), i, column) {
        struct validate_path here = validate_path("%s.additionalPrinterColumns[%zu]", at, i);

        validate_one_of(e, column, "type", here.s, types);
        if (!str_empty(json_str(column, "format")))
            validate_one_of(e, column, "format", here.s, formats);
        validate_crd_path(e, column, "jsonPath", AT("%s.jsonPath", here.s), NULL);
    }
}

static void validate_crd_scale(struct field_errors *e, const json_t *version, const char *at)
{
    static const struct {
        const char *key, *prefix;
        bool needed;
    } rows[] = { { "specReplicasPath", ".spec.", true },
                 { "statusReplicasPath", ".status.", true },
                 { "labelSelectorPath", ".s", false } };
    const json_t *scale = json_at(version, "subresources.scale");

    for (size_t i = 0; scale != NULL && i < N_ELEMENTS(rows); i++) {
        struct validate_path here = validate_path("%s.subresources.scale.%s", at, rows[i].key);

        validate_crd_path(e, scale, rows[i].key, here.s, rows[i].prefix);
        if (rows[i].needed && str_empty(json_str(scale, rows[i].key)))
            field_required(e, here.s, NULL);
    }
}

static void validate_crd_selectable(struct field_errors *e, const json_t *version, const char *at)
{
    const json_t *list = json_object_get(version, "selectableFields"), *field;
    size_t i;

    if (json_array_size(list) > CRD_SELECTABLE_MAX)
        field_too_many(e, AT("%s.selectableFields", at), (int)json_array_size(list),
                       CRD_SELECTABLE_MAX);
    json_array_foreach (list, i, field) {
        struct validate_path here = validate_path("%s.selectableFields[%zu].jsonPath", at, i);

        validate_crd_path(e, field, "jsonPath", here.s, ".");
        if (str_starts(json_str_or(field, "jsonPath", ""), ".metadata"))
            field_invalid(e, here.s, json_object_get(field, "jsonPath"),
                          "must not point to fields in metadata");
    }
}

/* Kubernetes keeps one schema for all versions when they agree, and names it so. */
static bool validate_crd_is_shared(const json_t *versions)
{
    const json_t *first = json_at(json_array_get(versions, 0), "schema"), *v;
    size_t i;

    json_array_foreach (versions, i, v)
        if (i > 0 && (first == NULL || json_at(v, "schema") == NULL ||
                      !json_equal(first, json_at(v, "schema"))))
            return false;
    return true;
}

static void validate_crd_version(struct field_errors *e, const json_t *versions, size_t i,
                                 bool shared)
{
    const json_t *v = json_array_get(versions, i), *schema = json_at(v, "schema.openAPIV3Schema");
    struct validate_path at = validate_path("spec.versions[%zu]", i);

    validate_text(e, v, "name", at.s, validate_dns1035_label);
    if (schema == NULL)
        field_required(e, AT("%s.schema.openAPIV3Schema", at.s), "schemas are required");
    else if (!shared)
        validate_structural(e, schema, AT("%s.schema.openAPIV3Schema", at.s));
    else if (i == 0)
        validate_structural(e, schema, "spec.validation.openAPIV3Schema");
    validate_crd_columns(e, v, at.s);
    validate_crd_scale(e, v, at.s);
    validate_crd_selectable(e, v, at.s);
}

static void validate_crd_versions(struct field_errors *e, const json_t *spec)
{
    const json_t *versions = json_object_get(spec, "versions"), *v;
    size_t i, n_stored = 0;
    bool shared = validate_crd_is_shared(versions), unique = true;

    json_array_foreach (versions, i, v) {
        n_stored += json_bool(v, "storage", false);
        unique = unique && json_find(versions, "name", json_str_or(v, "name", "")) == v;
        validate_crd_version(e, versions, i, shared);
    }
    if (!unique)
        field_invalid(e, "spec.versions", versions, "must contain unique version names");
    if (n_stored != 1)
        field_invalid(e, "spec.versions", versions,
                      "must have exactly one version marked as storage version");
}

static void validate_crd_reviews(struct field_errors *e, const json_t *versions)
{
    bool known = false;
    size_t i;
    json_t *v;

    json_array_foreach (versions, i, v) {
        validate_value(e, v, AT("spec.conversion.webhook.conversionReviewVersions[%zu]", i),
                       validate_dns1035_label);
        known = known || str_eq(json_string_value(v), "v1") ||
                str_eq(json_string_value(v), "v1beta1");
    }
    if (json_array_size(versions) > 0 && !known)
        field_invalid(e, "spec.conversion.webhook.conversionReviewVersions", versions,
                      "must include at least one of v1, v1beta1");
}

static void validate_crd_conversion(struct field_errors *e, const json_t *spec)
{
    static const char *const strategies[] = { "None", "Webhook", NULL };
    const json_t *conversion = json_object_get(spec, "conversion");
    bool webhook = str_eq(json_str(conversion, "strategy"), "Webhook");

    validate_one_of(e, conversion, "strategy", "spec.conversion", strategies);
    if (!webhook && json_at(conversion, "webhook") != NULL)
        field_forbidden(e, "spec.conversion.webhook",
                        "should not be set when strategy is not set to Webhook");
    if (webhook && json_at(conversion, "webhook.clientConfig") == NULL)
        field_required(e, "spec.conversion.webhook.clientConfig",
                       "required when strategy is set to Webhook");
    else if (webhook)
        validate_client_config(e, json_at(conversion, "webhook.clientConfig"),
                               "spec.conversion.webhook.clientConfig");
    if (webhook)
        validate_crd_reviews(e, json_at(conversion, "webhook.conversionReviewVersions"));
}

/* --- the whole --- */

/* Expressions at @n and below; @path is the schema's, and grows on the way down. */
static void validate_crd_expressions(struct field_errors *e, const struct custom_node *n,
                                     struct text *path)
{
    const struct custom_rule *rule = custom_node_rule(n, CUSTOM_RULE_CEL);
    size_t len = path->len;

    if ((n->flags & CUSTOM_CEL) == 0)
        return;
    if (rule != NULL) {
        cleanup(freep) char *at = mem_fmt("%s.x-kubernetes-validations", text_str(path));

        custom_cel_report(e, at, rule->cel);
    }
    for (size_t i = 0; i < n->n_children; i++) {
        text_fmt(path, ".properties[%s]", n->children[i].name);
        validate_crd_expressions(e, &n->children[i], path);
        path->len = len;
    }
    if (n->items != NULL) {
        text_puts(path, n->type == CUSTOM_ARRAY ? ".items" : ".additionalProperties");
        validate_crd_expressions(e, n->items, path);
        path->len = len;
    }
}

static void validate_crd_compiled(struct field_errors *e, const json_t *spec)
{
    const json_t *v;
    size_t i;

    json_array_foreach (json_object_get(spec, "versions"), i, v) {
        cleanup(custom_schema_freep) struct custom_schema *schema = NULL;
        cleanup(text_fini) struct text path = TEXT_EMPTY;
        struct err err = ERR_EMPTY;

        text_fmt(&path, "spec.versions[%zu].schema.openAPIV3Schema", i);
        if (custom_schema_new(&schema, json_at(v, "schema.openAPIV3Schema"), &err) < 0)
            field_forbidden(e, text_str(&path), err.text);
        else
            validate_crd_expressions(e, custom_schema_root(schema), &path);
    }
}

static void validate_crd(struct field_errors *e, const json_t *tree)
{
    static const char *const scopes[] = { "Cluster", "Namespaced", NULL };
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *names = json_object_get(spec, "names");
    cleanup(freep) char *want = mem_fmt("%s.%s", json_str_or(names, "plural", ""),
                                        json_str_or(spec, "group", ""));

    if (!str_eq(json_str(tree, "metadata.name"), want))
        field_invalid(e, "metadata.name", json_at(tree, "metadata.name"),
                      "must be spec.names.plural+\".\"+spec.group");
    validate_crd_group(e, tree);
    validate_one_of(e, spec, "scope", "spec", scopes);
    validate_crd_names(e, names);
    if (json_bool(spec, "preserveUnknownFields", false))
        field_invalid(e, "spec.preserveUnknownFields",
                      json_object_get(spec, "preserveUnknownFields"),
                      "must be false in order to use defaults in the schema");
    validate_crd_conversion(e, spec);
    validate_crd_versions(e, spec);
    validate_crd_compiled(e, spec);
}

/* Versions that objects may still be kept in cannot go. */
static void validate_crd_stored(struct field_errors *e, const json_t *tree)
{
    const json_t *stored = json_at(tree, "status.storedVersions"), *name;
    size_t i;

    json_array_foreach (stored, i, name)
        if (json_find(json_at(tree, "spec.versions"), "name", json_string_value(name)) == NULL)
            field_invalid(e, AT("status.storedVersions[%zu]", i), name,
                          "missing from spec.versions; %s was previously a storage version, and "
                          "must remain in spec.versions until a storage migration ensures no data "
                          "remains persisted in %s and removes %s from status.storedVersions",
                          json_string_value(name), json_string_value(name),
                          json_string_value(name));
}

static bool validate_crd_was_established(const json_t *old)
{
    return str_eq(
        json_str(json_find(json_at(old, "status.conditions"), "type", "Established"), "status"),
        "True");
}

static void validate_crd_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    static const char *const fixed[] = { "spec.group", "spec.names.plural" };
    static const char *const settled[] = { "spec.scope", "spec.names.kind" };

    for (size_t i = 0; i < N_ELEMENTS(fixed); i++)
        validate_immutable(e, json_at(tree, fixed[i]), json_at(old, fixed[i]), fixed[i]);
    for (size_t i = 0; validate_crd_was_established(old) && i < N_ELEMENTS(settled); i++)
        validate_immutable(e, json_at(tree, settled[i]), json_at(old, settled[i]), settled[i]);
    validate_crd_stored(e, tree);
}

const struct validate_kind validate_kinds_crd[] = {
    { .bucket = CUSTOM_BUCKET, .always = validate_crd, .change = validate_crd_change },
    { .bucket = NULL },
};
