#include "controlplane/claim.h"

#include "api/selector.h"
#include "base/mem.h"

json_t *claim_reference(const struct object *owner, const char *api_version, const char *kind)
{
    json_t *ref = json_object();

    json_put_str(ref, "apiVersion", api_version);
    json_put_str(ref, "kind", kind);
    json_put_str(ref, "name", owner->name);
    json_put_str(ref, "uid", owner->uid);
    json_put_bool(ref, "controller", true);
    json_put_bool(ref, "blockOwnerDeletion", true);
    return ref;
}

static void claim_let_go(json_t *tree, const char *finalizer)
{
    json_t *list = json_at(tree, "metadata.finalizers");

    for (size_t i = json_array_size(list); i-- > 0;)
        if (str_eq(json_string_value(json_array_get(list, i)), finalizer))
            json_array_remove(list, i);
    if (json_array_size(list) == 0)
        json_del(tree, "metadata.finalizers");
}

static void claim_hold(json_t *tree, const char *finalizer)
{
    claim_let_go(tree, finalizer);
    if (!json_at(tree, "metadata.finalizers"))
        json_put(tree, "metadata.finalizers", json_array());
    json_array_append_new(json_at(tree, "metadata.finalizers"), json_string(finalizer));
}

static void claim_adopt(struct plan *p, const struct claim *c, const struct object *o)
{
    json_t *tree = object_tree(o);
    json_t *refs = json_at(tree, "metadata.ownerReferences");

    if (!refs) {
        refs = json_array();
        json_put(tree, "metadata.ownerReferences", refs);
    }
    json_array_append_new(refs, claim_reference(c->owner, c->api_version, c->kind));
    if (c->finalizer)
        claim_hold(tree, c->finalizer);
    plan_update(p, o, tree);
}

static void claim_release(struct plan *p, const struct claim *c, const struct object *o)
{
    json_t *tree = object_tree(o);
    json_t *refs = json_at(tree, "metadata.ownerReferences"), *ref;
    size_t i;

    json_array_foreach (refs, i, ref) {
        if (str_eq(json_str(ref, "uid"), c->owner->uid)) {
            json_array_remove(refs, i);
            break;
        }
    }
    if (json_array_size(refs) == 0)
        json_del(tree, "metadata.ownerReferences");
    if (c->finalizer)
        claim_let_go(tree, c->finalizer);
    plan_update(p, o, tree);
}

static bool claim_is_finished(const struct object *o)
{
    return str_eq(o->phase, "Succeeded") || str_eq(o->phase, "Failed");
}

/* Is @o the owner's after this plan? */
static bool claim_decide(struct plan *p, const struct claim *c, const struct selector *selector,
                         const struct object *o)
{
    const struct object_owner *controller = object_controller(o);
    bool matches;

    if (controller && !str_eq(controller->uid, c->owner->uid))
        return false;
    if (!selector)
        return controller != NULL;
    matches = selector_matches(selector, o) && (!c->is_member || c->is_member(c->owner, o));
    if (controller && matches)
        return true;
    if (c->owner->deleting)
        return false;
    if (controller) {
        claim_release(p, c, o);
        return false;
    }
    if (!matches || o->deleting || (!c->adopt_finished && claim_is_finished(o)))
        return false;
    claim_adopt(p, c, o);
    return true;
}

const struct object **claim_run(struct plan *p, struct view *v, const struct claim *c,
                                size_t *ret_n)
{
    cleanup(selector_freep) struct selector *selector = NULL;
    const struct object **mine;
    const struct object *const *all;
    struct err err = ERR_EMPTY;
    size_t n_all, n = 0;

    all = view_list(v, c->bucket, c->owner->ns, &n_all);
    mine = MEM_NEW_ARRAY(const struct object *, n_all + 1);
    /* Without a selector, or with one that does not compile, what is ours stays ours and nothing
     * comes or goes: releasing what was just made would make it again for ever. */
    if (!c->selector || selector_from_json(&selector, c->selector, &err) != 0)
        selector = selector_free(selector);
    for (size_t i = 0; i < n_all; i++)
        if (claim_decide(p, c, selector, all[i]))
            mine[n++] = all[i];
    *ret_n = n;
    return mine;
}

/* --- for map functions --- */

static void claim_map_one(struct queue *q, const struct object *o, const char *kind)
{
    const struct object_owner *controller = o ? object_controller(o) : NULL;

    if (controller && str_eq(controller->kind, kind))
        queue_add(q, o->ns, controller->name);
}

void claim_map_controller(struct queue *q, const struct store_change *change, const char *kind)
{
    claim_map_one(q, change->object, kind);
    claim_map_one(q, change->before, kind);
}

static bool claim_selects(const json_t *selector, bool labels, const struct object *o)
{
    cleanup(selector_freep) struct selector *s = NULL;
    struct err err = ERR_EMPTY;

    if (labels)
        s = json_object_size(selector) > 0 ? selector_from_map(selector) : NULL;
    else if (selector_from_json(&s, selector, &err) < 0)
        return false;
    return s && selector_matches(s, o);
}

static void claim_map_orphan_with(struct queue *q, struct view *v,
                                  const struct store_change *change, const char *owner_bucket,
                                  bool labels)
{
    const struct object *o = change->object;
    const struct object *const *owners;
    size_t n;

    if (change->type == STORE_DELETED || object_controller(o))
        return;
    owners = view_list(v, owner_bucket, o->ns, &n);
    for (size_t i = 0; i < n; i++)
        if (claim_selects(json_at(view_tree(v, owners[i]), "spec.selector"), labels, o))
            queue_add(q, o->ns, owners[i]->name);
}

bool claim_is_wanted(struct view *v, const struct object *o, const char *owner_bucket)
{
    const struct object *const *owners = view_list(v, owner_bucket, o->ns, NULL);

    for (; *owners; owners++)
        if (!(*owners)->deleting &&
            claim_selects(json_at(view_tree(v, *owners), "spec.selector"), false, o))
            return true;
    return false;
}

void claim_map_orphan(struct queue *q, struct view *v, const struct store_change *change,
                      const char *owner_bucket)
{
    claim_map_orphan_with(q, v, change, owner_bucket, false);
}

void claim_map_orphan_of_labels(struct queue *q, struct view *v, const struct store_change *change,
                                const char *owner_bucket)
{
    claim_map_orphan_with(q, v, change, owner_bucket, true);
}
