#include "net/dns.h"

#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/dns_forward.h"
#include "net/dns_message.h"
#include "net/dns_zone.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_TCP_MAX     64
#define DNS_TCP_IDLE_MS 10000
#define DNS_BURST       64 /* packets of one wake-up: nobody else waits longer */

struct dns {
    uv_loop_t *loop;
    struct informer *services, *slices; /* borrowed */
    char *domain;                       /* owned */
    struct dns_zone *zone;              /* owned; NULL = to be built at the next question */
    struct dns_forward *forward;
    int udp, tcp;
    uv_poll_t *udp_poll, *tcp_poll; /* heap: die in their close callbacks */
    struct list asks;               /* of struct dns_ask, UDP questions that were forwarded */
    struct list conns;              /* of struct dns_conn */
    unsigned n_conns;
};

/* --- the zone follows the informers --- */

static json_t *dns_trees(const struct informer *informer)
{
    json_t *list = json_array();
    const struct object *o;
    size_t it = 0;

    while ((o = informer_next(informer, &it)) != NULL)
        json_array_append_new(list, object_tree(o));
    return list;
}

static const struct dns_zone *dns_zone_now(struct dns *d)
{
    cleanup(json_decrefpp) json_t *services = NULL;
    cleanup(json_decrefpp) json_t *slices = NULL;

    if (d->zone != NULL)
        return d->zone;
    services = dns_trees(d->services);
    slices = dns_trees(d->slices);
    d->zone = dns_zone_new(services, slices, d->domain);
    return d->zone;
}

static void dns_on_change(void *arg, const struct object *object, const struct object *before)
{
    struct dns *d = arg;

    (void)object;
    (void)before;
    d->zone = dns_zone_free(d->zone);
}

/* --- UDP --- */

struct dns_ask {
    struct list link;
    struct dns *d; /* NULL when the server went */
    struct sockaddr_in client;
    uint8_t *query; /* owned */
    size_t len;
    bool follow; /* what was asked is where an ExternalName leads to */
};

static void dns_send_udp(struct dns *d, const struct sockaddr_in *to, const uint8_t *data,
                         size_t len)
{
    /* A full socket buffer drops the reply, as the network might: the client asks again. */
    sendto(d->udp, data, len, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof(*to));
}

static void dns_ask_free(struct dns_ask *a)
{
    list_del(&a->link);
    free(a->query);
    free(a);
}

static void dns_send_failure(struct dns *d, const struct sockaddr_in *to, const uint8_t *query,
                             size_t len)
{
    cleanup(freep) uint8_t *reply = NULL;
    size_t reply_len;

    if (dns_failure(&reply, &reply_len, query, len))
        dns_send_udp(d, to, reply, reply_len);
}

static void dns_on_forwarded(void *arg, const uint8_t *reply, size_t len)
{
    struct dns_ask *a = arg;
    cleanup(freep) uint8_t *joined = NULL;

    if (reply != NULL && a->follow) {
        bool ok = dns_follow(&joined, &len, dns_zone_now(a->d), a->query, a->len, reply, len, true);

        reply = ok ? joined : NULL;
    }
    if (reply != NULL)
        dns_send_udp(a->d, &a->client, reply, len);
    else
        dns_send_failure(a->d, &a->client, a->query, a->len);
    dns_ask_free(a);
}

/* @asked: what goes to the resolvers; another question than @query when it is to be followed. */
static void dns_forward_udp(struct dns *d, const struct sockaddr_in *from, const uint8_t *query,
                            size_t len, const uint8_t *asked, size_t asked_len)
{
    struct dns_ask *a = MEM_NEW(struct dns_ask);

    a->d = d;
    a->client = *from;
    a->query = mem_dup(query, len);
    a->len = len;
    a->follow = asked != query;
    list_init(&a->link);
    list_add_tail(&d->asks, &a->link);
    if (!dns_forward_ask(d->forward, asked, asked_len, false, dns_on_forwarded, a)) {
        dns_send_failure(d, from, query, len);
        dns_ask_free(a);
    }
}

static void dns_on_udp(uv_poll_t *poll, int status, int events)
{
    struct dns *d = poll->data;
    uint8_t query[DNS_UDP_MAX];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);

    (void)events;
    for (int i = 0; status == 0 && i < DNS_BURST; i++) {
        ssize_t n = recvfrom(d->udp, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&from,
                             &from_len);
        cleanup(freep) uint8_t *reply = NULL;
        size_t len;
        enum dns_verdict verdict;

        if (n < 0)
            return;
        verdict = dns_answer(&reply, &len, dns_zone_now(d), query, (size_t)n, true);
        if (verdict == DNS_ANSWERED)
            dns_send_udp(d, &from, reply, len);
        else if (verdict == DNS_FORWARD)
            dns_forward_udp(d, &from, query, (size_t)n, query, (size_t)n);
        else if (verdict == DNS_FOLLOW)
            dns_forward_udp(d, &from, query, (size_t)n, reply, len);
    }
}

/* --- TCP: one question at a time per connection (RFC 7766 allows to go on after the answer) --- */

struct dns_conn {
    struct list link;
    struct dns *d;
    int fd;
    uv_poll_t *poll;
    struct timer *idle;
    uint8_t in[2 + 4096];
    size_t got;
    uint8_t *out; /* owned: reply with its length prefix */
    size_t out_len, sent;
    bool asking; /* a forwarded question is under way: the conn may not die yet */
    bool follow; /* it is about where an ExternalName leads to */
    bool gone;
};

static void dns_on_poll_closed(uv_handle_t *handle)
{
    close((int)(intptr_t)handle->data);
    free(handle);
}

static void dns_close_poll(uv_poll_t *poll, int fd)
{
    poll->data = (void *)(intptr_t)fd;
    uv_close((uv_handle_t *)poll, dns_on_poll_closed);
}

static void dns_conn_end(struct dns_conn *c)
{
    if (!c->gone) {
        c->gone = true;
        list_del(&c->link);
        if (c->d != NULL)
            c->d->n_conns--;
        dns_close_poll(c->poll, c->fd);
        c->idle = timer_close(c->idle);
    }
    if (c->asking)
        return;
    free(c->out);
    free(c);
}

static void dns_on_idle(void *arg)
{
    dns_conn_end(arg);
}

static void dns_on_conn(uv_poll_t *poll, int status, int events);

static void dns_conn_reply(struct dns_conn *c, const uint8_t *data, size_t len)
{
    free(c->out);
    c->out = MEM_NEW_ARRAY(uint8_t, len + 2);
    c->out[0] = (uint8_t)(len >> 8);
    c->out[1] = (uint8_t)len;
    memcpy(c->out + 2, data, len);
    c->out_len = len + 2;
    c->sent = 0;
    c->got = 0;
    timer_start(c->idle, DNS_TCP_IDLE_MS);
    uv_poll_start(c->poll, UV_WRITABLE, dns_on_conn);
}

static void dns_conn_fail(struct dns_conn *c)
{
    cleanup(freep) uint8_t *reply = NULL;
    size_t len;

    if (dns_failure(&reply, &len, c->in + 2, c->got - 2))
        dns_conn_reply(c, reply, len);
    else
        dns_conn_end(c);
}

static void dns_on_conn_forwarded(void *arg, const uint8_t *reply, size_t len)
{
    struct dns_conn *c = arg;
    cleanup(freep) uint8_t *joined = NULL;

    c->asking = false;
    if (!c->gone && reply != NULL && c->follow) {
        bool ok = dns_follow(&joined, &len, dns_zone_now(c->d), c->in + 2, c->got - 2, reply, len,
                             false);

        reply = ok ? joined : NULL;
    }
    if (c->gone)
        dns_conn_end(c);
    else if (reply != NULL)
        dns_conn_reply(c, reply, len);
    else
        dns_conn_fail(c);
}

static void dns_conn_question(struct dns_conn *c)
{
    cleanup(freep) uint8_t *reply = NULL;
    size_t len;
    enum dns_verdict verdict = dns_answer(&reply, &len, dns_zone_now(c->d), c->in + 2, c->got - 2,
                                          false);

    if (verdict == DNS_ANSWERED) {
        dns_conn_reply(c, reply, len);
    } else if (verdict == DNS_DROP) {
        dns_conn_end(c);
    } else {
        uv_poll_stop(c->poll);
        c->follow = verdict == DNS_FOLLOW;
        c->asking = dns_forward_ask(c->d->forward, c->follow ? reply : c->in + 2,
                                    c->follow ? len : c->got - 2, true, dns_on_conn_forwarded, c);
        if (!c->asking)
            dns_conn_fail(c);
    }
}

static void dns_conn_read(struct dns_conn *c)
{
    size_t want = c->got < 2 ? 2 : (size_t)(c->in[0] << 8 | c->in[1]) + 2;
    ssize_t n;

    if (want > sizeof(c->in)) {
        dns_conn_end(c);
        return;
    }
    n = recv(c->fd, c->in + c->got, want - c->got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        dns_conn_end(c);
        return;
    }
    c->got += (size_t)n;
    if (c->got > 2 && c->got == (size_t)(c->in[0] << 8 | c->in[1]) + 2)
        dns_conn_question(c);
}

static void dns_conn_write(struct dns_conn *c)
{
    ssize_t n = send(c->fd, c->out + c->sent, c->out_len - c->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        dns_conn_end(c);
        return;
    }
    c->sent += n > 0 ? (size_t)n : 0;
    if (c->sent == c->out_len)
        uv_poll_start(c->poll, UV_READABLE, dns_on_conn);
}

static void dns_on_conn(uv_poll_t *poll, int status, int events)
{
    struct dns_conn *c = poll->data;

    if (status < 0)
        dns_conn_end(c);
    else if ((events & UV_WRITABLE) != 0)
        dns_conn_write(c);
    else if ((events & UV_READABLE) != 0)
        dns_conn_read(c);
}

static void dns_on_accept(uv_poll_t *poll, int status, int events)
{
    struct dns *d = poll->data;
    struct dns_conn *c;
    int fd;

    (void)events;
    if (status < 0)
        return;
    fd = accept4(d->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (d->n_conns >= DNS_TCP_MAX) {
        close(fd);
        return;
    }
    c = MEM_NEW(struct dns_conn);
    c->d = d;
    c->fd = fd;
    c->poll = MEM_NEW(uv_poll_t);
    uv_poll_init(d->loop, c->poll, fd);
    c->poll->data = c;
    c->idle = timer_new(d->loop, dns_on_idle, c);
    timer_start(c->idle, DNS_TCP_IDLE_MS);
    list_init(&c->link);
    list_add_tail(&d->conns, &c->link);
    d->n_conns++;
    uv_poll_start(c->poll, UV_READABLE, dns_on_conn);
}

/* --- life --- */

static int dns_bind(const struct dns_opts *opts, int type, struct err *err)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(opts->port) };
    int on = 1;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = 0;

    inet_pton(AF_INET, opts->listen_ip, &at.sin_addr);
    if (fd < 0)
        return err_errno(err, errno, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* The address comes up with the pod network's bridge, which may be later (ip(7)). */
    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        (type == SOCK_STREAM && listen(fd, 64) < 0))
        rc = err_errno(err, errno, "answer DNS on %s:%u", opts->listen_ip, opts->port);
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

static uv_poll_t *dns_poll(struct dns *d, int fd, uv_poll_cb cb)
{
    uv_poll_t *poll = MEM_NEW(uv_poll_t);

    uv_poll_init(d->loop, poll, fd);
    poll->data = d;
    uv_poll_start(poll, UV_READABLE, cb);
    return poll;
}

int dns_new(struct dns **ret, uv_loop_t *loop, const struct dns_opts *opts, struct err *err)
{
    struct dns *d;
    struct informer_listener listener = { .on_change = dns_on_change };
    int udp = dns_bind(opts, SOCK_DGRAM, err);
    int tcp = udp < 0 ? udp : dns_bind(opts, SOCK_STREAM, err);

    if (tcp < 0) {
        if (udp >= 0)
            close(udp);
        return tcp;
    }
    d = MEM_NEW(struct dns);
    d->loop = loop;
    d->services = opts->services;
    d->slices = opts->slices;
    d->domain = mem_str(opts->domain);
    d->forward = dns_forward_new(loop, opts->resolv_conf, opts->listen_ip);
    list_init(&d->asks);
    list_init(&d->conns);
    d->udp = udp;
    d->tcp = tcp;
    d->udp_poll = dns_poll(d, udp, dns_on_udp);
    d->tcp_poll = dns_poll(d, tcp, dns_on_accept);
    listener.arg = d;
    informer_listen(opts->services, &listener);
    informer_listen(opts->slices, &listener);
    *ret = d;
    return 0;
}

struct dns *dns_close(struct dns *d)
{
    if (d == NULL)
        return NULL;
    /* Forgotten questions call nobody: what waited for them goes here. */
    dns_forward_close(d->forward);
    while (!list_empty(&d->asks))
        dns_ask_free(list_entry(d->asks.next, struct dns_ask, link));
    while (!list_empty(&d->conns)) {
        struct dns_conn *c = list_entry(d->conns.next, struct dns_conn, link);

        c->asking = false;
        dns_conn_end(c);
    }
    dns_close_poll(d->udp_poll, d->udp);
    dns_close_poll(d->tcp_poll, d->tcp);
    dns_zone_free(d->zone);
    free(d->domain);
    free(d);
    return NULL;
}
