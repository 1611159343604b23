/* verb: one verb of the binary: its row in the table, its flags, its exit codes.
 *
 * A verb gets argv behind its own name and returns the process' exit code:
 * 0 done, 1 failed (message on stderr), 2 wrong usage, 3 refused data (corrupt or newer store).
 */
#ifndef CLIENT_VERB_H
#define CLIENT_VERB_H

#include "client/opts.h"

#include <stddef.h>

struct verb {
    const char *name;
    const char *summary; /* one line of `mkube help` */
    const char *usage;   /* "mkube server [flags]" */
    int (*run)(const struct verb *self, int argc, char **argv);
};

enum verb_exit { VERB_DONE = 0, VERB_FAILED = 1, VERB_USAGE = 2, VERB_REFUSED = 3 };

/* Parses flags; true: go on with *ret_n operands.  False: return *ret_exit. */
bool verb_begin(const struct verb *self, const struct opt *table, int argc, char **argv, int *ret_n,
                int *ret_exit);
/* "mkube VERB: message" on stderr; returns VERB_FAILED. */
int verb_fail(const struct verb *self, const struct err *err);
/* "error: message": kubectl's way, for the client verbs. */
int verb_error(const struct err *err);
/* "Usage: ..." on stderr; returns VERB_USAGE. */
int verb_misused(const struct verb *self);

/* Verbs of verbs: `rollout status`.  Runs the row that argv[0] names, or tells which there are. */
int verb_choose(const struct verb *self, const struct verb *rows, size_t n, int argc, char **argv);

#endif
