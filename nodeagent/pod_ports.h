/* pod_ports: what ports of the node the pods ask for (hostPort), as net/host_ports takes it.
 *
 * Pure.  Pods on the node's own network need none.
 */
#ifndef NODEAGENT_POD_PORTS_H
#define NODEAGENT_POD_PORTS_H

#include "net/host_ports.h"
#include "nodeagent/pod_view.h"

struct pod_ports { /* init with POD_PORTS_EMPTY, end with pod_ports_fini */
    struct host_port *list;
    size_t n;
    char **ips; /* owned; what the list points to */
    size_t n_ips;
};
#define POD_PORTS_EMPTY       \
    {                         \
        .list = NULL, .n = 0, \
    }
void pod_ports_fini(struct pod_ports *p);

/* Do they ask for the same port of the node?  Those on its own network ask for all they name. */
bool pod_ports_clash(const struct pod_view *a, const struct pod_view *b);

/* @pod must live as long as the list. */
void pod_ports_add(struct pod_ports *p, const struct pod_view *pod, const char *ip);

#endif
