/* Eviction by taint: pods leave a node that has a NoExecute taint they do not tolerate, or
 * tolerate only for a while, which is counted from when it was seen here. */
#include "api/taint.h"
#include "controlplane/controllers.h"

#include "api/conditions.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define EVICTION_NAME    "taint-eviction-controller"
#define EVICTION_FOREVER INT64_MAX

struct eviction_watch {
    char *uid;        /* owned; of the pod */
    int64_t since_ms; /* monotonic */
};

static void eviction_watch_free(void *arg)
{
    struct eviction_watch *w = arg;

    free(w->uid);
    free(w);
}

static void *eviction_state_new(void)
{
    return map_new(eviction_watch_free);
}

static void eviction_state_free(void *state)
{
    map_free(state);
}

static bool eviction_may_concern(const struct object *node)
{
    return node && strstr(node->json, "NoExecute") != NULL;
}

/* How long the pod puts up with one taint: 0 = not at all. */
static int64_t eviction_patience(const json_t *taint, const json_t *tolerations)
{
    int64_t patience = 0;
    const json_t *t;
    size_t i;

    json_array_foreach (tolerations, i, t) {
        const json_t *seconds = json_object_get(t, "tolerationSeconds");
        int64_t ms;

        if (!taint_matches(t, taint))
            continue;
        ms = seconds ? json_integer_value(seconds) * 1000 : EVICTION_FOREVER;
        if (ms < 0)
            ms = 0;
        if (patience == 0 || ms < patience)
            patience = ms;
        if (ms == 0)
            return 0;
    }
    return patience;
}

/* With all of the node's taints. */
static int64_t eviction_patience_with(const json_t *taints, const json_t *tolerations)
{
    int64_t patience = EVICTION_FOREVER;
    const json_t *taint;
    size_t i;

    json_array_foreach (taints, i, taint) {
        int64_t ms;

        if (!str_eq(json_str(taint, "effect"), "NoExecute"))
            continue;
        ms = eviction_patience(taint, tolerations);
        if (ms < patience)
            patience = ms;
    }
    return patience;
}

static int64_t eviction_since(struct map *watched, const struct object *pod, const char *key,
                              int64_t now_ms)
{
    struct eviction_watch *w = map_get(watched, key);

    if (w && str_eq(w->uid, pod->uid))
        return w->since_ms;
    w = MEM_NEW(struct eviction_watch);
    w->uid = mem_str(pod->uid);
    w->since_ms = now_ms;
    map_put(watched, key, w);
    return now_ms;
}

static void eviction_evict(struct plan *ret, struct view *v, const struct object *pod,
                           int64_t wall_ms)
{
    json_t *tree = json_deep_copy(view_tree(v, pod));

    if (!json_object_get(tree, "status"))
        json_object_set_new(tree, "status", json_object());
    if (condition_set(json_object_get(tree, "status"), "DisruptionTarget", "True",
                      "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint",
                      wall_ms))
        plan_status(ret, pod, tree);
    else
        json_decref(tree);
    plan_event(ret, pod, false, EVICTION_NAME, "TaintManagerEviction",
               "Marking for deletion Pod %s/%s", pod->ns, pod->name);
    plan_delete(ret, pod);
}

static void eviction_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                          const char *name, struct clock_now now)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    const struct object *pod = view_get(v, "pods", ns, name);
    const struct object *node = pod && *pod->node ? view_get(v, "nodes", "", pod->node) : NULL;
    int64_t patience = EVICTION_FOREVER, since;

    if (pod && !pod->deleting && eviction_may_concern(node))
        patience = eviction_patience_with(json_at(view_tree(v, node), "spec.taints"),
                                          json_at(view_tree(v, pod), "spec.tolerations"));
    if (patience == EVICTION_FOREVER) {
        if (map_del(state, key) && pod && !pod->deleting)
            plan_event(ret, pod, false, EVICTION_NAME, "TaintManagerEviction",
                       "Cancelling deletion of Pod %s/%s", ns, name);
        return;
    }
    since = eviction_since(state, pod, key, now.mono_ms);
    if (now.mono_ms - since < patience)
        plan_again(ret, patience - (now.mono_ms - since));
    else
        eviction_evict(ret, v, pod, now.wall_ms);
}

static void eviction_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;
    const struct object *const *pods;

    if (str_eq(o->bucket, "pods")) {
        if (*o->node && eviction_may_concern(view_get(v, "nodes", "", o->node)))
            queue_add(q, o->ns, o->name);
        return;
    }
    if (!eviction_may_concern(o) && !eviction_may_concern(change->before))
        return;
    for (pods = view_on_node(v, o->name, NULL); *pods; pods++)
        queue_add(q, (*pods)->ns, (*pods)->name);
}

static const char *const eviction_buckets[] = { "nodes", "pods", NULL };

const struct controller eviction_controller = {
    .name = EVICTION_NAME,
    .buckets = eviction_buckets,
    .map = eviction_map,
    .plan = eviction_plan,
    .state_new = eviction_state_new,
    .state_free = eviction_state_free,
};
