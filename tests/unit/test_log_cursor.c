/* layer: nodeagent */
#include "base/file.h"
#include "base/mem.h"
#include "nodeagent/log_cursor.h"
#include "nodeagent/log_line.h"
#include "nodeagent/log_rotate.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define T1 "2026-11-21T01:00:01.000000000+00:00"
#define T2 "2026-11-21T01:00:02.000000000+00:00"
#define T3 "2026-11-21T01:00:03.000000000+00:00"
/* as clients are told */
#define Z2 "2026-11-21T01:00:02.000000000Z"
#define Z3 "2026-11-21T01:00:03.000000000Z"

static void write_file(const char *path, const char *text)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(file_write_fast(path, text, strlen(text), 0600, &err), 0);
}

static void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static struct log_cursor *begin(const char *path, struct log_query q)
{
    struct log_cursor *c = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(log_cursor_new(&c, path, &q, &err), 0);
    return c;
}

static char *rest(struct log_cursor *c, int *ret_state)
{
    struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    do
        *ret_state = log_cursor_read(c, &t, &err);
    while (*ret_state == LOG_MORE);
    return text_take(&t);
}

static void check_log(const char *path, struct log_query q, const char *want, int state)
{
    struct log_cursor *c = begin(path, q);
    int have_state;
    cleanup(freep) char *have = rest(c, &have_state);

    CHECK_STR(have, want);
    CHECK_INT(have_state, state);
    log_cursor_free(c);
}

#define ALL                                 \
    {                                       \
        .tail_lines = -1, .limit_bytes = -1 \
    }

TEST(log_cursor, joins_partial_lines_and_answers_the_query)
{
    const char *path = test_path("0.log");

    write_file(path, T1 " stdout F one\n" T2 " stderr P tw\n" T2 " stderr F o\n" T3
                        " stdout F \n" T3 " stdout F three\n");
    check_log(path, (struct log_query)ALL, "one\ntwo\n\nthree\n", LOG_AT_END);
    check_log(path, (struct log_query){ .tail_lines = 2, .limit_bytes = -1 }, "\nthree\n",
              LOG_AT_END);
    check_log(path, (struct log_query){ .tail_lines = 0, .limit_bytes = -1 }, "", LOG_AT_END);
    check_log(path, (struct log_query){ .tail_lines = -1, .limit_bytes = 5 }, "one\nt", LOG_LIMIT);
    check_log(path, (struct log_query){ .tail_lines = 3, .limit_bytes = -1, .timestamps = true },
              Z2 " two\n" Z3 " \n" Z3 " three\n", LOG_AT_END);
    check_log(path,
              (struct log_query){ .tail_lines = -1, .limit_bytes = -1, .since_ms = 1795222802000 },
              "two\n\nthree\n", LOG_AT_END);
}

TEST(log_cursor, follows_growth_and_rotation_without_losing_a_line)
{
    const char *path = test_path("0.log"), *old = test_path("0.log.1");
    struct log_cursor *c;
    int state;

    write_file(path, T1 " stdout F one\n");
    c = begin(path, (struct log_query)ALL);
    cleanup(freep) char *a = rest(c, &state);
    CHECK_STR(a, "one\n");
    append(path, T1 " stdout F two\n" T1 " stdout F half");
    cleanup(freep) char *b = rest(c, &state);
    CHECK_STR(b, "two\n");
    append(path, "way\n");
    CHECK_INT(rename(path, old), 0);
    write_file(path, T2 " stdout F three\n");
    cleanup(freep) char *d = rest(c, &state);
    CHECK_STR(d, "halfway\nthree\n");
    CHECK_INT(state, LOG_AT_END);
    log_cursor_free(c);
    check_log(path, (struct log_query)ALL, "one\ntwo\nhalfway\nthree\n", LOG_AT_END);
    check_log(path, (struct log_query){ .tail_lines = 2, .limit_bytes = -1 }, "halfway\nthree\n",
              LOG_AT_END);
}

TEST(log_cursor, no_file_is_not_found)
{
    struct log_cursor *c = NULL;
    struct log_query q = ALL;
    struct err err = ERR_EMPTY;

    CHECK_INT(log_cursor_new(&c, test_path("none.log"), &q, &err), ERR_NOT_FOUND);
}

TEST(log_rotate, keeps_so_many_old_parts)
{
    const char *path = test_path("0.log");

    for (int i = 0; i < LOG_ROTATE_OLD + 2; i++) {
        cleanup(freep) char *mark = mem_fmt("part %d\n", i);
        cleanup(freep) char *big = mem_zero(LOG_ROTATE_BYTES + 1);

        CHECK(!log_rotate(path));
        memset(big, 'x', LOG_ROTATE_BYTES);
        append(path, mark);
        append(path, big);
        CHECK(log_rotate(path));
        CHECK(!file_exists(path));
    }
    for (int i = 1; i <= LOG_ROTATE_OLD + 1; i++) {
        cleanup(freep) char *part = mem_fmt("%s.%d", path, i);

        CHECK_INT(file_exists(part), i <= LOG_ROTATE_OLD);
    }
    log_rotate_remove(path);
    for (int i = 1; i <= LOG_ROTATE_OLD; i++) {
        cleanup(freep) char *part = mem_fmt("%s.%d", path, i);

        CHECK(!file_exists(part));
    }
}

TEST(log_line, refuses_what_is_not_in_the_form)
{
    static const char *const bad[] = { "",
                                       "x",
                                       T1,
                                       T1 " stdout",
                                       T1 " stdout X a",
                                       T1 " stdall F a",
                                       T1 " stdout Fa",
                                       "short stdout F a" };
    struct log_line l;

    for (size_t i = 0; i < N_ELEMENTS(bad); i++)
        CHECK(!log_line_parse(&l, bad[i], strlen(bad[i])));
    CHECK(log_line_parse(&l, T1 " stdout F", strlen(T1 " stdout F")) && l.text_len == 0 &&
          l.is_whole);
    CHECK(log_line_parse(&l, T1 " stderr P  a", strlen(T1 " stderr P  a")) && l.text_len == 2 &&
          l.is_stderr);
}
