/* layer: api */
/* Certificate requests (PEM around DER), as whoever may create one sends them. */
#include "api/csr.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read must be readable in one way only. */
static void fuzz_check(const struct tls_csr *csr)
{
    char *const *const lists[] = { csr->orgs, csr->dns, csr->ips, csr->emails, csr->uris };

    if (csr->cn == NULL)
        abort();
    for (size_t l = 0; l < N_ELEMENTS(lists); l++)
        if (lists[l] == NULL)
            abort();
}

static void fuzz_pem(const char *pem)
{
    struct tls_csr csr = TLS_CSR_EMPTY;
    struct err err = ERR_EMPTY;

    if (tls_csr_read(&csr, pem, &err) == 0)
        fuzz_check(&csr);
    tls_csr_fini(&csr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strn((const char *)data, size);
    struct text pem = TEXT_EMPTY;
    json_t *tree = json_object();
    struct err err = ERR_EMPTY;

    fuzz_pem(text);
    text_puts(&pem, "-----BEGIN CERTIFICATE REQUEST-----\n");
    bits_base64(&pem, data, size);
    text_puts(&pem, "\n-----END CERTIFICATE REQUEST-----\n");
    fuzz_pem(text_str(&pem));
    json_put_str(tree, "spec.signerName", CSR_CLIENT_KUBELET);
    json_put_str(tree, "spec.request", text);
    csr_check(tree, &err);
    json_decref(tree);
    text_fini(&pem);
    free(text);
    return 0;
}
