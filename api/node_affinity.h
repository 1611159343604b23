/* node_affinity: NodeSelectorTerms, compiled once and asked of many nodes.  Pure.
 *
 * Used for a pod's spec.affinity.nodeAffinity and for a volume's spec.nodeAffinity.required.
 */
#ifndef API_NODE_AFFINITY_H
#define API_NODE_AFFINITY_H

#include "base/json.h"
#include "storage/object.h"

#include <stdbool.h>

struct node_affinity;

/* @terms: an array of NodeSelectorTerm, any of which is enough; an empty term, or one that is
 * malformed, matches no node. */
struct node_affinity *node_affinity_new(const json_t *terms);
struct node_affinity *node_affinity_free(struct node_affinity *a);
/* NULL matches every node: nothing was demanded. */
bool node_affinity_matches(const struct node_affinity *a, const struct object *node);
/* Whether every term names its nodes (metadata.name, In), and none of them this one: such a node is
 * not looked at, which Kubernetes tells in other words than a node that does not match. */
bool node_affinity_names_others(const struct node_affinity *a, const struct object *node);

#endif
