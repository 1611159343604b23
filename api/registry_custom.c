/* Custom kinds in the registry: definitions in, rows out; and what is different in a write of an
 * object whose kind is one. */
#include "api/registry_impl.h"

#include "api/alias.h"
#include "api/crd.h"
#include "api/custom.h"
#include "api/custom_tree.h"
#include "api/decode.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* --- definitions --- */

void registry_custom_load(struct registry *r)
{
    const struct object *crd;
    struct store_iter it;

    custom_clear();
    store_iter_init(&it, r->store, CUSTOM_BUCKET, NULL, NULL, NULL);
    while ((crd = store_iter_next(&it)) != NULL)
        custom_apply(crd, false);
    custom_publish();
    if (custom_count() > 0)
        mem_trim();
}

void registry_on_kinds(struct registry *r, void (*fn)(void *arg), void *arg)
{
    r->on_kinds = fn;
    r->on_kinds_arg = arg;
}

void op_custom_committed(struct op *op, const struct object *object)
{
    if (!str_eq(op->resource->bucket, CUSTOM_BUCKET) || !custom_apply(object, op->gone))
        return;
    custom_publish();
    mem_trim(); /* trees of definitions are large, and rare */
    if (op->r->on_kinds != NULL)
        op->r->on_kinds(op->r->on_kinds_arg);
}

void admit_definition(struct op *op)
{
    cleanup(json_decrefpp) json_t *warnings = crd_warnings(op->tree);
    const json_t *item;
    size_t i;

    if (op->old == NULL && store_count(op->r->store, CUSTOM_BUCKET) >= CUSTOM_KINDS_MAX) {
        op_refuse(op,
                  status_failure(ERR_NOSPACE, "mkube keeps at most %d CustomResourceDefinitions",
                                 CUSTOM_KINDS_MAX));
        return;
    }
    crd_status(op->tree, op->r->opts.wall_ms(op->r->opts.arg));
    json_array_foreach (warnings, i, item)
        op_warn(op, "%s", json_string_value(item));
}

void delete_definition(struct op *op)
{
    if (crd_is_foreign(op->old_tree))
        op_warn(op, "mkube serves %s itself: the kind and its objects stay", op->name);
    else
        crd_terminate(op->tree, op->r->opts.wall_ms(op->r->opts.arg));
}

/* --- objects --- */

bool op_custom_is_older(const struct op *op)
{
    const struct schema_resource *stored = op->resource->custom != NULL
                                               ? schema_bucket(op->resource->bucket)
                                               : NULL;
    char version[128];

    if (stored == NULL)
        return false;
    schema_api_version(version, sizeof(version), stored);
    return !str_eq(json_str(op->old_tree, "apiVersion"), version);
}

void op_custom_load_old(struct op *op)
{
    if (op->old_tree != NULL && custom_is_stale(op->resource, op->old))
        custom_refresh(op->resource, op->old_tree);
}

/* Duplicates outside metadata, of which the envelope's decoder tells itself. */
static void op_custom_duplicates(struct op *op)
{
    const json_t *path;
    size_t i;

    json_array_foreach (op->dups, i, path) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;
        const char *text = json_string_value(path);

        if (str_starts(text, "metadata"))
            continue;
        text_fmt(&t, "duplicate field \"%.256s\"", text);
        json_array_append_new(op->problems, json_string(text_str(&t)));
    }
}

/* apiVersion, kind and metadata by the tables. */
static void op_custom_envelope(struct op *op)
{
    static const char *const members[] = { "apiVersion", "kind", "metadata" };
    cleanup(json_decrefpp) json_t *envelope = json_object();

    for (size_t i = 0; i < N_ELEMENTS(members); i++)
        if (json_object_get(op->tree, members[i]) != NULL)
            json_object_set(envelope, members[i], json_object_get(op->tree, members[i]));
    op_decode_as(op, envelope, op->spoken->type);
    if (op_ok(op) && json_object_get(envelope, "metadata") == NULL)
        json_object_del(op->tree, "metadata"); /* it was null */
}

void op_custom_decode(struct op *op)
{
    const struct custom_node *root;

    if (custom_is_terminating(op->resource) && op->old == NULL) {
        op_refuse(op, status_failure(ERR_METHOD, "create not allowed while custom resource "
                                                 "definition is terminating"));
        return;
    }
    root = custom_root(op->spoken);
    op_custom_duplicates(op);
    custom_prune(op->tree, root, op->problems);
    op_custom_envelope(op); /* tells of all problems found so far */
    if (!op_ok(op))
        return;
    custom_default(op->tree, root);
    if (!custom_converts(op->spoken))
        alias_to_stored(op->tree, op->spoken);
}

void op_custom_validate(struct op *op, struct field_errors *errors)
{
    if (op->spoken->custom != NULL)
        custom_check(errors, custom_root(op->spoken), op->tree, op->old_tree);
}
