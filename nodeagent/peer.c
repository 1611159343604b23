#include "nodeagent/peer.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/websocket.h"
#include "base/wire.h"

#include <assert.h>
#include <string.h>

struct peer {
    struct list link;
    struct peers *set;
    struct peer_listener listener;
    struct wire *wire;
    bool is_websocket, is_text;
    bool is_lingering; /* no callbacks any more */
    bool is_gone;      /* told */
    bool is_held;      /* by the owner */
    bool is_calling;   /* out of a loop that needs us afterwards ... */
    bool is_closed;    /* ... and frees us then */
    struct websocket_parser parser;
    struct text early;
    struct timer *timer; /* delivers @early; later the limit of lingering */
};

void peers_init(struct peers *set, uv_loop_t *loop)
{
    *set = (struct peers){ .loop = loop };
    list_init(&set->list);
}

void peer_close(struct peer *p)
{
    assert(p->set->n > 0);
    p->set->n--;
    list_del(&p->link);
    wire_close(p->wire);
    timer_close(p->timer);
    text_fini(&p->early);
    p->is_closed = true;
    if (!p->is_calling)
        free(p);
}

static void peer_gone(void *arg)
{
    struct peer *p = arg;

    if (p->is_lingering) {
        peer_close(p);
    } else if (!p->is_gone) {
        p->is_gone = true;
        wire_hold(p->wire, true);
        p->listener.on_gone(p->listener.arg);
    }
}

void peers_close_all(struct peers *set)
{
    while (!list_empty(&set->list)) {
        struct peer *p = list_entry(set->list.next, struct peer, link);

        list_del(&p->link);
        list_add_tail(&set->list, &p->link);
        assert(p->is_lingering || !p->is_gone); /* owners close in on_gone */
        peer_gone(p);
    }
}

/* --- writing --- */

static void peer_send_frame(struct peer *p, enum websocket_op op, const void *head, size_t head_len,
                            const void *data, size_t len)
{
    unsigned char frame[WEBSOCKET_HEAD_MAX + 32];
    size_t n = 0;

    assert(head_len <= 32);
    if (p->is_websocket)
        n = websocket_head(frame, op, true, head_len + len, NULL);
    if (head_len > 0)
        memcpy(frame + n, head, head_len);
    if (n + head_len > 0)
        wire_write(p->wire, frame, n + head_len);
    if (len > 0)
        wire_write(p->wire, data, len);
}

void peer_send(struct peer *p, const void *head, size_t head_len, const void *data, size_t len)
{
    if (!p->is_gone && !p->is_lingering)
        peer_send_frame(p, p->is_text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY, head, head_len, data,
                        len);
}

size_t peer_backlog(const struct peer *p)
{
    return wire_backlog(p->wire);
}

static void peer_on_drain(void *arg)
{
    struct peer *p = arg;

    if (!p->is_lingering && !p->is_gone)
        p->listener.on_drain(p->listener.arg);
}

/* --- reading --- */

static void peer_control(struct peer *p, const struct websocket_piece *piece)
{
    if (piece->op == WEBSOCKET_PING && !p->is_lingering) {
        if (peer_backlog(p) <= PEER_BACKLOG) /* who floods us with pings reads no answers */
            peer_send_frame(p, WEBSOCKET_PONG, NULL, 0, piece->data, piece->len);
    } else if (piece->op == WEBSOCKET_CLOSE) {
        if (!p->is_lingering && !p->is_gone)
            peer_send_frame(p, WEBSOCKET_CLOSE, NULL, 0, piece->data,
                            piece->len < 2 ? piece->len : 2);
        peer_gone(p);
    }
}

static void peer_take_messages(struct peer *p, unsigned char *data, size_t len)
{
    struct websocket_piece piece;
    struct err err = ERR_EMPTY;
    size_t used = 0;
    int rc = 1;

    p->is_calling = true;
    for (; len > 0 && rc > 0 && !p->is_gone && !p->is_closed; data += used, len -= used) {
        rc = websocket_parse(&p->parser, data, len, &used, &piece, &err);
        if (rc > 0 && (piece.op & 8) != 0)
            peer_control(p, &piece);
        else if (rc > 0 && !p->is_lingering)
            p->listener.on_data(p->listener.arg, piece.data, piece.len, piece.first, piece.last);
    }
    p->is_calling = false;
    if (p->is_closed) {
        free(p);
    } else if (rc < 0) {
        log_debug("stream ended", KV_ERR(&err));
        peer_gone(p);
    }
}

static void peer_on_data(void *arg, unsigned char *data, size_t len)
{
    struct peer *p = arg;

    if (p->is_gone)
        return;
    if (p->is_websocket)
        peer_take_messages(p, data, len);
    else if (!p->is_lingering)
        p->listener.on_data(p->listener.arg, data, len, false, false);
}

static void peer_on_early(void *arg)
{
    struct peer *p = arg;
    struct text early = p->early;

    if (p->is_held)
        return; /* its owner will say when */
    p->timer = timer_close(p->timer);
    p->early = (struct text)TEXT_EMPTY;
    wire_hold(p->wire, false);
    peer_on_data(p, (unsigned char *)early.data, early.len);
    text_fini(&early);
}

/* --- life --- */

struct peer *peer_new(struct peers *set, const struct peer_opts *opts,
                      const struct peer_listener *listener)
{
    struct peer *p = MEM_NEW(struct peer);
    const struct wire_listener wire = { .on_data = peer_on_data,
                                        .on_end = peer_gone,
                                        .on_drain = peer_on_drain,
                                        .on_hangup = peer_gone,
                                        .arg = p };

    p->set = set;
    p->listener = *listener;
    p->is_websocket = opts->is_websocket;
    p->is_text = opts->is_text;
    list_add_tail(&set->list, &p->link);
    set->n++;
    p->wire = wire_new(set->loop, opts->fd, &wire, 0);
    if (opts->early_len > 0) {
        text_add(&p->early, opts->early, opts->early_len);
        wire_hold(p->wire, true);
        p->timer = timer_new(set->loop, peer_on_early, p);
        timer_start(p->timer, 0);
    }
    return p;
}

void peer_hold(struct peer *p, bool hold)
{
    p->is_held = hold;
    if (p->early.len > 0 && !hold)
        timer_start(p->timer, 0);
    else if (p->early.len == 0 && !p->is_gone)
        wire_hold(p->wire, hold);
}

static void peer_on_lingered(void *arg)
{
    peer_close(arg);
}

void peer_finish(struct peer *p)
{
    static const unsigned char normal[] = { 1000 >> 8, 1000 & 0xff };

    if (p->is_gone) {
        peer_close(p);
        return;
    }
    /* WebSocket: the server ends the connection first (RFC 6455 section 7.1.1); Python's client
     * waits for that.  SPDY: kubectl would throw away what it has not yet handled. */
    if (p->is_websocket) {
        peer_send_frame(p, WEBSOCKET_CLOSE, NULL, 0, normal, sizeof(normal));
        wire_end(p->wire);
    }
    p->is_lingering = true;
    wire_hold(p->wire, false);
    timer_close(p->timer);
    p->timer = timer_new(p->set->loop, peer_on_lingered, p);
    timer_start(p->timer, PEER_LINGER_MS);
}
