#include "net/entry_arena.h"

#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define ENTRY_ARENA_BLOCK 1000

struct entry_arena_block {
    struct entry_arena_block *next;
    size_t size, used;
    max_align_t data[];
};

void *entry_arena_get(struct entry_arena *a, size_t size)
{
    struct entry_arena_block *b = a->blocks;
    size_t align = sizeof(max_align_t);
    void *p;

    assert(size < SIZE_MAX / 2);
    size = (size + align - 1) / align * align;
    if (b == NULL || b->size - b->used < size) {
        size_t room = size > ENTRY_ARENA_BLOCK ? size : ENTRY_ARENA_BLOCK;

        b = mem_zero(sizeof(*b) + room);
        b->size = room;
        b->next = a->blocks;
        a->blocks = b;
    }
    p = (char *)b->data + b->used;
    b->used += size;
    return p;
}

void *entry_arena_array(struct entry_arena *a, size_t n, size_t size)
{
    assert(size == 0 || n < SIZE_MAX / 2 / size);
    return entry_arena_get(a, n * size);
}

char *entry_arena_strn(struct entry_arena *a, const char *s, size_t n)
{
    char *copy = entry_arena_get(a, n + 1);

    if (n > 0)
        memcpy(copy, s, n);
    return copy;
}

char *entry_arena_str(struct entry_arena *a, const char *s)
{
    return entry_arena_strn(a, s, s != NULL ? strlen(s) : 0);
}

void entry_arena_fini(struct entry_arena *a)
{
    while (a->blocks != NULL) {
        struct entry_arena_block *next = a->blocks->next;

        free(a->blocks);
        a->blocks = next;
    }
}
