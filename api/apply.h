/* apply: server-side apply: what somebody wants of an object, merged into it.
 *
 * The applied configuration wins over what is there; a field that another manager owns with
 * another value is a conflict, unless forced; a field that the manager applied before and no more
 * goes, unless somebody else owns it.  Facts: structured-merge-diff's merge.Updater, apimachinery's
 * managedfields (before-first-apply, the last-applied annotation of kubectl).
 *
 * Pure.  Thread: any.
 */
#ifndef API_APPLY_H
#define API_APPLY_H

#include "api/managed.h"

#define APPLY_LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

struct apply_conflict {
    struct managed_entry with;   /* whose field it is */
    const struct field_set *set; /* the fields */
};

struct apply_result {
    json_t *tree;                           /* owned: the merged object; equals @live if !changed */
    bool changed;                           /* the object, not only who owns it */
    const struct apply_conflict *conflicts; /* in the arena of the managed fields */
    size_t n_conflicts;
};

/* @live NULL: the object is to be created.  @config outlives @m.  @m becomes what is to be kept
 * with the tree; after a refusal or with conflicts it is of no use.  ERR_INVALID: @config does not
 * fit its type; @err has Kubernetes' sentence. */
int apply_config(struct apply_result *ret, struct managed *m, const struct managed_write *w,
                 const json_t *live, const json_t *config, bool force, struct err *err);
/* `Apply failed with 1 conflict: conflict with "x" using v1: .spec.y` */
void apply_conflicts_text(struct text *ret, const struct apply_result *result);
/* Causes of the Status: array of {reason, message, field}; the caller's. */
json_t *apply_conflicts_causes(const struct apply_result *result);

#endif
