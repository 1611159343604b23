#include "base/tls_conn.h"

#include "base/mem.h"
#include "base/tls_conn_impl.h"
#include "base/tls_session.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* How long a client may take for the last bytes of an application that has closed. */
#define TLS_CONN_LAST_MS 30000

/* --- end --- */

static void tls_conn_free(struct tls_conn *c)
{
    assert(c->n_open == 0);
    free(c->to_app.data);
    free(c->to_net.data);
    free(c->kept);
    free(c);
}

static void tls_conn_on_handle_closed(uv_handle_t *handle)
{
    struct tls_conn *c = handle->data;

    assert(c->n_open > 0);
    if (--c->n_open == 0)
        tls_conn_free(c);
}

/* Lets go of everything but the TCP socket, which is returned. */
static int tls_conn_dismantle(struct tls_conn *c)
{
    unsigned n_open = c->n_open;
    int fd = c->fd, app = c->app;

    list_del(&c->link);
    c->deadline = timer_close(c->deadline);
    if (c->session != NULL)
        gnutls_deinit(STEAL(c->session));
    c->creds = tls_server_unref(c->creds);
    if (n_open > 1)
        uv_close((uv_handle_t *)&c->app_poll, tls_conn_on_handle_closed);
    if (n_open > 0)
        uv_close((uv_handle_t *)&c->net_poll, tls_conn_on_handle_closed);
    else
        tls_conn_free(c);
    closep(&app);
    return fd;
}

/* The client is gone or of no use. */
static void tls_conn_fail(struct tls_conn *c)
{
    struct tls_conn_owner *owner = c->owner;
    struct sockaddr_storage remote = c->remote;
    int fd = tls_conn_dismantle(c);

    closep(&fd);
    owner->on_end(owner, -1, &remote);
}

/* The application is gone; the client has our close_notify but may still be sending. */
static void tls_conn_finish(struct tls_conn *c)
{
    struct tls_conn_owner *owner = c->owner;
    struct sockaddr_storage remote = c->remote;
    bool quiet = c->net_eof;
    int fd = tls_conn_dismantle(c);

    if (quiet) {
        closep(&fd);
        fd = -1;
    }
    owner->on_end(owner, fd, &remote);
}

/* --- events --- */

static void tls_conn_on_net(uv_poll_t *poll, int status, int events);
static void tls_conn_on_app(uv_poll_t *poll, int status, int events);

static void tls_conn_set_poll(uv_poll_t *poll, int *now, int want, uv_poll_cb cb)
{
    if (*now == want)
        return;
    *now = want;
    if (want == 0)
        uv_poll_stop(poll);
    else
        uv_poll_start(poll, want, cb);
}

static void tls_conn_on_deadline(void *arg)
{
    tls_conn_fail(arg);
}

static void tls_conn_watch(struct tls_conn *c)
{
    int net = 0, app = 0;

    if (!c->net_eof && !c->app_gone && c->to_app.data == NULL)
        net |= UV_READABLE;
    if (c->to_net.data != NULL || (c->app_eof && !c->is_bye_sent))
        net |= UV_WRITABLE;
    if (!c->app_eof && c->to_net.data == NULL)
        app |= UV_READABLE;
    if (c->to_app.data != NULL)
        app |= UV_WRITABLE;
    /* Nothing to read or write, but its full close must be seen: epoll reports hang-up always. */
    if (app == 0 && c->app_eof)
        app = UV_PRIORITIZED;
    if (c->app_gone)
        app = 0;
    tls_conn_set_poll(&c->net_poll, &c->net_events, net, tls_conn_on_net);
    tls_conn_set_poll(&c->app_poll, &c->app_events, app, tls_conn_on_app);
    /* From here on nobody but us could end a client that does not read. */
    if (c->app_gone && c->deadline == NULL) {
        c->deadline = timer_new(c->owner->loop, tls_conn_on_deadline, c);
        timer_start(c->deadline, TLS_CONN_LAST_MS);
    }
}

static void tls_conn_pump(struct tls_conn *c, bool in, bool out)
{
    enum tls_conn_verdict verdict = TLS_CONN_GO_ON;

    if (in && !c->app_gone)
        verdict = tls_conn_pump_in(c);
    if (verdict == TLS_CONN_APP_DEAD) {
        /* What it wrote before it went is still to be sent. */
        tls_conn_rest_clear(&c->to_app);
        c->app_gone = true;
        out = true;
        verdict = TLS_CONN_GO_ON;
    }
    if (out && verdict == TLS_CONN_GO_ON)
        verdict = tls_conn_pump_out(c);
    tls_conn_keep_ahead(c);
    if (verdict != TLS_CONN_GO_ON)
        tls_conn_fail(c);
    else if (c->is_bye_sent && (c->app_gone || c->net_eof))
        tls_conn_finish(c);
    else
        tls_conn_watch(c);
}

static void tls_conn_on_app(uv_poll_t *poll, int status, int events)
{
    struct tls_conn *c = poll->data;

    if (status < 0) /* EPOLLERR: closed with unread bytes; libuv has stopped watching */
        c->app_events = 0;
    if (status < 0 || (events & UV_PRIORITIZED) != 0) {
        c->app_gone = true;
        tls_conn_pump(c, false, true);
        return;
    }
    tls_conn_pump(c, (events & UV_WRITABLE) != 0, (events & UV_READABLE) != 0);
}

static int tls_conn_make_app(struct tls_conn *c)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    if (uv_poll_init(c->owner->loop, &c->app_poll, fds[0]) != 0) {
        close(fds[0]);
        close(fds[1]);
        return -1;
    }
    c->n_open++;
    c->app_poll.data = c;
    c->app = fds[0];
    return fds[1];
}

static void tls_conn_on_open(struct tls_conn *c)
{
    struct tls_conn_owner *owner = c->owner;
    struct sockaddr_storage remote = c->remote;
    socklen_t remote_len = c->remote_len;
    struct tls_peer peer = TLS_PEER_EMPTY;
    int fd = owner->check == NULL || owner->check(owner, c->session) >= 0 ? tls_conn_make_app(c)
                                                                          : -1;

    if (fd < 0) {
        tls_conn_fail(c);
        return;
    }
    c->is_open = true;
    c->deadline = timer_close(c->deadline);
    if (c->creds != NULL)
        tls_server_peer(&peer, c->creds, c->session);
    /* The request often came with the last bytes of the handshake.  @c may be gone after, but
     * the application's end still reads what came. */
    tls_conn_pump(c, true, false);
    owner->on_open(owner, fd, (struct sockaddr *)&remote, remote_len, &peer);
    tls_peer_fini(&peer);
}

static void tls_conn_shake(struct tls_conn *c)
{
    int rc;

    do {
        rc = gnutls_handshake(c->session);
    } while (rc < 0 && rc != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(rc));
    if (rc == 0) {
        tls_conn_on_open(c);
        return;
    }
    tls_conn_keep_ahead(c);
    if (rc != GNUTLS_E_AGAIN) {
        gnutls_alert_send_appropriate(c->session, rc);
        tls_conn_fail(c);
        return;
    }
    tls_conn_set_poll(&c->net_poll, &c->net_events,
                      gnutls_record_get_direction(c->session) ? UV_WRITABLE : UV_READABLE,
                      tls_conn_on_net);
}

static void tls_conn_on_net(uv_poll_t *poll, int status, int events)
{
    struct tls_conn *c = poll->data;

    if (status < 0) {
        tls_conn_fail(c);
        return;
    }
    c->is_net_dry = false;
    if (!c->is_open)
        tls_conn_shake(c);
    else
        tls_conn_pump(c, (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
}

/* --- life --- */

struct tls_conn *tls_conn_first(struct tls_conn_owner *o)
{
    return list_empty(&o->conns) ? NULL : list_entry(o->conns.next, struct tls_conn, link);
}

/* Both kinds from here on; consumes @fd, and @c when it fails. */
static int tls_conn_begin(struct tls_conn *c, int64_t handshake_ms, int events, struct err *err)
{
    int rc = uv_poll_init(c->owner->loop, &c->net_poll, c->fd);

    if (rc != 0) {
        int fd = tls_conn_dismantle(c);

        closep(&fd);
        return err_errno(err, rc, "watch a connection");
    }
    c->n_open = 1;
    c->net_poll.data = c;
    gnutls_transport_set_ptr(c->session, c);
    gnutls_transport_set_pull_function(c->session, tls_conn_pull);
    gnutls_transport_set_vec_push_function(c->session, tls_conn_push);
    c->deadline = timer_new(c->owner->loop, tls_conn_on_deadline, c);
    timer_start(c->deadline, handshake_ms);
    tls_conn_set_poll(&c->net_poll, &c->net_events, events, tls_conn_on_net);
    list_add_tail(&c->owner->conns, &c->link);
    return 0;
}

static struct tls_conn *tls_conn_make(struct tls_conn_owner *o, int fd)
{
    struct tls_conn *c = MEM_NEW(struct tls_conn);

    list_init(&c->link);
    c->owner = o;
    c->fd = fd;
    c->app = -1;
    return c;
}

int tls_conn_new(struct tls_conn_owner *o, int fd, struct tls_server *creds,
                 const struct sockaddr *remote, socklen_t remote_len, int64_t handshake_ms,
                 struct err *err)
{
    struct tls_conn *c = tls_conn_make(o, fd);
    int rc;

    assert(remote_len <= sizeof(c->remote));
    memcpy(&c->remote, remote, remote_len);
    c->remote_len = remote_len;
    c->creds = tls_server_ref(creds);
    rc = tls_server_session(&c->session, creds, err);
    if (rc < 0) {
        fd = tls_conn_dismantle(c);
        closep(&fd);
        return rc;
    }
    return tls_conn_begin(c, handshake_ms, UV_READABLE, err);
}

int tls_conn_dial(struct tls_conn_owner *o, int fd, gnutls_session_t session, int64_t handshake_ms,
                  struct err *err)
{
    struct tls_conn *c = tls_conn_make(o, fd);

    c->session = session;
    return tls_conn_begin(c, handshake_ms, UV_WRITABLE, err); /* the first word is ours */
}

void tls_conn_close(struct tls_conn *c)
{
    int fd;

    if (c->is_open && tls_conn_pump_out(c) == TLS_CONN_GO_ON && !c->is_bye_sent)
        gnutls_bye(c->session, GNUTLS_SHUT_WR);
    fd = tls_conn_dismantle(c);
    closep(&fd);
}
