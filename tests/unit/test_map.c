/* layer: base */
#include "base/map.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

static void put_number(struct map *m, int i)
{
    char key[16];

    snprintf(key, sizeof(key), "k%d", i);
    map_put(m, key, mem_dup(&i, sizeof(i)));
}

static int number_at(const struct map *m, int i)
{
    char key[16];
    const int *value;

    snprintf(key, sizeof(key), "k%d", i);
    value = map_get(m, key);
    return value ? *value : -1;
}

TEST(map, holds_what_was_put)
{
    cleanup(map_freep) struct map *m = map_new(free);

    CHECK(map_get(m, "a") == NULL && map_len(m) == 0);
    for (int i = 0; i < 5000; i++)
        put_number(m, i);
    CHECK_INT(map_len(m), 5000);
    for (int i = 0; i < 5000; i++)
        CHECK_INT(number_at(m, i), i);
    for (int i = 0; i < 5000; i += 2) {
        char key[16];

        snprintf(key, sizeof(key), "k%d", i);
        CHECK(map_del(m, key) && !map_del(m, key));
    }
    CHECK_INT(map_len(m), 2500);
    for (int i = 0; i < 5000; i++)
        CHECK_INT(number_at(m, i), i % 2 ? i : -1);
}

TEST(map, replacing_frees_the_old_value)
{
    cleanup(map_freep) struct map *m = map_new(free);
    char *value = mem_str("v");

    map_put(m, "a", mem_str("1"));
    map_put(m, "a", value);
    map_put(m, "a", value);
    CHECK_STR(map_get(m, "a"), "v");
    CHECK_INT(map_len(m), 1);
}

TEST(map, take_hands_over)
{
    cleanup(map_freep) struct map *m = map_new(free);
    cleanup(freep) char *taken = NULL;

    map_put(m, "", mem_str("empty key"));
    taken = map_take(m, "");
    CHECK_STR(taken, "empty key");
    CHECK(map_take(m, "") == NULL && map_len(m) == 0);
}

TEST(map, current_entry_may_go_while_walking)
{
    cleanup(map_freep) struct map *m = map_new(free);
    size_t it = 0, seen = 0;
    const char *key;
    void *value;

    for (int i = 0; i < 1000; i++)
        put_number(m, i);
    while (map_each(m, &it, &key, &value)) {
        int n = *(int *)value;

        seen++;
        if (n % 3 == 0)
            CHECK(map_del(m, key));
    }
    CHECK_INT(seen, 1000);
    CHECK_INT(map_len(m), 666);
}

/* Deleted slots are reused; without that, probing would never end. */
TEST(map, lives_through_endless_change)
{
    cleanup(map_freep) struct map *m = map_new(NULL);
    char key[16];

    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        map_put(m, key, m);
        if (i >= 3) {
            snprintf(key, sizeof(key), "%d", i - 3);
            CHECK(map_del(m, key));
        }
    }
    CHECK_INT(map_len(m), 3);
}

TEST(map, keys_come_sorted)
{
    cleanup(map_freep) struct map *m = map_new(NULL);
    cleanup(freep) const char **none = map_keys(m);
    cleanup(freep) const char **keys = NULL;

    CHECK(none[0] == NULL);
    map_put(m, "b", m);
    map_put(m, "\xc3\xa4", m);
    map_put(m, "a", m);
    map_put(m, "ab", m);
    keys = map_keys(m);
    CHECK_STR(keys[0], "a");
    CHECK_STR(keys[1], "ab");
    CHECK_STR(keys[2], "b");
    CHECK_STR(keys[3], "\xc3\xa4");
    CHECK(keys[4] == NULL);
}
