/* service_rules: Services and EndpointSlices into nftables maps.
 *
 * service_rules_print is pure: objects in, one `nft -f` transaction out, applied whole.  Constant
 * cost per packet: one verdict map lookup by (protocol, address, port), one choice by number.
 * DNAT to ready endpoints (serving and terminating ones as the last resort), ClusterIP, external
 * IPs and NodePort, session affinity by a hash of the client's address (no state to lose), a
 * reset for Services without endpoints.
 */
#ifndef NET_SERVICE_RULES_H
#define NET_SERVICE_RULES_H

#include "api/informer.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

struct service_rules;

struct service_rules_opts {             /* strings are copied */
    struct informer *services, *slices; /* borrowed, not started yet; listened to */
    const char *node_name;              /* for Local traffic policies */
};
int service_rules_new(struct service_rules **ret, uv_loop_t *loop,
                      const struct service_rules_opts *opts, struct err *err);
/* Rules stay in the kernel; returns NULL. */
struct service_rules *service_rules_close(struct service_rules *s);

/* @services and @slices are arrays of trees. */
void service_rules_print(struct text *ret, const json_t *services, const json_t *slices,
                         const char *node_name);

#endif
