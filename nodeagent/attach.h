/* attach: joins a client to the streams of a running container's first program, over the socket
 * that its conmon keeps (conmon 2.1 --full-attach: packets, output marked by its first byte).
 *
 * Ends with the container, or with the client; the container goes on.  conmon never waits for a
 * reader: a client so slow that conmon cuts it off is told so.  Owner: streams.  Thread: loop.
 */
#ifndef NODEAGENT_ATTACH_H
#define NODEAGENT_ATTACH_H

#include "nodeagent/channels.h"
#include "nodeagent/runtime.h"

#include <sys/types.h>

struct attach;
/* @on_done: once, when nothing is left of it (also after peers_close_all). @pid: of the container. */
struct attach *attach_new(struct runtime *rt, struct peers *set, const char *container_id,
                          pid_t pid, const struct channels_opts *opts, void (*on_done)(void *arg),
                          void *arg);

#endif
