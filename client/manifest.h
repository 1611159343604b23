/* manifest: the objects in files, directories or standard input.
 *
 * YAML and JSON, several documents in one file, Lists taken apart.  What cannot be read is told
 * beside the objects, so that the rest can still be applied.  Blocking.  Thread: main.
 */
#ifndef CLIENT_MANIFEST_H
#define CLIENT_MANIFEST_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

#define MANIFEST_MAX_BYTES (64 * 1024 * 1024) /* of one file */

struct manifest_object {
    json_t *tree;    /* owned; NULL: this one could not be read, and @err says why */
    char *source;    /* owned: "web.yaml", "STDIN" */
    struct err *err; /* owned, may be NULL */
};

struct manifest {
    struct manifest_object *objects;
    size_t n;
};

/* @source: a file, a directory (its *.yaml, *.yml, *.json in order; those below when @recursive),
 * "-". */
void manifest_read(struct manifest *ret, const char *source, bool recursive);
/* Text that is already here. */
void manifest_parse(struct manifest *ret, const char *source, const char *data, size_t len);
void manifest_fini(struct manifest *m);

#endif
