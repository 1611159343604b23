/* csr_signer: signs approved CertificateSigningRequests with the cluster's CA (api/csr.h says which).
 *
 * Follows the log of changes, so that a request is signed whoever approved it, also one approved
 * just before a power cut.  The certificate, or why there will be none, goes into the status through
 * the registry.  Owner: server.  Thread: loop.
 */
#ifndef API_CSR_SIGNER_H
#define API_CSR_SIGNER_H

#include "api/registry.h"
#include "base/tls.h"

#include <uv.h>

struct csr_signer;

/* @registry and @ca are borrowed; @max_seconds: how long certificates are good at most, 0 = a year. */
struct csr_signer *csr_signer_new(uv_loop_t *loop, struct registry *registry,
                                  const struct tls_pair *ca, int64_t max_seconds);
struct csr_signer *csr_signer_close(struct csr_signer *s); /* NULL is fine; returns NULL */

#endif
