#include "base/mem.h"
#include "base/text.h"
#include "base/tls.h"
#include "base/tls_x509.h"

#include <assert.h>
#include <gnutls/crypto.h>

#define TLS_ES256_HALF 32

/* Numbers of DER lose leading zeros and gain one when the top bit is set (X.690 8.3);
 * JOSE wants exactly 32 bytes (RFC 7518 section 3.4). */
static bool tls_es256_half(unsigned char *ret, const gnutls_datum_t *number)
{
    const unsigned char *from = number->data;
    size_t len = number->size;

    while (len > TLS_ES256_HALF && *from == 0) {
        from++;
        len--;
    }
    if (len > TLS_ES256_HALF)
        return false;
    memset(ret, 0, TLS_ES256_HALF);
    memcpy(ret + TLS_ES256_HALF - len, from, len);
    return true;
}

int tls_sign_es256(unsigned char ret[64], const char *key_pem, const void *data, size_t len,
                   struct err *err)
{
    const gnutls_datum_t message = { .data = (unsigned char *)(uintptr_t)data,
                                     .size = (unsigned)len };
    cleanup(tls_x509_key_freep) gnutls_privkey_t key = NULL;
    cleanup(tls_x509_datum_fini) gnutls_datum_t der = { NULL, 0 };
    cleanup(tls_x509_datum_fini) gnutls_datum_t r = { NULL, 0 };
    cleanup(tls_x509_datum_fini) gnutls_datum_t s = { NULL, 0 };
    unsigned char both[2 * TLS_ES256_HALF];
    int rc = tls_x509_key(&key, key_pem, err);

    assert(len <= TLS_MAX_PEM);
    if (rc < 0)
        return rc;
    if (gnutls_privkey_get_pk_algorithm(key, NULL) != GNUTLS_PK_ECDSA)
        return err_set(err, ERR_INVALID, "ES256 needs an ECDSA key");
    rc = gnutls_privkey_sign_data2(key, GNUTLS_SIGN_ECDSA_SHA256, 0, &message, &der);
    if (rc == 0)
        rc = gnutls_decode_rs_value(&der, &r, &s);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "sign");
    if (!tls_es256_half(both, &r) || !tls_es256_half(both + TLS_ES256_HALF, &s))
        return err_set(err, ERR_INVALID, "ES256 needs a P-256 key");
    memcpy(ret, both, sizeof(both));
    return 0;
}

static int tls_pub_import(gnutls_pubkey_t pub, const char *pem)
{
    const gnutls_datum_t view = tls_x509_view(pem);
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    int rc;

    if (strstr(pem, "-----BEGIN PUBLIC KEY-----") != NULL)
        return gnutls_pubkey_import(pub, &view, GNUTLS_X509_FMT_PEM);
    rc = gnutls_x509_crt_init(&crt);
    if (rc == 0)
        rc = gnutls_x509_crt_import(crt, &view, GNUTLS_X509_FMT_PEM);
    return rc < 0 ? rc : gnutls_pubkey_import_x509(pub, crt, 0);
}

bool tls_verify_es256(const char *cert_or_pub_pem, const unsigned char sig[64], const void *data,
                      size_t len)
{
    const gnutls_datum_t message = { .data = (unsigned char *)(uintptr_t)data,
                                     .size = (unsigned)len };
    unsigned char copy[2 * TLS_ES256_HALF];
    const gnutls_datum_t r = { .data = copy, .size = TLS_ES256_HALF };
    const gnutls_datum_t s = { .data = copy + TLS_ES256_HALF, .size = TLS_ES256_HALF };
    cleanup(tls_x509_pub_freep) gnutls_pubkey_t pub = NULL;
    cleanup(tls_x509_datum_fini) gnutls_datum_t der = { NULL, 0 };

    memcpy(copy, sig, sizeof(copy));
    if (len > TLS_MAX_PEM || strlen(cert_or_pub_pem) > TLS_MAX_PEM)
        return false;
    if (gnutls_pubkey_init(&pub) < 0 || tls_pub_import(pub, cert_or_pub_pem) < 0)
        return false;
    if (gnutls_pubkey_get_pk_algorithm(pub, NULL) != GNUTLS_PK_ECDSA)
        return false;
    if (gnutls_encode_rs_value(&der, &r, &s) < 0)
        return false;
    return gnutls_pubkey_verify_data2(pub, GNUTLS_SIGN_ECDSA_SHA256, 0, &message, &der) >= 0;
}

int tls_public_key(char **ret_pub_pem, const char *key_pem, struct err *err)
{
    cleanup(tls_x509_key_freep) gnutls_privkey_t key = NULL;
    cleanup(tls_x509_pub_freep) gnutls_pubkey_t pub = NULL;
    cleanup(tls_x509_datum_fini) gnutls_datum_t pem = { NULL, 0 };
    int rc = tls_x509_key(&key, key_pem, err);

    if (rc < 0)
        return rc;
    rc = gnutls_pubkey_init(&pub);
    if (rc == 0)
        rc = gnutls_pubkey_import_privkey(pub, key, 0, 0);
    if (rc == 0)
        rc = gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_PEM, &pem);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INVALID, rc, "public key");
    *ret_pub_pem = mem_strn((const char *)pem.data, pem.size);
    return 0;
}

int tls_public_point(unsigned char ret_xy[64], unsigned char ret_hash[32], const char *pub_pem,
                     struct err *err)
{
    cleanup(tls_x509_pub_freep) gnutls_pubkey_t pub = NULL;
    cleanup(tls_x509_datum_fini) gnutls_datum_t x = { NULL, 0 };
    cleanup(tls_x509_datum_fini) gnutls_datum_t y = { NULL, 0 };
    cleanup(tls_x509_datum_fini) gnutls_datum_t der = { NULL, 0 };
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    unsigned char both[2 * TLS_ES256_HALF];
    int rc = gnutls_pubkey_init(&pub);

    if (rc == 0)
        rc = tls_pub_import(pub, pub_pem);
    if (rc == 0)
        rc = gnutls_pubkey_export_ecc_raw2(pub, &curve, &x, &y, 0);
    if (rc == 0)
        rc = gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_DER, &der);
    if (rc == 0)
        rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, ret_hash);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INVALID, rc, "public key");
    if (curve != GNUTLS_ECC_CURVE_SECP256R1 || !tls_es256_half(both, &x) ||
        !tls_es256_half(both + TLS_ES256_HALF, &y))
        return err_set(err, ERR_INVALID, "public key: not on P-256");
    memcpy(ret_xy, both, sizeof(both));
    return 0;
}
