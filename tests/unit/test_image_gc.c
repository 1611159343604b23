/* layer: nodeagent */
#include "base/file.h"
#include "base/mem.h"
#include "nodeagent/image_gc.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

TEST(image_gc, wants_nothing_below_the_high_mark_and_frees_down_to_the_low_one)
{
    struct host_disk disk = { .size = 1000, .available = 160 };

    CHECK_INT(image_gc_wanted(&disk), 0);
    disk.available = 150;
    CHECK_INT(image_gc_wanted(&disk), 50);
    disk.available = 0;
    CHECK_INT(image_gc_wanted(&disk), 200);
    disk.size = 0;
    CHECK_INT(image_gc_wanted(&disk), 0);
}

TEST(image_gc, the_longest_unused_go_first_and_only_as_many_as_it_takes)
{
    static const struct image_gc_item items[] = {
        { "used", 1000, 500, true },   { "young", 9999000, 500, false }, { "b", 3000, 100, false },
        { "oldest", 2000, 30, false }, { "c", 4000, 100, false },
    };
    size_t chosen[5];
    int64_t bytes;

    CHECK_INT(image_gc_plan(chosen, items, 5, 120, 10000000, &bytes), 2);
    CHECK_INT(chosen[0], 3);
    CHECK_INT(chosen[1], 2);
    CHECK_INT(bytes, 130);
    CHECK_INT(image_gc_plan(chosen, items, 5, 5000, 10000000, &bytes), 3);
    CHECK_INT(image_gc_plan(chosen, items, 5, 0, 10000000, &bytes), 0);
}

#define HEX(c)   c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define LAYER(c) "sha256:" HEX(c) HEX(c)

static void put_image(const struct image_layout *l, const char *ref, const char *id, const char *a,
                      const char *b, bool pinned)
{
    cleanup(json_decrefpp)
        json_t *record = json_pack("{s:s, s:s, s:s, s:[s,s], s:i}", "ref", ref, "id", id, "digest",
                                   pinned ? "" : "x@y", "layers", a, b, "size", 100);
    struct err err = ERR_EMPTY;
    cleanup(freep) char *dir_a = image_layout_layer(l, a), *dir_b = image_layout_layer(l, b);

    CHECK_INT(file_mkdirs(dir_a, 0700, &err), 0);
    CHECK_INT(file_mkdirs(dir_b, 0700, &err), 0);
    CHECK_INT(image_layout_write(l, record, "{}", 2, &err), 0);
}

static bool has_layer(const struct image_layout *l, const char *digest)
{
    cleanup(freep) char *dir = image_layout_layer(l, digest);

    return file_exists(dir);
}

TEST(image_gc, layers_that_others_share_stay)
{
    static const char *const in_use[] = { "docker.io/library/kept:1", NULL };
    struct image_layout l = { .dir = "" };
    struct image_gc_result result = { .bytes = 0 };
    struct err err = ERR_EMPTY;
    json_t *record = NULL;
    const int64_t later = INT64_C(4102444800000); /* 2100: everything is old */

    CHECK_INT(image_layout_init(&l, test_path("data"), &err), 0);
    put_image(&l, "docker.io/library/kept:1", LAYER("1"), LAYER("a"), LAYER("b"), false);
    put_image(&l, "docker.io/library/gone:1", LAYER("2"), LAYER("a"), LAYER("c"), false);
    put_image(&l, "docker.io/library/archive:1", LAYER("3"), LAYER("a"), LAYER("d"), true);
    CHECK_INT(image_gc_run(&result, &l, in_use, 1000, later, &err), 0);
    CHECK_STR(result.removed[0], "docker.io/library/gone:1");
    CHECK(result.removed[1] == NULL);
    CHECK_INT(result.bytes, 100);
    CHECK(has_layer(&l, LAYER("a")) && has_layer(&l, LAYER("b")) && !has_layer(&l, LAYER("c")));
    CHECK(has_layer(&l, LAYER("d")));
    CHECK_INT(image_layout_read(&l, in_use[0], &record, NULL, &err), 0);
    json_decref(record);
    CHECK_INT(image_layout_read(&l, "docker.io/library/gone:1", &record, NULL, &err),
              ERR_NOT_FOUND);
    image_gc_result_fini(&result);
}
