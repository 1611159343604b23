/* http_tunnel: asks an HTTP server (the dialer says whether by TLS) to leave HTTP (RFC 9110, Upgrade), and gives its bytes or its
 * refusal.  One request, one connection.
 *
 * Limits: TUNNEL_BODY_MAX of a refusal, TUNNEL_ANSWER_MS for the answer.  Thread: loop.
 */
#ifndef BASE_HTTP_TUNNEL_H
#define BASE_HTTP_TUNNEL_H

#include "base/http_client.h"
#include "base/tls_dial.h"

#define TUNNEL_BODY_MAX  65536
#define TUNNEL_ANSWER_MS 45000

struct http_tunnel;

struct http_tunnel_spec { /* copied */
    const char *ip;
    const char *host; /* whom the certificate must name; NULL: the address */
    uint16_t port;
    const char *authority; /* what is said as Host; NULL: the host and port */
    const char *method, *target;
    const struct http_header_pair *headers; /* besides Host and Connection: upgrade */
    size_t n_headers;
};

struct http_tunnel_listener { /* exactly one of them, once; the tunnel is gone then */
    /* 101: @fd is the callee's; @early came right behind the answer. */
    void (*on_open)(void *arg, const struct http_head *head, int fd, const void *early, size_t len);
    void (*on_refused)(void *arg, const struct http_head *head, const char *body, size_t len);
    void (*on_failed)(void *arg, const struct err *err);
    void *arg;
};

struct http_tunnel *http_tunnel(uv_loop_t *loop, struct tls_dialer *dialer,
                                const struct http_tunnel_spec *spec,
                                const struct http_tunnel_listener *listener);
void http_tunnel_cancel(struct http_tunnel *t); /* no callback; the pointer is dead after */

#endif
