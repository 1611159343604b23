/* Pods nobody looks after any more: bound to a node that is no longer there, held on a node
 * that was declared out of service, or ended so many that the oldest must go. */
#include "controlplane/controllers.h"

#include "api/conditions.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define PODGC_NAME           "pod-garbage-collector"
#define PODGC_QUARANTINE_MS  (40 * 1000) /* a node may be registered again */
#define PODGC_ENDED_MAX      1000
#define PODGC_ENDED_BURST    500
#define PODGC_ENDED          "ended" /* the key, without a namespace, of all that have ended */
#define PODGC_OUT_OF_SERVICE "node.kubernetes.io/out-of-service"

struct podgc_watch {
    char *uid;        /* owned */
    int64_t since_ms; /* monotonic; first seen without its node */
};

static void podgc_watch_free(void *arg)
{
    struct podgc_watch *w = arg;

    free(w->uid);
    free(w);
}

static void *podgc_state_new(void)
{
    return map_new(podgc_watch_free);
}

static void podgc_state_free(void *state)
{
    map_free(state);
}

static bool podgc_has_ended(const struct object *pod)
{
    return str_eq(pod->phase, "Succeeded") || str_eq(pod->phase, "Failed");
}

/* --- one pod --- */

static int64_t podgc_since(struct map *watched, const struct object *pod, const char *key,
                           int64_t now_ms)
{
    struct podgc_watch *w = map_get(watched, key);

    if (w && str_eq(w->uid, pod->uid))
        return w->since_ms;
    w = MEM_NEW(struct podgc_watch);
    w->uid = mem_str(pod->uid);
    w->since_ms = now_ms;
    map_put(watched, key, w);
    return now_ms;
}

/* Nobody will answer for it: its end is written down, and it goes at once. */
static void podgc_remove(struct plan *ret, struct view *v, const struct object *pod,
                         const char *message, int64_t wall_ms)
{
    json_t *tree = json_deep_copy(view_tree(v, pod));

    if (!json_object_get(tree, "status"))
        json_object_set_new(tree, "status", json_object());
    if (!podgc_has_ended(pod)) {
        json_put_str(tree, "status.phase", "Failed");
        condition_set(json_object_get(tree, "status"), "DisruptionTarget", "True",
                      "DeletionByPodGC", message, wall_ms);
        plan_status(ret, pod, tree);
    } else {
        json_decref(tree);
    }
    plan_delete_with(ret, pod, 0, NULL);
}

static bool podgc_is_out_of_service(struct view *v, const struct object *node)
{
    const json_t *tree;

    if (!node || !strstr(node->json, PODGC_OUT_OF_SERVICE))
        return false;
    tree = view_tree(v, node);
    return json_find(json_at(tree, "spec.taints"), "key", PODGC_OUT_OF_SERVICE) &&
           !condition_is(json_at(tree, "status"), "Ready", "True");
}

static void podgc_pod(struct plan *ret, struct view *v, struct map *watched, const char *ns,
                      const char *name, struct clock_now now)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    const struct object *pod = view_get(v, "pods", ns, name);
    const struct object *node = pod ? view_get(v, "nodes", "", pod->node) : NULL;
    int64_t waited;

    if (!pod || !*pod->node || node) {
        map_del(watched, key);
        if (pod && pod->deleting && podgc_is_out_of_service(v, node))
            podgc_remove(ret, v, pod, "PodGC: node is out of service", now.wall_ms);
        return;
    }
    waited = now.mono_ms - podgc_since(watched, pod, key, now.mono_ms);
    if (waited < PODGC_QUARANTINE_MS)
        plan_again(ret, PODGC_QUARANTINE_MS - waited);
    else
        podgc_remove(ret, v, pod, "PodGC: node no longer exists", now.wall_ms);
}

/* --- those that have ended --- */

struct podgc_ended {
    const struct object *object;
    const char *created;
};

static int podgc_by_age(const void *a, const void *b)
{
    const struct podgc_ended *x = a, *y = b;
    int order = strcmp(x->created, y->created);

    return order ? order : strcmp(x->object->uid, y->object->uid);
}

static void podgc_all_ended(struct plan *ret, struct view *v)
{
    size_t n, ended = 0;
    const struct object *const *all = view_list(v, "pods", NULL, &n);
    cleanup(freep) struct podgc_ended *list = NULL;

    for (size_t i = 0; i < n; i++)
        ended += podgc_has_ended(all[i]) && !all[i]->deleting;
    if (ended <= PODGC_ENDED_MAX)
        return;
    list = MEM_NEW_ARRAY(struct podgc_ended, ended);
    for (size_t i = 0, k = 0; i < n; i++)
        if (podgc_has_ended(all[i]) && !all[i]->deleting) {
            list[k].object = all[i];
            list[k++].created = json_str_or(view_tree(v, all[i]), "metadata.creationTimestamp", "");
        }
    qsort(list, ended, sizeof(*list), podgc_by_age);
    for (size_t i = 0; i < ended - PODGC_ENDED_MAX && i < PODGC_ENDED_BURST; i++)
        plan_delete_with(ret, list[i].object, 0, NULL);
}

/* --- the controller --- */

static void podgc_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                       const char *name, struct clock_now now)
{
    if (*ns)
        podgc_pod(ret, v, state, ns, name, now);
    else
        podgc_all_ended(ret, v);
}

static void podgc_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;
    const struct object *const *pods;

    if (str_eq(o->bucket, "pods")) {
        const struct object *node = *o->node ? view_get(v, "nodes", "", o->node) : NULL;

        if (*o->node && (!node || (o->deleting && podgc_is_out_of_service(v, node))))
            queue_add(q, o->ns, o->name);
        if (podgc_has_ended(o) && change->type != STORE_DELETED)
            queue_add(q, "", PODGC_ENDED);
        return;
    }
    if (change->type == STORE_MODIFIED && !podgc_is_out_of_service(v, o))
        return;
    for (pods = view_on_node(v, o->name, NULL); *pods; pods++)
        queue_add(q, (*pods)->ns, (*pods)->name);
}

static const char *const podgc_buckets[] = { "pods", "nodes", NULL };

const struct controller podgc_controller = {
    .name = PODGC_NAME,
    .buckets = podgc_buckets,
    .map = podgc_map,
    .plan = podgc_plan,
    .state_new = podgc_state_new,
    .state_free = podgc_state_free,
};
