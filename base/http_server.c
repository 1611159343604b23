#include "base/http_server.h"

#include "base/clock.h"
#include "base/http_budget.h"
#include "base/http_exchange.h"
#include "base/loop.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define HTTP_SERVER_MAX_BODY        (3 * 1024 * 1024)
#define HTTP_SERVER_MAX_CONNECTIONS 4096
#define HTTP_SERVER_IDLE_MS         120000
#define HTTP_SERVER_HEAD_MS         30000
#define HTTP_SERVER_BODY_MS         30000
#define HTTP_SERVER_BODY_ALL_MS     300000
#define HTTP_SERVER_SWEEP_MS        5000
/* Per connection: headers of one request and the piece of body or answer in flight. */
#define HTTP_SERVER_POOL            (24 * 1024)
#define HTTP_SERVER_TURNS           4

/* --- driving libmicrohttpd --- */

static void http_server_on_idle(uv_idle_t *idle);

void http_server_kick(struct http_server *s)
{
    if (s->is_running)
        s->wants_run = true;
    else
        uv_idle_start(&s->idle, http_server_on_idle);
}

/* In external mode MHD neither notices resumed connections by itself nor counts them in
 * MHD_get_timeout, and MHD_run must not be nested: hence wants_run. */
static void http_server_run(struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 1;

    assert(!s->is_running);
    s->is_running = true;
    for (unsigned turn = 0; turn < HTTP_SERVER_TURNS; turn++) {
        s->wants_run = false;
        MHD_run(s->daemon);
        if (!s->wants_run)
            break;
    }
    s->is_running = false;
    /* Later deadlines of MHD are met by the sweep; only "at once" matters here. */
    if (s->wants_run || (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES && wait_ms == 0))
        uv_idle_start(&s->idle, http_server_on_idle);
    else
        uv_idle_stop(&s->idle);
}

static void http_server_on_idle(uv_idle_t *idle)
{
    http_server_run(container_of(idle, struct http_server, idle));
}

static void http_server_on_ready(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    http_server_run(container_of(poll, struct http_server, poll));
}

/* --- connections --- */

static void http_conn_set_remote(struct http_conn *c, const struct sockaddr *addr)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)addr;

    if (addr->sa_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, c->remote, sizeof(c->remote));
    else if (addr->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], c->remote, sizeof(c->remote));
    else if (addr->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, c->remote, sizeof(c->remote));
}

/* The listener counts TLS connections itself; plain ones end where only we see it. */
static void http_server_set_pause(struct http_server *s)
{
    if (s->is_plain && !s->is_closing)
        tls_listener_pause(s->listener, s->n_conns >= s->opts.max_connections);
}

static void http_server_on_connection(void *arg, int fd, const struct sockaddr *remote,
                                      socklen_t remote_len, const struct tls_peer *peer)
{
    struct http_server *s = arg;
    struct http_conn *c;
    bool was_running = s->is_running;

    if (s->is_closing) {
        close(fd);
        return;
    }
    c = MEM_NEW(struct http_conn);
    c->n_refs = 1;
    c->server = s;
    c->fd = fd;
    tls_peer_copy(&c->peer, peer);
    http_conn_set_remote(c, remote);
    http_conn_enter(c, HTTP_PHASE_IDLE);
    list_add_tail(&s->arrivals, &c->link);
    s->n_conns++;
    s->is_running = true;
    /* Closes @fd when it fails; http_server_on_notify has not seen @c then. */
    if (MHD_add_connection(s->daemon, fd, remote, remote_len) != MHD_YES) {
        list_del(&c->link);
        s->n_conns--;
        http_conn_unref(c);
    }
    s->is_running = was_running;
    http_server_kick(s);
    http_server_set_pause(s);
}

static int http_server_fd(struct MHD_Connection *mc)
{
    return MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void http_server_on_arrival(struct http_server *s, struct MHD_Connection *mc, void **context)
{
    int fd = http_server_fd(mc);

    LIST_EACH (it, &s->arrivals) {
        struct http_conn *c = list_entry(it, struct http_conn, link);

        if (c->fd == fd) {
            list_del(&c->link);
            list_add_tail(&s->conns, &c->link);
            *context = c;
            return;
        }
    }
    assert(!"a connection that nobody brought");
}

static void http_server_on_notify(void *arg, struct MHD_Connection *mc, void **context,
                                  enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = arg;
    struct http_conn *c;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        http_server_on_arrival(s, mc, context);
        return;
    }
    c = STEAL(*(struct http_conn **)context);
    if (s->is_plain && c->is_refused && !s->is_closing) {
        /* MHD closes its own descriptor next. */
        int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);

        if (fd >= 0)
            lingers_add(&s->lingers, fd);
    }
    list_del(&c->link);
    c->server = NULL;
    c->fd = -1;
    assert(s->n_conns > 0);
    s->n_conns--;
    http_conn_unref(c);
    http_server_set_pause(s);
}

/* --- requests --- */

/* MHD calls this with the request line; what it returns becomes the request's context. */
static void *http_server_on_uri(void *arg, const char *uri, struct MHD_Connection *mc)
{
    struct http_conn *c = MHD_get_connection_info(mc, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
                              ->socket_context;

    http_conn_enter(c, HTTP_PHASE_HEAD);
    return http_exchange_new(arg, c, uri);
}

/* Paths and queries stay encoded: http_args decodes, and routes decide about paths. */
static size_t http_server_on_unescape(void *arg UNUSED, struct MHD_Connection *mc UNUSED, char *s)
{
    return strlen(s);
}

static enum MHD_Result http_server_on_head(struct http_exchange *x, struct MHD_Connection *mc,
                                           const char *method)
{
    const char *length;
    uint64_t len;

    x->connection = mc;
    x->method = mem_str(method);
    http_conn_enter(x->conn, HTTP_PHASE_BODY);
    length = http_header(x, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length == NULL || !str_u64(length, &len) || len <= x->server->opts.max_body)
        return MHD_YES;
    http_exchange_refuse(x, MHD_HTTP_CONTENT_TOO_LARGE);
    return http_exchange_go_on(x);
}

static enum MHD_Result http_server_on_piece(struct http_exchange *x, const char *data, size_t len)
{
    x->conn->heard_ms = clock_mono_ms();
    if (len > x->server->opts.max_body - x->body.len) {
        http_exchange_refuse_raw(x, MHD_HTTP_CONTENT_TOO_LARGE);
        return MHD_NO;
    }
    if (!http_budget_body(x, x->body.len + len)) {
        http_exchange_refuse_raw(x, MHD_HTTP_TOO_MANY_REQUESTS);
        return MHD_NO;
    }
    text_add(&x->body, data, len);
    return MHD_YES;
}

static enum MHD_Result http_server_on_progress(void *arg, struct MHD_Connection *mc,
                                               const char *url UNUSED, const char *method,
                                               const char *version UNUSED, const char *data,
                                               size_t *len, void **context)
{
    struct http_server *s = arg;
    struct http_exchange *x = *context;
    size_t n = *len;

    if (s->is_closing)
        return MHD_NO;
    if (x->connection == NULL)
        return http_server_on_head(x, mc, method);
    if (n > 0) {
        *len = 0;
        return http_server_on_piece(x, data, n);
    }
    if (x->state == HTTP_RECEIVING)
        http_exchange_ask(x);
    return http_exchange_go_on(x);
}

static void http_server_on_completed(void *arg UNUSED, struct MHD_Connection *mc UNUSED,
                                     void **context, enum MHD_RequestTerminationCode code UNUSED)
{
    struct http_exchange *x = STEAL(*(struct http_exchange **)context);

    if (x != NULL)
        http_exchange_completed(x);
}

/* --- slow clients --- */

static int64_t http_server_less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool http_conn_is_late(const struct http_conn *c, int64_t idle_ms, int64_t now_ms)
{
    switch (c->phase) {
    case HTTP_PHASE_IDLE: return now_ms - c->since_ms > idle_ms;
    case HTTP_PHASE_HEAD:
        return now_ms - c->since_ms > http_server_less(idle_ms, HTTP_SERVER_HEAD_MS);
    case HTTP_PHASE_BODY:
        return now_ms - c->heard_ms > http_server_less(idle_ms, HTTP_SERVER_BODY_MS) ||
               now_ms - c->since_ms > HTTP_SERVER_BODY_ALL_MS;
    case HTTP_PHASE_BUSY: break;
    }
    return false;
}

static void http_server_on_sweep(void *arg)
{
    struct http_server *s = arg;
    int64_t now_ms = clock_mono_ms();

    LIST_EACH (it, &s->conns) {
        struct http_conn *c = list_entry(it, struct http_conn, link);

        /* MHD reads the end and closes. */
        if (http_conn_is_late(c, s->opts.idle_ms, now_ms))
            shutdown(c->fd, SHUT_RDWR);
    }
    timer_start(s->sweep, s->sweep_ms);
    http_server_run(s); /* MHD's own time-outs: clients that do not read */
}

/* --- life --- */

static struct MHD_Daemon *http_server_daemon(struct http_server *s)
{
    unsigned idle_s = (unsigned)((s->opts.idle_ms + 999) / 1000);

    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE, 0,
        NULL, NULL, http_server_on_progress, s, MHD_OPTION_CONNECTION_LIMIT,
        s->opts.max_connections + 64, MHD_OPTION_CONNECTION_TIMEOUT, idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_SERVER_POOL, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_NOTIFY_CONNECTION, http_server_on_notify, s, MHD_OPTION_NOTIFY_COMPLETED,
        http_server_on_completed, s, MHD_OPTION_URI_LOG_CALLBACK, http_server_on_uri, s,
        MHD_OPTION_UNESCAPE_CALLBACK, http_server_on_unescape, NULL, MHD_OPTION_END);
}

static int http_server_listen(struct http_server *s, struct err *err)
{
    const struct tls_listener_opts opts = {
        .address = s->opts.address,
        .port = s->opts.port,
        .creds = s->opts.creds,
        .max_connections = s->opts.max_connections,
        .max_per_address = s->opts.max_connections / 4 * 3,
        .on_connection = http_server_on_connection,
        .arg = s,
    };

    return tls_listener_new(&s->listener, s->loop, &opts, err);
}

static void http_server_set_opts(struct http_server *s, const struct http_server_opts *opts)
{
    s->opts = *opts;
    s->is_plain = opts->creds == NULL;
    if (s->opts.max_body == 0)
        s->opts.max_body = HTTP_SERVER_MAX_BODY;
    if (s->opts.max_connections == 0)
        s->opts.max_connections = HTTP_SERVER_MAX_CONNECTIONS;
    if (s->opts.idle_ms == 0)
        s->opts.idle_ms = HTTP_SERVER_IDLE_MS;
    s->sweep_ms = http_server_less(s->opts.idle_ms / 4 + 1, HTTP_SERVER_SWEEP_MS);
}

int http_server_new(struct http_server **ret, uv_loop_t *loop, const struct http_server_opts *opts,
                    struct err *err)
{
    cleanup(freep) struct http_server *s = MEM_NEW(struct http_server);
    int rc, epoll_fd;

    assert(opts->on_request != NULL);
    s->loop = loop;
    http_server_set_opts(s, opts);
    list_init(&s->conns);
    list_init(&s->arrivals);
    list_init(&s->exchanges);
    lingers_init(&s->lingers, loop);
    rc = http_server_listen(s, err);
    if (rc < 0)
        return rc;
    s->daemon = http_server_daemon(s);
    if (s->daemon == NULL) {
        tls_listener_close(s->listener, NULL, NULL);
        return err_set(err, ERR_INTERNAL, "HTTP daemon cannot start");
    }
    epoll_fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    rc = uv_poll_init(loop, &s->poll, epoll_fd);
    assert(rc == 0);
    uv_idle_init(loop, &s->idle);
    s->n_open = 3; /* these two and the listener */
    s->sweep = timer_new(loop, http_server_on_sweep, s);
    timer_start(s->sweep, s->sweep_ms);
    uv_poll_start(&s->poll, UV_READABLE, http_server_on_ready);
    *ret = STEAL(s);
    return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
    return tls_listener_port(s->listener);
}

void http_server_renew(struct http_server *s, struct tls_server *creds)
{
    tls_listener_renew(s->listener, creds);
}

static void http_server_closed_one(struct http_server *s)
{
    void (*on_closed)(void *arg) = s->on_closed;
    void *arg = s->closed_arg;

    assert(s->n_open > 0);
    if (--s->n_open > 0)
        return;
    free(s);
    if (on_closed != NULL)
        on_closed(arg);
}

static void http_server_on_poll_closed(uv_handle_t *handle)
{
    http_server_closed_one(container_of((uv_poll_t *)(void *)handle, struct http_server, poll));
}

static void http_server_on_idle_closed(uv_handle_t *handle)
{
    http_server_closed_one(container_of((uv_idle_t *)(void *)handle, struct http_server, idle));
}

static void http_server_on_listener_closed(void *arg)
{
    http_server_closed_one(arg);
}

/* Order: MHD must not be stopped while connections are suspended, its epoll descriptor not
 * closed while libuv watches it, and the listener ends last, because it still carries the
 * last bytes of TLS connections to their clients. */
static void http_server_on_stop(void *arg)
{
    struct http_server *s = arg;

    LIST_EACH (it, &s->exchanges)
        http_exchange_give_up(list_entry(it, struct http_exchange, link));
    http_server_run(s);
    s->sweep = timer_close(s->sweep);
    uv_close((uv_handle_t *)&s->poll, http_server_on_poll_closed);
    s->is_running = true; /* kicks from callbacks have nothing to start any more */
    MHD_stop_daemon(s->daemon);
    uv_close((uv_handle_t *)&s->idle, http_server_on_idle_closed);
    assert(list_empty(&s->exchanges) && list_empty(&s->conns) && list_empty(&s->arrivals));
    lingers_stop(&s->lingers);
    tls_listener_close(s->listener, http_server_on_listener_closed, s);
}

void http_server_close(struct http_server *s, void (*on_closed)(void *arg), void *arg)
{
    assert(!s->is_closing);
    tls_listener_pause(s->listener, true);
    s->is_closing = true;
    s->on_closed = on_closed;
    s->closed_arg = arg;
    /* We may be inside one of MHD's callbacks. */
    loop_defer(s->loop, http_server_on_stop, s);
}
