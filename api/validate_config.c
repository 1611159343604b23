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

static void validate_quota(struct field_errors *e, const json_t *tree)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_at(tree, "spec.hard"), key, value) {
        struct validate_path at = validate_path("spec.hard[%s]", key);

        validate_quota_name(e, key, at.s);
        validate_quantity_not_negative(e, value, at.s);
    }
}

static void validate_quota_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    validate_immutable(e, json_at(tree, "spec.scopes"), json_at(old, "spec.scopes"), "spec.scopes");
}

/* low <= high for one resource, where both are given. */
static void validate_range_order(struct field_errors *e, const json_t *item, const char *low,
                                 const char *high, const char *path)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get(item, low), key, value) {
        const json_t *top = json_object_get(json_object_get(item, high), key);
        struct quantity a, b;

        if (quantity_parse(json_string_value(value), &a) &&
            quantity_parse(json_string_value(top), &b) && quantity_cmp(a, b) > 0)
            field_invalid(e, AT("%s.%s[%s]", path, low, key), value,
                          "%s value %s is greater than %s value %s", low, json_string_value(value),
                          high, json_string_value(top));
    }
}

static void validate_range_item(struct field_errors *e, const json_t *item, const char *path)
{
    static const char *const orders[][2] = {
        { "min", "max" },
        { "min", "defaultRequest" },
        { "defaultRequest", "max" },
        { "defaultRequest", "default" },
        { "min", "default" },
        { "default", "max" },
    };

    if (str_eq(json_str(item, "type"), "Pod")) {
        if (json_object_size(json_object_get(item, "default")) > 0)
            field_forbidden(e, AT("%s.default", path), "may not be specified when `type` is 'Pod'");
        if (json_object_size(json_object_get(item, "defaultRequest")) > 0)
            field_forbidden(e, AT("%s.defaultRequest", path),
                            "may not be specified when `type` is 'Pod'");
    }
    for (size_t i = 0; i < N_ELEMENTS(orders); i++)
        validate_range_order(e, item, orders[i][0], orders[i][1], path);
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
