#include "base/tls.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls_x509.h"

#include <arpa/inet.h>
#include <assert.h>

#define TLS_CA_DAYS      3650
#define TLS_LEAF_DAYS    365
#define TLS_DAY_S        (24 * 3600)
#define TLS_SERIAL_BYTES 16

void tls_pair_fini(struct tls_pair *p)
{
    free(STEAL(p->cert_pem));
    free(STEAL(p->key_pem));
}

static int tls_key_make(gnutls_privkey_t *ret, char **ret_pem, struct err *err)
{
    cleanup(tls_x509_key_freep) gnutls_privkey_t key = NULL;
    cleanup(tls_x509_datum_fini) gnutls_datum_t pem = { NULL, 0 };
    gnutls_x509_privkey_t raw = NULL;
    int rc = gnutls_privkey_init(&key);

    if (rc == 0)
        rc = gnutls_privkey_generate(key, GNUTLS_PK_ECDSA,
                                     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (rc == 0)
        rc = gnutls_privkey_export_x509(key, &raw);
    if (rc == 0)
        rc = gnutls_x509_privkey_export2(raw, GNUTLS_X509_FMT_PEM, &pem);
    if (raw != NULL)
        gnutls_x509_privkey_deinit(raw);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "make a key");
    *ret_pem = mem_strn((const char *)pem.data, pem.size);
    *ret = STEAL(key);
    return 0;
}

int tls_key_new(char **ret_key_pem, struct err *err)
{
    cleanup(tls_x509_key_freep) gnutls_privkey_t key = NULL;

    return tls_key_make(&key, ret_key_pem, err);
}

static int tls_pub_of(gnutls_pubkey_t *ret, gnutls_privkey_t key)
{
    int rc = gnutls_pubkey_init(ret);

    return rc < 0 ? rc : gnutls_pubkey_import_privkey(*ret, key, 0, 0);
}

/* Calls @set(object, oid, text) for the CN and each organisation. */
typedef int (*tls_set_dn_fn)(void *object, const char *oid, const char *value);

static int tls_crt_set_dn(void *crt, const char *oid, const char *value)
{
    return gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, value, (unsigned)strlen(value));
}

static int tls_crq_set_dn(void *crq, const char *oid, const char *value)
{
    return gnutls_x509_crq_set_dn_by_oid(crq, oid, 0, value, (unsigned)strlen(value));
}

static int tls_set_subject(tls_set_dn_fn set, void *object, const struct tls_spec *spec)
{
    int rc = 0;

    for (const char *const *o = spec->orgs; rc == 0 && o != NULL && *o != NULL; o++)
        rc = set(object, GNUTLS_OID_X520_ORGANIZATION_NAME, *o);
    if (rc == 0 && !str_empty(spec->cn))
        rc = set(object, GNUTLS_OID_X520_COMMON_NAME, spec->cn);
    return rc;
}

typedef int (*tls_set_name_fn)(void *object, gnutls_x509_subject_alt_name_t type, const void *data,
                               unsigned size);

static int tls_crt_set_name(void *crt, gnutls_x509_subject_alt_name_t type, const void *data,
                            unsigned size)
{
    return gnutls_x509_crt_set_subject_alt_name(crt, type, data, size, GNUTLS_FSAN_APPEND);
}

static int tls_crq_set_name(void *crq, gnutls_x509_subject_alt_name_t type, const void *data,
                            unsigned size)
{
    return gnutls_x509_crq_set_subject_alt_name(crq, type, data, size, GNUTLS_FSAN_APPEND);
}

static int tls_set_ip(tls_set_name_fn set, void *object, const char *ip)
{
    unsigned char bytes[16];

    if (inet_pton(AF_INET, ip, bytes) == 1)
        return set(object, GNUTLS_SAN_IPADDRESS, bytes, 4);
    if (inet_pton(AF_INET6, ip, bytes) == 1)
        return set(object, GNUTLS_SAN_IPADDRESS, bytes, 16);
    return GNUTLS_E_INVALID_REQUEST;
}

static int tls_set_names(tls_set_name_fn set, void *object, const struct tls_spec *spec)
{
    int rc = 0;

    for (const char *const *d = spec->dns; rc == 0 && d != NULL && *d != NULL; d++)
        rc = set(object, GNUTLS_SAN_DNSNAME, *d, (unsigned)strlen(*d));
    for (const char *const *ip = spec->ips; rc == 0 && ip != NULL && *ip != NULL; ip++)
        rc = tls_set_ip(set, object, *ip);
    for (const char *const *m = spec->emails; rc == 0 && m != NULL && *m != NULL; m++)
        rc = set(object, GNUTLS_SAN_RFC822NAME, *m, (unsigned)strlen(*m));
    for (const char *const *u = spec->uris; rc == 0 && u != NULL && *u != NULL; u++)
        rc = set(object, GNUTLS_SAN_URI, *u, (unsigned)strlen(*u));
    return rc;
}

/* Version, serial, dates and subject: what a CA and a leaf have in common. */
static int tls_crt_begin(gnutls_x509_crt_t crt, gnutls_pubkey_t pub, const struct tls_spec *spec,
                         time_t not_after)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    unsigned char serial[TLS_SERIAL_BYTES];
    int rc;

    bits_random(serial, sizeof(serial));
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive, full length */
    rc = gnutls_x509_crt_set_version(crt, 3);
    if (rc == 0)
        rc = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
    if (rc == 0)
        rc = gnutls_x509_crt_set_activation_time(crt, now - TLS_DAY_S);
    if (rc == 0)
        rc = gnutls_x509_crt_set_expiration_time(crt, not_after);
    if (rc == 0)
        rc = tls_set_subject(tls_crt_set_dn, crt, spec);
    if (rc == 0)
        rc = gnutls_x509_crt_set_pubkey(crt, pub);
    return rc;
}

static int tls_set_subject_key_id(gnutls_x509_crt_t crt, gnutls_pubkey_t pub)
{
    unsigned char id[64];
    size_t size = sizeof(id);
    int rc = gnutls_pubkey_get_key_id(pub, GNUTLS_KEYID_USE_SHA1, id, &size);

    return rc < 0 ? rc : gnutls_x509_crt_set_subject_key_id(crt, id, size);
}

static int tls_crt_end(char **ret_pem, gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer,
                       gnutls_privkey_t issuer_key)
{
    cleanup(tls_x509_datum_fini) gnutls_datum_t pem = { NULL, 0 };
    int rc = gnutls_x509_crt_privkey_sign(crt, issuer, issuer_key, GNUTLS_DIG_SHA256, 0);

    if (rc == 0)
        rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    if (rc == 0)
        *ret_pem = mem_strn((const char *)pem.data, pem.size);
    return rc;
}

int tls_ca_make(struct tls_pair *ret, const char *cn, struct err *err)
{
    const struct tls_spec spec = { .cn = cn };
    cleanup(tls_pair_fini) struct tls_pair pair = TLS_PAIR_EMPTY;
    cleanup(tls_x509_key_freep) gnutls_privkey_t key = NULL;
    cleanup(tls_x509_pub_freep) gnutls_pubkey_t pub = NULL;
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    time_t end = (time_t)(clock_wall_ms() / 1000) + (time_t)TLS_CA_DAYS * TLS_DAY_S;
    int rc = tls_key_make(&key, &pair.key_pem, err);

    if (rc < 0)
        return rc;
    rc = tls_pub_of(&pub, key);
    if (rc == 0)
        rc = gnutls_x509_crt_init(&crt);
    if (rc == 0)
        rc = tls_crt_begin(crt, pub, &spec, end);
    if (rc == 0)
        rc = gnutls_x509_crt_set_basic_constraints(crt, 1, -1);
    if (rc == 0)
        rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN |
                                                    GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (rc == 0)
        rc = tls_set_subject_key_id(crt, pub);
    if (rc == 0)
        rc = tls_crt_end(&pair.cert_pem, crt, crt, key);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "make a CA certificate");
    ret->cert_pem = STEAL(pair.cert_pem);
    ret->key_pem = STEAL(pair.key_pem);
    return 0;
}

static int tls_set_usage(gnutls_x509_crt_t crt, gnutls_pubkey_t pub, const struct tls_spec *spec)
{
    unsigned usage = GNUTLS_KEY_DIGITAL_SIGNATURE;
    int rc;

    /* RSA key exchange of TLS 1.2 encrypts with the certificate's key. */
    if (gnutls_pubkey_get_pk_algorithm(pub, NULL) == GNUTLS_PK_RSA)
        usage |= GNUTLS_KEY_KEY_ENCIPHERMENT;
    rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    if (rc == 0)
        rc = gnutls_x509_crt_set_key_usage(crt, usage);
    if (rc == 0 && spec->is_server)
        rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (rc == 0 && spec->is_client)
        rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    return rc;
}

static int tls_set_authority_key_id(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
    unsigned char id[64];
    size_t size = sizeof(id);
    int rc = gnutls_x509_crt_get_subject_key_id(issuer, id, &size, NULL);

    if (rc < 0)
        return 0; /* a CA from elsewhere may have none */
    return gnutls_x509_crt_set_authority_key_id(crt, id, size);
}

/* A leaf must not outlive its CA: verifiers that look at dates would call it broken. */
static time_t tls_leaf_end(gnutls_x509_crt_t ca, const struct tls_spec *spec)
{
    int days = spec->days > 0 ? spec->days : TLS_LEAF_DAYS;
    time_t life = spec->seconds > 0 ? (time_t)spec->seconds : (time_t)days * TLS_DAY_S;
    time_t end = (time_t)(clock_wall_ms() / 1000) + life;
    time_t ca_end = gnutls_x509_crt_get_expiration_time(ca);

    return end < ca_end ? end : ca_end;
}

static int tls_leaf_make(char **ret_pem, const struct tls_pair *ca, gnutls_pubkey_t pub,
                         const struct tls_spec *spec, struct err *err)
{
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t ca_crt = NULL;
    cleanup(tls_x509_key_freep) gnutls_privkey_t ca_key = NULL;
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    int rc = tls_x509_cert(&ca_crt, ca->cert_pem, "CA certificate", err);

    if (rc == 0)
        rc = tls_x509_key(&ca_key, ca->key_pem, err);
    if (rc < 0)
        return rc;
    rc = gnutls_x509_crt_init(&crt);
    if (rc == 0)
        rc = tls_crt_begin(crt, pub, spec, tls_leaf_end(ca_crt, spec));
    if (rc == 0)
        rc = tls_set_names(tls_crt_set_name, crt, spec);
    if (rc == 0)
        rc = tls_set_usage(crt, pub, spec);
    if (rc == 0)
        rc = tls_set_subject_key_id(crt, pub);
    if (rc == 0)
        rc = tls_set_authority_key_id(crt, ca_crt);
    if (rc == 0)
        rc = tls_crt_end(ret_pem, crt, ca_crt, ca_key);
    return rc < 0 ? tls_x509_fail(err, ERR_INVALID, rc, "issue a certificate") : 0;
}

int tls_issue(struct tls_pair *ret, const struct tls_pair *ca, const struct tls_spec *spec,
              struct err *err)
{
    cleanup(tls_pair_fini) struct tls_pair pair = TLS_PAIR_EMPTY;
    cleanup(tls_x509_key_freep) gnutls_privkey_t key = NULL;
    cleanup(tls_x509_pub_freep) gnutls_pubkey_t pub = NULL;
    int rc = tls_key_make(&key, &pair.key_pem, err);

    if (rc < 0)
        return rc;
    rc = tls_pub_of(&pub, key);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "public key");
    rc = tls_leaf_make(&pair.cert_pem, ca, pub, spec, err);
    if (rc < 0)
        return rc;
    ret->cert_pem = STEAL(pair.cert_pem);
    ret->key_pem = STEAL(pair.key_pem);
    return 0;
}

int tls_csr_make(char **ret_key_pem, char **ret_csr_pem, const struct tls_spec *spec,
                 struct err *err)
{
    cleanup(freep) char *key_pem = NULL;
    cleanup(tls_x509_key_freep) gnutls_privkey_t key = NULL;
    cleanup(tls_x509_pub_freep) gnutls_pubkey_t pub = NULL;
    cleanup(tls_x509_crq_freep) gnutls_x509_crq_t crq = NULL;
    cleanup(tls_x509_datum_fini) gnutls_datum_t pem = { NULL, 0 };
    int rc = tls_key_make(&key, &key_pem, err);

    if (rc < 0)
        return rc;
    rc = tls_pub_of(&pub, key);
    if (rc == 0)
        rc = gnutls_x509_crq_init(&crq);
    if (rc == 0)
        rc = gnutls_x509_crq_set_version(crq, 1);
    if (rc == 0)
        rc = tls_set_subject(tls_crq_set_dn, crq, spec);
    if (rc == 0)
        rc = tls_set_names(tls_crq_set_name, crq, spec);
    if (rc == 0)
        rc = gnutls_x509_crq_set_pubkey(crq, pub);
    if (rc == 0)
        rc = gnutls_x509_crq_privkey_sign(crq, key, GNUTLS_DIG_SHA256, 0);
    if (rc == 0)
        rc = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &pem);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "make a certificate request");
    *ret_csr_pem = mem_strn((const char *)pem.data, pem.size);
    *ret_key_pem = STEAL(key_pem);
    return 0;
}

int tls_csr_sign(char **ret_cert_pem, const struct tls_pair *ca, const char *csr_pem,
                 const struct tls_spec *spec, struct err *err)
{
    cleanup(tls_x509_crq_freep) gnutls_x509_crq_t crq = NULL;
    cleanup(tls_x509_pub_freep) gnutls_pubkey_t pub = NULL;
    int rc = tls_x509_request(&crq, csr_pem, err);

    if (rc < 0)
        return rc;
    rc = gnutls_pubkey_init(&pub);
    if (rc == 0)
        rc = gnutls_pubkey_import_x509_crq(pub, crq, 0);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INVALID, rc, "key of the certificate request");
    return tls_leaf_make(ret_cert_pem, ca, pub, spec, err);
}

int tls_cert_hash(char **ret, const char *cert_pem, struct err *err)
{
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    cleanup(tls_x509_pub_freep) gnutls_pubkey_t pub = NULL;
    cleanup(tls_x509_datum_fini) gnutls_datum_t der = { NULL, 0 };
    char hex[BITS_SHA256_HEX];
    int rc = tls_x509_cert(&crt, cert_pem, "certificate", err);

    if (rc < 0)
        return rc;
    rc = gnutls_pubkey_init(&pub);
    if (rc == 0)
        rc = gnutls_pubkey_import_x509(pub, crt, 0);
    if (rc == 0)
        rc = gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_DER, &der);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INVALID, rc, "key of the certificate");
    bits_sha256_hex(hex, der.data, der.size);
    *ret = mem_fmt("sha256:%s", hex);
    return 0;
}

int tls_cert_expiry(int64_t *ret_wall_ms, const char *cert_pem, struct err *err)
{
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    int rc = tls_x509_cert(&crt, cert_pem, "certificate", err);
    time_t end;

    if (rc < 0)
        return rc;
    end = gnutls_x509_crt_get_expiration_time(crt);
    if (end == (time_t)-1)
        return err_set(err, ERR_INVALID, "certificate: no end date");
    *ret_wall_ms = (int64_t)end * 1000;
    return 0;
}
