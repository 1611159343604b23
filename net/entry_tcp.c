#include "net/entry_tcp.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls_stream.h"
#include "net/entry_io.h"
#include "net/entry_splice.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct entry_tcp {
    struct entry_worker *worker; /* borrowed */
    char *address;
    uint16_t *reserved;   /* owned, 0 ends */
    struct list ports;    /* struct entry_tcp_port */
    struct list conns;    /* struct entry_tcp_conn: being connected */
    unsigned n_listeners; /* not closed yet */
    bool is_wanting, closing;
    void (*on_closed)(void *arg);
    void *arg;
};

struct entry_tcp_port {
    struct list link;
    struct entry_tcp *owner;
    char *ns, *service;
    uint16_t port;
    bool is_wanted; /* while an update runs */
    struct tls_listener *listener;
};

struct entry_tcp_conn { /* a client, while an endpoint is found for it */
    struct list link;
    struct entry_tcp *owner;
    char *ns, *service;
    uint16_t port;
    int client;
    uint64_t key; /* of the client's address */
    struct entry_tried tried;
    struct entry_peer *peer; /* ref: being connected */
    struct entry_io *io;     /* ... by this; its memory dies by itself */
    struct entry_timeout timeout;
};

/* --- one client --- */

static void entry_tcp_on_io_closed(struct entry_io *io)
{
    free(io);
}

static void entry_tcp_drop_peer(struct entry_tcp_conn *c)
{
    if (c->peer == NULL)
        return;
    c->peer = entry_peer_unref(c->peer);
    c->io->poll.data = NULL;
    entry_io_close(STEAL(c->io), entry_tcp_on_io_closed);
}

/* Closes the client unless its socket was given away. */
static void entry_tcp_end(struct entry_tcp_conn *c)
{
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    entry_tcp_drop_peer(c);
    if (c->client >= 0) {
        setsockopt(c->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(c->client);
    }
    list_del(&c->link);
    entry_timeout_fini(&c->timeout);
    free(c->ns);
    free(c->service);
    free(c);
}

static void entry_tcp_carry(struct entry_tcp_conn *c)
{
    struct entry_splice_opts opts = { .client = c->client,
                                      .server = entry_io_take(c->io),
                                      .peer = entry_peer_ref(c->peer) };
    struct entry_worker *w = c->owner->worker;

    c->client = -1;
    entry_peer_well(c->peer);
    entry_tcp_end(c);
    entry_splice_new(w, &opts);
}

static void entry_tcp_connect(struct entry_tcp_conn *c);

static void entry_tcp_failed(struct entry_tcp_conn *c)
{
    entry_tried_add(&c->tried, c->peer);
    entry_peer_failed(c->peer, entry_timeouts_now(&c->owner->worker->timeouts));
    entry_tcp_drop_peer(c);
    entry_tcp_connect(c);
}

static void entry_tcp_on_connected(struct entry_io *io, int events UNUSED)
{
    struct entry_tcp_conn *c = io->poll.data;
    int error = 0;
    socklen_t len = sizeof(error);

    if (c == NULL)
        return;
    getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0)
        entry_tcp_carry(c);
    else
        entry_tcp_failed(c);
}

static void entry_tcp_on_timeout(struct entry_timeout *t)
{
    entry_tcp_failed(container_of(t, struct entry_tcp_conn, timeout));
}

/* The next endpoint of the present table; none left: the client is reset. */
static void entry_tcp_connect(struct entry_tcp_conn *c)
{
    struct entry_worker *w = c->owner->worker;
    int64_t now = entry_timeouts_now(&w->timeouts);
    const struct entry_listen *l = w->peers.table != NULL
                                       ? entry_table_listen(w->peers.table, c->ns, c->service,
                                                            c->port)
                                       : NULL;
    struct entry_peer *p;
    int fd;

    do {
        p = l == NULL      ? NULL
            : l->is_sticky ? entry_peers_pick_for(&w->peers, l->backend, &c->tried, now, c->key)
                           : entry_peers_pick(&w->peers, l->backend, &c->tried, now);
        fd = p != NULL ? entry_io_connect(&p->address.at.any, p->address.len) : -1;
        if (p != NULL && fd < 0) {
            entry_tried_add(&c->tried, p);
            entry_peer_failed(p, now);
        }
    } while (p != NULL && fd < 0);
    if (fd < 0) {
        entry_tcp_end(c);
        return;
    }
    c->peer = entry_peer_ref(p);
    c->io = MEM_NEW(struct entry_io);
    entry_io_init(c->io, w->loop, fd, entry_tcp_on_connected);
    c->io->poll.data = c;
    c->timeout.due_ms = now + w->limits.connect_ms;
    entry_io_watch(c->io, UV_WRITABLE);
}

static bool entry_tcp_may(const struct entry_listen *l, const struct sockaddr *remote)
{
    for (size_t i = 0; i < l->n_sources; i++)
        if (entry_range_has(&l->sources[i], remote))
            return true;
    return l->n_sources == 0;
}

static uint64_t entry_tcp_key(const struct sockaddr *remote)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)remote;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)remote;

    return remote->sa_family == AF_INET ? bits_fnv64a(&v4->sin_addr, sizeof(v4->sin_addr))
                                        : bits_fnv64a(&v6->sin6_addr, sizeof(v6->sin6_addr));
}

static void entry_tcp_on_client(void *arg, int fd, const struct sockaddr *remote,
                                socklen_t remote_len UNUSED, const struct tls_peer *peer UNUSED)
{
    struct entry_tcp_port *p = arg;
    struct entry_worker *w = p->owner->worker;
    const struct entry_listen *l = w->peers.table != NULL
                                       ? entry_table_listen(w->peers.table, p->ns, p->service,
                                                            p->port)
                                       : NULL;
    struct entry_tcp_conn *c;

    if (w->closing || l == NULL || !entry_tcp_may(l, remote) || entry_worker_is_full(w)) {
        close(fd);
        return;
    }
    c = MEM_NEW(struct entry_tcp_conn);
    c->owner = p->owner;
    c->ns = mem_str(p->ns);
    c->service = mem_str(p->service);
    c->port = p->port;
    c->client = fd;
    c->key = entry_tcp_key(remote);
    list_add_tail(&p->owner->conns, &c->link);
    entry_timeout_init(&c->timeout, &w->timeouts, entry_tcp_on_timeout);
    w->counters.n_accepted++;
    entry_tcp_connect(c);
}

/* --- ports --- */

static void entry_tcp_gone(struct entry_tcp *t)
{
    void (*on_closed)(void *arg) = t->on_closed;
    void *arg = t->arg;

    if (!t->closing || t->n_listeners > 0)
        return;
    free(t->address);
    free(t->reserved);
    free(t);
    on_closed(arg);
}

static void entry_tcp_on_listener_closed(void *arg)
{
    struct entry_tcp_port *p = arg;
    struct entry_tcp *t = p->owner;

    free(p->ns);
    free(p->service);
    free(p);
    t->n_listeners--;
    entry_tcp_gone(t);
}

static void entry_tcp_drop_port(struct entry_tcp_port *p)
{
    log_info("port closed", KV("port", "%u", p->port), KV("ns", "%s", p->ns),
             KV("service", "%s", p->service));
    list_del(&p->link);
    tls_listener_close(STEAL(p->listener), entry_tcp_on_listener_closed, p);
}

static int entry_tcp_open(struct entry_tcp *t, const struct entry_listen *l, struct err *err)
{
    struct entry_tcp_port *p = MEM_NEW(struct entry_tcp_port);
    struct tls_listener_opts opts = {
        .address = t->address, .port = l->port, .on_connection = entry_tcp_on_client, .arg = p
    };
    int rc = tls_listener_new(&p->listener, t->worker->loop, &opts, err);

    if (rc < 0) {
        free(p);
        return rc;
    }
    p->owner = t;
    p->ns = mem_str(l->service->ns);
    p->service = mem_str(l->service->name);
    p->port = l->port;
    p->is_wanted = true;
    list_add_tail(&t->ports, &p->link);
    t->n_listeners++;
    log_info("port open", KV("port", "%u", p->port), KV("ns", "%s", p->ns),
             KV("service", "%s", p->service));
    return 0;
}

static struct entry_tcp_port *entry_tcp_find(const struct entry_tcp *t,
                                             const struct entry_listen *l)
{
    LIST_EACH (at, &t->ports) {
        struct entry_tcp_port *p = list_entry(at, struct entry_tcp_port, link);

        if (p->port == l->port && str_eq(p->service, l->service->name) &&
            str_eq(p->ns, l->service->ns))
            return p;
    }
    return NULL;
}

/* Carries out one decision; what stands in the way goes to @ret (owned), else NULL. */
static char *entry_tcp_apply(struct entry_tcp *t, const struct entry_listen *l,
                             const struct entry_tcp_decision *d)
{
    struct err err = ERR_EMPTY;

    switch (d->verdict) {
    case ENTRY_TCP_KEEP:
    case ENTRY_TCP_SHARED: return NULL;
    case ENTRY_TCP_OPEN:
        if (entry_tcp_open(t, l, &err) == 0)
            return NULL;
        t->is_wanting = true;
        return mem_fmt("port %u cannot be opened: %s", l->port, err.text);
    case ENTRY_TCP_RESERVED: return mem_fmt("port %u is used by the cluster itself", l->port);
    case ENTRY_TCP_TAKEN:
        return mem_fmt("port %u is already used by Service %s/%s", l->port, d->owner->ns,
                       d->owner->name);
    case ENTRY_TCP_PROTOCOL:
        return mem_fmt("port %u/%s cannot be served: the entry carries TCP only", l->port,
                       l->protocol);
    }
    return NULL;
}

static size_t entry_tcp_list(struct entry_tcp *t, struct entry_tcp_held **ret)
{
    size_t n = 0;

    *ret = MEM_NEW_ARRAY(struct entry_tcp_held, t->n_listeners + 1);
    LIST_EACH (at, &t->ports) {
        struct entry_tcp_port *p = list_entry(at, struct entry_tcp_port, link);

        p->is_wanted = false;
        (*ret)[n++] = (struct entry_tcp_held){ .ns = p->ns,
                                               .service = p->service,
                                               .port = p->port };
    }
    return n;
}

void entry_tcp_update(struct entry_tcp *t, const struct entry_table *table,
                      entry_tcp_problem_fn problem, void *arg)
{
    cleanup(freep) struct entry_tcp_held *held = NULL;
    cleanup(freep) struct entry_tcp_decision *plan = NULL;
    size_t n_wants, n_held = entry_tcp_list(t, &held);
    const struct entry_listen *wants = entry_table_listens(table, &n_wants);

    plan = MEM_NEW_ARRAY(struct entry_tcp_decision, n_wants + 1);
    entry_tcp_plan(plan, wants, n_wants, held, n_held, t->reserved);
    for (size_t i = 0; i < n_wants; i++)
        if (plan[i].verdict == ENTRY_TCP_KEEP)
            entry_tcp_find(t, &wants[i])->is_wanted = true;
    /* Closing first: a port may pass from one Service to another. */
    LIST_EACH_SAFE (at, &t->ports) {
        struct entry_tcp_port *p = list_entry(at, struct entry_tcp_port, link);

        if (!p->is_wanted)
            entry_tcp_drop_port(p);
    }
    t->is_wanting = false;
    for (size_t i = 0; i < n_wants; i++) {
        cleanup(freep) char *message = entry_tcp_apply(t, &wants[i], &plan[i]);

        if (message != NULL)
            problem(arg, &wants[i], message);
    }
}

bool entry_tcp_serves(const struct entry_tcp *t, const char *ns, const char *service)
{
    LIST_EACH (at, &t->ports) {
        const struct entry_tcp_port *p = list_entry(at, struct entry_tcp_port, link);

        if (str_eq(p->service, service) && str_eq(p->ns, ns))
            return true;
    }
    return false;
}

bool entry_tcp_is_wanting(const struct entry_tcp *t)
{
    return t->is_wanting;
}

/* --- life --- */

struct entry_tcp *entry_tcp_new(const struct entry_tcp_opts *opts)
{
    struct entry_tcp *t = MEM_NEW(struct entry_tcp);
    size_t n = 0;

    t->worker = opts->worker;
    t->address = mem_str(opts->address);
    while (opts->reserved[n] != 0)
        n++;
    t->reserved = mem_dup(opts->reserved, (n + 1) * sizeof(*t->reserved));
    list_init(&t->ports);
    list_init(&t->conns);
    return t;
}

void entry_tcp_close(struct entry_tcp *t, void (*on_closed)(void *arg), void *arg)
{
    assert(!t->closing);
    t->on_closed = on_closed;
    t->arg = arg;
    while (!list_empty(&t->conns))
        entry_tcp_end(list_entry(t->conns.next, struct entry_tcp_conn, link));
    LIST_EACH_SAFE (at, &t->ports)
        entry_tcp_drop_port(list_entry(at, struct entry_tcp_port, link));
    t->closing = true;
    entry_tcp_gone(t);
}
