/* store_index: what is where: records in order of (ns, name) per bucket, visible objects by
 * owner and by node.
 *
 * Private to the store.  A record stands for one key from its first pending create until nothing
 * knows of it any more; only its visible object is counted and found through owner and node.
 */
#ifndef STORAGE_STORE_INDEX_H
#define STORAGE_STORE_INDEX_H

#include "base/list.h"
#include "base/map.h"
#include "storage/object.h"

/* Skip list, a quarter of the records on each next level: 12 carry 4^12 records. */
#define STORE_INDEX_LEVELS 12

struct store_record;

/* One entry of a visible object in the chain of those with the same owner or node. */
struct store_link {
    struct store_link *next, **at; /* @at: what points to this; NULL when not chained */
    struct store_record *record;
};

struct store_record {
    struct store_bucket *bucket;
    const char *ns, *name;
    struct object *visible;    /* shared ref; NULL: not there yet, or any more */
    struct object *latest;     /* borrowed: what the newest pending write leaves, else visible */
    struct store_dirty *dirty; /* the store's: visible lazy state that waits for the disk */
    unsigned n_pending;        /* writes submitted and not yet visible */
    unsigned n_dirty;          /* lazy states on their way to the disk, dirty included */
    unsigned height;
    struct store_link *links;    /* one per owner, then one for the node; NULL when neither */
    struct store_record *next[]; /* height of them, then the key's strings */
};

struct store_bucket {
    char *name;
    struct store_record *first[STORE_INDEX_LEVELS];
    size_t n_visible;
    struct map *nodes;   /* node name -> struct store_chain; NULL until one is needed */
    struct list cursors; /* the store's */
    struct list touched; /* the store's: in its list when changed since cursors were woken */
    uint64_t forgotten;  /* the ring's: not every change up to here is known */
};

struct store_index {
    struct map *buckets; /* name -> struct store_bucket */
    struct map *owners;  /* uid -> struct store_chain */
    size_t n_visible, visible_bytes;
    uint64_t random;
};

void store_index_init(struct store_index *idx);
void store_index_fini(struct store_index *idx);

/* Buckets stay once made: there are as many as kinds. NULL when absent and not @make. */
struct store_bucket *store_index_bucket(const struct store_index *idx, const char *name, bool make);

/* NULL when there is none. */
struct store_record *store_bucket_find(const struct store_bucket *b, const char *ns,
                                       const char *name);
/* The first record at or (@after) behind the key, NULL at the end. */
struct store_record *store_bucket_seek(const struct store_bucket *b, const char *ns,
                                       const char *name, bool after);

/* Finds or makes. */
struct store_record *store_index_record(struct store_index *idx, struct store_bucket *b,
                                        const char *ns, const char *name);
/* Replaces the visible object; NULL takes it away.  @o is referenced. */
void store_index_show(struct store_index *idx, struct store_record *r, const struct object *o);
/* Forgets the record if nothing refers to it: not visible, nothing pending or dirty. */
void store_record_prune(struct store_record *r);

const struct store_link *store_index_owned(const struct store_index *idx, const char *uid);
const struct store_link *store_bucket_on_node(const struct store_bucket *b, const char *node);

#endif
