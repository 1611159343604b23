#include "base/tls_conn_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* --- transport: one read per event in place of GnuTLS' two per record and one in vain --- */

ssize_t tls_conn_pull(gnutls_transport_ptr_t ptr, void *data, size_t len)
{
    struct tls_conn *c = ptr;
    ssize_t n;

    if (c->n_ahead == 0) {
        if (c->is_net_dry) {
            gnutls_transport_set_errno(c->session, EAGAIN);
            return -1;
        }
        n = recv(c->fd, c->owner->scratch->in, sizeof(c->owner->scratch->in), 0);
        if (n <= 0) {
            gnutls_transport_set_errno(c->session, errno);
            return n;
        }
        c->is_net_dry = (size_t)n < sizeof(c->owner->scratch->in);
        c->ahead = c->owner->scratch->in;
        c->is_ahead_kept = false;
        c->n_ahead = (size_t)n;
    }
    len = len < c->n_ahead ? len : c->n_ahead;
    memcpy(data, c->ahead, len);
    c->ahead += len;
    c->n_ahead -= len;
    return (ssize_t)len;
}

ssize_t tls_conn_push(gnutls_transport_ptr_t ptr, const giovec_t *iov, int n_iov)
{
    struct tls_conn *c = ptr;
    struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n_iov };
    ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

    if (n < 0)
        gnutls_transport_set_errno(c->session, errno);
    return n;
}

void tls_conn_keep_ahead(struct tls_conn *c)
{
    unsigned char *copy = NULL;

    if (c->n_ahead > 0 && c->is_ahead_kept)
        return;
    if (c->n_ahead > 0)
        copy = mem_dup(c->ahead, c->n_ahead);
    free(c->kept);
    c->kept = copy;
    c->ahead = copy;
    c->is_ahead_kept = copy != NULL;
}

/* --- the two directions --- */

static void tls_conn_rest_set(struct tls_conn_rest *r, const unsigned char *data, size_t len)
{
    assert(r->data == NULL);
    r->data = mem_dup(data, len);
    r->len = len;
    r->done = 0;
}

void tls_conn_rest_clear(struct tls_conn_rest *r)
{
    free(STEAL(r->data));
    r->len = r->done = 0;
}

/* Bytes written; -1: nobody reads there any more. */
static ssize_t tls_conn_write_app(struct tls_conn *c, const unsigned char *data, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = send(c->app, data + done, len - done, MSG_NOSIGNAL);

        if (n > 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)done;
}

/* False: the application is gone. */
static bool tls_conn_flush_app(struct tls_conn *c)
{
    struct tls_conn_rest *r = &c->to_app;
    ssize_t n;

    if (r->data == NULL)
        return true;
    n = tls_conn_write_app(c, r->data + r->done, r->len - r->done);
    if (n < 0)
        return false;
    r->done += (size_t)n;
    if (r->done == r->len)
        tls_conn_rest_clear(r);
    return true;
}

static bool tls_conn_is_premature(int rc)
{
    return rc == GNUTLS_E_PREMATURE_TERMINATION; /* FIN without close_notify */
}

/* Client to application, until one of them blocks.  The application is on this thread, so
 * its socket buffer bounds one visit. */
enum tls_conn_verdict tls_conn_pump_in(struct tls_conn *c)
{
    unsigned char *buffer = c->owner->scratch->out;

    if (!tls_conn_flush_app(c))
        return TLS_CONN_APP_DEAD;
    while (c->to_app.data == NULL && !c->net_eof) {
        size_t n_ahead = c->n_ahead;
        ssize_t n = gnutls_record_recv(c->session, buffer, TLS_CONN_SCRATCH);
        ssize_t done;

        /* Also said after a session ticket, with more behind it that was read already. */
        if (n == GNUTLS_E_AGAIN && c->n_ahead > 0 && c->n_ahead != n_ahead)
            continue;
        if (n == GNUTLS_E_AGAIN)
            break;
        if (n == 0 || tls_conn_is_premature((int)n)) {
            c->net_eof = true;
            shutdown(c->app, SHUT_WR);
            break;
        }
        if (n < 0 && (gnutls_error_is_fatal((int)n) || n == GNUTLS_E_REHANDSHAKE))
            return TLS_CONN_NET_DEAD;
        if (n < 0)
            continue;
        done = tls_conn_write_app(c, buffer, (size_t)n);
        if (done < 0)
            return TLS_CONN_APP_DEAD;
        if (done < n)
            tls_conn_rest_set(&c->to_app, buffer + done, (size_t)(n - done));
    }
    return TLS_CONN_GO_ON;
}

/* Bytes taken by the session; what it holds half sent is not counted until it is sent.
 * -1: the client is gone. */
static ssize_t tls_conn_write_net(struct tls_conn *c, const unsigned char *data, size_t len)
{
    size_t done = 0;

    while (done < len) {
        /* GnuTLS wants to hear NULL, 0 after EAGAIN: it kept the encrypted record. */
        ssize_t n = c->is_record_held ? gnutls_record_send(c->session, NULL, 0)
                                      : gnutls_record_send(c->session, data + done, len - done);

        if (n >= 0) {
            c->is_record_held = false;
            done += (size_t)n;
        } else if (n == GNUTLS_E_AGAIN) {
            c->is_record_held = true;
            break;
        } else if (n != GNUTLS_E_INTERRUPTED) {
            return -1;
        }
    }
    return (ssize_t)done;
}

static bool tls_conn_flush_net(struct tls_conn *c)
{
    struct tls_conn_rest *r = &c->to_net;
    ssize_t n;

    if (r->data == NULL)
        return true;
    n = tls_conn_write_net(c, r->data + r->done, r->len - r->done);
    if (n < 0)
        return false;
    r->done += (size_t)n;
    if (r->done == r->len)
        tls_conn_rest_clear(r);
    return true;
}

/* The application has sent all it wants to, and so have we. */
static void tls_conn_say_bye(struct tls_conn *c)
{
    struct pollfd app = { .fd = c->app, .events = 0 };

    /* POLLHUP: both directions are shut; without it the application only stopped sending. */
    if (poll(&app, 1, 0) < 0 || (app.revents & (POLLHUP | POLLERR)) != 0)
        c->app_gone = true;
    if (c->is_bye_sent || gnutls_bye(c->session, GNUTLS_SHUT_WR) == GNUTLS_E_AGAIN)
        return;
    c->is_bye_sent = true;
    shutdown(c->fd, SHUT_WR);
}

/* What the application has for us: > 0 bytes, 0 its end, -1 nothing now. */
static ssize_t tls_conn_read_app(struct tls_conn *c, unsigned char *buffer)
{
    ssize_t n;

    do {
        n = recv(c->app, buffer, TLS_CONN_SCRATCH, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return c->app_gone ? 0 : -1;
    return n < 0 ? 0 : n; /* ECONNRESET: it closed without reading everything */
}

/* Application to client, until one of them blocks. */
enum tls_conn_verdict tls_conn_pump_out(struct tls_conn *c)
{
    unsigned char *buffer = c->owner->scratch->out;

    if (!tls_conn_flush_net(c))
        return TLS_CONN_NET_DEAD;
    while (c->to_net.data == NULL && !c->app_eof) {
        ssize_t n = tls_conn_read_app(c, buffer);
        ssize_t done;

        if (n < 0)
            break;
        if (n == 0) {
            c->app_eof = true;
            break;
        }
        done = tls_conn_write_net(c, buffer, (size_t)n);
        if (done < 0)
            return TLS_CONN_NET_DEAD;
        if (done < n)
            tls_conn_rest_set(&c->to_net, buffer + done, (size_t)(n - done));
        if (n < TLS_CONN_SCRATCH && !c->app_gone)
            break; /* the poll tells when there is more */
    }
    if (c->app_eof && c->to_net.data == NULL)
        tls_conn_say_bye(c);
    return TLS_CONN_GO_ON;
}
