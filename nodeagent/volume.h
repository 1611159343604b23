/* volume: a pod's volumes on this node, and the mounts its containers get of them.
 *
 * volumes_plan decides on the loop (lookups of configmaps, secrets, claims); volumes_make does
 * it, blocking, on a worker thread.  One table row per type.
 */
#ifndef NODEAGENT_VOLUME_H
#define NODEAGENT_VOLUME_H

#include "base/err.h"
#include "nodeagent/env.h"
#include "nodeagent/payload.h"
#include "nodeagent/pod_view.h"
#include "nodeagent/runc_spec.h"

#include <stdbool.h>
#include <stdint.h>

enum volume_type {
    VOLUME_EMPTY_DIR,
    VOLUME_MEMORY,
    VOLUME_HOST_PATH,
    VOLUME_PAYLOAD,
    VOLUME_LOCAL,
};

struct volume {
    char *name; /* owned, as are the others */
    enum volume_type type;
    char *path;      /* on this node: what containers mount */
    char *host_type; /* hostPath.type */
    int64_t size;    /* of a memory volume; 0 = the kernel's default */
    bool may_make;   /* local: below our data directory, made when absent */
    bool read_only;
    struct payload payload;
};

struct volumes { /* init with VOLUMES_EMPTY, end with volumes_fini */
    struct volume *list;
    size_t n;
    int64_t fs_group;      /* -1 = none */
    bool only_on_mismatch; /* fsGroupChangePolicy OnRootMismatch */
};
#define VOLUMES_EMPTY                        \
    {                                        \
        .list = NULL, .n = 0, .fs_group = -1 \
    }
void volumes_fini(struct volumes *v);

struct volume_context {
    const char *run_dir, *data_dir; /* of this pod: <run>/pods/<uid>, <data>/pods/<uid> */
    const char *node_data_dir;      /* local volumes below it may be made */
    const struct payload_sources *sources;
    /* The bound PersistentVolume of a claim; NULL with @err set (not bound, absent, not asked). */
    const json_t *(*claim)(void *arg, const char *claim_name, struct err *err);
    void *arg;
};

/* Fails with the sentence for the FailedMount event. */
int volumes_plan(struct volumes *ret, const struct pod_view *pod, const struct volume_context *ctx,
                 struct err *err);
int volumes_make(const struct volumes *v, struct err *err);

/* Does this volumeMount ask for mounts below it to be read-only as well? */
bool volume_is_recursive(const json_t *mount);

/* The claim a volume stands for ("ephemeral" ones have one of their own); NULL: none.  New. */
char *volume_claim(const struct pod_view *pod, const json_t *volume);

/* The mounts of one container, outer before inner, sources of volumes as they are; those with a
 * subPath have it in @ret_sub (same length, NULL = none, owned). */
int volume_mounts(struct runc_mount **ret, char ***ret_sub, size_t *ret_n,
                  const struct pod_view *pod, const struct container_view *c,
                  const struct volumes *v, const struct env_list *env, struct err *err);
/* Blocking: binds @sub of the volume at @root to @target, which becomes the mount's source; never
 * leaves the volume.  A directory that is not there is made. */
int volume_bind_sub(const char *root, const char *sub, const char *target, struct err *err);

#endif
