/* Subresources that are more than "the object's status": one row each. */
#include "api/registry_impl.h"

#include "api/conditions.h"
#include "api/patch.h"
#include "api/pod_status.h"
#include "api/selector.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* --- binding: the scheduler says where a pod goes --- */

static void sub_binding(struct op *op, const struct registry_request *req)
{
    const char *node = json_str_or(req->body, "target.name", "");
    const char *at = json_str_or(op->old_tree, "spec.nodeName", "");
    cleanup(freep) char *why = NULL;
    json_t *status;

    op->http = 201;
    op->answer_status = true;
    if (node[0] == '\0')
        op_refuse(op, status_failure(ERR_INVALID, "Binding \"%s\" is invalid: target.name: "
                                                  "Required value", op->name));
    else if (json_at(op->old_tree, "metadata.deletionTimestamp") != NULL)
        why = mem_fmt("pod %s is being deleted, cannot be assigned to a host", op->name);
    else if (at[0] != '\0')
        why = mem_fmt("pod %s is already assigned to node \"%s\"", op->name, at);
    if (why != NULL)
        op_refuse(op, status_conflict(op->resource, op->name, why));
    op->tree = json_deep_copy(op->old_tree);
    json_put_str(op->tree, "spec.nodeName", node);
    status = json_at(op->tree, "status");
    if (status == NULL)
        json_object_set_new(op->tree, "status", status = json_object());
    condition_set(status, "PodScheduled", "True", NULL, NULL, op->r->opts.wall_ms(op->r->opts.arg));
    op_submit(op, STORE_UPDATE);
}

/* --- eviction: a deletion that asks the disruption budgets first --- */

/* The budgets that cover @pod; counts all, returns the last. */
static const struct object *eviction_budget(const struct op *op, unsigned *ret_n)
{
    const struct object *found = NULL;
    const struct object *o;
    struct store_iter it;

    *ret_n = 0;
    store_iter_init(&it, op->r->store, "poddisruptionbudgets.policy", op->ns, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        struct err err = ERR_EMPTY;
        cleanup(json_decrefpp) json_t *tree = object_tree(o);
        cleanup(selector_freep) struct selector *s = NULL;

        if (selector_from_json(&s, json_at(tree, "spec.selector"), &err) == 0
            && selector_matches(s, op->old)) {
            found = o;
            (*ret_n)++;
        }
    }
    return found;
}

static void eviction_refuse(struct op *op, const struct object *budget)
{
    json_t *status = status_failure(
        ERR_BUSY, "Cannot evict pod as it would violate the pod's disruption budget.");

    json_put(status, "details",
             json_pack("{s:[{s:s, s:s}]}", "causes", "reason", "DisruptionBudget", "message",
                       "The disruption budget does not allow another disruption now"));
    json_put_str(status, "details.name", budget->name);
    op_refuse(op, status);
}

/* Takes one disruption from the budget, so that two evictions at once cannot share it. */
static void eviction_charge(struct op *op, const struct object *budget)
{
    struct err err = ERR_EMPTY;
    const struct object *latest = store_latest(op->r->store, budget->bucket, budget->ns, budget->name);
    cleanup(json_decrefpp) json_t *tree = latest != NULL ? object_tree(latest) : NULL;
    struct store_write w = { .verb = STORE_UPDATE, .bucket = budget->bucket, .ns = budget->ns,
                             .name = budget->name, .tree = tree };
    int64_t allowed = json_int(tree, "status.disruptionsAllowed", 0);
    char now[40];

    if (tree == NULL || json_int(tree, "status.observedGeneration", 0)
                            < json_int(tree, "metadata.generation", 0) || allowed <= 0) {
        eviction_refuse(op, budget);
        return;
    }
    if (op->dry_run)
        return;
    meta_time(op->r, now);
    json_put_int(tree, "status.disruptionsAllowed", allowed - 1);
    if (json_at(tree, "status.disruptedPods") == NULL)
        json_put(tree, "status.disruptedPods", json_object());
    json_object_set_new(json_at(tree, "status.disruptedPods"), op->name, json_string(now));
    w.expect = latest->revision;
    if (store_submit(op->r->store, &w, NULL, NULL, NULL, &err) != STORE_OK)
        eviction_refuse(op, budget);
}

static void sub_eviction(struct op *op, const struct registry_request *req)
{
    struct registry_request del = *req;
    const struct object *budget;
    unsigned n;

    op->http = 201;
    del.verb = REGISTRY_DELETE;
    del.sub = "";
    del.body = json_at(req->body, "deleteOptions");
    budget = eviction_budget(op, &n);
    if (!pod_is_terminal(op->old_tree) && n > 1)
        op_refuse(op, status_failure(ERR_INTERNAL, "This pod has more than one PodDisruptionBudget, "
                                                   "which the eviction subresource does not support."));
    else if (!pod_is_terminal(op->old_tree) && n == 1 && !op->old->deleting)
        eviction_charge(op, budget);
    op->answer_status = true;
    if (op_ok(op))
        registry_delete(op, &del);
    else
        op_answer(op, NULL, NULL);
}

/* --- scale --- */

static const struct scale_kind {
    const char *bucket;
    bool selector_is_map;
} scale_kinds[] = {
    { "deployments.apps", false },
    { "replicasets.apps", false },
    { "statefulsets.apps", false },
    { "replicationcontrollers", true },
};

static const struct scale_kind *scale_find(const struct schema_resource *r)
{
    for (size_t i = 0; i < N_ELEMENTS(scale_kinds); i++)
        if (str_eq(r->bucket, scale_kinds[i].bucket))
            return &scale_kinds[i];
    return NULL;
}

static void scale_selector(struct text *ret, const json_t *tree, const struct scale_kind *kind)
{
    struct err err = ERR_EMPTY;
    cleanup(selector_freep) struct selector *s = NULL;

    if (kind->selector_is_map)
        s = selector_from_map(json_at(tree, "spec.selector"));
    else if (selector_from_json(&s, json_at(tree, "spec.selector"), &err) < 0)
        return;
    selector_print(s, ret);
}

static json_t *scale_make(const json_t *tree, const struct scale_kind *kind)
{
    cleanup(text_fini) struct text selector = TEXT_EMPTY;
    json_t *scale = json_pack("{s:s, s:s, s:{}, s:{s:I}, s:{s:I}}", "kind", "Scale", "apiVersion",
                              "autoscaling/v1", "metadata", "spec", "replicas",
                              (json_int_t)json_int(tree, "spec.replicas", 1), "status", "replicas",
                              (json_int_t)json_int(tree, "status.replicas", 0));
    static const char *const kept[] = { "metadata.name", "metadata.namespace", "metadata.uid",
                                        "metadata.resourceVersion", "metadata.creationTimestamp" };

    for (size_t i = 0; i < N_ELEMENTS(kept); i++)
        if (json_at(tree, kept[i]) != NULL)
            json_put(scale, kept[i], json_deep_copy(json_at(tree, kept[i])));
    scale_selector(&selector, tree, kind);
    if (selector.len > 0)
        json_put_str(scale, "status.selector", text_str(&selector));
    return scale;
}

json_t *registry_scale_of(const struct object *o, const struct schema_resource *resource)
{
    const struct scale_kind *kind = scale_find(resource);
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (kind == NULL)
        return NULL;
    tree = object_tree(o);
    return scale_make(tree, kind);
}

/* The wanted Scale: PUT brings it whole, PATCH changes the present one. */
static json_t *scale_wanted(struct op *op, const struct registry_request *req)
{
    struct err err = ERR_EMPTY;
    cleanup(json_decrefpp) json_t *now = scale_make(op->old_tree, scale_find(op->resource));
    json_t *wanted = NULL;
    int rc;

    if (req->verb == REGISTRY_UPDATE)
        return json_deep_copy(req->body);
    if (req->patch == REGISTRY_JSON_PATCH)
        rc = patch_json(&wanted, now, req->body, &err);
    else /* a Scale holds no lists: strategic and plain merge are the same */
        rc = patch_merge(&wanted, now, req->body, &err);
    if (rc < 0)
        op_refuse(op, status_from_err(&err));
    return wanted;
}

static void sub_scale(struct op *op, const struct registry_request *req)
{
    cleanup(json_decrefpp) json_t *wanted = scale_wanted(op, req);
    const json_t *replicas = json_at(wanted, "spec.replicas");
    const char *version = json_str(wanted, "metadata.resourceVersion");

    op->answer_scale = true;
    op->tree = json_deep_copy(op->old_tree);
    if (op_ok(op) && replicas != NULL && (!json_is_integer(replicas) || json_integer_value(replicas) < 0
                     || json_integer_value(replicas) > INT32_MAX))
        op_refuse(op, status_failure(ERR_INVALID,
                                     "Scale.autoscaling \"%s\" is invalid: spec.replicas: Invalid "
                                     "value: must be greater than or equal to 0", op->name));
    json_put_int(op->tree, "spec.replicas", replicas != NULL ? json_integer_value(replicas) : 0);
    json_put_str(op->tree, "metadata.resourceVersion",
                 str_empty(version) ? json_str_or(op->old_tree, "metadata.resourceVersion", "")
                                    : version);
    registry_update_rest(op);
}

/* --- namespaces/finalize: the only way to take the namespace's own finalizers away --- */

static void sub_finalize(struct op *op, const struct registry_request *req)
{
    json_t *finalizers = json_at(req->body, "spec.finalizers");

    op->http = 200;
    op->tree = json_deep_copy(op->old_tree);
    json_put(op->tree, "spec.finalizers",
             finalizers != NULL ? json_deep_copy(finalizers) : json_array());
    op_submit(op, registry_delete_is_due(op->tree) ? STORE_DELETE : STORE_UPDATE);
}

static void sub_refuse(struct op *op, const struct registry_request *req)
{
    (void)req;
    op_refuse(op, status_failure(ERR_METHOD, "the %s subresource of %s is not served by mkube yet",
                                 op->sub, op->resource->plural));
    op_answer(op, NULL, NULL);
}

static const struct sub_row {
    const char *bucket; /* NULL = any that has it */
    const char *sub;
    void (*write)(struct op *op, const struct registry_request *req);
} sub_rows[] = {
    { "pods", "binding", sub_binding },
    { "pods", "eviction", sub_eviction },
    { "pods", "ephemeralcontainers", sub_refuse },
    { "pods", "resize", sub_refuse },
    { "namespaces", "finalize", sub_finalize },
    { NULL, "scale", sub_scale },
};

bool registry_sub_write(struct op *op, const struct registry_request *req)
{
    for (size_t i = 0; i < N_ELEMENTS(sub_rows); i++) {
        const struct sub_row *row = &sub_rows[i];

        if (!str_eq(op->sub, row->sub)
            || (row->bucket != NULL && !str_eq(row->bucket, op->resource->bucket)))
            continue;
        if (str_eq(op->sub, "scale") && scale_find(op->resource) == NULL)
            continue;
        row->write(op, req);
        return true;
    }
    return false;
}
