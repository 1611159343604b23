/* exec: runs one more program in a running container, its streams joined to a client.
 *
 *   STARTING -> RUNNING -> (the program ends) DRAINING -> told and gone
 *        \__________\____(the client leaves)  ENDING   -> gone
 *
 * The program hangs under a keeper (exec_keeper.h); what it wrote before its end is all delivered,
 * children that outlive it and still hold its streams are not waited for.  A client that leaves
 * ends the program.  Owner: streams.  Thread: loop.
 */
#ifndef NODEAGENT_EXEC_H
#define NODEAGENT_EXEC_H

#include "nodeagent/channels.h"
#include "nodeagent/runtime.h"

struct exec;

struct exec_spec { /* copied */
    const char *container_id;
    const char *const *argv; /* NULL-terminated, not empty */
};

/* @on_done: once, when nothing is left of it. */
struct exec *exec_new(struct runtime *rt, struct peers *set, const struct exec_spec *spec,
                      const struct channels_opts *opts, void (*on_done)(void *arg), void *arg);
/* The agent ends: the program is told to end, nobody waits.  No on_done. */
void exec_leave(struct exec *e);

#endif
