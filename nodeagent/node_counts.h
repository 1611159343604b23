/* node_counts: how many pods and containers a node has, under kubelets' names of metrics.  Pure. */
#ifndef NODEAGENT_NODE_COUNTS_H
#define NODEAGENT_NODE_COUNTS_H

#include "base/json.h"
#include "base/text.h"

struct node_counts {                   /* zero at first */
    unsigned pods;                     /* with a container that runs */
    unsigned created, running, exited; /* containers */
};
void node_counts_add(struct node_counts *c, const json_t *pod);
void node_counts_print(struct text *ret, const struct node_counts *c, const char *node_name);

#endif
