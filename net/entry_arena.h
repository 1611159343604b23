/* entry_arena: memory that dies all at once, for the entry's immutable facts and tables.
 *
 * Thread: unshared while it grows.
 */
#ifndef NET_ENTRY_ARENA_H
#define NET_ENTRY_ARENA_H

#include <stddef.h>

struct entry_arena { /* zero-initialised is empty */
    struct entry_arena_block *blocks;
};

void *entry_arena_get(struct entry_arena *a, size_t size); /* zeroed, aligned, never NULL */
void *entry_arena_array(struct entry_arena *a, size_t n, size_t size);
char *entry_arena_str(struct entry_arena *a, const char *s); /* NULL gives "" */
char *entry_arena_strn(struct entry_arena *a, const char *s, size_t n);
void entry_arena_fini(struct entry_arena *a);

#endif
