/* podnet: this node's pod network: a bridge, one veth pair per pod, addresses from the node's
 * pod CIDR, routes (or VXLAN where they share no link) to the other nodes' CIDRs.
 *
 * Network namespaces are pinned by bind mounts under @run_dir/netns/<id>; no pause containers.
 * Everything is found again after a restart of the agent: allocations are files under @run_dir.
 * Owner: cmd/agent.  Thread: loop; slow parts run as children or on worker threads.
 */
#ifndef NET_PODNET_H
#define NET_PODNET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct podnet;

struct podnet_opts {
    const char *run_dir;      /* "/run/mkube" */
    const char *pod_cidr;     /* "10.244.1.0/24"; .1 is the bridge */
    const char *cluster_cidr; /* "10.244.0.0/16": not masqueraded */
    const char *service_cidr;
    const char *node_ip;
    const char *dns_ip; /* "10.96.0.10": put on the bridge, answered by this node */
    int mtu;            /* 0 = the uplink's */
};

/* Blocking, at start: bridge, sysctls, masquerade table. */
int podnet_new(struct podnet **ret, uv_loop_t *loop, const struct podnet_opts *opts,
               struct err *err);
struct podnet *podnet_free(struct podnet *p); /* leaves the network standing; returns NULL */

#define PODNET_IP_MAX 46
/* Makes namespace @id (pod uid) with eth0 and lo up; idempotent (an existing whole one is kept with its address).
 * @done: rc 0, address, path of the pinned namespace (borrowed). */
typedef void (*podnet_done_fn)(void *arg, int rc, const char *ip, const char *netns,
                               const struct err *err);
void podnet_add(struct podnet *p, const char *id, podnet_done_fn done, void *arg);
/* Absent is fine. */
void podnet_del(struct podnet *p, const char *id,
                void (*done)(void *arg, int rc, const struct err *err), void *arg);
/* Address of an existing namespace; false if there is none. */
bool podnet_get(const struct podnet *p, const char *id, char ret_ip[PODNET_IP_MAX]);
/* Removes namespaces whose id is not in @ids (NULL-terminated): after a restart. */
void podnet_sweep(struct podnet *p, const char *const *ids);

/* The other nodes; replaces the set before.  Same link: a route via node_ip; else VXLAN. */
struct podnet_peer {
    const char *node_ip, *pod_cidr;
};
void podnet_set_peers(struct podnet *p, const struct podnet_peer *peers, size_t n);

/* Only routes to pods, no pods here (control VM, for the entry). */
int podnet_new_routes_only(struct podnet **ret, uv_loop_t *loop, const char *node_ip,
                           const char *run_dir, struct err *err);
#endif
