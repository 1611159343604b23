/* tls_conn: one TLS connection between a TCP socket and a socketpair; the inside of tls_stream and
 * tls_dial.
 *
 * Holds no buffers while idle: bytes pass through the listener's scratch memory and only
 * what could not be written is kept.  Owner: tls_listener, tls_dial.
 *
 *   HANDSHAKE -> OPEN -> (client's EOF | application's EOF, in any order) -> closed
 */
#ifndef BASE_TLS_CONN_H
#define BASE_TLS_CONN_H

#include "base/list.h"
#include "base/tls.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#define TLS_CONN_SCRATCH (64 * 1024)

struct tls_conn;

/* Used by one connection at a time, within one event. */
struct tls_conn_scratch {
    unsigned char in[TLS_CONN_SCRATCH];  /* cipher text read ahead */
    unsigned char out[TLS_CONN_SCRATCH]; /* plain text, either way */
};

/* What a connection needs of its listener (or dialer); lives longer than it. */
struct tls_conn_owner {
    uv_loop_t *loop;
    struct tls_conn_scratch *scratch; /* borrowed */
    /* Optional.  After the handshake, before anything is passed on: negative ends it. */
    int (*check)(struct tls_conn_owner *o, gnutls_session_t session);
    /* The handshake is done.  @fd is the application's end, given away.  Last statement of its
     * caller. */
    void (*on_open)(struct tls_conn_owner *o, int fd, const struct sockaddr *remote,
                    socklen_t remote_len, const struct tls_peer *peer);
    /* Unlinked, nothing more will come; the memory dies by itself.  @fd is the TCP socket when
     * the client may still be sending, else -1; given away. */
    void (*on_end)(struct tls_conn_owner *o, int fd, const struct sockaddr_storage *remote);
    struct list conns;
};

/* Consumes @fd in every case. */
int tls_conn_new(struct tls_conn_owner *o, int fd, struct tls_server *creds,
                 const struct sockaddr *remote, socklen_t remote_len, int64_t handshake_ms,
                 struct err *err);
/* The client's side: @session is ready for its handshake, both are consumed.  When it fails, on_end
 * comes without an on_open. */
int tls_conn_dial(struct tls_conn_owner *o, int fd, gnutls_session_t session, int64_t handshake_ms,
                  struct err *err);
/* Sends what can be sent at once and closes; on_end is not called. */
void tls_conn_close(struct tls_conn *c);
struct tls_conn *tls_conn_first(struct tls_conn_owner *o); /* NULL: none */

#endif
