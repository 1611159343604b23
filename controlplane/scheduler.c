/* The scheduler: a key per pod that has no node.
 *
 * A pod is held against every node, the best is chosen and the binding planned; until that is
 * visible or refused the pod counts as assumed there, so that two pods planned in one step do not
 * take the same room.  A pod whose claims wait for their first consumer selects the node for
 * them first, and is bound when all its claims are. */
#include "controlplane/controllers.h"
#include "controlplane/scheduler_impl.h"

#include "api/conditions.h"
#include "base/mem.h"

#include <string.h>

#define SCHED_NAME     "default-scheduler"
#define SCHED_RETRY_MS (60 * 1000)
#define SCHED_TELL_MS  (5 * 60 * 1000)

/* What was done or said about a pod lately. */
struct sched_memo {
    char *uid;       /* owned */
    bool waits;      /* for its volumes, so it stays assumed when the plan is carried out */
    bool told;       /* an Event about its not being schedulable, */
    int64_t told_ms; /* when, monotonic */
};

struct sched_state {
    struct sched_snapshot *snapshot; /* owned */
    struct map *memos;               /* owned; "ns/name" to sched_memo, owned */
};

static void sched_memo_free(void *arg)
{
    struct sched_memo *m = arg;

    free(m->uid);
    free(m);
}

static void *sched_state_new(void)
{
    struct sched_state *s = MEM_NEW(struct sched_state);

    s->snapshot = sched_snapshot_new();
    s->memos = map_new(sched_memo_free);
    return s;
}

static void sched_state_free(void *arg)
{
    struct sched_state *s = arg;

    sched_snapshot_free(s->snapshot);
    map_free(s->memos);
    free(s);
}

static void sched_forget(struct sched_state *s, const char *key)
{
    struct sched_memo *m = map_get(s->memos, key);

    if (!m)
        return;
    sched_snapshot_forget(s->snapshot, m->uid);
    map_del(s->memos, key);
}

/* The memo of this very pod, not of one that had its name before. */
static struct sched_memo *sched_remember(struct sched_state *s, const struct object *pod)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", pod->ns, pod->name);
    struct sched_memo *m = map_get(s->memos, key);

    if (m && str_eq(m->uid, pod->uid))
        return m;
    sched_forget(s, key);
    m = MEM_NEW(struct sched_memo);
    m->uid = mem_str(pod->uid);
    map_put(s->memos, key, m);
    return m;
}

static void sched_settled(void *arg, const char *ns, const char *name,
                          const struct plan_write *refused, const char *message)
{
    struct sched_state *s = arg;
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    struct sched_memo *m = map_get(s->memos, key);

    (void)message;
    if (m && (refused || !m->waits))
        sched_snapshot_forget(s->snapshot, m->uid);
}

/* --- saying why not --- */

static int sched_by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "1 Insufficient cpu, 2 Too many pods": each with its number, sorted as text. */
static void sched_print_reasons(struct text *t, const json_t *reasons)
{
    size_t n = json_object_size(reasons), i = 0;
    cleanup(freep) char **lines = MEM_NEW_ARRAY(char *, n + 1);
    const char *reason;
    json_t *count;

    json_object_foreach ((json_t *)(uintptr_t)reasons, reason, count)
        lines[i++] = mem_fmt("%lld %s", (long long)json_integer_value(count), reason);
    qsort(lines, n, sizeof(*lines), sched_by_text);
    for (i = 0; i < n; i++) {
        text_fmt(t, "%s%s", i ? ", " : "", lines[i]);
        free(lines[i]);
    }
}

/* Tries to make room; @message gets what speaks against it, nothing when there will be room. */
static void sched_make_room(struct sched_want *w, const bool *crowded, struct sched_victims *ret,
                            struct text *message)
{
    cleanup(json_decrefpp) json_t *reasons = json_object();
    const char *obstacle = sched_preempt_obstacle(w);

    *ret = (struct sched_victims){ .node = NULL };
    if (obstacle) {
        text_fmt(message, " preemption: %s", obstacle);
        return;
    }
    sched_preempt(w, crowded, ret, reasons);
    if (ret->node)
        return;
    text_fmt(message, " preemption: 0/%zu nodes are available: ", w->snapshot->n_nodes);
    sched_print_reasons(message, reasons);
    text_putc(message, '.');
}

/* @nominated: the node where room is being made, "" = none any more, NULL = as it was. */
static void sched_set_condition(struct plan *ret, const struct sched_want *w, const char *reason,
                                const char *message, const char *nominated, struct clock_now now)
{
    json_t *tree = json_deep_copy(w->tree);
    json_t *status = json_object_get(tree, "status");

    if (!status) {
        status = json_object();
        json_object_set_new(tree, "status", status);
    }
    if (nominated && *nominated)
        json_put_str(status, "nominatedNodeName", nominated);
    else if (nominated)
        json_object_del(status, "nominatedNodeName");
    condition_set(status, "PodScheduled", "False", reason, message, now.wall_ms);
    if (json_equal(status, json_object_get(w->tree, "status")))
        json_decref(tree);
    else
        plan_status(ret, w->object, tree);
}

static void sched_tell(struct plan *ret, struct sched_state *s, const struct sched_want *w,
                       const char *message, const char *nominated, struct clock_now now)
{
    struct sched_memo *m = sched_remember(s, w->object);
    size_t before = ret->n;

    sched_set_condition(ret, w, "Unschedulable", message, nominated, now);
    if (ret->n > before || !m->told || now.mono_ms - m->told_ms >= SCHED_TELL_MS) {
        plan_event(ret, w->object, true, SCHED_NAME, "FailedScheduling", "%s", message);
        m->told = true;
        m->told_ms = now.mono_ms;
    }
    plan_again(ret, SCHED_RETRY_MS);
}

/* --- choosing --- */

/* The node where room was made for it, when it is among those that do. */
static const struct sched_node *sched_nominated(const struct sched_want *w,
                                                const struct sched_node *const *fit, size_t n)
{
    const char *name = json_str(w->tree, "status.nominatedNodeName");

    for (size_t i = 0; name && i < n; i++)
        if (str_eq(fit[i]->object->name, name))
            return fit[i];
    return NULL;
}

/* The node, or NULL: then the message says why none, and @ret_victims who may leave for it. */
static const struct sched_node *sched_choose(struct sched_want *w, struct text *message,
                                             struct sched_victims *ret_victims)
{
    size_t n_nodes = w->snapshot->n_nodes, n = 0;
    cleanup(freep)
        const struct sched_node **fit = MEM_NEW_ARRAY(const struct sched_node *, n_nodes + 1);
    cleanup(freep) bool *crowded = MEM_NEW_ARRAY(bool, n_nodes + 1);
    cleanup(json_decrefpp) json_t *reasons = json_object();
    cleanup(text_fini) struct text problem = TEXT_EMPTY;
    const struct sched_node *nominated;

    if (n_nodes == 0) {
        text_puts(message, "no nodes available to schedule pods");
        return NULL;
    }
    text_fmt(message, "0/%zu nodes are available: ", n_nodes);
    if (!sched_claims_load(w, &problem)) {
        text_fmt(message, "%s.", text_str(&problem));
        sched_make_room(w, crowded, ret_victims, message);
        return NULL;
    }
    sched_topology_load(w);
    for (size_t i = 0; i < n_nodes; i++) {
        enum sched_verdict verdict = sched_filter(w, w->snapshot->order[i], reasons);

        crowded[i] = verdict == SCHED_CROWDED;
        if (verdict == SCHED_FITS)
            fit[n++] = w->snapshot->order[i];
    }
    nominated = sched_nominated(w, fit, n);
    if (n > 0)
        return nominated ? nominated : sched_best(w, fit, n);
    sched_print_reasons(message, reasons);
    text_putc(message, '.');
    sched_make_room(w, crowded, ret_victims, message);
    return NULL;
}

/* Tells claims without a volume where to have it; true when some are still without. */
static bool sched_select(struct plan *ret, const struct sched_want *w, const char *node)
{
    bool unbound = false;

    for (size_t i = 0; i < w->claims.n; i++) {
        const struct sched_claim *c = &w->claims.items[i];
        json_t *tree;

        if (c->volume)
            continue;
        unbound = true;
        if (c->selected)
            continue;
        tree = json_deep_copy(view_tree(w->view, c->object));
        if (!json_at(tree, "metadata.annotations"))
            json_put(tree, "metadata.annotations", json_object());
        json_object_set_new(json_at(tree, "metadata.annotations"), VOLUME_SELECTED_NODE,
                            json_string(node));
        plan_update(ret, c->object, tree);
    }
    return unbound;
}

/* Its own status first: when a victim was changed meanwhile, all is thought over again. */
static void sched_reject(struct plan *ret, struct sched_state *s, struct sched_want *w,
                         const struct sched_victims *victims, const char *message,
                         struct clock_now now)
{
    const char *nominated = victims->node ? victims->node->object->name : "";

    if (sched_preempt_waits(w)) { /* all was said when room was made for it */
        plan_again(ret, SCHED_RETRY_MS);
        return;
    }
    sched_tell(ret, s, w, message, nominated, now);
    sched_snapshot_nominate(s->snapshot, w->object, w->tree, nominated);
    if (victims->node)
        sched_preempt_plan(ret, w, victims, SCHED_NAME, now.wall_ms);
}

static void sched_place(struct plan *ret, struct sched_state *s, struct sched_want *w,
                        struct clock_now now)
{
    cleanup(text_fini) struct text message = TEXT_EMPTY;
    struct sched_victims victims = { .node = NULL };
    const struct sched_node *node;
    struct sched_memo *m;

    sched_snapshot_stand(s->snapshot, w->priority, w->object->uid);
    node = sched_choose(w, &message, &victims);
    sched_snapshot_unstand(s->snapshot);
    if (!node) {
        sched_reject(ret, s, w, &victims, text_str(&message), now);
        free(victims.pods);
        return;
    }
    m = sched_remember(s, w->object);
    m->waits = sched_select(ret, w, node->object->name);
    if (m->waits) {
        plan_again(ret, SCHED_RETRY_MS);
    } else {
        plan_bind(ret, w->object, node->object->name);
        plan_on_success(ret, w->object, SCHED_NAME, "Scheduled",
                        "Successfully assigned %s/%s to %s", w->object->ns, w->object->name,
                        node->object->name);
    }
    sched_snapshot_nominate(s->snapshot, w->object, w->tree, NULL);
    sched_snapshot_assume(s->snapshot, w->object, w->tree, node->object->name);
}

/* --- the controller --- */

static bool sched_is_open(const struct object *pod)
{
    return !*pod->node && !pod->deleting && !str_eq(pod->phase, "Succeeded") &&
           !str_eq(pod->phase, "Failed");
}

static void sched_plan(struct plan *ret, struct view *v, void *arg, const char *ns,
                       const char *name, struct clock_now now)
{
    struct sched_state *s = arg;
    const struct object *pod = view_get(v, "pods", ns, name);
    struct sched_want w;

    if (!pod || !sched_is_open(pod) ||
        !str_eq(json_str_or(view_tree(v, pod), "spec.schedulerName", SCHED_NAME), SCHED_NAME)) {
        cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);

        sched_forget(s, key);
        return;
    }
    sched_snapshot_forget(s->snapshot, pod->uid); /* it does not stand in its own way */
    sched_snapshot_sync(s->snapshot, v);
    sched_want_init(&w, v, s->snapshot, pod);
    if (json_array_size(json_object_get(w.spec, "schedulingGates")) > 0)
        sched_set_condition(ret, &w, "SchedulingGated",
                            "Scheduling is blocked due to non-empty scheduling gates", NULL, now);
    else
        sched_place(ret, s, &w, now);
    sched_want_fini(&w);
}

static void sched_map_add(struct queue *q, struct view *v, const struct object *o)
{
    queue_add_ranked(q, o->ns, o->name, json_int(view_tree(v, o), "spec.priority", 0));
}

struct sched_open {
    const struct object *object;
    char created[24];
    int64_t priority;
};

static int sched_by_age(const void *a, const void *b)
{
    const struct sched_open *x = a, *y = b;
    int order = strcmp(x->created, y->created);

    return order ? order : strcmp(x->object->name, y->object->name);
}

/* Its tree goes at once: there may be tens of thousands that wait. */
static void sched_open_read(struct sched_open *ret, const struct object *o)
{
    cleanup(json_decrefpp) json_t *tree = object_tree(o);

    ret->object = o;
    ret->priority = json_int(tree, "spec.priority", 0);
    snprintf(ret->created, sizeof(ret->created), "%s",
             json_str_or(tree, "metadata.creationTimestamp", ""));
}

/* Every pod that waits for a node, the oldest first; @about: only those whose text holds this. */
static void sched_map_open(struct queue *q, struct view *v, const char *about)
{
    struct sched_open *list = NULL;
    const struct object *o;
    struct store_iter it;
    size_t n = 0, cap = 0;

    if (!view_first(v, about ? about : "pods without a node"))
        return;
    store_iter_init(&it, view_store(v), "pods", NULL, NULL, NULL);
    while ((o = store_iter_next(&it))) {
        if (!sched_is_open(o) || (about && !strstr(o->json, about)))
            continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            list = mem_grow(list, cap, sizeof(*list));
        }
        sched_open_read(&list[n++], o);
    }
    if (n > 0)
        qsort(list, n, sizeof(*list), sched_by_age);
    for (size_t i = 0; i < n; i++)
        queue_add_ranked(q, list[i].object->ns, list[i].object->name, list[i].priority);
    free(list);
}

static bool sched_has_ended(const struct object *o)
{
    return str_eq(o->phase, "Succeeded") || str_eq(o->phase, "Failed");
}

static void sched_map_pod(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object, *before = change->before;

    if (change->type == STORE_DELETED || (sched_has_ended(o) && before && !sched_has_ended(before)))
        sched_map_open(q, v, NULL);
    else if (change->type == STORE_MODIFIED && *o->node && before && !*before->node)
        sched_map_open(q, v, "\"podAffinity\""); /* those that want to be near it */
    if (sched_is_open(o))
        sched_map_add(q, v, o);
    else if ((before && sched_is_open(before)) || change->type == STORE_DELETED)
        queue_add(q, o->ns, o->name);
}

static void sched_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;

    if (str_eq(o->bucket, "pods"))
        sched_map_pod(q, v, change);
    else if (str_eq(o->bucket, "nodes"))
        sched_map_open(q, v, NULL);
    else
        sched_map_open(q, v, "\"volumes\"");
}

static const char *const sched_buckets[] = { "pods",         "nodes",        VOLUME_CLAIMS,
                                             VOLUME_VOLUMES, VOLUME_CLASSES, NULL };

const struct controller scheduler_controller = {
    .manager = "kube-scheduler",
    .name = SCHED_NAME,
    .buckets = sched_buckets,
    .map = sched_map,
    .plan = sched_plan,
    .state_new = sched_state_new,
    .state_free = sched_state_free,
    .settled = sched_settled,
};
