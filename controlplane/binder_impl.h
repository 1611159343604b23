/* binder_impl: what the files of the binder of volumes share.  Private to binder*.c.
 *
 * A key with a namespace is a claim, one without is a volume.  Each plan does the next step:
 * the volume refers to the claim first, then the claim to the volume, then both say Bound. */
#ifndef CONTROLPLANE_BINDER_IMPL_H
#define CONTROLPLANE_BINDER_IMPL_H

#include "controlplane/controller.h"
#include "controlplane/volume_class.h"

#define BINDER_NAME             "persistentvolume-controller"
#define BINDER_COMPLETED        "pv.kubernetes.io/bind-completed"
#define BINDER_BY_US            "pv.kubernetes.io/bound-by-controller"
#define BINDER_PROVISIONED_BY   "pv.kubernetes.io/provisioned-by"
#define BINDER_PROVISIONER      "volume.kubernetes.io/storage-provisioner"
#define BINDER_NODE             "mkube.io/node"
#define BINDER_CLAIM_PROTECTED  "kubernetes.io/pvc-protection"
#define BINDER_VOLUME_PROTECTED "kubernetes.io/pv-protection"
/* On volumes that hold data on a node: its agent takes it away when the data is gone. */
#define BINDER_HAS_DATA         "mkube.io/local-volume"
#define BINDER_DATA_ROOT        "/var/lib/mkube/volumes"

/* --- binder.c: small changes of trees --- */
void binder_annotate(json_t *tree, const char *key, const char *value);
bool binder_has_finalizer(const json_t *tree, const char *name);
void binder_add_finalizer(json_t *tree, const char *name);
void binder_drop_finalizer(json_t *tree, const char *name);
/* claimRef to @claim; the caller's. */
json_t *binder_claim_ref(const struct object *claim);

/* --- binder_claim.c, binder_volume.c --- */
void binder_claim_plan(struct plan *ret, struct view *v, const struct object *claim,
                       struct clock_now now);
void binder_volume_plan(struct plan *ret, struct view *v, const struct object *volume,
                        struct clock_now now);

/* --- binder_provision.c --- */
/* A new local volume for @claim, and the claim's reference to it; says why not otherwise. */
void binder_provision(struct plan *ret, struct view *v, const struct object *claim,
                      const struct volume_class *class);
/* @claim refers to the volume @name from now on; true when that had to be written. */
bool binder_claim_refer(struct plan *ret, struct view *v, const struct object *claim,
                        const char *name);

#endif
