#include "net/entry_upstream.h"

#include "base/mem.h"
#include "net/entry_worker.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* Resting connections of one peer. */
#define ENTRY_UPSTREAM_MAX_RESTING 64
/* A connection used this recently is hardly being closed by the other side just now. */
#define ENTRY_UPSTREAM_FRESH_MS    1000
/* Retransmissions in a row without an answer: after some three seconds. */
#define ENTRY_UPSTREAM_DESERTED    4

static void entry_upstream_on_closed(struct entry_io *io)
{
    free(container_of(io, struct entry_upstream, io));
}

static void entry_upstream_end_connect(struct entry_upstream *up)
{
    up->peer->n_connecting -= up->is_connecting;
    up->is_connecting = false;
}

/* All but the socket's handle. */
static void entry_upstream_dismantle(struct entry_upstream *up)
{
    list_del(&up->link);
    entry_upstream_end_connect(up);
    if (up->phase == ENTRY_UPSTREAM_RESTING) {
        assert(up->peer->n_resting > 0);
        up->peer->n_resting--;
    } else {
        assert(up->peer->n_busy > 0);
        up->peer->n_busy--;
    }
    entry_timeout_fini(&up->timeout);
    entry_head_fini(&up->head);
    text_fini(&up->rest);
    assert(up->worker->n_upstreams > 0);
    up->worker->n_upstreams--;
}

void entry_upstream_close(struct entry_upstream *up)
{
    entry_upstream_dismantle(up);
    up->peer = entry_peer_unref(up->peer);
    entry_io_close(&up->io, entry_upstream_on_closed);
}

int entry_upstream_take(struct entry_upstream *up, struct entry_peer **ret_peer)
{
    int fd = entry_io_take(&up->io);

    entry_upstream_dismantle(up);
    *ret_peer = STEAL(up->peer);
    entry_io_close(&up->io, entry_upstream_on_closed);
    return fd;
}

/* --- the parser's callbacks --- */

static struct entry_upstream *entry_upstream_of(http_parser *parser)
{
    return container_of(parser, struct entry_upstream, parser);
}

static int entry_upstream_on_begin(http_parser *parser)
{
    entry_head_clear(&entry_upstream_of(parser)->head);
    return 0;
}

static int entry_upstream_on_reason(http_parser *parser, const char *at, size_t len)
{
    return entry_head_target(&entry_upstream_of(parser)->head, at, len);
}

static int entry_upstream_on_name(http_parser *parser, const char *at, size_t len)
{
    struct entry_upstream *up = entry_upstream_of(parser);

    return up->is_head_done ? 0 : entry_head_name(&up->head, at, len);
}

static int entry_upstream_on_value(http_parser *parser, const char *at, size_t len)
{
    struct entry_upstream *up = entry_upstream_of(parser);

    return up->is_head_done ? 0 : entry_head_value(&up->head, at, len);
}

static int entry_upstream_on_head(http_parser *parser)
{
    struct entry_upstream *up = entry_upstream_of(parser);
    bool ends;

    if (!entry_head_end(&up->head))
        return -1;
    up->is_switched = parser->status_code == 101;
    up->is_head_done = parser->status_code >= 200 || up->is_switched;
    ends = up->user->on_head(up->user);
    /* 2: nor another message (http_parser.h). */
    return up->is_switched ? 2 : ends ? 1 : 0;
}

static int entry_upstream_on_body(http_parser *parser, const char *at, size_t len)
{
    struct entry_upstream *up = entry_upstream_of(parser);

    up->user->on_body(up->user, at, len);
    return 0;
}

static int entry_upstream_on_message(http_parser *parser)
{
    struct entry_upstream *up = entry_upstream_of(parser);

    if (!up->is_head_done)
        return 0; /* an interim answer (1xx) */
    up->is_answered = true;
    up->keeps_alive = !up->is_switched && http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings entry_upstream_parse = {
    .on_message_begin = entry_upstream_on_begin,
    .on_status = entry_upstream_on_reason,
    .on_header_field = entry_upstream_on_name,
    .on_header_value = entry_upstream_on_value,
    .on_headers_complete = entry_upstream_on_head,
    .on_body = entry_upstream_on_body,
    .on_message_complete = entry_upstream_on_message,
};

/* --- events --- */

static void entry_upstream_take_in(struct entry_upstream *up, const char *data, size_t len)
{
    size_t n = http_parser_execute(&up->parser, &entry_upstream_parse, data, len);

    if (up->is_switched)
        text_add(&up->rest, data + n, len - n);
    else if (up->is_answered && n < len)
        up->keeps_alive = false; /* more than was asked for */
    else if (!up->is_answered && HTTP_PARSER_ERRNO(&up->parser) != HPE_OK)
        up->failed = EPROTO;
}

static void entry_upstream_read(struct entry_upstream *up)
{
    ssize_t n = entry_io_read(&up->io, up->worker->scratch, sizeof(up->worker->scratch));

    if (n < 0)
        return;
    if (n > 0) {
        up->has_answered = true;
        entry_upstream_take_in(up, up->worker->scratch, (size_t)n);
        return;
    }
    /* Some answers end with the connection. */
    http_parser_execute(&up->parser, &entry_upstream_parse, NULL, 0);
    up->keeps_alive = false;
    if (!up->is_answered)
        up->failed = ECONNRESET;
}

void entry_upstream_flush(struct entry_upstream *up)
{
    entry_io_flush(&up->io);
    /* It may have answered (413, say) before it stopped reading. */
    if (up->io.failed != 0 && up->failed == 0 && !up->is_answered) {
        entry_upstream_read(up);
        if (!up->is_answered)
            up->failed = up->io.failed;
    }
}

static void entry_upstream_connected(struct entry_upstream *up)
{
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(up->io.fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        up->failed = error;
        return;
    }
    entry_upstream_end_connect(up);
    entry_peer_well(up->peer);
    up->phase = ENTRY_UPSTREAM_BUSY;
    up->io.is_held = false;
}

static void entry_upstream_on_event(struct entry_io *io, int events)
{
    struct entry_upstream *up = container_of(io, struct entry_upstream, io);

    /* At rest anything that happens is the end of it. */
    if (up->phase == ENTRY_UPSTREAM_RESTING) {
        entry_upstream_close(up);
        return;
    }
    if (up->phase == ENTRY_UPSTREAM_CONNECTING)
        entry_upstream_connected(up);
    else if (events & UV_READABLE)
        entry_upstream_read(up);
    if (up->failed == 0 && !up->is_answered)
        up->failed = io->failed;
    up->user->on_event(up->user);
}

/* After a power cut nobody says that the other side is gone; but what we sent is not
 * acknowledged, and a living kernel does that within milliseconds (tcp(7), TCP_INFO). */
bool entry_upstream_is_deserted(const struct entry_upstream *up)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    return getsockopt(up->io.fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           info.tcpi_retransmits >= ENTRY_UPSTREAM_DESERTED;
}

static void entry_upstream_on_timeout(struct entry_timeout *t)
{
    entry_upstream_close(container_of(t, struct entry_upstream, timeout));
}

/* --- life --- */

static struct entry_upstream *entry_upstream_new(struct entry_worker *w, struct entry_peer *peer)
{
    int fd = entry_io_connect(&peer->address.at.any, peer->address.len);
    struct entry_upstream *up;

    if (fd < 0)
        return NULL;
    up = MEM_NEW(struct entry_upstream);
    entry_io_init(&up->io, w->loop, fd, entry_upstream_on_event);
    up->worker = w;
    up->peer = entry_peer_ref(peer);
    up->phase = ENTRY_UPSTREAM_CONNECTING;
    up->is_connecting = true;
    peer->n_connecting++;
    up->io.is_held = true;
    list_init(&up->link);
    entry_timeout_init(&up->timeout, &w->timeouts, entry_upstream_on_timeout);
    w->n_upstreams++;
    w->counters.n_connects++;
    return up;
}

/* The other side may have closed it a moment ago, which the loop has not seen yet. */
static bool entry_upstream_is_alive(const struct entry_upstream *up)
{
    char c;

    return recv(up->io.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static struct entry_upstream *entry_upstream_reuse(struct entry_peer *peer, int64_t now_ms,
                                                   enum entry_reuse reuse)
{
    struct entry_upstream *up;
    bool fresh = reuse == ENTRY_REUSE_FRESH;

    /* The latest first: it is the least likely to be closed by the other side. */
    while (reuse != ENTRY_REUSE_NONE && !list_empty(&peer->resting)) {
        up = list_entry(peer->resting.prev, struct entry_upstream, link);
        if (fresh && now_ms - up->rested_ms > ENTRY_UPSTREAM_FRESH_MS)
            return NULL;
        if (!fresh || entry_upstream_is_alive(up)) {
            list_del(&up->link);
            peer->n_resting--;
            return up;
        }
        entry_upstream_close(up);
    }
    return NULL;
}

struct entry_upstream *entry_upstream_get(struct entry_worker *w, struct entry_peer *peer,
                                          struct entry_upstream_user *user, enum entry_reuse reuse)
{
    struct entry_upstream *up = entry_upstream_reuse(peer, entry_timeouts_now(&w->timeouts), reuse);

    if (up != NULL) {
        up->is_reused = true;
        up->phase = ENTRY_UPSTREAM_BUSY;
        w->counters.n_reused++;
    } else {
        up = entry_upstream_new(w, peer);
    }
    if (up == NULL)
        return NULL;
    peer->n_busy++;
    up->user = user;
    up->timeout.due_ms = 0;
    up->has_answered = up->is_head_done = up->is_answered = up->is_switched = false;
    up->keeps_alive = false;
    up->io.n_written = 0;
    up->may_rest_ms = w->limits.rest_ms;
    http_parser_init(&up->parser, HTTP_RESPONSE);
    return up;
}

void entry_upstream_watch(struct entry_upstream *up, bool reads)
{
    bool writes = up->phase == ENTRY_UPSTREAM_CONNECTING || entry_io_waiting(&up->io) > 0;

    entry_io_watch(&up->io, (reads && up->phase != ENTRY_UPSTREAM_CONNECTING ? UV_READABLE : 0) |
                                (writes ? UV_WRITABLE : 0));
}

void entry_upstream_release(struct entry_upstream *up)
{
    struct entry_peer *peer = up->peer;

    if (!up->is_answered || !up->keeps_alive || up->failed != 0 || up->io.failed != 0 ||
        entry_io_waiting(&up->io) > 0 || !peer->is_listed || up->worker->closing ||
        peer->n_resting >= ENTRY_UPSTREAM_MAX_RESTING || up->may_rest_ms <= 0) {
        entry_upstream_close(up);
        return;
    }
    up->user = NULL;
    up->phase = ENTRY_UPSTREAM_RESTING;
    up->rested_ms = entry_timeouts_now(&up->worker->timeouts);
    up->timeout.due_ms = up->rested_ms + up->may_rest_ms;
    peer->n_busy--;
    peer->n_resting++;
    list_add_tail(&peer->resting, &up->link);
    entry_head_clear(&up->head);
    entry_upstream_watch(up, true);
}
