/* entry_table_build: the inside of entry_table, between the builder and the lookups. */
#ifndef NET_ENTRY_TABLE_BUILD_H
#define NET_ENTRY_TABLE_BUILD_H

#include "net/entry_table.h"

struct entry_host {
    const char *name; /* "", "a.example", "*.example" */
    unsigned index;
    const struct entry_route *fallback; /* NULL: the table's */
};

struct entry_slot { /* of the hash of paths; route NULL = free */
    uint64_t hash;
    const struct entry_host *host;
    enum entry_path_type type;
    const char *path;
    size_t len;
    const struct entry_route *route;
};

struct entry_table {
    unsigned refs; /* atomic */
    struct entry_arena arena;
    struct entry_endpoint *endpoints;
    unsigned n_endpoints;
    unsigned n_backends;
    struct map *hosts;        /* name to entry_host, owned; hosts are the arena's */
    struct entry_slot *slots; /* a power of two of them, at most half full */
    size_t n_slots;
    const struct entry_route *fallback; /* NULL: 404 */
    struct entry_listen *listens;
    size_t n_listens;
    struct entry_warning *warnings;
    size_t n_warnings;
};

/* FNV-1a, continued byte by byte: each prefix of a path has its hash on the way. */
static inline uint64_t entry_hash_begin(const struct entry_host *host, enum entry_path_type type)
{
    return 14695981039346656037u ^ ((uint64_t)host->index << 8) ^ (uint64_t)type;
}
static inline uint64_t entry_hash_add(uint64_t hash, char c)
{
    return (hash ^ (unsigned char)c) * 1099511628211u;
}
/* The slot that holds the key, or the free one where it belongs. */
struct entry_slot *entry_table_slot(const struct entry_table *t, uint64_t hash,
                                    const struct entry_host *host, enum entry_path_type type,
                                    const char *path, size_t len);

#endif
