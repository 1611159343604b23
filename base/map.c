#include "base/map.h"

#include "base/bits.h"
#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* Open addressing with linear probing.  A deleted slot keeps a mark until the next rebuild,
 * so that deleting never moves an entry: a walk may delete what it stands on. */

#define MAP_FIRST 16

struct map_slot {
    char *key; /* owned; NULL = never used, map_grave = deleted */
    void *value;
    uint64_t hash;
};

struct map {
    struct map_slot *slots;
    size_t n_slots; /* a power of two, or 0 */
    size_t n_used;  /* live */
    size_t n_taken; /* live and deleted */
    map_free_fn free_value;
};

static char map_grave[1];
static uint64_t map_seed[2];

/* Before main(), so that no thread can see it half done. */
__attribute__((constructor)) static void map_make_seed(void)
{
    bits_random(map_seed, sizeof(map_seed));
}

static bool map_slot_live(const struct map_slot *slot)
{
    return slot->key && slot->key != map_grave;
}

/* --- SipHash-1-3 (Aumasson and Bernstein): short keys chosen by clients --- */

struct map_sip {
    uint64_t a, b, c, d;
};

static uint64_t map_rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void map_sip_round(struct map_sip *s)
{
    s->a += s->b;
    s->b = map_rotate(s->b, 13) ^ s->a;
    s->a = map_rotate(s->a, 32);
    s->c += s->d;
    s->d = map_rotate(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = map_rotate(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = map_rotate(s->b, 17) ^ s->c;
    s->c = map_rotate(s->c, 32);
}

static uint64_t map_hash(const char *key)
{
    struct map_sip s = { map_seed[0] ^ 0x736f6d6570736575, map_seed[1] ^ 0x646f72616e646f6d,
                         map_seed[0] ^ 0x6c7967656e657261, map_seed[1] ^ 0x7465646279746573 };
    size_t len = strlen(key), rest = len % 8;
    uint64_t word;

    for (size_t i = 0; i < len - rest; i += 8) {
        memcpy(&word, key + i, 8);
        s.d ^= word;
        map_sip_round(&s);
        s.a ^= word;
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < rest; i++)
        word |= (uint64_t)(unsigned char)key[len - rest + i] << (8 * i);
    s.d ^= word;
    map_sip_round(&s);
    s.a ^= word;
    s.c ^= 0xff;
    for (int i = 0; i < 3; i++)
        map_sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

/* --- life --- */

struct map *map_new(map_free_fn free_value)
{
    struct map *m = MEM_NEW(struct map);

    m->free_value = free_value;
    return m;
}

struct map *map_free(struct map *m)
{
    if (!m)
        return NULL;
    for (size_t i = 0; i < m->n_slots; i++) {
        if (!map_slot_live(&m->slots[i]))
            continue;
        if (m->free_value)
            m->free_value(m->slots[i].value);
        free(m->slots[i].key);
    }
    free(m->slots);
    free(m);
    return NULL;
}

void map_freep(struct map **m)
{
    *m = map_free(*m);
}

/* --- use --- */

static struct map_slot *map_find(const struct map *m, const char *key, uint64_t hash)
{
    if (m->n_slots == 0)
        return NULL;
    for (size_t i = hash & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
        struct map_slot *slot = &m->slots[i];

        if (!slot->key)
            return NULL;
        if (slot->key != map_grave && slot->hash == hash && strcmp(slot->key, key) == 0)
            return slot;
    }
}

static void map_place(struct map *m, struct map_slot entry)
{
    size_t i = entry.hash & (m->n_slots - 1);

    while (m->slots[i].key)
        i = (i + 1) & (m->n_slots - 1);
    m->slots[i] = entry;
    m->n_used++;
    m->n_taken++;
}

/* Keeps a quarter of the slots unused, which bounds every probe; deleted marks go here. */
static void map_make_room(struct map *m)
{
    struct map_slot *old = m->slots;
    size_t n_old = m->n_slots, n = MAP_FIRST;

    if (m->n_slots > 0 && (m->n_taken + 1) * 4 <= m->n_slots * 3)
        return;
    while ((m->n_used + 1) * 2 > n)
        n *= 2;
    m->slots = MEM_NEW_ARRAY(struct map_slot, n);
    m->n_slots = n;
    m->n_used = m->n_taken = 0;
    for (size_t i = 0; i < n_old; i++)
        if (map_slot_live(&old[i]))
            map_place(m, old[i]);
    free(old);
}

void *map_get(const struct map *m, const char *key)
{
    const struct map_slot *slot = map_find(m, key, map_hash(key));

    return slot ? slot->value : NULL;
}

void map_put(struct map *m, const char *key, void *value)
{
    uint64_t hash = map_hash(key);
    struct map_slot *slot = map_find(m, key, hash);
    void *old;

    if (!slot) {
        map_make_room(m);
        map_place(m, (struct map_slot){ .key = mem_str(key), .value = value, .hash = hash });
        return;
    }
    old = slot->value;
    slot->value = value;
    if (m->free_value && old != value)
        m->free_value(old);
}

static bool map_remove(struct map *m, const char *key, void **ret_value)
{
    struct map_slot *slot = map_find(m, key, map_hash(key));

    if (!slot)
        return false;
    *ret_value = slot->value;
    free(slot->key);
    *slot = (struct map_slot){ .key = map_grave };
    m->n_used--;
    return true;
}

bool map_del(struct map *m, const char *key)
{
    void *value;

    if (!map_remove(m, key, &value))
        return false;
    if (m->free_value)
        m->free_value(value);
    return true;
}

void *map_take(struct map *m, const char *key)
{
    void *value;

    return map_remove(m, key, &value) ? value : NULL;
}

size_t map_len(const struct map *m)
{
    return m->n_used;
}

bool map_each(const struct map *m, size_t *it, const char **ret_key, void **ret_value)
{
    while (*it < m->n_slots) {
        const struct map_slot *slot = &m->slots[(*it)++];

        if (!map_slot_live(slot))
            continue;
        if (ret_key)
            *ret_key = slot->key;
        if (ret_value)
            *ret_value = slot->value;
        return true;
    }
    return false;
}

static int map_compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **map_keys(const struct map *m)
{
    const char **keys = MEM_NEW_ARRAY(const char *, m->n_used + 1);
    size_t n = 0, it = 0;

    while (map_each(m, &it, &keys[n], NULL))
        n++;
    assert(n == m->n_used);
    qsort(keys, n, sizeof(*keys), map_compare_keys);
    return keys;
}
