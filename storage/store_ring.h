/* store_ring: the last changes, in revision order, bounded by number and bytes.
 *
 * Private to the store.  A change that is dropped raises its bucket's `forgotten`: who follows
 * the bucket from before that has missed something.  Lazy changes have a bound of their
 * own (an eighth), so that heartbeats do not push real changes out.
 */
#ifndef STORAGE_STORE_RING_H
#define STORAGE_STORE_RING_H

#include "storage/store.h"
#include "storage/store_index.h"

struct store_ring_entry {
    uint64_t revision;
    struct store_bucket *bucket; /* NULL: dropped, only the revision stays until compaction */
    struct object *object;       /* shared ref; NULL while only @raw is there */
    struct object *before;       /* shared ref or NULL */
    char *raw;                   /* owned: a change from the disk nobody asked for yet */
    size_t raw_len, bytes;
    enum store_change_type type;
    bool lazy;
};

struct store_ring {
    struct store_ring_entry *entries;
    size_t n, cap;
    size_t first, first_lazy; /* nothing (lazy) is kept before these */
    size_t n_kept, n_lazy, bytes;
    size_t max_kept, max_lazy, max_bytes;
    uint64_t forgotten; /* the highest of all buckets */
};

void store_ring_init(struct store_ring *ring, size_t max_changes, size_t max_bytes);
void store_ring_fini(struct store_ring *ring);

/* Takes over what the entry owns.  Its revision is above all in the ring. */
void store_ring_push(struct store_ring *ring, struct store_ring_entry entry);
/* Drops all up to @revision; returns their bytes. */
size_t store_ring_drop_until(struct store_ring *ring, uint64_t revision);
/* Not every change of @b up to @revision can be told. */
void store_ring_forget(struct store_ring *ring, struct store_bucket *b, uint64_t revision);
/* The first change of @b (NULL: any) behind @revision, with its object there; NULL at the end,
 * also when it turns out to be damaged: then it is forgotten. */
const struct store_ring_entry *store_ring_next(struct store_ring *ring,
                                               const struct store_bucket *b, uint64_t revision);
/* Revision of the oldest change kept; UINT64_MAX when there is none. */
uint64_t store_ring_oldest(const struct store_ring *ring);

#endif
