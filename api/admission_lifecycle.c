/* Who may write where at all: NamespaceLifecycle,
 * TaintNodesByCondition. */
#include "api/admission.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define ADMIT_NOT_READY "node.kubernetes.io/not-ready"

/* --- NamespaceLifecycle --- */

void admit_namespace_lifecycle(struct op *op)
{
    const struct object *ns;
    cleanup(freep) char *why = NULL;
    json_t *status;

    if (!op->resource->namespaced)
        return;
    ns = admit_find(op, "namespaces", "", op->ns);
    if (ns == NULL) {
        op_refuse(op, status_not_found(schema_bucket("namespaces"), op->ns));
        return;
    }
    if (!ns->deleting)
        return;
    why = mem_fmt("unable to create new content in namespace %s because it is being terminated",
                  op->ns);
    status = status_forbidden(op->resource, admit_name(op), why);
    json_put(status, "details.causes",
             json_pack("[{s:s, s:s, s:s}]", "reason", "NamespaceTerminating", "message",
                       "namespace is being terminated", "field", "metadata.namespace"));
    op_refuse(op, status);
}

/* --- TaintNodesByCondition: nothing is placed on a node before it said that it is ready --- */

void admit_node_taint(struct op *op)
{
    json_t *taints = json_at(op->tree, "spec.taints"), *taint;
    size_t i;

    json_array_foreach (taints, i, taint)
        if (str_eq(json_str(taint, "key"), ADMIT_NOT_READY) &&
            str_eq(json_str(taint, "effect"), "NoSchedule"))
            return;
    if (taints == NULL)
        json_put(op->tree, "spec.taints", taints = json_array());
    json_array_append_new(taints,
                          json_pack("{s:s, s:s}", "key", ADMIT_NOT_READY, "effect", "NoSchedule"));
}
