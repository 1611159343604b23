/* opts: command-line flags as a table; the same table prints --help.
 *
 * Accepts --name value, --name=value, -x value; "--" ends flags.  Values are borrowed from argv.
 */
#ifndef CLIENT_OPTS_H
#define CLIENT_OPTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* OPT_MAYBE: text whose value may be left out ("--dry-run", "--dry-run=server"): then it is "". */
enum opt_kind { OPT_FLAG, OPT_TEXT, OPT_MAYBE, OPT_NUMBER, OPT_LIST };

struct opt_list { /* zero-initialised; values NULL-terminated once anything was added */
    const char *values[32];
    unsigned n;
};

struct opt {
    const char *name; /* "data-dir"; NULL ends the table */
    char letter;      /* 0 = none */
    enum opt_kind kind;
    void *to;          /* bool, const char *, int64_t or struct opt_list */
    const char *value; /* how --help calls the value: "DIR" */
    const char *help;
};

/* Removes flags from argv: on return argv[0..*ret_n) are the operands.
 * ERR_INVALID names the flag that is wrong; positive OPTS_HELP: --help was given. */
#define OPTS_HELP 1
int opts_parse(const struct opt *table, int argc, char **argv, int *ret_n, struct err *err);
void opts_print(const struct opt *table);

#endif
