/* entry_peers: what one worker knows of the endpoints: connections at rest, load, failures.
 *
 * The table says which endpoints exist; this says how they do.  A peer that left the table is
 * not chosen any more and loses its resting connections; those at work keep it until they end.
 * Owner: one entry_worker.  Thread: its loop.
 */
#ifndef NET_ENTRY_PEERS_H
#define NET_ENTRY_PEERS_H

#include "base/list.h"
#include "base/map.h"
#include "net/entry_table.h"

#include <stdbool.h>
#include <stdint.h>

struct entry_peer {
    char *name;  /* owned */
    uint64_t id; /* a hash of it; for cookies */
    struct entry_address address;
    unsigned refs;       /* the set's own and one per connection */
    bool is_listed;      /* in the present table */
    struct list resting; /* struct entry_upstream, the latest last */
    unsigned n_resting;
    unsigned n_busy;          /* requests and tunnels under way */
    unsigned n_connecting;    /* of those: not connected yet */
    int64_t shunned_until_ms; /* after a failure to connect */
    unsigned n_failures;      /* in a row */
};

struct entry_peers {
    struct map *by_name;          /* to entry_peer, one ref each */
    struct entry_peer **by_index; /* as the table's endpoints; borrowed */
    unsigned *turns;              /* per backend: who is next */
    struct entry_table *table;    /* ref; NULL before the first */
};

void entry_peers_init(struct entry_peers *set);
void entry_peers_fini(struct entry_peers *set); /* closes resting connections */
/* Another table from now on. */
void entry_peers_swap(struct entry_peers *set, struct entry_table *table);

#define ENTRY_PEERS_MAX_TRIED 8
struct entry_tried { /* peers that one request has failed with; compared, never followed */
    const struct entry_peer *peers[ENTRY_PEERS_MAX_TRIED];
    unsigned n;
};
void entry_tried_add(struct entry_tried *t, const struct entry_peer *p);

/* The least loaded of the backend's next few, shunned ones only when there is no other.
 * NULL: none is left.  The backend must be of the present table. */
struct entry_peer *entry_peers_pick(struct entry_peers *set, const struct entry_backend *backend,
                                    const struct entry_tried *tried, int64_t now_ms);
/* The same endpoint for the same @key as long as it exists and works. */
struct entry_peer *entry_peers_pick_for(struct entry_peers *set,
                                        const struct entry_backend *backend,
                                        const struct entry_tried *tried, int64_t now_ms,
                                        uint64_t key);
/* The endpoint of this id, if it is one of the backend's, and well; else NULL. */
struct entry_peer *entry_peers_pick_id(struct entry_peers *set, const struct entry_backend *backend,
                                       const struct entry_tried *tried, int64_t now_ms,
                                       uint64_t id);
struct entry_peer *entry_peer_ref(struct entry_peer *p);
struct entry_peer *entry_peer_unref(struct entry_peer *p);
/* A connect worked, or did not (or nobody is there any more): then others are preferred for a
 * while, after which one request tries it; its resting connections are given up. */
void entry_peer_well(struct entry_peer *p);
void entry_peer_failed(struct entry_peer *p, int64_t now_ms);

#endif
