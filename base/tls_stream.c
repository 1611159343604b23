#include "base/tls_stream.h"

#include "base/linger.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/socket.h"
#include "base/tally.h"
#include "base/tls_conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define TLS_LISTENER_MAX          4096
#define TLS_LISTENER_HANDSHAKE_MS 10000
#define TLS_LISTENER_BACKLOG      1024
/* Clients taken in one turn of the loop. */
#define TLS_LISTENER_ACCEPTS      64
/* Pause after the process ran out of descriptors: the pending client stays readable. */
#define TLS_LISTENER_REST_MS      100

struct tls_listener {
    struct tls_conn_owner owner; /* of the TLS connections */
    struct tls_conn_scratch scratch;
    struct tls_listener_opts opts; /* address and creds are not used from here */
    struct tls_server *creds;      /* shared ref; NULL: plain */
    int fd;
    uint16_t port;
    uv_poll_t poll;
    struct timer *rest;
    struct lingers lingers;
    unsigned n_conns;       /* TLS only */
    struct tally addresses; /* of those, while there is a limit for each */
    bool is_paused, is_listening, is_closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

static void tls_listener_on_client(uv_poll_t *poll, int status, int events);

/* Listens or not, as limit, pauses and life demand. */
static void tls_listener_watch(struct tls_listener *l)
{
    bool want = !l->is_closing && !l->is_paused && !timer_active(l->rest) &&
                l->n_conns < l->opts.max_connections;

    if (want == l->is_listening)
        return;
    l->is_listening = want;
    if (want)
        uv_poll_start(&l->poll, UV_READABLE, tls_listener_on_client);
    else
        uv_poll_stop(&l->poll);
}

static void tls_listener_on_rested(void *arg)
{
    tls_listener_watch(arg);
}

static void tls_listener_on_open(struct tls_conn_owner *o, int fd, const struct sockaddr *remote,
                                 socklen_t remote_len, const struct tls_peer *peer)
{
    struct tls_listener *l = container_of(o, struct tls_listener, owner);

    l->opts.on_connection(l->opts.arg, fd, remote, remote_len, peer);
}

struct tls_address {
    char text[INET6_ADDRSTRLEN];
};

static struct tls_address tls_address_of(const struct sockaddr_storage *remote)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)remote;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)remote;
    struct tls_address a = { "" };

    if (remote->ss_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, a.text, sizeof(a.text));
    else if (remote->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, a.text, sizeof(a.text));
    return a;
}

static void tls_listener_on_end(struct tls_conn_owner *o, int fd,
                                const struct sockaddr_storage *remote)
{
    struct tls_listener *l = container_of(o, struct tls_listener, owner);

    if (l->opts.max_per_address > 0)
        tally_sub(&l->addresses, tls_address_of(remote).text);

    assert(l->n_conns > 0);
    l->n_conns--;
    if (fd >= 0)
        lingers_add(&l->lingers, fd);
    tls_listener_watch(l);
}

/* Consumes @fd. */
static void tls_listener_take(struct tls_listener *l, int fd, const struct sockaddr_storage *remote,
                              socklen_t remote_len)
{
    static const struct tls_peer nobody = TLS_PEER_EMPTY;
    const struct sockaddr *addr = (const struct sockaddr *)remote;
    struct tls_address from = tls_address_of(remote);
    struct err err = ERR_EMPTY;

    socket_no_delay(fd);
    socket_keep_alive(fd);
    if (l->creds == NULL) {
        l->opts.on_connection(l->opts.arg, fd, addr, remote_len, &nobody);
        return;
    }
    if (l->opts.max_per_address > 0 &&
        tally_of(&l->addresses, from.text) >= l->opts.max_per_address) {
        log_debug("too many connections of one address", KV("address", "%s", from.text));
        close(fd);
        return;
    }
    if (tls_conn_new(&l->owner, fd, l->creds, addr, remote_len, l->opts.handshake_ms, &err) < 0) {
        log_debug("connection refused", KV_ERR(&err));
        return;
    }
    l->n_conns++;
    if (l->opts.max_per_address > 0)
        tally_add(&l->addresses, from.text);
}

static void tls_listener_on_client(uv_poll_t *poll, int status, int events UNUSED)
{
    struct tls_listener *l = container_of(poll, struct tls_listener, poll);

    for (unsigned i = 0; status == 0 && l->is_listening && i < TLS_LISTENER_ACCEPTS; i++) {
        struct sockaddr_storage remote;
        socklen_t len = sizeof(remote);
        int fd = accept4(l->fd, (struct sockaddr *)&remote, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            /* Out of descriptors or memory; other errors belong to a client that left. */
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                timer_start(l->rest, TLS_LISTENER_REST_MS);
            break;
        }
        tls_listener_take(l, fd, &remote, len);
        if (!l->is_closing)
            tls_listener_watch(l);
    }
    if (!l->is_closing)
        tls_listener_watch(l);
}

static int tls_listener_address(struct sockaddr_storage *ret, socklen_t *ret_len,
                                const char *address, uint16_t port, struct err *err)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *ret_len = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *ret_len = sizeof(*v6);
        return 0;
    }
    return err_set(err, ERR_INVALID, "\"%.64s\" is no IP address", address);
}

static int tls_listener_bind(int *ret_fd, uint16_t *ret_port, const struct tls_listener_opts *opts,
                             struct err *err)
{
    cleanup(closep) int fd = -1;
    struct sockaddr_storage addr;
    socklen_t len;
    int on = 1, off = 0;
    int rc = tls_listener_address(&addr, &len, opts->address, opts->port, err);

    if (rc < 0)
        return rc;
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, errno, "make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (addr.ss_family == AF_INET6) /* "::" serves IPv4 too */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, TLS_LISTENER_BACKLOG) < 0)
        return err_errno(err, errno, "listen on %s port %u", opts->address, opts->port);
    len = sizeof(addr);
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return err_errno(err, errno, "listen on %s port %u", opts->address, opts->port);
    *ret_port = ntohs(addr.ss_family == AF_INET ? ((struct sockaddr_in *)&addr)->sin_port
                                                : ((struct sockaddr_in6 *)&addr)->sin6_port);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int tls_listener_new(struct tls_listener **ret, uv_loop_t *loop,
                     const struct tls_listener_opts *opts, struct err *err)
{
    struct tls_listener *l;
    uint16_t port = 0;
    int fd = -1, rc;

    assert(opts->on_connection != NULL);
    rc = tls_listener_bind(&fd, &port, opts, err);
    if (rc < 0)
        return rc;
    l = MEM_NEW(struct tls_listener);
    l->opts = *opts;
    l->fd = fd;
    l->port = port;
    if (l->opts.max_connections == 0)
        l->opts.max_connections = TLS_LISTENER_MAX;
    if (l->opts.handshake_ms == 0)
        l->opts.handshake_ms = TLS_LISTENER_HANDSHAKE_MS;
    l->creds = opts->creds != NULL ? tls_server_ref(opts->creds) : NULL;
    l->owner.loop = loop;
    l->owner.scratch = &l->scratch;
    l->owner.on_open = tls_listener_on_open;
    l->owner.on_end = tls_listener_on_end;
    list_init(&l->owner.conns);
    lingers_init(&l->lingers, loop);
    l->rest = timer_new(loop, tls_listener_on_rested, l);
    rc = uv_poll_init(loop, &l->poll, fd);
    assert(rc == 0);
    tls_listener_watch(l);
    *ret = l;
    return 0;
}

uint16_t tls_listener_port(const struct tls_listener *l)
{
    return l->port;
}

void tls_listener_pause(struct tls_listener *l, bool pause)
{
    assert(!l->is_closing);
    l->is_paused = pause;
    tls_listener_watch(l);
}

void tls_listener_renew(struct tls_listener *l, struct tls_server *creds)
{
    assert((l->creds == NULL) == (creds == NULL));
    if (creds != NULL)
        tls_server_ref(creds);
    tls_server_unref(l->creds);
    l->creds = creds;
}

static void tls_listener_on_poll_closed(uv_handle_t *handle)
{
    struct tls_listener *l = container_of((uv_poll_t *)(void *)handle, struct tls_listener, poll);
    void (*on_closed)(void *arg) = l->on_closed;
    void *arg = l->closed_arg;

    tls_server_unref(l->creds);
    tally_fini(&l->addresses);
    free(l);
    if (on_closed != NULL)
        on_closed(arg);
}

void tls_listener_close(struct tls_listener *l, void (*on_closed)(void *arg), void *arg)
{
    struct tls_conn *c;

    assert(!l->is_closing);
    l->is_closing = true;
    l->is_listening = false;
    l->on_closed = on_closed;
    l->closed_arg = arg;
    while ((c = tls_conn_first(&l->owner)) != NULL)
        tls_conn_close(c);
    lingers_stop(&l->lingers);
    l->rest = timer_close(l->rest);
    uv_close((uv_handle_t *)&l->poll, tls_listener_on_poll_closed);
    close(l->fd);
}
