/* CertificateSigningRequests in the way of a write: who asks is written down and not believed,
 * approval and status each change their part (pkg/registry/certificates strategy.go), and the
 * admission plugins CertificateApproval, CertificateSigning and CertificateSubjectRestriction. */
#include "api/admission.h"
#include "api/csr.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* --- create --- */

static json_t *csr_user_groups(const struct registry_user *user)
{
    json_t *groups = json_array();

    for (size_t i = 0; user->groups != NULL && user->groups[i] != NULL; i++)
        json_array_append_new(groups, json_string(user->groups[i]));
    return groups;
}

static void csr_put_user(json_t *spec, const struct registry_user *user)
{
    static const char *const wiped[] = { "username", "uid", "groups", "extra" };

    for (size_t i = 0; i < N_ELEMENTS(wiped); i++)
        json_object_del(spec, wiped[i]);
    if (user == NULL)
        return;
    json_put_str(spec, "username", user->name);
    json_put(spec, "groups", csr_user_groups(user));
    if (!str_empty(user->uid))
        json_put_str(spec, "uid", user->uid);
    if (json_object_size(user->extra) > 0)
        json_put(spec, "extra", json_deep_copy(user->extra));
}

/* Nobody becomes an administrator by somebody's approval of what looks like any other request. */
static void csr_restrict_subject(struct op *op)
{
    cleanup(tls_csr_fini) struct tls_csr csr = TLS_CSR_EMPTY;
    struct err err = ERR_EMPTY;

    if (!str_eq(json_str(op->tree, "spec.signerName"), CSR_CLIENT) ||
        csr_read(&csr, op->tree, &err) < 0) /* validation will tell */
        return;
    for (char **org = csr.orgs; *org != NULL; org++)
        if (str_eq(*org, "system:masters"))
            admit_forbid(op,
                         "use of kubernetes.io/kube-apiserver-client signer with system:masters "
                         "group is not allowed");
}

void admit_csr_create(struct op *op)
{
    json_t *spec = json_at(op->tree, "spec");

    if (spec == NULL)
        return;
    csr_put_user(spec, op->user);
    csr_restrict_subject(op);
}

/* --- update --- */

void admit_csr_update(struct op *op)
{
    json_t *spec = json_object_get(op->old_tree, "spec");

    json_object_set_new(op->tree, "spec", json_deep_copy(spec));
}

static bool csr_may(const struct op *op, const char *verb)
{
    const char *signer = json_str_or(op->old_tree, "spec.signerName", "");
    const char *slash = strchr(signer, '/');
    cleanup(freep) char *domain = slash == NULL ? mem_str(signer)
                                                : mem_fmt("%.*s/*", (int)(slash - signer), signer);
    struct auth_question q = { .verb = verb,
                               .group = "certificates.k8s.io",
                               .resource = "signers",
                               .sub = "",
                               .ns = "",
                               .name = signer,
                               .path = "" };

    if (op_may(op, &q))
        return true;
    q.name = domain;
    return op_may(op, &q);
}

static void csr_require(struct op *op, const char *verb)
{
    if (!csr_may(op, verb))
        admit_forbid(op, "user not permitted to %s requests with signerName \"%s\"", verb,
                     json_str_or(op->old_tree, "spec.signerName", ""));
}

/* The times of conditions that are new or say something new. */
static void csr_put_times(struct op *op)
{
    json_t *conditions = json_at(op->tree, "status.conditions");
    json_t *before = json_at(op->old_tree, "status.conditions");
    char now[40];
    size_t i;
    json_t *c;

    meta_time(op->r, now);
    json_array_foreach (conditions, i, c) {
        const json_t *old = json_find(before, "type", json_str_or(c, "type", ""));
        const char *since = json_str(old, "lastTransitionTime");
        bool same = str_eq(json_str(old, "status"), json_str(c, "status"));

        if (str_empty(json_str(c, "lastUpdateTime")))
            json_put_str(c, "lastUpdateTime", now);
        if (str_empty(json_str(c, "lastTransitionTime")))
            json_put_str(c, "lastTransitionTime", same && since != NULL ? since : now);
    }
}

static void csr_keep(struct op *op, const char *path)
{
    json_t *old = json_at(op->old_tree, path);

    if (old != NULL)
        json_put(op->tree, path, json_deep_copy(old));
    else
        json_del(op->tree, path);
}

static void csr_approval(struct op *op)
{
    csr_keep(op, "status.certificate");
    csr_put_times(op);
    csr_require(op, "approve");
}

/* Conditions of @type, in order. */
static json_t *csr_conditions(const json_t *tree, const char *type)
{
    json_t *ret = json_array();
    size_t i;
    json_t *c;

    json_array_foreach (json_at(tree, "status.conditions"), i, c)
        if (str_eq(json_str(c, "type"), type))
            json_array_append(ret, c);
    return ret;
}

/* Who issues does not approve: a status that touches the approval is kept as it was. */
static void csr_keep_approval(struct op *op)
{
    static const char *const types[] = { "Approved", "Denied" };

    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        cleanup(json_decrefpp) json_t *now = csr_conditions(op->tree, types[i]);
        cleanup(json_decrefpp) json_t *before = csr_conditions(op->old_tree, types[i]);

        if (!json_equal(now, before)) {
            csr_keep(op, "status.conditions");
            return;
        }
    }
}

static void csr_status(struct op *op)
{
    csr_keep_approval(op);
    csr_put_times(op);
    if (!json_equal(json_at(op->tree, "status"), json_at(op->old_tree, "status")))
        csr_require(op, "sign");
}

void admit_csr_sub(struct op *op)
{
    if (str_eq(op->sub, "approval"))
        csr_approval(op);
    else if (str_eq(op->sub, "status"))
        csr_status(op);
}
