/* policy: keeps the kernel's rules of this node true to the cluster's NetworkPolicies.
 *
 * Follows NetworkPolicies always, and the pods and namespaces of the whole cluster only while
 * there is a policy: a cluster without any pays for one idle watch.  What is decided is pure
 * (policy_rules); here it is gathered and handed to nft, one transaction at a time.
 * Rules stay in the kernel when the agent ends.  Thread: loop.
 */
#ifndef NET_POLICY_H
#define NET_POLICY_H

#include "api/client.h"
#include "api/informer.h"
#include "base/err.h"

struct policy;

struct policy_opts { /* strings are copied */
    struct client *client;
    struct informer *nodes, *slices; /* borrowed, not started yet; listened to */
    const char *node_name;
};
int policy_new(struct policy **ret, uv_loop_t *loop, const struct policy_opts *opts,
               struct err *err);
/* Before the informers that it listens to; returns NULL. */
struct policy *policy_close(struct policy *p);

#endif
