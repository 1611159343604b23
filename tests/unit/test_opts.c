/* layer: client */
#include "client/opts.h"

#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

struct flags {
    bool quiet, tty, in;
    const char *dir;
    int64_t n;
    struct opt_list list;
    int rc, n_operands;
    char *argv[16];
    struct err err;
};

/* @line is split at blanks; the pieces live in @buffer. */
static void parse(struct flags *f, char *buffer, const char *line)
{
    const struct opt table[] = {
        { "quiet", 'q', OPT_FLAG, &f->quiet, NULL, "say little" },
        { "tty", 't', OPT_FLAG, &f->tty, NULL, "a terminal" },
        { "stdin", 'i', OPT_FLAG, &f->in, NULL, "input" },
        { "dir", 'd', OPT_TEXT, &f->dir, "DIR", "where" },
        { "number", 'n', OPT_NUMBER, &f->n, "N", "how many" },
        { "item", 0, OPT_LIST, &f->list, "X", "may be repeated" },
        { .name = NULL },
    };
    char *save = NULL;
    int argc = 0;

    memset(f, 0, sizeof(*f));
    strcpy(buffer, line);
    for (char *s = strtok_r(buffer, " ", &save); s != NULL; s = strtok_r(NULL, " ", &save))
        f->argv[argc++] = s;
    f->rc = opts_parse(table, argc, f->argv, &f->n_operands, &f->err);
}

TEST(opts, forms_of_flags)
{
    struct flags f;
    char buffer[256];

    parse(&f, buffer, "one --dir /a -q --number=-5 two --item x --item=y --");
    CHECK_INT(f.rc, 0);
    CHECK_STR(f.dir, "/a");
    CHECK(f.quiet);
    CHECK_INT(f.n, -5);
    CHECK_INT(f.list.n, 2);
    CHECK_STR(f.list.values[1], "y");
    CHECK(f.list.values[2] == NULL);
    CHECK_INT(f.n_operands, 2);
    CHECK_STR(f.argv[1], "two");
    parse(&f, buffer, "-d /b -n7 -d=/c --quiet=false");
    CHECK_INT(f.rc, 0);
    CHECK_STR(f.dir, "/c");
    CHECK_INT(f.n, 7);
    CHECK(!f.quiet);
    parse(&f, buffer, "-it --number -3 - x");
    CHECK_INT(f.rc, 0);
    CHECK(f.in && f.tty);
    CHECK_INT(f.n, -3);
    CHECK_INT(f.n_operands, 2);
    parse(&f, buffer, "--dir= x");
    CHECK_STR(f.dir, "");
}

TEST(opts, what_follows_two_dashes_is_no_flag)
{
    struct flags f;
    char buffer[256];

    parse(&f, buffer, "pod -- ls -l --color");
    CHECK_INT(f.rc, 0);
    CHECK_INT(f.n_operands, 4);
    CHECK_STR(f.argv[3], "--color");
}

TEST(opts, help_is_an_outcome)
{
    struct flags f;
    char buffer[256];

    parse(&f, buffer, "x --help --nonsense");
    CHECK_INT(f.rc, OPTS_HELP);
    parse(&f, buffer, "-h");
    CHECK_INT(f.rc, OPTS_HELP);
}

TEST(opts, mistakes_are_named)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        { "--zebra", "unknown flag: --zebra" },
        { "-z", "unknown flag: -z" },
        { "--di x", "unknown flag: --di" },
        { "--dir", "--dir needs a value: DIR" },
        { "-d", "-d needs a value: DIR" },
        { "--number x", "--number: \"x\" is not a number" },
        { "--number 5x", "--number: \"5x\" is not a number" },
        { "--number=", "--number: \"\" is not a number" },
        { "--number 99999999999999999999", "--number: \"99999999999999999999\" is not a number" },
        { "--quiet=perhaps", "--quiet: \"perhaps\" is neither true nor false" },
        { "-qx", "--quiet: \"x\" is neither true nor false" },
    };
    struct flags f;
    char buffer[256];

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        parse(&f, buffer, rows[i].line);
        CHECK_INT(f.rc, ERR_INVALID);
        CHECK_STR(f.err.text, rows[i].says);
    }
}

TEST(opts, lists_have_a_limit)
{
    struct opt_list list = { .n = 0 };
    const struct opt table[] = { { "item", 0, OPT_LIST, &list, "X", "" }, { .name = NULL } };
    char item[] = "--item=x";
    char *argv[64];
    struct err err = ERR_EMPTY;
    int n;

    for (size_t i = 0; i < N_ELEMENTS(argv); i++)
        argv[i] = item;
    CHECK_INT(opts_parse(table, N_ELEMENTS(argv), argv, &n, &err), ERR_INVALID);
    CHECK_STR(err.text, "--item: given too often");
    CHECK(list.values[31] == NULL);
}
