/* service_peer: who answers for a Service now: one of its ready endpoints, for those of us who are
 * no pod and have no Service rules (the server on the control VM calling webhooks).
 *
 * Pure over the store's visible state.  Thread: loop.
 */
#ifndef API_SERVICE_PEER_H
#define API_SERVICE_PEER_H

#include "base/err.h"
#include "storage/store.h"

#include <stdint.h>

#define SERVICE_PEER_MAX 280 /* "host:port" */

/* @random chooses among several.  ERR_NOT_FOUND, ERR_UNAVAILABLE in Kubernetes' words: `service "x"
 * not found`, `no endpoints available for service "x"`. */
int service_peer(char ret[SERVICE_PEER_MAX], const struct store *store, const char *ns,
                 const char *name, int64_t port, uint64_t random, struct err *err);
/* The same of a port by its name; "": the one without. */
int service_peer_named(char ret[SERVICE_PEER_MAX], const struct store *store, const char *ns,
                       const char *name, const char *port, uint64_t random, struct err *err);

#endif
