/* One write on its way: refusals, warnings, the store, the answer. */
#include "api/registry_impl.h"

#include "api/alias.h"
#include "api/custom.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <stdarg.h>

bool op_ok(const struct op *op)
{
    return op->status == NULL;
}

void op_refuse(struct op *op, json_t *status_steal)
{
    if (op->status == NULL)
        op->status = status_steal;
    else
        json_decref(status_steal);
}

void op_annotate(struct op *op, const json_t *map)
{
    if (map == NULL)
        return;
    if (op->annotations == NULL)
        op->annotations = json_object();
    json_object_update_missing(op->annotations, (json_t *)(uintptr_t)map);
}

void op_warn(struct op *op, const char *fmt, ...)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    va_list ap;
    size_t i;
    json_t *said;

    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    if (op->warnings == NULL)
        op->warnings = json_array();
    json_array_foreach (op->warnings, i, said)
        if (str_eq(json_string_value(said), text_str(&t)))
            return; /* once is enough, as in Kubernetes */
    json_array_append_new(op->warnings, json_string(text_str(&t)));
}

struct op *op_free(struct op *op)
{
    assert(op->walk == NULL);
    if (op->holds_old)
        object_unref(op->old);
    json_decref(op->posted);
    op_kept_free(op->kept);
    json_decref(op->tree);
    json_decref(op->old_tree);
    json_decref(op->dups);
    json_decref(op->problems);
    json_decref(op->warnings);
    json_decref(op->annotations);
    json_decref(op->charges);
    json_decref(op->status);
    json_decref(op->managed);
    json_decref(op->old_managed);
    custom_release(op->resource);
    custom_release(op->spoken);
    free(op);
    return NULL;
}

void op_answer(struct op *op, const struct object *object, const json_t *body)
{
    struct registry_answer answer = { .http = op->http,
                                      .object = object,
                                      .body = body,
                                      .warnings = op->warnings,
                                      .annotations = op->annotations };

    op_alloc_settle(op, op->status == NULL && !op->dry_run);
    if (op->status != NULL) {
        answer.http = status_code(op->status);
        answer.object = NULL;
        answer.body = op->status;
    }
    op->done(op->arg, &answer);
    op_free(op);
}

/* An answer that is no stored object: what became of @tree. */
static void op_answer_tree(struct op *op, json_t *tree)
{
    cleanup(json_decrefpp) json_t *body = NULL;

    if (op->answer_status && op->http == 201)
        body = status_success(op->http);
    else if (op->answer_status)
        body = status_deleted(op->resource, json_str_or(tree, "metadata.name", ""),
                              json_str_or(tree, "metadata.uid", ""));
    else if (op->answer_scale)
        body = registry_scale_of(tree, op->spoken);
    else
        body = json_deep_copy(tree);
    if (!op->answer_status && !op->answer_scale)
        alias_from_stored(body, op->spoken);
    op_answer(op, NULL, body);
}

/* The committed state becomes the answer that the verb promises. */
static void op_on_committed(void *arg, int rc, const struct object *object, const struct err *err)
{
    struct op *op = arg;

    if (rc == 0) {
        rbac_touch(op->r->rbac, object->bucket, object->ns, object->name);
        op_custom_committed(op, object);
        op_hooks_committed(op);
    }
    if (rc < 0) {
        op_refuse(op, status_from_err(err));
        op_answer(op, NULL, NULL);
    } else if (op->answer_status || op->answer_scale) {
        cleanup(json_decrefpp) json_t *tree = object_tree(object);

        op_answer_tree(op, tree);
    } else {
        op_answer(op, object, NULL);
    }
}

void op_answer_same(struct op *op)
{
    const struct object *visible = store_get(op->r->store, op->resource->bucket, op->ns, op->name);

    /* What is not on the disk yet may still fail; only a write behind it can tell. */
    if (op_ok(op) && op->old != visible && !op->dry_run)
        op_submit(op, STORE_UPDATE);
    else if (op->answer_status || op->answer_scale)
        op_answer_tree(op, op->old_tree);
    else
        op_answer(op, op->old, NULL);
}

static void op_store(struct op *op)
{
    enum store_verb verb = op->store_verb;
    struct err err = ERR_EMPTY;
    struct store_write w = {
        .verb = verb,
        .bucket = op->resource->bucket,
        .ns = op->ns,
        .name = json_str_or(op->tree, "metadata.name", op->name),
        .tree = op->tree,
        .expect = op->old != NULL ? op->old->revision : 0,
        .lazy = meta_is_lazy(op),
    };
    int rc;

    if (op_ok(op))
        quota_admit(op, verb == STORE_DELETE);
    if (!op_ok(op)) {
        op_answer(op, NULL, NULL);
        return;
    }
    if (!op->managed_known)
        op_managed_restore(op, op->tree);
    if (op->dry_run) {
        op_answer_tree(op, op->tree);
        return;
    }
    if (verb == STORE_DELETE && custom_converts(op->resource))
        w.tree = NULL; /* it may be in another version's words: as it was, then */
    store_hold(op->r->store);
    rc = store_submit(op->r->store, &w, op_on_committed, op, NULL, &err);
    if (rc == STORE_OK)
        quota_charge(op);
    if (rc == STORE_OK && verb == STORE_CREATE && str_eq(w.bucket, "namespaces"))
        namespace_extras_create(op->r, w.name);
    store_release(op->r->store);
    if (rc == STORE_OK)
        return;
    if (rc == STORE_EXISTS)
        op_refuse(op, status_exists(op->resource, w.name));
    else if (rc == STORE_ABSENT)
        op_refuse(op, status_not_found(op->resource, w.name));
    else if (rc == STORE_STALE)
        op_refuse(op, status_conflict(op->resource, w.name, NULL));
    else
        op_refuse(op, status_from_err(&err));
    op_answer(op, NULL, NULL);
}

void op_submit(struct op *op, enum store_verb verb)
{
    const struct schema_resource *stored;

    op->store_verb = verb;
    stored = custom_converts(op->resource) ? schema_bucket(op->resource->bucket) : NULL;
    if (stored != NULL && verb != STORE_DELETE && !op->dry_run)
        op_convert(op, &op->tree, stored, op_store);
    else
        op_store(op);
}
