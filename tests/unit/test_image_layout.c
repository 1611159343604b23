/* layer: nodeagent */
#include "nodeagent/image_layout.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>
#include <sys/stat.h>

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

static json_t *record_make(const char *layer)
{
    return json_pack("{s:s, s:s, s:s, s:[s], s:i}", "ref", "docker.io/library/x:1", "id",
                     "sha256:" HEX, "digest", "", "layers", layer, "size", 7);
}

static void layout_make(struct image_layout *l)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(image_layout_init(l, test_dir(), &err), 0);
}

TEST(image_layout, paths_stay_below_its_directory)
{
    struct image_layout l;
    cleanup(freep) char *layer = NULL;
    cleanup(freep) char *ref = NULL;
    cleanup(freep) char *one = NULL;
    cleanup(freep) char *two = NULL;
    cleanup(freep) char *want = mem_fmt("%s/images/layers/0123456789ab", test_dir());

    layout_make(&l);
    layer = image_layout_layer(&l, DIGEST);
    CHECK_STR(layer, want);
    ref = image_layout_ref(&l, "../../../etc/passwd");
    CHECK(str_starts(ref, l.dir) && strstr(ref, "..") == NULL);
    one = image_layout_tmp(&l, "a");
    two = image_layout_tmp(&l, "a");
    CHECK(strcmp(one, two) != 0);
}

TEST(image_layout, records_survive)
{
    struct image_layout l;
    cleanup(json_decrefpp) json_t *record = record_make(DIGEST);
    cleanup(json_decrefpp) json_t *back = NULL;
    cleanup(json_decrefpp) json_t *config = NULL;
    cleanup(freep) char *dir = NULL;
    struct err err = ERR_EMPTY;

    layout_make(&l);
    CHECK_INT(image_layout_write(&l, record, "{\"a\":1}", 7, &err), 0);
    /* Not without its layers. */
    CHECK_INT(image_layout_read(&l, "docker.io/library/x:1", &back, &config, &err), ERR_NOT_FOUND);
    dir = image_layout_layer(&l, DIGEST);
    CHECK_INT(mkdir(dir, 0755), 0);
    CHECK_INT(image_layout_read(&l, "docker.io/library/x:1", &back, &config, &err), 0);
    CHECK(json_equal(back, record));
    CHECK_INT(json_int(config, "a", 0), 1);
    CHECK_INT(image_layout_read(&l, "docker.io/library/x:2", &back, NULL, &err), ERR_NOT_FOUND);
}

TEST(image_layout, damaged_records_are_errors)
{
    static const char *const damage[] = { "",
                                          "{",
                                          "[]",
                                          "{\"layers\":[5]}",
                                          "{\"layers\":[\"sha256:../../../\"]}",
                                          "{\"layers\":[],\"id\":\"../../x\"}" };
    struct image_layout l;
    cleanup(freep) char *path = NULL;

    layout_make(&l);
    path = image_layout_ref(&l, "x");
    for (size_t i = 0; i < N_ELEMENTS(damage); i++) {
        json_t *back = NULL;
        struct err err = ERR_EMPTY;

        CHECK_INT(file_write_fast(path, damage[i], strlen(damage[i]), 0600, &err), 0);
        CHECK(image_layout_read(&l, "x", &back, NULL, &err) < 0);
        CHECK(back == NULL);
    }
}

TEST(image_layout, a_long_directory_is_refused)
{
    struct image_layout l;
    struct err err = ERR_EMPTY;
    char dir[400];

    memset(dir, 'a', sizeof(dir) - 1);
    dir[0] = '/';
    dir[sizeof(dir) - 1] = '\0';
    CHECK_INT(image_layout_init(&l, dir, &err), ERR_INVALID);
}
