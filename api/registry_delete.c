/* Deletion: grace for pods, finalizers, three propagation policies (semantics section 4).
 *
 * Dependents are the garbage collector's work; here an owner is only marked for it. */
#include "api/registry_impl.h"

#include "api/conditions.h"
#include "api/custom.h"
#include "api/decode.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

struct delete_options {
    int64_t grace;             /* -1 = not given */
    const char *propagation;   /* NULL = not given */
    const char *uid, *version; /* preconditions or NULL */
};

static void delete_refuse(struct op *op, const char *field, const char *value, const char *known)
{
    op_refuse(op,
              status_failure(ERR_INVALID,
                             "DeleteOptions.meta.k8s.io \"\" is invalid: %s: Unsupported value: "
                             "\"%s\": supported values: %s",
                             field, value, known));
}

/* Negative seconds mean one (rest.BeforeDelete). */
static int64_t delete_seconds(int64_t given)
{
    return given < 0 ? 1 : given;
}

static struct delete_options delete_options_read(const struct registry_request *req)
{
    struct delete_options o = { .grace = req->grace_seconds, .propagation = req->propagation };

    if (req->body == NULL)
        return o;
    if (json_at(req->body, "gracePeriodSeconds") != NULL)
        o.grace = delete_seconds(json_int(req->body, "gracePeriodSeconds", 0));
    o.propagation = json_str_or(req->body, "propagationPolicy", o.propagation);
    o.uid = json_str(req->body, "preconditions.uid");
    o.version = json_str(req->body, "preconditions.resourceVersion");
    /* The old spelling of Orphan and Background. */
    if (o.propagation == NULL && json_at(req->body, "orphanDependents") != NULL)
        o.propagation = json_bool(req->body, "orphanDependents", false) ? "Orphan" : "Background";
    return o;
}

/* The body's form, before anything of it is believed. */
static void delete_check_body(struct op *op, const json_t *given)
{
    cleanup(json_decrefpp) json_t *body = json_deep_copy(given);
    const char *kind = json_str_or(body, "kind", "DeleteOptions");
    struct err err = ERR_EMPTY;
    json_t *dry;
    size_t i;

    if (given == NULL)
        return;
    if (!json_is_object(body))
        err_set(&err, ERR_BAD_REQUEST, "it is not a JSON object");
    else if (!str_eq(kind, "DeleteOptions"))
        err_set(&err, ERR_BAD_REQUEST, "it is a %s", kind);
    else
        decode_check(body, schema_type("meta/v1.DeleteOptions"), NULL, &err);
    if (err.code != 0)
        op_refuse(op,
                  status_failure(ERR_BAD_REQUEST,
                                 "the body cannot be handled as a DeleteOptions: %s", err.text));
    json_array_foreach (json_at(body, "dryRun"), i, dry) {
        op->dry_run = true;
        if (!str_eq(json_string_value(dry), "All"))
            delete_refuse(op, "dryRun", json_string_value(dry), "\"All\"");
    }
}

static void delete_check(struct op *op, const struct delete_options *o)
{
    static const char *const policies[] = { "Background", "Foreground", "Orphan" };
    const char *uid = json_str_or(op->old_tree, "metadata.uid", "");
    const char *version = json_str_or(op->old_tree, "metadata.resourceVersion", "");
    cleanup(freep) char *why = NULL;
    bool known = o->propagation == NULL;

    if (o->uid != NULL && !str_eq(o->uid, uid))
        why = mem_fmt("Precondition failed: UID in precondition: %s, UID in object meta: %s",
                      o->uid, uid);
    else if (o->version != NULL && !str_eq(o->version, version))
        why = mem_fmt("Precondition failed: ResourceVersion in precondition: %s, "
                      "ResourceVersion in object meta: %s",
                      o->version, version);
    if (why != NULL)
        op_refuse(op, status_conflict(op->resource, op->name, why));
    for (size_t i = 0; i < N_ELEMENTS(policies); i++)
        known = known || str_eq(o->propagation, policies[i]);
    if (!known)
        delete_refuse(op, "propagationPolicy", o->propagation,
                      "\"Background\", \"Foreground\", \"Orphan\"");
}

/* Seconds of grace for this object; only pods have any. */
static int64_t delete_grace(const struct op *op, const struct delete_options *o)
{
    const char *phase = json_str_or(op->old_tree, "status.phase", "");
    int64_t grace = o->grace;

    if (!str_eq(op->resource->bucket, "pods"))
        return 0;
    if (str_empty(json_str(op->old_tree, "spec.nodeName")) || str_eq(phase, "Succeeded") ||
        str_eq(phase, "Failed"))
        return 0;
    if (grace == -1)
        grace = json_int(op->old_tree, "spec.terminationGracePeriodSeconds", 30);
    return delete_seconds(grace);
}

static bool delete_has_finalizer(const json_t *tree, const char *name)
{
    size_t i;
    json_t *f;

    json_array_foreach (json_at(tree, "metadata.finalizers"), i, f)
        if (str_eq(json_string_value(f), name))
            return true;
    return false;
}

static void delete_drop_finalizer(json_t *tree, const char *name)
{
    json_t *list = json_at(tree, "metadata.finalizers");

    for (size_t i = json_array_size(list); i-- > 0;)
        if (str_eq(json_string_value(json_array_get(list, i)), name))
            json_array_remove(list, i);
    if (list != NULL && json_array_size(list) == 0)
        json_del(tree, "metadata.finalizers");
}

static void delete_add_finalizer(json_t *tree, const char *name)
{
    json_t *list = json_at(tree, "metadata.finalizers");

    if (delete_has_finalizer(tree, name))
        return;
    if (list == NULL)
        json_put(tree, "metadata.finalizers", list = json_array());
    json_array_append_new(list, json_string(name));
}

/* Foreground and Orphan are finalizers that the garbage collector takes away when it is done.
 * A later deletion may choose another policy. */
static void delete_mark_propagation(json_t *tree, const char *policy)
{
    static const struct {
        const char *policy, *finalizer;
    } rows[] = { { "Foreground", "foregroundDeletion" }, { "Orphan", "orphan" } };

    for (size_t i = 0; policy != NULL && i < N_ELEMENTS(rows); i++)
        if (str_eq(policy, rows[i].policy))
            delete_add_finalizer(tree, rows[i].finalizer);
        else
            delete_drop_finalizer(tree, rows[i].finalizer);
}

static bool delete_is_namespace(const struct op *op)
{
    return str_eq(op->resource->bucket, "namespaces");
}

/* What keeps an object after its grace is over. */
static bool delete_is_held(const json_t *tree)
{
    return json_array_size(json_at(tree, "metadata.finalizers")) > 0 ||
           (str_eq(json_str(tree, "kind"), "Namespace") &&
            json_array_size(json_at(tree, "spec.finalizers")) > 0);
}

bool registry_delete_is_due(const json_t *tree)
{
    return json_at(tree, "metadata.deletionTimestamp") != NULL && !delete_is_held(tree) &&
           json_int(tree, "metadata.deletionGracePeriodSeconds", 0) == 0;
}

/* When the grace began: now, or with the first deletion, whose end was @before seconds later. */
static int64_t delete_start(const struct op *op, int64_t before)
{
    int64_t end;

    if (before >= 0 &&
        clock_parse(json_str_or(op->old_tree, "metadata.deletionTimestamp", ""), &end))
        return end - before * 1000;
    return op->r->opts.wall_ms(op->r->opts.arg);
}

/* Marks the object as dying in @grace seconds.  A second deletion may only shorten. */
static void delete_mark(struct op *op, int64_t grace)
{
    char when[CLOCK_TEXT_MAX];
    bool dying = json_at(op->old_tree, "metadata.deletionTimestamp") != NULL;
    int64_t before = json_int(op->old_tree, "metadata.deletionGracePeriodSeconds", 0);

    if (dying && grace >= before)
        return;
    clock_print(when, delete_start(op, dying ? before : -1) + grace * 1000);
    json_put_str(op->tree, "metadata.deletionTimestamp", when);
    json_put_int(op->tree, "metadata.deletionGracePeriodSeconds", grace);
    if (!dying && json_at(op->tree, "metadata.generation") != NULL)
        json_put_int(op->tree, "metadata.generation",
                     json_int(op->tree, "metadata.generation", 0) + 1);
}

void registry_delete_check(struct op *op, const struct registry_request *req)
{
    struct delete_options o = delete_options_read(req);

    delete_check_body(op, req->body);
    if (op_ok(op))
        delete_check(op, &o);
    if (delete_is_namespace(op) && op_ok(op) &&
        (str_eq(op->name, "default") || str_eq(op->name, "kube-system") ||
         str_eq(op->name, "kube-public")))
        op_refuse(op,
                  status_forbidden(op->resource, op->name, "this namespace may not be deleted"));
}

void registry_delete(struct op *op, const struct registry_request *req)
{
    struct delete_options o = delete_options_read(req);
    int64_t grace = delete_grace(op, &o);

    registry_delete_check(op, req);
    if (!op_ok(op)) {
        op_answer(op, NULL, NULL);
        return;
    }
    op->tree = json_deep_copy(op->old_tree);
    if (str_eq(op->sub, "eviction") && json_at(op->tree, "status") != NULL)
        condition_set(json_at(op->tree, "status"), "DisruptionTarget", "True",
                      "EvictionByEvictionAPI", "Eviction API: evicting",
                      op->r->opts.wall_ms(op->r->opts.arg));
    delete_mark_propagation(op->tree, o.propagation);
    if (str_eq(op->resource->bucket, CUSTOM_BUCKET))
        delete_definition(op);
    if (grace == 0 && !delete_is_held(op->tree)) {
        op->answer_status = true;
        op->gone = true;
        op_submit(op, STORE_DELETE);
        return;
    }
    delete_mark(op, grace);
    if (delete_is_namespace(op))
        json_put_str(op->tree, "status.phase", "Terminating");
    if (json_equal(op->tree, op->old_tree))
        op_answer_same(op);
    else
        op_submit(op, STORE_UPDATE);
}

static void delete_apply(struct op *op)
{
    registry_delete(op, op->req);
}

void registry_delete_asked(struct op *op)
{
    registry_delete_check(op, op->req);
    op_ask_both(op, delete_apply);
}
