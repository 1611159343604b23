#include "net/entry_table.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/entry_table_build.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Prefixes that are looked up of one request's path: deeper rules would not be found. */
#define ENTRY_TABLE_MAX_DEPTH 128

struct entry_table *entry_table_ref(struct entry_table *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

struct entry_table *entry_table_unref(struct entry_table *t)
{
    if (t == NULL || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    for (size_t i = 0; t->ingresses[i] != NULL; i++)
        entry_ingress_unref(t->ingresses[i]);
    map_free(t->hosts);
    entry_arena_fini(&t->arena);
    free(t);
    return NULL;
}

/* FNV's low bits are good; the high ones are folded in for short paths. */
struct entry_slot *entry_table_slot(const struct entry_table *t, uint64_t hash,
                                    const struct entry_host *host, enum entry_path_type type,
                                    const char *path, size_t len)
{
    size_t mask = t->n_slots - 1;

    for (size_t at = (size_t)(hash ^ hash >> 32) & mask;; at = (at + 1) & mask) {
        struct entry_slot *s = &t->slots[at];

        if (s->route == NULL || (s->hash == hash && s->host == host && s->type == type &&
                                 s->len == len && memcmp(s->path, path, len) == 0))
            return s;
    }
}

/* Kubernetes' wildcard stands for exactly one label. */
static const struct entry_host *entry_table_host(const struct entry_table *t, const char *host)
{
    const struct entry_host *h = map_get(t->hosts, host);
    const char *dot = h == NULL ? strchr(host, '.') : NULL;
    char wildcard[256];

    if (dot != NULL && dot > host && strlen(dot) < sizeof(wildcard) - 1) {
        wildcard[0] = '*';
        strcpy(wildcard + 1, dot);
        h = map_get(t->hosts, wildcard);
    }
    return h != NULL ? h : map_get(t->hosts, "");
}

/* The longest rule whose elements begin the path; *ret_len: as nginx counts it, which has the
 * slash behind in its prefixes, and takes the whole path before anything else. */
static const struct entry_route *entry_table_prefix(const struct entry_table *t,
                                                    const struct entry_host *host, const char *path,
                                                    size_t *ret_len)
{
    struct {
        uint64_t hash;
        size_t len;
    } ends[ENTRY_TABLE_MAX_DEPTH];
    uint64_t hash = entry_hash_begin(host, ENTRY_PATH_PREFIX);
    unsigned n = 0;
    size_t i;

    for (i = 0; path[i] != '\0' && n < ENTRY_TABLE_MAX_DEPTH; i++) {
        if (path[i] == '/') {
            ends[n].hash = hash;
            ends[n++].len = i;
        }
        hash = entry_hash_add(hash, path[i]);
    }
    if (n < ENTRY_TABLE_MAX_DEPTH) {
        ends[n].hash = hash;
        ends[n++].len = i;
    }
    while (n-- > 0) {
        const struct entry_slot *s = entry_table_slot(t, ends[n].hash, host, ENTRY_PATH_PREFIX,
                                                      path, ends[n].len);

        *ret_len = path[ends[n].len] == '\0' ? SIZE_MAX : ends[n].len + 1;
        if (s->route != NULL)
            return s->route;
    }
    *ret_len = 0;
    return NULL;
}

/* The longest rule whose bytes begin the path. */
static const struct entry_route *entry_table_begin(const struct entry_table *t,
                                                   const struct entry_host *host, const char *path,
                                                   size_t *ret_len)
{
    uint64_t hash = entry_hash_begin(host, ENTRY_PATH_BEGIN);
    const struct entry_route *found = NULL;

    *ret_len = 0;
    for (size_t len = 0;; len++) {
        const struct entry_slot *s = entry_table_slot(t, hash, host, ENTRY_PATH_BEGIN, path, len);

        if (s->route != NULL) {
            found = s->route;
            *ret_len = len;
        }
        if (path[len] == '\0')
            return found;
        hash = entry_hash_add(hash, path[len]);
    }
}

static const struct entry_route *entry_table_exact(const struct entry_table *t,
                                                   const struct entry_host *host, const char *path)
{
    uint64_t hash = entry_hash_begin(host, ENTRY_PATH_EXACT);
    size_t len = 0;

    for (; path[len] != '\0'; len++)
        hash = entry_hash_add(hash, path[len]);
    return entry_table_slot(t, hash, host, ENTRY_PATH_EXACT, path, len)->route;
}

static const struct entry_route *entry_table_hashed(const struct entry_table *t,
                                                    const struct entry_host *h, const char *path)
{
    const struct entry_route *route = entry_table_exact(t, h, path), *begin;
    size_t len, begin_len;

    if (route != NULL)
        return route;
    route = entry_table_prefix(t, h, path, &len);
    if (!h->begins || len == SIZE_MAX)
        return route;
    begin = entry_table_begin(t, h, path, &begin_len);
    return begin != NULL && begin_len > len ? begin : route;
}

const struct entry_route *entry_table_find(const struct entry_table *t, const char *host,
                                           const char *path)
{
    const struct entry_host *h = entry_table_host(t, host);
    const struct entry_route *route = NULL;

    if (h != NULL)
        route = h->list != NULL ? entry_paths_find(h, path) : entry_table_hashed(t, h, path);
    if (route == NULL && h != NULL)
        route = h->fallback;
    return route != NULL ? route : t->fallback;
}

const struct entry_endpoint *entry_table_endpoint(const struct entry_table *t, unsigned index)
{
    assert(index < t->n_endpoints);
    return &t->endpoints[index];
}

unsigned entry_table_n_endpoints(const struct entry_table *t)
{
    return t->n_endpoints;
}

unsigned entry_table_n_backends(const struct entry_table *t)
{
    return t->n_backends;
}

const struct entry_listen *entry_table_listens(const struct entry_table *t, size_t *ret_n)
{
    *ret_n = t->n_listens;
    return t->listens;
}

const struct entry_listen *entry_table_listen(const struct entry_table *t, const char *ns,
                                              const char *service, uint16_t port)
{
    const struct entry_listen *ret = NULL;

    for (size_t i = 0; i < t->n_listens; i++) {
        const struct entry_listen *l = &t->listens[i];

        if (l->port == port && str_eq(l->service->name, service) && str_eq(l->service->ns, ns) &&
            (ret == NULL || (ret->binding != NULL && l->binding == NULL)))
            ret = l;
    }
    return ret;
}

const char *const *entry_table_names(const struct entry_table *t, size_t *ret_n)
{
    *ret_n = t->n_names;
    return t->names;
}

const struct entry_warning *entry_table_warnings(const struct entry_table *t, size_t *ret_n)
{
    *ret_n = t->n_warnings;
    return t->warnings;
}
