/* test: cmocka with self-registration and a time limit per test.
 *
 *   TEST(store, stale_revision_is_refused)
 *   {
 *       CHECK(store_update(...) == STORE_STALE);
 *   }
 *
 * A test file starts with its layer, which decides what it is linked with, and brings no
 * main().  See CONTRIBUTING.md.
 * A test program takes parts of names as arguments and then runs only those:
 * build/unit/test_store stale
 */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

struct test_case {
    const char *module;
    const char *name;
    void (*run)(void);
    int seconds; /* 0 = TEST_SECONDS */
    struct test_case *next;
};

#define TEST_SECONDS 30

void test_register(struct test_case *t);
/* Runs the registered tests whose names hold one of the arguments; the exit code. */
int test_main(int argc, char **argv);

#define TEST(module, name) TEST_TIMED(module, name, 0)
/* The same for a test that may take longer than TEST_SECONDS. */
#define TEST_TIMED(module_, name_, seconds_)                                         \
    static void test_##module_##_##name_(void);                                      \
    __attribute__((constructor)) static void test_register_##module_##_##name_(void) \
    {                                                                                \
        static struct test_case t = { .module = #module_,                            \
                                      .name = #name_,                                \
                                      .run = test_##module_##_##name_,               \
                                      .seconds = (seconds_) };                       \
        test_register(&t);                                                           \
    }                                                                                \
    static void test_##module_##_##name_(void)

/* Each ends the test when it does not hold and tells file and line. */
#define CHECK(expr) ((expr) ? (void)0 : test_failed(#expr, __FILE__, __LINE__))
#define CHECK_INT(have, want) \
    test_check_int((long long)(have), (long long)(want), #have, __FILE__, __LINE__)
#define CHECK_STR(have, want) test_check_str((have), (want), #have, __FILE__, __LINE__)

_Noreturn void test_failed(const char *expr, const char *file, int line);
void test_check_int(long long have, long long want, const char *expr, const char *file, int line);
void test_check_str(const char *have, const char *want, const char *expr, const char *file,
                    int line);

/* Runs the loop until @cond holds; fails the test when it does not within @ms. */
#define CHECK_SOON(loop, cond, ms)                                \
    do {                                                          \
        uint64_t until_ = uv_hrtime() / 1000000 + (uint64_t)(ms); \
        while (!(cond) && test_turn((loop), until_))              \
            ;                                                     \
        if (!(cond))                                              \
            test_failed(#cond " (soon)", __FILE__, __LINE__);     \
    } while (0)
/* One turn of the loop, waiting at most until @until_ms (uv_hrtime in ms); false once past. */
bool test_turn(uv_loop_t *loop, uint64_t until_ms);

/* A fresh directory for this test, removed with all in it when the test ends; borrowed. */
const char *test_dir(void);
/* "<test_dir>/<name>", borrowed until the test ends. */
const char *test_path(const char *name);

#endif
