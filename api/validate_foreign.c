/* TargetGroupBindings, MetalLB's pools, External Secrets: the rules of their CRDs and webhooks
 * that the tables do not hold. */
#include "api/validate_impl.h"

#include "api/address_range.h"
#include "base/duration.h"
#include "base/mem.h"

#include <string.h>

/* --- types: in the words of a custom resource's schema --------------------------------------- */

static void foreign_check_struct(struct field_errors *e, const struct schema_type *type,
                                 const json_t *tree, const char *path);

/* NULL: of more than one type. */
static const char *foreign_want(const struct schema_field *f)
{
    static const char *const names[] = {
        [SCHEMA_STRUCT] = "object", [SCHEMA_STRING] = "string", [SCHEMA_DURATION] = "string",
        [SCHEMA_BYTES] = "string",  [SCHEMA_TIME] = "string",   [SCHEMA_MICROTIME] = "string",
        [SCHEMA_BOOL] = "boolean",  [SCHEMA_INT32] = "integer", [SCHEMA_INT64] = "integer",
        [SCHEMA_DOUBLE] = "number", [SCHEMA_QUANTITY] = NULL,   [SCHEMA_INT_OR_STRING] = NULL,
        [SCHEMA_RAW] = NULL,
    };

    return names[f->scalar];
}

/* False: wrong, and told. */
static bool foreign_check_type(struct field_errors *e, const json_t *value, const char *want,
                               const char *path)
{
    const char *have = json_type_name(value);

    if (want == NULL || json_is_null(value) || str_eq(have, want) ||
        (str_eq(want, "number") && str_eq(have, "integer")))
        return true;
    field_invalid_str(e, path, have, "%s in body must be of type %s: \"%s\"", path, want, have);
    return false;
}

static void foreign_check_one(struct field_errors *e, const struct schema_field *f,
                              const json_t *value, const char *path)
{
    if (foreign_check_type(e, value, foreign_want(f), path) && f->scalar == SCHEMA_STRUCT)
        foreign_check_struct(e, f->type, value, path);
}

static void foreign_check_field(struct field_errors *e, const struct schema_field *f, json_t *value,
                                const char *path)
{
    const char *key;
    json_t *item;
    size_t i;

    if (f->shape == SCHEMA_ONE)
        foreign_check_one(e, f, value, path);
    else if (f->shape == SCHEMA_LIST && foreign_check_type(e, value, "array", path))
        json_array_foreach (value, i, item)
            foreign_check_one(e, f, item, AT("%s[%zu]", path, i));
    else if (f->shape == SCHEMA_MAP && foreign_check_type(e, value, "object", path))
        json_object_foreach (value, key, item)
            foreign_check_one(e, f, item, AT("%s.%s", path, key));
}

static void foreign_check_struct(struct field_errors *e, const struct schema_type *type,
                                 const json_t *tree, const char *path)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)tree, key, value) {
        const struct schema_field *f = schema_field(type, key);

        /* The envelope is the API's own. */
        if (f != NULL && !(path[0] == '\0' && str_eq(key, "metadata")))
            foreign_check_field(e, f, value, AT("%s.%s", path, key));
    }
}

void validate_foreign_types(struct field_errors *e, const struct schema_type *type,
                            const json_t *tree)
{
    foreign_check_struct(e, type, tree, "");
}

/* --- TargetGroupBinding ------------------------------------------------------------------- */

static void validate_target_group(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *port = json_at(spec, "serviceRef.port");

    if (port == NULL)
        field_required(e, "spec.serviceRef.port", NULL);
    else
        validate_port(e, port, "spec.serviceRef.port");
    if (str_empty(json_str(spec, "targetGroupARN")) && str_empty(json_str(spec, "targetGroupName")))
        field_required(e, "spec.targetGroupARN",
                       "TargetGroupBinding must specify either "
                       "targetGroupARN or targetGroupName");
    validate_label_selector(e, json_object_get(spec, "nodeSelector"), "spec.nodeSelector");
}

/* What the controller's webhook holds fixed; a field that was left out may still be said. */
static void validate_target_group_change(struct field_errors *e, const json_t *tree,
                                         const json_t *old)
{
    static const char *const fixed[] = { "targetGroupARN", "targetGroupName", "targetType",
                                         "ipAddressType", "vpcID" };

    for (size_t i = 0; i < N_ELEMENTS(fixed); i++) {
        const json_t *before = json_object_get(json_object_get(old, "spec"), fixed[i]);

        if (before != NULL)
            validate_immutable(e, json_object_get(json_object_get(tree, "spec"), fixed[i]), before,
                               AT("spec.%s", fixed[i]));
    }
}

/* --- MetalLB ---------------------------------------------------------------------------------- */

static void validate_selectors(struct field_errors *e, const json_t *owner, const char *key,
                               const char *path)
{
    const json_t *selector;
    size_t i;

    json_array_foreach (json_object_get(owner, key), i, selector)
        validate_label_selector(e, selector, AT("%s.%s[%zu]", path, key, i));
}

static void validate_pool(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec"), *item;
    const json_t *allocation = json_object_get(spec, "serviceAllocation");
    struct address_range range;
    size_t i;

    json_array_foreach (json_object_get(spec, "addresses"), i, item) {
        struct err err = ERR_EMPTY;

        if (address_range_parse(&range, json_string_value(item), &err) < 0)
            field_invalid(e, AT("spec.addresses[%zu]", i), item, "%s", err.text);
    }
    validate_selectors(e, allocation, "namespaceSelectors", "spec.serviceAllocation");
    validate_selectors(e, allocation, "serviceSelectors", "spec.serviceAllocation");
}

static void validate_advertisement(struct field_errors *e, const json_t *tree)
{
    static const char *const keys[] = { "ipAddressPoolSelectors", "nodeSelectors",
                                        "serviceSelectors" };

    for (size_t i = 0; i < N_ELEMENTS(keys); i++)
        validate_selectors(e, json_object_get(tree, "spec"), keys[i], "spec");
}

/* --- External Secrets ------------------------------------------------------------------------- */

static void validate_source(struct field_errors *e, const json_t *owner, const char *path)
{
    validate_text(e, json_at(owner, "sourceRef.storeRef"), "name", AT("%s.storeRef", path),
                  validate_dns1123_subdomain);
}

static void validate_duration(struct field_errors *e, const json_t *spec, const char *key,
                              const char *path)
{
    const json_t *value = json_object_get(spec, key);
    int64_t ms;

    if (value != NULL && !duration_parse(json_string_value(value), &ms))
        field_invalid(e, AT("%s.%s", path, key), value, "time: invalid duration \"%s\"",
                      json_string_value(value));
}

static void validate_external_secret(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec"), *item;
    const json_t *target = json_object_get(spec, "target");
    const char *delete = json_str_or(target, "deletionPolicy", "Retain");
    const char *create = json_str_or(target, "creationPolicy", "Owner");
    size_t i;

    validate_text(e, json_object_get(spec, "secretStoreRef"), "name", "spec.secretStoreRef",
                  validate_dns1123_subdomain);
    validate_text(e, target, "name", "spec.target", validate_dns1123_subdomain);
    validate_duration(e, spec, "refreshInterval", "spec");
    json_array_foreach (json_object_get(spec, "data"), i, item) {
        validate_text(e, item, "secretKey", AT("spec.data[%zu]", i), validate_config_key);
        validate_source(e, item, AT("spec.data[%zu].sourceRef", i));
    }
    json_array_foreach (json_object_get(spec, "dataFrom"), i, item)
        validate_source(e, item, AT("spec.dataFrom[%zu].sourceRef", i));
    if (json_array_size(json_object_get(spec, "data")) +
            json_array_size(json_object_get(spec, "dataFrom")) ==
        0)
        field_required(e, "spec", "either data or dataFrom should be specified");
    /* The operator's webhook, in its words. */
    if (str_eq(delete, "Delete") && !str_eq(create, "Owner"))
        field_forbidden(e, "spec.target.deletionPolicy",
                        "deletionPolicy=Delete must not be used when the controller doesn't own "
                        "the secret. Please set creationPolicy=Owner");
    if (str_eq(delete, "Merge") && str_eq(create, "None"))
        field_forbidden(e, "spec.target.deletionPolicy",
                        "deletionPolicy=Merge must not be used with creationPolicy=None. There is "
                        "no Secret to merge with");
}

static void validate_store(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec"), *item;
    const json_t *provider = json_object_get(spec, "provider");
    size_t i;

    if (provider == NULL)
        field_required(e, "spec.provider", NULL);
    else if (!json_is_object(provider))
        field_invalid(e, "spec.provider", provider, "must be an object");
    else if (json_object_size(provider) != 1)
        field_invalid(e, "spec.provider", provider, "store must specify exactly one provider");
    json_array_foreach (json_object_get(spec, "conditions"), i, item)
        validate_label_selector(e, json_object_get(item, "namespaceSelector"),
                                AT("spec.conditions[%zu].namespaceSelector", i));
}

const struct validate_kind validate_kinds_foreign[] = {
    { .bucket = "targetgroupbindings.elbv2.k8s.aws",
      .always = validate_target_group,
      .change = validate_target_group_change },
    { .bucket = "ipaddresspools.metallb.io", .always = validate_pool },
    { .bucket = "l2advertisements.metallb.io", .always = validate_advertisement },
    { .bucket = "externalsecrets.external-secrets.io", .always = validate_external_secret },
    { .bucket = "secretstores.external-secrets.io", .always = validate_store },
    { .bucket = "clustersecretstores.external-secrets.io", .always = validate_store },
    { .bucket = NULL },
};
