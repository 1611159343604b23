/* mkube pause: holds the process namespace that the containers of a pod share. */
#include "cmd/cmd.h"
#include "nodeagent/pid_ns.h"

#include <stdio.h>

int cmd_pause(const struct verb *self, int argc, char **argv)
{
    static const struct opt table[] = { { .name = NULL } };
    struct err err = ERR_EMPTY;
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n != 1) {
        fprintf(stderr, "Usage: %s\n", self->usage);
        return VERB_USAGE;
    }
    return pid_ns_pause(argv[0], &err) < 0 ? verb_fail(self, &err) : VERB_DONE;
}
