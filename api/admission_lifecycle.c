/* Who may write where at all: NamespaceLifecycle, NodeRestriction. */
#include "api/admission.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

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
