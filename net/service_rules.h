/* service_rules: Services and EndpointSlices into nftables maps.
 *
 * service_rules_plan is pure: objects in, one libnftables JSON (or text) transaction out; applied whole, constant cost per
 * packet (verdict maps), DNAT to ready endpoints (serving+terminating ones as the last resort), ClusterIP
 * and NodePort, session affinity ClientIP, reject when a Service has no endpoints.
 */
#ifndef NET_SERVICE_RULES_H
#define NET_SERVICE_RULES_H

#include "api/informer.h"
#include "base/err.h"

struct service_rules;

struct service_rules_opts {
    struct informer *services, *slices;     /* borrowed; listened to */
    const char *node_name, *node_ip;
    const char *cluster_cidr;
};
int service_rules_new(struct service_rules **ret, uv_loop_t *loop, const struct service_rules_opts *opts, struct err *err);
/* Rules stay in the kernel; returns NULL. */
struct service_rules *service_rules_close(struct service_rules *s);
#endif
