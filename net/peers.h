/* peers: ways to the pod networks of other nodes: a route where they share our link, else VXLAN.
 *
 * peers_plan is pure; peers_set applies it, one run at a time, the newest set winning.  Routes that
 * the kernel dropped, as it does when a link goes down, are set again within 15 s.
 * A VXLAN peer needs no learning: its MAC follows from its node's address.
 */
#ifndef NET_PEERS_H
#define NET_PEERS_H

#include "base/err.h"
#include "base/text.h"
#include "net/podnet.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define PEERS_VXLAN      "mkube.vx"
#define PEERS_VXLAN_ID   77
#define PEERS_VXLAN_PORT 4789

struct peers_link {    /* the link that holds our node address */
    uint32_t ip, mask; /* host order */
    char name[32];
};

struct peers_plan {
    struct text ip;  /* for `ip -force -batch -` */
    struct text fdb; /* for `bridge -force -batch -` */
    bool needs_vxlan;
};
void peers_plan_fini(struct peers_plan *p);
/* Commands that lead from @before to @now. */
void peers_plan(struct peers_plan *ret, const struct peers_link *link,
                const struct podnet_peer *before, size_t n_before, const struct podnet_peer *now,
                size_t n_now);
/* Is there a route to each peer's pods?  @routes: /proc/net/route (proc(5)). */
bool peers_have_routes(const char *routes, const struct peers_link *link,
                       const struct podnet_peer *peers, size_t n);
/* Deterministic MAC of a node's VXLAN end: locally administered, from its IPv4 address. */
void peers_mac(char ret[18], uint32_t node_ip);
int peers_find_link(struct peers_link *ret, const char *node_ip, struct err *err);

struct peers;
/* @run_dir keeps what was set, so that a restart removes what went meanwhile. */
int peers_new(struct peers **ret, uv_loop_t *loop, const char *node_ip, const char *own_cidr,
              const char *run_dir, struct err *err);
struct peers *peers_free(struct peers *p);
void peers_set(struct peers *p, const struct podnet_peer *peers, size_t n);

#endif
