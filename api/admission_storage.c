/* Claims and volumes: StorageObjectInUseProtection, PersistentVolumeClaimResize. */
#include "api/admission.h"

#include "api/resource_list.h"
#include "base/mem.h"
#include "base/text.h"

#define ADMIT_CLASS_BEFORE "volume.beta.kubernetes.io/storage-class"

/* --- StorageObjectInUseProtection: the binder takes them away again --- */

static void admit_finalizer(struct op *op, const char *name)
{
    json_t *list = json_at(op->tree, "metadata.finalizers"), *f;
    size_t i;

    json_array_foreach (list, i, f)
        if (str_eq(json_string_value(f), name))
            return;
    if (list == NULL)
        json_put(op->tree, "metadata.finalizers", list = json_array());
    json_array_append_new(list, json_string(name));
}

void admit_claim_protection(struct op *op)
{
    admit_finalizer(op, "kubernetes.io/pvc-protection");
}

void admit_volume_protection(struct op *op)
{
    admit_finalizer(op, "kubernetes.io/pv-protection");
}

/* --- PersistentVolumeClaimResize --- */

static const char *admit_claim_class(const json_t *claim)
{
    const char *said = json_string_value(
        json_object_get(json_at(claim, "metadata.annotations"), ADMIT_CLASS_BEFORE));

    return said != NULL ? said : json_str_or(claim, "spec.storageClassName", "");
}

static bool admit_may_expand(struct op *op)
{
    const char *name = admit_claim_class(op->tree);
    const struct object *o;
    cleanup(json_decrefpp) json_t *class = NULL;

    if (name[0] == '\0' || !str_eq(name, admit_claim_class(op->old_tree)))
        return false;
    o = admit_find(op, "storageclasses.storage.k8s.io", "", name);
    class = o != NULL ? object_tree(o) : NULL;
    return json_bool(class, "allowVolumeExpansion", false);
}

void admit_claim_resize(struct op *op)
{
    struct quantity now, before;

    resource_list_get(json_at(op->tree, "spec.resources.requests"), "storage", &now);
    resource_list_get(json_at(op->old_tree, "spec.resources.requests"), "storage", &before);
    if (quantity_cmp(now, before) <= 0)
        return;
    if (!str_eq(json_str(op->old_tree, "status.phase"), "Bound"))
        admit_forbid(op, "Only bound persistent volume claims can be expanded");
    else if (!admit_may_expand(op))
        admit_forbid(op, "only dynamically provisioned pvc can be resized and the storageclass "
                         "that provisions the pvc must support resize");
}
