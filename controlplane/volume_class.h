/* volume_class: how a claim gets its volume, and which existing volumes would do.  Pure;
 * shared by the scheduler and the binder of claims.
 */
#ifndef CONTROLPLANE_VOLUME_CLASS_H
#define CONTROLPLANE_VOLUME_CLASS_H

#include "controlplane/view.h"

#include <stdbool.h>

#define VOLUME_CLAIMS        "persistentvolumeclaims"
#define VOLUME_VOLUMES       "persistentvolumes"
#define VOLUME_CLASSES       "storageclasses.storage.k8s.io"
#define VOLUME_PROVISIONER   "mkube.io/local"
#define VOLUME_SELECTED_NODE "volume.kubernetes.io/selected-node"

struct volume_class {
    const char *name;        /* "" = none asked for: only ready-made volumes */
    const json_t *tree;      /* the StorageClass, or NULL when there is none of this name */
    const char *provisioner; /* "" when not known */
    bool provisions;         /* a volume is made when none fits */
    bool waits;              /* for its first consumer */
};

/* @ret borrows from the view and from @claim. */
void volume_class_of(struct volume_class *ret, struct view *v, const json_t *claim);
/* May a volume of this class be on this node (allowedTopologies)? */
bool volume_class_allows(const struct volume_class *c, const struct object *node);

/* The value of an annotation of @tree; NULL when absent. */
const char *volume_annotation(const json_t *tree, const char *key);

/* Is the claim bound both ways: has it a volume, which refers back to it?  The volume, or NULL. */
const struct object *volume_bound_to(struct view *v, const struct object *claim);
bool volume_is_claimed_by(const json_t *volume, const struct object *claim);

/* The smallest ready-made volume that would do for @claim (one that names the claim already
 * comes first); @node NULL = on any node.  NULL when there is none. */
const struct object *volume_find(struct view *v, const struct object *claim,
                                 const struct object *node);

#endif
