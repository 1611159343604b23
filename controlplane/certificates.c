/* CertificateSigningRequests of nodes are approved when a node asks for itself; old ones go.
 *
 * The client certificate as kube-controller-manager does it: whoever may `create` the subresource
 * selfnodeclient or nodeclient.  A serving certificate, which Kubernetes leaves to others, when it
 * names nothing but what the Node object says of the very node that asks. */
#include "controlplane/controllers.h"

#include "api/auth.h"
#include "api/conditions.h"
#include "api/csr.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define CERTIFICATES_HOUR_MS 3600000LL

static const char *const certificates_buckets[] = { CSR_BUCKET, NULL };

static void certificates_map(struct queue *q, struct view *v, const struct store_change *change)
{
    (void)v;
    if (change->type != STORE_DELETED)
        queue_add(q, "", change->object->name);
}

/* --- approval --- */

static bool certificates_is_client(const json_t *tree, const struct tls_csr *csr)
{
    (void)csr;
    return str_eq(json_str(tree, "spec.signerName"), CSR_CLIENT_KUBELET);
}

static bool certificates_is_self(const json_t *tree, const struct tls_csr *csr)
{
    return certificates_is_client(tree, csr) && str_eq(json_str(tree, "spec.username"), csr->cn);
}

static bool certificates_may(struct view *v, const json_t *tree, const char *sub)
{
    cleanup(auth_user_fini) struct auth_user user = { 0 };
    const struct auth_question q = { .verb = "create",
                                     .group = "certificates.k8s.io",
                                     .resource = "certificatesigningrequests",
                                     .sub = sub,
                                     .ns = "",
                                     .name = "",
                                     .path = "" };

    auth_make_user(&user, json_str_or(tree, "spec.username", ""), json_at(tree, "spec.groups"));
    return auth_may(&user, view_rbac(v), &q);
}

static const struct certificates_rule {
    bool (*recognize)(const json_t *tree, const struct tls_csr *csr);
    const char *sub, *message;
} certificates_rules[] = {
    { certificates_is_self, "selfnodeclient",
      "Auto approving self kubelet client certificate after SubjectAccessReview." },
    { certificates_is_client, "nodeclient",
      "Auto approving kubelet client certificate after SubjectAccessReview." },
};

/* Whether the Node goes by this name or address. */
static bool certificates_node_has(const json_t *node, const char *name)
{
    return str_eq(json_str(node, "metadata.name"), name) ||
           json_find(json_at(node, "status.addresses"), "address", name) != NULL;
}

static bool certificates_is_own_serving(struct view *v, const json_t *tree,
                                        const struct tls_csr *csr)
{
    cleanup(auth_user_fini) struct auth_user user = { 0 };
    const struct object *o;
    const json_t *node;

    auth_make_user(&user, json_str_or(tree, "spec.username", ""), json_at(tree, "spec.groups"));
    if (!str_eq(json_str(tree, "spec.signerName"), CSR_SERVING) || user.node == NULL ||
        !str_eq(user.name, csr->cn))
        return false;
    o = view_get(v, "nodes", "", user.node);
    node = o != NULL ? view_tree(v, o) : NULL;
    for (char **name = csr->dns; node != NULL && *name != NULL; name++)
        if (!certificates_node_has(node, *name))
            return false;
    for (char **ip = csr->ips; node != NULL && *ip != NULL; ip++)
        if (!certificates_node_has(node, *ip))
            return false;
    return node != NULL;
}

/* Why @tree may be approved; NULL: a person has to. */
static const char *certificates_reason(struct view *v, const json_t *tree)
{
    cleanup(tls_csr_fini) struct tls_csr csr = TLS_CSR_EMPTY;
    struct err err = ERR_EMPTY;

    if (csr_check(tree, &err) != CSR_OURS || csr_read(&csr, tree, &err) < 0)
        return NULL;
    for (size_t i = 0; i < N_ELEMENTS(certificates_rules); i++)
        if (certificates_rules[i].recognize(tree, &csr) &&
            certificates_may(v, tree, certificates_rules[i].sub))
            return certificates_rules[i].message;
    if (certificates_is_own_serving(v, tree, &csr))
        return "Auto approving kubelet serving certificate for names and addresses of its Node.";
    return NULL;
}

static void certificates_approve(struct plan *ret, struct view *v, void *state, const char *ns,
                                 const char *name, struct clock_now now)
{
    const struct object *o = view_get(v, CSR_BUCKET, "", name);
    const json_t *tree = o != NULL ? view_tree(v, o) : NULL;
    const json_t *status = json_object_get(tree, "status");
    const char *reason;
    json_t *approved;

    (void)state, (void)ns, (void)now;
    if (tree == NULL || o->deleting || !str_empty(json_str(status, "certificate")) ||
        condition_get(status, "Approved") != NULL || condition_get(status, "Denied") != NULL)
        return;
    reason = certificates_reason(v, tree);
    if (reason == NULL)
        return;
    approved = json_deep_copy(tree);
    if (json_at(approved, "status.conditions") == NULL)
        json_put(approved, "status.conditions", json_array());
    json_array_append_new(json_at(approved, "status.conditions"),
                          json_pack("{s:s, s:s, s:s, s:s}", "type", "Approved", "status", "True",
                                    "reason", "AutoApproved", "message", reason));
    plan_approval(ret, o, approved);
}

const struct controller csrapproving_controller = {
    .name = "csrapproving",
    .buckets = certificates_buckets,
    .map = certificates_map,
    .plan = certificates_approve,
};

/* --- what is over --- */

static int64_t certificates_at(const json_t *tree, const char *path, int64_t otherwise)
{
    int64_t ms;

    return clock_parse(json_str_or(tree, path, ""), &ms) ? ms : otherwise;
}

/* When (wall) this request has no use any more. */
static int64_t certificates_end(const json_t *tree)
{
    const json_t *conditions = json_at(tree, "status.conditions");
    int64_t created = certificates_at(tree, "metadata.creationTimestamp", 0);
    int64_t end = created + 24 * CERTIFICATES_HOUR_MS;
    size_t i;
    json_t *c;

    json_array_foreach (conditions, i, c) {
        int64_t decided = certificates_at(c, "lastUpdateTime", created) + CERTIFICATES_HOUR_MS;

        if (decided < end)
            end = decided;
    }
    return end;
}

static void certificates_clean(struct plan *ret, struct view *v, void *state, const char *ns,
                               const char *name, struct clock_now now)
{
    const struct object *o = view_get(v, CSR_BUCKET, "", name);
    int64_t end;

    (void)state, (void)ns;
    if (o == NULL || o->deleting)
        return;
    end = certificates_end(view_tree(v, o));
    if (end <= now.wall_ms)
        plan_delete(ret, o);
    else
        plan_again(ret, end - now.wall_ms);
}

const struct controller csrcleaner_controller = {
    .name = "csrcleaner",
    .buckets = certificates_buckets,
    .map = certificates_map,
    .plan = certificates_clean,
};
