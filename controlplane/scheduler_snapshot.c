/* The nodes with what runs on them, kept between plans: only what has a new revision is
 * looked at again. */
#include "controlplane/scheduler_impl.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define SCHED_MAX_PODS 110

/* --- pods --- */

static void sched_pod_leave(struct sched_pod *p)
{
    if (!p->node)
        return;
    list_del(&p->link);
    p->node->stale = true;
    p->node = NULL;
}

static void sched_pod_free(void *arg)
{
    struct sched_pod *p = arg;

    sched_pod_leave(p);
    if (sched_terms_any(&p->terms))
        list_del(&p->termed);
    sched_terms_fini(&p->terms);
    pod_resources_fini(&p->requests);
    json_decref(p->ports);
    object_unref(p->object);
    free(p->promised);
    free(p);
}

json_t *sched_host_ports(const json_t *pod_tree)
{
    const json_t *containers = json_at(pod_tree, "spec.containers"), *c;
    json_t *ret = NULL, *port;
    size_t i, k;

    json_array_foreach (containers, i, c) {
        json_array_foreach (json_object_get(c, "ports"), k, port) {
            if (json_int(port, "hostPort", 0) <= 0)
                continue;
            if (!ret)
                ret = json_array();
            json_array_append(ret, port);
        }
    }
    return ret;
}

static void sched_node_count(struct sched_node *n, const struct sched_pod *p)
{
    pod_resources_add(&n->used, &p->requests);
    n->n_pods++;
    n->guess_cpu_milli += p->requests.cpu_milli ? p->requests.cpu_milli : SCHED_GUESS_CPU_MILLI;
    n->guess_memory += p->requests.memory ? p->requests.memory : SCHED_GUESS_MEMORY;
}

static void sched_pod_join(struct sched_pod *p, struct sched_node *n)
{
    p->node = n;
    list_add_tail(&n->pods, &p->link);
    if (!n->stale)
        sched_node_count(n, p);
}

static struct sched_pod *sched_pod_new(struct sched_snapshot *s, const struct object *o,
                                       const json_t *tree)
{
    struct sched_pod *p = MEM_NEW(struct sched_pod);

    p->object = object_ref(o);
    p->seen = s->turn;
    p->priority = json_int(tree, "spec.priority", 0);
    p->start_ms = INT64_MAX;
    clock_parse(json_str_or(tree, "status.startTime", ""), &p->start_ms);
    pod_resources_sum(&p->requests, json_object_get(tree, "spec"));
    p->ports = sched_host_ports(tree);
    sched_terms_load(&p->terms, p->object, tree);
    if (sched_terms_any(&p->terms))
        list_add_tail(&s->termed, &p->termed);
    return p;
}

static void sched_snapshot_put(struct sched_snapshot *s, const struct object *o, const json_t *tree,
                               const char *node, bool assumed)
{
    struct sched_node *n = map_get(s->nodes, node);
    struct sched_pod *p;

    map_del(s->pods, o->uid);
    if (!n) {
        if (assumed)
            map_del(s->assumed, o->uid); /* its node is gone: think again */
        return;
    }
    p = sched_pod_new(s, o, tree);
    p->assumed = assumed;
    sched_pod_join(p, n);
    map_put(s->pods, o->uid, p);
}

/* --- nodes --- */

static void sched_node_free(void *arg)
{
    struct sched_node *n = arg;

    LIST_EACH_SAFE (it, &n->pods)
        sched_pod_leave(list_entry(it, struct sched_pod, link));
    pod_resources_fini(&n->allocatable);
    pod_resources_fini(&n->used);
    json_decref(n->tree);
    object_unref(n->object);
    free(n);
}

static void sched_node_load(struct sched_node *n, const struct object *o)
{
    const json_t *allocatable;
    const json_t *pods;

    object_unref(n->object);
    json_decref(n->tree);
    pod_resources_fini(&n->allocatable);
    n->object = object_ref(o);
    n->tree = object_tree(o);
    allocatable = json_at(n->tree, "status.allocatable");
    if (!allocatable)
        allocatable = json_at(n->tree, "status.capacity");
    pod_resources_of_list(&n->allocatable, allocatable);
    pods = json_object_get(n->allocatable.extended, "pods");
    n->max_pods = pods ? json_integer_value(pods) : SCHED_MAX_PODS;
}

static void sched_node_sum(struct sched_node *n)
{
    if (!n->stale)
        return;
    n->stale = false;
    pod_resources_fini(&n->used);
    n->n_pods = n->guess_cpu_milli = n->guess_memory = 0;
    for (struct list *it = n->pods.next; it != &n->pods; it = it->next)
        sched_node_count(n, list_entry(it, struct sched_pod, link));
}

/* --- the whole --- */

struct sched_snapshot *sched_snapshot_new(void)
{
    struct sched_snapshot *s = MEM_NEW(struct sched_snapshot);

    s->nodes = map_new(sched_node_free);
    s->pods = map_new(sched_pod_free);
    s->assumed = map_new(free);
    s->nominated = map_new(sched_pod_free);
    list_init(&s->termed);
    s->dirty = true;
    return s;
}

struct sched_snapshot *sched_snapshot_free(struct sched_snapshot *s)
{
    if (!s)
        return NULL;
    map_free(s->nominated);
    map_free(s->pods);
    map_free(s->nodes);
    map_free(s->assumed);
    free(s->order);
    free(s);
    return NULL;
}

static void sched_snapshot_nodes(struct sched_snapshot *s, struct view *v)
{
    const struct object *const *all = view_list(v, "nodes", NULL, &s->n_nodes);
    const char *key;
    void *value;

    s->order = mem_grow(s->order, s->n_nodes + 1, sizeof(struct sched_node *));
    for (size_t i = 0; i < s->n_nodes; i++) {
        struct sched_node *n = map_get(s->nodes, all[i]->name);

        if (!n) {
            n = MEM_NEW(struct sched_node);
            list_init(&n->pods);
            map_put(s->nodes, all[i]->name, n);
        }
        if (!n->object || n->object->revision != all[i]->revision)
            sched_node_load(n, all[i]);
        n->seen = s->turn;
        s->order[i] = n;
    }
    for (size_t it = 0; map_each(s->nodes, &it, &key, &value);)
        if (((struct sched_node *)value)->seen != s->turn)
            map_del(s->nodes, key);
}

void sched_snapshot_nominate(struct sched_snapshot *s, const struct object *pod, const json_t *tree,
                             const char *node)
{
    struct sched_pod *p;

    map_del(s->nominated, pod->uid);
    if (str_empty(node))
        return;
    p = sched_pod_new(s, pod, tree);
    p->nominated = true;
    p->promised = mem_str(node);
    map_put(s->nominated, pod->uid, p);
}

/* What a pod's status says, unless it is known. */
static void sched_snapshot_promise(struct sched_snapshot *s, struct view *v, const struct object *o)
{
    struct sched_pod *p = map_get(s->nominated, o->uid);
    const json_t *tree;

    if (p && p->object->revision == o->revision) {
        p->seen = s->turn;
        return;
    }
    tree = view_tree(v, o);
    sched_snapshot_nominate(s, o, tree, json_str(tree, "status.nominatedNodeName"));
}

void sched_snapshot_lift(struct sched_pod *p)
{
    struct sched_node *n = p->node;

    sched_pod_leave(p);
    sched_node_sum(n);
}

void sched_snapshot_return(struct sched_pod *p, struct sched_node *n)
{
    sched_pod_join(p, n);
}

void sched_snapshot_stand(struct sched_snapshot *s, int64_t priority, const char *but_uid)
{
    const char *uid;
    void *value;

    for (size_t it = 0; map_each(s->nominated, &it, &uid, &value);) {
        struct sched_pod *p = value;
        struct sched_node *n = map_get(s->nodes, p->promised);

        if (n && p->priority >= priority && !str_eq(uid, but_uid))
            sched_pod_join(p, n);
    }
}

void sched_snapshot_unstand(struct sched_snapshot *s)
{
    const char *uid;
    void *value;

    for (size_t it = 0; map_each(s->nominated, &it, &uid, &value);)
        if (((struct sched_pod *)value)->node)
            sched_snapshot_lift(value);
}

static void sched_snapshot_pod(struct sched_snapshot *s, struct view *v, const struct object *o)
{
    const char *guess = map_len(s->assumed) > 0 ? map_get(s->assumed, o->uid) : NULL;
    const char *node = *o->node ? o->node : guess;
    struct sched_pod *p;

    if (!node && !o->deleting && strstr(o->json, "\"nominatedNodeName\""))
        sched_snapshot_promise(s, v, o);
    if (!node || str_eq(o->phase, "Succeeded") || str_eq(o->phase, "Failed"))
        return;
    p = map_get(s->pods, o->uid);
    if (p && p->object->revision == o->revision && p->node && str_eq(p->node->object->name, node)) {
        p->seen = s->turn;
        p->assumed = !*o->node;
        return;
    }
    sched_snapshot_put(s, o, view_tree(v, o), node, !*o->node);
}

static void sched_snapshot_pods(struct sched_snapshot *s, struct view *v)
{
    struct store_iter it;
    const struct object *o;
    const char *key;
    void *value;

    store_iter_init(&it, view_store(v), "pods", NULL, NULL, NULL);
    while ((o = store_iter_next(&it)))
        sched_snapshot_pod(s, v, o);
    for (size_t i = 0; map_each(s->pods, &i, &key, &value);) {
        if (((struct sched_pod *)value)->seen == s->turn)
            continue;
        map_del(s->assumed, key); /* gone, or at its end */
        map_del(s->pods, key);
    }
    for (size_t i = 0; map_each(s->nominated, &i, &key, &value);)
        if (((struct sched_pod *)value)->seen != s->turn)
            map_del(s->nominated, key);
}

void sched_snapshot_sync(struct sched_snapshot *s, struct view *v)
{
    uint64_t revision = store_revision(view_store(v));

    if (s->dirty || s->revision != revision) {
        s->turn++;
        sched_snapshot_nodes(s, v);
        sched_snapshot_pods(s, v);
        s->revision = revision;
        s->dirty = false;
    }
    for (size_t i = 0; i < s->n_nodes; i++)
        sched_node_sum(s->order[i]);
}

void sched_snapshot_assume(struct sched_snapshot *s, const struct object *pod, const json_t *tree,
                           const char *node)
{
    assert(!*pod->node);
    map_put(s->assumed, pod->uid, mem_str(node));
    sched_snapshot_put(s, pod, tree, node, true);
}

void sched_snapshot_forget(struct sched_snapshot *s, const char *uid)
{
    struct sched_pod *p = map_get(s->pods, uid);

    map_del(s->assumed, uid);
    if (!p || !p->assumed)
        return;
    map_del(s->pods, uid);
    s->dirty = true;
}
