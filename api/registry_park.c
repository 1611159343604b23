/* A write that has to wait for others' answers: what it borrowed is copied, and when it goes on
 * the object may have changed, so that it begins anew (GuaranteedUpdate, and the retries of
 * handlers/patch.go). */
#include "api/registry_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>

struct op_kept {
    struct registry_request req;
    struct registry_user user;
    char *sub, *ns, *name, *propagation, *manager, *user_name, *user_uid;
    char **groups;
    json_t *body, *problems, *extra;
    unsigned tries;
};

void op_kept_free(struct op_kept *k)
{
    if (k == NULL)
        return;
    free(k->sub);
    free(k->ns);
    free(k->name);
    free(k->propagation);
    free(k->manager);
    free(k->user_name);
    free(k->user_uid);
    strv_free(k->groups);
    json_decref(k->body);
    json_decref(k->problems);
    json_decref(k->extra);
    free(k);
}

static char **kept_groups(const char *const *groups)
{
    char **copy;
    size_t n = 0;

    while (groups != NULL && groups[n] != NULL)
        n++;
    copy = MEM_NEW_ARRAY(char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = mem_str(groups[i]);
    return copy;
}

static void kept_user(struct op_kept *k, const struct registry_user *user)
{
    if (user == NULL)
        return;
    k->user = *user;
    k->user.name = k->user_name = mem_str(user->name);
    k->user.uid = k->user_uid = mem_str(user->uid);
    k->user.groups = (const char *const *)(k->groups = kept_groups(user->groups));
    k->user.extra = k->extra = json_deep_copy(user->extra);
    k->req.user = &k->user;
}

static struct op_kept *kept_new(const struct registry_request *req)
{
    struct op_kept *k = MEM_NEW(struct op_kept);

    k->req = *req;
    k->req.sub = k->sub = mem_str(req->sub != NULL ? req->sub : "");
    k->req.ns = k->ns = mem_str(req->ns != NULL ? req->ns : "");
    k->req.name = k->name = mem_str(req->name != NULL ? req->name : "");
    k->req.propagation = k->propagation = mem_str(req->propagation);
    k->req.manager = k->manager = mem_str(req->manager);
    k->req.body = k->body = json_deep_copy(req->body);
    k->req.problems = k->problems = json_deep_copy(req->problems);
    kept_user(k, req->user);
    return k;
}

void op_park(struct op *op)
{
    if (op->kept == NULL) {
        op->kept = kept_new(op->req);
        op->req = &op->kept->req;
        op->sub = op->req->sub;
        op->ns = op->spoken->namespaced ? op->req->ns : "";
        op->name = op->req->name;
        op->user = op->req->user;
    }
    if (op->old != NULL && !op->holds_old) {
        object_ref(op->old);
        op->holds_old = true;
    }
}

static bool op_is_stale(const struct op *op)
{
    return op->old != NULL &&
           store_latest(op->r->store, op->resource->bucket, op->ns, op->name) != op->old;
}

/* From the start, with what is there now. */
static void op_again(struct op *op)
{
    struct op_kept *kept = STEAL(op->kept);

    kept->tries++;
    registry_begin(op->r, &kept->req, op->done, op->arg, kept);
    op_free(op);
}

void op_resume(struct op *op, void (*next)(struct op *op))
{
    assert(op->kept != NULL);
    if (!op_ok(op) || !op_is_stale(op)) {
        next(op);
    } else if (op->kept->tries + 1 < REGISTRY_TRIES_MAX) {
        op_again(op);
    } else {
        op_refuse(op, status_conflict(op->resource, op->name, NULL));
        next(op);
    }
}
