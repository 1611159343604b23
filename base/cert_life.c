#include "base/cert_life.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/tls_x509.h"

#define CERT_LIFE_BACKDATED_MS (24LL * 3600 * 1000)
#define CERT_LIFE_PERCENT      70
#define CERT_LIFE_SPREAD       21

int cert_life_read(struct cert_life *ret, const char *cert_pem, struct err *err)
{
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    int rc = tls_x509_cert(&crt, cert_pem, "certificate", err);
    time_t begin, end;
    int64_t percent;

    if (rc < 0)
        return rc;
    begin = gnutls_x509_crt_get_activation_time(crt);
    end = gnutls_x509_crt_get_expiration_time(crt);
    if (begin == (time_t)-1 || end == (time_t)-1 || end <= begin)
        return err_set(err, ERR_INVALID, "certificate: no dates");
    ret->expiry_ms = (int64_t)end * 1000;
    ret->issued_ms = (int64_t)begin * 1000 + CERT_LIFE_BACKDATED_MS;
    if (ret->issued_ms >= ret->expiry_ms) /* not one of ours */
        ret->issued_ms = (int64_t)begin * 1000;
    percent = CERT_LIFE_PERCENT + bits_fnv32a(cert_pem, strlen(cert_pem)) % CERT_LIFE_SPREAD;
    ret->renew_ms = ret->issued_ms + (ret->expiry_ms - ret->issued_ms) / 100 * percent;
    return 0;
}
