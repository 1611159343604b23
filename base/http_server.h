/* http_server: HTTP/1.1 requests in, answers, streams and upgrades out (libmicrohttpd on
 * the loop behind tls_stream; see the facts on libmicrohttpd).
 *
 * A request is handed over complete (body within the limit).  The handler answers now or
 * later, exactly once; the exchange stays valid until it was answered or, for streams, until
 * on_gone, also when the client or the server goes away meanwhile (headers read as absent then).  Slow or half-open clients cost a timeout (30 s of header/body silence), nobody
 * else waits.  Thread: loop.
 */
#ifndef BASE_HTTP_SERVER_H
#define BASE_HTTP_SERVER_H

#include "base/err.h"
#include "base/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_server;
struct http_exchange;

struct http_server_opts {
    const char *address;
    uint16_t port;            /* 0 = any */
    struct tls_server *creds; /* NULL = plain */
    size_t max_body; /* 0 = 3 MiB; more is answered 413 with refusal_body and the connection ends */
    unsigned max_connections; /* 0 = 4,096; with TLS one address gets three quarters of them */
    int64_t idle_ms;          /* keep-alive; 0 = 120,000; a request's head may take 30 s
                                     * in all, its body be silent for 30 s (or idle_ms if less) */
    void (*on_request)(void *arg, struct http_exchange *x);
    /* Makes the JSON body (malloc'ed) for refusals that happen before on_request: 413.  May be
     * NULL.  What libmicrohttpd itself finds broken (400, 431) gets its own short page. */
    char *(*refusal_body)(void *arg, int http_status);
    void *arg;
};

int http_server_new(struct http_server **ret, uv_loop_t *loop, const struct http_server_opts *opts,
                    struct err *err);
uint16_t http_server_port(const struct http_server *s);
void http_server_renew(struct http_server *s, struct tls_server *creds);
/* Stops accepting, ends streams (on_gone fires), closes connections, then on_closed (may be
 * NULL).  Allowed from within callbacks; everything happens after it returned. */
void http_server_close(struct http_server *s, void (*on_closed)(void *arg), void *arg);

/* --- the request: all borrowed, valid while the exchange is --- */
const char *http_method(const struct http_exchange *x); /* "GET" */
const char *http_path(const struct http_exchange *x);   /* still percent-encoded, without query */
const char *http_raw_query(const struct http_exchange *x); /* as it came, without '?'; "" = none */
const char *http_query(const struct http_exchange *x,
                       const char *key); /* decoded; NULL if absent; "" if empty */
/* Every pair, also repeated keys (exec's command=a&command=b); returns false at the end. */
bool http_query_each(const struct http_exchange *x, size_t *it, const char **ret_key,
                     const char **ret_value);
const char *http_header(const struct http_exchange *x, const char *name); /* case-insensitive */
/* All values of a header that may be repeated, ", " between them; a new string, "" = absent. */
char *http_header_all(const struct http_exchange *x, const char *name);
/* What follows @prefix in the names of headers that begin with it, the same way. */
char *http_header_names(const struct http_exchange *x, const char *prefix);
/* @fn hears of each header as it came, repeated ones one by one. */
typedef void http_header_fn(void *arg, const char *name, const char *value);
void http_header_each(const struct http_exchange *x, http_header_fn *fn, void *arg);
const void *http_body(const struct http_exchange *x, size_t *ret_len);
const struct tls_peer *http_peer(const struct http_exchange *x); /* never NULL */
const char *http_remote(const struct http_exchange *x);          /* "10.0.0.7" */

/* --- the answer --- */
/* Adds a response header; before reply, stream or upgrade. Repeated names are kept (Warning).
 * Headers with control characters, and those past 8 KiB in all, are left out. */
void http_set_header(struct http_exchange *x, const char *name, const char *value);
/* Body is copied.  gzip is applied when the client accepts it and len > 128 KiB. */
void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body,
                size_t len);
/* Body is malloc'ed memory that the server frees. */
void http_reply_take(struct http_exchange *x, int status, const char *content_type, char *body,
                     size_t len);

/* A stream (chunked).  http_write queues a copy and flushes at once; http_backlog tells how many
 * bytes wait: stop producing above 1 MiB and go on in on_drain, which fires when the backlog
 * falls to zero after having been above 64 KiB.  on_gone fires exactly once, when the client
 * left or after http_end has been flushed; the exchange is dead afterwards. */
struct http_stream_listener {
    void (*on_drain)(void *arg); /* may be NULL */
    void (*on_gone)(void *arg);
    void *arg;
};
/* Before http_stream: what is written goes out in gzip when the client takes it.  For long answers:
 * what was written may come out only with what follows, so not for events. */
void http_stream_zip(struct http_exchange *x);
void http_stream(struct http_exchange *x, int status, const char *content_type,
                 const struct http_stream_listener *listener);
void http_write(struct http_exchange *x, const void *data, size_t len);
size_t http_backlog(const struct http_exchange *x);
void http_end(struct http_exchange *x);
/* Breaks the connection without a final chunk, so that the client sees an error. */
void http_abort(struct http_exchange *x);

/* 101 Switching Protocols with the headers set so far (Upgrade, Connection are added by us from
 * @protocol).  @on_upgraded is called exactly once, later: it gets a non-blocking plain-byte
 * descriptor it owns, and bytes the client already sent (borrowed); @fd is -1 when the client
 * left before. */
void http_upgrade(struct http_exchange *x, const char *protocol,
                  void (*on_upgraded)(void *arg, int fd, const void *early, size_t early_len),
                  void *arg);

#endif
