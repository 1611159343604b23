/* entry_group: a TargetGroupBinding as the entry reads it: a port of a Service, open here.
 *
 * On AWS the listener stands before the target group and its port is not written down; here it
 * is the Service's own.  Fed object by object like the rest of the facts.
 * Owner: entry_facts.  Thread: loop.
 */
#ifndef NET_ENTRY_GROUP_H
#define NET_ENTRY_GROUP_H

#include "net/entry_facts.h"

struct entry_group {
    struct entry_arena arena;
    struct entry_who who;
    struct entry_target target; /* serviceRef */
    struct entry_range
        *sources; /* networking.ingress, when it holds only ipBlocks; none = anybody */
    size_t n_sources;
    int64_t generation, observed;
};

struct entry_group *entry_group_read(const json_t *tree);
void entry_group_free(void *group);

/* The port that @group opens: its Service's, by number or name.  NULL: the Service is not there,
 * or has no such port; then *ret_why (owned) says which. */
const struct entry_port *entry_group_port(const struct entry_group *group,
                                          const struct entry_service *service, char **ret_why);

#endif
