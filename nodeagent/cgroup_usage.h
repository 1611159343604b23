/* cgroup_usage: what a control group, or the whole host, has used: read when asked, kept nowhere.
 *
 * Working set as Kubernetes means it: memory in use without the file cache that could go at once
 * (inactive_file).  Blocking, but only on pseudo files.  Thread: any.
 */
#ifndef NODEAGENT_CGROUP_USAGE_H
#define NODEAGENT_CGROUP_USAGE_H

#include "nodeagent/cgroup.h"

struct cgroup_usage {
    int64_t at_ms;                     /* wall clock */
    int64_t cpu_ns;                    /* cumulative */
    int64_t memory, working_set, rss;  /* bytes */
    int64_t page_faults, major_faults; /* cumulative */
};

/* A container's; false: it is not there (any more). */
bool cgroup_usage_of(const struct cgroup *cg, const char *uid, const char *id,
                     struct cgroup_usage *ret);
/* The host's; false: the kernel does not tell. */
bool cgroup_usage_host(const struct cgroup *cg, struct cgroup_usage *ret);

#endif
