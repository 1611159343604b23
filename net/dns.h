/* dns: the cluster's names, answered on every node (ldns), from informers.
 *
 * Kubernetes DNS spec 1.1: Services, headless Services, StatefulSet pods, SRV, ExternalName,
 * PTR; anything else is forwarded to the node's resolvers (UDP and TCP, bounded, timed out).
 * dns_answer is pure.  Serves stale data while the API is away.  Thread: loop.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "api/informer.h"
#include "base/err.h"

struct dns;

struct dns_opts {
    const char *listen_ip;              /* "10.96.0.10", on the bridge */
    uint16_t port;                      /* 53 */
    const char *domain;                 /* "cluster.local" */
    struct informer *services, *slices; /* borrowed; listened to */
    const char *resolv_conf;            /* "/etc/resolv.conf": upstreams, re-read when it changes */
};
int dns_new(struct dns **ret, uv_loop_t *loop, const struct dns_opts *opts, struct err *err);
struct dns *dns_close(struct dns *d);
#endif
