/* entry_tcp: the TCP ports of LoadBalancer Services and of TargetGroupBindings, listened to on
 * this host and carried to their ready endpoints.
 *
 * A port belongs to one Service: who has it keeps it, else the oldest gets it; the others are
 * told why not.  Bindings of one Service, and the Service itself, share its port.  entry_tcp_plan is pure.
 * Owner: entry.  Thread: the worker's loop.
 */
#ifndef NET_ENTRY_TCP_H
#define NET_ENTRY_TCP_H

#include "net/entry_table.h"
#include "net/entry_worker.h"

struct entry_tcp;

struct entry_tcp_opts {
    struct entry_worker *worker; /* borrowed */
    const char *address;         /* to listen on; copied */
    const uint16_t *reserved;    /* ports of our own; copied; 0 ends */
};
struct entry_tcp *entry_tcp_new(const struct entry_tcp_opts *opts);
/* Stops listening and forgets who is being connected; then @on_closed. */
void entry_tcp_close(struct entry_tcp *t, void (*on_closed)(void *arg), void *arg);

typedef void (*entry_tcp_problem_fn)(void *arg, const struct entry_listen *want,
                                     const char *message);
/* Listens to what @table says, and tells of each port that it cannot have.  Ports that are taken
 * on this host are tried again with each update. */
void entry_tcp_update(struct entry_tcp *t, const struct entry_table *table,
                      entry_tcp_problem_fn problem, void *arg);
/* Is at least one of its ports open? */
bool entry_tcp_serves(const struct entry_tcp *t, const char *ns, const char *service);
/* Are there ports that somebody else has on this host? */
bool entry_tcp_is_wanting(const struct entry_tcp *t);

struct entry_tcp_held {
    const char *ns, *service;
    uint16_t port;
};
enum entry_tcp_verdict {
    ENTRY_TCP_OPEN, /* not held yet */
    ENTRY_TCP_KEEP,
    ENTRY_TCP_SHARED, /* another want of the same Service has it */
    ENTRY_TCP_RESERVED,
    ENTRY_TCP_TAKEN,    /* by another Service */
    ENTRY_TCP_PROTOCOL, /* not TCP */
};
struct entry_tcp_decision {
    enum entry_tcp_verdict verdict;
    const struct entry_who *owner; /* of a port that is taken */
};
/* One decision for each of @wants, which are in order of age. */
void entry_tcp_plan(struct entry_tcp_decision *ret, const struct entry_listen *wants,
                    size_t n_wants, const struct entry_tcp_held *held, size_t n_held,
                    const uint16_t *reserved);

#endif
