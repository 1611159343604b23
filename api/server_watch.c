/* WATCH: a cursor on the store's ring of changes behind an HTTP stream.
 *
 * Nothing is buffered per watcher but what the socket has not taken, at most WATCH_BACKLOG_MAX and
 * one event: a watcher that is too slow falls off the ring and is told so (410 Expired), as in
 * Kubernetes; one that reads nothing at all is cut by the HTTP server's time-out.  What is there at
 * the start is a snapshot, sent in turns of WATCH_TURN_NS; changes follow behind its revision. */
#include "api/server_impl.h"

#include "api/custom.h"
#include "base/clock.h"
#include "base/http_args.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "storage/store_snapshot.h"

#include <assert.h>
#include <string.h>

#define WATCH_BACKLOG_MAX (256 * 1024)
/* How long the others wait while one watcher is served. */
#define WATCH_TURN_NS     2000000
#define WATCH_BOOKMARK_MS 60000
#define WATCH_TIMEOUT_MS  (30 * 60000)

struct watch {
    struct list link;            /* in server.watches */
    struct call *call;           /* owned */
    struct store_cursor *cursor; /* owned; NULL once ended */
    struct selector *labels;
    struct field_selector *fields;
    struct store_snapshot initial; /* what is there at the start, until it is told */
    size_t n_initial, n_told;      /* counted in server.n_listed; told so far */
    uint64_t after;                /* its revision */
    struct timer *pump, *bookmark, *end;
    bool bookmarks;      /* the client asked for them */
    bool initial_events; /* streaming list: tell when the initial ones are through */
    bool greeted;        /* the initial ones are told, and so is their end */
    bool columns_sent;
    bool ended;
    /* Custom kinds whose versions a webhook translates: the event on its way, nothing overtakes it. */
    bool is_converting, is_gone;
    const char *pending_type;
    struct object *pending; /* a reference */
    json_t *failure;        /* owned: what the webhook's failure is told as */
};

static bool watch_wants(const struct watch *w, const struct object *o)
{
    const char *ns = w->call->route.ns;

    return o != NULL && (ns[0] == '\0' || str_eq(ns, o->ns)) && selector_matches(w->labels, o) &&
           field_selector_matches(w->fields, o);
}

static void watch_free(struct watch *w);

static void watch_send_ready(struct watch *w, const char *type, const struct object *o)
{
    const struct text *line = server_event(w->call, type, o, w->columns_sent);

    w->columns_sent = w->columns_sent || w->call->form == CALL_TABLE;
    http_write(w->call->x, line->data, line->len);
}

static void watch_on_converted(void *arg, const struct err *err)
{
    struct watch *w = arg;
    struct object *o = STEAL(w->pending);

    w->is_converting = false;
    if (w->is_gone) {
        watch_free(w);
    } else if (!w->ended) {
        if (err != NULL)
            w->failure = status_from_err(err);
        else
            watch_send_ready(w, w->pending_type, o);
        timer_start(w->pump, 0);
    }
    object_unref(o);
}

static void watch_send(struct watch *w, const char *type, const struct object *o)
{
    const struct schema_resource *row = w->call->route.resource;

    if (!custom_converts(row)) {
        watch_send_ready(w, type, o);
        return;
    }
    w->is_converting = true;
    w->pending_type = type;
    w->pending = object_ref(o);
    registry_convert_objects(w->call->s->registry, row, &w->pending, 1, watch_on_converted, w);
}

static void watch_send_bookmark(struct watch *w, uint64_t revision, bool initial_end)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    char version[128];
    struct call *c = w->call;

    schema_api_version(version, sizeof(version), c->route.resource);
    if (c->form == CALL_TABLE) {
        struct table_opts opts;
        cleanup(freep) char *rv = mem_fmt("%llu", (unsigned long long)revision);

        text_puts(&t, "{\"type\":\"BOOKMARK\",\"object\":");
        server_table_opts(&opts, c);
        table_open(&t, &opts, rv, NULL, 0, w->columns_sent);
        table_close(&t);
        text_puts(&t, "}\n");
    } else {
        text_fmt(&t,
                 "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\","
                 "\"metadata\":{\"resourceVersion\":\"%llu\"%s}}}\n",
                 c->form == CALL_META ? "PartialObjectMetadata" : c->route.resource->kind,
                 c->form == CALL_META ? "meta.k8s.io/v1" : version, (unsigned long long)revision,
                 initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
    }
    http_write(c->x, t.data, t.len);
}

static void watch_send_error(struct http_exchange *x, json_t *status_steal)
{
    cleanup(json_decrefpp)
        json_t *event = json_pack("{s:s, s:o}", "type", "ERROR", "object", status_steal);
    cleanup(freep) char *line = json_print(event, NULL);
    cleanup(freep) char *whole = mem_fmt("%s\n", line);

    http_write(x, whole, strlen(whole));
}

static json_t *watch_expired(uint64_t wanted, uint64_t current)
{
    return status_failure(ERR_EXPIRED, "too old resource version: %llu (%llu)",
                          (unsigned long long)wanted, (unsigned long long)current);
}

/* Ends the stream in good order; the watch dies in on_gone. */
static void watch_end(struct watch *w)
{
    if (w->ended)
        return;
    w->ended = true;
    w->cursor = store_cursor_free(w->cursor);
    timer_stop(w->pump);
    timer_stop(w->bookmark);
    timer_stop(w->end);
    http_end(w->call->x);
}

/* Whether this watcher may have been shown @o's former state, which nobody remembers: where an
 * object is never changes, all else may have. */
static bool watch_may_have_wanted(const struct watch *w, const struct object *o)
{
    const char *ns = w->call->route.ns;
    const char *name = field_selector_exact(w->fields, "metadata.name");

    return (ns[0] == '\0' || str_eq(ns, o->ns)) && (name == NULL || str_eq(name, o->name));
}

/* An object that enters the selection is new to this watcher, one that leaves it is gone.  Told
 * once too often is harmless (MODIFIED for new, DELETED for unknown), once too seldom is not. */
static void watch_deliver(struct watch *w, const struct store_change *change)
{
    bool now = change->type != STORE_DELETED && watch_wants(w, change->object);
    bool unknown = change->type != STORE_ADDED && change->before == NULL;
    bool before = unknown ? watch_may_have_wanted(w, change->object)
                          : watch_wants(w, change->before);

    if (now)
        watch_send(w, before ? "MODIFIED" : "ADDED", change->object);
    else if (before)
        watch_send(w, "DELETED", change->object);
}

static bool watch_may_go_on(const struct watch *w, uint64_t began_ns)
{
    return w->failure == NULL && !w->is_converting &&
           http_backlog(w->call->x) < WATCH_BACKLOG_MAX && uv_hrtime() - began_ns < WATCH_TURN_NS;
}

static void watch_forget_initial(struct watch *w)
{
    w->call->s->n_listed -= w->n_initial;
    w->n_initial = 0;
    store_snapshot_fini(&w->initial);
}

/* What is there at the start, and its end; true when all of it is told. */
static bool watch_greet(struct watch *w, uint64_t began_ns)
{
    if (w->greeted)
        return true;
    while (w->n_told < w->initial.n) {
        const struct object *o = w->initial.objects[w->n_told];

        if (!watch_may_go_on(w, began_ns))
            return false;
        w->n_told++;
        if (watch_wants(w, o))
            watch_send(w, "ADDED", o);
    }
    if (w->is_converting || w->failure != NULL)
        return false; /* the last one is not told yet */
    watch_forget_initial(w);
    w->greeted = true;
    /* At the start too: the client then knows that it is connected, although nothing happens. */
    if (w->bookmarks)
        watch_send_bookmark(w, w->after, w->initial_events);
    return true;
}

static void watch_on_pump(void *arg)
{
    struct watch *w = arg;
    struct store_change change;
    uint64_t began_ns = uv_hrtime();
    int rc = 1;

    if (w->ended || w->is_converting)
        return;
    if (w->failure != NULL) {
        watch_send_error(w->call->x, STEAL(w->failure));
        watch_end(w);
        return;
    }
    if (watch_greet(w, began_ns))
        while (watch_may_go_on(w, began_ns) && (rc = store_cursor_next(w->cursor, &change)) == 1)
            watch_deliver(w, &change);
    if (rc == STORE_TOO_OLD) {
        watch_send_error(w->call->x, watch_expired(store_cursor_revision(w->cursor),
                                                   store_revision(w->call->s->store)));
        watch_end(w);
    } else if (rc == 1 && !w->is_converting && http_backlog(w->call->x) < WATCH_BACKLOG_MAX) {
        timer_start(w->pump, 0); /* its turn is over; else on_drain goes on */
    }
}

static void watch_on_wake(void *arg)
{
    struct watch *w = arg;

    timer_start(w->pump, 0);
}

static void watch_on_bookmark(void *arg)
{
    struct watch *w = arg;

    if (w->greeted)
        watch_send_bookmark(w, store_cursor_revision(w->cursor), false);
    timer_start(w->bookmark, WATCH_BOOKMARK_MS);
}

static void watch_on_end(void *arg)
{
    struct watch *w = arg;

    if (w->bookmarks && w->greeted)
        watch_send_bookmark(w, store_cursor_revision(w->cursor), false);
    watch_end(w);
}

static void watch_free(struct watch *w)
{
    json_decref(w->failure);
    call_free(w->call);
    free(w);
}

static void watch_on_gone(void *arg)
{
    struct watch *w = arg;

    list_del(&w->link);
    watch_forget_initial(w);
    store_cursor_free(w->cursor);
    selector_free(w->labels);
    field_selector_free(w->fields);
    timer_close(w->pump);
    timer_close(w->bookmark);
    timer_close(w->end);
    w->ended = w->is_gone = true;
    if (!w->is_converting) /* else it goes with the webhook's answer */
        watch_free(w);
}

/* --- start --- */

static int64_t watch_timeout_ms(const struct call *c)
{
    const char *text = http_query(c->x, "timeoutSeconds");
    uint64_t seconds;

    if (!str_empty(text) && str_u64(text, &seconds) && seconds > 0 && seconds < 86400)
        return (int64_t)seconds * 1000;
    return WATCH_TIMEOUT_MS;
}

static void watch_open_stream(struct watch *w)
{
    struct http_stream_listener listener = { .on_drain = watch_on_wake,
                                             .on_gone = watch_on_gone,
                                             .arg = w };
    struct server *s = w->call->s;

    w->pump = timer_new(s->loop, watch_on_pump, w);
    w->bookmark = timer_new(s->loop, watch_on_bookmark, w);
    w->end = timer_new(s->loop, watch_on_end, w);
    list_init(&w->link);
    list_add_tail(&s->watches, &w->link);
    server_observe_answer(w->call, 200, NULL, 0);
    http_stream(w->call->x, 200, "application/json", &listener);
}

/* From w->after on, behind what is there if that is asked for. */
static void watch_begin(struct watch *w)
{
    struct server *s = w->call->s;
    int64_t timeout_ms = watch_timeout_ms(w->call);
    uint64_t after = w->after;
    int rc;

    watch_open_stream(w);
    rc = store_cursor_new(&w->cursor, s->store, w->call->route.resource->bucket, after,
                          watch_on_wake, w);
    if (rc == STORE_TOO_OLD) {
        watch_send_error(w->call->x, watch_expired(after, store_revision(s->store)));
        watch_end(w);
        return;
    }
    if (w->bookmarks)
        timer_start(w->bookmark, WATCH_BOOKMARK_MS);
    timer_start(w->end, timeout_ms);
    timer_start(w->pump, 0);
}

static bool watch_flag(const struct call *c, const char *key)
{
    return http_args_flag(http_query(c->x, key));
}

/* False: answered. */
static bool watch_read_version(struct call *c, uint64_t *ret_after, bool *ret_current)
{
    const struct list_query query = server_list_query(c);
    json_t *no = list_options_watch(&query, store_revision(c->s->store), ret_after, ret_current);

    if (no != NULL)
        call_send_status(c, no);
    return no == NULL;
}

/* False: answered. */
static bool watch_take_initial(struct watch *w)
{
    struct call *c = w->call;
    const struct store_snapshot_opts opts = { .bucket = c->route.resource->bucket,
                                              .ns = c->route.ns[0] != '\0' ? c->route.ns : NULL,
                                              .revision = w->after };
    int rc = store_snapshot_take(&w->initial, c->s->store, &opts);

    assert(rc == 0); /* the newest state is always there */
    (void)rc;
    if (!server_list_may(c, w->initial.n))
        return false;
    w->n_initial = w->initial.n;
    c->s->n_listed += w->n_initial;
    return true;
}

static void watch_drop(struct watch *w)
{
    store_snapshot_fini(&w->initial);
    selector_free(w->labels);
    field_selector_free(w->fields);
    free(w);
}

void server_watch(struct call *c)
{
    struct watch *w = MEM_NEW(struct watch);
    bool current;

    w->call = c;
    if (!call_read_form(c) || !watch_read_version(c, &w->after, &current) ||
        !server_selectors(c, &w->labels, &w->fields) || (current && !watch_take_initial(w))) {
        watch_drop(w);
        return;
    }
    w->bookmarks = watch_flag(c, "allowWatchBookmarks");
    w->initial_events = w->bookmarks && watch_flag(c, "sendInitialEvents");
    watch_begin(w);
}

void server_watch_end_retired(void *server)
{
    struct server *s = server;

    server_events_clear(s);
    for (struct list *l = s->watches.next; l != &s->watches; l = l->next) {
        struct watch *w = list_entry(l, struct watch, link);

        /* A turn later, behind the changes that wait to be told. */
        if (!w->ended && custom_is_retired(w->call->route.resource))
            timer_start(w->end, 0);
    }
}

void server_watch_end_all(struct server *s)
{
    /* watch_end may free the watch at once: walk a detached list. */
    struct list ending;

    list_init(&ending);
    list_splice(&ending, &s->watches);
    while (!list_empty(&ending)) {
        struct watch *w = list_entry(ending.next, struct watch, link);

        list_del(&w->link);
        list_add_tail(&s->watches, &w->link);
        watch_end(w);
    }
}
