/* The garbage collector: what its owners left behind goes, and owners that are deleted in the
 * foreground or as orphaning wait for it.
 *
 * A key is one object, "bucket|name" in its namespace; it is looked at both as a dependent and
 * as an owner.  Absence needs no second look: the log has one order, an owner is visible before
 * its dependents. */
#include "controlplane/controllers.h"

#include "api/schema.h"
#include "base/mem.h"

#include <string.h>

#define COLLECTOR_NAME       "garbage-collector-controller"
#define COLLECTOR_FOREGROUND "foregroundDeletion"
#define COLLECTOR_ORPHAN     "orphan"
#define COLLECTOR_BURST      500

static void collector_add(struct queue *q, const struct object *o)
{
    cleanup(freep) char *name = mem_fmt("%s|%s", o->bucket, o->name);

    queue_add(q, o->ns, name);
}

static const struct object *collector_get(struct view *v, const char *ns, const char *key)
{
    const char *bar = strchr(key, '|');
    cleanup(freep) char *bucket = bar ? mem_strn(key, (size_t)(bar - key)) : NULL;

    return bar ? view_get(v, bucket, ns, bar + 1) : NULL;
}

static bool collector_has_finalizer(struct view *v, const struct object *o, const char *name)
{
    const json_t *f;
    size_t i;

    if (!o->has_finalizers)
        return false;
    json_array_foreach (json_at(view_tree(v, o), "metadata.finalizers"), i, f)
        if (str_eq(json_string_value(f), name))
            return true;
    return false;
}

static void collector_drop_finalizer(struct plan *ret, struct view *v, const struct object *o,
                                     const char *name)
{
    json_t *tree = json_deep_copy(view_tree(v, o)), *list = json_at(tree, "metadata.finalizers");

    for (size_t i = json_array_size(list); i-- > 0;)
        if (str_eq(json_string_value(json_array_get(list, i)), name))
            json_array_remove(list, i);
    if (json_array_size(list) == 0)
        json_del(tree, "metadata.finalizers");
    plan_update(ret, o, tree);
}

/* --- one reference --- */

enum collector_owner {
    COLLECTOR_SOLID,   /* there, or nobody can tell */
    COLLECTOR_ABSENT,  /* gone, or another one has its name */
    COLLECTOR_WAITING, /* there, and waits for its dependents to go */
};

/* Where the owner is to be looked for; NULL = that kind of reference cannot be resolved. */
static const struct schema_resource *collector_resource(const struct object *o,
                                                        const struct object_owner *ref)
{
    const struct schema_resource *r = schema_by_api_version(ref->api_version, ref->kind);

    return r && r->namespaced && !*o->ns ? NULL : r;
}

static enum collector_owner collector_classify(struct view *v, const struct object *o,
                                               const struct object_owner *ref)
{
    const struct schema_resource *r = collector_resource(o, ref);
    const struct object *owner;

    if (!r)
        return COLLECTOR_SOLID;
    owner = view_get(v, r->bucket, r->namespaced ? o->ns : "", ref->name);
    if (!owner || !str_eq(owner->uid, ref->uid))
        return COLLECTOR_ABSENT;
    if (owner->deleting && collector_has_finalizer(v, owner, COLLECTOR_FOREGROUND))
        return COLLECTOR_WAITING;
    return COLLECTOR_SOLID;
}

/* A reference that points to the wrong place is told, since its author hoped for more. */
static void collector_tell_wrong_place(struct plan *ret, struct view *v, const struct object *o,
                                       const struct object_owner *ref)
{
    const struct schema_resource *r = schema_by_api_version(ref->api_version, ref->kind);
    const struct object *const *all;

    if (!r || !r->namespaced)
        return;
    for (all = view_list(v, r->bucket, NULL, NULL); *all; all++)
        if (str_eq((*all)->uid, ref->uid) && !str_eq((*all)->ns, o->ns)) {
            plan_event(ret, o, true, COLLECTOR_NAME, "OwnerRefInvalidNamespace",
                       "ownerRef [%s/%s, namespace: %s, name: %s, uid: %s] does not exist in "
                       "namespace \"%s\"",
                       ref->api_version, ref->kind, o->ns, ref->name, ref->uid, o->ns);
            return;
        }
}

/* --- as a dependent --- */

/* Takes the references to these owners away. */
static void collector_release(struct plan *ret, struct view *v, const struct object *o,
                              bool (*drop)(struct view *v, const struct object *o,
                                           const struct object_owner *ref, const char *uid),
                              const char *uid)
{
    json_t *tree = json_deep_copy(view_tree(v, o));
    json_t *refs = json_at(tree, "metadata.ownerReferences");

    for (size_t i = o->n_owners; i-- > 0;) {
        size_t k;
        json_t *ref;

        if (!drop(v, o, &o->owners[i], uid))
            continue;
        json_array_foreach (refs, k, ref)
            if (str_eq(json_str(ref, "uid"), o->owners[i].uid)) {
                json_array_remove(refs, k);
                break;
            }
    }
    if (json_array_size(refs) == 0)
        json_del(tree, "metadata.ownerReferences");
    plan_update(ret, o, tree);
}

static bool collector_is_not_solid(struct view *v, const struct object *o,
                                   const struct object_owner *ref, const char *uid)
{
    (void)uid;
    return collector_classify(v, o, ref) != COLLECTOR_SOLID;
}

/* Does the object stand in a ring of owners, all waiting for each other?  Then nobody in it
 * may hold up the others. */
static bool collector_is_in_ring(struct view *v, const struct object *o)
{
    const struct object *const *mine = view_owned(v, NULL, o->uid, NULL);

    for (; *mine; mine++)
        if ((*mine)->deleting && collector_has_finalizer(v, *mine, COLLECTOR_FOREGROUND))
            return true;
    return false;
}

static void collector_delete(struct plan *ret, struct view *v, const struct object *o, bool waits)
{
    const char *policy = NULL;
    size_t n;

    view_owned(v, NULL, o->uid, &n);
    if (waits && n > 0 && !collector_is_in_ring(v, o))
        policy = "Foreground";
    if (collector_has_finalizer(v, o, COLLECTOR_ORPHAN))
        policy = "Orphan";
    plan_delete_with(ret, o, -1, policy);
}

static void collector_dependent(struct plan *ret, struct view *v, const struct object *o)
{
    size_t counts[3] = { 0 };

    for (size_t i = 0; i < o->n_owners; i++) {
        enum collector_owner c = collector_classify(v, o, &o->owners[i]);

        counts[c]++;
        if (c == COLLECTOR_ABSENT)
            collector_tell_wrong_place(ret, v, o, &o->owners[i]);
        if (!*o->ns && !collector_resource(o, &o->owners[i]) &&
            schema_by_api_version(o->owners[i].api_version, o->owners[i].kind))
            plan_event(ret, o, true, COLLECTOR_NAME, "OwnerRefInvalidNamespace",
                       "ownerRef [%s/%s, name: %s, uid: %s] is namespaced, its dependent is not",
                       o->owners[i].api_version, o->owners[i].kind, o->owners[i].name,
                       o->owners[i].uid);
    }
    if (counts[COLLECTOR_ABSENT] + counts[COLLECTOR_WAITING] == 0)
        return;
    if (counts[COLLECTOR_SOLID] > 0)
        collector_release(ret, v, o, collector_is_not_solid, NULL);
    else
        collector_delete(ret, v, o, counts[COLLECTOR_WAITING] > 0);
}

/* --- as an owner --- */

static bool collector_is_this_owner(struct view *v, const struct object *o,
                                    const struct object_owner *ref, const char *uid)
{
    (void)v, (void)o;
    return str_eq(ref->uid, uid);
}

/* The dependents stay and lose the reference; the owner goes when none has it any more. */
static void collector_orphan(struct plan *ret, struct view *v, const struct object *o)
{
    size_t n;
    const struct object *const *mine = view_owned(v, NULL, o->uid, &n);

    for (size_t i = 0; i < n && i < COLLECTOR_BURST; i++)
        collector_release(ret, v, mine[i], collector_is_this_owner, o->uid);
    if (n == 0)
        collector_drop_finalizer(ret, v, o, COLLECTOR_ORPHAN);
}

static bool collector_blocks(const struct object *dependent, const char *uid)
{
    for (size_t i = 0; i < dependent->n_owners; i++)
        if (dependent->owners[i].block && str_eq(dependent->owners[i].uid, uid))
            return true;
    return false;
}

static void collector_foreground(struct plan *ret, struct view *v, const struct object *o)
{
    const struct object *const *mine = view_owned(v, NULL, o->uid, NULL);

    for (; *mine; mine++) {
        bool waits = (*mine)->deleting && collector_has_finalizer(v, *mine, COLLECTOR_FOREGROUND);

        /* One that waits for its own dependents, of which this is one, never ends. */
        if (collector_blocks(*mine, o->uid) && !(waits && object_owned_by(o, (*mine)->uid)))
            return;
    }
    collector_drop_finalizer(ret, v, o, COLLECTOR_FOREGROUND);
}

/* --- the controller --- */

static void collector_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                           const char *name, struct clock_now now)
{
    const struct object *o = collector_get(v, ns, name);

    (void)state, (void)now;
    if (!o || !schema_bucket(o->bucket))
        return;
    if (!o->deleting)
        collector_dependent(ret, v, o);
    else if (collector_has_finalizer(v, o, COLLECTOR_ORPHAN))
        collector_orphan(ret, v, o);
    else if (collector_has_finalizer(v, o, COLLECTOR_FOREGROUND))
        collector_foreground(ret, v, o);
}

static void collector_map_dependents(struct queue *q, struct view *v, const struct object *owner)
{
    const struct object *const *mine = view_owned(v, NULL, owner->uid, NULL);

    for (; *mine; mine++)
        collector_add(q, *mine);
}

/* Those that may be waiting for @o to go. */
static void collector_map_owners(struct queue *q, struct view *v, const struct object *o)
{
    for (size_t i = 0; i < o->n_owners; i++) {
        const struct schema_resource *r = collector_resource(o, &o->owners[i]);
        const struct object *owner = r ? view_get(v, r->bucket, r->namespaced ? o->ns : "",
                                                  o->owners[i].name)
                                       : NULL;

        if (owner && owner->deleting)
            collector_add(q, owner);
    }
}

static bool collector_same_owners(const struct object *a, const struct object *b)
{
    if (a->n_owners != b->n_owners)
        return false;
    for (size_t i = 0; i < a->n_owners; i++)
        if (!str_eq(a->owners[i].uid, b->owners[i].uid))
            return false;
    return true;
}

static void collector_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object, *before = change->before;

    if (change->type == STORE_DELETED) {
        collector_map_dependents(q, v, o);
        collector_map_owners(q, v, o);
        return;
    }
    if (o->deleting && o->has_finalizers) {
        collector_add(q, o);
        if (!before || !before->deleting || !before->has_finalizers) {
            collector_map_dependents(q, v, o);
            collector_map_owners(q, v, o); /* they may stand in a ring with it */
        }
    }
    if (before && collector_same_owners(o, before))
        return;
    if (o->n_owners > 0 && !o->deleting)
        collector_add(q, o);
    if (before && before->n_owners > 0)
        collector_map_owners(q, v, before);
}

static const char *const collector_buckets[] = { "*", NULL };

const struct controller collector_controller = {
    .name = COLLECTOR_NAME,
    .buckets = collector_buckets,
    .map = collector_map,
    .plan = collector_plan,
};
