/* csr: what a CertificateSigningRequest asks for, and which of the cluster's signers would sign it.
 *
 * Kubernetes' built-in signers over our one CA: kube-apiserver-client (people and programs),
 * kube-apiserver-client-kubelet and kubelet-serving (nodes).  All other names belong to others.
 * Who approves is not decided here (controlplane/certificates.c, or a person); who carries it out is
 * csr_signer.  Pure but for csr_issue, which draws a serial number.
 * Source: pkg/apis/certificates/helpers.go, pkg/controller/certificates/signer.  Thread: any.
 */
#ifndef API_CSR_H
#define API_CSR_H

#include "base/err.h"
#include "base/json.h"
#include "base/tls.h"

#include <stdbool.h>

#define CSR_BUCKET         "certificatesigningrequests.certificates.k8s.io"
#define CSR_CLIENT         "kubernetes.io/kube-apiserver-client"
#define CSR_CLIENT_KUBELET "kubernetes.io/kube-apiserver-client-kubelet"
#define CSR_SERVING        "kubernetes.io/kubelet-serving"
#define CSR_LEGACY         "kubernetes.io/legacy-unknown"

/* spec.request of the object @tree, read and its signature checked. */
int csr_read(struct tls_csr *ret, const json_t *tree, struct err *err);

enum csr_verdict {
    CSR_OURS = 0,    /* as its signer wants it */
    CSR_FOREIGN = 1, /* signed by somebody else, or by nobody */
};
/* ERR_INVALID: its signer is ours and would not sign this; the message is for the condition Failed. */
int csr_check(const json_t *tree, struct err *err);

/* Approved, neither denied nor failed, and without a certificate. */
bool csr_is_due(const json_t *tree);

/* The certificate (PEM) for a request that csr_check found CSR_OURS; good for what was asked, at most
 * @max_seconds (0 = a year). */
int csr_issue(char **ret_cert_pem, const json_t *tree, const struct tls_pair *ca,
              int64_t max_seconds, struct err *err);

#endif
