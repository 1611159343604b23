/* Webhooks in the way of a write: mutating ones one after another, each with what the one before
 * made of the object, and once more those that want to (reinvocationPolicy); then, when built-in
 * validation is through, the validating ones all at once.  In the order of Kubernetes'
 * mutating/dispatcher.go and validating/dispatcher.go. */
#include "api/registry_impl.h"

#include "api/alias.h"
#include "api/custom.h"
#include "api/decode.h"
#include "api/hook_review.h"
#include "api/patch.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>

struct hook_run {
    struct op *op;
    size_t index;                      /* in the set */
    const struct schema_resource *row; /* held */
    char uid[BITS_UUID_MAX];
};

struct hook_ran {
    bool was;
    unsigned changes; /* of the walk, when it had been heard */
    json_t *refusal;  /* owned */
};

struct op_walk {
    struct hook_set *set; /* a reference */
    void (*next)(struct op *op);
    struct hook_ran *ran; /* one per hook */
    size_t at;            /* mutating: the next to be looked at */
    bool again;           /* mutating: the second round */
    unsigned changes;     /* mutating: how often the object came back changed */
    unsigned admitted;    /* mutating: of those, seen by built-in admission */
    size_t n_open;        /* validating: answers that are missing */
};

/* --- the set --- */

void registry_hooks_load(struct registry *r)
{
    for (int stage = 0; stage < HOOK_STAGES; stage++) {
        hook_set_unref(r->hooks[stage]);
        r->hooks[stage] = hook_set_load(r->store, (enum hook_stage)stage);
    }
}

void op_hooks_committed(struct op *op)
{
    op_policies_committed(op);
    if (str_eq(op->resource->bucket, HOOKS_MUTATING) ||
        str_eq(op->resource->bucket, HOOKS_VALIDATING))
        registry_hooks_load(op->r);
}

void registry_on_outcall(struct registry *r, const struct registry_outcall *out)
{
    r->out = out != NULL ? *out : (struct registry_outcall){ 0 };
    r->has_out = true;
}

/* --- what is asked --- */

void op_view_fini(struct op_view *v)
{
    json_decref(v->object);
    json_decref(v->old);
    json_decref(v->ns);
}

static const char *op_operation(const struct op *op)
{
    static const char *const names[] = {
        [REGISTRY_CREATE] = "CREATE", [REGISTRY_UPDATE] = "UPDATE",   [REGISTRY_PATCH] = "UPDATE",
        [REGISTRY_DELETE] = "DELETE", [REGISTRY_CONNECT] = "CONNECT",
    };

    /* Some PUTs create. */
    return op->old == NULL && op->req->verb != REGISTRY_CONNECT ? "CREATE" : names[op->req->verb];
}

/* The state as its author speaks of it: a Scale, or the object itself. */
static json_t *op_view_tree(const struct op *op, json_t *tree)
{
    if (tree == NULL)
        return NULL;
    return op->answer_scale ? registry_scale_of(tree, op->spoken) : json_incref(tree);
}

static void op_view_namespace(struct op_view *v, const struct op *op)
{
    struct hook_subject *s = &v->subject;
    bool is_one = str_eq(op->resource->bucket, "namespaces");
    const struct object *o;

    s->ns = is_one ? s->name : op->ns;
    s->has_namespace = s->ns[0] != '\0' || is_one;
    if (is_one && op->sub[0] == '\0' && s->object != NULL) {
        s->namespace_labels = json_at(s->object, "metadata.labels");
        return;
    }
    o = s->has_namespace ? store_latest(op->r->store, "namespaces", "", s->ns) : NULL;
    v->ns = o != NULL ? object_tree(o) : NULL;
    s->namespace_labels = json_at(v->ns, "metadata.labels");
}

void op_view_init(struct op_view *v, const struct op *op)
{
    const char *operation = op_operation(op);
    bool creates = str_eq(operation, "CREATE") || str_eq(operation, "CONNECT");

    *v = (struct op_view){ .subject = {
                               .operation = operation, .resource = op->spoken, .sub = op->sub } };
    if (op->posted != NULL)
        v->object = json_incref(op->posted);
    else if (op->req->verb != REGISTRY_DELETE)
        v->object = op_view_tree(op, op->tree);
    if (!creates) {
        cleanup(json_decrefpp) json_t *old = op_managed_old_tree(op);

        v->old = op_view_tree(op, old);
    }
    v->subject.object = v->object;
    v->subject.old = v->old;
    v->subject.name = op->name[0] != '\0' ? op->name : json_str_or(v->object, "metadata.name", "");
    op_view_namespace(v, op);
    hook_subject_rows(&v->subject);
}

/* @tree of the view in the words of @row; the caller's. */
json_t *op_view_as(const struct op *op, json_t *tree, const struct schema_resource *row)
{
    json_t *copy;

    if (tree == NULL || op->posted != NULL || op->answer_scale || row == op->resource)
        return json_incref(tree);
    copy = json_deep_copy(tree);
    alias_from_stored(copy, row);
    return copy;
}

json_t *op_options(const struct op *op, const char *operation)
{
    const struct registry_request *req = op->req;
    bool deletes = req->verb == REGISTRY_DELETE;
    bool creates = str_eq(operation, "CREATE");
    json_t *options;

    if (req->verb == REGISTRY_CONNECT)
        return json_null();
    options = deletes && json_is_object(req->body) ? json_deep_copy(req->body) : json_object();
    json_put_str(options, "kind",
                 deletes ? "DeleteOptions" : (creates ? "CreateOptions" : "UpdateOptions"));
    json_put_str(options, "apiVersion", "meta.k8s.io/v1");
    if (op->dry_run)
        json_put(options, "dryRun", json_pack("[s]", "All"));
    if (deletes && req->grace_seconds >= 0)
        json_put_int(options, "gracePeriodSeconds", req->grace_seconds);
    if (deletes && req->propagation != NULL)
        json_put_str(options, "propagationPolicy", req->propagation);
    return options;
}

/* --- one webhook --- */

static struct hook *run_hook(const struct hook_run *run)
{
    return &run->op->walk->set->hooks[run->index];
}

/* It could not be asked, or its answer means nothing: failurePolicy says what that means. */
static void run_failed(struct hook_run *run, const struct err *err)
{
    struct hook *h = run_hook(run);

    if (!h->ignores_failure)
        run->op->walk->ran[run->index].refusal = status_failure(
            ERR_INTERNAL, "Internal error occurred: failed calling webhook \"%s\": %s", h->name,
            err->text);
}

/* What came back in place of op->posted, or of the Scale in op->tree, or of op->tree. */
static void op_take(struct op *op, json_t *tree_steal, const struct schema_resource *row)
{
    const struct schema_resource *spoken = op->spoken;
    enum registry_validation validation = op->validation;
    cleanup(json_decrefpp) json_t *tree = tree_steal;
    cleanup(json_decrefpp) json_t *owners = NULL;

    if (op->posted != NULL) {
        json_decref(op->posted);
        op->posted = STEAL(tree);
        return;
    }
    if (op->answer_scale) {
        op_scale_take(op, tree);
        return;
    }
    owners = json_incref(json_at(op->tree, "metadata.managedFields"));
    json_decref(op->tree);
    op->tree = STEAL(tree);
    op->spoken = row;
    op->validation = REGISTRY_IGNORE;
    op_decode(op);
    op->spoken = spoken;
    op->validation = validation;
    op_managed_admitted(op, owners);
}

static void run_patch(struct hook_run *run, const json_t *ops)
{
    struct op *op = run->op;
    struct op_view view;
    cleanup(json_decrefpp) json_t *before = NULL;
    cleanup(json_decrefpp) json_t *after = NULL;
    struct err err = ERR_EMPTY;

    op_view_init(&view, op);
    before = op_view_as(op, view.object, run->row);
    op_view_fini(&view);
    if (before == NULL) {
        op_refuse(op, status_failure(ERR_INTERNAL,
                                     "Internal error occurred: admission webhook \"%s\" attempted "
                                     "to modify the object, which is not supported for this "
                                     "operation",
                                     run_hook(run)->name));
        return;
    }
    if (patch_json(&after, before, ops, &err) < 0) {
        op_refuse(op, status_failure(ERR_INTERNAL, "Internal error occurred: %s", err.text));
        return;
    }
    if (json_equal(before, after))
        return;
    op->walk->changes++;
    op_take(op, STEAL(after), run->row);
    if (!op_ok(op)) { /* the webhook's fault, not the client's */
        cleanup(json_decrefpp) json_t *why = STEAL(op->status);

        op_refuse(op, status_failure(ERR_INTERNAL, "Internal error occurred: %s",
                                     json_str_or(why, "message", "")));
    }
}

static void run_hear(struct hook_run *run, struct hook_verdict *v)
{
    struct hook_ran *ran = &run->op->walk->ran[run->index];
    size_t i;
    json_t *item;

    json_array_foreach (v->warnings, i, item)
        op_warn(run->op, "%s", json_string_value(item));
    op_annotate(run->op, v->annotations);
    if (v->status != NULL)
        ran->refusal = STEAL(v->status);
    else if (v->patch != NULL)
        run_patch(run, v->patch);
    ran->changes = run->op->walk->changes;
    hook_verdict_fini(v);
}

static void run_free(struct hook_run *run)
{
    custom_release(run->row);
    free(run);
}

static void walk_mutate(struct op *op);
static void walk_validated(struct op *op);

static void run_on_posted(void *arg, int rc, int http, const char *body, size_t len,
                          const struct err *post_err)
{
    struct hook_run *run = arg;
    struct op *op = run->op;
    struct hook_verdict verdict = { 0 };
    enum hook_stage stage = op->walk->set->stage;
    struct err err = ERR_EMPTY;

    if (rc < 0)
        rc = err_set(&err, rc, "failed to call webhook: %s", post_err->text);
    else
        rc = hook_review_read(&verdict, run_hook(run), stage, run->uid, http, body, len, &err);
    if (rc < 0)
        run_failed(run, &err);
    else
        run_hear(run, &verdict);
    run_free(run);
    if (stage == HOOK_MUTATE)
        walk_mutate(op);
    else
        walk_validated(op);
}

/* True: the answer will come. */
static bool run_post(struct hook_run *run, const struct op_view *v)
{
    struct op *op = run->op;
    const struct hook *h = run_hook(run);
    cleanup(json_decrefpp) json_t *object = op_view_as(op, v->object, run->row);
    cleanup(json_decrefpp) json_t *old = op_view_as(op, v->old, run->row);
    cleanup(json_decrefpp) json_t *options = op_options(op, v->subject.operation);
    cleanup(freep) char *body = NULL;
    const struct hook_question q = { .subject = &v->subject,
                                     .row = run->row,
                                     .uid = run->uid,
                                     .object = object,
                                     .old = old,
                                     .options = options,
                                     .user = op->user,
                                     .dry_run = op->dry_run };
    struct registry_post post = { .client_config = json_object_get(h->spec, "clientConfig"),
                                  .timeout_ms = h->timeout_ms };
    struct err err = ERR_EMPTY;

    if (op->dry_run && !h->is_free_of_effects)
        op->walk->ran[run->index].refusal = status_failure(
            ERR_BAD_REQUEST, "admission webhook \"%s\" does not support dry run", h->name);
    else if (h->is_broken || h->review == NULL)
        err_set(&err, ERR_INVALID,
                "could not create admission objects: webhook does not accept known "
                "AdmissionReview versions (v1, v1beta1)");
    else if (op->r->out.post == NULL)
        err_set(&err, ERR_UNAVAILABLE, "failed to call webhook: the server is shutting down");
    else {
        post.body = body = hook_review_write(h, &q, &post.len);
        op_park(op);
        op->r->out.post(op->r->out.arg, &post, run_on_posted, run);
        return true;
    }
    if (err.code != 0)
        run_failed(run, &err);
    return false;
}

/* Whether the webhook's matchConditions hold; what cannot be told is a failure of the webhook. */
static bool run_is_met(struct hook_run *run, const struct op_view *v)
{
    struct op *op = run->op;
    const struct hook *h = run_hook(run);
    cleanup(op_facts_fini) struct op_facts facts = { 0 };
    cleanup(cel_context_freep) struct cel_context *c = NULL;
    struct cel_value vars[REVIEW_VARS];
    struct err err = ERR_EMPTY;
    int rc;

    if (h->conditions == NULL)
        return true;
    op_facts_init(&facts, op, v, run->row);
    c = cel_context_new(REVIEW_CEL_BUDGET);
    review_cel_values(vars, c, &facts.facts);
    rc = review_conditions_hold(h->conditions, c, vars, &err);
    if (rc < 0 && !h->ignores_failure)
        op->walk->ran[run->index].refusal = status_forbidden(op->resource, v->subject.name,
                                                             err.text);
    return rc == 1;
}

/* True: the answer will come. */
static bool walk_ask(struct op *op, size_t index, const struct op_view *v,
                     const struct schema_resource *row)
{
    struct hook_run *run = MEM_NEW(struct hook_run);

    run->op = op;
    run->index = index;
    run->row = row;
    custom_hold(row);
    bits_uuid(run->uid);
    op->walk->ran[index].was = true;
    if (run_is_met(run, v) && run_post(run, v))
        return true;
    run_free(run);
    return false;
}

/* --- the walk --- */

static void walk_free(struct op_walk *w)
{
    for (size_t i = 0; i < w->set->n; i++)
        json_decref(w->ran[i].refusal);
    free(w->ran);
    hook_set_unref(w->set);
    free(w);
}

static void walk_end(struct op *op)
{
    struct op_walk *w = STEAL(op->walk);
    void (*next)(struct op * op) = w->next;

    walk_free(w);
    op->r->n_parked--;
    if (op->kept != NULL)
        op_resume(op, next);
    else
        next(op);
}

/* --- mutating --- */

static bool walk_is_due(const struct op_walk *w, size_t i)
{
    const struct hook_ran *ran = &w->ran[i];

    return !w->again || (ran->was && w->set->hooks[i].may_repeat && ran->changes != w->changes);
}

/* True: an answer will come. */
static bool walk_round(struct op *op)
{
    struct op_walk *w = op->walk;

    while (w->at < w->set->n && op_ok(op)) {
        size_t i = w->at++;
        const struct schema_resource *row;
        struct op_view view;
        bool asked = false;

        if (!walk_is_due(w, i))
            continue;
        op_view_init(&view, op);
        row = hook_wants(&w->set->hooks[i], &view.subject);
        if (row != NULL)
            asked = walk_ask(op, i, &view, row);
        op_view_fini(&view);
        if (asked)
            return true;
        if (w->ran[i].refusal != NULL)
            op_refuse(op, STEAL(w->ran[i].refusal));
    }
    return false;
}

/* What came back is looked at by built-in admission again, which may change it in turn. */
static void walk_readmit(struct op *op)
{
    struct op_walk *w = op->walk;
    cleanup(json_decrefpp) json_t *before = NULL;

    if (w->changes == w->admitted || !op_ok(op))
        return;
    before = json_deep_copy(op->tree);
    op_readmit(op);
    if (!json_equal(before, op->tree))
        w->changes++;
    w->admitted = w->changes;
}

static void walk_mutate(struct op *op)
{
    struct op_walk *w = op->walk;

    if (w->at > 0 && w->ran[w->at - 1].refusal != NULL)
        op_refuse(op, STEAL(w->ran[w->at - 1].refusal));
    if (walk_round(op))
        return;
    walk_readmit(op);
    if (!w->again && w->changes > 0 && op_ok(op)) {
        w->again = true;
        w->at = 0;
        if (walk_round(op))
            return;
        walk_readmit(op);
    }
    walk_end(op);
}

/* --- validating --- */

static void walk_validated(struct op *op)
{
    struct op_walk *w = op->walk;

    if (--w->n_open > 0)
        return;
    for (size_t i = 0; i < w->set->n; i++)
        if (w->ran[i].refusal != NULL)
            op_refuse(op, STEAL(w->ran[i].refusal));
    walk_end(op);
}

static void walk_validate(struct op *op, const struct op_view *v)
{
    struct op_walk *w = op->walk;

    w->n_open = 1; /* until all were asked */
    for (size_t i = 0; i < w->set->n; i++) {
        const struct schema_resource *row = hook_wants(&w->set->hooks[i], &v->subject);

        if (row != NULL && walk_ask(op, i, v, row))
            w->n_open++;
    }
    walk_validated(op);
}

/* --- the door --- */

static bool walk_has_interest(const struct hook_set *set, const struct op_view *v)
{
    for (size_t i = 0; i < set->n; i++)
        if (hook_wants(&set->hooks[i], &v->subject) != NULL)
            return true;
    return false;
}

/* False: nobody can be asked just now. */
static bool walk_begin(struct op *op, struct hook_set *set, void (*next)(struct op *op))
{
    json_t *status;

    if (op->r->n_parked >= REGISTRY_PARKED_MAX) {
        status = status_failure(ERR_BUSY, "too many requests wait for webhooks, please try again "
                                          "later");
        json_put_int(status, "details.retryAfterSeconds", 1);
        op_refuse(op, status);
        return false;
    }
    op->r->n_parked++;
    op->walk = MEM_NEW(struct op_walk);
    op->walk->set = hook_set_ref(set);
    op->walk->ran = MEM_NEW_ARRAY(struct hook_ran, set->n);
    op->walk->next = next;
    return true;
}

void op_ask(struct op *op, enum hook_stage stage, void (*next)(struct op *op))
{
    struct hook_set *set = op->r->hooks[stage];
    struct op_view view;

    if (stage == HOOK_VALIDATE)
        op_judge(op);
    if (set == NULL || !op->r->has_out || !op_ok(op) || hook_is_exempt(op->resource)) {
        next(op);
        return;
    }
    op_view_init(&view, op);
    if (!walk_has_interest(set, &view) || !walk_begin(op, set, next))
        next(op);
    else if (stage == HOOK_MUTATE)
        walk_mutate(op);
    else
        walk_validate(op, &view);
    op_view_fini(&view);
}

static void op_asked_first(struct op *op)
{
    op_ask(op, HOOK_VALIDATE, op->after);
}

void op_ask_both(struct op *op, void (*next)(struct op *op))
{
    op->after = next;
    op_ask(op, HOOK_MUTATE, op_asked_first);
}
