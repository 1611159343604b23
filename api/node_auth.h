/* node_auth: what an agent may (the node authorizer of Kubernetes), as a table.
 *
 * An agent reads what its pods refer to and nothing else of what is confidential, and changes what is
 * its own.  That a write leaves the rest of its Node alone is said in admission_node.c.
 *
 * Wider than Kubernetes: agents route between nodes, print rules of Services and NetworkPolicies, and
 * remove local volumes, so they follow nodes, pods, services, slices, policies, namespaces and
 * volumes as a whole; none of these holds a secret.  Pure reads of the store.  Thread: loop.
 */
#ifndef API_NODE_AUTH_H
#define API_NODE_AUTH_H

#include "storage/store.h"

#include <stdbool.h>

struct auth_question;

bool node_auth_may(const char *node, const struct store *store, const struct auth_question *q);

#endif
