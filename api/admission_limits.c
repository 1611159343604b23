/* Plugin LimitRanger: every LimitRange of the namespace gives its defaults, then has its say. */
#include "api/admission.h"

#include "api/limit_range.h"
#include "base/mem.h"
#include "base/text.h"

void admit_limit_defaults(struct op *op)
{
    struct store_iter it;
    const struct object *o;

    store_iter_init(&it, op->r->store, "limitranges", op->ns, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *range = object_tree(o);

        limit_range_default(op->tree, range);
    }
}

void admit_limits(struct op *op)
{
    bool is_pod = str_eq(op->resource->bucket, "pods");
    struct store_iter it;
    const struct object *o;

    if (op->old != NULL && op->old->deleting) /* its finalizers must be able to go */
        return;
    store_iter_init(&it, op->r->store, "limitranges", op->ns, NULL, NULL);
    while (op_ok(op) && (o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *range = object_tree(o);
        cleanup(text_fini) struct text why = TEXT_EMPTY;

        if (is_pod)
            limit_range_check_pod(&why, op->tree, range);
        else
            limit_range_check_claim(&why, op->tree, range);
        if (why.len > 0)
            admit_forbid(op, "%s", text_str(&why));
    }
}
