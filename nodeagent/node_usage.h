/* node_usage: what this node and its containers use now, in the two forms kubelets answer with:
 * /stats/summary (JSON) and /metrics/resource (Prometheus' text).
 *
 * Measured when asked, never by itself; the reading before is remembered only for
 * usageNanoCores.  Nothing touches a disk.  Owner: node_api.  Thread: loop.
 */
#ifndef NODEAGENT_NODE_USAGE_H
#define NODEAGENT_NODE_USAGE_H

#include "base/text.h"
#include "nodeagent/cgroup.h"
#include "nodeagent/pod_worker.h"

struct node_usage;

/* Both are borrowed. */
struct node_usage *node_usage_new(const struct cgroup *cg, const char *node_name);
struct node_usage *node_usage_free(struct node_usage *u);

/* One answer: begin, add every pod, print. */
void node_usage_begin(struct node_usage *u);
void node_usage_add(struct node_usage *u, const struct pod_worker *w);
void node_usage_print_summary(struct node_usage *u, struct text *ret);
void node_usage_print_metrics(struct node_usage *u, struct text *ret);
/* /metrics/cadvisor: the containers alone. */
void node_usage_print_cadvisor(struct node_usage *u, struct text *ret);

#endif
