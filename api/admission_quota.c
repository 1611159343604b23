/* Plugin ResourceQuota: the last step before the store.
 *
 * status.used of a quota is kept with every write that changes it: the write and the quota's new
 * state are submitted together, become durable together or not at all, and the next write sees
 * both.  The object goes first: a quota whose figures are visible says nothing of objects that are
 * not, which is what makes counting anew safe (controlplane/usage.c). */
#include "api/admission.h"

#include "api/quota.h"
#include "api/resource_list.h"
#include "base/mem.h"
#include "base/text.h"

/* One quota while it is held against one write. */
struct quota_case {
    json_t *tree;   /* borrowed from op->charges */
    json_t *usage;  /* owned: of the new state, as far as the quota limits it */
    json_t *before; /* owned: of the state before */
};

static void quota_case_fini(struct quota_case *c)
{
    json_decref(c->usage);
    json_decref(c->before);
}

static bool quota_is_own(const struct op *op, const struct object *quota)
{
    return str_eq(op->resource->bucket, quota->bucket) &&
           str_eq(json_str_or(op->tree, "metadata.name", op->name), quota->name);
}

/* Events were never counted: a namespace that is full should be able to say so. */
static bool quota_ignores(const struct op *op)
{
    return !op->resource->namespaced || str_eq(op->resource->bucket, "events");
}

/* What may be refused: new objects, and those changes by which Kubernetes' evaluators are asked. */
static bool quota_refuses(const struct op *op, bool gone)
{
    if (gone || op->old == NULL)
        return !gone;
    return op->sub[0] == '\0' && (str_eq(op->resource->bucket, "services") ||
                                  str_eq(op->resource->bucket, "persistentvolumeclaims"));
}

/* --- a quota's own status --- */

static void quota_tell(const struct op *op, json_t *quota)
{
    json_t *used = quota_count(op->r->store, quota, true);

    if (str_eq(op->resource->bucket, "resourcequotas") && op->old == NULL)
        quota_take(used, quota, op->resource->bucket, quota);
    json_put(quota, "status.hard", json_deep_copy(json_at(quota, "spec.hard")));
    json_put(quota, "status.used", used);
}

/* A new or changed quota is counted at once: from its first moment on it is enforced. */
static void quota_tell_own(struct op *op)
{
    if (!str_eq(op->resource->bucket, "resourcequotas") || op->sub[0] != '\0')
        return;
    if (op->old_tree == NULL ||
        !json_equal(json_at(op->tree, "spec"), json_at(op->old_tree, "spec")))
        if (json_object_size(json_at(op->tree, "spec.hard")) > 0)
            quota_tell(op, op->tree);
}

/* --- held against each other --- */

static void quota_open(struct quota_case *c, const struct op *op, json_t *quota, bool gone)
{
    const char *bucket = op->resource->bucket;

    *c = (struct quota_case){ .tree = quota, .usage = json_object(), .before = json_object() };
    if (!gone)
        quota_take(c->usage, quota, bucket, op->tree);
    if (op->old_tree != NULL)
        quota_take(c->before, quota, bucket, op->old_tree);
}

static void quota_refuse_silent(struct op *op, const json_t *quota)
{
    cleanup(text_fini) struct text missing = TEXT_EMPTY;

    if (op->old != NULL || !str_eq(op->resource->bucket, "pods") ||
        !quota_covers(quota, "pods", op->tree))
        return;
    quota_missing(&missing, quota, op->tree);
    if (missing.len > 0)
        admit_forbid(op, "failed quota: %s: %s", json_str_or(quota, "metadata.name", ""),
                     text_str(&missing));
}

static void quota_refuse_excess(struct op *op, const struct quota_case *c)
{
    const json_t *hard = json_at(c->tree, "spec.hard"), *used = json_at(c->tree, "status.used");
    cleanup(json_decrefpp) json_t *requested = json_object();
    cleanup(json_decrefpp) json_t *have = json_object();
    cleanup(json_decrefpp) json_t *limited = json_object();
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    const char *name;
    json_t *value;

    json_object_foreach (c->usage, name, value) {
        struct quantity now, before, in_use, limit, more;

        resource_list_get(c->usage, name, &now);
        resource_list_get(c->before, name, &before);
        resource_list_get(used, name, &in_use);
        more = quantity_sub(now, before);
        if (more.nano <= 0 || !resource_list_get(hard, name, &limit) ||
            quantity_cmp(quantity_add(in_use, more), limit) <= 0)
            continue;
        resource_list_set(requested, name, more);
        resource_list_set(have, name, in_use);
        resource_list_set(limited, name, limit);
    }
    if (json_object_size(requested) == 0)
        return;
    text_fmt(&t, "exceeded quota: %s, requested: ", json_str_or(c->tree, "metadata.name", ""));
    resource_list_print(&t, requested);
    text_puts(&t, ", used: ");
    resource_list_print(&t, have);
    text_puts(&t, ", limited: ");
    resource_list_print(&t, limited);
    admit_forbid(op, "%s", text_str(&t));
}

/* status.used with this write in it; false when that changes nothing. */
static bool quota_settle(struct quota_case *c)
{
    json_t *used = json_at(c->tree, "status.used");
    cleanup(json_decrefpp) json_t *before = json_copy(used);
    const char *name;
    json_t *value;
    void *tmp;

    resource_list_add(used, c->usage);
    resource_list_subtract(used, c->before);
    json_object_foreach_safe (used, tmp, name, value) {
        struct quantity q;

        if (resource_list_get(used, name, &q) && q.nano < 0)
            json_object_set_new(used, name, json_string("0"));
    }
    return !json_equal(used, before);
}

static void quota_weigh(struct op *op, bool gone)
{
    for (size_t i = 0; op_ok(op) && i < json_array_size(op->charges);) {
        cleanup(quota_case_fini) struct quota_case c;

        quota_open(&c, op, json_array_get(op->charges, i), gone);
        if (quota_refuses(op, gone))
            quota_refuse_excess(op, &c);
        if (quota_settle(&c))
            i++;
        else
            json_array_remove(op->charges, i);
    }
}

/* Every quota of the namespace, as it is after all that was submitted. */
static void quota_gather(struct op *op)
{
    const struct object *o;
    struct store_iter it;

    store_iter_init(&it, op->r->store, "resourcequotas", op->ns, NULL, NULL);
    it.latest = true;
    while ((o = store_iter_next(&it)) != NULL) {
        json_t *tree;

        if (quota_is_own(op, o))
            continue;
        if (op->charges == NULL)
            op->charges = json_array();
        json_array_append_new(op->charges, tree = object_tree(o));
        if (!quota_is_told(tree))
            quota_tell(op, tree);
    }
}

void quota_admit(struct op *op, bool gone)
{
    size_t i;
    json_t *quota;

    if (quota_ignores(op))
        return;
    if (!gone)
        quota_tell_own(op);
    quota_gather(op);
    if (!gone)
        json_array_foreach (op->charges, i, quota)
            quota_refuse_silent(op, quota);
    quota_weigh(op, gone);
}

void quota_charge(struct op *op)
{
    size_t i;
    json_t *quota;

    json_array_foreach (op->charges, i, quota) {
        struct err err = ERR_EMPTY;
        struct store_write w = { .verb = STORE_UPDATE,
                                 .bucket = "resourcequotas",
                                 .ns = op->ns,
                                 .name = json_str(quota, "metadata.name"),
                                 .tree = quota };

        /* Read and written without a return to the loop: nothing came between.  A store that is
         * full or closing may still refuse; the quota is counted anew within minutes. */
        str_u64(json_str_or(quota, "metadata.resourceVersion", ""), &w.expect);
        store_submit(op->r->store, &w, NULL, NULL, NULL, &err);
    }
}
