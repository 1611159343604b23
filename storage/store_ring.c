#include "storage/store_ring.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define STORE_RING_FIRST 64

void store_ring_init(struct store_ring *ring, size_t max_changes, size_t max_bytes)
{
    *ring = (struct store_ring){ .max_kept = max_changes, .max_bytes = max_bytes };
    ring->max_lazy = max_changes / 8 > 0 ? max_changes / 8 : 1;
}

static void store_ring_empty(struct store_ring_entry *e)
{
    e->object = object_unref(e->object);
    e->before = object_unref(e->before);
    free(e->raw);
    e->raw = NULL;
    e->bucket = NULL;
}

void store_ring_fini(struct store_ring *ring)
{
    for (size_t i = ring->first; i < ring->n; i++)
        store_ring_empty(&ring->entries[i]);
    free(ring->entries);
    *ring = (struct store_ring){ .entries = NULL };
}

void store_ring_forget(struct store_ring *ring, struct store_bucket *b, uint64_t revision)
{
    if (b->forgotten < revision)
        b->forgotten = revision;
    if (ring->forgotten < revision)
        ring->forgotten = revision;
}

static void store_ring_drop(struct store_ring *ring, struct store_ring_entry *e)
{
    store_ring_forget(ring, e->bucket, e->revision);
    ring->n_kept--;
    ring->n_lazy -= e->lazy;
    ring->bytes -= e->bytes;
    store_ring_empty(e);
}

static void store_ring_drop_oldest(struct store_ring *ring)
{
    store_ring_drop(ring, &ring->entries[ring->first]);
    while (ring->first < ring->n && !ring->entries[ring->first].bucket)
        ring->first++;
}

static void store_ring_drop_lazy(struct store_ring *ring)
{
    struct store_ring_entry *e;

    do {
        assert(ring->first_lazy < ring->n);
        e = &ring->entries[ring->first_lazy++];
    } while (!e->bucket || !e->lazy);
    if (e == &ring->entries[ring->first])
        store_ring_drop_oldest(ring);
    else
        store_ring_drop(ring, e);
}

size_t store_ring_drop_until(struct store_ring *ring, uint64_t revision)
{
    size_t before = ring->bytes;

    while (ring->n_kept > 0 && ring->entries[ring->first].revision <= revision)
        store_ring_drop_oldest(ring);
    return before - ring->bytes;
}

/* Squeezes out what was dropped when that wins half of the room, else doubles it. */
static void store_ring_make_room(struct store_ring *ring)
{
    size_t to = 0;

    if (ring->n < ring->cap)
        return;
    if (ring->n_kept > ring->cap / 2 || ring->cap == 0) {
        ring->cap = ring->cap ? ring->cap * 2 : STORE_RING_FIRST;
        ring->entries = mem_grow(ring->entries, ring->cap, sizeof(*ring->entries));
        return;
    }
    for (size_t i = ring->first; i < ring->n; i++) {
        if (ring->entries[i].bucket)
            ring->entries[to++] = ring->entries[i];
    }
    assert(to == ring->n_kept);
    ring->n = to;
    ring->first = ring->first_lazy = 0;
}

void store_ring_push(struct store_ring *ring, struct store_ring_entry entry)
{
    assert(ring->n == 0 || ring->entries[ring->n - 1].revision < entry.revision);
    store_ring_make_room(ring);
    entry.bytes = sizeof(entry) + (entry.object ? object_footprint(entry.object) : entry.raw_len);
    ring->entries[ring->n++] = entry;
    ring->n_kept++;
    ring->n_lazy += entry.lazy;
    ring->bytes += entry.bytes;
    while (ring->n_lazy > ring->max_lazy)
        store_ring_drop_lazy(ring);
    while (ring->n_kept > ring->max_kept || (ring->bytes > ring->max_bytes && ring->n_kept > 1))
        store_ring_drop_oldest(ring);
}

/* Position of the first entry behind @revision; dropped ones still hold theirs. */
static size_t store_ring_find(const struct store_ring *ring, uint64_t revision)
{
    size_t low = ring->first, high = ring->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (ring->entries[mid].revision <= revision)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool store_ring_parse(struct store_ring_entry *e)
{
    struct err err = ERR_EMPTY;

    if (e->object)
        return true;
    if (object_load(&e->object, e->bucket->name, e->revision, e->raw, e->raw_len, &err) < 0)
        return false;
    free(e->raw);
    e->raw = NULL;
    return true;
}

const struct store_ring_entry *store_ring_next(struct store_ring *ring,
                                               const struct store_bucket *b, uint64_t revision)
{
    for (size_t i = store_ring_find(ring, revision); i < ring->n; i++) {
        struct store_ring_entry *e = &ring->entries[i];

        if (!e->bucket || (b && e->bucket != b))
            continue;
        if (store_ring_parse(e))
            return e;
        store_ring_forget(ring, e->bucket, e->revision);
        return NULL;
    }
    return NULL;
}

uint64_t store_ring_oldest(const struct store_ring *ring)
{
    return ring->n_kept > 0 ? ring->entries[ring->first].revision : UINT64_MAX;
}
