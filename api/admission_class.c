/* What an object gets when it names no class: DefaultStorageClass, DefaultIngressClass. */
#include "api/admission.h"

#include "base/mem.h"
#include "base/text.h"

const struct object *admit_default_class(const struct op *op, const char *bucket, const char *flag)
{
    struct store_iter it;
    const struct object *o;

    store_iter_init(&it, op->r->store, bucket, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = object_tree(o);
        json_t *annotations = json_at(tree, "metadata.annotations");

        if (json_bool(tree, flag, false) ||
            str_eq(json_string_value(json_object_get(annotations, flag)), "true"))
            return o;
    }
    return NULL;
}

void admit_storage_class(struct op *op)
{
    const struct object *o;

    json_put_str(op->tree, "status.phase", "Pending");
    if (json_at(op->tree, "spec.storageClassName") != NULL)
        return;
    o = admit_default_class(op, "storageclasses.storage.k8s.io",
                            "storageclass.kubernetes.io/is-default-class");
    if (o != NULL)
        json_put_str(op->tree, "spec.storageClassName", o->name);
}

/* Only for an Ingress that names no class in either way (plugin DefaultIngressClass). */
void admit_ingress_class(struct op *op)
{
    const json_t *annotations = json_at(op->tree, "metadata.annotations");
    const struct object *o;

    if (json_at(op->tree, "spec.ingressClassName") != NULL ||
        json_object_get(annotations, "kubernetes.io/ingress.class") != NULL)
        return;
    o = admit_default_class(op, "ingressclasses.networking.k8s.io",
                            "ingressclass.kubernetes.io/is-default-class");
    if (o != NULL)
        json_put_str(op->tree, "spec.ingressClassName", o->name);
}
