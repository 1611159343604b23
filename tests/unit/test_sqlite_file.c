/* layer: storage */
#include "tests/unit/sqlite_fixture.h"

#include "base/bits.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

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

TEST(sqlite_file, what_is_no_database_is_refused)
{
    char text[200];

    memset(text, 'x', sizeof(text));
    write_file("store.db", text, sizeof(text));
    check_refused(ERR_CORRUPT, "is not a database");
    write_file("store.db", text, 5);
    check_refused(ERR_CORRUPT, "is not a database");
}

TEST(sqlite_file, empty_file_is_refused)
{
    write_file("store.db", "", 0);
    check_refused(ERR_CORRUPT, "it is empty");
}

TEST(sqlite_file, database_of_another_program_is_refused)
{
    make_raw("CREATE TABLE t (x); PRAGMA user_version = 1");
    check_refused(ERR_CORRUPT, "database of another program");
}

TEST(sqlite_file, newer_file_is_refused)
{
    make_store(3);
    make_raw("PRAGMA user_version = 99");
    check_refused(ERR_CORRUPT, "newer program (format 99, this one knows up to 2)");
}

/* Runs @sql and leaves it in the log, as a crash does. */
static void make_log(const char *sql)
{
    sqlite3 *db = NULL;

    CHECK_INT(sqlite3_open(test_path("store.db"), &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    CHECK(log_size() > 0);
}

TEST(sqlite_file, newer_version_in_the_log_is_seen)
{
    make_store(3);
    make_log("PRAGMA user_version = 99");
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

TEST(sqlite_file, damaged_pages_are_refused)
{
    make_store(200);
    for (size_t page = 20; page < 30; page++)
        damage(4096 * page, 4096);
    check_refused(ERR_CORRUPT, "is damaged");
}

/* Loading reads no index; after a crash the whole file is looked over. */
TEST(sqlite_file, damaged_index_is_refused_after_a_crash)
{
    int64_t page;

    make_store(200);
    page = query(test_path("store.db"),
                 "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_objects_1'");
    damage(4096 * (size_t)(page - 1), 4096);
    make_log("UPDATE meta SET ceiling = ceiling + 1");
    check_refused(ERR_CORRUPT, "is damaged");
}

TEST(sqlite_file, damaged_object_is_refused)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    create(&f, "a", "1");
    wait_done(&f, 1);
    fixture_down(&f);
    make_raw("UPDATE objects SET json = substr(json, 1, 20)");
    check_refused(ERR_CORRUPT, "is damaged");
}

TEST(sqlite_file, truncated_file_is_refused)
{
    make_store(200);
    CHECK_INT(truncate(test_path("store.db"), 4096 * 10), 0);
    check_refused(ERR_CORRUPT, "is damaged");
}

TEST(sqlite_file, log_without_its_file_is_refused)
{
    write_file("store.db-wal", "something", 9);
    check_refused(ERR_CORRUPT, "is missing but");
    CHECK(!file_exists(test_path("store.db")));
}

TEST(sqlite_file, directory_is_refused)
{
    CHECK_INT(mkdir(test_path("store.db"), 0700), 0);
    check_refused(ERR_CORRUPT, "not a regular file");
}

TEST(sqlite_file, missing_directory_is_told)
{
    struct fixture f = { .path = test_path("nowhere/store.db") };
    struct err err = ERR_EMPTY;

    fixture_prepare(&f);
    CHECK_INT(fixture_try_open(&f, &err), ERR_NOT_FOUND);
    CHECK(strstr(err.text, "nowhere") != NULL);
    loop_finish(&f.loop);
}

/* Holds the store open until killed. */
static void hold(const char *what)
{
    char path[4096];
    struct fixture f = { .path = path };
    int fd;

    CHECK_INT(sscanf(what, "%d %4095s", &fd, path), 2);
    fixture_up(&f);
    CHECK_INT(write(fd, "x", 1), 1);
    pause();
}

TEST(sqlite_file, file_in_use_is_refused)
{
    cleanup(freep) char *what = NULL;
    struct fixture f = { 0 };
    int ready[2], status;
    char byte = 0;
    pid_t pid;

    if (getenv("TEST_CHILD"))
        hold(getenv("TEST_CHILD"));
    make_store(3);
    CHECK_INT(pipe2(ready, O_CLOEXEC), 0);
    CHECK_INT(fcntl(ready[1], F_SETFD, 0), 0);
    what = mem_fmt("%d %s", ready[1], test_path("store.db"));
    pid = run_again("file_in_use", what);
    close(ready[1]);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    check_refused(ERR_UNAVAILABLE, "in use by another process");
    kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    close(ready[0]);
    fixture_up(&f); /* free again */
    CHECK_INT(store_count(f.s, "pods"), 3);
    fixture_down(&f);
}

/* --- versions --- */

TEST(sqlite_file, file_of_version_0_is_brought_up_to_date)
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
    CHECK_INT(query(f.path, "PRAGMA user_version"), 2);
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

TEST(sqlite_file, upgrade_takes_each_step_from_where_the_file_is)
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

TEST(sqlite_file, failed_upgrade_leaves_the_version_before_it)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(open_steps(bad_steps, 1, &err), 0);
    CHECK(open_steps(bad_steps, 3, &err) < 0);
    CHECK(strstr(err.text, "upgrade from format 2") != NULL);
    CHECK_INT(query(test_path("t.db"), "PRAGMA user_version"), 2);
    CHECK_INT(query(test_path("t.db"), "SELECT count(*) FROM sqlite_schema WHERE name = 'u'"), 0);
    CHECK_INT(open_steps(good_steps, 3, &err), 0);
}

TEST(sqlite_file, failed_making_leaves_nothing)
{
    struct err err = ERR_EMPTY;

    CHECK(open_steps(bad_steps, 3, &err) < 0);
    CHECK(!file_exists(test_path("t.db")));
    CHECK(!file_exists(test_path("t.db-new")));
}
