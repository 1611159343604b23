/* pod_etc: the texts of a pod's /etc/hosts and /etc/resolv.conf.
 *
 * Pure.  dnsPolicy and dnsConfig as Kubernetes defines them; limits of the resolver (3 name
 * servers, 32 search domains) are kept by cutting, as the kubelet does.
 */
#ifndef NODEAGENT_POD_ETC_H
#define NODEAGENT_POD_ETC_H

#include "base/text.h"
#include "nodeagent/pod_view.h"

void pod_etc_hosts(struct text *ret, const struct pod_view *pod, const char *pod_ip,
                   const char *cluster_domain, const char *host_hosts);

/* @host_resolv: the node's own file; @dns_ip "" or NULL: no cluster DNS. */
void pod_etc_resolv(struct text *ret, const struct pod_view *pod, const char *dns_ip,
                    const char *cluster_domain, const char *host_resolv);

#endif
