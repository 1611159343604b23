/* LIST: a snapshot of the bucket, chosen and printed in turns.
 *
 * A list of any length takes the loop for LISTING_TURN_MS at a time and holds no text but the
 * piece on its way: what is short is one answer, the rest a stream (gzip in pieces too).  What the
 * snapshot references stays as it was, so a list is of one revision however slowly it is read.
 * A client that does not read for long, or takes longer than LISTING_MAX_MS in all, is cut. */
#include "api/server_impl.h"

#include "api/custom.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "storage/store_snapshot.h"

#include <assert.h>
#include <string.h>

/* How long the others wait for one piece, and how long it gets. */
#define LISTING_TURN_NS  2000000
#define LISTING_PIECE    (128 * 1024)
/* Above, the client sets the pace (http_backlog fires on_drain then). */
#define LISTING_BACKLOG  (256 * 1024)
#define LISTING_MAX_MS   (5 * 60000)
#define LISTING_MAX_ROWS 4000000

struct listing {
    struct list link; /* in server.listings */
    struct server *server;
    struct call *call; /* owned until answered */
    struct list_options options;
    struct selector *labels;
    struct field_selector *fields;
    struct store_snapshot rows; /* chosen ones move to the front */
    size_t n_rows;              /* of them, counted in server.n_listed */
    size_t n_seen, n_chosen, n_printed;
    bool has_more;
    int64_t left; /* behind the last one; -1 = not counted */
    struct table_opts table;
    struct timer *turn, *deadline;
    bool is_streaming;
    bool is_converted; /* all are in the version that was asked for */
};

static void listing_free(struct listing *l)
{
    list_del(&l->link);
    l->server->n_listed -= l->n_rows;
    store_snapshot_fini(&l->rows);
    list_options_fini(&l->options);
    selector_free(l->labels);
    field_selector_free(l->fields);
    timer_close(l->turn);
    timer_close(l->deadline);
    free(l);
}

static bool listing_is_over(uint64_t began_ns)
{
    return uv_hrtime() - began_ns > LISTING_TURN_NS;
}

/* --- choosing --- */

/* How many are left is only told of lists without selectors, as in Kubernetes. */
static bool listing_is_whole(const struct listing *l)
{
    return selector_is_everything(l->labels) && str_empty(http_query(l->call->x, "fieldSelector"));
}

static bool listing_wants(const struct listing *l, const struct object *o)
{
    return selector_matches(l->labels, o) && field_selector_matches(l->fields, o);
}

/* Moves what is wanted to the front; false: its turn is over. */
static bool listing_choose(struct listing *l)
{
    uint64_t began_ns = uv_hrtime();

    while (l->n_seen < l->rows.n && !l->has_more) {
        struct object *o = l->rows.objects[l->n_seen];

        if (l->n_seen % 64 == 63 && listing_is_over(began_ns))
            return false;
        l->n_seen++;
        if (!listing_wants(l, o))
            continue;
        if (l->options.limit > 0 && l->n_chosen == l->options.limit) {
            l->has_more = true;
            break;
        }
        l->rows.objects[l->n_seen - 1] = l->rows.objects[l->n_chosen];
        l->rows.objects[l->n_chosen++] = o;
    }
    return true;
}

/* Without selectors the snapshot is what is wanted. */
static void listing_choose_all(struct listing *l)
{
    l->n_seen = l->n_chosen = l->rows.n;
    l->has_more = l->rows.has_more;
    if (l->has_more)
        l->left = l->options.left >= 0 ? l->options.left - (int64_t)l->rows.n
                                       : (int64_t)l->rows.n_rest;
}

/* --- printing --- */

static void listing_print_head(struct text *ret, const struct listing *l, const char *token)
{
    const struct call *c = l->call;
    char version[128];

    if (c->form == CALL_TABLE) {
        cleanup(freep) char *revision = mem_fmt("%llu", (unsigned long long)l->options.revision);

        table_open(ret, &l->table, revision, token[0] != '\0' ? token : NULL,
                   l->left > 0 ? l->left : 0, false);
        return;
    }
    schema_api_version(version, sizeof(version), c->route.resource);
    if (c->form == CALL_META)
        text_puts(ret, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else
        text_fmt(ret, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\"", c->route.resource->kind,
                 version);
    text_fmt(ret, ",\"metadata\":{\"resourceVersion\":\"%llu\"",
             (unsigned long long)l->options.revision);
    if (token[0] != '\0')
        text_fmt(ret, ",\"continue\":\"%s\"", token);
    if (token[0] != '\0' && l->left > 0)
        text_fmt(ret, ",\"remainingItemCount\":%lld", (long long)l->left);
    text_puts(ret, "},\"items\":[");
}

static void listing_open(struct text *ret, const struct listing *l)
{
    cleanup(text_fini) struct text token = TEXT_EMPTY;

    if (l->has_more) {
        const struct object *last = l->rows.objects[l->n_chosen - 1];

        list_options_token(&token, &l->options, last->ns, last->name, l->left);
    }
    listing_print_head(ret, l, text_str(&token));
}

static void listing_close(struct text *ret, const struct listing *l)
{
    if (l->call->form == CALL_TABLE)
        table_close(ret);
    else
        text_puts(ret, "]}");
}

static void listing_print_row(struct text *ret, const struct listing *l, const struct object *o)
{
    if (l->call->form == CALL_TABLE)
        table_row(ret, &l->table, o);
    else if (l->call->form == CALL_META)
        server_meta_print(ret, o);
    else
        server_print_object(ret, l->call, o);
}

/* The next piece; true: it is the last. */
static bool listing_print(struct text *ret, struct listing *l)
{
    uint64_t began_ns = uv_hrtime();

    if (l->n_printed == 0)
        listing_open(ret, l);
    while (l->n_printed < l->n_chosen) {
        if (ret->len >= LISTING_PIECE || (l->n_printed % 16 == 15 && listing_is_over(began_ns)))
            return false;
        if (l->n_printed > 0)
            text_putc(ret, ',');
        listing_print_row(ret, l, l->rows.objects[l->n_printed++]);
    }
    listing_close(ret, l);
    return true;
}

/* --- answering --- */

static void listing_on_turn(void *arg);

static void listing_on_drain(void *arg)
{
    struct listing *l = arg;

    timer_start(l->turn, 0);
}

static void listing_on_gone(void *arg)
{
    struct listing *l = arg;
    struct call *c = l->call;

    listing_free(l);
    call_free(c);
}

static void listing_on_deadline(void *arg)
{
    struct listing *l = arg;

    if (l->is_streaming)
        http_abort(l->call->x);
}

static void listing_stream(struct listing *l)
{
    const struct http_stream_listener listener = { .on_drain = listing_on_drain,
                                                   .on_gone = listing_on_gone,
                                                   .arg = l };

    l->is_streaming = true;
    server_observe_answer(l->call, 200, NULL, 0);
    http_stream_zip(l->call->x);
    http_stream(l->call->x, 200, "application/json", &listener);
    timer_start(l->deadline, LISTING_MAX_MS);
}

static void listing_turn(struct listing *l);

static void listing_on_converted(void *arg, const struct err *err)
{
    struct listing *l = arg;
    struct call *c = l->call;

    if (err == NULL) {
        l->is_converted = true;
        listing_turn(l);
        return;
    }
    listing_free(l);
    call_send_status(c, status_from_err(err));
}

/* True: a webhook is asked first. */
static bool listing_converts(struct listing *l)
{
    const struct schema_resource *row = l->call->route.resource;

    if (l->is_converted || !custom_converts(row))
        return false;
    registry_convert_objects(l->server->registry, row, l->rows.objects, l->n_chosen,
                             listing_on_converted, l);
    return true;
}

static void listing_turn(struct listing *l)
{
    struct text piece = TEXT_EMPTY;
    struct call *c = l->call;
    bool done;

    if (!listing_choose(l)) {
        timer_start(l->turn, 0);
        return;
    }
    if (listing_converts(l))
        return;
    done = listing_print(&piece, l);
    if (done && !l->is_streaming) {
        listing_free(l);
        call_send_text(c, 200, "application/json", &piece);
        return;
    }
    if (!l->is_streaming)
        listing_stream(l);
    http_write(c->x, piece.data, piece.len);
    text_fini(&piece);
    if (done)
        http_end(c->x);
    else if (http_backlog(c->x) < LISTING_BACKLOG)
        timer_start(l->turn, 0);
}

static void listing_on_turn(void *arg)
{
    listing_turn(arg);
}

/* --- start --- */

static bool listing_read(struct listing *l)
{
    struct call *c = l->call;
    const struct list_query query = server_list_query(c);
    json_t *no;

    if (!call_read_form(c))
        return false;
    no = list_options_read(&l->options, &query, store_revision(c->s->store), clock_wall_ms());
    if (no != NULL) {
        call_send_status(c, no);
        return false;
    }
    return server_selectors(c, &l->labels, &l->fields);
}

bool server_list_may(struct call *c, size_t n)
{
    if (c->s->n_listed == 0 || c->s->n_listed + n <= LISTING_MAX_ROWS)
        return true;
    call_send_status(c, status_too_many());
    return false;
}

/* False: answered. */
static bool listing_take(struct listing *l)
{
    struct call *c = l->call;
    bool whole = listing_is_whole(l);
    const struct store_snapshot_opts opts = {
        .bucket = c->route.resource->bucket,
        .ns = c->route.ns[0] != '\0' ? c->route.ns : NULL,
        .after_ns = l->options.after_ns,
        .after_name = l->options.after_name,
        .revision = l->options.revision,
        .max = whole ? l->options.limit : 0,
        .count_rest = whole && l->options.left < 0,
    };

    if (store_snapshot_take(&l->rows, c->s->store, &opts) == STORE_TOO_OLD) {
        call_send_status(c, list_options_expired(&l->options));
        return false;
    }
    if (!server_list_may(c, l->rows.n))
        return false;
    l->n_rows = l->rows.n;
    c->s->n_listed += l->n_rows;
    if (whole)
        listing_choose_all(l);
    return true;
}

void server_list(struct call *c)
{
    struct listing *l = MEM_NEW(struct listing);
    struct server *s = c->s;

    l->server = s;
    l->call = c;
    l->left = -1;
    list_init(&l->link);
    list_add_tail(&s->listings, &l->link);
    l->turn = timer_new(s->loop, listing_on_turn, l);
    l->deadline = timer_new(s->loop, listing_on_deadline, l);
    if (!listing_read(l) || !listing_take(l)) {
        listing_free(l); /* the call went with the answer */
        return;
    }
    server_table_opts(&l->table, c);
    listing_turn(l);
}

void server_list_end_all(struct server *s)
{
    LIST_EACH_SAFE (it, &s->listings) {
        struct listing *l = list_entry(it, struct listing, link);
        struct call *c = l->call;

        if (l->is_streaming) {
            http_abort(c->x);
            timer_stop(l->turn);
            continue;
        }
        listing_free(l);
        call_fail(c, ERR_UNAVAILABLE, "the server is shutting down");
    }
}
