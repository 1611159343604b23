/* map: string keys to pointers, in insertion-independent hash order; and sorted walks.
 *
 * Keys are copied.  Values are borrowed unless a free function is given.
 * Deleting the current entry while walking is allowed, adding is not.
 * The hash is seeded per process (keys come from clients).  Thread: unshared.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct map;
typedef void (*map_free_fn)(void *value);

struct map *map_new(map_free_fn free_value); /* free_value may be NULL */
struct map *map_free(struct map *m);         /* returns NULL */
void map_freep(struct map **m);

void *map_get(const struct map *m, const char *key);       /* borrowed or NULL */
void map_put(struct map *m, const char *key, void *value); /* replaces, freeing the old */
bool map_del(struct map *m, const char *key);              /* frees the value */
void *map_take(struct map *m, const char *key);            /* removes, hands over the value */
size_t map_len(const struct map *m);

/* for (it = 0; map_each(m, &it, &key, &value); ) ...  hash order */
bool map_each(const struct map *m, size_t *it, const char **ret_key, void **ret_value);

/* Keys sorted bytewise, NULL-terminated, each borrowed from the map; free() the array. */
const char **map_keys(const struct map *m);

#endif
