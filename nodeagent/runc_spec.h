/* runc_spec: one container as an OCI runtime configuration (config.json, spec 1.0.2).
 *
 * Pure: pod, container, image configuration and what the sandbox and volumes came to, in; a tree
 * out.  Used by container.c, which writes it beside the root filesystem.
 */
#ifndef NODEAGENT_RUNC_SPEC_H
#define NODEAGENT_RUNC_SPEC_H

#include "base/err.h"
#include "base/json.h"
#include "nodeagent/env.h"
#include "nodeagent/pod_view.h"
#include "nodeagent/user.h"

#include <stdbool.h>
#include <stdint.h>

struct runc_mount {
    char *source, *destination; /* owned by who made the list */
    bool read_only;
    bool recursive;          /* read_only holds for what is mounted below it too */
    const char *propagation; /* "rprivate", "rslave", "rshared" (static); NULL = rprivate */
};

struct runc_host {         /* what this node allows; read once at start */
    uint64_t capabilities; /* bounding set, bit = number */
    uint64_t nofile_hard;  /* inherited hard limit: never set above */
    bool may_lower_oom;    /* CAP_SYS_RESOURCE */
    bool cgroup_v2;
    int oom_floor;        /* our own oom_score_adj */
    int64_t memory_bytes; /* of the node, for oom_score_adj */
    json_t *devices;      /* owned; linux.devices entries for privileged containers */
};

struct runc_spec_input {
    const struct pod_view *pod;
    const struct container_view *container;
    const json_t *image_config; /* whole OCI image document; NULL = empty */
    const struct env_list *env; /* of the container, expanded */
    const struct user *user;
    const struct runc_mount *mounts;
    size_t n_mounts;
    const char *rootfs;
    const char *cgroup;                   /* "/mkube/pod<uid>/<id>" */
    const char *net_ns, *uts_ns, *ipc_ns; /* paths; NULL = the node's own */
    const char *pid_ns;   /* path of the pod's; NULL = one of its own, or the node's */
    const char *hostname; /* as the containers see it; NULL = not known */
    const char *shm;      /* directory shared as /dev/shm; NULL = the node's */
    const struct runc_host *host;
};

/* ERR_INVALID with words for the event: "no command specified", unknown capability, ... */
int runc_spec_make(json_t **ret, const struct runc_spec_input *in, struct err *err);

/* Is the container privileged? */
bool runc_spec_is_privileged(const struct container_view *c);

#endif
