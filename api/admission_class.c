/* What an object gets when it names no class: DefaultStorageClass, DefaultIngressClass. */
#include "api/admission.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* RFC 3339 texts of one form compare as their times; names decide between equal ones. */
static bool admit_is_newer(const json_t *a, const json_t *b)
{
    int order = strcmp(json_str_or(a, "metadata.creationTimestamp", ""),
                       json_str_or(b, "metadata.creationTimestamp", ""));

    return order != 0 ? order > 0
                      : strcmp(json_str_or(a, "metadata.name", ""),
                               json_str_or(b, "metadata.name", "")) < 0;
}

static bool admit_is_default(const json_t *tree, const char *const *flags)
{
    const json_t *annotations = json_at(tree, "metadata.annotations");

    for (size_t i = 0; flags[i] != NULL; i++)
        if (str_eq(json_string_value(json_object_get(annotations, flags[i])), "true"))
            return true;
    return false;
}

/* The newest object of @bucket with one of the annotations, the caller's; or NULL. */
static json_t *admit_default_class(const struct op *op, const char *bucket,
                                   const char *const *flags)
{
    json_t *best = NULL;
    const struct object *o;
    struct store_iter it;

    store_iter_init(&it, op->r->store, bucket, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = object_tree(o);

        if (!admit_is_default(tree, flags) || (best != NULL && !admit_is_newer(tree, best)))
            continue;
        json_decref(best);
        best = json_incref(tree);
    }
    return best;
}

void admit_storage_class(struct op *op)
{
    static const char *const flags[] = { "storageclass.kubernetes.io/is-default-class",
                                         "storageclass.beta.kubernetes.io/is-default-class", NULL };
    const json_t *annotations = json_at(op->tree, "metadata.annotations");
    cleanup(json_decrefpp) json_t *class = NULL;

    json_put_str(op->tree, "status.phase", "Pending");
    if (json_at(op->tree, "spec.storageClassName") != NULL ||
        json_object_get(annotations, "volume.beta.kubernetes.io/storage-class") != NULL)
        return;
    class = admit_default_class(op, "storageclasses.storage.k8s.io", flags);
    if (class != NULL)
        json_put_str(op->tree, "spec.storageClassName", json_str(class, "metadata.name"));
}

/* Only for an Ingress that names no class in either way (plugin DefaultIngressClass). */
void admit_ingress_class(struct op *op)
{
    static const char *const flags[] = { "ingressclass.kubernetes.io/is-default-class", NULL };
    const json_t *annotations = json_at(op->tree, "metadata.annotations");
    cleanup(json_decrefpp) json_t *class = NULL;

    if (json_at(op->tree, "spec.ingressClassName") != NULL ||
        json_object_get(annotations, "kubernetes.io/ingress.class") != NULL)
        return;
    class = admit_default_class(op, "ingressclasses.networking.k8s.io", flags);
    if (class != NULL)
        json_put_str(op->tree, "spec.ingressClassName", json_str(class, "metadata.name"));
}
