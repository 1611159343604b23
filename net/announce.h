/* announce: this node answers for the load balancer addresses that the control plane gave it.
 *
 * A Service says in its annotations which node announces its address, and on which devices
 * (controlplane/balancer.c).  The node that is named adds the address to its device ANNOUNCE_DEVICE:
 * from then on the kernel answers ARP for it on every device of the node, or, by a rule, on the
 * named ones only; neighbours are told by gratuitous ARP (RFC 5227 section 2.3), a few times.
 * What connections to it mean is for service_rules.
 * Addresses stay when the agent ends: its pods do, too.  Thread: loop.
 */
#ifndef NET_ANNOUNCE_H
#define NET_ANNOUNCE_H

#include "api/informer.h"
#include "base/err.h"
#include "base/text.h"

#define ANNOUNCE_DEVICE "mkube-lb"

struct announce;

/* @services is borrowed and not started yet; @node_name is copied. */
struct announce *announce_new(uv_loop_t *loop, struct informer *services, const char *node_name);
struct announce *announce_close(struct announce *a); /* returns NULL */

/* --- pure --- */

struct announce_address {
    uint32_t ip;      /* host order */
    char device[256]; /* "eth0,eth1"; "" = all */
};
/* What @service gives to @node; false: nothing. */
bool announce_read(struct announce_address *ret, const json_t *service, const char *node);
/* Commands for `ip -batch` that lead from the addresses in @have to those in @want; empty when
 * there is nothing to do. */
void announce_commands(struct text *ret, const struct announce_address *want, size_t n_want,
                       const uint32_t *have, size_t n_have);
/* A transaction for `nft -f` that keeps ARP for addresses with devices to these. */
void announce_rules(struct text *ret, const struct announce_address *want, size_t n_want);

/* Ethernet frame of a gratuitous ARP request: @mac has @ip. */
#define ANNOUNCE_FRAME 42
void announce_frame(unsigned char ret[ANNOUNCE_FRAME], const unsigned char mac[6], uint32_t ip);

#endif
