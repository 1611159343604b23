#include "storage/store_index.h"

#include "base/bits.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

struct store_chain {
    struct store_link *first;
};

/* --- buckets --- */

static void store_bucket_free(void *value)
{
    struct store_bucket *b = value;

    for (struct store_record *r = b->first[0], *next; r; r = next) {
        next = r->next[0];
        assert(r->n_pending == 0 && r->n_dirty == 0);
        object_unref(r->visible);
        free(r->links);
        free(r);
    }
    assert(list_empty(&b->cursors)); /* a cursor outlives its store */
    map_free(b->nodes);
    free(b->name);
    free(b);
}

void store_index_init(struct store_index *idx)
{
    *idx = (struct store_index){ .buckets = map_new(store_bucket_free), .owners = map_new(free) };
    bits_random(&idx->random, sizeof(idx->random));
    idx->random |= 1; /* xorshift never leaves zero */
}

void store_index_fini(struct store_index *idx)
{
    idx->buckets = map_free(idx->buckets);
    idx->owners = map_free(idx->owners);
}

struct store_bucket *store_index_bucket(const struct store_index *idx, const char *name, bool make)
{
    struct store_bucket *b = map_get(idx->buckets, name);

    if (b || !make)
        return b;
    b = MEM_NEW(struct store_bucket);
    b->name = mem_str(name);
    list_init(&b->cursors);
    list_init(&b->touched);
    map_put(idx->buckets, name, b);
    return b;
}

/* --- records in order --- */

static int store_record_compare(const struct store_record *r, const char *ns, const char *name)
{
    int order = strcmp(r->ns, ns);

    return order ? order : strcmp(r->name, name);
}

/* Fills @path with what points, on each level, over the key; returns what stands there. */
static struct store_record *store_bucket_search(const struct store_bucket *b, const char *ns,
                                                const char *name, bool after,
                                                struct store_record *const *path[])
{
    struct store_record *const *next = b->first;

    for (int level = STORE_INDEX_LEVELS - 1; level >= 0; level--) {
        while (next[level]) {
            int order = store_record_compare(next[level], ns, name);

            if (order > 0 || (order == 0 && !after))
                break;
            next = next[level]->next;
        }
        if (path)
            path[level] = &next[level];
    }
    return next[0];
}

struct store_record *store_bucket_seek(const struct store_bucket *b, const char *ns,
                                       const char *name, bool after)
{
    return store_bucket_search(b, ns, name, after, NULL);
}

struct store_record *store_bucket_find(const struct store_bucket *b, const char *ns,
                                       const char *name)
{
    struct store_record *r = store_bucket_search(b, ns, name, false, NULL);

    return r && store_record_compare(r, ns, name) == 0 ? r : NULL;
}

/* The path was found through a const bucket; here it is known to be ours to change. */
static void store_record_point(struct store_record *const *from, struct store_record *to)
{
    *(struct store_record **)(uintptr_t)from = to;
}

static unsigned store_index_height(struct store_index *idx)
{
    unsigned height = 1;
    uint64_t x = idx->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    idx->random = x;
    for (; height < STORE_INDEX_LEVELS && (x & 3) == 0; x >>= 2)
        height++;
    return height;
}

struct store_record *store_index_record(struct store_index *idx, struct store_bucket *b,
                                        const char *ns, const char *name)
{
    struct store_record *const *path[STORE_INDEX_LEVELS];
    struct store_record *r = store_bucket_search(b, ns, name, false, path);
    size_t ns_size = strlen(ns) + 1, name_size = strlen(name) + 1;
    unsigned height;
    char *key;

    if (r && store_record_compare(r, ns, name) == 0)
        return r;
    height = store_index_height(idx);
    r = mem_array(1, sizeof(*r) + height * sizeof(struct store_record *) + ns_size + name_size);
    key = (char *)&r->next[height];
    r->ns = memcpy(key, ns, ns_size);
    r->name = memcpy(key + ns_size, name, name_size);
    r->bucket = b;
    r->height = height;
    for (unsigned level = 0; level < height; level++) {
        r->next[level] = *path[level];
        store_record_point(path[level], r);
    }
    return r;
}

void store_record_prune(struct store_record *r)
{
    struct store_record *const *path[STORE_INDEX_LEVELS];

    if (r->visible || r->n_pending > 0 || r->n_dirty > 0)
        return;
    assert(!r->links && !r->dirty);
    store_bucket_search(r->bucket, r->ns, r->name, false, path);
    for (unsigned level = 0; level < r->height; level++) {
        assert(*path[level] == r);
        store_record_point(path[level], r->next[level]);
    }
    free(r);
}

/* --- chains by owner and node --- */

static void store_chain_add(struct map *chains, const char *key, struct store_record *r,
                            struct store_link *link)
{
    struct store_chain *chain = map_get(chains, key);

    if (!chain) {
        chain = MEM_NEW(struct store_chain);
        map_put(chains, key, chain);
    }
    /* An owner named twice is one: its earlier link of this record is the chain's head. */
    if (chain->first && chain->first->record == r)
        return;
    *link = (struct store_link){ .next = chain->first, .at = &chain->first, .record = r };
    if (link->next)
        link->next->at = &link->next;
    chain->first = link;
}

static void store_chain_remove(struct map *chains, const char *key, struct store_link *link)
{
    const struct store_chain *chain;

    if (!link->at)
        return;
    *link->at = link->next;
    if (link->next)
        link->next->at = link->at;
    chain = map_get(chains, key);
    assert(chain);
    if (!chain->first)
        map_del(chains, key);
}

static void store_index_chain(struct store_index *idx, struct store_record *r)
{
    const struct object *o = r->visible;
    struct store_bucket *b = r->bucket;

    if (o->n_owners == 0 && !*o->node)
        return;
    r->links = MEM_NEW_ARRAY(struct store_link, o->n_owners + 1);
    for (size_t i = 0; i < o->n_owners; i++)
        store_chain_add(idx->owners, o->owners[i].uid, r, &r->links[i]);
    if (!*o->node)
        return;
    if (!b->nodes)
        b->nodes = map_new(free);
    store_chain_add(b->nodes, o->node, r, &r->links[o->n_owners]);
}

static void store_index_unchain(struct store_index *idx, struct store_record *r)
{
    const struct object *o = r->visible;

    if (!r->links)
        return;
    for (size_t i = 0; i < o->n_owners; i++)
        store_chain_remove(idx->owners, o->owners[i].uid, &r->links[i]);
    if (*o->node)
        store_chain_remove(r->bucket->nodes, o->node, &r->links[o->n_owners]);
    free(r->links);
    r->links = NULL;
}

void store_index_show(struct store_index *idx, struct store_record *r, const struct object *o)
{
    if (r->visible) {
        store_index_unchain(idx, r);
        r->bucket->n_visible--;
        idx->n_visible--;
        idx->visible_bytes -= object_footprint(r->visible);
        r->visible = object_unref(r->visible);
    }
    if (o) {
        r->visible = object_ref(o);
        r->bucket->n_visible++;
        idx->n_visible++;
        idx->visible_bytes += object_footprint(o);
        store_index_chain(idx, r);
    }
}

const struct store_link *store_index_owned(const struct store_index *idx, const char *uid)
{
    const struct store_chain *chain = map_get(idx->owners, uid);

    return chain ? chain->first : NULL;
}

const struct store_link *store_bucket_on_node(const struct store_bucket *b, const char *node)
{
    const struct store_chain *chain = b->nodes ? map_get(b->nodes, node) : NULL;

    return chain ? chain->first : NULL;
}
