/* Addresses of LoadBalancer Services out of IPAddressPools, and who answers for them.
 *
 * While there is no pool at all, such Services have the entry's address (net/entry.h) and this
 * controller does nothing.  All of them are one key: who gets an address depends on the others. */
#include "controlplane/balancer_impl.h"

#include "api/conditions.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define BALANCER_KEY         "pools"
/* A pool is often there a moment before what announces it. */
#define BALANCER_PATIENCE_MS 5000
#define BALANCER_SAID_MAX    1024 /* complaints remembered: beyond, one is made again */

struct balancer_run { /* one plan being made */
    struct plan *plan;
    struct view *view;
    struct map *said; /* uid to struct balancer_word */
    int64_t now_ms;   /* monotonic */
};

/* --- what was said, so that it is said once --- */

struct balancer_word {
    char *message; /* owned */
    int64_t since_ms;
    bool is_told;
};

static void balancer_word_free(void *word)
{
    struct balancer_word *w = word;

    free(w->message);
    free(w);
}

static void *balancer_state_new(void)
{
    return map_new(balancer_word_free);
}

static void balancer_state_free(void *state)
{
    map_free(state);
}

static void balancer_make_room(struct map *said)
{
    const char *key;
    size_t it = 0;
    void *value;

    if (map_len(said) >= BALANCER_SAID_MAX && map_each(said, &it, &key, &value))
        map_del(said, key);
}

/* Is it time to say @message (NULL: all is well) about @o?  Once, when it has held for @delay_ms. */
static bool balancer_is_due(struct balancer_run *run, const struct object *o, const char *message,
                            int64_t delay_ms)
{
    struct balancer_word *w = map_get(run->said, o->uid);
    int64_t left;

    if (message == NULL) {
        map_del(run->said, o->uid);
        return false;
    }
    if (w == NULL || !str_eq(w->message, message)) {
        balancer_make_room(run->said);
        w = MEM_NEW(struct balancer_word);
        w->message = mem_str(message);
        w->since_ms = run->now_ms;
        map_put(run->said, o->uid, w);
    }
    left = w->since_ms + delay_ms - run->now_ms;
    if (w->is_told || left > 0) {
        if (!w->is_told)
            plan_again(run->plan, left);
        return false;
    }
    w->is_told = true;
    return true;
}

/* --- one Service --- */

static void balancer_show(struct plan *ret, const struct balancer_service *s, const char *address)
{
    json_t *tree = json_deep_copy(s->tree);

    if (json_object_get(tree, "status") == NULL)
        json_object_set_new(tree, "status", json_object());
    json_put(tree, "status.loadBalancer",
             address != NULL
                 ? json_pack("{s:[{s:s, s:s}]}", "ingress", "ip", address, "ipMode", "VIP")
                 : json_object());
    plan_status(ret, s->object, tree);
}

/* Sets or removes (NULL) the three notes; false: they say so already. */
static bool balancer_set_notes(json_t *tree, const char *pool, const char *node,
                               const char *devices)
{
    const struct {
        const char *name, *value;
    } rows[] = { { BALANCER_FROM_POOL, pool },
                 { BALANCER_NODE, node },
                 { BALANCER_DEVICES, devices } };
    json_t *notes = json_at(tree, "metadata.annotations");
    bool changed = false;

    if (notes == NULL) {
        json_put(tree, "metadata.annotations", json_object());
        notes = json_at(tree, "metadata.annotations");
    }
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (str_eq(json_string_value(json_object_get(notes, rows[i].name)), rows[i].value))
            continue;
        if (rows[i].value != NULL)
            json_object_set_new(notes, rows[i].name, json_string(rows[i].value));
        else if (json_object_del(notes, rows[i].name) < 0)
            continue;
        changed = true;
    }
    return changed;
}

static bool balancer_write_notes(struct plan *ret, const struct object *o, const json_t *was,
                                 const char *pool, const char *node, const char *devices)
{
    json_t *tree = json_deep_copy(was);

    if (!balancer_set_notes(tree, pool, node, devices)) {
        json_decref(tree);
        return false;
    }
    plan_update(ret, o, tree);
    return true;
}

/* The notes come first, then the address in a plan of its own: both change the Service, and the
 * entry leaves alone what has notes. */
static void balancer_serve(struct balancer_run *run, const struct balancer_service *s)
{
    struct plan *ret = run->plan;
    const json_t *notes = json_at(s->tree, "metadata.annotations");
    const char *before = json_string_value(json_object_get(notes, BALANCER_NODE));
    struct balancer_place place = balancer_place(run->view, s, before);
    cleanup(freep) char *devices = place.devices;
    char address[ADDRESS_TEXT_MAX];

    address_print(address, s->address);
    if (balancer_write_notes(ret, s->object, s->tree, s->pool->object->name, place.node,
                             devices[0] != '\0' ? devices : NULL)) {
        if (place.node != NULL && !str_eq(place.node, before))
            plan_on_success(ret, s->object, "metallb-speaker", "nodeAssigned",
                            "announcing from node \"%s\" with protocol \"layer2\"", place.node);
    } else if (!str_eq(s->shown, address)) {
        balancer_show(ret, s, address);
        plan_on_success(ret, s->object, BALANCER_NAME, "IPAllocated", "Assigned IP [\"%s\"]",
                        address);
    }
    if (balancer_is_due(run, s->object, place.why, BALANCER_PATIENCE_MS))
        plan_event(ret, s->object, true, "metallb-speaker", "NotAnnounced", "%s", place.why);
}

/* Takes away what came from a pool; the address goes first. */
static void balancer_clear(struct plan *ret, const struct balancer_service *s)
{
    if (s->shown == NULL) {
        balancer_write_notes(ret, s->object, s->tree, NULL, NULL, NULL);
        return;
    }
    balancer_show(ret, s, NULL);
    plan_on_success(ret, s->object, BALANCER_NAME, "ClearAssignment",
                    "current IP \"%s\" not allowed by config, will attempt reassignment", s->shown);
}

static void balancer_deny(struct balancer_run *run, const struct balancer_service *s)
{
    cleanup(freep) char *message = mem_fmt("Failed to allocate IP for \"%s/%s\": %s", s->object->ns,
                                           s->object->name, s->err.text);

    balancer_clear(run->plan, s); /* also the entry's, from when there were no pools */
    if (balancer_is_due(run, s->object, message, 0))
        plan_event(run->plan, s->object, true, BALANCER_NAME, "AllocationFailed", "%s", message);
}

/* --- pools --- */

static void balancer_count(struct plan *ret, const struct balancer_pool *p)
{
    const json_t *status = json_object_get(p->tree, "status");
    int64_t left = (int64_t)p->size - p->assigned;
    json_t *tree;

    if (status != NULL && json_int(status, "assignedIPv4", -1) == p->assigned &&
        json_int(status, "availableIPv4", -1) == left)
        return;
    tree = json_deep_copy(p->tree);
    json_object_set_new(tree, "status",
                        json_pack("{s:I, s:i, s:I, s:i}", "assignedIPv4", (json_int_t)p->assigned,
                                  "assignedIPv6", 0, "availableIPv4", (json_int_t)left,
                                  "availableIPv6", 0));
    plan_status(ret, p->object, tree);
}

/* --- the controller --- */

/* Services that are no longer ours, yet have notes of ours. */
static void balancer_let_go(struct plan *ret, struct view *v, const struct balancer *b)
{
    const struct object *const *list = view_list(v, "services", NULL, NULL);

    for (; *list != NULL; list++) {
        bool is_ours = (*list)->deleting || strstr((*list)->json, BALANCER_FROM_POOL) == NULL;

        for (size_t i = 0; i < b->n_services && !is_ours; i++)
            is_ours = b->services[i].object == *list;
        if (!is_ours) {
            const json_t *tree = view_tree(v, *list);
            const struct balancer_service s = {
                .object = *list,
                .tree = tree,
                .shown = json_str(json_array_get(json_at(tree, "status.loadBalancer.ingress"), 0),
                                  "ip"),
            };

            balancer_clear(ret, &s);
        }
    }
}

static void balancer_plan(struct plan *ret, struct view *v, void *state, const char *ns UNUSED,
                          const char *name UNUSED, struct clock_now now)
{
    struct balancer_run run = { .plan = ret, .view = v, .said = state, .now_ms = now.mono_ms };
    struct balancer b;

    balancer_read(&b, v);
    if (b.n_pools > 0)
        balancer_allocate(&b);
    for (size_t i = 0; i < b.n_services; i++) {
        struct balancer_service *s = &b.services[i];

        if (b.n_pools > 0 && s->pool != NULL)
            balancer_serve(&run, s);
        else if (b.n_pools > 0)
            balancer_deny(&run, s);
        else if (s->from != NULL)
            balancer_clear(ret, s);
    }
    balancer_let_go(ret, v, &b);
    for (size_t i = 0; i < b.n_pools; i++)
        balancer_count(ret, &b.pools[i]);
    balancer_fini(&b);
}

/* Heartbeats change Nodes all the time; only their readiness and labels matter. */
static bool balancer_node_matters(const struct store_change *change)
{
    cleanup(json_decrefpp) json_t *now = NULL;
    cleanup(json_decrefpp) json_t *was = NULL;

    if (change->type != STORE_MODIFIED || change->before == NULL)
        return true;
    now = object_tree(change->object);
    was = object_tree(change->before);
    return condition_is(json_object_get(now, "status"), "Ready", "True") !=
               condition_is(json_object_get(was, "status"), "Ready", "True") ||
           !json_equal(json_at(now, "metadata.labels"), json_at(was, "metadata.labels"));
}

static bool balancer_service_matters(const struct store_change *change)
{
    return strstr(change->object->json, "LoadBalancer") != NULL ||
           strstr(change->object->json, BALANCER_FROM_POOL) != NULL ||
           (change->before != NULL && strstr(change->before->json, BALANCER_FROM_POOL) != NULL);
}

static void balancer_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const char *bucket = change->object->bucket;
    size_t n_pools;

    view_list(v, BALANCER_POOLS, NULL, &n_pools);
    if (str_eq(bucket, "services") ? !balancer_service_matters(change)
                                   : n_pools == 0 && !str_eq(bucket, BALANCER_POOLS))
        return;
    if (str_eq(bucket, "nodes") && !balancer_node_matters(change))
        return;
    queue_add(q, "", BALANCER_KEY);
}

static const char *const balancer_buckets[] = {
    BALANCER_POOLS, BALANCER_ADVERTS, "services", BALANCER_SLICES, "nodes", "namespaces", NULL
};

const struct controller balancer_controller = {
    .name = BALANCER_NAME,
    .buckets = balancer_buckets,
    .map = balancer_map,
    .plan = balancer_plan,
    .state_new = balancer_state_new,
    .state_free = balancer_state_free,
};
