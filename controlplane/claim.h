/* claim: which objects a controller controls: by owner reference, adoption and release.
 *
 * An ownerless object that the selector matches is adopted, one that no longer matches is
 * released; both are planned here.  Pure.
 */
#ifndef CONTROLPLANE_CLAIM_H
#define CONTROLPLANE_CLAIM_H

#include "controlplane/controller.h"

struct claim {
    const struct object *owner;
    const char *api_version, *kind; /* of the owner: "apps/v1", "ReplicaSet" */
    const json_t *selector;         /* LabelSelector */
    const char *bucket;             /* of what it may control */
    /* NULL, or: may the owner have this one at all? */
    bool (*is_member)(const struct object *owner, const struct object *o);
    bool adopt_finished;   /* also pods that Succeeded or Failed */
    const char *finalizer; /* NULL, or: comes with adoption, goes with release */
};

/* Those @c->owner controls, in order of name, adopted ones included; NULL-terminated, free() it. */
const struct object **claim_run(struct plan *p, struct view *v, const struct claim *c,
                                size_t *ret_n);

/* A reference with controller and blockOwnerDeletion set; the caller's. */
json_t *claim_reference(const struct object *owner, const char *api_version, const char *kind);

/* Is there one in @owner_bucket (same namespace, not dying) whose spec.selector matches? */
bool claim_is_wanted(struct view *v, const struct object *o, const char *owner_bucket);

/* --- for map functions --- */

/* Adds the key of the controller of @change's object, before and after, when it is a @kind. */
void claim_map_controller(struct queue *q, const struct store_change *change, const char *kind);
/* Adds the keys of all in @owner_bucket (same namespace) whose spec.selector matches the
 * object, when nobody controls it. */
void claim_map_orphan(struct queue *q, struct view *v, const struct store_change *change,
                      const char *owner_bucket);
/* The same where spec.selector is a map of labels. */
void claim_map_orphan_of_labels(struct queue *q, struct view *v, const struct store_change *change,
                                const char *owner_bucket);

#endif
