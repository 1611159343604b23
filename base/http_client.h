/* http_client: HTTP requests on the loop (libcurl multi, GnuTLS flavour).
 *
 * Used by agent to server, registries, probes, etcd.  Connections are reused per client
 * object.  No proxy variables, no redirects unless asked, no cookies, no disk.  Thread: loop.
 */
#ifndef BASE_HTTP_CLIENT_H
#define BASE_HTTP_CLIENT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_client;

struct http_client_opts {
    const char *ca_pem;             /* trust only this; NULL = system store */
    const char *cert_pem, *key_pem; /* client certificate; NULL = none */
    bool insecure;          /* probes with scheme HTTPS: Kubernetes does not verify either */
    const char *user_agent; /* NULL = "mkube" */
    int max_per_host;       /* 0 = 32 connections */
};

/* All of @opts is copied. */
int http_client_new(struct http_client **ret, uv_loop_t *loop, const struct http_client_opts *opts,
                    struct err *err);
/* Replaces certificate and key for connections made from now on; running calls go on. */
void http_client_renew(struct http_client *c, const struct http_client_opts *opts);
/* Cancels running calls (callbacks fire with ERR_CANCELED before it returns); returns NULL.
 * Allowed from within a callback. */
struct http_client *http_client_close(struct http_client *c);

struct http_head {            /* borrowed during the callback; never NULL */
    int status;               /* 0: no answer came */
    int sys_error;            /* errno of a connection that could not be made; 0 = another end */
    const char *content_type; /* "" if none */
    const struct http_header_pair {
        const char *name, *value;
    } * headers;
    size_t n_headers;
};
const char *http_head_get(const struct http_head *h,
                          const char *name); /* case-insensitive; NULL if absent */

struct http_call_spec { /* copied */
    const char *method; /* "GET" */
    const char *url;
    const char *unix_socket;    /* NULL, or path to connect to in place of the URL's host */
    const char *connect_to;     /* NULL, or "host:port" to connect to in place of the URL's; who the
                                 * other end is, and what is verified, is still the URL's host */
    const char *const *headers; /* "Name: value", NULL-terminated, or NULL; an Accept-Encoding
                                 * here is undone before the body is handed over */
    const void *body;
    size_t body_len;
    int64_t timeout_ms;     /* whole call; 0 = 30,000; -1 = none (watches) */
    int64_t connect_ms;     /* 0 = 5,000 */
    int64_t silence_ms;     /* fail with ERR_TIMEOUT after so long without a byte; 0 = never */
    size_t max_body;        /* kept for on_done; 0 = 64 MiB; more is ERR_LIMIT */
    unsigned max_redirects; /* 0 = hand 3xx to the caller */
    bool fresh;             /* do not reuse a connection (probes) */
    bool http2; /* spoken from the first byte; trailers are among the headers of on_done */
};

struct http_call;
struct http_call_listener {
    /* Optional.  When set, body bytes of 2xx answers go here and not to on_done. Returning
     * non-zero ends the call with ERR_CANCELED. */
    int (*on_data)(void *arg, const struct http_head *head, const void *data, size_t len);
    /* Exactly once, last.  rc 0: an answer of any status arrived whole. */
    void (*on_done)(void *arg, int rc, const struct http_head *head, const void *body, size_t len,
                    const struct err *err);
    void *arg;
};

struct http_call *http_call(struct http_client *c, const struct http_call_spec *spec,
                            const struct http_call_listener *listener);
/* No more on_data until it is resumed (what has come already is still handed over), so that a slow
 * reader slows its source down. */
void http_call_pause(struct http_call *call);
void http_call_resume(struct http_call *call);
/* Forgets the call: no further callback.  The pointer is dead after. */
void http_call_cancel(struct http_call *call);

#endif
