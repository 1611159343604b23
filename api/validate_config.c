#include "api/quantity.h"
#include "api/validate_impl.h"
#include "base/bits.h"
#include "base/mem.h"

#include <string.h>

#define DATA_MAX (1 << 20)

/* --- ConfigMap ------------------------------------------------------------------------- */

/* Bytes that base64 text stands for. */
static size_t validate_decoded_size(const json_t *value)
{
    size_t len = json_string_length(value);
    const char *s = json_string_value(value);

    if (len < 4)
        return 0;
    return len / 4 * 3 - (s[len - 1] == '=') - (s[len - 2] == '=');
}

static void validate_configmap(struct field_errors *e, const json_t *tree)
{
    json_t *data = json_object_get(tree, "data"), *value;
    json_t *binary = json_object_get(tree, "binaryData");
    const char *key, *problem;
    size_t total = 0;

    json_object_foreach (data, key, value) {
        problem = validate_config_key(key);
        if (problem != NULL)
            field_invalid_str(e, AT("data[%s]", key), key, "%s", problem);
        if (json_object_get(binary, key) != NULL)
            field_invalid_str(e, AT("data[%s]", key), key,
                              "duplicate of key present in binaryData");
        total += json_string_length(value);
    }
    json_object_foreach (binary, key, value) {
        problem = validate_config_key(key);
        if (problem != NULL)
            field_invalid_str(e, AT("binaryData[%s]", key), key, "%s", problem);
        total += validate_decoded_size(value);
    }
    if (total > DATA_MAX)
        field_too_long(e, "[]", DATA_MAX);
}

/* Once immutable, always immutable, and so is the data. */
static void validate_frozen(struct field_errors *e, const json_t *tree, const json_t *old,
                            const char *const *fields)
{
    if (!json_bool(old, "immutable", false))
        return;
    if (!json_bool(tree, "immutable", false))
        field_forbidden(e, "immutable", "field is immutable when `immutable` is set");
    for (size_t i = 0; fields[i] != NULL; i++) {
        if (!validate_same(json_object_get(tree, fields[i]), json_object_get(old, fields[i])))
            field_forbidden(e, fields[i], "field is immutable when `immutable` is set");
    }
}

static void validate_configmap_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    static const char *const fields[] = { "data", "binaryData", NULL };

    validate_frozen(e, tree, old, fields);
}

/* --- Secret ------------------------------------------------------------------------------- */

static void validate_docker_config(struct field_errors *e, const json_t *data, const char *key)
{
    const json_t *value = json_object_get(data, key);
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    json_t *parsed = NULL;
    struct err err = ERR_EMPTY;
    size_t bad;

    if (value == NULL) {
        field_required(e, AT("data[%s]", key), NULL);
        return;
    }
    if (!bits_unbase64(&plain, json_string_value(value), json_string_length(value), &bad))
        return; /* the decoder said so */
    if (json_parse(&parsed, text_str(&plain), plain.len, NULL, &err) < 0)
        field_invalid_str(e, AT("data[%s]", key), "<secret contents redacted>", "%s", err.text);
    json_decref(parsed);
}

static const struct validate_secret_type {
    const char *type;
    const char *keys[2]; /* these must be there */
    bool any;            /* one of them is enough */
    bool docker;         /* the first holds JSON */
} validate_secret_types[] = {
    { "kubernetes.io/dockercfg", { ".dockercfg" }, false, true },
    { "kubernetes.io/dockerconfigjson", { ".dockerconfigjson" }, false, true },
    { "kubernetes.io/basic-auth", { "username", "password" }, true, false },
    { "kubernetes.io/ssh-auth", { "ssh-privatekey" }, false, false },
    { "kubernetes.io/tls", { "tls.crt", "tls.key" }, false, false },
};

static void validate_secret_keys(struct field_errors *e, const json_t *data,
                                 const struct validate_secret_type *t)
{
    size_t n_missing = 0, n_keys = 0;

    if (t->docker) {
        validate_docker_config(e, data, t->keys[0]);
        return;
    }
    for (size_t i = 0; i < N_ELEMENTS(t->keys) && t->keys[i] != NULL; i++) {
        n_keys++;
        n_missing += json_object_get(data, t->keys[i]) == NULL;
    }
    if (t->any && n_missing < n_keys)
        return;
    for (size_t i = 0; i < n_keys; i++) {
        /* An SSH key must also say something. */
        bool empty = str_eq(t->type, "kubernetes.io/ssh-auth") &&
                     json_string_length(json_object_get(data, t->keys[i])) == 0;

        if (json_object_get(data, t->keys[i]) == NULL || empty)
            field_required(e, AT("data[%s]", t->keys[i]), NULL);
    }
}

static void validate_secret(struct field_errors *e, const json_t *tree)
{
    json_t *data = json_object_get(tree, "data"), *value;
    const char *type = json_str_or(tree, "type", ""), *key;
    size_t total = 0;

    json_object_foreach (data, key, value) {
        const char *problem = validate_config_key(key);

        if (problem != NULL)
            field_invalid_str(e, AT("data[%s]", key), key, "%s", problem);
        total += validate_decoded_size(value);
    }
    if (total > DATA_MAX)
        field_too_long(e, "data", DATA_MAX);
    if (str_eq(type, "kubernetes.io/service-account-token")) {
        static const char account[] = "kubernetes.io/service-account.name";

        if (json_string_length(json_object_get(json_at(tree, "metadata.annotations"), account)) ==
            0)
            field_required(e, AT("metadata.annotations[%s]", account), NULL);
    }
    for (size_t i = 0; i < N_ELEMENTS(validate_secret_types); i++) {
        if (str_eq(type, validate_secret_types[i].type))
            validate_secret_keys(e, data, &validate_secret_types[i]);
    }
}

static void validate_secret_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    static const char *const fields[] = { "data", NULL };

    validate_immutable(e, json_object_get(tree, "type"), json_object_get(old, "type"), "type");
    validate_frozen(e, tree, old, fields);
}

/* --- quotas and ranges ---------------------------------------------------------------------- */

static void validate_quota_name(struct field_errors *e, const char *name, const char *path)
{
    static const char *const known[] = {
        "cpu",
        "memory",
        "ephemeral-storage",
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    };
    static const char *const prefixes[] = { "requests.", "limits.", "count/", "hugepages-" };
    const char *problem = validate_label_key(name);

    if (problem != NULL) {
        field_invalid_str(e, path, name, "%s", problem);
        return;
    }
    for (size_t i = 0; i < N_ELEMENTS(prefixes); i++) {
        if (str_starts(name, prefixes[i]))
            return;
    }
    for (size_t i = 0; i < N_ELEMENTS(known); i++) {
        if (str_eq(name, known[i]))
            return;
    }
    if (strchr(name, '/') == NULL)
        field_invalid_str(e, path, name, "must be a standard resource for quota");
}

/* What counts only in whole numbers (core/helper: IsIntegerResourceName). */
static bool validate_quota_is_whole(const char *name)
{
    static const char *const fractions[] = { "cpu", "memory", "ephemeral-storage", "storage" };
    const char *dot = strchr(name, '.');
    const char *base = str_starts(name, "requests.") || str_starts(name, "limits.") ? dot + 1
                                                                                    : name;

    if (str_starts(name, "count/") || str_starts(base, "hugepages-"))
        return str_starts(name, "count/");
    if (strchr(base, '/') != NULL)
        return strstr(base, "storageclass.storage.k8s.io/") == NULL;
    for (size_t i = 0; i < N_ELEMENTS(fractions); i++)
        if (str_eq(base, fractions[i]))
            return false;
    return true;
}

static void validate_quota_list(struct field_errors *e, const json_t *list, const char *path)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)list, key, value) {
        struct validate_path at = validate_path("%s[%s]", path, key);
        struct quantity q;

        validate_quota_name(e, key, at.s);
        validate_quantity_not_negative(e, value, at.s);
        if (validate_quota_is_whole(key) && quantity_parse(json_string_value(value), &q) &&
            q.nano % 1000000000 != 0)
            field_invalid(e, at.s, value, "must be an integer");
    }
}

/* Whether a scope, which speaks of pods, can go with the name (IsResourceQuotaScopeValidForResource);
 * names of others' resources always can. */
static bool validate_quota_scope_fits(const char *scope, const char *name)
{
    static const char *const compute[] = { "cpu",           "memory",       "limits.cpu",
                                           "limits.memory", "requests.cpu", "requests.memory" };
    static const char *const others[] = { "ephemeral-storage",
                                          "requests.ephemeral-storage",
                                          "limits.ephemeral-storage",
                                          "requests.storage",
                                          "services",
                                          "services.nodeports",
                                          "services.loadbalancers",
                                          "replicationcontrollers",
                                          "resourcequotas",
                                          "secrets",
                                          "configmaps",
                                          "persistentvolumeclaims" };

    for (size_t i = 0; i < N_ELEMENTS(compute); i++)
        if (str_eq(name, compute[i]))
            return !str_eq(scope, "BestEffort");
    for (size_t i = 0; i < N_ELEMENTS(others); i++)
        if (str_eq(name, others[i]))
            return false;
    return true;
}

/* As Go's %#v shows a list of scopes; what is no list as JSON. */
static void validate_quota_tell(struct field_errors *e, const char *path, const json_t *shown,
                                const char *detail)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    const json_t *scope;
    size_t i;

    text_puts(&t, "[]core.ResourceQuotaScope{");
    json_array_foreach (shown, i, scope)
        text_fmt(&t, "%s\"%s\"", i > 0 ? ", " : "", json_string_value(scope));
    text_puts(&t, "}");
    if (json_is_array(shown))
        field_invalid_printed(e, path, text_str(&t), detail);
    else
        field_invalid(e, path, shown, "%s", detail);
}

static void validate_quota_scope(struct field_errors *e, const json_t *hard, const char *scope,
                                 const json_t *shown, const char *path)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)hard, name, value)
        if (!validate_quota_scope_fits(scope, name))
            validate_quota_tell(e, path, shown, "unsupported scope applied to resource");
}

static void validate_quota_conflicts(struct field_errors *e, const json_t *scopes,
                                     const json_t *shown, const char *path)
{
    static const char *const pairs[][2] = { { "BestEffort", "NotBestEffort" },
                                            { "Terminating", "NotTerminating" } };

    for (size_t i = 0; i < N_ELEMENTS(pairs); i++)
        if (json_object_get(scopes, pairs[i][0]) != NULL &&
            json_object_get(scopes, pairs[i][1]) != NULL)
            validate_quota_tell(e, path, shown, "conflicting scopes");
}

static void validate_quota_operator(struct field_errors *e, const json_t *term, const char *path)
{
    const json_t *values = json_object_get(term, "values");
    const char *operator= json_str_or(term, "operator", "");
    bool listed = str_eq(operator, "In") || str_eq(operator, "NotIn");

    if (!str_eq(json_str(term, "scopeName"), "PriorityClass") && !str_eq(operator, "Exists"))
        field_invalid(e, AT("%s.operator", path), json_object_get(term, "operator"),
                      "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
                      "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                      "ResourceQuotaScopeNotBestEffort or "
                      "ResourceQuotaScopeCrossNamespacePodAffinity");
    if (listed && json_array_size(values) == 0)
        field_required(e, AT("%s.values", path),
                       "must be at least one value when `operator` is 'In' or 'NotIn' for scope "
                       "selector");
    if (!listed && json_array_size(values) > 0)
        field_invalid(e, AT("%s.values", path), values,
                      "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope "
                      "selector");
}

static void validate_quota_scopes(struct field_errors *e, const json_t *spec)
{
    static const char path[] = "spec.scopeSelector.matchExpressions";
    const json_t *hard = json_object_get(spec, "hard"), *scopes = json_object_get(spec, "scopes");
    const json_t *terms = json_at(spec, "scopeSelector.matchExpressions"), *item;
    cleanup(json_decrefpp) json_t *in_list = json_object();
    cleanup(json_decrefpp) json_t *in_terms = json_object();
    size_t i;

    json_array_foreach (scopes, i, item) {
        validate_quota_scope(e, hard, json_string_value(item), scopes, "spec.scopes");
        json_object_set_new(in_list, json_string_value(item), json_true());
    }
    json_array_foreach (terms, i, item) {
        const char *scope = json_str_or(item, "scopeName", "");

        validate_quota_scope(e, hard, scope, json_object_get(spec, "scopeSelector"), path);
        validate_quota_operator(e, item, path);
        json_object_set_new(in_terms, scope, json_true());
    }
    validate_quota_conflicts(e, in_list, scopes, "spec.scopes");
    validate_quota_conflicts(e, in_terms, scopes, path);
}

static void validate_quota(struct field_errors *e, const json_t *tree)
{
    validate_quota_list(e, json_at(tree, "spec.hard"), "spec.hard");
    validate_quota_list(e, json_at(tree, "status.hard"), "status.hard");
    validate_quota_list(e, json_at(tree, "status.used"), "status.used");
    validate_quota_scopes(e, json_object_get(tree, "spec"));
}

static void validate_quota_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    validate_immutable(e, json_at(tree, "spec.scopes"), json_at(old, "spec.scopes"), "spec.scopes");
}

/* low <= high for one resource, where both are given. */
static const struct range_order {
    const char *low, *high;           /* members */
    const char *low_word, *high_word; /* how they are called */
    const char *blamed, *shown;       /* members: where the error is, whose value it shows */
} range_orders[] = {
    { "min", "max", "min", "max", "min", "min" },
    { "min", "defaultRequest", "min", "default request", "defaultRequest", "defaultRequest" },
    { "defaultRequest", "max", "default request", "max", "defaultRequest", "defaultRequest" },
    { "defaultRequest", "default", "default request", "default limit", "defaultRequest",
      "defaultRequest" },
    { "min", "default", "min", "default", "default", "min" },
    { "default", "max", "default", "max", "default", "max" },
};

static void validate_range_order(struct field_errors *e, const json_t *item,
                                 const struct range_order *o, const char *path)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get(item, o->low), key, value) {
        const json_t *top = json_object_get(json_object_get(item, o->high), key);
        struct quantity a, b;

        if (quantity_parse(json_string_value(value), &a) &&
            quantity_parse(json_string_value(top), &b) && quantity_cmp(a, b) > 0)
            field_invalid(e, AT("%s.%s[%s]", path, o->blamed, key),
                          json_object_get(json_object_get(item, o->shown), key),
                          "%s value %s is greater than %s value %s", o->low_word,
                          json_string_value(value), o->high_word, json_string_value(top));
    }
}

static void validate_range_ratio(struct field_errors *e, const json_t *item, const char *path)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get(item, "maxLimitRequestRatio"), key, value) {
        const json_t *min = json_object_get(json_object_get(item, "min"), key);
        const json_t *max = json_object_get(json_object_get(item, "max"), key);
        struct quantity ratio, low, high;

        if (!quantity_parse(json_string_value(value), &ratio))
            continue;
        if (ratio.nano < 1000000000)
            field_invalid(e, AT("%s.maxLimitRequestRatio[%s]", path, key), value,
                          "ratio %s is less than 1", json_string_value(value));
        if (quantity_parse(json_string_value(min), &low) && low.nano > 0 &&
            quantity_parse(json_string_value(max), &high) &&
            (double)ratio.nano / 1e9 > (double)high.nano / (double)low.nano)
            field_invalid(e, AT("%s.maxLimitRequestRatio[%s]", path, key), value,
                          "ratio %s is greater than max/min = %f", json_string_value(value),
                          (double)high.nano / (double)low.nano);
    }
}

static void validate_range_item(struct field_errors *e, const json_t *item, const char *path)
{
    const char *type = json_str_or(item, "type", "");

    if (str_eq(type, "Pod")) {
        if (json_object_size(json_object_get(item, "default")) > 0)
            field_forbidden(e, AT("%s.default", path), "may not be specified when `type` is 'Pod'");
        if (json_object_size(json_object_get(item, "defaultRequest")) > 0)
            field_forbidden(e, AT("%s.defaultRequest", path),
                            "may not be specified when `type` is 'Pod'");
    }
    if (str_eq(type, "PersistentVolumeClaim") && json_at(item, "min.storage") == NULL &&
        json_at(item, "max.storage") == NULL)
        field_required(e, AT("%s.limits", path),
                       "either minimum or maximum storage value is required, but neither was "
                       "provided");
    for (size_t i = 0; i < N_ELEMENTS(range_orders); i++)
        validate_range_order(e, item, &range_orders[i], path);
    validate_range_ratio(e, item, path);
}

static void validate_limitrange(struct field_errors *e, const json_t *tree)
{
    const json_t *limits = json_at(tree, "spec.limits"), *item;
    size_t i;

    json_array_foreach (limits, i, item) {
        struct validate_path at = validate_path("spec.limits[%zu]", i);

        if (json_find(limits, "type", json_str_or(item, "type", "")) != item)
            field_duplicate(e, AT("%s.type", at.s), json_object_get(item, "type"));
        validate_range_item(e, item, at.s);
    }
}

const struct validate_kind validate_kinds_config[] = {
    { .bucket = "configmaps", .always = validate_configmap, .change = validate_configmap_change },
    { .bucket = "secrets", .always = validate_secret, .change = validate_secret_change },
    { .bucket = "resourcequotas", .always = validate_quota, .change = validate_quota_change },
    { .bucket = "limitranges", .always = validate_limitrange },
    { .bucket = NULL },
};
