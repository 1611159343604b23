/* describe_parts: what only some kinds show on their pages; rows of describe_kinds.c. */
#ifndef CLIENT_DESCRIBE_PARTS_H
#define CLIENT_DESCRIBE_PARTS_H

#include "client/describe.h"

void describe_node_of(struct describe *d, const struct describe_row *r);
void describe_status(struct describe *d, const struct describe_row *r);
void describe_ips(struct describe *d, const struct describe_row *r);
void describe_controller(struct describe *d, const struct describe_row *r);
void describe_replicas(struct describe *d, const struct describe_row *r);
void describe_pod_counts(struct describe *d, const struct describe_row *r);
void describe_rolling(struct describe *d, const struct describe_row *r);
void describe_replica_sets(struct describe *d, const struct describe_row *r);
void describe_service_ports(struct describe *d, const struct describe_row *r);
void describe_addresses(struct describe *d, const struct describe_row *r);
void describe_ingress_rules(struct describe *d, const struct describe_row *r);
void describe_default_backend(struct describe *d, const struct describe_row *r);
void describe_used_by(struct describe *d, const struct describe_row *r);
void describe_sizes(struct describe *d, const struct describe_row *r);
void describe_contents(struct describe *d, const struct describe_row *r);
void describe_sizes_of_binary(struct describe *d, const struct describe_row *r);
void describe_rules(struct describe *d, const struct describe_row *r);
void describe_subjects(struct describe *d, const struct describe_row *r);
void describe_own_quota(struct describe *d, const struct describe_row *r);
void describe_own_limits(struct describe *d, const struct describe_row *r);
void describe_namespace_extras(struct describe *d, const struct describe_row *r);
void describe_is_default(struct describe *d, const struct describe_row *r);
void describe_roles(struct describe *d, const struct describe_row *r);
void describe_taints(struct describe *d, const struct describe_row *r);
void describe_node_conditions(struct describe *d, const struct describe_row *r);
void describe_node_addresses(struct describe *d, const struct describe_row *r);
void describe_system(struct describe *d, const struct describe_row *r);
void describe_amounts(struct describe *d, const struct describe_row *r);
void describe_node_pods(struct describe *d, const struct describe_row *r);

#endif
