/* sqlite_fixture: a store over a file in the test's directory, on a real loop. */
#ifndef TESTS_UNIT_SQLITE_FIXTURE_H
#define TESTS_UNIT_SQLITE_FIXTURE_H

#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "storage/backend.h"
#include "storage/sqlite_file.h"
#include "storage/store.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    uv_loop_t loop;
    const char *path;
    struct store *s;
    bool closed;
    int64_t lazy_flush_ms;
    struct store_opts opts;
    int acked, failed, rc;
};

static inline int fixture_try_open(struct fixture *f, struct err *err)
{
    struct store_backend *backend = NULL;
    int rc = backend_sqlite_open(&backend, &f->loop, f->path, err);

    if (rc < 0)
        return rc;
    if (f->lazy_flush_ms)
        backend->lazy_flush_ms = f->lazy_flush_ms;
    return store_open(&f->s, backend, &f->opts, err);
}

static inline void fixture_open(struct fixture *f)
{
    struct err err = ERR_EMPTY;
    int rc = fixture_try_open(f, &err);

    CHECK_STR(err.text, "");
    CHECK_INT(rc, 0);
}

static inline void fixture_prepare(struct fixture *f)
{
    CHECK_INT(uv_loop_init(&f->loop), 0);
    f->path = f->path ? f->path : test_path("store.db");
}

static inline void fixture_up(struct fixture *f)
{
    fixture_prepare(f);
    fixture_open(f);
}

static inline void fixture_on_closed(void *arg)
{
    ((struct fixture *)arg)->closed = true;
}

static inline void fixture_close(struct fixture *f)
{
    f->closed = false;
    store_close(f->s, fixture_on_closed, f);
    CHECK_SOON(&f->loop, f->closed, 10000);
    f->s = NULL;
}

static inline void fixture_down(struct fixture *f)
{
    if (f->s)
        fixture_close(f);
    loop_finish(&f->loop);
}

static inline void fixture_restart(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

static inline void fixture_done(void *arg, int rc, const struct object *object,
                                const struct err *err)
{
    struct fixture *f = arg;

    (void)object;
    (void)err;
    f->acked += rc == 0;
    f->failed += rc < 0;
    f->rc = rc;
}

static inline int put(struct fixture *f, enum store_verb verb, const char *bucket, const char *name,
                      const char *value, bool lazy)
{
    cleanup(json_decrefpp) json_t *tree = json_object();
    const struct store_write w = { .verb = verb,
                                   .bucket = bucket,
                                   .name = name,
                                   .tree = verb == STORE_DELETE ? NULL : tree,
                                   .lazy = lazy };
    struct err err = ERR_EMPTY;

    json_put_str(tree, "metadata.name", name);
    json_put_str(tree, "spec.value", value ? value : "");
    return store_submit(f->s, &w, fixture_done, f, NULL, &err);
}

static inline int create(struct fixture *f, const char *name, const char *value)
{
    return put(f, STORE_CREATE, "pods", name, value, false);
}

static inline int update(struct fixture *f, const char *name, const char *value)
{
    return put(f, STORE_UPDATE, "pods", name, value, false);
}

static inline void wait_done(struct fixture *f, int n)
{
    CHECK_SOON(&f->loop, f->acked + f->failed >= n, 20000);
}

static inline bool value_is(struct fixture *f, const char *bucket, const char *name,
                            const char *value)
{
    const struct object *o = store_get(f->s, bucket, "", name);
    cleanup(json_decrefpp) json_t *tree = o ? object_tree(o) : NULL;

    return o ? value && str_eq(json_str(tree, "spec.value"), value) : !value;
}

static inline void no_wake(void *arg)
{
    (void)arg;
}

static inline int follow_rc(struct fixture *f, const char *bucket, uint64_t after)
{
    struct store_cursor *c = NULL;
    int rc = store_cursor_new(&c, f->s, bucket, after, no_wake, NULL);

    store_cursor_free(c);
    return rc;
}

static inline int64_t query(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t value;

    CHECK_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_step(stmt), SQLITE_ROW);
    value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    return value;
}

static inline int64_t log_size(void)
{
    struct stat st;

    return stat(test_path("store.db-wal"), &st) == 0 ? st.st_size : 0;
}

/* Runs one test of this program again in a process of its own, which finds @what in TEST_CHILD: one
 * that may be killed, or needs to be without threads. */
static inline pid_t run_again(const char *test, const char *what)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        setenv("TEST_CHILD", what, 1);
        execl("/proc/self/exe", "test", test, NULL);
        _exit(127);
    }
    return pid;
}

#endif
