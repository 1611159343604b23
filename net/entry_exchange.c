#include "net/entry_client.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Endpoints that one request is tried with. */
#define ENTRY_EXCHANGE_MAX_TRIES 5
/* For connecting to one while there are others. */
#define ENTRY_EXCHANGE_FIRST_MS  1500

static struct entry_client *entry_exchange_client(struct entry_upstream_user *user)
{
    return container_of(user, struct entry_client, x.user);
}

/* --- towards an endpoint --- */

static int64_t entry_exchange_limit(int64_t wanted, int64_t otherwise)
{
    return wanted > 0 ? wanted : otherwise;
}

/* While there are others, an endpoint has less time: a lost SYN is sent again after a second. */
static int64_t entry_exchange_connect_ms(const struct entry_exchange *x,
                                         const struct entry_limits *limits)
{
    int64_t ms = entry_exchange_limit(x->route->policy->connect_ms, limits->connect_ms);
    bool is_last = x->n_tries >= x->backend->n_endpoints || x->n_tries >= ENTRY_EXCHANGE_MAX_TRIES;

    return is_last || ms < ENTRY_EXCHANGE_FIRST_MS ? ms : ENTRY_EXCHANGE_FIRST_MS;
}

/* Nothing may be sent twice that cannot be: then only a connection that is surely open will do. */
static bool entry_exchange_is_delicate(const struct entry_exchange *x)
{
    return !x->request.is_idempotent || x->request.is_chunked ||
           (x->request.has_length && x->request.length > 0);
}

static unsigned entry_exchange_verdict(const struct entry_exchange *x)
{
    if (x->failure == 0)
        return 503;
    return x->failure == ETIMEDOUT ? 504 : 502;
}

/* The table may have changed since the last try. */
void entry_exchange_try(struct entry_client *c, struct text *unsent)
{
    struct entry_exchange *x = &c->x;
    struct entry_worker *w = c->worker;
    int64_t now = entry_timeouts_now(&w->timeouts);
    struct entry_peer *peer;

    assert(x->up == NULL);
    /* Only another table could know better than the last time. */
    if (x->table != w->peers.table && !entry_exchange_find_route(c)) {
        x->error = 404;
        return;
    }
    while (x->n_tries < ENTRY_EXCHANGE_MAX_TRIES && (peer = entry_exchange_pick(c, now)) != NULL) {
        x->n_tries++;
        x->up = entry_upstream_get(w, peer, &x->user,
                                   x->must_connect                 ? ENTRY_REUSE_NONE
                                   : entry_exchange_is_delicate(x) ? ENTRY_REUSE_FRESH
                                                                   : ENTRY_REUSE_ANY);
        if (x->up != NULL)
            break;
        x->failure = ECONNREFUSED;
        entry_tried_add(&x->tried, peer);
        entry_peer_failed(peer, now);
    }
    if (x->up == NULL) {
        x->error = entry_exchange_verdict(x);
        return;
    }
    x->connect_due_ms = now + entry_exchange_connect_ms(x, &w->limits);
    if (unsent != NULL && unsent->len > 0) {
        x->up->io.out = *unsent;
        *unsent = (struct text)TEXT_EMPTY;
    } else {
        entry_exchange_print(c, &x->up->io.out);
    }
}

/* --- the request --- */

static const struct entry_upstream_user entry_exchange_user;

static void entry_exchange_open(struct entry_client *c)
{
    assert(!c->x.is_open && c->x.up == NULL && c->x.table == NULL && !c->x.is_body_in);
    c->x.user = entry_exchange_user;
    c->x.is_open = true;
}

void entry_exchange_refuse(struct entry_client *c, unsigned status)
{
    if (!c->x.is_open)
        entry_exchange_open(c);
    if (c->x.up != NULL)
        c->x.up = (entry_upstream_close(c->x.up), NULL);
    c->x.error = status;
    c->x.closes = true;
    if (c->x.has_replied) /* too late for another answer */
        c->x.is_cut = c->x.is_replied = true;
}

/* The parser and we must agree on where the request ends. */
static bool entry_exchange_is_agreed(const struct entry_client *c)
{
    const struct entry_request *r = &c->x.request;
    bool chunked = (c->parser.flags & F_CHUNKED) != 0;

    return chunked == r->is_chunked &&
           (chunked || !r->has_length || c->parser.content_length == r->length);
}

void entry_exchange_begin(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;
    struct entry_line line = { .method = http_method_str((enum http_method)c->parser.method),
                               .major = c->parser.http_major,
                               .minor = c->parser.http_minor };
    int status;

    entry_exchange_open(c);
    c->worker->counters.n_requests++;
    status = entry_head_end(&c->head) ? entry_request_read(&x->request, &c->head, &line) : 400;
    if (status == 0 && !entry_exchange_is_agreed(c))
        status = 400;
    if (status != 0) {
        entry_exchange_refuse(c, (unsigned)status);
        return;
    }
    x->closes = !x->request.keeps_alive || c->worker->closing;
    if (!entry_exchange_find_route(c))
        x->error = 404;
    else if (x->route->policy->max_body > 0 && x->request.has_length &&
             x->request.length > x->route->policy->max_body)
        entry_exchange_refuse(c, 413);
    else
        entry_exchange_enter(c);
}

void entry_exchange_body(struct entry_client *c, const char *data, size_t len)
{
    struct entry_exchange *x = &c->x;
    char size[24];

    x->n_body += len;
    if (x->up == NULL)
        return; /* nobody wants it */
    if (x->route->policy->max_body > 0 && x->n_body > x->route->policy->max_body) {
        entry_exchange_refuse(c, 413);
        return;
    }
    if (!x->request.is_chunked) {
        entry_io_put(&x->up->io, data, len);
        return;
    }
    entry_io_put(&x->up->io, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", len));
    entry_io_put(&x->up->io, data, len);
    entry_io_put(&x->up->io, "\r\n", 2);
}

void entry_exchange_body_end(struct entry_client *c)
{
    c->x.is_body_in = true;
    if (c->x.up != NULL && c->x.request.is_chunked)
        entry_io_put(&c->x.up->io, "0\r\n\r\n", 5);
}

/* --- the answer --- */

/* An interim answer; 100 is ours to say. */
static void entry_exchange_interim(struct entry_client *c)
{
    struct entry_upstream *up = c->x.up;
    struct entry_reply reply = { .status = up->parser.status_code };

    if (reply.status != 100 && !c->x.request.is_http10)
        entry_reply_print(&c->io.out, &reply, &up->head);
}

/* "Keep-Alive: timeout=5": a second less, so that we close first. */
static void entry_exchange_read_keep_alive(struct entry_upstream *up)
{
    const struct entry_field *f = entry_head_find(&up->head, ENTRY_FIELD_KEEP_ALIVE, NULL);
    const char *at = f != NULL ? strcasestr(entry_head_at(&up->head, f->value), "timeout=") : NULL;
    long seconds;

    if (at == NULL || at > entry_head_at(&up->head, f->value + f->value_len))
        return;
    seconds = strtol(at + 8, NULL, 10);
    if (seconds > 0 && (seconds - 1) * 1000 < up->may_rest_ms)
        up->may_rest_ms = (seconds - 1) * 1000;
}

static bool entry_exchange_on_head(struct entry_upstream_user *user)
{
    struct entry_client *c = entry_exchange_client(user);
    struct entry_exchange *x = &c->x;
    struct entry_upstream *up = x->up;
    unsigned status = up->parser.status_code;
    bool bare = x->request.is_head || status == 204 || status == 304 || up->is_switched;
    bool sized = (up->parser.flags & F_CONTENTLENGTH) != 0;

    if (!up->is_head_done) {
        entry_exchange_interim(c);
        return false;
    }
    if (up->is_switched && !x->request.upgrades) {
        up->failed = EPROTO; /* nobody asked */
        return true;
    }
    x->has_replied = true;
    x->is_chunked = !bare && !sized && !x->request.is_http10;
    x->is_close_framed = !bare && !sized && x->request.is_http10;
    x->closes = x->closes || x->is_close_framed || !x->is_body_in || c->worker->closing;
    entry_exchange_read_keep_alive(up);
    entry_exchange_print_cookie(c);
    entry_reply_print(
        &c->io.out,
        &(struct entry_reply){ .status = status,
                               .is_chunked = x->is_chunked,
                               .says_close = x->closes,
                               .says_keep_alive = x->request.is_http10,
                               .upgrades = up->is_switched,
                               .fields = text_str(&x->fields),
                               .has_cors = x->route->policy->cors.is_on && x->fields.len > 0 },
        &up->head);
    return bare; /* http_parser takes a 304's Content-Length for that of a body */
}

static void entry_exchange_on_body(struct entry_upstream_user *user, const char *data, size_t len)
{
    struct entry_client *c = entry_exchange_client(user);
    char size[24];

    if (!c->x.is_chunked) {
        entry_io_put(&c->io, data, len);
        return;
    }
    entry_io_put(&c->io, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", len));
    entry_io_put(&c->io, data, len);
    entry_io_put(&c->io, "\r\n", 2);
}

static void entry_exchange_on_event(struct entry_upstream_user *user)
{
    entry_client_settle(entry_exchange_client(user));
}

static const struct entry_upstream_user entry_exchange_user = {
    .on_head = entry_exchange_on_head,
    .on_body = entry_exchange_on_body,
    .on_event = entry_exchange_on_event,
};

static void entry_exchange_answer(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;

    x->closes = x->closes || !x->is_body_in;
    x->has_replied = x->is_replied = true;
    entry_reply_own(&c->io.out, x->error, x->closes, x->request.is_head, text_str(&x->fields));
    if (x->error >= 500)
        c->worker->counters.n_failed++;
    if (x->error >= 500 && x->error != 503)
        log_debug("request failed", KV("host", "%s", x->request.host),
                  KV("path", "%s", text_str(&x->request.path)), KV("status", "%u", x->error),
                  KV("why", "%s", strerror(x->failure)));
}

/* --- failures --- */

/* RFC 9110, 9.2.2: only what was surely not acted upon, or may be done twice. */
static bool entry_exchange_may_retry(const struct entry_exchange *x)
{
    const struct entry_upstream *up = x->up;

    if (x->has_replied || up->has_answered)
        return false;
    if (up->phase == ENTRY_UPSTREAM_CONNECTING || up->io.n_written == 0)
        return true;
    return x->request.is_idempotent && x->n_body == 0 && up->failed != ETIMEDOUT;
}

/* What an endpoint was given and did not take. */
static void entry_exchange_save(struct text *ret, struct entry_io *io)
{
    if (io->n_written > 0)
        return;
    assert(io->done == 0);
    *ret = io->out;
    io->out = (struct text)TEXT_EMPTY;
}

static void entry_exchange_failed(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;
    struct entry_upstream *up = x->up;
    bool retry = entry_exchange_may_retry(x);
    cleanup(text_fini) struct text unsent = TEXT_EMPTY;

    x->failure = up->failed;
    if (up->phase == ENTRY_UPSTREAM_CONNECTING || up->failed == EHOSTUNREACH)
        entry_peer_failed(up->peer, entry_timeouts_now(&c->worker->timeouts));
    /* A resting connection that was closed says nothing about its endpoint. */
    if (up->is_reused && up->failed != EHOSTUNREACH)
        x->must_connect = true;
    else
        entry_tried_add(&x->tried, up->peer);
    if (retry)
        entry_exchange_save(&unsent, &up->io);
    entry_upstream_close(STEAL(x->up));
    if (retry) {
        c->worker->counters.n_retries++;
        entry_exchange_try(c, &unsent);
    } else if (x->has_replied) {
        x->is_cut = x->is_replied = x->closes = true;
    } else {
        x->error = entry_exchange_verdict(x);
    }
}

/* --- the step --- */

/* The client waits to be asked for its body: now there is somebody who takes it. */
static void entry_exchange_continue(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;

    if (!x->request.expects || x->has_continued || x->has_replied || x->n_body > 0 || x->is_body_in)
        return;
    x->has_continued = true;
    entry_io_put(&c->io, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static void entry_exchange_finish_reply(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;

    x->is_replied = true;
    if (x->is_chunked)
        entry_io_put(&c->io, "0\r\n\r\n", 5);
    if (x->up->is_switched)
        return;
    if (!x->is_body_in)
        x->up->keeps_alive = false; /* it may still wait for the rest */
    entry_upstream_release(STEAL(x->up));
}

void entry_exchange_step(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;

    if (!x->is_open)
        return;
    /* Each round is another endpoint. */
    while (x->up != NULL && !x->is_replied) {
        entry_upstream_flush(x->up);
        if (x->up->failed == 0)
            break;
        entry_exchange_failed(c);
    }
    if (x->up != NULL && x->up->phase == ENTRY_UPSTREAM_BUSY)
        entry_exchange_continue(c);
    if (x->error != 0 && !x->has_replied)
        entry_exchange_answer(c);
    if (x->up != NULL && x->up->is_answered && x->has_replied && !x->is_replied)
        entry_exchange_finish_reply(c);
}

void entry_exchange_end(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;
    struct entry_request request = x->request; /* keeps its buffer */
    struct text fields = x->fields;            /* the same */

    if (x->up != NULL)
        entry_upstream_close(x->up);
    entry_auth_cancel(&x->ticket);
    entry_table_unref(x->table);
    memset(x, 0, sizeof(*x));
    x->request = request;
    x->fields = fields;
    text_clear(&x->fields);
}
