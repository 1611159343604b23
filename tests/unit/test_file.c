/* layer: base */
#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void check_holds(const char *path, const char *want)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(file_read(&t, path, 1000, &err), 0);
    CHECK_STR(text_str(&t), want);
}

TEST(file, written_is_read)
{
    const char *path = test_path("a");
    struct err err = ERR_EMPTY;
    struct stat st;

    CHECK_INT(file_write_atomic(path, "one", 3, 0600, &err), 0);
    check_holds(path, "one");
    CHECK_INT(file_write_fast(path, "two!", 4, 0644, &err), 0);
    check_holds(path, "two!");
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644);
    CHECK_INT(file_write_atomic(path, "", 0, 0600, &err), 0);
    check_holds(path, "");
}

TEST(file, reading_has_a_limit)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    const char *path = test_path("a");
    struct err err = ERR_EMPTY;

    text_puts(&t, "kept:");
    CHECK_INT(file_write_fast(path, "12345", 5, 0600, &err), 0);
    CHECK_INT(file_read(&t, path, 4, &err), ERR_LIMIT);
    CHECK_STR(t.data, "kept:");
    CHECK_INT(file_read(&t, path, 5, &err), 0);
    CHECK_STR(t.data, "kept:12345");
}

TEST(file, absent_and_unusable_are_told_apart)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(file_read(&t, test_path("none"), 10, &err), ERR_NOT_FOUND);
    CHECK(strstr(err.text, "none: No such file or directory"));
    CHECK_INT(file_read(&t, test_dir(), 10, &err), ERR_IO);
    CHECK_INT(file_write_atomic(test_path("none/a"), "x", 1, 0600, &err), ERR_NOT_FOUND);
}

TEST(file, failed_write_leaves_the_old_and_no_litter)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(file_mkdirs(test_path("target/full"), 0755, &err), 0);
    CHECK_INT(file_write_atomic(test_path("target"), "x", 1, 0600, &err), ERR_IO);
    CHECK(file_exists(test_path("target/full")));
    CHECK_INT(file_remove_tree(test_path("target"), &err), 0);
    CHECK(rmdir(test_dir()) == 0);
    CHECK_INT(file_mkdirs(test_dir(), 0700, &err), 0);
}

TEST(file, mkdirs_makes_all_and_accepts_existing)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(file_mkdirs(test_path("a/b//c/"), 0755, &err), 0);
    CHECK_INT(file_mkdirs(test_path("a/b/c"), 0755, &err), 0);
    CHECK(file_exists(test_path("a/b/c")));
    CHECK_INT(file_write_fast(test_path("f"), "x", 1, 0600, &err), 0);
    CHECK_INT(file_mkdirs(test_path("f"), 0755, &err), ERR_IO);
    CHECK_INT(file_mkdirs(test_path("f/g"), 0755, &err), ERR_IO);
}

TEST(file, remove_tree_does_not_follow_links)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(file_mkdirs(test_path("keep"), 0755, &err), 0);
    CHECK_INT(file_write_fast(test_path("keep/f"), "x", 1, 0600, &err), 0);
    CHECK_INT(file_mkdirs(test_path("tree/a/b"), 0755, &err), 0);
    CHECK_INT(file_write_fast(test_path("tree/a/f"), "x", 1, 0600, &err), 0);
    CHECK(symlink(test_path("keep"), test_path("tree/a/link")) == 0);
    CHECK(symlink(test_path("tree"), test_path("to-tree")) == 0);
    CHECK_INT(file_remove_tree(test_path("to-tree"), &err), 0);
    CHECK(file_exists(test_path("tree/a/f")));
    CHECK_INT(file_remove_tree(test_path("tree"), &err), 0);
    CHECK(!file_exists(test_path("tree")) && file_exists(test_path("keep/f")));
    CHECK_INT(file_remove_tree(test_path("tree"), &err), 0);
    CHECK_INT(file_remove_tree(test_path("keep/f"), &err), 0);
    CHECK(!file_exists(test_path("keep/f")));
}

/* Deeper than a path may be long, and than a process may have files open. */
TEST(file, remove_tree_goes_to_any_depth)
{
    struct err err = ERR_EMPTY;
    int dir = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < 3000; i++) {
        int below;

        CHECK(mkdirat(dir, "d", 0755) == 0);
        CHECK(mkdirat(dir, "e", 0755) == 0);
        below = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(below >= 0);
        close(dir);
        dir = below;
    }
    close(dir);
    CHECK_INT(file_remove_tree(test_path("d"), &err), 0);
    CHECK(!file_exists(test_path("d")));
}

TEST(file, remove_tree_stops_at_mounts)
{
    struct err err = ERR_EMPTY;
    int rc;

    if (geteuid() != 0)
        skip();
    CHECK_INT(file_mkdirs(test_path("tree/mnt"), 0755, &err), 0);
    CHECK_INT(file_mkdirs(test_path("other"), 0755, &err), 0);
    CHECK_INT(file_write_fast(test_path("other/f"), "x", 1, 0600, &err), 0);
    if (mount(test_path("other"), test_path("tree/mnt"), NULL, MS_BIND, NULL) < 0)
        skip();
    rc = file_remove_tree(test_path("tree"), &err);
    umount(test_path("tree/mnt"));
    CHECK_INT(rc, ERR_IO);
    CHECK(file_exists(test_path("other/f")));
    CHECK_INT(file_remove_tree(test_path("tree"), &err), 0);
}
