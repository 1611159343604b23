/* entry_client: one client connection and the exchange that it is in; the inside of
 * entry_worker, in three parts: entry_client.c reads requests and ends connections,
 * entry_exchange.c finds who answers and carries bodies both ways, entry_exchange_gate.c obeys
 * the annotations of the Ingress.
 *
 * Events only move bytes and note what happened; entry_client_settle then brings everything to
 * where it belongs.  It is the only place that ends things, so callbacks never see them die.
 * Thread: loop.
 */
#ifndef NET_ENTRY_CLIENT_H
#define NET_ENTRY_CLIENT_H

#include "net/entry_head.h"
#include "net/entry_io.h"
#include "net/entry_request.h"
#include "net/entry_upstream.h"
#include "net/entry_worker.h"

#include <http_parser.h>
#include <netinet/in.h>

struct entry_exchange { /* one request and its answer */
    struct entry_upstream_user user;
    struct entry_request request;
    struct entry_table *table; /* ref: of the route */
    const struct entry_route *route;
    const struct entry_backend *backend; /* the route's, or its canary's */
    struct entry_auth_ticket ticket;     /* waits for its credentials to be compared */
    struct text fields;                  /* header lines of ours for the client */
    uint64_t sticky_id;                  /* what its cookie said */
    struct entry_upstream *up;           /* owned; NULL: not yet, or not any more */
    struct entry_tried tried;
    unsigned n_tries;
    int64_t connect_due_ms;
    int64_t backend_due_ms; /* when its silence is too long */
    uint64_t n_body;        /* bytes of the request's body so far */
    unsigned error;         /* status of an answer of our own; 0 = none */
    int failure;            /* errno-like: of the last endpoint that failed */
    bool is_open;           /* there is an exchange */
    bool has_drawn;         /* it was decided ... */
    bool is_canary;         /* ... whether this one is for the canary */
    bool is_guarded;        /* its Authorization was for us */
    bool is_body_in;        /* the request is whole */
    bool has_replied;       /* the client has been sent a status */
    bool is_replied;        /* ... and everything else */
    bool is_cut;            /* ... as far as it came: the backend broke off */
    bool is_chunked;        /* the answer, towards the client */
    bool is_close_framed;   /* ... ends with the connection */
    bool closes;            /* the client's connection ends with this */
    bool has_continued;     /* 100 was sent */
    bool must_connect;      /* resting connections were no good */
};

struct entry_client {
    struct list link;            /* of the worker's clients */
    struct entry_worker *worker; /* borrowed */
    struct entry_io io;
    struct entry_timeout timeout;
    http_parser parser;
    struct entry_head head;
    struct text in; /* read and not parsed: later requests */
    struct entry_exchange x;
    struct sockaddr_storage address;
    char remote[INET6_ADDRSTRLEN]; /* the same as text */
    const char *scheme;            /* static */
    uint16_t port;
    bool in_head;     /* a request has begun and its head is not whole */
    bool eof;         /* it sends no more */
    unsigned refusal; /* status for a head that is too large; 0 */
};

void entry_client_new(struct entry_worker *w, const struct entry_arrival *arrival);
void entry_client_settle(struct entry_client *c);
void entry_client_close(struct entry_client *c);
/* Between requests? */
bool entry_client_is_idle(const struct entry_client *c);

/* --- entry_exchange.c --- */

/* The head is in: from here x.is_open. */
void entry_exchange_begin(struct entry_client *c);
/* There is no telling what the client wants: answer @status and end. */
void entry_exchange_refuse(struct entry_client *c, unsigned status);
void entry_exchange_body(struct entry_client *c, const char *data, size_t len);
void entry_exchange_body_end(struct entry_client *c);
/* Finds an endpoint and gives it the request: @unsent (moved) if an endpoint before was handed
 * it and took nothing, else (NULL) from the head. */
void entry_exchange_try(struct entry_client *c, struct text *unsent);

/* --- entry_exchange_gate.c --- */

/* False: 404. */
bool entry_exchange_find_route(struct entry_client *c);
/* A route is found: on to a backend, or an answer of our own, or first to compare passwords. */
void entry_exchange_enter(struct entry_client *c);
/* The head as the backend gets it. */
void entry_exchange_print(struct entry_client *c, struct text *out);
/* The next endpoint to try; NULL: none is left. */
struct entry_peer *entry_exchange_pick(struct entry_client *c, int64_t now);
/* Tells the client which endpoint it has, when it did not know. */
void entry_exchange_print_cookie(struct entry_client *c);
/* Nothing of the request's body can be taken yet. */
bool entry_exchange_is_waiting(const struct entry_client *c);
/* Acts on all that happened. */
void entry_exchange_step(struct entry_client *c);
/* Lets go of all it holds; there is no exchange then. */
void entry_exchange_end(struct entry_client *c);

#endif
