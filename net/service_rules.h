/* service_rules: Services and EndpointSlices into nftables maps.  Pure.
 *
 * Objects in, one `nft -f` transaction out, applied whole.  Constant
 * cost per packet: one verdict map lookup by (protocol, address, port), one choice by number.
 * DNAT to ready endpoints (serving and terminating ones as the last resort), ClusterIP, external
 * IPs and NodePort, session affinity by a hash of the client's address (no state to lose), a
 * reset for Services without endpoints.
 */
#ifndef NET_SERVICE_RULES_H
#define NET_SERVICE_RULES_H

#include "base/json.h"
#include "base/text.h"

/* @services and @slices are arrays of trees. */
void service_rules_print(struct text *ret, const json_t *services, const json_t *slices,
                         const char *node_name);

#endif
