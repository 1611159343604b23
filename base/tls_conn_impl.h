/* tls_conn_impl: what the files of a TLS connection share.  Private to base/tls_conn.c and
 * base/tls_conn_pump.c. */
#ifndef BASE_TLS_CONN_IMPL_H
#define BASE_TLS_CONN_IMPL_H

#include "base/list.h"
#include "base/loop.h"
#include "base/tls_conn.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

/* What one side did not take yet. */
struct tls_conn_rest {
    unsigned char *data; /* owned; NULL: nothing waits */
    size_t len, done;
};

struct tls_conn {
    struct list link;
    struct tls_conn_owner *owner; /* borrowed */
    struct tls_server *creds;     /* shared ref: outlives the session; NULL: we are the client */
    gnutls_session_t session;
    int fd, app; /* TCP; our end of the socketpair, -1 before OPEN */
    uv_poll_t net_poll, app_poll;
    int net_events, app_events; /* what is being watched */
    unsigned n_open;            /* handles */
    struct timer *deadline;     /* of the handshake, or of sending the last bytes; else NULL */
    bool is_open;               /* handshake done */
    struct sockaddr_storage remote;
    socklen_t remote_len;

    struct tls_conn_rest to_app, to_net;
    bool is_record_held;        /* GnuTLS has encrypted part of to_net and waits to send it */
    const unsigned char *ahead; /* cipher text read and not yet pulled: scratch or @kept */
    size_t n_ahead;
    unsigned char *kept; /* owned copy of it between two events */
    bool is_ahead_kept;  /* @ahead points into @kept */
    bool is_net_dry;     /* the last read was short: no use in another */
    bool net_eof;        /* the client sends no more */
    bool app_eof;        /* the application sends no more ... */
    bool is_bye_sent;    /* ... and the client was told */
    bool app_gone;       /* nor does it read */
};

/* --- tls_conn_pump.c: bytes through the session, until something would block --- */
enum tls_conn_verdict { TLS_CONN_GO_ON, TLS_CONN_NET_DEAD, TLS_CONN_APP_DEAD };

/* Plain bytes from the net to the application, and the other way. */
enum tls_conn_verdict tls_conn_pump_in(struct tls_conn *c);
enum tls_conn_verdict tls_conn_pump_out(struct tls_conn *c);
void tls_conn_rest_clear(struct tls_conn_rest *r);
/* After every use of the session: the scratch is shared, so what was read ahead and not used
 * is copied away. */
void tls_conn_keep_ahead(struct tls_conn *c);
/* The session's transport. */
ssize_t tls_conn_pull(gnutls_transport_ptr_t ptr, void *data, size_t len);
ssize_t tls_conn_push(gnutls_transport_ptr_t ptr, const giovec_t *iov, int n_iov);

#endif
