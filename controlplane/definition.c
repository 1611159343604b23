/* CustomResourceDefinitions: names that became free are accepted, and the objects of a definition that
 * is being deleted go before it.
 *
 * Names and conditions are settled when a definition is written (api/crd.h); here only what other
 * definitions did to it is made good. */
#include "controlplane/controllers.h"

#include "api/crd.h"
#include "api/custom.h"
#include "base/mem.h"

#include <string.h>

#define DEFINITION_NAME  "customresourcedefinition-controller"
#define DEFINITION_BURST 500

static void definition_accept(struct plan *ret, struct view *v, const struct object *crd,
                              int64_t wall_ms)
{
    json_t *tree = json_deep_copy(view_tree(v, crd));

    crd_status(tree, wall_ms);
    if (json_equal(tree, view_tree(v, crd)))
        json_decref(tree);
    else
        plan_status(ret, crd, tree);
}

/* Objects are kept in a bucket of the definition's name.  False: none is left. */
static bool definition_sweep(struct plan *ret, struct view *v, const struct object *crd)
{
    const struct object *o;
    struct store_iter it;
    size_t n = 0, n_deleted = 0;

    store_iter_init(&it, view_store(v), crd->name, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL && n_deleted < DEFINITION_BURST) {
        n++;
        if (o->deleting)
            continue;
        plan_delete(ret, o);
        n_deleted++;
    }
    return n > 0;
}

static void definition_finalize(struct plan *ret, struct view *v, const struct object *crd)
{
    json_t *tree = json_deep_copy(view_tree(v, crd)), *list = json_at(tree, "metadata.finalizers");
    bool found = false;

    for (size_t i = json_array_size(list); i-- > 0;)
        if (str_eq(json_string_value(json_array_get(list, i)), CUSTOM_FINALIZER)) {
            json_array_remove(list, i);
            found = true;
        }
    if (json_array_size(list) == 0)
        json_del(tree, "metadata.finalizers");
    if (found)
        plan_update(ret, crd, tree);
    else
        json_decref(tree);
}

static void definition_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                            const char *name, struct clock_now now)
{
    const struct object *crd = view_get(v, CUSTOM_BUCKET, "", name);

    (void)state, (void)ns;
    if (crd == NULL)
        return;
    if (!crd->deleting)
        definition_accept(ret, v, crd, now.wall_ms);
    else if (crd->has_finalizers && !definition_sweep(ret, v, crd))
        definition_finalize(ret, v, crd);
}

static void definition_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object, *const * all;

    if (str_eq(o->bucket, CUSTOM_BUCKET)) {
        /* One that is served needs nothing, and its tree is large. */
        if (o->deleting || schema_bucket(o->name) == NULL)
            queue_add(q, "", o->name);
        /* Names that are free now may be what another one waits for. */
        for (all = view_list(v, CUSTOM_BUCKET, NULL, NULL);
             change->type == STORE_DELETED && *all != NULL; all++)
            queue_add(q, "", (*all)->name);
        return;
    }
    if (change->type == STORE_DELETED && view_get(v, CUSTOM_BUCKET, "", o->bucket) != NULL)
        queue_add(q, "", o->bucket);
}

static const char *const definition_buckets[] = { "*", NULL };

const struct controller definition_controller = {
    .name = DEFINITION_NAME,
    .buckets = definition_buckets,
    .map = definition_map,
    .plan = definition_plan,
};
