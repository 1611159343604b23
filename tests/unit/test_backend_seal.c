/* layer: storage */
#include "tests/unit/sqlite_fixture.h"

#include "base/bits.h"
#include "storage/seal.h"

#include <signal.h>
#include <sys/wait.h>

#define N_SECRETS 200

struct sealed {
    struct fixture f;
    struct seal *seal;
    struct store_backend *backend;
    bool done;
    int rc;
    char db[256], keys[256];
};

static int sealed_try_up(struct sealed *s, const char *path, const char *keys, struct err *err)
{
    int rc;

    s->f.path = path;
    CHECK_INT(uv_loop_init(&s->f.loop), 0);
    rc = seal_new(&s->seal, keys, err);
    if (rc == 0)
        rc = backend_sqlite_open(&s->backend, &s->f.loop, path, err);
    if (rc < 0)
        return rc;
    backend_sqlite_seal(s->backend, s->seal);
    rc = store_open(&s->f.s, s->backend, &s->f.opts, err);
    return rc < 0 ? rc : seal_ensure(s->seal, err);
}

static void sealed_up(struct sealed *s)
{
    struct err err = ERR_EMPTY;
    int rc;

    snprintf(s->db, sizeof(s->db), "%s/store.db", test_dir());
    snprintf(s->keys, sizeof(s->keys), "%s/secrets.key", test_dir());
    rc = sealed_try_up(s, s->db, s->keys, &err);
    CHECK_STR(err.text, "");
    CHECK_INT(rc, 0);
}

static void sealed_down(struct sealed *s)
{
    fixture_down(&s->f);
    s->seal = seal_free(s->seal);
}

static void sealed_on_done(void *arg, int rc, const struct err *err)
{
    struct sealed *s = arg;

    (void)err;
    s->done = true;
    s->rc = rc;
}

static void reseal(struct sealed *s, bool rotate)
{
    s->done = false;
    backend_sqlite_reseal(s->backend, rotate, sealed_on_done, s);
    CHECK_SOON(&s->f.loop, s->done, 20000);
    CHECK_INT(s->rc, 0);
}

static void put_secret(struct sealed *s, enum store_verb verb, const char *name, const char *value)
{
    CHECK_INT(put(&s->f, verb, SEAL_BUCKET, name, value, false), STORE_OK);
}

static bool files_hold(const char *what)
{
    static const char *const names[] = { "store.db", "store.db-wal", "store.db-journal" };
    bool found = false;

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;
        cleanup(freep) char *path = mem_fmt("%s/%s", test_dir(), names[i]);
        struct err err = ERR_EMPTY;

        if (file_read(&t, path, 1 << 30, &err) == 0)
            found = found || memmem(t.data, t.len, what, strlen(what)) != NULL;
    }
    return found;
}

TEST(backend_seal, secrets_are_sealed_and_others_are_not)
{
    struct sealed s = { 0 };

    sealed_up(&s);
    put_secret(&s, STORE_CREATE, "a", "hunter2");
    put_secret(&s, STORE_UPDATE, "a", "hunter3");
    create(&s.f, "p", "plain-to-see");
    wait_done(&s.f, 3);
    CHECK(!files_hold("hunter") && files_hold("plain-to-see"));
    sealed_down(&s);
    CHECK(!files_hold("hunter") && files_hold("plain-to-see"));
    s = (struct sealed){ 0 };
    sealed_up(&s);
    CHECK(value_is(&s.f, SEAL_BUCKET, "a", "hunter3"));
    CHECK(value_is(&s.f, "pods", "p", "plain-to-see"));
    sealed_down(&s);
}

/* As a program before sealing left it: rows, changes, free pages. */
static void make_plain(void)
{
    struct fixture f = { 0 };
    char name[16];
    static const char secret[] = { 'h', 'u', 'n', 't', 'e', 'r', '2' };
    cleanup(freep) char *big = mem_zero(9001);

    memset(big, 'x', 9000);
    memcpy(big + 4500, secret, sizeof(secret));
    fixture_up(&f);
    for (int i = 0; i < N_SECRETS; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        CHECK_INT(put(&f, STORE_CREATE, SEAL_BUCKET, name, i % 10 == 0 ? big : "hunter2", false),
                  STORE_OK);
    }
    for (int i = 0; i < N_SECRETS; i += 2) {
        snprintf(name, sizeof(name), "s%d", i);
        CHECK_INT(put(&f, STORE_DELETE, SEAL_BUCKET, name, NULL, false), STORE_OK);
    }
    wait_done(&f, N_SECRETS * 3 / 2);
    CHECK_INT(f.failed, 0);
    fixture_down(&f);
    CHECK(files_hold("hunter2"));
}

static void check_plain_ones(struct sealed *s)
{
    char name[16];

    for (int i = 1; i < N_SECRETS; i += 2) {
        snprintf(name, sizeof(name), "s%d", i);
        CHECK(value_is(&s->f, SEAL_BUCKET, name, "hunter2"));
    }
    CHECK_INT(store_count(s->f.s, SEAL_BUCKET), N_SECRETS / 2);
}

TEST(backend_seal, nothing_is_left_of_plain_secrets_after_an_upgrade)
{
    struct sealed s = { 0 };

    make_plain();
    sealed_up(&s);
    check_plain_ones(&s);
    reseal(&s, false);
    CHECK(!files_hold("hunter2"));
    put_secret(&s, STORE_UPDATE, "s1", "hunter2");
    wait_done(&s.f, 1);
    CHECK(!files_hold("hunter2"));
    sealed_down(&s);
    CHECK(!files_hold("hunter2"));
    s = (struct sealed){ 0 };
    sealed_up(&s);
    check_plain_ones(&s);
    CHECK_INT(follow_rc(&s.f, SEAL_BUCKET, 2), 0); /* changes are there, too */
    sealed_down(&s);
}

TEST(backend_seal, without_its_key_a_store_is_refused_and_left_alone)
{
    struct sealed s = { 0 };
    struct err err = ERR_EMPTY;

    sealed_up(&s);
    put_secret(&s, STORE_CREATE, "a", "hunter2");
    wait_done(&s.f, 1);
    sealed_down(&s);
    s = (struct sealed){ 0 };
    CHECK_INT(sealed_try_up(&s, test_path("store.db"), test_path("other.key"), &err),
              ERR_NOT_FOUND);
    CHECK(strstr(err.text, test_path("other.key")) != NULL);
    CHECK(!file_exists(test_path("other.key")));
    loop_finish(&s.f.loop);
    seal_free(s.seal);
    s = (struct sealed){ 0 };
    sealed_up(&s);
    CHECK(value_is(&s.f, SEAL_BUCKET, "a", "hunter2"));
    sealed_down(&s);
}

TEST(backend_seal, records_that_changed_places_are_refused)
{
    struct sealed s = { 0 };
    struct err err = ERR_EMPTY;

    sealed_up(&s);
    put_secret(&s, STORE_CREATE, "a", "of-a");
    put_secret(&s, STORE_CREATE, "b", "of-b");
    wait_done(&s.f, 2);
    sealed_down(&s);
    query(test_path("store.db"),
          "UPDATE objects SET json = (SELECT json FROM objects WHERE name = 'b')"
          " WHERE name = 'a' RETURNING 1");
    s = (struct sealed){ 0 };
    CHECK_INT(sealed_try_up(&s, test_path("store.db"), test_path("secrets.key"), &err),
              ERR_CORRUPT);
    CHECK(strstr(err.text, "altered or moved") != NULL);
    loop_finish(&s.f.loop);
    seal_free(s.seal);
}

TEST(backend_seal, rotation_goes_on_under_writes_and_drops_the_old_key)
{
    struct sealed s = { 0 };
    char before[SEAL_ID_HEX], after[SEAL_ID_HEX];
    char name[16];
    int n = 0;

    sealed_up(&s);
    for (; n < N_SECRETS; n++) {
        snprintf(name, sizeof(name), "s%d", n);
        put_secret(&s, STORE_CREATE, name, "1");
    }
    wait_done(&s.f, n);
    reseal(&s, false);
    seal_active_id(s.seal, before);
    s.done = false;
    backend_sqlite_reseal(s.backend, true, sealed_on_done, &s);
    while (!s.done) {
        put_secret(&s, STORE_UPDATE, "s7", "2");
        wait_done(&s.f, ++n);
        CHECK(n < 10000);
    }
    CHECK_INT(s.rc, 0);
    CHECK(n > N_SECRETS + 2); /* writes had their turns */
    seal_active_id(s.seal, after);
    CHECK(!str_eq(before, after));
    CHECK_INT(seal_n_keys(s.seal), 1);
    sealed_down(&s);
    s = (struct sealed){ 0 };
    sealed_up(&s);
    CHECK_INT(seal_n_keys(s.seal), 1);
    CHECK(value_is(&s.f, SEAL_BUCKET, "s7", "2"));
    CHECK(value_is(&s.f, SEAL_BUCKET, "s199", "1"));
    CHECK_INT(store_count(s.f.s, SEAL_BUCKET), N_SECRETS);
    sealed_down(&s);
}

TEST(backend_seal, closing_during_a_rotation_leaves_it_for_the_next_start)
{
    struct sealed s = { 0 };
    char name[16];

    sealed_up(&s);
    for (int i = 0; i < N_SECRETS; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        put_secret(&s, STORE_CREATE, name, "1");
    }
    wait_done(&s.f, N_SECRETS);
    backend_sqlite_reseal(s.backend, true, sealed_on_done, &s);
    fixture_close(&s.f);
    CHECK(s.done);
    CHECK_INT(s.rc, ERR_CANCELED);
    sealed_down(&s);
    s = (struct sealed){ 0 };
    sealed_up(&s);
    CHECK_INT(seal_n_keys(s.seal), 2);
    reseal(&s, false);
    CHECK_INT(seal_n_keys(s.seal), 1);
    CHECK_INT(store_count(s.f.s, SEAL_BUCKET), N_SECRETS);
    sealed_down(&s);
}

/* Rotates without end until it is killed. */
static void rotate_forever(const char *what)
{
    struct sealed s = { 0 };
    struct err err = ERR_EMPTY;
    char path[2048], keys[2048];
    int fd;

    if (sscanf(what, "%d %2047s %2047s", &fd, path, keys) != 3 ||
        sealed_try_up(&s, path, keys, &err) != 0)
        _exit(1);
    for (int i = 0; i < 10000; i++) {
        s.done = false;
        if (seal_n_keys(s.seal) < SEAL_KEYS)
            backend_sqlite_reseal(s.backend, true, sealed_on_done, &s);
        else
            backend_sqlite_reseal(s.backend, false, sealed_on_done, &s);
        if (i == 0 && write(fd, "g", 1) != 1)
            _exit(1);
        while (!s.done)
            uv_run(&s.f.loop, UV_RUN_ONCE);
        if (s.rc < 0)
            _exit(2);
    }
    _exit(1);
}

static void kill_a_rotation(void)
{
    cleanup(freep) char *what = NULL;
    int fds[2], status;
    uint16_t random;
    char go;
    pid_t pid;

    bits_random(&random, sizeof(random));
    CHECK_INT(pipe(fds), 0);
    what = mem_fmt("%d %s/store.db %s/secrets.key", fds[1], test_dir(), test_dir());
    pid = run_again("killed_at_any_step", what);
    close(fds[1]);
    CHECK_INT(read(fds[0], &go, 1), 1);
    usleep(random % 15000);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    close(fds[0]);
}

TEST_TIMED(backend_seal, a_rotation_killed_at_any_step_loses_no_secret, 60)
{
    struct sealed s = { 0 };

    if (getenv("TEST_CHILD"))
        rotate_forever(getenv("TEST_CHILD"));
    make_plain();
    for (int round = 0; round < 20; round++) {
        kill_a_rotation();
        s = (struct sealed){ 0 };
        sealed_up(&s);
        check_plain_ones(&s);
        sealed_down(&s);
    }
    s = (struct sealed){ 0 };
    sealed_up(&s);
    reseal(&s, false);
    CHECK_INT(seal_n_keys(s.seal), 1);
    CHECK(!files_hold("hunter2"));
    check_plain_ones(&s);
    sealed_down(&s);
}
