/* layer: base */
#include "tests/lib/test.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEST_MAX_PATHS 64

static struct {
    struct test_case *first, **last;
    const struct test_case *running;
    char dir[64];
    char *paths[TEST_MAX_PATHS];
    unsigned n_paths;
} tests;

void test_register(struct test_case *t)
{
    if (!tests.last)
        tests.last = &tests.first;
    *tests.last = t;
    tests.last = &t->next;
}

/* --- checks --- */

void test_failed(const char *expr, const char *file, int line)
{
    print_error("%s does not hold\n", expr);
    _fail(file, line);
    abort();
}

void test_check_int(long long have, long long want, const char *expr, const char *file, int line)
{
    if (have == want)
        return;
    print_error("%s is %lld, expected %lld\n", expr, have, want);
    _fail(file, line);
}

void test_check_str(const char *have, const char *want, const char *expr, const char *file,
                    int line)
{
    if (have == want || (have && want && strcmp(have, want) == 0))
        return;
    print_error("%s is\n  \"%s\", expected\n  \"%s\"\n", expr, have ? have : "(null)",
                want ? want : "(null)");
    _fail(file, line);
}

/* --- the loop --- */

static void test_on_time(uv_timer_t *timer)
{
    (void)timer;
}

static void test_on_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

bool test_turn(uv_loop_t *loop, uint64_t until_ms)
{
    uint64_t now = uv_hrtime() / 1000000;
    bool closed = false;
    uv_timer_t timer;

    if (now >= until_ms)
        return false;
    uv_update_time(loop);
    uv_timer_init(loop, &timer);
    timer.data = &closed;
    uv_timer_start(&timer, test_on_time, until_ms - now, 0);
    uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, test_on_closed);
    while (!closed)
        uv_run(loop, UV_RUN_NOWAIT);
    return true;
}

/* --- scratch files --- */

const char *test_dir(void)
{
    if (tests.dir[0])
        return tests.dir;
    strcpy(tests.dir, "/tmp/mkube-test-XXXXXX");
    if (!mkdtemp(tests.dir)) {
        perror("mkdtemp");
        exit(2);
    }
    return tests.dir;
}

const char *test_path(const char *name)
{
    char *path = NULL;

    if (tests.n_paths == TEST_MAX_PATHS || asprintf(&path, "%s/%s", test_dir(), name) < 0)
        abort();
    tests.paths[tests.n_paths++] = path;
    return path;
}

static int test_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void test_remove_scratch(void)
{
    if (tests.dir[0])
        nftw(tests.dir, test_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    tests.dir[0] = '\0';
    while (tests.n_paths > 0)
        free(tests.paths[--tests.n_paths]);
}

/* --- running --- */

static int test_up(void **state)
{
    tests.running = *state;
    alarm((unsigned)(tests.running->seconds ? tests.running->seconds : TEST_SECONDS));
    return 0;
}

static int test_down(void **state)
{
    (void)state;
    alarm(0);
    test_remove_scratch();
    return 0;
}

static void test_run(void **state)
{
    const struct test_case *t = *state;

    t->run();
}

static void test_on_alarm(int signum)
{
    static const char text[] = "timed out: ";
    const char *name = tests.running ? tests.running->name : "?";

    (void)signum;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
        write(STDERR_FILENO, name, strlen(name)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
        _exit(4);
    _exit(3);
}

static bool test_wanted(const char *name, int argc, char **argv)
{
    if (argc < 2)
        return true;
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]))
            return true;
    return false;
}

int test_main(int argc, char **argv)
{
    struct CMUnitTest *list = NULL;
    size_t n = 0, room = 0;
    int failed;

    signal(SIGALRM, test_on_alarm);
    signal(SIGPIPE, SIG_IGN);
    for (struct test_case *t = tests.first; t; t = t->next) {
        char *name = NULL;

        if (asprintf(&name, "%s: %s", t->module, t->name) < 0)
            abort();
        if (!test_wanted(name, argc, argv)) {
            free(name);
            continue;
        }
        if (n == room) {
            room = room ? 2 * room : 64;
            list = realloc(list, room * sizeof(*list));
            if (!list)
                abort();
        }
        list[n++] = (struct CMUnitTest){ name, test_run, test_up, test_down, t };
    }
    failed = _cmocka_run_group_tests(argv[0], list, n, NULL, NULL);
    printf("%zu passed, %d failed\n", n - (size_t)failed, failed);
    fflush(stdout);
    if (failed)
        _exit(1); /* a test that ended early leaks; no report of that on top */
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)list[i].name);
    free(list);
    return 0;
}
