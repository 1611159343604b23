/* cmd: the verbs of the one binary, as a table.  Here, and only here, the layers are composed.
 *
 * A verb gets argv behind its own name and returns the process' exit code:
 * 0 done, 1 failed (message on stderr), 2 wrong usage, 3 refused data (corrupt or newer store).
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "cmd/opts.h"

struct cmd {
    const char *name;
    const char *summary; /* one line of `mkube help` */
    const char *usage;   /* "mkube server [flags]" */
    int (*run)(const struct cmd *self, int argc, char **argv);
};

enum cmd_exit { CMD_DONE = 0, CMD_FAILED = 1, CMD_USAGE = 2, CMD_REFUSED = 3 };

/* Parses flags; true: go on with *ret_n operands.  False: return *ret_exit. */
bool cmd_begin(const struct cmd *self, const struct opt *table, int argc, char **argv, int *ret_n,
               int *ret_exit);
/* "mkube VERB: message" on stderr; returns CMD_FAILED. */
int cmd_fail(const struct cmd *self, const struct err *err);

int cmd_server(const struct cmd *self, int argc, char **argv);
int cmd_agent(const struct cmd *self, int argc, char **argv);
int cmd_entry(const struct cmd *self, int argc, char **argv);
int cmd_token(const struct cmd *self, int argc, char **argv);
int cmd_secretstore(const struct cmd *self, int argc, char **argv);
int cmd_kubeconfig(const struct cmd *self, int argc, char **argv);
int cmd_exec_keeper(const struct cmd *self, int argc, char **argv);
int cmd_check(const struct cmd *self, int argc, char **argv);
int cmd_pause(const struct cmd *self, int argc, char **argv);
int cmd_image(const struct cmd *self, int argc, char **argv);
int cmd_apply(const struct cmd *self, int argc, char **argv);
int cmd_get(const struct cmd *self, int argc, char **argv);
int cmd_delete(const struct cmd *self, int argc, char **argv);
int cmd_logs(const struct cmd *self, int argc, char **argv);
int cmd_version(const struct cmd *self, int argc, char **argv);

#endif
