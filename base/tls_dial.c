#include "base/tls_dial.h"

#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/socket.h"
#include "base/tls_conn.h"
#include "base/tls_session.h"
#include "base/tls_x509.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

struct tls_dialer {
    uv_loop_t *loop;
    gnutls_certificate_credentials_t cred;
    gnutls_certificate_credentials_t *old; /* owned array: of sessions that may still be open */
    size_t n_old;
    struct tls_trust *trust;          /* NULL: whoever answers is believed */
    bool is_plain;                    /* no TLS */
    struct tls_conn_scratch *scratch; /* owned; from the first call on */
    struct list dials;
};

/*  CONNECTING -> SHAKING -> OPEN -> (tls_conn's end) */
struct tls_dial {
    struct list link; /* in tls_dialer.dials */
    struct tls_dialer *dialer;
    struct tls_conn_owner owner; /* of the one connection */
    char *host;
    int fd;              /* while connecting */
    uv_poll_t *poll;     /* dies in its close callback */
    struct timer *timer; /* limit of connecting; also carries what fails at once */
    struct err err;
    tls_dial_fn done; /* NULL once told */
    void *arg;
};

static void tls_dial_on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void tls_dial_stop(struct tls_dial *t)
{
    if (t->poll != NULL)
        uv_close((uv_handle_t *)STEAL(t->poll), tls_dial_on_poll_closed);
    t->timer = timer_close(t->timer);
}

static void tls_dial_free(struct tls_dial *t)
{
    struct tls_conn *c;

    tls_dial_stop(t);
    closep(&t->fd);
    while ((c = tls_conn_first(&t->owner)) != NULL)
        tls_conn_close(c);
    list_del(&t->link);
    free(t->host);
    free(t);
}

static void tls_dial_fail(struct tls_dial *t)
{
    tls_dial_fn done = t->done;
    void *arg = t->arg;
    struct err err = t->err;

    tls_dial_free(t);
    if (done != NULL)
        done(arg, -1, &err);
}

/* --- TLS --- */

static int tls_dial_check(struct tls_conn_owner *o, gnutls_session_t session)
{
    struct tls_dial *t = container_of(o, struct tls_dial, owner);

    return t->dialer->trust == NULL ? 0
                                    : tls_trust_check(t->dialer->trust, session, t->host, &t->err);
}

static void tls_dial_on_open(struct tls_conn_owner *o, int fd, const struct sockaddr *remote UNUSED,
                             socklen_t remote_len UNUSED, const struct tls_peer *peer UNUSED)
{
    struct tls_dial *t = container_of(o, struct tls_dial, owner);
    tls_dial_fn done = STEAL(t->done);

    done(t->arg, fd, NULL);
}

static void tls_dial_on_timer(void *arg)
{
    struct tls_dial *t = arg;

    if (t->err.code == 0)
        err_set(&t->err, ERR_TIMEOUT, "connect to %s: no answer", t->host);
    tls_dial_fail(t);
}

static void tls_dial_on_end(struct tls_conn_owner *o, int fd,
                            const struct sockaddr_storage *remote UNUSED)
{
    struct tls_dial *t = container_of(o, struct tls_dial, owner);

    closep(&fd);
    if (t->err.code == 0)
        err_set(&t->err, ERR_UNAVAILABLE, "%s: the TLS handshake failed", t->host);
    /* Not now: a connection that ends with its first bytes still tells on_open of them. */
    t->timer = timer_new(t->dialer->loop, tls_dial_on_timer, t);
    timer_start(t->timer, 0);
}

static int tls_dial_session(gnutls_session_t *ret, struct tls_dialer *d, struct err *err)
{
    gnutls_session_t session;
    int rc = gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "TLS session");
    rc = gnutls_set_default_priority(session);
    if (rc == 0)
        rc = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, d->cred);
    if (rc < 0) {
        gnutls_deinit(session);
        return tls_x509_fail(err, ERR_INTERNAL, rc, "TLS session");
    }
    gnutls_handshake_set_timeout(session, 0); /* the connection's timer does that */
    *ret = session;
    return 0;
}

static void tls_dial_shake(struct tls_dial *t)
{
    gnutls_session_t session = NULL;
    int fd = t->fd;

    tls_dial_stop(t);
    if (tls_dial_session(&session, t->dialer, &t->err) < 0) {
        tls_dial_fail(t);
        return;
    }
    t->fd = -1;
    if (tls_conn_dial(&t->owner, fd, session, TLS_DIAL_MS, &t->err) < 0)
        tls_dial_fail(t);
}

/* --- TCP --- */

static void tls_dial_hand_over(struct tls_dial *t)
{
    tls_dial_fn done = t->done;
    void *arg = t->arg;
    int fd = t->fd;

    t->fd = -1;
    tls_dial_free(t);
    done(arg, fd, NULL);
}

static void tls_dial_on_connected(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct tls_dial *t = poll->data;
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        err_errno(&t->err, error, "connect to %s", t->host);
        tls_dial_fail(t);
        return;
    }
    if (t->dialer->is_plain)
        tls_dial_hand_over(t);
    else
        tls_dial_shake(t);
}

static int tls_dial_connect(struct tls_dial *t, const char *ip, uint16_t port, struct err *err)
{
    struct sockaddr_storage addr;
    int rc = uv_ip4_addr(ip, port, (struct sockaddr_in *)(void *)&addr);
    socklen_t len = sizeof(struct sockaddr_in);

    if (rc < 0) {
        rc = uv_ip6_addr(ip, port, (struct sockaddr_in6 *)(void *)&addr);
        len = sizeof(struct sockaddr_in6);
    }
    if (rc < 0)
        return err_set(err, ERR_INVALID, "%s is no address", ip);
    t->fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0)
        return err_errno(err, errno, "socket");
    socket_no_delay(t->fd);
    socket_keep_alive(t->fd);
    if (connect(t->fd, (struct sockaddr *)&addr, len) < 0 && errno != EINPROGRESS)
        return err_errno(err, errno, "connect to %s", t->host);
    t->poll = MEM_NEW(uv_poll_t);
    uv_poll_init(t->dialer->loop, t->poll, t->fd);
    t->poll->data = t;
    uv_poll_start(t->poll, UV_WRITABLE, tls_dial_on_connected);
    return 0;
}

struct tls_dial *tls_dial(struct tls_dialer *d, const char *ip, const char *host, uint16_t port,
                          tls_dial_fn done, void *arg)
{
    struct tls_dial *t = MEM_NEW(struct tls_dial);
    int rc;

    if (d->scratch == NULL)
        d->scratch = MEM_NEW(struct tls_conn_scratch);
    t->dialer = d;
    t->host = mem_str(host != NULL ? host : ip);
    t->fd = -1;
    t->done = done;
    t->arg = arg;
    t->owner = (struct tls_conn_owner){ .loop = d->loop,
                                        .scratch = d->scratch,
                                        .check = tls_dial_check,
                                        .on_open = tls_dial_on_open,
                                        .on_end = tls_dial_on_end };
    list_init(&t->owner.conns);
    list_add_tail(&d->dials, &t->link);
    t->timer = timer_new(d->loop, tls_dial_on_timer, t);
    rc = tls_dial_connect(t, ip, port, &t->err);
    timer_start(t->timer, rc < 0 ? 0 : TLS_DIAL_MS);
    return t;
}

void tls_dial_cancel(struct tls_dial *t)
{
    assert(t->done != NULL);
    tls_dial_free(t);
}

/* --- the dialer --- */

static int tls_dialer_cred(gnutls_certificate_credentials_t *ret, const char *cert_pem,
                           const char *key_pem, struct err *err)
{
    const gnutls_datum_t cert = tls_x509_view(cert_pem != NULL ? cert_pem : "");
    const gnutls_datum_t key = tls_x509_view(key_pem != NULL ? key_pem : "");
    gnutls_certificate_credentials_t cred = NULL;
    int rc = gnutls_certificate_allocate_credentials(&cred);

    if (rc == 0 && cert_pem != NULL)
        rc = gnutls_certificate_set_x509_key_mem(cred, &cert, &key, GNUTLS_X509_FMT_PEM);
    if (rc < 0) {
        if (cred != NULL)
            gnutls_certificate_free_credentials(cred);
        return tls_x509_fail(err, ERR_INVALID, rc, "client certificate");
    }
    *ret = cred;
    return 0;
}

int tls_dialer_new(struct tls_dialer **ret, uv_loop_t *loop, const char *ca_pem,
                   const char *cert_pem, const char *key_pem, struct err *err)
{
    struct tls_dialer *d = MEM_NEW(struct tls_dialer);
    int rc = tls_trust_new(&d->trust, ca_pem, err);

    d->loop = loop;
    list_init(&d->dials);
    if (rc == 0)
        rc = tls_dialer_cred(&d->cred, cert_pem, key_pem, err);
    if (rc < 0) {
        tls_dialer_close(d);
        return rc;
    }
    *ret = d;
    return 0;
}

int tls_dialer_new_blind(struct tls_dialer **ret, uv_loop_t *loop, bool tls, struct err *err)
{
    struct tls_dialer *d = MEM_NEW(struct tls_dialer);
    int rc;

    d->loop = loop;
    d->is_plain = !tls;
    list_init(&d->dials);
    rc = tls_dialer_cred(&d->cred, NULL, NULL, err);
    if (rc < 0)
        tls_dialer_close(d);
    else
        *ret = d;
    return rc;
}

static void tls_dialer_free_old(struct tls_dialer *d)
{
    while (d->n_old > 0)
        gnutls_certificate_free_credentials(d->old[--d->n_old]);
}

int tls_dialer_renew(struct tls_dialer *d, const char *cert_pem, const char *key_pem,
                     struct err *err)
{
    gnutls_certificate_credentials_t cred;
    int rc = tls_dialer_cred(&cred, cert_pem, key_pem, err);

    if (rc < 0)
        return rc;
    d->old = mem_grow(d->old, d->n_old + 1, sizeof(cred));
    d->old[d->n_old++] = d->cred;
    d->cred = cred;
    if (list_empty(&d->dials))
        tls_dialer_free_old(d);
    return 0;
}

struct tls_dialer *tls_dialer_close(struct tls_dialer *d)
{
    if (d == NULL)
        return NULL;
    while (!list_empty(&d->dials))
        tls_dial_free(list_entry(d->dials.next, struct tls_dial, link));
    if (d->cred != NULL)
        gnutls_certificate_free_credentials(d->cred);
    tls_dialer_free_old(d);
    free(d->old);
    tls_trust_free(d->trust);
    free(d->scratch);
    free(d);
    return NULL;
}
