#include "nodeagent/port_forward.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/wire.h"
#include "nodeagent/pod_dial.h"
#include "nodeagent/spdy_conn.h"

#include <stdio.h>
#include <string.h>

#define FORWARD_ID_MAX  64
#define FORWARD_PENDING 65536 /* what a client may send before its connection stands */

struct forward {                /* one connection; lives in a slot of its port_forward */
    struct port_forward *owner; /* NULL: the slot is free */
    char id[FORWARD_ID_MAX];    /* SPDY: requestID */
    uint16_t port;
    uint32_t data, error; /* SPDY streams, 0 = not there; channels otherwise */
    struct pod_dial *dial;
    struct wire *tcp;
    struct text pending; /* before @tcp */
    bool client_over;    /* no more data from the client */
    bool is_failed;
};

struct port_forward {
    uv_loop_t *loop;
    struct spdy_conn *spdy; /* one of these */
    struct peer *peer;
    char *net_ns, *pod_name, *pod_uid;
    struct forward slots[FORWARD_MAX];
    int now; /* channel of the message being read */
    void (*on_done)(void *arg);
    void *arg;
};

/* --- to the client --- */

static void forward_send(struct forward *f, uint32_t to, const void *data, size_t len)
{
    unsigned char channel = (unsigned char)to;

    if (f->owner->spdy != NULL && to != 0)
        spdy_conn_write(f->owner->spdy, to, data, len);
    else if (f->owner->peer != NULL)
        peer_send(f->owner->peer, &channel, 1, data, len);
}

static size_t port_forward_backlog(const struct port_forward *p)
{
    return p->spdy != NULL ? spdy_conn_backlog(p->spdy) : peer_backlog(p->peer);
}

static void port_forward_hold(struct port_forward *p, bool hold)
{
    if (p->spdy != NULL)
        spdy_conn_hold(p->spdy, hold);
    else
        peer_hold(p->peer, hold);
}

/* --- one connection --- */

static bool forward_is_slow(const struct forward *f)
{
    return (f->tcp != NULL ? wire_backlog(f->tcp) : f->pending.len) > FORWARD_PENDING;
}

/* The client is read from as long as every connection takes what comes. */
static void port_forward_balance(struct port_forward *p)
{
    bool hold = false;

    for (size_t i = 0; i < FORWARD_MAX; i++)
        hold = hold || (p->slots[i].owner != NULL && forward_is_slow(&p->slots[i]));
    port_forward_hold(p, hold);
}

static void forward_drop(struct forward *f)
{
    if (f->dial != NULL)
        pod_dial_cancel(STEAL(f->dial));
    f->tcp = wire_close(f->tcp);
    text_fini(&f->pending);
}

static void port_forward_free(struct port_forward *p)
{
    void (*on_done)(void *arg) = p->on_done;
    void *done_arg = p->arg;

    for (size_t i = 0; i < FORWARD_MAX; i++)
        if (p->slots[i].owner != NULL)
            forward_drop(&p->slots[i]);
    free(p->net_ns);
    free(p->pod_name);
    free(p->pod_uid);
    free(p);
    on_done(done_arg);
}

/* A channel cannot be used twice: with the last of its connections the client's ends. */
static void port_forward_check_over(struct port_forward *p)
{
    for (size_t i = 0; i < FORWARD_MAX; i++)
        if (p->slots[i].owner != NULL)
            return;
    peer_finish(p->peer);
    port_forward_free(p);
}

/* Both streams end; the slot is free again. */
static void forward_end(struct forward *f)
{
    struct port_forward *p = f->owner;

    forward_drop(f);
    if (p->spdy == NULL) {
        f->owner = NULL;
        port_forward_check_over(p);
        return;
    }
    if (f->data != 0)
        spdy_conn_fin(p->spdy, f->data);
    if (f->error != 0)
        spdy_conn_fin(p->spdy, f->error);
    *f = (struct forward){ .owner = NULL };
    port_forward_balance(p);
}

static void forward_fail(struct forward *f, const struct err *err)
{
    const struct port_forward *p = f->owner;
    cleanup(freep) char *why = mem_fmt("error forwarding port %u to pod %s, uid %s: %s", f->port,
                                       p->pod_name, p->pod_uid, err->text);

    f->is_failed = true;
    forward_send(f, f->error, why, strlen(why));
    forward_end(f);
}

static void forward_on_data(void *arg, unsigned char *data, size_t len)
{
    struct forward *f = arg;
    struct port_forward *p = f->owner;

    forward_send(f, f->data, data, len);
    if (port_forward_backlog(p) <= PEER_BACKLOG)
        return;
    for (size_t i = 0; i < FORWARD_MAX; i++)
        if (p->slots[i].owner != NULL && p->slots[i].tcp != NULL)
            wire_hold(p->slots[i].tcp, true);
}

static void forward_on_end(void *arg)
{
    forward_end(arg); /* as in Kubernetes: the pod's end is the connection's */
}

static void forward_on_drain(void *arg)
{
    struct forward *f = arg;

    port_forward_balance(f->owner);
}

static void forward_on_dialed(void *arg, int fd, const struct err *err)
{
    struct forward *f = arg;
    const struct wire_listener listener = {
        .on_data = forward_on_data, .on_end = forward_on_end, .on_drain = forward_on_drain, .arg = f
    };

    f->dial = NULL;
    if (fd < 0) {
        forward_fail(f, err);
        return;
    }
    f->tcp = wire_new(f->owner->loop, fd, &listener, 0);
    if (f->pending.len > 0)
        wire_write(f->tcp, f->pending.data, f->pending.len);
    text_fini(&f->pending);
    if (f->client_over)
        wire_end(f->tcp);
    port_forward_balance(f->owner);
}

static void forward_dial(struct forward *f)
{
    f->dial = pod_dial(f->owner->loop, f->owner->net_ns, f->port, forward_on_dialed, f);
}

static void forward_take(struct forward *f, const void *data, size_t len)
{
    if (f->client_over || f->is_failed)
        return;
    if (f->tcp != NULL)
        wire_write(f->tcp, data, len);
    else if (f->dial != NULL)
        text_add(&f->pending, data, len);
    if (forward_is_slow(f))
        port_forward_balance(f->owner);
}

/* --- SPDY --- */

static struct forward *port_forward_find(struct port_forward *p, const char *id)
{
    struct forward *free_slot = NULL;

    for (size_t i = 0; i < FORWARD_MAX; i++) {
        if (p->slots[i].owner == NULL)
            free_slot = free_slot != NULL ? free_slot : &p->slots[i];
        else if (str_eq(p->slots[i].id, id))
            return &p->slots[i];
    }
    return free_slot;
}

/* False: the client asks for what cannot be. */
static bool port_forward_add(struct port_forward *p, const struct spdy_frame *syn)
{
    const char *type = spdy_frame_header(syn, "streamtype");
    const char *port = spdy_frame_header(syn, "port"), *id = spdy_frame_header(syn, "requestid");
    bool is_data = str_eq(type, "data");
    struct forward *f;
    uint64_t n;

    if (id == NULL || strlen(id) >= FORWARD_ID_MAX || (!is_data && !str_eq(type, "error")) ||
        port == NULL || !str_u64(port, &n) || n < 1 || n > UINT16_MAX)
        return false;
    f = port_forward_find(p, id);
    if (f == NULL || (f->owner != NULL && ((is_data ? f->data : f->error) != 0 || f->port != n)))
        return false;
    f->owner = p;
    f->port = (uint16_t)n;
    snprintf(f->id, sizeof(f->id), "%s", id);
    *(is_data ? &f->data : &f->error) = syn->stream;
    spdy_conn_accept(p->spdy, syn->stream);
    if (f->data != 0 && f->error != 0)
        forward_dial(f);
    return true;
}

static void port_forward_on_stream(void *arg, const struct spdy_frame *syn)
{
    struct port_forward *p = arg;

    if (!port_forward_add(p, syn))
        spdy_conn_refuse(p->spdy, syn->stream, SPDY_RESET_REFUSED);
}

static struct forward *port_forward_by_stream(struct port_forward *p, uint32_t stream)
{
    for (size_t i = 0; i < FORWARD_MAX; i++)
        if (p->slots[i].owner != NULL && stream != 0 &&
            (p->slots[i].data == stream || p->slots[i].error == stream))
            return &p->slots[i];
    return NULL;
}

static void port_forward_on_data(void *arg, uint32_t stream, const unsigned char *data, size_t len)
{
    struct forward *f = port_forward_by_stream(arg, stream);

    if (f != NULL && f->data == stream)
        forward_take(f, data, len);
}

static void port_forward_on_fin(void *arg, uint32_t stream, bool is_reset)
{
    struct forward *f = port_forward_by_stream(arg, stream);

    if (f == NULL || f->data != stream)
        return; /* the client ends its side of the error stream at once */
    if (is_reset) {
        f->data = 0;
        forward_end(f);
        return;
    }
    f->client_over = true;
    if (f->tcp != NULL)
        wire_end(f->tcp);
    else if (f->dial == NULL)
        forward_end(f);
}

static void port_forward_on_drain(void *arg)
{
    struct port_forward *p = arg;

    for (size_t i = 0; i < FORWARD_MAX; i++)
        if (p->slots[i].owner != NULL && p->slots[i].tcp != NULL)
            wire_hold(p->slots[i].tcp, false);
}

static void port_forward_on_gone(void *arg)
{
    struct port_forward *p = arg;

    if (p->spdy != NULL)
        spdy_conn_close(p->spdy);
    else
        peer_close(p->peer);
    port_forward_free(p);
}

/* --- channels --- */

static void port_forward_on_message(void *arg, unsigned char *data, size_t len, bool first,
                                    bool last UNUSED)
{
    struct port_forward *p = arg;

    if (first)
        p->now = -1;
    if (p->now < 0 && len > 0) {
        p->now = data[0];
        data++;
        len--;
    }
    if (len > 0 && p->now >= 0 && p->now % 2 == 0 && p->now / 2 < FORWARD_MAX &&
        p->slots[p->now / 2].owner != NULL)
        forward_take(&p->slots[p->now / 2], data, len);
}

static void port_forward_begin_channels(struct port_forward *p, struct peers *set,
                                        const struct port_forward_opts *opts)
{
    const struct peer_listener listener = { .on_data = port_forward_on_message,
                                            .on_drain = port_forward_on_drain,
                                            .on_gone = port_forward_on_gone,
                                            .arg = p };

    p->peer = peer_new(set, &opts->peer, &listener);
    for (size_t i = 0; i < opts->n_ports; i++) {
        struct forward *f = &p->slots[i];
        unsigned char port[2] = { (unsigned char)opts->ports[i],
                                  (unsigned char)(opts->ports[i] >> 8) };

        f->owner = p;
        f->port = opts->ports[i];
        f->data = (uint32_t)(2 * i);
        f->error = (uint32_t)(2 * i + 1);
        forward_send(f, f->data, port, sizeof(port));
        forward_send(f, f->error, port, sizeof(port));
        forward_dial(f);
    }
}

static void port_forward_begin_spdy(struct port_forward *p, struct peers *set,
                                    const struct port_forward_opts *opts)
{
    const struct spdy_conn_listener listener = { .on_stream = port_forward_on_stream,
                                                 .on_data = port_forward_on_data,
                                                 .on_fin = port_forward_on_fin,
                                                 .on_drain = port_forward_on_drain,
                                                 .on_gone = port_forward_on_gone,
                                                 .arg = p };

    p->spdy = spdy_conn_new(set, &opts->peer, &listener);
}

struct port_forward *port_forward_new(struct peers *set, const struct port_forward_opts *opts,
                                      void (*on_done)(void *arg), void *arg)
{
    struct port_forward *p = MEM_NEW(struct port_forward);

    p->loop = set->loop;
    p->net_ns = mem_str(opts->net_ns);
    p->pod_name = mem_str(opts->pod_name);
    p->pod_uid = mem_str(opts->pod_uid);
    p->now = -1;
    p->on_done = on_done;
    p->arg = arg;
    if (opts->is_spdy)
        port_forward_begin_spdy(p, set, opts);
    else
        port_forward_begin_channels(p, set, opts);
    return p;
}
