/* System fields of metadata: who may set what, and when generation rises
 * (API conventions; rest.BeforeCreate, rest.BeforeUpdate). */
#include "api/registry_impl.h"

#include "api/decode.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define META_GENERATED_BASE_MAX 58
#define META_SUFFIX             5

/* Kinds that count changes of their spec. */
static const char *const meta_generation_buckets[] = {
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "replicationcontrollers",
    "jobs.batch",
    "cronjobs.batch",
    "ingresses.networking.k8s.io",
    "ingressclasses.networking.k8s.io",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "priorityclasses.scheduling.k8s.io",
    "endpointslices.discovery.k8s.io",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
};

/* Kinds whose status a creator may set: the node agent registers itself with one. */
static const char *const meta_status_on_create[] = { "nodes" };

/* Kinds whose PUT must name the version it replaces (AllowUnconditionalUpdate is false). */
static const char *const meta_needs_version[] = {
    "customresourcedefinitions.apiextensions.k8s.io",
    "apiservices.apiregistration.k8s.io",
    "leases.coordination.k8s.io",
    "poddisruptionbudgets.policy",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
};

static bool meta_is_one_of(const char *bucket, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(bucket, list[i]))
            return true;
    return false;
}
#define META_IN(bucket, list) meta_is_one_of((bucket), (list), N_ELEMENTS(list))

bool meta_is_generation_kind(const struct schema_resource *r)
{
    return r->foreign || META_IN(r->bucket, meta_generation_buckets);
}

void meta_time(const struct registry *r, char ret[40])
{
    clock_print(ret, r->opts.wall_ms(r->opts.arg));
}

static void meta_uid(const struct registry *r, char ret[BITS_UUID_MAX])
{
    uint64_t a = r->opts.random(r->opts.arg);
    uint64_t b = r->opts.random(r->opts.arg);

    /* RFC 9562 section 5.4: version 4, variant 10. */
    snprintf(ret, BITS_UUID_MAX, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
             (unsigned)((b >> 48) & 0x3fff) | 0x8000, (unsigned long long)(b & 0xffffffffffffULL));
}

void meta_generate_name(struct op *op)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    const char *base = json_str_or(op->tree, "metadata.generateName", "");
    uint64_t random = op->r->opts.random(op->r->opts.arg);
    char suffix[META_SUFFIX + 1] = "";
    cleanup(freep) char *name = NULL;

    for (int i = 0; i < META_SUFFIX; i++) {
        suffix[i] = alphabet[random % (sizeof(alphabet) - 1)];
        random /= sizeof(alphabet) - 1;
    }
    name = mem_fmt("%.*s%s", META_GENERATED_BASE_MAX, base, suffix);
    json_put_str(op->tree, "metadata.name", name);
}

static bool meta_has_status_sub(const struct schema_resource *r)
{
    return schema_sub(r, "status") != NULL;
}

void meta_prepare_create(struct op *op)
{
    char now[40], uid[BITS_UUID_MAX];
    static const char *const wiped[] = {
        "metadata.resourceVersion",   "metadata.selfLink",
        "metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds",
        "metadata.generation",
    };

    if (!str_empty(json_str(op->tree, "metadata.resourceVersion"))) {
        op_refuse(op, status_failure(ERR_INTERNAL,
                                     "resourceVersion should not be set on objects to be created"));
        return;
    }
    for (size_t i = 0; i < N_ELEMENTS(wiped); i++)
        json_del(op->tree, wiped[i]);
    meta_time(op->r, now);
    meta_uid(op->r, uid);
    json_put_str(op->tree, "metadata.uid", uid);
    json_put_str(op->tree, "metadata.creationTimestamp", now);
    if (meta_is_generation_kind(op->resource))
        json_put_int(op->tree, "metadata.generation", 1);
    if (meta_has_status_sub(op->resource) && !META_IN(op->resource->bucket, meta_status_on_create))
        decode_fresh_status(op->tree, op->resource);
}

/* --- update --- */

void meta_readmit_create(struct op *op)
{
    static const char *const kept[] = { "metadata.uid", "metadata.creationTimestamp" };
    json_t *values[N_ELEMENTS(kept)];

    for (size_t i = 0; i < N_ELEMENTS(kept); i++)
        values[i] = json_incref(json_at(op->tree, kept[i]));
    meta_prepare_create(op);
    for (size_t i = 0; i < N_ELEMENTS(kept); i++)
        if (values[i] != NULL)
            json_put(op->tree, kept[i], values[i]);
}

static void meta_keep(json_t *tree, const json_t *old, const char *path)
{
    json_t *value = json_at(old, path);

    if (value == NULL)
        json_del(tree, path);
    else
        json_put(tree, path, json_deep_copy(value));
}

static void meta_keep_top(json_t *tree, const json_t *old, const char *key)
{
    json_t *value = json_object_get(old, key);

    if (value == NULL)
        json_object_del(tree, key);
    else
        json_object_set_new(tree, key, json_deep_copy(value));
}

void meta_check_version(struct op *op)
{
    const char *version = json_str(op->tree, "metadata.resourceVersion");
    const char *uid = json_str(op->tree, "metadata.uid");
    const char *old_uid = json_str_or(op->old_tree, "metadata.uid", "");

    if (!str_empty(uid) && !str_eq(uid, old_uid)) {
        cleanup(freep) char *why = mem_fmt(
            "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid, old_uid);

        op_refuse(op, status_conflict(op->resource, op->name, why));
    } else if (str_empty(version) && (op->resource->custom != NULL ||
                                      META_IN(op->resource->bucket, meta_needs_version))) {
        struct field_errors errors = FIELD_ERRORS_EMPTY;
        cleanup(json_decrefpp) json_t *zero = json_integer(0);

        field_invalid(&errors, "metadata.resourceVersion", zero, "must be specified for an update");
        op_refuse(op, status_invalid(op->resource, op->name, &errors));
        field_errors_fini(&errors);
    } else if (!str_empty(version) &&
               !str_eq(version, json_str(op->old_tree, "metadata.resourceVersion"))) {
        op_refuse(op, status_conflict(op->resource, op->name, NULL));
    }
}

static bool meta_same_but(const json_t *a, const json_t *b, const char *const *skip)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)a, key, value) {
        bool skipped = false;

        for (size_t i = 0; skip[i] != NULL; i++)
            skipped = skipped || str_eq(key, skip[i]);
        if (!skipped && !json_equal(value, json_object_get(b, key)))
            return false;
    }
    return true;
}

bool meta_spec_differs(const json_t *a, const json_t *b)
{
    static const char *const skip[] = { "metadata", "status", "apiVersion", "kind", NULL };

    return !meta_same_but(a, b, skip) || !meta_same_but(b, a, skip);
}

/* A custom kind without status subresource has a status like any other field. */
static bool meta_raises_generation(const struct op *op)
{
    const json_t *now = json_object_get(op->tree, "status");
    const json_t *before = json_object_get(op->old_tree, "status");

    if (meta_spec_differs(op->tree, op->old_tree))
        return true;
    return op->resource->custom != NULL && !meta_has_status_sub(op->resource) && now != before &&
           !json_equal(now, before);
}

/* The status subresource changes status and plain metadata, nothing else. */
static void meta_limit_to_status(struct op *op)
{
    json_t *rest = json_deep_copy(op->old_tree);
    static const char *const kept[] = { "metadata.labels", "metadata.annotations" };

    meta_keep_top(rest, op->tree, "status");
    if (json_at(op->tree, "metadata.managedFields") != NULL)
        json_put(rest, "metadata.managedFields",
                 json_incref(json_at(op->tree, "metadata.managedFields")));
    /* Custom objects: nothing but status (customresource/status_strategy.go). */
    for (size_t i = 0; op->resource->custom == NULL && i < N_ELEMENTS(kept); i++)
        meta_keep(rest, op->tree, kept[i]);
    json_decref(op->tree);
    op->tree = rest;
}

/* Those that are there keep their places, whatever order a patch gave the list; their kubelets rely on it. */
static json_t *meta_ephemeral_in_order(const json_t *now, const json_t *before)
{
    json_t *list = json_array(), *item;
    size_t i;

    json_array_foreach (before, i, item) {
        json_t *kept = json_find(now, "name", json_str_or(item, "name", ""));

        if (kept != NULL)
            json_array_append(list, kept);
    }
    json_array_foreach (now, i, item)
        if (json_find(before, "name", json_str_or(item, "name", "")) == NULL)
            json_array_append(list, item);
    return list;
}

/* That subresource changes spec.ephemeralContainers, nothing else. */
static void meta_limit_to_ephemeral(struct op *op)
{
    static const char path[] = "spec.ephemeralContainers";
    json_t *rest = json_deep_copy(op->old_tree);
    json_t *list = meta_ephemeral_in_order(json_at(op->tree, path), json_at(op->old_tree, path));

    json_del(rest, path);
    if (json_array_size(list) > 0)
        json_put(rest, path, json_incref(list));
    json_decref(list);
    if (json_at(op->tree, "metadata.managedFields") != NULL)
        json_put(rest, "metadata.managedFields",
                 json_incref(json_at(op->tree, "metadata.managedFields")));
    json_decref(op->tree);
    op->tree = rest;
}

void meta_prepare_update(struct op *op)
{
    static const char *const fixed[] = {
        "metadata.uid",
        "metadata.creationTimestamp",
        "metadata.deletionTimestamp",
        "metadata.deletionGracePeriodSeconds",
        "metadata.generation",
        "metadata.generateName",
        "metadata.resourceVersion",
    };

    meta_check_version(op);
    if (!op_ok(op))
        return;
    json_del(op->tree, "metadata.selfLink");
    for (size_t i = 0; i < N_ELEMENTS(fixed); i++)
        meta_keep(op->tree, op->old_tree, fixed[i]);
    if (str_eq(op->sub, "status") || str_eq(op->sub, "approval"))
        meta_limit_to_status(op);
    else if (str_eq(op->sub, "ephemeralcontainers"))
        meta_limit_to_ephemeral(op);
    else if (meta_has_status_sub(op->resource) && op->sub[0] == '\0')
        meta_keep_top(op->tree, op->old_tree, "status");
    if (meta_is_generation_kind(op->resource) && meta_raises_generation(op))
        json_put_int(op->tree, "metadata.generation",
                     json_int(op->old_tree, "metadata.generation", 0) + 1);
}

/* --- durability --- */

/* A node status in which only the heartbeat times moved. */
static bool meta_is_heartbeat(const struct op *op)
{
    cleanup(json_decrefpp) json_t *a = NULL;
    cleanup(json_decrefpp) json_t *b = NULL;
    json_t *trees[2];

    if (!str_eq(op->resource->bucket, "nodes") || op->old_tree == NULL)
        return false;
    trees[0] = a = json_deep_copy(op->tree);
    trees[1] = b = json_deep_copy(op->old_tree);
    for (int t = 0; t < 2; t++) {
        size_t i;
        json_t *condition;

        json_array_foreach (json_at(trees[t], "status.conditions"), i, condition)
            json_object_del(condition, "lastHeartbeatTime");
        json_del(trees[t], "metadata.managedFields");
    }
    return json_equal(a, b);
}

/* A lease that only says "still here".  A new holder is no heartbeat: an election must last. */
static bool meta_is_renewal(const struct op *op)
{
    cleanup(json_decrefpp) json_t *a = NULL;
    cleanup(json_decrefpp) json_t *b = NULL;

    if (!str_eq(op->resource->bucket, "leases.coordination.k8s.io") || op->old_tree == NULL)
        return false;
    a = json_deep_copy(op->tree);
    b = json_deep_copy(op->old_tree);
    json_del(a, "spec.renewTime");
    json_del(b, "spec.renewTime");
    json_del(a, "metadata.managedFields");
    json_del(b, "metadata.managedFields");
    return json_equal(a, b);
}

bool meta_is_lazy(const struct op *op)
{
    return str_eq(op->resource->bucket, "events") ||
           (!op->gone && (meta_is_renewal(op) || meta_is_heartbeat(op)));
}
