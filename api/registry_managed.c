/* metadata.managedFields in the way of a write: noted at every write, merged by an apply. */
#include "api/registry_impl.h"

#include "api/alias.h"
#include "api/apply.h"
#include "api/custom.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* --- the versions of a kind --- */

static const struct schema_resource *op_row(const struct op *op, const char *api_version)
{
    const struct schema_resource *row = schema_by_api_version(api_version, op->resource->kind);

    return row != NULL && str_eq(row->bucket, op->resource->bucket) ? row : NULL;
}

static bool op_managed_place(void *arg, struct typed_place *ret, const char *api_version)
{
    const struct schema_resource *row = op_row(arg, api_version);

    if (row != NULL)
        *ret = typed_root(row);
    return row != NULL;
}

/* Versions of custom kinds differ by name, the built-in ones by what api/alias.h says. */
static json_t *op_managed_convert(void *arg, const json_t *tree, const char *from, const char *to)
{
    json_t *copy = json_deep_copy(tree);
    const struct schema_resource *source = op_row(arg, from), *target = op_row(arg, to);

    if (source != NULL)
        alias_to_stored(copy, source);
    if (target != NULL)
        alias_from_stored(copy, target);
    return copy;
}

/* --- what a way of writing cannot change (the strategies' GetResetFields) --- */

static const struct managed_reset_row {
    const char *bucket; /* NULL: any */
    const char *sub;
    const char *paths[4];
} managed_resets[] = {
    { "pods", "status", { "spec", "metadata.deletionTimestamp", "metadata.ownerReferences" } },
    { "deployments.apps", "status", { "spec", "metadata.labels" } },
    { CUSTOM_BUCKET, "status", { "spec", "metadata" } },
    { NULL, "status", { "spec" } },
    { NULL, "approval", { "spec" } },
    { NULL, "", { "status" } },
};

static const char *const *op_managed_reset(const struct op *op)
{
    bool plain = op->sub[0] == '\0';

    for (size_t i = 0; i < N_ELEMENTS(managed_resets); i++) {
        const struct managed_reset_row *row = &managed_resets[i];

        if (str_eq(row->sub, op->sub) &&
            (row->bucket == NULL || str_eq(row->bucket, op->resource->bucket)) &&
            (!plain || schema_sub(op->resource, "status") != NULL))
            return row->paths;
    }
    return NULL;
}

/* --- a write of any kind --- */

struct op_managed {
    struct managed_versions versions;
    struct managed_write write;
    char api_version[128];
    char now[40];
    struct managed managed;
};

static void op_managed_init(struct op_managed *x, struct op *op)
{
    schema_api_version(x->api_version, sizeof(x->api_version), op->spoken);
    meta_time(op->r, x->now);
    x->versions = (struct managed_versions){ op_managed_place, op_managed_convert, op };
    x->write = (struct managed_write){
        .versions = &x->versions,
        .api_version = x->api_version,
        .manager = op->req->manager != NULL ? op->req->manager : "kube-apiserver",
        .subresource = op->sub,
        .now = x->now,
        .reset = op_managed_reset(op),
        .reconcile = op->resource->custom != NULL,
    };
    managed_init(&x->managed);
}

static void op_managed_fini(struct op_managed *x)
{
    managed_fini(&x->managed);
}

/* Who owned what before: as the request has it, or else as it was (decodeLiveOrNew). */
static void op_managed_load(struct op *op, struct managed *m)
{
    const json_t *live = op->old_managed;
    const json_t *given = json_at(op->tree, "metadata.managedFields");
    struct err err = ERR_EMPTY;

    if (op->managed_reset && op->sub[0] == '\0')
        return;
    if (op->sub[0] == '\0' && managed_load(m, given, &err) == 0 && m->n > 0) {
        for (size_t i = 0; i < m->n; i++)
            m->entries[i].fields = NULL; /* not in our spelling */
        return;
    }
    managed_load(m, live, &err); /* what nobody understands is as nothing */
}

/* @tree in the words of the request. */
static json_t *op_spoken_tree(const struct op *op, const json_t *tree)
{
    json_t *copy;

    if (tree == NULL || op->spoken->stored)
        return json_incref((json_t *)(uintptr_t)tree);
    copy = json_deep_copy(tree);
    alias_from_stored(copy, op->spoken);
    return copy;
}

void op_managed_note(struct op *op)
{
    op->managed_reset = managed_is_reset(json_at(op->tree, "metadata.managedFields"));
}

void op_managed_update(struct op *op)
{
    cleanup(op_managed_fini) struct op_managed x;
    cleanup(json_decrefpp) json_t *live = op_spoken_tree(op, op->old_tree);
    cleanup(json_decrefpp) json_t *next = op_spoken_tree(op, op->tree);
    json_t *list;

    op_managed_init(&x, op);
    if (op->managed == NULL) {
        op_managed_load(op, &x.managed);
        /* An object that nobody was noted for stays so until the first apply. */
        if (op->old_tree == NULL || x.managed.n > 0)
            managed_update(&x.managed, &x.write, live, next);
        op->managed = managed_json(&x.managed);
    }
    list = STEAL(op->managed);
    op->managed_known = true;
    json_del(op->tree, "metadata.managedFields");
    if (list != NULL)
        json_put(op->tree, "metadata.managedFields", list);
}

/* Equal but for the times of the entries. */
static bool managed_only_times(const json_t *a, const json_t *b)
{
    size_t n = json_array_size(a);

    if (n == 0 || n != json_array_size(b))
        return false;
    for (size_t i = 0; i < n; i++) {
        cleanup(json_decrefpp) json_t *x = json_copy(json_array_get(a, i));
        cleanup(json_decrefpp) json_t *y = json_copy(json_array_get(b, i));

        json_object_del(x, "time");
        json_object_del(y, "time");
        if (!json_equal(x, y))
            return false;
    }
    return true;
}

bool op_managed_same(struct op *op)
{
    cleanup(json_decrefpp) json_t *list = json_incref(json_at(op->tree, "metadata.managedFields"));
    bool same;

    json_del(op->tree, "metadata.managedFields");
    same = json_equal(op->tree, op->old_tree) &&
           (list == op->old_managed || json_equal(list, op->old_managed) ||
            managed_only_times(list, op->old_managed));
    if (same)
        op_managed_restore(op, op->tree);
    else if (list != NULL)
        json_put(op->tree, "metadata.managedFields", json_incref(list));
    return same;
}

void op_managed_admitted(struct op *op, json_t *before)
{
    struct managed m;
    struct err err = ERR_EMPTY;

    managed_init(&m);
    if (managed_load(&m, json_at(op->tree, "metadata.managedFields"), &err) < 0) {
        op_warn(op,
                ".metadata.managedFields was in an invalid state after admission; this could be "
                "caused by an outdated mutating admission controller; please fix your requests: "
                "%s",
                err.text);
        json_del(op->tree, "metadata.managedFields");
        if (before != NULL)
            json_put(op->tree, "metadata.managedFields", json_incref(before));
    }
    managed_fini(&m);
}

/* --- kept apart from the old state --- */

void op_managed_load_old(struct op *op)
{
    op->old_managed = json_incref(json_at(op->old_tree, "metadata.managedFields"));
    if (op->old_managed != NULL)
        json_del(op->old_tree, "metadata.managedFields");
}

void op_managed_restore(const struct op *op, json_t *tree)
{
    if (op->old_managed != NULL && json_at(tree, "metadata.managedFields") == NULL)
        json_put(tree, "metadata.managedFields", json_incref(op->old_managed));
}

json_t *op_managed_old_tree(const struct op *op)
{
    json_t *tree = json_copy(op->old_tree);

    if (tree == NULL || op->old_managed == NULL)
        return tree;
    json_object_set_new(tree, "metadata", json_copy(json_object_get(op->old_tree, "metadata")));
    op_managed_restore(op, tree);
    return tree;
}

/* A path that holds managedFields, or is in them. */
static bool op_path_has_managed(const char *path)
{
    return path != NULL && (path[0] == '\0' || str_eq(path, "/metadata") ||
                            str_starts(path, "/metadata/managedFields"));
}

void op_managed_patched(const struct op *op, const struct registry_request *req, json_t *base)
{
    bool speaks = json_at(req->body, "metadata.managedFields") != NULL;
    const json_t *item;
    size_t i;

    json_array_foreach ((json_t *)(uintptr_t)req->body, i, item)
        speaks = speaks || op_path_has_managed(json_str(item, "path")) ||
                 op_path_has_managed(json_str(item, "from"));
    if (speaks)
        op_managed_restore(op, base);
}

/* --- apply --- */

static void op_refuse_unknown(struct op *op, const char *message)
{
    json_t *status = status_failure(ERR_INTERNAL, "%s", message);

    json_object_del(status, "reason"); /* an error of no kind, as Kubernetes answers */
    op_refuse(op, status);
}

static void op_refuse_conflicts(struct op *op, const struct apply_result *result)
{
    cleanup(text_fini) struct text message = TEXT_EMPTY;
    json_t *status;

    apply_conflicts_text(&message, result);
    status = status_failure(ERR_CONFLICT, "%s", text_str(&message));
    json_put(status, "details.causes", apply_conflicts_causes(result));
    op_refuse(op, status);
}

/* `apps/v1, Kind=Deployment` */
static bool op_apply_fits(struct op *op, const json_t *config, const char *api_version,
                          const char *kind)
{
    const char *version = json_str_or(config, "apiVersion", "");
    const char *given = json_str_or(config, "kind", "");

    if (!json_is_object(config))
        op_refuse(op,
                  status_failure(ERR_BAD_REQUEST, "error decoding YAML: the patch is no object"));
    else if (!str_eq(version, api_version) || !str_eq(given, kind))
        op_refuse(op, status_failure(ERR_BAD_REQUEST, "invalid object type: %s%s, Kind=%s",
                                     strchr(version, '/') != NULL ? "" : "/", version, given));
    else if (json_at(config, "metadata.managedFields") != NULL)
        op_refuse(op, status_failure(ERR_BAD_REQUEST, "metadata.managedFields must be nil"));
    return op_ok(op);
}

/* Merges @config into @live; NULL: refused. */
static json_t *op_apply_run(struct op *op, struct op_managed *x, const json_t *live,
                            const json_t *config, bool force)
{
    struct apply_result result;
    struct err err = ERR_EMPTY;

    if (apply_config(&result, &x->managed, &x->write, live, config, force, &err) < 0)
        op_refuse_unknown(op, err.text);
    else if (result.n_conflicts > 0)
        op_refuse_conflicts(op, &result);
    return result.tree;
}

/* Applying what is not there creates it, and who may patch may not always create. */
static void op_apply_may_create(struct op *op)
{
    const struct auth_question q = { .verb = "create",
                                     .group = op->spoken->group,
                                     .resource = op->spoken->plural,
                                     .sub = "",
                                     .ns = op->ns,
                                     .name = op->name };
    cleanup(text_fini) struct text why = TEXT_EMPTY;
    struct auth_user user;

    if (op->old != NULL || op_may(op, &q))
        return;
    auth_borrow_user(&user, op->user->name, op->user->groups, op->user->uid);
    auth_refusal(&why, &user, &q);
    op_refuse(op, status_forbidden(op->spoken, op->name, text_str(&why)));
}

void op_managed_apply(struct op *op, const struct registry_request *req)
{
    cleanup(op_managed_fini) struct op_managed x;
    cleanup(json_decrefpp) json_t *live = op_spoken_tree(op, op->old_tree);
    struct err err = ERR_EMPTY;

    op_managed_init(&x, op);
    op_apply_may_create(op);
    if (!op_ok(op) || !op_apply_fits(op, req->body, x.api_version, op->resource->kind))
        return;
    if (managed_load(&x.managed, op->old_managed, &err) < 0) {
        cleanup(freep) char *why = mem_fmt("failed to decode managed fields: %s", err.text);

        op_refuse_unknown(op, why);
        return;
    }
    op->tree = op_apply_run(op, &x, live, req->body, req->force);
    if (!op_ok(op))
        return;
    op->managed = managed_json(&x.managed);
    if (op->managed == NULL)
        op->managed = json_array();
}

/* --- apply to a Scale --- */

static bool managed_scale_place(void *arg, struct typed_place *ret, const char *api_version)
{
    (void)arg;
    (void)api_version;
    *ret = typed_of_type(schema_type("autoscaling/v1.Scale"));
    return true;
}

static json_t *managed_scale_convert(void *arg, const json_t *tree, const char *from,
                                     const char *to)
{
    (void)arg;
    (void)from;
    (void)to;
    return json_deep_copy(tree);
}

/* Of the object's entries, those that own its replicas, as owners of the Scale's. */
static void managed_to_scale(struct managed *scale, const struct managed *parent, const char *path)
{
    for (size_t i = 0; i < parent->n; i++) {
        struct managed_entry e = parent->entries[i];

        if (!field_set_has_path(e.set, path))
            continue;
        e.set = field_set_path(scale->arena, "spec.replicas");
        managed_add(scale, &e);
    }
}

/* And back: who lost them in the Scale loses them in the object. */
static void managed_from_scale(struct managed *parent, struct managed *scale, const char *path)
{
    const struct field_set *mine = field_set_path(parent->arena, path);

    for (size_t i = 0; i < parent->n; i++) {
        struct managed_entry *e = &parent->entries[i];

        if (managed_find(scale, e) == NULL)
            e->set = field_set_difference(parent->arena, e->set, mine);
    }
    managed_drop_empty(parent);
    for (size_t i = 0; i < scale->n; i++) {
        struct managed_entry e = scale->entries[i];

        if (managed_find(parent, &e) != NULL || !field_set_has_path(e.set, "spec.replicas"))
            continue;
        e.set = mine;
        managed_add(parent, &e);
    }
}

json_t *op_managed_apply_scale(struct op *op, const struct registry_request *req,
                               const json_t *scale, const char *path)
{
    cleanup(op_managed_fini) struct op_managed x, parent;
    struct managed_versions versions = { managed_scale_place, managed_scale_convert, NULL };
    struct err err = ERR_EMPTY;
    json_t *wanted = NULL;

    op_managed_init(&x, op);
    op_managed_init(&parent, op);
    if (!op_apply_fits(op, req->body, "autoscaling/v1", "Scale"))
        return NULL;
    managed_load(&parent.managed, op->old_managed, &err);
    managed_to_scale(&x.managed, &parent.managed, path);
    x.write.versions = &versions;
    x.write.reconcile = false;
    wanted = op_apply_run(op, &x, scale, req->body, req->force);
    if (!op_ok(op))
        return wanted;
    managed_from_scale(&parent.managed, &x.managed, path);
    op->managed = managed_json(&parent.managed);
    if (op->managed == NULL)
        op->managed = json_array();
    return wanted;
}
