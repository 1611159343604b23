/* cgroup: this node's control groups, version 1 (also hybrid) or 2, as far as pods need them.
 *
 * runc makes and removes the containers' own groups; here live the node's root for pods
 * ("/mkube") and one group per pod ("/mkube/pod<uid>") with the pod's share of the CPU.
 * Blocking, but only on pseudo files.  Thread: any.
 */
#ifndef NODEAGENT_CGROUP_H
#define NODEAGENT_CGROUP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct cgroup {
    char root[128]; /* "/mkube": below each hierarchy's mount point */
    bool unified;   /* version 2 */
};

/* Looks at /sys/fs/cgroup; nothing is made. */
void cgroup_init(struct cgroup *cg, const char *root);

struct cgroup_limits {
    int64_t cpu_shares;   /* of version 1; translated for 2 */
    int64_t cpu_quota_us; /* per 100 ms; -1 = none */
    int64_t memory;       /* bytes; -1 = none */
};
/* Makes the root and the pod's group, or adjusts them. */
int cgroup_make_pod(const struct cgroup *cg, const char *uid, const struct cgroup_limits *limits,
                    struct err *err);
/* Removes the pod's (empty) group in every hierarchy; absent is fine. */
void cgroup_remove_pod(const struct cgroup *cg, const char *uid);

/* Removes the root itself once no pod is left in it: for tests and for leaving a host clean. */
void cgroup_remove_root(const struct cgroup *cg);

/* "/mkube/pod<uid>/<id>", as runc's cgroupsPath. */
char *cgroup_path(const struct cgroup *cg, const char *uid, const char *id);
/* Times the kernel killed for memory in that container; 0 when it cannot be told. */
uint64_t cgroup_oom_kills(const struct cgroup *cg, const char *uid, const char *id);

#endif
