/* Subresources that are more than "the object's status": one row each. */
#include "api/registry_impl.h"

#include "api/alias.h"
#include "api/conditions.h"
#include "api/custom.h"
#include "api/patch.h"
#include "api/pod_status.h"
#include "api/selector.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

/* --- binding: the scheduler says where a pod goes --- */

static void binding_check_body(struct op *op, const json_t *body)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    const char *kind = json_str_or(body, "target.kind", "");
    cleanup(json_decrefpp) json_t *given = json_string(kind);
    static const char *const kinds[] = { "Node", "<empty>", NULL };

    if (kind[0] != '\0' && !str_eq(kind, "Node"))
        field_not_supported(&errors, "target.kind", given, kinds);
    if (str_empty(json_str(body, "target.name")))
        field_required(&errors, "target.name", NULL);
    if (errors.n > 0)
        op_refuse(op, status_invalid(schema_bucket("pods"), op->name, &errors));
    field_errors_fini(&errors);
}

/* Why this pod cannot go to a node now; the caller's, NULL = it can. */
static char *binding_obstacle(const struct op *op, const json_t *body)
{
    const char *at = json_str_or(op->old_tree, "spec.nodeName", "");
    const char *uid = json_str_or(body, "metadata.uid", "");
    const char *old_uid = json_str_or(op->old_tree, "metadata.uid", "");

    if (uid[0] != '\0' && !str_eq(uid, old_uid))
        return mem_fmt("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
                       old_uid);
    if (json_at(op->old_tree, "metadata.deletionTimestamp") != NULL)
        return mem_fmt("pod %s is being deleted, cannot be assigned to a host", op->name);
    if (at[0] != '\0')
        return mem_fmt("pod %s is already assigned to node \"%s\"", op->name, at);
    if (json_array_size(json_at(op->old_tree, "spec.schedulingGates")) > 0)
        return mem_fmt("pod %s has non-empty .spec.schedulingGates", op->name);
    return NULL;
}

static void binding_apply(struct op *op, const json_t *body)
{
    json_t *status = json_at(op->tree, "status");
    const char *key;
    json_t *value;

    json_put_str(op->tree, "spec.nodeName", json_str(body, "target.name"));
    json_object_foreach (json_at(body, "metadata.annotations"), key, value) {
        if (json_at(op->tree, "metadata.annotations") == NULL)
            json_put(op->tree, "metadata.annotations", json_object());
        json_object_set(json_at(op->tree, "metadata.annotations"), key, value);
    }
    if (status == NULL)
        json_object_set_new(op->tree, "status", status = json_object());
    condition_set(status, "PodScheduled", "True", NULL, NULL, op->r->opts.wall_ms(op->r->opts.arg));
}

static void binding_store(struct op *op)
{
    cleanup(freep) char *why = NULL;

    if (op_ok(op) && (why = binding_obstacle(op, op->posted)) != NULL)
        op_refuse(op, status_conflict(op->resource, op->name, why));
    op->tree = json_deep_copy(op->old_tree);
    if (op_ok(op))
        binding_apply(op, op->posted);
    op_submit(op, STORE_UPDATE);
}

static void sub_binding(struct op *op, const struct registry_request *req)
{
    op->http = 201;
    op->answer_status = true;
    op->posted = json_deep_copy(req->body);
    op_decode_as(op, op->posted, schema_type("core/v1.Binding"));
    if (op_ok(op))
        binding_check_body(op, op->posted);
    op_ask_both(op, binding_store);
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

        if (selector_from_json(&s, json_at(tree, "spec.selector"), &err) == 0 &&
            selector_matches(s, op->old)) {
            found = o;
            (*ret_n)++;
        }
    }
    return found;
}

static void eviction_refuse(struct op *op, const char *message, const char *cause)
{
    json_t *status = status_failure(ERR_BUSY, "%s", message);

    json_put(status, "details.causes",
             json_pack("[{s:s, s:s}]", "reason", "DisruptionBudget", "message", cause));
    op_refuse(op, status);
}

/* The budget's controller has not seen the newest pods or rules: counts cannot be trusted. */
static bool eviction_is_stale(const json_t *budget)
{
    return json_int(budget, "status.observedGeneration", 0) <
           json_int(budget, "metadata.generation", 0);
}

static void eviction_check(struct op *op, const json_t *tree)
{
    const char *name = json_str_or(tree, "metadata.name", "");
    cleanup(freep) char *why = NULL;

    if (eviction_is_stale(tree)) {
        why = mem_fmt("The disruption budget %s is still being processed by the server.", name);
        eviction_refuse(op, "Cannot evict pod as it would violate the pod's disruption budget.",
                        why);
        json_put_int(op->status, "details.retryAfterSeconds", 10);
    } else if (json_int(tree, "status.disruptionsAllowed", 0) <= 0) {
        why = mem_fmt("The disruption budget %s needs %lld healthy pods and has %lld currently",
                      name, (long long)json_int(tree, "status.desiredHealthy", 0),
                      (long long)json_int(tree, "status.currentHealthy", 0));
        eviction_refuse(op, "Cannot evict pod as it would violate the pod's disruption budget.",
                        why);
    }
}

/* Takes one disruption from the budget, so that two evictions at once cannot share it. */
static void eviction_charge(struct op *op, const struct object *budget)
{
    struct err err = ERR_EMPTY;
    const struct object *latest = store_latest(op->r->store, budget->bucket, budget->ns,
                                               budget->name);
    cleanup(json_decrefpp) json_t *tree = latest != NULL ? object_tree(latest) : NULL;
    struct store_write w = { .verb = STORE_UPDATE,
                             .bucket = budget->bucket,
                             .ns = budget->ns,
                             .name = budget->name,
                             .tree = tree };
    char now[40];
    int rc;

    if (tree == NULL) /* the budget is going: nobody needs it any more */
        return;
    eviction_check(op, tree);
    if (!op_ok(op) || op->dry_run)
        return;
    meta_time(op->r, now);
    json_put_int(tree, "status.disruptionsAllowed",
                 json_int(tree, "status.disruptionsAllowed", 0) - 1);
    if (json_at(tree, "status.disruptedPods") == NULL)
        json_put(tree, "status.disruptedPods", json_object());
    json_object_set_new(json_at(tree, "status.disruptedPods"), op->name, json_string(now));
    w.expect = latest->revision;
    rc = store_submit(op->r->store, &w, NULL, NULL, NULL, &err);
    assert(rc <= 0); /* it was read just now */
    if (rc < 0)
        op_refuse(op, status_from_err(&err));
}

/* Pods that serve nobody yet, or no more, need no budget. */
static bool eviction_is_free(const struct op *op)
{
    return pod_is_terminal(op->old_tree) || op->old->deleting ||
           str_eq(json_str_or(op->old_tree, "status.phase", ""), "Pending");
}

/* A pod that is not ready counts for nothing in a budget that is met, or that says so. */
static bool eviction_is_unhealthy_free(const struct op *op, const struct object *budget)
{
    cleanup(json_decrefpp) json_t *tree = object_tree(budget);
    int64_t desired = json_int(tree, "status.desiredHealthy", 0);

    if (condition_is(json_at(op->old_tree, "status"), "Ready", "True") || eviction_is_stale(tree))
        return false;
    if (str_eq(json_str(tree, "spec.unhealthyPodEvictionPolicy"), "AlwaysAllow"))
        return true;
    return desired > 0 && json_int(tree, "status.currentHealthy", 0) >= desired;
}

static struct registry_request eviction_deletion(const struct op *op)
{
    struct registry_request del = *op->req;

    del.verb = REGISTRY_DELETE;
    del.sub = "";
    del.body = json_at(op->posted, "deleteOptions");
    return del;
}

/* The deletion itself is not asked about again, as in Kubernetes. */
static void eviction_go(struct op *op)
{
    struct registry_request del = eviction_deletion(op);
    const struct object *budget;
    unsigned n;

    registry_delete_check(op, &del); /* before a budget pays for it */
    budget = eviction_budget(op, &n);
    if (op_ok(op) && !eviction_is_free(op) && n > 1)
        op_refuse(op,
                  status_failure(ERR_INTERNAL, "This pod has more than one PodDisruptionBudget, "
                                               "which the eviction subresource does not support."));
    else if (op_ok(op) && !eviction_is_free(op) && n == 1 &&
             !eviction_is_unhealthy_free(op, budget))
        eviction_charge(op, budget);
    if (op_ok(op))
        registry_delete(op, &del);
    else
        op_answer(op, NULL, NULL);
}

static void sub_eviction(struct op *op, const struct registry_request *req)
{
    struct registry_request del;

    op->http = 201;
    op->answer_status = true;
    op->posted = json_deep_copy(req->body);
    del = eviction_deletion(op);
    registry_delete_check(op, &del); /* a dry run is one for the webhooks, too */
    op_ask_both(op, eviction_go);
}

/* --- scale --- */

enum scale_selector { SCALE_LABEL_SELECTOR, SCALE_MAP, SCALE_TEXT };

struct scale_kind {
    const char *bucket;
    enum scale_selector form;
    const char *wanted, *have, *selector; /* where they stand; selector may be NULL */
    int64_t otherwise;                    /* replicas, when none are said */
};

#define SCALE_KIND(bucket, form)                                                 \
    {                                                                            \
        (bucket), (form), "spec.replicas", "status.replicas", "spec.selector", 1 \
    }

static const struct scale_kind scale_kinds[] = {
    SCALE_KIND("deployments.apps", SCALE_LABEL_SELECTOR),
    SCALE_KIND("replicasets.apps", SCALE_LABEL_SELECTOR),
    SCALE_KIND("statefulsets.apps", SCALE_LABEL_SELECTOR),
    SCALE_KIND("replicationcontrollers", SCALE_MAP),
};

/* False: the kind has none. */
static bool scale_find(struct scale_kind *ret, const struct schema_resource *r)
{
    if (r->custom != NULL && custom_version(r)->scale_spec != NULL) {
        const struct custom_version *v = custom_version(r);

        *ret = (struct scale_kind){ r->bucket,       SCALE_TEXT,        v->scale_spec,
                                    v->scale_status, v->scale_selector, 0 };
        return true;
    }
    for (size_t i = 0; i < N_ELEMENTS(scale_kinds); i++)
        if (str_eq(r->bucket, scale_kinds[i].bucket)) {
            *ret = scale_kinds[i];
            return true;
        }
    return false;
}

static void scale_selector(struct text *ret, const json_t *tree, const struct scale_kind *kind)
{
    struct err err = ERR_EMPTY;
    cleanup(selector_freep) struct selector *s = NULL;

    if (kind->form == SCALE_TEXT) {
        text_puts(ret, kind->selector != NULL ? json_str_or(tree, kind->selector, "") : "");
        return;
    }
    if (kind->form == SCALE_MAP)
        s = selector_from_map(json_at(tree, kind->selector));
    else if (selector_from_json(&s, json_at(tree, kind->selector), &err) < 0)
        return;
    selector_print(s, ret);
}

static json_t *scale_make(const json_t *tree, const struct scale_kind *kind)
{
    cleanup(text_fini) struct text selector = TEXT_EMPTY;
    json_t *scale = json_pack("{s:s, s:s, s:{}, s:{s:I}, s:{s:I}}", "kind", "Scale", "apiVersion",
                              "autoscaling/v1", "metadata", "spec", "replicas",
                              (json_int_t)json_int(tree, kind->wanted, kind->otherwise), "status",
                              "replicas", (json_int_t)json_int(tree, kind->have, 0));
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

json_t *registry_scale_of(const json_t *tree, const struct schema_resource *resource)
{
    struct scale_kind kind;
    const struct schema_resource *said;

    if (custom_converts(resource)) { /* each version has its own paths */
        said = schema_by_api_version(json_str_or(tree, "apiVersion", ""), resource->kind);
        resource = said != NULL ? said : resource;
    }

    return scale_find(&kind, resource) ? scale_make(tree, &kind) : NULL;
}

/* The wanted Scale: PUT brings it whole, PATCH changes the present one. */
static json_t *scale_wanted(struct op *op, const struct registry_request *req)
{
    struct err err = ERR_EMPTY;
    cleanup(json_decrefpp) json_t *now = registry_scale_of(op->old_tree, op->spoken);
    json_t *wanted = NULL;
    int rc;

    if (req->verb == REGISTRY_UPDATE)
        return json_deep_copy(req->body);
    if (req->patch == REGISTRY_APPLY_PATCH) {
        struct scale_kind kind;

        scale_find(&kind, op->spoken);
        return op_managed_apply_scale(op, req, now, kind.wanted);
    }
    if (req->patch == REGISTRY_JSON_PATCH)
        rc = patch_json(&wanted, now, req->body, &err);
    else /* a Scale holds no lists: strategic and plain merge are the same */
        rc = patch_merge(&wanted, now, req->body, &err);
    if (rc < 0)
        op_refuse(op, status_from_err(&err));
    return wanted;
}

/* `Scale.autoscaling "web" is invalid: ...` */
static void scale_check(struct op *op, const json_t *wanted)
{
    static const struct schema_resource scale = { .group = "autoscaling", .kind = "Scale" };
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    const char *name = json_str_or(wanted, "metadata.name", op->name);
    const json_t *replicas = json_at(wanted, "spec.replicas");

    if (!str_eq(name, op->name))
        op_refuse(op, status_failure(ERR_BAD_REQUEST,
                                     "the name of the object (%s) does not match the name on "
                                     "the URL (%s)",
                                     name, op->name));
    if (replicas != NULL && json_integer_value(replicas) < 0)
        field_invalid(&errors, "spec.replicas", replicas, "must be greater than or equal to 0");
    if (errors.n > 0)
        op_refuse(op, status_invalid(&scale, op->name, &errors));
    field_errors_fini(&errors);
}

void op_scale_take(struct op *op, const json_t *scale)
{
    struct scale_kind kind;

    if (scale_find(&kind, op->spoken))
        json_put_int(op->tree, kind.wanted, json_int(scale, "spec.replicas", 0));
}

static void sub_scale(struct op *op, const struct registry_request *req)
{
    cleanup(json_decrefpp) json_t *wanted = scale_wanted(op, req);
    static const char *const kept[] = { "metadata.resourceVersion", "metadata.uid" };
    struct scale_kind kind;

    scale_find(&kind, op->spoken);
    op->answer_scale = true;
    if (op_ok(op))
        op_decode_as(op, wanted, schema_type("autoscaling/v1.Scale"));
    if (op_ok(op))
        scale_check(op, wanted);
    op->tree = json_deep_copy(op->old_tree);
    alias_from_stored(op->tree, op->spoken);
    json_put_int(op->tree, kind.wanted, json_int(wanted, "spec.replicas", 0));
    for (size_t i = 0; i < N_ELEMENTS(kept); i++)
        if (!str_empty(json_str(wanted, kept[i])))
            json_put_str(op->tree, kept[i], json_str(wanted, kept[i]));
    registry_update_rest(op);
}

/* --- namespaces/finalize: the only way to take the namespace's own finalizers away --- */

static void finalize_store(struct op *op)
{
    op->gone = op_ok(op) && registry_delete_is_due(op->tree);
    if (op_ok(op) && json_equal(op->tree, op->old_tree))
        op_answer_same(op);
    else
        op_submit(op, op->gone ? STORE_DELETE : STORE_UPDATE);
}

static void sub_finalize(struct op *op, const struct registry_request *req)
{
    json_t *finalizers;

    op->tree = json_deep_copy(req->body);
    op_decode_as(op, op->tree, op->resource->type);
    if (op_ok(op))
        meta_check_version(op);
    finalizers = json_incref(json_at(op->tree, "spec.finalizers"));
    json_decref(op->tree);
    op->tree = json_deep_copy(op->old_tree);
    if (json_array_size(finalizers) > 0)
        json_put(op->tree, "spec.finalizers", finalizers);
    else
        json_del(op->tree, "spec.finalizers");
    op_ask_both(op, finalize_store);
}

static const struct sub_row {
    const char *bucket; /* NULL = any that has it */
    const char *sub;
    void (*write)(struct op *op, const struct registry_request *req);
} sub_rows[] = {
    { "pods", "binding", sub_binding },
    { "pods", "eviction", sub_eviction },
    { "serviceaccounts", "token", registry_connect }, /* issued by the server */
    { "namespaces", "finalize", sub_finalize },
    { NULL, "scale", sub_scale },
};

bool registry_sub_write(struct op *op, const struct registry_request *req)
{
    struct scale_kind kind;

    for (size_t i = 0; i < N_ELEMENTS(sub_rows); i++) {
        const struct sub_row *row = &sub_rows[i];

        if (!str_eq(op->sub, row->sub) ||
            (row->bucket != NULL && !str_eq(row->bucket, op->resource->bucket)))
            continue;
        if (str_eq(op->sub, "scale") && !scale_find(&kind, op->spoken))
            continue;
        row->write(op, req);
        return true;
    }
    return false;
}
