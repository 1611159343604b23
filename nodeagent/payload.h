/* payload: the files of a configMap, secret, downwardAPI or projected volume.
 *
 * payload_make is pure: the volume, and lookups for what it projects, in; paths, modes and bytes
 * out.  payload_write puts them into a directory so that a reader sees the old set or the new
 * one (..data link, as Kubernetes does it); blocking.
 */
#ifndef NODEAGENT_PAYLOAD_H
#define NODEAGENT_PAYLOAD_H

#include "base/err.h"
#include "base/json.h"
#include "nodeagent/pod_fields.h"
#include "nodeagent/pod_view.h"

#include <sys/types.h>

struct payload_file {
    char *path; /* relative, no "..": owned */
    mode_t mode;
    char *data; /* owned */
    size_t len;
    int64_t uid; /* -1: root */
};

struct payload { /* init with PAYLOAD_EMPTY, end with payload_fini */
    struct payload_file *files;
    size_t n;
    char **dirs; /* empty ones where other volumes are mounted below; owned; NULL = none */
    size_t n_dirs;
};
#define PAYLOAD_EMPTY         \
    {                         \
        .files = NULL, .n = 0 \
    }
void payload_fini(struct payload *p);

struct payload_sources {
    const json_t *(*find)(void *arg, const char *kind, const char *name);
    /* The token of a serviceAccountToken source, NULL while there is none. */
    const char *(*token)(void *arg, const char *volume, const json_t *source);
    void *arg;
    const struct pod_surroundings *around;
};

bool payload_is_volume(const json_t *volume); /* one of the four kinds */

/* ERR_NOT_FOUND: something not optional is missing ("configmap \"x\" not found", "references
 * non-existent config key: k"). */
int payload_make(struct payload *ret, const struct pod_view *pod, const json_t *volume,
                 const struct payload_sources *sources, struct err *err);

/* @fs_group -1: none.  Nothing is touched when @dir holds the same already. */
int payload_write(const char *dir, const struct payload *p, int64_t fs_group, struct err *err);

#endif
