/* layer: storage */
#include "tests/unit/sqlite_fixture.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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

TEST(backend_sqlite, changes_in_the_file_are_bounded)
{
    struct fixture f = { .opts.ring_changes = 50 };
    uint64_t start;

    fixture_up(&f);
    start = store_revision(f.s);
    put(&f, STORE_CREATE, "nodes", "n", "1", false);
    create(&f, "a", "1");
    wait_done(&f, 2);
    for (int i = 0; i < 1000; i++) {
        update(&f, "a", "2");
        if (i % 10 == 0)
            wait_done(&f, i);
    }
    wait_done(&f, 1002);
    fixture_restart(&f);
    CHECK_INT(follow_rc(&f, "pods", start), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "nodes", start), STORE_TOO_OLD); /* its change is not in the file */
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

/* Stands before the C library's, so that what SQLite syncs can be counted. */
static atomic_int n_syncs;

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    n_syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

TEST(backend_sqlite, durable_batch_takes_one_sync_and_a_lazy_one_none)
{
    struct fixture f = { .lazy_flush_ms = 20 };
    int64_t size;

    fixture_up(&f);
    create(&f, "a", "1"); /* the first also makes the log */
    wait_done(&f, 1);
    n_syncs = 0;
    for (int i = 0; i < 5; i++) {
        update(&f, "a", "2");
        wait_done(&f, f.acked + 1);
    }
    CHECK_INT(n_syncs, 5);
    size = log_size();
    put(&f, STORE_CREATE, "leases", "l", "1", true);
    CHECK_SOON(&f.loop, log_size() > size, 5000);
    CHECK_INT(n_syncs, 5);
    update(&f, "a", "3"); /* durable again */
    wait_done(&f, f.acked + 1);
    CHECK_INT(n_syncs, 6);
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
static void victim_run(const char *what)
{
    char path[4096];
    struct victim v = { .f.path = path };
    struct err err = ERR_EMPTY;

    if (sscanf(what, "%d %d %4095s", &v.round, &v.fd, path) != 3)
        _exit(1);
    if (uv_loop_init(&v.f.loop) != 0 || fixture_try_open(&v.f, &err) != 0)
        _exit(1);
    for (int i = 0; i < 8; i++)
        victim_submit(&v);
    uv_run(&v.f.loop, UV_RUN_DEFAULT);
    _exit(1);
}

/* Returns how many creates were acknowledged before the kill; their numbers run from 0. */
static int victim_kill(int round, unsigned us)
{
    cleanup(freep) char *what = NULL;
    int fds[2], number, n = 0, status;
    pid_t pid;

    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    CHECK_INT(fcntl(fds[1], F_SETFD, 0), 0);
    what = mem_fmt("%d %d %s", round, fds[1], test_path("store.db"));
    pid = run_again("killed_at_any_moment", what);
    close(fds[1]);
    while (read(fds[0], &number, sizeof(number)) == sizeof(number)) {
        CHECK_INT(number, n); /* told in the order of submits */
        if (n++ > 0)
            continue;
        usleep(us);
        CHECK_INT(kill(pid, SIGKILL), 0);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && n > 0);
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

    if (getenv("TEST_CHILD"))
        victim_run(getenv("TEST_CHILD"));
    for (int round = 0; round < ROUNDS; round++) {
        struct fixture f = { 0 };
        uint16_t random;

        bits_random(&random, sizeof(random));
        acked[round] = victim_kill(round, random % 20000);
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

    if (getenv("TEST_CHILD")) {
        run_full_disk();
        return;
    }
    CHECK(waitpid(run_again("full_disk", "1"), &status, 0) > 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
