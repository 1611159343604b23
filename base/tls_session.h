/* tls_session: the parts of tls that need GnuTLS sessions, for tls_stream and http_client.
 *
 * Sessions are the caller's (gnutls_deinit); a tls_server must outlive its sessions.
 */
#ifndef BASE_TLS_SESSION_H
#define BASE_TLS_SESSION_H

#include "base/err.h"
#include "base/tls.h"

#include <gnutls/gnutls.h>

/* A server session, ready for gnutls_transport_set_int and the handshake. */
int tls_server_session(gnutls_session_t *ret, struct tls_server *s, struct err *err);
/* Who is there, after the handshake.  Verifies: chain to the client CA, purpose, end date. */
void tls_server_peer(struct tls_peer *ret, struct tls_server *s, gnutls_session_t session);

/* Whom a client believes.  Parsed once; a CA of ours is trusted without looking at "not before"
 * (a node whose clock lost its battery still gets in); the system store strictly. */
struct tls_trust;
int tls_trust_new(struct tls_trust **ret, const char *ca_pem, struct err *err);
struct tls_trust *tls_trust_free(struct tls_trust *t);
/* The other end of a client session must be @host (name or address) by a server certificate. */
int tls_trust_check(struct tls_trust *t, gnutls_session_t session, const char *host,
                    struct err *err);

#endif
