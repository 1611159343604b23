#include "client/verb.h"

#include "base/text.h"

#include <stdio.h>

bool verb_begin(const struct verb *self, const struct opt *table, int argc, char **argv, int *ret_n,
                int *ret_exit)
{
    struct err err = ERR_EMPTY;
    int rc = opts_parse(table, argc, argv, ret_n, &err);

    if (rc == 0)
        return true;
    if (rc == OPTS_HELP) {
        printf("%s\n\nUsage: %s\n\nFlags:\n", self->summary, self->usage);
        opts_print(table);
        *ret_exit = VERB_DONE;
        return false;
    }
    fprintf(stderr, "error: %s\nSee 'mkube %s --help' for usage.\n", err.text, self->name);
    *ret_exit = VERB_USAGE;
    return false;
}

int verb_fail(const struct verb *self, const struct err *err)
{
    fflush(stdout);
    fprintf(stderr, "mkube %s: %s\n", self->name, err->text);
    return VERB_FAILED;
}

int verb_error(const struct err *err)
{
    fflush(stdout);
    fprintf(stderr, "error: %s\n", err->text);
    return VERB_FAILED;
}

int verb_misused(const struct verb *self)
{
    fprintf(stderr, "Usage: %s\n", self->usage);
    return VERB_USAGE;
}

int verb_choose(const struct verb *self, const struct verb *rows, size_t n, int argc, char **argv)
{
    bool help = argc > 0 && (str_eq(argv[0], "--help") || str_eq(argv[0], "-h"));
    FILE *out = help ? stdout : stderr;

    for (size_t i = 0; i < n && argc > 0; i++)
        if (str_eq(argv[0], rows[i].name))
            return rows[i].run(&rows[i], argc - 1, argv + 1);
    fprintf(out, "%s\n\nUsage: %s\n\nCommands:\n", self->summary, self->usage);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "  %-12s %s\n", rows[i].name, rows[i].summary);
    return help ? VERB_DONE : VERB_USAGE;
}
