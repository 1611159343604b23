/* tls_stream: accepts TCP, ends TLS, and hands the plain bytes on through a socketpair (to
 * the HTTP server, to the entry proxy).
 *
 * Design C of the libmicrohttpd facts: MHD never sees TLS.  Limits: connections, handshake
 * time (10 s), buffered bytes per direction (64 KiB).  Thread: loop.
 */
#ifndef BASE_TLS_STREAM_H
#define BASE_TLS_STREAM_H

#include "base/tls.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

struct tls_listener;

struct tls_listener_opts {
    const char *address;      /* "0.0.0.0", "::" ... */
    uint16_t port;            /* 0 = any, see tls_listener_port */
    struct tls_server *creds; /* referenced; NULL = plain TCP, same interface */
    unsigned max_connections; /* 0 = 4,096; above, new clients wait in the backlog */
    unsigned max_per_address; /* TLS only; 0 = no such limit; above, new ones are closed at once */
    int64_t handshake_ms;     /* 0 = 10,000 */
    /* A connection is ready.  @fd is our end of a socketpair carrying plain bytes (or the TCP
     * socket itself when creds is NULL); the callee owns it.  EOF on it = the client is gone or
     * done sending; closing it ends the client's side with close_notify.
     * @peer is borrowed during the call. */
    void (*on_connection)(void *arg, int fd, const struct sockaddr *remote, socklen_t remote_len,
                          const struct tls_peer *peer);
    void *arg;
};

int tls_listener_new(struct tls_listener **ret, uv_loop_t *loop,
                     const struct tls_listener_opts *opts, struct err *err);
uint16_t tls_listener_port(const struct tls_listener *l);
/* No new clients while paused (they wait in the backlog): for owners of plain connections,
 * which the listener cannot count. */
void tls_listener_pause(struct tls_listener *l, bool pause);
void tls_listener_renew(struct tls_listener *l, struct tls_server *creds); /* for new connections */
/* Stops listening, flushes what can be sent without waiting, ends every connection, then calls
 * @on_closed (may be NULL); l is gone.  Allowed from within on_connection. */
void tls_listener_close(struct tls_listener *l, void (*on_closed)(void *arg), void *arg);

#endif
