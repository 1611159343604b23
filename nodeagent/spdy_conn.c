#include "nodeagent/spdy_conn.h"

#include "base/log.h"
#include "base/mem.h"

struct spdy_conn {
    struct peer *peer;
    struct spdy_conn_listener listener;
    struct spdy_parser *parser;
    struct spdy_printer *printer;
    uint32_t last_stream;
    bool is_gone;
    bool is_calling; /* out of a loop that needs us afterwards ... */
    bool is_closed;  /* ... and frees us then */
};

static void spdy_conn_free(struct spdy_conn *c)
{
    c->is_closed = true;
    if (c->is_calling)
        return;
    spdy_parser_free(c->parser);
    spdy_printer_free(c->printer);
    free(c);
}

static void spdy_conn_send(struct spdy_conn *c, struct text *frame)
{
    peer_send(c->peer, NULL, 0, frame->data, frame->len);
    text_fini(frame);
}

static void spdy_conn_gone(struct spdy_conn *c)
{
    if (c->is_gone)
        return;
    c->is_gone = true;
    c->listener.on_gone(c->listener.arg);
}

static void spdy_conn_on_gone(void *arg)
{
    spdy_conn_gone(arg);
}

static void spdy_conn_on_drain(void *arg)
{
    struct spdy_conn *c = arg;

    c->listener.on_drain(c->listener.arg);
}

/* Clients open odd streams, each number greater than the last (draft, section 2.3.2). */
static void spdy_conn_syn(struct spdy_conn *c, const struct spdy_frame *f)
{
    if ((f->stream & 1) == 0 || f->stream <= c->last_stream) {
        spdy_conn_refuse(c, f->stream, SPDY_RESET_PROTOCOL);
        return;
    }
    c->last_stream = f->stream;
    c->listener.on_stream(c->listener.arg, f);
}

static void spdy_conn_take(struct spdy_conn *c, const struct spdy_frame *f)
{
    struct text reply = TEXT_EMPTY;

    switch (f->type) {
    case SPDY_SYN_STREAM: spdy_conn_syn(c, f); break;
    case SPDY_DATA:
        if (f->len > 0)
            c->listener.on_data(c->listener.arg, f->stream, f->data, f->len);
        break;
    case SPDY_RST_STREAM: c->listener.on_fin(c->listener.arg, f->stream, true); break;
    case SPDY_PING:
        if ((f->stream & 1) != 0 && spdy_conn_backlog(c) <= PEER_BACKLOG) {
            spdy_print_ping(&reply, f->stream);
            spdy_conn_send(c, &reply);
        }
        break;
    case SPDY_SYN_REPLY: /* we open none */
    case SPDY_SETTINGS:
    case SPDY_GOAWAY: /* its connection ends when its streams have */
    case SPDY_HEADERS:
    case SPDY_WINDOW_UPDATE: break;
    }
}

static void spdy_conn_on_data(void *arg, unsigned char *data, size_t len, bool first UNUSED,
                              bool last UNUSED)
{
    struct spdy_conn *c = arg;
    struct spdy_frame f;
    struct err err = ERR_EMPTY;
    size_t used = 0;
    int rc = 1;

    c->is_calling = true;
    for (; len > 0 && !c->is_gone && !c->is_closed; data += used, len -= used) {
        rc = spdy_parse(c->parser, data, len, &used, &f, &err);
        if (rc <= 0)
            break;
        spdy_conn_take(c, &f);
        if (f.fin && !c->is_gone && !c->is_closed)
            c->listener.on_fin(c->listener.arg, f.stream, false);
    }
    c->is_calling = false;
    if (c->is_closed) {
        spdy_conn_free(c);
    } else if (rc < 0) {
        log_debug("stream ended", KV_ERR(&err));
        spdy_conn_gone(c);
    }
}

struct spdy_conn *spdy_conn_new(struct peers *set, const struct peer_opts *opts,
                                const struct spdy_conn_listener *listener)
{
    struct spdy_conn *c = MEM_NEW(struct spdy_conn);
    const struct peer_listener peer = { .on_data = spdy_conn_on_data,
                                        .on_drain = spdy_conn_on_drain,
                                        .on_gone = spdy_conn_on_gone,
                                        .arg = c };

    c->listener = *listener;
    c->parser = spdy_parser_new();
    c->printer = spdy_printer_new();
    c->peer = peer_new(set, opts, &peer);
    return c;
}

void spdy_conn_accept(struct spdy_conn *c, uint32_t stream)
{
    struct text t = TEXT_EMPTY;

    spdy_print_headers(c->printer, &t, SPDY_SYN_REPLY, stream, false, NULL, 0);
    spdy_conn_send(c, &t);
}

void spdy_conn_refuse(struct spdy_conn *c, uint32_t stream, enum spdy_reset why)
{
    struct text t = TEXT_EMPTY;

    spdy_print_reset(&t, stream, why);
    spdy_conn_send(c, &t);
}

void spdy_conn_write(struct spdy_conn *c, uint32_t stream, const void *data, size_t len)
{
    unsigned char head[SPDY_HEAD];

    spdy_data_head(head, stream, false, len);
    peer_send(c->peer, head, sizeof(head), data, len);
}

void spdy_conn_fin(struct spdy_conn *c, uint32_t stream)
{
    unsigned char head[SPDY_HEAD];

    spdy_data_head(head, stream, true, 0);
    peer_send(c->peer, head, sizeof(head), NULL, 0);
}

size_t spdy_conn_backlog(const struct spdy_conn *c)
{
    return peer_backlog(c->peer);
}

void spdy_conn_hold(struct spdy_conn *c, bool hold)
{
    peer_hold(c->peer, hold);
}

void spdy_conn_finish(struct spdy_conn *c)
{
    struct text t = TEXT_EMPTY;

    spdy_print_goaway(&t, c->last_stream);
    spdy_conn_send(c, &t);
    peer_finish(c->peer);
    spdy_conn_free(c);
}

void spdy_conn_close(struct spdy_conn *c)
{
    peer_close(c->peer);
    spdy_conn_free(c);
}
