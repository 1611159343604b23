#include "base/pool.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

/* Chunks grow with what is in them: many pools hold a few things only. */
#define POOL_CHUNK_MIN 480
#define POOL_CHUNK_MAX 4000
#define POOL_ALIGN     8

struct pool_chunk {
    struct pool_chunk *next;
    uint64_t data[];
};

struct pool {
    struct pool_chunk *chunks; /* owned; the first one is being filled */
    size_t used, size;         /* of the first */
    size_t total;
};

struct pool *pool_new(void)
{
    return MEM_NEW(struct pool);
}

struct pool *pool_free(struct pool *p)
{
    if (p == NULL)
        return NULL;
    while (p->chunks != NULL) {
        struct pool_chunk *next = p->chunks->next;

        free(p->chunks);
        p->chunks = next;
    }
    free(p);
    return NULL;
}

static char *pool_take(struct pool *p, size_t size)
{
    char *at;

    if (p->size - p->used < size) {
        size_t usual = p->total < POOL_CHUNK_MIN   ? POOL_CHUNK_MIN
                       : p->total < POOL_CHUNK_MAX ? p->total
                                                   : POOL_CHUNK_MAX;
        size_t room = size > usual ? size : usual;
        struct pool_chunk *chunk = mem_zero(sizeof(*chunk) + room);

        chunk->next = p->chunks;
        p->chunks = chunk;
        p->used = 0;
        p->size = room;
        p->total += sizeof(*chunk) + room;
    }
    at = (char *)p->chunks->data + p->used;
    p->used += size;
    return at;
}

void *pool_zero(struct pool *p, size_t size)
{
    size_t odd = p->used % POOL_ALIGN;

    if (odd > 0) /* texts lie close, all else is aligned */
        p->used += p->size - p->used < POOL_ALIGN - odd ? p->size - p->used : POOL_ALIGN - odd;
    return pool_take(p, size);
}

char *pool_str(struct pool *p, const char *s)
{
    size_t len = s != NULL ? strlen(s) + 1 : 0;

    return s != NULL ? memcpy(pool_take(p, len), s, len) : NULL;
}

size_t pool_footprint(const struct pool *p)
{
    return sizeof(*p) + p->total;
}
