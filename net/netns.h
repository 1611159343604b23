/* netns: one pod's network namespace: made, pinned by a bind mount, wired to the bridge.
 *
 * Blocking; runs on worker threads, which it leaves in the namespace they came from.
 * A pod holds its address as a /32 and reaches everything through the gateway, also its
 * neighbours on the same node: so replies of Services pass this host's connection tracking
 * without br_netfilter.
 */
#ifndef NET_NETNS_H
#define NET_NETNS_H

#include "base/err.h"

#include <stdbool.h>

struct netns_spec {
    const char *path;   /* where it is pinned: an absent or empty file */
    const char *bridge; /* "mkube0" */
    const char *veth;   /* our end's name, at most 15 characters */
    const char *ip, *gateway;
    int mtu;
};

int netns_make(const struct netns_spec *spec, struct err *err);
/* Unpins; the kernel takes the veth pair with the last reference. Absent is fine. */
int netns_drop(const char *path, const char *veth, struct err *err);
bool netns_is_pinned(const char *path);

#endif
