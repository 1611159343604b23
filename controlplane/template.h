/* template: pod templates: pods made of them, their hash, their equality.  Pure. */
#ifndef CONTROLPLANE_TEMPLATE_H
#define CONTROLPLANE_TEMPLATE_H

#include "base/json.h"
#include "storage/object.h"

#define TEMPLATE_HASH_MAX   12
#define TEMPLATE_HASH_LABEL "pod-template-hash"

/* A pod of @template (metadata and spec), without a name; controlled by @owner, in its namespace. */
json_t *template_pod(const json_t *template_tree, const struct object *owner,
                     const char *api_version, const char *kind);

/* Safe to stand in a name: of the canonical JSON of any tree, and a count of collisions
 * (0 leaves it out). */
void template_hash(char ret[TEMPLATE_HASH_MAX], const json_t *tree, int64_t collisions);

/* But for the label pod-template-hash. */
bool template_equal(const json_t *a, const json_t *b);

#endif
