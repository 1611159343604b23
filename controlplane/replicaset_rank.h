/* replicaset_rank: which pods go first when there are too many.  Pure. */
#ifndef CONTROLPLANE_REPLICASET_RANK_H
#define CONTROLPLANE_REPLICASET_RANK_H

#include "base/json.h"
#include "storage/object.h"

struct replicaset_pod {
    const struct object *object; /* borrowed */
    const json_t *tree;          /* borrowed */
    unsigned neighbours;         /* pods of the same workload on its node */
    struct {                     /* filled by replicaset_rank */
        bool assigned, ready;
        int phase;
        int64_t cost, ready_age, restarts, age; /* ages as powers of two, -1 = no age */
    } key;
};

/* Sorts: what is to be deleted first comes first. */
void replicaset_rank(struct replicaset_pod *pods, size_t n, int64_t now_wall_ms);

#endif
