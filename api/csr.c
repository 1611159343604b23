#include "api/csr.h"

#include "api/conditions.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* --cluster-signing-duration of kube-controller-manager. */
#define CSR_SECONDS_MAX (365LL * 24 * 3600)
#define CSR_SECONDS_MIN 600

int csr_read(struct tls_csr *ret, const json_t *tree, struct err *err)
{
    const char *request = json_str_or(tree, "spec.request", "");
    cleanup(text_fini) struct text pem = TEXT_EMPTY;
    size_t bad;

    if (!bits_unbase64(&pem, request, strlen(request), &bad))
        return err_set(err, ERR_INVALID, "the request is not base64");
    if (memchr(text_str(&pem), '\0', pem.len) != NULL)
        return err_set(err, ERR_INVALID, "PEM block type must be CERTIFICATE REQUEST");
    return tls_csr_read(ret, text_str(&pem), err);
}

/* --- what each signer wants --- */

/* The usages as a set are exactly "digital signature", @purpose and perhaps "key encipherment". */
static bool csr_usages_are(const json_t *usages, const char *purpose)
{
    size_t i;
    json_t *item;

    json_array_foreach (usages, i, item)
        if (!str_eq(json_string_value(item), "digital signature") &&
            !str_eq(json_string_value(item), "key encipherment") &&
            !str_eq(json_string_value(item), purpose))
            return false;
    return json_has_str(usages, "digital signature") && json_has_str(usages, purpose);
}

static bool csr_is_of_nodes(const struct tls_csr *csr)
{
    return csr->orgs[0] != NULL && csr->orgs[1] == NULL && str_eq(csr->orgs[0], "system:nodes");
}

static int csr_check_client(const struct tls_csr *csr, const json_t *usages, struct err *err)
{
    size_t i;
    json_t *item;

    (void)csr;
    json_array_foreach (usages, i, item) {
        const char *usage = json_string_value(item);

        if (!str_eq(usage, "digital signature") && !str_eq(usage, "key encipherment") &&
            !str_eq(usage, "client auth"))
            return err_set(err, ERR_INVALID, "invalid usage for client certificate: %s", usage);
    }
    if (!json_has_str(usages, "client auth"))
        return err_set(err, ERR_INVALID,
                       "missing required usage for client certificate: client auth");
    return 0;
}

static int csr_check_kubelet(const struct tls_csr *csr, const json_t *usages, struct err *err)
{
    const struct {
        char *const *names;
        const char *what;
    } unwanted[] = {
        { csr->dns, "DNS" }, { csr->emails, "Email" }, { csr->ips, "IP" }, { csr->uris, "URI" }
    };

    if (!csr_is_of_nodes(csr))
        return err_set(err, ERR_INVALID, "subject organization is not system:nodes");
    for (size_t i = 0; i < N_ELEMENTS(unwanted); i++)
        if (unwanted[i].names[0] != NULL)
            return err_set(err, ERR_INVALID, "%s subjectAltNames are not allowed",
                           unwanted[i].what);
    if (!str_starts(csr->cn, "system:node:"))
        return err_set(err, ERR_INVALID, "subject common name does not begin with system:node:");
    if (!csr_usages_are(usages, "client auth"))
        return err_set(err, ERR_INVALID,
                       "usages did not match [client auth digital signature key encipherment]");
    return 0;
}

static int csr_check_serving(const struct tls_csr *csr, const json_t *usages, struct err *err)
{
    if (!csr_is_of_nodes(csr))
        return err_set(err, ERR_INVALID, "subject organization is not system:nodes");
    if (csr->dns[0] == NULL && csr->ips[0] == NULL)
        return err_set(err, ERR_INVALID, "DNS or IP subjectAltName is required");
    if (csr->emails[0] != NULL)
        return err_set(err, ERR_INVALID, "Email subjectAltNames are not allowed");
    if (csr->uris[0] != NULL)
        return err_set(err, ERR_INVALID, "URI subjectAltNames are not allowed");
    if (!csr_usages_are(usages, "server auth"))
        return err_set(err, ERR_INVALID,
                       "usages did not match [digital signature key encipherment server auth]");
    if (!str_starts(csr->cn, "system:node:"))
        return err_set(err, ERR_INVALID, "subject common name does not begin with system:node:");
    return 0;
}

static const struct csr_signer_row {
    const char *name;
    int (*check)(const struct tls_csr *csr, const json_t *usages, struct err *err);
    bool is_server;
} csr_signers[] = {
    { CSR_CLIENT, csr_check_client, false },
    { CSR_CLIENT_KUBELET, csr_check_kubelet, false },
    { CSR_SERVING, csr_check_serving, true },
};

static const struct csr_signer_row *csr_signer_of(const json_t *tree)
{
    for (size_t i = 0; i < N_ELEMENTS(csr_signers); i++)
        if (str_eq(csr_signers[i].name, json_str(tree, "spec.signerName")))
            return &csr_signers[i];
    return NULL;
}

int csr_check(const json_t *tree, struct err *err)
{
    const struct csr_signer_row *row = csr_signer_of(tree);
    cleanup(tls_csr_fini) struct tls_csr csr = TLS_CSR_EMPTY;
    int rc;

    if (row == NULL)
        return CSR_FOREIGN;
    rc = csr_read(&csr, tree, err);
    return rc < 0 ? rc : row->check(&csr, json_at(tree, "spec.usages"), err);
}

bool csr_is_due(const json_t *tree)
{
    const json_t *status = json_object_get(tree, "status");

    return condition_is(status, "Approved", "True") && condition_get(status, "Denied") == NULL &&
           !condition_is(status, "Failed", "True") && str_empty(json_str(status, "certificate"));
}

static int64_t csr_seconds(const json_t *tree, int64_t max_seconds)
{
    int64_t max = max_seconds > 0 ? max_seconds : CSR_SECONDS_MAX;
    int64_t asked = json_int(tree, "spec.expirationSeconds", max);

    if (asked < CSR_SECONDS_MIN)
        asked = CSR_SECONDS_MIN;
    return asked < max ? asked : max;
}

int csr_issue(char **ret_cert_pem, const json_t *tree, const struct tls_pair *ca,
              int64_t max_seconds, struct err *err)
{
    const struct csr_signer_row *row = csr_signer_of(tree);
    cleanup(tls_csr_fini) struct tls_csr csr = TLS_CSR_EMPTY;
    cleanup(text_fini) struct text pem = TEXT_EMPTY;
    const char *request = json_str_or(tree, "spec.request", "");
    struct tls_spec spec;
    size_t bad;
    int rc = csr_read(&csr, tree, err);

    if (rc < 0)
        return rc;
    if (row == NULL)
        return err_set(err, ERR_INVALID, "not one of our signers");
    bits_unbase64(&pem, request, strlen(request), &bad);
    spec = (struct tls_spec){ .cn = csr.cn,
                              .orgs = (const char *const *)csr.orgs,
                              .dns = (const char *const *)csr.dns,
                              .ips = (const char *const *)csr.ips,
                              .emails = (const char *const *)csr.emails,
                              .uris = (const char *const *)csr.uris,
                              .is_server = row->is_server,
                              .is_client = !row->is_server,
                              .seconds = csr_seconds(tree, max_seconds) };
    return tls_csr_sign(ret_cert_pem, ca, text_str(&pem), &spec, err);
}
