/* entry_splice: carries bytes both ways between two sockets until both have ended: upgraded
 * HTTP connections and the TCP ports of LoadBalancer Services.
 *
 * One side's end is passed on as a half-close.  At most 64 KiB wait in each direction.
 * Owner: the worker.  Thread: loop.
 */
#ifndef NET_ENTRY_SPLICE_H
#define NET_ENTRY_SPLICE_H

#include "base/text.h"
#include "net/entry_worker.h"

struct entry_splice_opts {
    int client, server;               /* connected; taken over */
    struct text to_client, to_server; /* to be sent first; moved */
    struct entry_peer *peer;          /* reference taken over */
    int64_t idle_ms;                  /* 0 = for ever: TCP keep-alive finds the dead */
};
void entry_splice_new(struct entry_worker *w, struct entry_splice_opts *opts);
/* Ends at once. */
void entry_splice_close_all(struct entry_worker *w);

#endif
