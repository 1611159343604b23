/* services: keeps the kernel's rules of this node true to the cluster's Services.
 *
 * Follows Services and EndpointSlices; what they mean is pure (service_rules), carried out by nft.
 * Rules stay in the kernel when the agent ends.  Owner: agent (cmd).  Thread: loop.
 */
#ifndef NET_SERVICES_H
#define NET_SERVICES_H

#include "api/informer.h"
#include "base/err.h"

struct services;

struct services_opts {                  /* strings are copied */
    struct informer *services, *slices; /* borrowed, not started yet; listened to */
    const char *node_name;              /* for Local traffic policies */
};
int services_new(struct services **ret, uv_loop_t *loop, const struct services_opts *opts,
                 struct err *err);
struct services *services_close(struct services *s); /* NULL is fine; returns NULL */

#endif
