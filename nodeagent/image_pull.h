/* image_pull: fetches one image over the distribution protocol and unpacks it.  Blocking.
 *
 * Runs in a process of its own (`mkube image pull`): its memory and its risks end with it, and
 * the agent's loop never waits for a disk.  Layers are checked against their digests while they
 * arrive, unpacked beside, and renamed into place whole.
 * Protocol: OCI distribution-spec; token authentication as docker's registry describes it.
 */
#ifndef NODEAGENT_IMAGE_PULL_H
#define NODEAGENT_IMAGE_PULL_H

#include "base/err.h"
#include "base/json.h"
#include "nodeagent/image_layout.h"

struct image_pull_opts {
    const char *ref;
    const char *const *mirrors;  /* NULL-terminated, or NULL */
    const char *user, *password; /* or NULL */
};

/* @ret_record: what was written (image_layout.h), the caller's. */
int image_pull(const struct image_layout *l, const struct image_pull_opts *opts,
               json_t **ret_record, struct err *err);

/* Loads OCI and docker archives (*.tar, also compressed) of @dir; those already there are
 * skipped.  An archive that cannot be read is logged and passed over. */
int image_load_dir(const struct image_layout *l, const char *dir, struct err *err);

/* Unpacks layer @digest from @archive unless it is there; shared by both. */
int image_install_layer(const struct image_layout *l, const char *archive, const char *digest,
                        uint64_t *ret_size, struct err *err);

#endif
