/* layer: api */
#include "api/audit_log.h"

#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    uv_loop_t loop;
    struct audit_log *log;
    uint64_t added;
};

static void fixture_up(struct fixture *f, const struct audit_log_opts *opts)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(uv_loop_init(&f->loop), 0);
    CHECK_INT(audit_log_new(&f->log, &f->loop, opts, &err), 0);
}

static void fixture_down(struct fixture *f)
{
    f->log = audit_log_close(f->log);
    loop_finish(&f->loop);
}

static void add(struct fixture *f, const char *line)
{
    audit_log_add(f->log, line, strlen(line));
    f->added++;
}

static void settle(struct fixture *f)
{
    CHECK_SOON(&f->loop,
               audit_log_stats(f->log).written + audit_log_stats(f->log).dropped == f->added, 5000);
}

/* Files below @dir, and the size of them all. */
static unsigned count_files(const char *dir, size_t *ret_bytes)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned n = 0;

    *ret_bytes = 0;
    while ((e = readdir(d)) != NULL) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, e->d_name);
        cleanup(text_fini) struct text t = TEXT_EMPTY;
        struct err err = ERR_EMPTY;

        if (e->d_name[0] == '.')
            continue;
        CHECK_INT(file_read(&t, path, 1 << 26, &err), 0);
        CHECK(t.len > 0 && t.data[t.len - 1] == '\n');
        *ret_bytes += t.len;
        n++;
    }
    closedir(d);
    return n;
}

TEST(audit_log, lines_are_written_in_order_and_appended_after_a_restart)
{
    cleanup(freep) char *path = mem_str(test_path("sub/audit.log"));
    struct audit_log_opts opts = { .path = path };
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    for (int i = 0; i < 2; i++) {
        struct fixture f = { 0 };

        fixture_up(&f, &opts);
        add(&f, "one");
        add(&f, "two");
        fixture_down(&f); /* writes what waits */
    }
    CHECK_INT(file_read(&t, path, 4096, &err), 0);
    CHECK_STR(text_str(&t), "one\ntwo\none\ntwo\n");
}

TEST(audit_log, files_rotate_and_their_sum_is_bounded)
{
    cleanup(freep) char *dir = mem_str(test_path("rotated"));
    cleanup(freep) char *path = mem_fmt("%s/audit.log", dir);
    struct audit_log_opts opts = { .path = path, .max_bytes = 1000, .max_backups = 3 };
    struct fixture f = { 0 };
    char line[101];
    size_t bytes;

    memset(line, 'x', 100);
    line[100] = '\0';
    fixture_up(&f, &opts);
    for (int i = 0; i < 12; i++) {
        for (int j = 0; j < 8; j++)
            add(&f, line);
        settle(&f);
    }
    CHECK_INT(audit_log_stats(f.log).dropped, 0);
    CHECK(count_files(dir, &bytes) <= 4);
    CHECK(bytes <= 4 * 1000 && bytes > 1000);
    fixture_down(&f);
}

TEST(audit_log, a_full_disk_drops_and_counts_and_recovers)
{
    cleanup(freep) char *path = mem_str(test_path("audit.log"));
    struct audit_log_opts opts = { .path = path };
    struct fixture f = { 0 };
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(symlink("/dev/full", path), 0);
    fixture_up(&f, &opts);
    add(&f, "lost");
    settle(&f);
    CHECK_INT(audit_log_stats(f.log).dropped, 1);
    CHECK(audit_log_stats(f.log).failing);
    CHECK_INT(unlink(path), 0);
    add(&f, "kept");
    settle(&f);
    CHECK_INT(audit_log_stats(f.log).written, 1);
    CHECK(!audit_log_stats(f.log).failing);
    fixture_down(&f);
    CHECK_INT(file_read(&t, path, 4096, &err), 0);
    CHECK_STR(text_str(&t), "kept\n");
}

TEST(audit_log, what_waits_for_the_disk_is_bounded)
{
    cleanup(freep) char *path = mem_str(test_path("audit.log"));
    struct audit_log_opts opts = { .path = path };
    cleanup(freep) char *line = mem_zero(100001);
    struct fixture f = { 0 };

    memset(line, 'x', 100000);
    fixture_up(&f, &opts);
    for (int i = 0; i < 200; i++) /* 20 MB without a turn of the loop */
        add(&f, line);
    CHECK(audit_log_stats(f.log).dropped >= 100);
    settle(&f);
    CHECK(audit_log_stats(f.log).written >= 40);
    fixture_down(&f);
}

TEST(audit_log, a_path_that_cannot_be_is_refused)
{
    struct audit_log_opts opts = { .path = "/proc/nothing/audit.log" };
    struct audit_log *log = NULL;
    struct err err = ERR_EMPTY;
    uv_loop_t loop;

    CHECK_INT(uv_loop_init(&loop), 0);
    CHECK(audit_log_new(&log, &loop, &opts, &err) < 0);
    CHECK(strstr(err.text, "/proc/nothing") != NULL);
    loop_finish(&loop);
}
