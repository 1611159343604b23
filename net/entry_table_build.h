/* entry_table_build: the inside of entry_table, between the builder and the lookups. */
#ifndef NET_ENTRY_TABLE_BUILD_H
#define NET_ENTRY_TABLE_BUILD_H

#include "net/entry_table.h"

/* One of the paths that a host's requests are compared with, in order. */
struct entry_listed {
    const struct entry_route *route;
    bool is_regex;    /* as nginx' "~* ^PATH" */
    bool needs_slash; /* "PATH/", as an exact path has the bare one */
};

struct entry_slot { /* of the hash of paths; route NULL = free */
    uint64_t hash;
    const struct entry_host *host;
    enum entry_path_type type;
    const char *path;
    size_t len;
    struct entry_route *route;
};

struct entry_table {
    unsigned refs; /* atomic */
    struct entry_arena arena;
    struct entry_ingress **ingresses; /* refs, NULL-terminated */
    const char **names;
    size_t n_names;
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

/* Under construction: the table, and what only its making needs. */
struct entry_build {
    struct entry_table *t;
    const struct entry_facts *facts;
    struct map *endpoints; /* "ip:port" to index + 1 */
    struct map *backends;  /* name to entry_backend */
    unsigned n_hosts;
    struct text numbers; /* endpoint indexes of the backend being made */
    struct text list;    /* all endpoints so far */
    struct text names;   /* wanted of DNS so far */
    struct text warnings;
};
/* Always a backend: one of a Service that is not there has no endpoints. */
const struct entry_backend *entry_build_backend(struct entry_build *b, const char *ns,
                                                const struct entry_target *target);

/* --- entry_table_paths.c --- */

/* Decides how the host's paths are compared, once all are in. */
void entry_paths_arrange(struct entry_arena *a, struct entry_host *host);
/* Of a host with a list.  NULL: none. */
const struct entry_route *entry_paths_find(const struct entry_host *host, const char *path);

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
