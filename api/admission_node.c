/* NodeRestriction: what a table of verbs cannot say of the writes of an agent, since it stands in
 * their bodies (plugin/pkg/admission/noderestriction). */
#include "api/admission.h"

#include "api/csr.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* The name of the node that writes, or NULL. */
static const char *admit_node_of(const struct op *op)
{
    struct auth_user user;

    if (op->user == NULL)
        return NULL;
    auth_borrow_user(&user, op->user->name, op->user->groups, op->user->uid);
    return user.node;
}

/* Its Node, Lease and CSINode are called like the node. */
void admit_node_restriction(struct op *op)
{
    const char *node = admit_node_of(op);

    if (node != NULL && !str_eq(node, admit_name(op)))
        admit_forbid(op, "node \"%s\" is not allowed to create %s \"%s\"", node,
                     op->resource->singular, admit_name(op));
}

/* --- labels --- */

/* Labels of Kubernetes' own that a kubelet sets (kubeletapis.KubeletLabels). */
static bool admit_node_may_set(const char *key)
{
    static const char *const known[] = {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    };
    const char *slash = strchr(key, '/');
    cleanup(freep) char *domain = slash != NULL ? mem_strn(key, (size_t)(slash - key)) : NULL;

    for (size_t i = 0; i < N_ELEMENTS(known); i++)
        if (str_eq(key, known[i]))
            return true;
    if (domain == NULL || str_eq(domain, "kubelet.kubernetes.io") ||
        str_ends(domain, ".kubelet.kubernetes.io") || str_eq(domain, "node.kubernetes.io") ||
        str_ends(domain, ".node.kubernetes.io"))
        return true;
    return !str_eq(domain, "kubernetes.io") && !str_ends(domain, ".kubernetes.io") &&
           !str_eq(domain, "k8s.io") && !str_ends(domain, ".k8s.io");
}

static bool admit_is_reserved(const char *key)
{
    const char *slash = strchr(key, '/');
    cleanup(freep) char *domain = slash != NULL ? mem_strn(key, (size_t)(slash - key)) : NULL;

    return domain != NULL && (str_eq(domain, "node-restriction.kubernetes.io") ||
                              str_ends(domain, ".node-restriction.kubernetes.io"));
}

static int admit_by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, ", " between them: those of @labels that differ in @other and are not a node's to set. */
static void admit_collect_labels(struct text *ret, const json_t *labels, const json_t *other)
{
    size_t n = 0, cap = json_object_size(labels);
    cleanup(freep) const char **keys = MEM_NEW_ARRAY(const char *, cap + 1);
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)labels, key, value) {
        const json_t *there = json_object_get(other, key);

        if ((there == NULL || !json_equal(value, there)) &&
            (admit_is_reserved(key) || !admit_node_may_set(key)))
            keys[n++] = key;
    }
    qsort(keys, n, sizeof(*keys), admit_by_text);
    for (size_t i = 0; i < n; i++)
        if (strstr(text_str(ret), keys[i]) == NULL)
            text_fmt(ret, "%s%s", ret->len > 0 ? ", " : "", keys[i]);
}

void admit_node_create(struct op *op)
{
    const char *node = admit_node_of(op);
    cleanup(text_fini) struct text labels = TEXT_EMPTY;

    if (node == NULL)
        return;
    admit_node_restriction(op);
    admit_collect_labels(&labels, json_at(op->tree, "metadata.labels"), NULL);
    if (labels.len > 0)
        admit_forbid(op, "node \"%s\" is not allowed to set the following labels: %s", node,
                     text_str(&labels));
}

static bool admit_same(const struct op *op, const char *path)
{
    json_t *now = json_at(op->tree, path), *before = json_at(op->old_tree, path);

    if (now != NULL && before != NULL)
        return json_equal(now, before);
    return json_array_size(now) + json_array_size(before) + json_object_size(now) +
               json_object_size(before) ==
           0;
}

void admit_node_update(struct op *op)
{
    const char *node = admit_node_of(op);
    cleanup(text_fini) struct text labels = TEXT_EMPTY;

    if (node == NULL)
        return;
    if (!admit_same(op, "spec.taints"))
        admit_forbid(op, "node \"%s\" is not allowed to modify taints", node);
    if (!admit_same(op, "metadata.ownerReferences"))
        admit_forbid(op, "node \"%s\" is not allowed to modify ownerReferences", node);
    admit_collect_labels(&labels, json_at(op->tree, "metadata.labels"),
                         json_at(op->old_tree, "metadata.labels"));
    admit_collect_labels(&labels, json_at(op->old_tree, "metadata.labels"),
                         json_at(op->tree, "metadata.labels"));
    if (labels.len > 0)
        admit_forbid(op, "is not allowed to modify labels: %s", text_str(&labels));
}

/* Labels decide which Services and policies a pod belongs to: not its node's to say. */
void admit_node_pod_status(struct op *op)
{
    const char *node = admit_node_of(op);

    if (node != NULL && str_eq(op->sub, "status") && !admit_same(op, "metadata.labels"))
        admit_forbid(op, "node \"%s\" cannot update labels through pod status", node);
}

/* Nobody else's certificate, whoever might approve it. */
void admit_node_csr(struct op *op)
{
    const char *signer = json_str_or(op->tree, "spec.signerName", "");
    cleanup(tls_csr_fini) struct tls_csr csr = TLS_CSR_EMPTY;
    struct err err = ERR_EMPTY;

    if (admit_node_of(op) == NULL ||
        (!str_eq(signer, CSR_SERVING) && !str_eq(signer, CSR_CLIENT_KUBELET)) ||
        csr_read(&csr, op->tree, &err) < 0) /* validation will tell */
        return;
    if (!str_eq(csr.cn, op->user->name))
        admit_forbid(op, "can only create a node CSR with CN=%s", op->user->name);
}
