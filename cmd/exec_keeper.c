/* mkube exec-keeper: what the agent runs beside each `kubectl exec`. */
#include "nodeagent/exec_keeper.h"

#include "cmd/cmd.h"

#include <stdio.h>

int cmd_exec_keeper(const struct verb *self, int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "Usage: %s\n", self->usage);
        return VERB_USAGE;
    }
    return exec_keeper(argv[0], argv + 1);
}
