#include "api/metrics_pull.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include "api/conditions.h"

#include <string.h>

#define PULL_SCALERS     "horizontalpodautoscalers.autoscaling"
#define PULL_SECOND_MS   2000            /* from the first round to the second */
#define PULL_PATIENCE_MS 5000            /* whoever asks waits no longer than that */
#define PULL_KEEP_MS     (5 * 60 * 1000) /* so long after a question the next is expected */
#define PULL_CALL_MS     5000
#define PULL_BODY_MAX    (4u << 20)
#define PULL_NODE_PORT   10250

struct pull_waiter {
    struct list link;
    void (*fn)(void *arg);
    void *arg;
};

struct pull_call {
    struct list link; /* in metrics_pull.calls */
    struct metrics_pull *p;
    struct http_call *call;
    char *node; /* owned */
};

/*  asleep --somebody wants to know--> awake: a round, another 2 s later, then every 15 s
 *     ^______________nobody does_______/ */
struct metrics_pull {
    struct store *store; /* borrowed, as the next two */
    struct http_client *nodes;
    struct metrics *metrics;
    struct store_cursor *cursor; /* of autoscalers */
    struct timer *tick, *patience;
    struct list waiters, calls;
    int64_t wanted_until_ms; /* monotonic */
    int64_t round_ms;        /* when the last round began */
    unsigned rounds;         /* since it woke; 0 = asleep */
};

/* --- whoever waits --- */

static void pull_release(struct metrics_pull *p)
{
    timer_stop(p->patience);
    while (!list_empty(&p->waiters)) {
        struct pull_waiter *w = list_entry(p->waiters.next, struct pull_waiter, link);
        void (*fn)(void *arg) = w->fn;
        void *arg = w->arg;

        list_del(&w->link);
        free(w);
        fn(arg);
    }
}

static void pull_on_patience(void *arg)
{
    pull_release(arg);
}

/* --- one node --- */

static void pull_call_free(struct pull_call *c)
{
    list_del(&c->link);
    free(c->node);
    free(c);
}

static void pull_take(struct metrics_pull *p, const char *node, const void *body, size_t len)
{
    struct metrics_sample *sample = NULL;
    struct err err = ERR_EMPTY;

    if (metrics_sample_parse(&sample, body, len, &err) == 0) {
        metrics_put(p->metrics, node, sample);
        return;
    }
    log_warn("metrics of a node are not readable", KV("node", "%s", node), KV_ERR(&err));
    metrics_forget(p->metrics, node);
}

static void pull_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                         size_t len, const struct err *err)
{
    struct pull_call *c = arg;
    struct metrics_pull *p = c->p;

    if (rc == 0 && head->status == 200) {
        pull_take(p, c->node, body, len);
    } else {
        log_debug("no metrics of a node", KV("node", "%s", c->node),
                  KV("status", "%d", head->status), KV("why", "%s", rc < 0 ? err->text : ""));
        metrics_forget(p->metrics, c->node);
    }
    pull_call_free(c);
    if (p->rounds >= 2 && list_empty(&p->calls))
        pull_release(p);
}

static bool pull_url(struct text *ret, const json_t *node)
{
    const char *ip = json_str(json_find(json_at(node, "status.addresses"), "type", "InternalIP"),
                              "address");

    if (ip == NULL || !condition_is(json_at(node, "status"), "Ready", "True"))
        return false;
    text_fmt(
        ret, "https://%s:%lld/metrics/resource", ip,
        (long long)json_int(node, "status.daemonEndpoints.kubeletEndpoint.Port", PULL_NODE_PORT));
    return true;
}

static bool pull_is_asked(const struct metrics_pull *p, const char *node)
{
    LIST_EACH (it, &p->calls)
        if (str_eq(list_entry(it, struct pull_call, link)->node, node))
            return true;
    return false;
}

static void pull_ask(struct metrics_pull *p, const struct object *o)
{
    cleanup(json_decrefpp) json_t *node = object_tree(o);
    cleanup(text_fini) struct text url = TEXT_EMPTY;
    struct http_call_listener listener = { .on_done = pull_on_done };
    struct http_call_spec spec = { .method = "GET",
                                   .timeout_ms = PULL_CALL_MS,
                                   .connect_ms = PULL_CALL_MS,
                                   .max_body = PULL_BODY_MAX };
    struct pull_call *c;

    if (pull_is_asked(p, o->name))
        return;
    if (!pull_url(&url, node)) {
        metrics_forget(p->metrics, o->name);
        return;
    }
    c = MEM_NEW(struct pull_call);
    c->p = p;
    c->node = mem_str(o->name);
    list_add_tail(&p->calls, &c->link);
    listener.arg = c;
    spec.url = text_str(&url);
    c->call = http_call(p->nodes, &spec, &listener);
}

/* --- rounds --- */

static bool pull_knows(void *arg, const char *node)
{
    struct metrics_pull *p = arg;

    return store_get(p->store, "nodes", "", node) != NULL;
}

static void pull_round(struct metrics_pull *p, int64_t now_ms)
{
    struct store_iter it;
    const struct object *o;

    p->rounds++;
    p->round_ms = now_ms;
    metrics_sweep(p->metrics, pull_knows, p);
    store_iter_init(&it, p->store, "nodes", NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL)
        pull_ask(p, o);
    if (p->rounds >= 2 && list_empty(&p->calls))
        pull_release(p);
}

static bool pull_has_scalers(const struct metrics_pull *p)
{
    struct store_iter it;

    store_iter_init(&it, p->store, PULL_SCALERS, NULL, NULL, NULL);
    return store_iter_next(&it) != NULL;
}

static void pull_on_scaler(void *arg);

static void pull_follow(struct metrics_pull *p)
{
    p->cursor = store_cursor_free(p->cursor);
    if (store_cursor_new(&p->cursor, p->store, PULL_SCALERS, store_revision(p->store),
                         pull_on_scaler, p) != 0)
        p->cursor = NULL;
}

/* The cursor only has to be drained to wake us again. */
static void pull_drain(struct metrics_pull *p)
{
    struct store_change change;
    int rc = 1;

    while (p->cursor != NULL && rc == 1)
        rc = store_cursor_next(p->cursor, &change);
    if (rc != 0)
        pull_follow(p);
}

static void pull_on_tick(void *arg)
{
    struct metrics_pull *p = arg;
    int64_t now_ms = clock_mono_ms(), due_ms;

    pull_drain(p);
    if (now_ms >= p->wanted_until_ms && !pull_has_scalers(p)) {
        p->rounds = 0;
        metrics_clear(p->metrics);
        return;
    }
    due_ms = p->round_ms + (p->rounds == 1 ? PULL_SECOND_MS : METRICS_PERIOD_MS);
    if (p->rounds == 0 || now_ms >= due_ms) {
        pull_round(p, now_ms);
        due_ms = now_ms + (p->rounds == 1 ? PULL_SECOND_MS : METRICS_PERIOD_MS);
    }
    timer_start(p->tick, due_ms - now_ms);
}

/* Called from within a commit: only noted. */
static void pull_on_scaler(void *arg)
{
    struct metrics_pull *p = arg;

    timer_start(p->tick, 0);
}

void metrics_pull_want(struct metrics_pull *p, void (*fn)(void *arg), void *arg)
{
    struct pull_waiter *w;

    p->wanted_until_ms = clock_mono_ms() + PULL_KEEP_MS;
    if (p->rounds > 2 || (p->rounds == 2 && list_empty(&p->calls))) {
        fn(arg);
        return;
    }
    w = MEM_NEW(struct pull_waiter);
    w->fn = fn;
    w->arg = arg;
    list_add_tail(&p->waiters, &w->link);
    if (!timer_active(p->patience))
        timer_start(p->patience, PULL_PATIENCE_MS);
    if (p->rounds == 0)
        timer_start(p->tick, 0);
}

/* --- life --- */

struct metrics_pull *metrics_pull_new(uv_loop_t *loop, struct store *store,
                                      struct http_client *nodes, struct metrics *metrics)
{
    struct metrics_pull *p = MEM_NEW(struct metrics_pull);

    p->store = store;
    p->nodes = nodes;
    p->metrics = metrics;
    p->tick = timer_new(loop, pull_on_tick, p);
    p->patience = timer_new(loop, pull_on_patience, p);
    list_init(&p->waiters);
    list_init(&p->calls);
    pull_follow(p);
    timer_start(p->tick, 0); /* autoscalers of before a restart */
    return p;
}

struct metrics_pull *metrics_pull_close(struct metrics_pull *p)
{
    if (p == NULL)
        return NULL;
    while (!list_empty(&p->calls)) {
        struct pull_call *c = list_entry(p->calls.next, struct pull_call, link);

        http_call_cancel(c->call);
        pull_call_free(c);
    }
    pull_release(p);
    p->cursor = store_cursor_free(p->cursor);
    p->tick = timer_close(p->tick);
    p->patience = timer_close(p->patience);
    free(p);
    return NULL;
}
