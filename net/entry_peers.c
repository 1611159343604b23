#include "net/entry_peers.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/entry_upstream.h"

#include <assert.h>
#include <string.h>

/* How many candidates are compared by load: with fewer endpoints it is all of them. */
#define ENTRY_PEERS_LOOK        8
#define ENTRY_PEERS_SHUN_MS     1000
#define ENTRY_PEERS_SHUN_MAX_MS 10000

struct entry_peer *entry_peer_ref(struct entry_peer *p)
{
    p->refs++;
    return p;
}

struct entry_peer *entry_peer_unref(struct entry_peer *p)
{
    if (p == NULL || --p->refs > 0)
        return NULL;
    assert(list_empty(&p->resting) && p->n_busy == 0);
    free(p->name);
    free(p);
    return NULL;
}

static void entry_peer_drop_resting(struct entry_peer *p)
{
    while (!list_empty(&p->resting))
        entry_upstream_close(list_entry(p->resting.next, struct entry_upstream, link));
}

static void entry_peer_unlist(void *value)
{
    struct entry_peer *p = value;

    p->is_listed = false;
    entry_peer_drop_resting(p);
    entry_peer_unref(p);
}

void entry_peers_init(struct entry_peers *set)
{
    set->by_name = map_new(entry_peer_unlist);
    set->by_index = NULL;
    set->turns = NULL;
    set->table = NULL;
}

void entry_peers_fini(struct entry_peers *set)
{
    set->by_name = map_free(set->by_name);
    free(STEAL(set->by_index));
    free(STEAL(set->turns));
    set->table = entry_table_unref(set->table);
}

static struct entry_peer *entry_peers_get(struct entry_peers *set, const struct entry_endpoint *e)
{
    struct entry_peer *p = map_get(set->by_name, e->name);

    if (p == NULL) {
        p = MEM_NEW(struct entry_peer);
        p->name = mem_str(e->name);
        p->id = bits_fnv64a(p->name, strlen(p->name));
        p->address = e->address;
        p->refs = 1;
        list_init(&p->resting);
        map_put(set->by_name, p->name, p);
    }
    return p;
}

void entry_peers_swap(struct entry_peers *set, struct entry_table *table)
{
    unsigned n = entry_table_n_endpoints(table);
    struct entry_peer **by_index = MEM_NEW_ARRAY(struct entry_peer *, n + 1);
    size_t it = 0;
    const char *key;
    void *value;

    while (map_each(set->by_name, &it, &key, &value))
        ((struct entry_peer *)value)->is_listed = false;
    for (unsigned i = 0; i < n; i++) {
        by_index[i] = entry_peers_get(set, entry_table_endpoint(table, i));
        by_index[i]->is_listed = true;
    }
    it = 0;
    while (map_each(set->by_name, &it, &key, &value))
        if (!((struct entry_peer *)value)->is_listed)
            map_del(set->by_name, key);
    free(set->by_index);
    free(set->turns);
    set->by_index = by_index;
    set->turns = MEM_NEW_ARRAY(unsigned, entry_table_n_backends(table) + 1);
    entry_table_unref(set->table);
    set->table = entry_table_ref(table);
}

void entry_tried_add(struct entry_tried *t, const struct entry_peer *p)
{
    if (t->n < ENTRY_PEERS_MAX_TRIED)
        t->peers[t->n++] = p;
}

static bool entry_tried_has(const struct entry_tried *t, const struct entry_peer *p)
{
    for (unsigned i = 0; i < t->n; i++)
        if (t->peers[i] == p)
            return true;
    return false;
}

/* After a failure, one request at a time finds out whether it is well again. */
static bool entry_peer_is_shunned(const struct entry_peer *p, int64_t now_ms)
{
    return p->shunned_until_ms > now_ms || (p->n_failures > 0 && p->n_connecting > 0);
}

struct entry_peer *entry_peers_pick(struct entry_peers *set, const struct entry_backend *backend,
                                    const struct entry_tried *tried, int64_t now_ms)
{
    struct entry_peer *best = NULL, *shunned = NULL;
    unsigned n = backend->n_endpoints, looked = 0, first;

    if (n == 0 || tried->n == ENTRY_PEERS_MAX_TRIED)
        return NULL;
    first = set->turns[backend->index]++;
    for (unsigned i = 0; i < n && looked < ENTRY_PEERS_LOOK; i++) {
        struct entry_peer *p = set->by_index[backend->endpoints[(first + i) % n]];
        struct entry_peer **slot = entry_peer_is_shunned(p, now_ms) ? &shunned : &best;

        if (entry_tried_has(tried, p))
            continue;
        looked += slot == &best;
        if (*slot == NULL || p->n_busy < (*slot)->n_busy)
            *slot = p;
    }
    return best != NULL ? best : shunned;
}

/* Rendezvous hashing: the highest of the hashes of (key, endpoint). */
struct entry_peer *entry_peers_pick_for(struct entry_peers *set,
                                        const struct entry_backend *backend,
                                        const struct entry_tried *tried, int64_t now_ms,
                                        uint64_t key)
{
    struct entry_peer *best = NULL, *shunned = NULL;
    uint64_t best_score = 0, shunned_score = 0;

    for (unsigned i = 0; i < backend->n_endpoints; i++) {
        struct entry_peer *p = set->by_index[backend->endpoints[i]];
        bool is_shunned = entry_peer_is_shunned(p, now_ms);
        struct entry_peer **slot = is_shunned ? &shunned : &best;
        uint64_t *score = is_shunned ? &shunned_score : &best_score;
        uint64_t hash = (bits_fnv64a(p->name, strlen(p->name)) ^ key) * 0x9e3779b97f4a7c15u;

        hash ^= hash >> 32;
        if (!entry_tried_has(tried, p) && (*slot == NULL || hash > *score)) {
            *slot = p;
            *score = hash;
        }
    }
    return best != NULL ? best : shunned;
}

struct entry_peer *entry_peers_pick_id(struct entry_peers *set, const struct entry_backend *backend,
                                       const struct entry_tried *tried, int64_t now_ms, uint64_t id)
{
    for (unsigned i = 0; i < backend->n_endpoints; i++) {
        struct entry_peer *p = set->by_index[backend->endpoints[i]];

        if (p->id == id && !entry_tried_has(tried, p) && !entry_peer_is_shunned(p, now_ms))
            return p;
    }
    return NULL;
}

void entry_peer_well(struct entry_peer *p)
{
    p->n_failures = 0;
    p->shunned_until_ms = 0;
}

void entry_peer_failed(struct entry_peer *p, int64_t now_ms)
{
    int64_t shun_ms = (int64_t)ENTRY_PEERS_SHUN_MS << (p->n_failures < 4 ? p->n_failures : 4);

    p->n_failures++;
    p->shunned_until_ms = now_ms +
                          (shun_ms < ENTRY_PEERS_SHUN_MAX_MS ? shun_ms : ENTRY_PEERS_SHUN_MAX_MS);
}
