/* The binder: PersistentVolumeClaims to PersistentVolumes. */
#include "controlplane/binder_impl.h"
#include "controlplane/controllers.h"

#include "base/mem.h"

#include <string.h>

/* --- small changes of trees --- */

void binder_annotate(json_t *tree, const char *key, const char *value)
{
    json_t *annotations = json_at(tree, "metadata.annotations");

    if (!annotations) {
        annotations = json_object();
        json_put(tree, "metadata.annotations", annotations);
    }
    json_object_set_new(annotations, key, json_string(value));
}

static size_t binder_find_finalizer(const json_t *tree, const char *name)
{
    const json_t *list = json_at(tree, "metadata.finalizers"), *f;
    size_t i;

    json_array_foreach (list, i, f)
        if (str_eq(json_string_value(f), name))
            return i;
    return SIZE_MAX;
}

bool binder_has_finalizer(const json_t *tree, const char *name)
{
    return binder_find_finalizer(tree, name) != SIZE_MAX;
}

void binder_add_finalizer(json_t *tree, const char *name)
{
    if (binder_has_finalizer(tree, name))
        return;
    if (!json_at(tree, "metadata.finalizers"))
        json_put(tree, "metadata.finalizers", json_array());
    json_array_append_new(json_at(tree, "metadata.finalizers"), json_string(name));
}

void binder_drop_finalizer(json_t *tree, const char *name)
{
    json_t *list = json_at(tree, "metadata.finalizers");

    if (!binder_has_finalizer(tree, name))
        return;
    json_array_remove(list, binder_find_finalizer(tree, name));
    if (json_array_size(list) == 0)
        json_del(tree, "metadata.finalizers");
}

json_t *binder_claim_ref(const struct object *claim)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "apiVersion", "v1", "kind",
                     "PersistentVolumeClaim", "namespace", claim->ns, "name", claim->name, "uid",
                     claim->uid);
}

/* --- the controller --- */

static void binder_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                        const char *name, struct clock_now now)
{
    const struct object *o = view_get(v, *ns ? VOLUME_CLAIMS : VOLUME_VOLUMES, ns, name);

    (void)state;
    if (!o)
        return;
    if (*ns)
        binder_claim_plan(ret, v, o, now);
    else
        binder_volume_plan(ret, v, o, now);
}

/* Claims that have no volume yet. */
static void binder_map_pending(struct queue *q, struct view *v)
{
    const struct object *o;
    struct store_iter it;

    store_iter_init(&it, view_store(v), VOLUME_CLAIMS, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)))
        if (!str_eq(o->phase, "Bound"))
            queue_add(q, o->ns, o->name);
}

static void binder_map_claim(struct queue *q, struct view *v, const struct object *claim)
{
    const char *volume = json_str_or(view_tree(v, claim), "spec.volumeName", "");

    queue_add(q, claim->ns, claim->name);
    if (*volume)
        queue_add(q, "", volume);
}

static void binder_map_volume(struct queue *q, struct view *v, const struct object *volume)
{
    const json_t *tree = view_tree(v, volume);
    const char *name = json_str_or(tree, "spec.claimRef.name", "");

    queue_add(q, "", volume->name);
    if (*name)
        queue_add(q, json_str_or(tree, "spec.claimRef.namespace", "default"), name);
    else
        binder_map_pending(q, v);
}

/* A pod that is gone no longer uses its claims. */
static void binder_map_pod(struct queue *q, struct view *v, const struct object *pod)
{
    const json_t *volume;
    size_t i;

    json_array_foreach (json_at(view_tree(v, pod), "spec.volumes"), i, volume) {
        const char *name = json_str(volume, "persistentVolumeClaim.claimName");
        cleanup(freep) char *own = mem_fmt("%s-%s", pod->name, json_str_or(volume, "name", ""));

        if (name)
            queue_add(q, pod->ns, name);
        else if (json_at(volume, "ephemeral"))
            queue_add(q, pod->ns, own);
    }
}

static void binder_map_node_gone(struct queue *q, struct view *v)
{
    const struct object *const *all = view_list(v, VOLUME_VOLUMES, NULL, NULL);

    binder_map_pending(q, v);
    for (; *all; all++)
        if ((*all)->deleting)
            queue_add(q, "", (*all)->name);
}

static void binder_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;
    bool gone = change->type == STORE_DELETED;

    if (str_eq(o->bucket, VOLUME_CLAIMS))
        binder_map_claim(q, v, o);
    else if (str_eq(o->bucket, VOLUME_VOLUMES))
        binder_map_volume(q, v, o);
    else if (str_eq(o->bucket, VOLUME_CLASSES))
        binder_map_pending(q, v);
    else if (str_eq(o->bucket, "nodes") && gone)
        binder_map_node_gone(q, v);
    else if (str_eq(o->bucket, "pods") && gone && strstr(o->json, "\"volumes\""))
        binder_map_pod(q, v, o);
}

static const char *const binder_buckets[] = { VOLUME_CLAIMS, VOLUME_VOLUMES, VOLUME_CLASSES,
                                              "pods",        "nodes",        NULL };

const struct controller binder_controller = {
    .name = BINDER_NAME,
    .buckets = binder_buckets,
    .map = binder_map,
    .plan = binder_plan,
};
