/* policy_rules: NetworkPolicies into nftables rules of one node.  Pure.
 *
 * Every node guards its own pods, both ways, where their packets are forwarded: after DNAT, so
 * ports are those of the pods.  Pods with the same policies share a chain; a packet of a pod that
 * no policy selects costs one lookup.  As Kubernetes has it (networking.k8s.io/v1 NetworkPolicy):
 * policies add up, answers of what was allowed pass, a node may always reach its pods (probes, the
 * entry, the API servers), and host-network pods are the node.  What the node itself offers (its
 * DNS) is not forwarded and therefore never refused.
 */
#ifndef NET_POLICY_RULES_H
#define NET_POLICY_RULES_H

#include "base/json.h"
#include "base/text.h"

struct policy_world {
    const json_t *policies;   /* array of NetworkPolicy trees */
    const json_t *namespaces; /* object: name -> labels (object or null) */
    const json_t *pods;       /* array of policy_pod_facts, of the whole cluster */
    const json_t *trusted;    /* array of IPv4 addresses: nodes, API servers, the entry */
};

/* What matters of a Pod: {ns, ip, local, labels, ports: [{name, protocol, port}]}; a new tree.
 * NULL: it has no address of its own (yet, any more, or because it uses its host's). */
json_t *policy_pod_facts(const json_t *pod, const char *node_name);

/* One `nft -f` transaction; the table is empty when no local pod is selected. */
void policy_rules_print(struct text *ret, const struct policy_world *world);

#endif
