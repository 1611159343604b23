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

/* --- NodeRestriction: what a table of verbs cannot say, for a new object's name is in its body --- */

static bool admit_is_node(const struct op *op, const char *name)
{
    static const char prefix[] = "system:node:";
    bool member = false;

    for (size_t i = 0; op->user != NULL && op->user->groups != NULL && op->user->groups[i] != NULL;
         i++)
        member = member || str_eq(op->user->groups[i], "system:nodes");
    return !member || !str_starts(op->user->name, prefix) ||
           str_eq(op->user->name + strlen(prefix), name);
}

/* Its Node and its Lease are called like the node. */
void admit_node_restriction(struct op *op)
{
    const char *name = json_str_or(op->tree, "metadata.name", "");
    cleanup(freep) char *why = NULL;

    if (admit_is_node(op, name))
        return;
    why = mem_fmt("node \"%s\" is not allowed to create %s \"%s\"",
                  op->user->name + strlen("system:node:"), op->resource->singular, name);
    op_refuse(op, status_forbidden(op->resource, name, why));
}
