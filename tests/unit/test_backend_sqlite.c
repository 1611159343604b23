/* layer: storage */
#include "storage/backend.h"

#include "base/bits.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "storage/sqlite_file.h"
#include "storage/store.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- fixture: a store over a file in the test's directory, on a real loop --- */

struct fixture {
    uv_loop_t loop;
    const char *path;
    struct store *s;
    bool closed;
    int64_t lazy_flush_ms;
    struct store_opts opts;
    int acked, failed, rc;
};

static int fixture_try_open(struct fixture *f, struct err *err)
{
    struct store_backend *backend = NULL;
    int rc = backend_sqlite_open(&backend, &f->loop, f->path, err);

    if (rc < 0)
        return rc;
    if (f->lazy_flush_ms)
        backend->lazy_flush_ms = f->lazy_flush_ms;
    return store_open(&f->s, backend, &f->opts, err);
}

static void fixture_open(struct fixture *f)
{
    struct err err = ERR_EMPTY;
    int rc = fixture_try_open(f, &err);

    CHECK_STR(err.text, "");
    CHECK_INT(rc, 0);
}

static void fixture_prepare(struct fixture *f)
{
    CHECK_INT(uv_loop_init(&f->loop), 0);
    f->path = f->path ? f->path : test_path("store.db");
}

static void fixture_up(struct fixture *f)
{
    fixture_prepare(f);
    fixture_open(f);
}

static void fixture_on_closed(void *arg)
{
    ((struct fixture *)arg)->closed = true;
}

static void fixture_close(struct fixture *f)
{
    f->closed = false;
    store_close(f->s, fixture_on_closed, f);
    CHECK_SOON(&f->loop, f->closed, 10000);
    f->s = NULL;
}

static void fixture_down(struct fixture *f)
{
    if (f->s)
        fixture_close(f);
    loop_finish(&f->loop);
}

static void fixture_restart(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

static void fixture_done(void *arg, int rc, const struct object *object, const struct err *err)
{
    struct fixture *f = arg;

    (void)object;
    (void)err;
    f->acked += rc == 0;
    f->failed += rc < 0;
    f->rc = rc;
}

static int put(struct fixture *f, enum store_verb verb, const char *bucket, const char *name,
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

static int create(struct fixture *f, const char *name, const char *value)
{
    return put(f, STORE_CREATE, "pods", name, value, false);
}

static int update(struct fixture *f, const char *name, const char *value)
{
    return put(f, STORE_UPDATE, "pods", name, value, false);
}

static void wait_done(struct fixture *f, int n)
{
    CHECK_SOON(&f->loop, f->acked + f->failed >= n, 20000);
}

static bool value_is(struct fixture *f, const char *bucket, const char *name, const char *value)
{
    const struct object *o = store_get(f->s, bucket, "", name);
    cleanup(json_decrefpp) json_t *tree = o ? object_tree(o) : NULL;

    return o ? value && str_eq(json_str(tree, "spec.value"), value) : !value;
}

static void no_wake(void *arg)
{
    (void)arg;
}

static int follow_rc(struct fixture *f, const char *bucket, uint64_t after)
{
    struct store_cursor *c = NULL;
    int rc = store_cursor_new(&c, f->s, bucket, after, no_wake, NULL);

    store_cursor_free(c);
    return rc;
}

/* --- keeping --- */

TEST(backend_sqlite, what_was_written_is_there_after_a_restart)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    create(&f, "a", "1");
    create(&f, "b", "1");
    update(&f, "a", "2");
    put(&f, STORE_DELETE, "pods", "b", NULL, false);
    put(&f, STORE_CREATE, "nodes", "a", "3", false);
    wait_done(&f, 5);
    CHECK_INT(f.failed, 0);
    fixture_restart(&f);
    CHECK(value_is(&f, "pods", "a", "2"));
    CHECK(value_is(&f, "pods", "b", NULL));
    CHECK(value_is(&f, "nodes", "a", "3"));
    fixture_down(&f);
}

TEST(backend_sqlite, changes_are_handed_out_after_a_restart)
{
    static const char *const want[] = { "A a 1", "M a 2", "A b 1", "D b 1" };
    struct fixture f = { 0 };
    struct store_cursor *c = NULL;
    struct store_change change;
    uint64_t start;

    fixture_up(&f);
    start = store_revision(f.s);
    create(&f, "a", "1");
    update(&f, "a", "2");
    create(&f, "b", "1");
    put(&f, STORE_DELETE, "pods", "b", NULL, false);
    wait_done(&f, 4);
    fixture_restart(&f);
    CHECK_INT(store_cursor_new(&c, f.s, "pods", start, no_wake, NULL), 0);
    for (size_t i = 0; i < N_ELEMENTS(want); i++) {
        char have[32];

        CHECK_INT(store_cursor_next(c, &change), 1);
        cleanup(json_decrefpp) json_t *tree = object_tree(change.object);

        snprintf(have, sizeof(have), "%c %s %s", "AMD"[change.type], change.object->name,
                 json_str(tree, "spec.value"));
        CHECK_STR(have, want[i]);
    }
    CHECK_INT(store_cursor_next(c, &change), 0);
    store_cursor_free(c);
    fixture_down(&f);
}

TEST(backend_sqlite, orderly_restart_skips_no_revision)
{
    struct fixture f = { 0 };
    uint64_t revision;

    fixture_up(&f);
    create(&f, "a", "1");
    put(&f, STORE_CREATE, "leases", "l", "1", true);
    wait_done(&f, 2);
    revision = store_revision(f.s);
    fixture_restart(&f);
    CHECK_INT(store_revision(f.s), revision);
    CHECK(value_is(&f, "leases", "l", "1"));
    CHECK_INT(follow_rc(&f, "pods", revision - 1), 0);
    CHECK_INT(follow_rc(&f, "leases", 1), STORE_TOO_OLD);
    fixture_down(&f);
}

TEST(backend_sqlite, only_root_may_read_the_file)
{
    struct fixture f = { 0 };
    struct stat st;

    fixture_up(&f);
    create(&f, "a", "1");
    wait_done(&f, 1);
    CHECK_INT(stat(f.path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    CHECK_INT(stat(test_path("store.db-wal"), &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    fixture_down(&f);
    CHECK(!file_exists(test_path("store.db-wal"))); /* one file when closed */
    CHECK(!file_exists(test_path("store.db-new")));
}

static int64_t query(const char *path, const char *sql)
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

TEST(backend_sqlite, changes_in_the_file_are_bounded)
{
    struct fixture f = { .opts.ring_changes = 50 };
    uint64_t start;

    fixture_up(&f);
    start = store_revision(f.s);
    create(&f, "a", "1");
    wait_done(&f, 1);
    for (int i = 0; i < 1000; i++) {
        update(&f, "a", "2");
        if (i % 10 == 0)
            wait_done(&f, i);
    }
    wait_done(&f, 1001);
    fixture_restart(&f);
    CHECK_INT(follow_rc(&f, "pods", start), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", store_revision(f.s) - 49), 0);
    fixture_down(&f);
    CHECK(query(f.path, "SELECT count(*) FROM changes") <= 50 + 256 + 10);
}

TEST(backend_sqlite, file_shrinks_after_a_large_deletion)
{
    struct fixture f = { .opts.ring_changes = 10 };
    char *big = mem_zero(20001);
    char name[16];
    struct stat full, less;
    int n = 0;

    fixture_up(&f);
    memset(big, 'x', 20000);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        CHECK_INT(create(&f, name, big), STORE_OK);
        n++;
    }
    wait_done(&f, n);
    fixture_restart(&f);
    CHECK_INT(stat(f.path, &full), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        CHECK_INT(put(&f, STORE_DELETE, "pods", name, NULL, false), STORE_OK);
        n++;
    }
    wait_done(&f, n);
    CHECK_INT(create(&f, "a", "1"), STORE_OK);
    wait_done(&f, ++n);
    for (int i = 0; i < 4000; i++) {
        CHECK_INT(update(&f, "a", "1"), STORE_OK);
        if (i % 64 == 0)
            wait_done(&f, n);
        n++;
    }
    wait_done(&f, n);
    CHECK_INT(f.failed, 0);
    fixture_down(&f);
    CHECK_INT(stat(f.path, &less), 0);
    CHECK(less.st_size < full.st_size * 3 / 4);
    free(big);
}

/* --- lazy rows --- */

static int64_t log_size(void)
{
    struct stat st;

    return stat(test_path("store.db-wal"), &st) == 0 ? st.st_size : 0;
}

static void copy_file(const char *from, const char *to)
{
    cleanup(text_fini) struct text bytes = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(file_read(&bytes, test_path(from), 1 << 30, &err), 0);
    CHECK_INT(file_write_fast(test_path(to), bytes.data, bytes.len, 0600, &err), 0);
}

/* The file as a crash now would leave it. */
static void crash_copy(void)
{
    copy_file("store.db", "copy.db");
    copy_file("store.db-wal", "copy.db-wal");
}

TEST(backend_sqlite, lazy_rows_are_flushed_by_time)
{
    struct fixture f = { .lazy_flush_ms = 20 };
    struct fixture copy = { 0 };
    int64_t size;

    fixture_up(&f);
    create(&f, "a", "1");
    wait_done(&f, 1);
    size = log_size();
    put(&f, STORE_CREATE, "leases", "l", "1", true);
    CHECK(value_is(&f, "leases", "l", "1"));
    CHECK_SOON(&f.loop, log_size() > size, 5000);
    crash_copy();
    copy.path = test_path("copy.db");
    fixture_up(&copy);
    CHECK(value_is(&copy, "leases", "l", "1"));
    fixture_down(&copy);
    fixture_down(&f);
}

TEST(backend_sqlite, lazy_rows_a_crash_took_leave_no_revision_behind)
{
    struct fixture f = { 0 };
    struct fixture copy = { 0 };
    uint64_t durable, shown;

    fixture_up(&f);
    create(&f, "a", "1");
    wait_done(&f, 1);
    durable = store_revision(f.s);
    put(&f, STORE_CREATE, "leases", "l", "1", true);
    wait_done(&f, 2);
    shown = store_revision(f.s);
    CHECK(shown > durable);
    crash_copy();
    copy.path = test_path("copy.db");
    fixture_up(&copy);
    CHECK(value_is(&copy, "leases", "l", NULL));
    CHECK(value_is(&copy, "pods", "a", "1"));
    CHECK(store_revision(copy.s) >= shown);
    CHECK_INT(follow_rc(&copy, "leases", shown), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&copy, "pods", durable), 0);
    fixture_down(&copy);
    fixture_down(&f);
}

static void count_tick(void *arg)
{
    ++*(int *)arg;
}

TEST(backend_sqlite, idle_store_writes_nothing)
{
    struct fixture f = { .lazy_flush_ms = 5 };
    struct timer *timer;
    int64_t size;
    int ticks = 0;

    fixture_up(&f);
    create(&f, "a", "1");
    wait_done(&f, 1);
    size = log_size();
    timer = timer_new(&f.loop, count_tick, &ticks);
    timer_start(timer, 60); /* a dozen flush timers */
    CHECK_SOON(&f.loop, ticks > 0, 5000);
    CHECK_INT(log_size(), size);
    timer_close(timer);
    fixture_down(&f);
}

/* --- being killed --- */

struct victim {
    struct fixture f;
    int round, fd, next;
    char name[32], value[64];
};

static void victim_submit(struct victim *v);

static void victim_done(void *arg, int rc, const struct object *object, const struct err *err)
{
    struct victim *v = arg;
    int number = atoi(strrchr(object->name, '-') + 1);

    (void)err;
    if (rc != 0 || write(v->fd, &number, sizeof(number)) != sizeof(number))
        _exit(1);
    victim_submit(v);
}

static void victim_name(char name[32], char value[64], int round, int number)
{
    snprintf(name, 32, "round-%d-%d", round, number);
    snprintf(value, 64, "value of %d in round %d", number, round);
}

static void victim_submit(struct victim *v)
{
    cleanup(json_decrefpp) json_t *tree = json_object();
    struct store_write w = { .verb = STORE_CREATE, .bucket = "pods", .tree = tree };
    struct err err = ERR_EMPTY;

    victim_name(v->name, v->value, v->round, v->next++);
    json_put_str(tree, "metadata.name", v->name);
    json_put_str(tree, "spec.value", v->value);
    w.name = v->name;
    if (store_submit(v->f.s, &w, victim_done, v, NULL, &err) != STORE_OK)
        _exit(1);
}

/* Creates without end, eight at a time, and tells each that was acknowledged. */
static void victim_run(const char *path, int round, int fd)
{
    struct victim v = { .f.path = path, .round = round, .fd = fd };
    struct err err = ERR_EMPTY;

    if (uv_loop_init(&v.f.loop) != 0 || fixture_try_open(&v.f, &err) != 0)
        _exit(1);
    for (int i = 0; i < 8; i++)
        victim_submit(&v);
    uv_run(&v.f.loop, UV_RUN_DEFAULT);
    _exit(1);
}

/* Returns how many creates were acknowledged before the kill; their numbers run from 0. */
static int victim_kill(const char *path, int round, unsigned us)
{
    int fds[2], number, highest = -1, n = 0, status;
    pid_t pid;

    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        victim_run(path, round, fds[1]);
    close(fds[1]);
    CHECK_INT(read(fds[0], &number, sizeof(number)), sizeof(number));
    highest = number;
    n = 1;
    usleep(us);
    kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    while (read(fds[0], &number, sizeof(number)) == sizeof(number)) {
        CHECK_INT(number, highest + 1); /* told in the order of submits */
        highest = number;
        n++;
    }
    close(fds[0]);
    return n;
}

/* All of the acknowledged, then perhaps some of the eight under way, without a gap, and whole. */
static void victim_check(struct fixture *f, int round, int n_acked)
{
    char name[32], value[64];
    int n = 0;

    for (;; n++) {
        victim_name(name, value, round, n);
        if (!store_get(f->s, "pods", "", name))
            break;
        CHECK(value_is(f, "pods", name, value));
    }
    CHECK(n >= n_acked && n <= n_acked + 8 + 8);
}

TEST_TIMED(backend_sqlite, killed_at_any_moment_keeps_what_was_acknowledged, 60)
{
    enum { ROUNDS = 30 };
    int acked[ROUNDS];
    uint64_t revision = 0;
    size_t total = 0;

    for (int round = 0; round < ROUNDS; round++) {
        struct fixture f = { 0 };
        uint16_t random;

        bits_random(&random, sizeof(random));
        acked[round] = victim_kill(test_path("store.db"), round, random % 20000);
        fixture_up(&f);
        CHECK(store_revision(f.s) > revision);
        revision = store_revision(f.s);
        for (int i = 0; i <= round; i++)
            victim_check(&f, i, acked[i]);
        CHECK(store_count(f.s, "pods") >= total + (size_t)acked[round]);
        total = store_count(f.s, "pods");
        fixture_down(&f);
    }
}

/* --- refusing --- */

static void write_file(const char *name, const void *data, size_t len)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(file_write_fast(test_path(name), data, len, 0600, &err), 0);
}

static void hash_file(const char *name, char ret[BITS_SHA256_HEX])
{
    cleanup(text_fini) struct text bytes = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    ret[0] = '\0';
    if (file_read(&bytes, test_path(name), 1 << 30, &err) == 0)
        bits_sha256_hex(ret, bytes.data, bytes.len);
}

/* Refused with a message that names the file and holds @says, and nothing was written. */
static void check_refused(int code, const char *says)
{
    char before[2][BITS_SHA256_HEX], after[2][BITS_SHA256_HEX];
    struct fixture f = { 0 };
    struct err err = ERR_EMPTY;
    int rc;

    hash_file("store.db", before[0]);
    hash_file("store.db-wal", before[1]);
    fixture_prepare(&f);
    rc = fixture_try_open(&f, &err);
    if (!strstr(err.text, says))
        CHECK_STR(err.text, says);
    CHECK(strstr(err.text, f.path) != NULL);
    CHECK_INT(rc, code);
    loop_finish(&f.loop);
    hash_file("store.db", after[0]);
    hash_file("store.db-wal", after[1]);
    CHECK_STR(after[0], before[0]);
    if (before[1][0])
        CHECK_STR(after[1], before[1]);
}

static void make_store(int n)
{
    struct fixture f = { 0 };
    char name[16], value[600];

    fixture_up(&f);
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        create(&f, name, value);
    }
    wait_done(&f, n);
    fixture_down(&f);
}

static void make_raw(const char *sql)
{
    sqlite3 *db = NULL;

    CHECK_INT(sqlite3_open(test_path("store.db"), &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

TEST(backend_sqlite, what_is_no_database_is_refused)
{
    char text[200];

    memset(text, 'x', sizeof(text));
    write_file("store.db", text, sizeof(text));
    check_refused(ERR_CORRUPT, "is not a database");
    write_file("store.db", text, 5);
    check_refused(ERR_CORRUPT, "is not a database");
}

TEST(backend_sqlite, empty_file_is_refused)
{
    write_file("store.db", "", 0);
    check_refused(ERR_CORRUPT, "it is empty");
}

TEST(backend_sqlite, database_of_another_program_is_refused)
{
    make_raw("CREATE TABLE t (x); PRAGMA user_version = 1");
    check_refused(ERR_CORRUPT, "database of another program");
}

TEST(backend_sqlite, newer_file_is_refused)
{
    make_store(3);
    make_raw("PRAGMA user_version = 99");
    check_refused(ERR_CORRUPT, "newer program (format 99, this one knows up to 1)");
}

TEST(backend_sqlite, newer_version_in_the_log_is_seen)
{
    sqlite3 *db = NULL;

    make_store(3);
    CHECK_INT(sqlite3_open(test_path("store.db"), &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    CHECK_INT(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    CHECK(log_size() > 0);
    check_refused(ERR_CORRUPT, "newer program (format 99");
}

static void damage(size_t at, size_t len)
{
    int fd = open(test_path("store.db"), O_WRONLY | O_CLOEXEC);
    struct stat st;

    CHECK_INT(fstat(fd, &st), 0);
    CHECK(at + len <= (size_t)st.st_size);
    for (size_t i = 0; i < len; i++)
        CHECK_INT(pwrite(fd, "\xa5", 1, (off_t)(at + i)), 1);
    close(fd);
}

TEST(backend_sqlite, damaged_pages_are_refused)
{
    make_store(200);
    for (size_t page = 20; page < 30; page++)
        damage(4096 * page, 4096);
    check_refused(ERR_CORRUPT, "is damaged");
}

TEST(backend_sqlite, damaged_object_is_refused)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    create(&f, "a", "1");
    wait_done(&f, 1);
    fixture_down(&f);
    make_raw("UPDATE objects SET json = substr(json, 1, 20)");
    check_refused(ERR_CORRUPT, "is damaged");
}

TEST(backend_sqlite, truncated_file_is_refused)
{
    make_store(200);
    CHECK_INT(truncate(test_path("store.db"), 4096 * 10), 0);
    check_refused(ERR_CORRUPT, "is damaged");
}

TEST(backend_sqlite, log_without_its_file_is_refused)
{
    write_file("store.db-wal", "something", 9);
    check_refused(ERR_CORRUPT, "is missing but");
    CHECK(!file_exists(test_path("store.db")));
}

TEST(backend_sqlite, directory_is_refused)
{
    CHECK_INT(mkdir(test_path("store.db"), 0700), 0);
    check_refused(ERR_CORRUPT, "not a regular file");
}

TEST(backend_sqlite, missing_directory_is_told)
{
    struct fixture f = { .path = test_path("nowhere/store.db") };
    struct err err = ERR_EMPTY;

    fixture_prepare(&f);
    CHECK_INT(fixture_try_open(&f, &err), ERR_NOT_FOUND);
    CHECK(strstr(err.text, "nowhere") != NULL);
    loop_finish(&f.loop);
}

TEST(backend_sqlite, file_in_use_is_refused)
{
    int ready[2], status;
    char byte = 0;
    pid_t pid;

    make_store(3);
    CHECK_INT(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct fixture f = { .path = test_path("store.db") };
        struct err err = ERR_EMPTY;

        if (uv_loop_init(&f.loop) != 0 || fixture_try_open(&f, &err) != 0 ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    CHECK_INT(read(ready[0], &byte, 1), 1);
    check_refused(ERR_UNAVAILABLE, "in use by another process");
    kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    close(ready[0]);
    close(ready[1]);
    {
        struct fixture f = { 0 };

        fixture_up(&f); /* free again */
        CHECK_INT(store_count(f.s, "pods"), 3);
        fixture_down(&f);
    }
}

/* --- versions --- */

TEST(backend_sqlite, file_of_version_0_is_brought_up_to_date)
{
    struct fixture f = { 0 };

    make_raw("PRAGMA application_id = 0x6d6b7562; PRAGMA user_version = 0;"
             "CREATE TABLE scratch (x); DROP TABLE scratch");
    fixture_up(&f);
    create(&f, "a", "1");
    wait_done(&f, 1);
    CHECK_INT(f.failed, 0);
    fixture_restart(&f);
    CHECK(value_is(&f, "pods", "a", "1"));
    fixture_down(&f);
    CHECK_INT(query(f.path, "PRAGMA user_version"), 1);
}

static const char *const good_steps[] = {
    "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)",
    "ALTER TABLE t ADD COLUMN b; UPDATE t SET b = a * 10",
    "CREATE TABLE u AS SELECT sum(b) AS total FROM t",
};
static const char *const bad_steps[] = {
    "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)",
    "ALTER TABLE t ADD COLUMN b; UPDATE t SET b = a * 10",
    "CREATE TABLE u (x); INSERT INTO nowhere VALUES (1)",
};

static int open_steps(const char *const *steps, unsigned n, struct err *err)
{
    const struct sqlite_format format = { .application_id = 7, .steps = steps, .n_steps = n };
    cleanup(sqlite_file_closep) sqlite3 *db = NULL;
    int rc = sqlite_file_open(&db, test_path("t.db"), &format, err);

    if (rc == 0)
        sqlite_file_accept(db);
    return rc;
}

TEST(backend_sqlite, upgrade_takes_each_step_from_where_the_file_is)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(open_steps(good_steps, 1, &err), 0);
    CHECK_INT(open_steps(good_steps, 1, &err), 0);
    CHECK_INT(query(test_path("t.db"), "SELECT count(*) FROM t"), 2);
    CHECK_INT(open_steps(good_steps, 3, &err), 0);
    CHECK_INT(query(test_path("t.db"), "SELECT total FROM u"), 30);
    CHECK_INT(query(test_path("t.db"), "PRAGMA user_version"), 3);
    CHECK_INT(open_steps(good_steps, 2, &err), ERR_CORRUPT); /* the older program */
}

TEST(backend_sqlite, failed_upgrade_leaves_the_version_before_it)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(open_steps(bad_steps, 1, &err), 0);
    CHECK(open_steps(bad_steps, 3, &err) < 0);
    CHECK(strstr(err.text, "upgrade from format 2") != NULL);
    CHECK_INT(query(test_path("t.db"), "PRAGMA user_version"), 2);
    CHECK_INT(query(test_path("t.db"), "SELECT count(*) FROM sqlite_schema WHERE name = 'u'"), 0);
    CHECK_INT(open_steps(good_steps, 3, &err), 0);
}

TEST(backend_sqlite, failed_making_leaves_nothing)
{
    struct err err = ERR_EMPTY;

    CHECK(open_steps(bad_steps, 3, &err) < 0);
    CHECK(!file_exists(test_path("t.db")));
    CHECK(!file_exists(test_path("t.db-new")));
}

/* --- a full disk --- */

/* A small file system of our own, before any thread is there; false: not allowed to. */
static bool mount_small_disk(const char *dir)
{
    CHECK_INT(mkdir(dir, 0700), 0);
    if (unshare(CLONE_NEWNS) != 0)
        return false;
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_INT(mount("none", dir, "tmpfs", 0, "size=1m"), 0);
    return true;
}

static void fill_disk(const char *path)
{
    static const char block[4096];
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    while (write(fd, block, sizeof(block)) > 0)
        ;
    CHECK_INT(errno, ENOSPC);
    close(fd);
}

static void run_full_disk(void)
{
    struct fixture f = { .path = test_path("small/store.db") };
    const char *ballast = test_path("small/ballast");

    if (!mount_small_disk(test_path("small"))) {
        print_message("skipped: may not mount here\n");
        return;
    }
    fixture_up(&f);
    create(&f, "a", "1");
    wait_done(&f, 1);
    fill_disk(ballast);
    for (int i = 0; i < 100 && f.failed == 0; i++) {
        update(&f, "a", "2");
        wait_done(&f, f.acked + f.failed + 1);
    }
    CHECK_INT(f.rc, ERR_NOSPACE);
    CHECK(store_get(f.s, "pods", "", "a") != NULL); /* goes on serving reads */
    CHECK_INT(unlink(ballast), 0);
    update(&f, "a", "3");
    wait_done(&f, f.acked + f.failed + 1);
    CHECK_INT(f.rc, 0);
    fixture_restart(&f);
    CHECK(value_is(&f, "pods", "a", "3"));
    fixture_down(&f);
    CHECK_INT(umount(test_path("small")), 0);
}

/* Mounts need a process that has no thread yet, so that the test runs itself in one. */
TEST(backend_sqlite, full_disk_fails_the_batch_and_passes)
{
    int status;
    pid_t pid;

    if (getenv("TEST_SMALL_DISK")) {
        run_full_disk();
        return;
    }
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        setenv("TEST_SMALL_DISK", "1", 1);
        execl("/proc/self/exe", "test_backend_sqlite", "full_disk", NULL);
        _exit(127);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
