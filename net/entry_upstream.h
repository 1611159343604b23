/* entry_upstream: one connection to an endpoint: being made, carrying one exchange, or at rest.
 *
 *   CONNECTING -> BUSY <-> RESTING -> closed
 *
 * Parses answers; what to do with their parts is its user's (entry_exchange).  Callbacks only
 * note things; the user acts after the parser has returned (on_event).
 * Owner: its user while CONNECTING or BUSY, the peer while RESTING.  Thread: loop.
 */
#ifndef NET_ENTRY_UPSTREAM_H
#define NET_ENTRY_UPSTREAM_H

#include "net/entry_head.h"
#include "net/entry_io.h"
#include "net/entry_peers.h"
#include "net/entry_timeouts.h"

#include <http_parser.h>

struct entry_worker;
struct entry_upstream;

enum entry_upstream_phase {
    ENTRY_UPSTREAM_CONNECTING,
    ENTRY_UPSTREAM_BUSY,
    ENTRY_UPSTREAM_RESTING
};

struct entry_upstream_user {
    /* The head of an answer is in up->head.  True: no body follows (HEAD, or a tunnel). */
    bool (*on_head)(struct entry_upstream_user *user);
    void (*on_body)(struct entry_upstream_user *user, const char *data, size_t len);
    /* Something happened: connected, parsed, written or failed.  Last; may close us. */
    void (*on_event)(struct entry_upstream_user *user);
};

struct entry_upstream {
    struct list link;            /* of the peer's resting ones */
    struct entry_worker *worker; /* borrowed */
    struct entry_peer *peer;     /* ref */
    struct entry_io io;
    struct entry_timeout timeout; /* of resting */
    enum entry_upstream_phase phase;
    struct entry_upstream_user *user; /* NULL while resting */
    http_parser parser;
    struct entry_head head;
    struct text rest;    /* came behind a 101: belongs to the tunnel */
    int64_t rested_ms;   /* since when it rests */
    int64_t may_rest_ms; /* as long as the other side said that it waits */
    bool is_connecting;  /* counted in the peer */
    bool is_reused;
    bool has_answered; /* a byte of this exchange's answer came */
    bool is_head_done; /* of the final answer; trailers are not its fields */
    bool is_answered;  /* the whole answer is in */
    bool is_switched;  /* 101: no longer HTTP */
    bool keeps_alive;  /* valid once is_answered */
    int failed;        /* errno-like; 0 = well */
};

enum entry_reuse {
    ENTRY_REUSE_ANY,   /* a resting connection will do: the request can be sent again */
    ENTRY_REUSE_FRESH, /* one that was used a moment ago and is surely open */
    ENTRY_REUSE_NONE,
};
/* A connection to @peer for @user: a resting one or a new one.  NULL: none could be made. */
struct entry_upstream *entry_upstream_get(struct entry_worker *w, struct entry_peer *peer,
                                          struct entry_upstream_user *user, enum entry_reuse reuse);
/* Writes what can be written; no callback but the parser's. */
void entry_upstream_flush(struct entry_upstream *up);
/* Is nobody there any more to take what we sent? */
bool entry_upstream_is_deserted(const struct entry_upstream *up);
/* Reads or not; writes when there is something. */
void entry_upstream_watch(struct entry_upstream *up, bool reads);
/* The exchange is over: rests, or is closed when it cannot be used again. */
void entry_upstream_release(struct entry_upstream *up);
void entry_upstream_close(struct entry_upstream *up);
/* For a tunnel: gives the socket away; move @rest and io.out before.  The peer's ref goes to
 * the caller; the rest is freed. */
int entry_upstream_take(struct entry_upstream *up, struct entry_peer **ret_peer);

#endif
