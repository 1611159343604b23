/* tls_dial: connects to a TLS server by TCP and hands the plain bytes on through a socketpair; the
 * other side of tls_stream, for what is no request and answer (streams to the nodes).
 *
 * The server must show a certificate of the given CA for the host it was called by, but for dialers
 * that say otherwise.  TCP keep-alive finds dead servers within two minutes.  Thread: loop.
 */
#ifndef BASE_TLS_DIAL_H
#define BASE_TLS_DIAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define TLS_DIAL_MS 10000 /* for connecting and the handshake, each */

struct tls_dialer; /* whom we believe, and who we are; one for many connections */

/* @cert_pem and @key_pem may be NULL: we are nobody (a token in the request says who). */
int tls_dialer_new(struct tls_dialer **ret, uv_loop_t *loop, const char *ca_pem,
                   const char *cert_pem, const char *key_pem, struct err *err);
/* Of those who prove nothing: with @tls whoever answers is believed, without it TCP is all there is. */
int tls_dialer_new_blind(struct tls_dialer **ret, uv_loop_t *loop, bool tls, struct err *err);
/* Shows another certificate on connections that begin from now on; those that began go on.  On failure it
 * keeps the one it has. */
int tls_dialer_renew(struct tls_dialer *d, const char *cert_pem, const char *key_pem,
                     struct err *err);
/* Ends connections and attempts at once, without callbacks; NULL is fine; returns NULL. */
struct tls_dialer *tls_dialer_close(struct tls_dialer *d);

struct tls_dial;
/* Exactly once: our end of the connection (the callee's from now on), or -1 and why. */
typedef void (*tls_dial_fn)(void *arg, int fd, const struct err *err);
/* @ip is an address; @host is whom the certificate must name, NULL: that address.  @done never fires
 * from within. */
struct tls_dial *tls_dial(struct tls_dialer *d, const char *ip, const char *host, uint16_t port,
                          tls_dial_fn done, void *arg);
/* Before @done only: forgets the attempt. */
void tls_dial_cancel(struct tls_dial *t);

#endif
