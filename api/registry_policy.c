/* Admission policies in the way of a write: after built-in validation, before validating webhooks. */
#include "api/registry_impl.h"

#include "api/hook_review.h"
#include "api/policy.h"
#include "base/mem.h"
#include "base/text.h"

/* --- the set --- */

void registry_policies_load(struct registry *r)
{
    policy_set_free(r->policies);
    r->policies = policy_set_load(r->store);
}

void op_policies_committed(struct op *op)
{
    if (str_eq(op->resource->bucket, POLICY_BUCKET) ||
        str_eq(op->resource->bucket, POLICY_BINDING_BUCKET))
        registry_policies_load(op->r);
}

/* --- what expressions are told --- */

void op_facts_init(struct op_facts *f, const struct op *op, const struct op_view *v,
                   const struct schema_resource *row)
{
    cleanup(json_decrefpp) json_t *options = op_options(op, v->subject.operation);
    const struct hook_question q = { .subject = &v->subject,
                                     .row = row,
                                     .uid = "",
                                     .options = options,
                                     .user = op->user,
                                     .dry_run = op->dry_run };

    f->object = op_view_as(op, v->object, row);
    f->old = op_view_as(op, v->old, row);
    f->request = hook_request(&q);
    f->facts = (struct review_facts){ .object = f->object, .old = f->old, .request = f->request };
    if (!str_eq(op->resource->bucket, "namespaces"))
        f->facts.ns = v->ns;
}

void op_facts_fini(struct op_facts *f)
{
    json_decref(f->object);
    json_decref(f->old);
    json_decref(f->request);
    *f = (struct op_facts){ 0 };
}

/* --- judging --- */

struct op_judging {
    const struct op *op;
    const struct op_view *view;
    const struct schema_resource *row; /* of the facts at hand */
    struct op_facts facts;
};

/* Made once for each version that policies speak of; most speak of one. */
static void op_tell(void *arg, const struct schema_resource *row, struct review_facts *ret)
{
    struct op_judging *j = arg;

    if (j->row != row) {
        op_facts_fini(&j->facts);
        op_facts_init(&j->facts, j->op, j->view, row);
        j->row = row;
    }
    *ret = j->facts.facts;
}

static int op_denial_code(const char *reason)
{
    static const int codes[] = { ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_LIMIT };

    for (size_t i = 0; i < N_ELEMENTS(codes); i++)
        if (str_eq(reason, err_reason(codes[i])))
            return codes[i];
    return ERR_INVALID;
}

static void op_deny(struct op *op, const struct op_view *view, const json_t *cause)
{
    const char *message = json_str_or(cause, "message", "");
    int code = op_denial_code(json_str_or(cause, "reason", ""));
    json_t *status = status_forbidden(op->resource, view->subject.name, message);

    json_put_str(status, "reason", err_reason(code));
    json_put_int(status, "code", err_http(code));
    json_put(status, "details.causes", json_pack("[{s:s}]", "message", message));
    op_refuse(op, status);
}

void op_judge(struct op *op)
{
    struct policy_verdict verdict = { 0 };
    struct op_judging j = { .op = op };
    struct op_view view;
    const json_t *item;
    size_t i;

    if (op->r->policies == NULL || !op_ok(op) || hook_is_exempt(op->resource))
        return;
    op_view_init(&view, op);
    j.view = &view;
    policy_set_judge(op->r->policies, op->r->store, &view.subject, op_tell, &j, &verdict);
    json_array_foreach (verdict.warnings, i, item)
        op_warn(op, "%s", json_string_value(item));
    op_annotate(op, verdict.annotations);
    if (verdict.causes != NULL)
        op_deny(op, &view, json_array_get(verdict.causes, 0));
    policy_verdict_fini(&verdict);
    op_facts_fini(&j.facts);
    op_view_fini(&view);
}
