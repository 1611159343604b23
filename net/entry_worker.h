/* entry_worker: one loop's share of the entry: its clients, its connections to endpoints, its
 * counters.
 *
 * Workers share nothing but the routing table, so that there can be several.
 * Owner: entry.  Thread: its loop.
 */
#ifndef NET_ENTRY_WORKER_H
#define NET_ENTRY_WORKER_H

#include "base/linger.h"
#include "base/list.h"
#include "net/entry_auth.h"
#include "net/entry_peers.h"
#include "net/entry_table.h"
#include "net/entry_timeouts.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct entry_limits {     /* 0 = the default */
    int64_t header_ms;    /* a request's head, from its first byte: 30 s */
    int64_t idle_ms;      /* a client's connection between requests: 75 s */
    int64_t body_ms;      /* silence of a client that owes a body or does not read: 60 s */
    int64_t connect_ms;   /* to an endpoint, then the next: 5 s */
    int64_t read_ms;      /* silence of a backend: 60 s */
    int64_t rest_ms;      /* a connection to an endpoint between requests: 30 s */
    int64_t tunnel_ms;    /* silence of an upgraded connection: 60 s, as nginx */
    int64_t close_ms;     /* requests under way when the entry closes: 30 s */
    unsigned max_clients; /* 4,096 */
};

struct entry_counters {
    uint64_t n_accepted, n_requests, n_connects, n_reused, n_retries, n_failed;
};

struct entry_worker {
    uv_loop_t *loop; /* borrowed */
    struct entry_limits limits;
    struct entry_peers peers;
    struct entry_timeouts timeouts;
    struct lingers lingers;
    struct entry_auth *auth; /* owned */
    struct list clients;     /* struct entry_client */
    struct list splices;     /* struct entry_splice */
    unsigned n_clients, n_upstreams, n_splices;
    struct entry_counters counters;
    uint64_t random[2]; /* of request ids: no secrets */
    struct timer *close_timer;
    bool closing;
    void (*on_closed)(void *arg);
    void (*on_room)(void *arg); /* a client went while there were too many */
    void *arg;
    char scratch[64 * 1024]; /* what is being read */
};

struct entry_worker *entry_worker_new(uv_loop_t *loop, const struct entry_limits *limits);
/* Requests that come from now on follow @table (referenced). */
void entry_worker_swap(struct entry_worker *w, struct entry_table *table);

struct entry_arrival { /* a client */
    int fd;            /* taken over */
    const struct sockaddr *remote;
    const char *scheme; /* static: "http", "https" */
    uint16_t port;      /* that it connected to */
};
void entry_worker_accept(struct entry_worker *w, const struct entry_arrival *arrival);
bool entry_worker_is_full(const struct entry_worker *w);

/* Requests under way may end, for limits.close_ms at most; then @on_closed, w is gone. */
void entry_worker_close(struct entry_worker *w, void (*on_closed)(void *arg), void *arg);

/* --- for the worker's own objects --- */

/* A client, upstream or splice is gone. */
void entry_worker_left(struct entry_worker *w);
#define ENTRY_WORKER_ID_MAX 33
uint64_t entry_worker_random(struct entry_worker *w);                        /* no secret */
void entry_worker_id(struct entry_worker *w, char ret[ENTRY_WORKER_ID_MAX]); /* 32 hex digits */

#endif
