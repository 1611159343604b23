#include "base/tls_x509.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>

/* Names longer than this are cut off as absent; X.520 allows 64. */
#define TLS_X509_MAX_NAME 1024

int tls_x509_fail(struct err *err, int code, int rc, const char *what)
{
    assert(rc < 0);
    return err_set(err, code, "%s: %s", what, gnutls_strerror(rc));
}

int tls_x509_cert(gnutls_x509_crt_t *ret, const char *pem, const char *what, struct err *err)
{
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    gnutls_datum_t view;
    int rc;

    if (pem == NULL || strlen(pem) > TLS_MAX_PEM)
        return err_set(err, ERR_INVALID, "%s: no PEM certificate", what);
    view = tls_x509_view(pem);
    rc = gnutls_x509_crt_init(&crt);
    if (rc == 0)
        rc = gnutls_x509_crt_import(crt, &view, GNUTLS_X509_FMT_PEM);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INVALID, rc, what);
    *ret = STEAL(crt);
    return 0;
}

int tls_x509_key(gnutls_privkey_t *ret, const char *pem, struct err *err)
{
    cleanup(tls_x509_key_freep) gnutls_privkey_t key = NULL;
    gnutls_datum_t view;
    int rc;

    if (pem == NULL || strlen(pem) > TLS_MAX_PEM)
        return err_set(err, ERR_INVALID, "no PEM private key");
    view = tls_x509_view(pem);
    rc = gnutls_privkey_init(&key);
    if (rc == 0)
        rc = gnutls_privkey_import_x509_raw(key, &view, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INVALID, rc, "private key");
    *ret = STEAL(key);
    return 0;
}

int tls_x509_crt_dn(void *crt, const char *oid, unsigned index, void *buffer, size_t *size)
{
    return gnutls_x509_crt_get_dn_by_oid(crt, oid, index, 0, buffer, size);
}

/* A name that holds a NUL could show one thing to us and another to who reads it whole. */
static char *tls_x509_attribute(tls_x509_dn_fn get, void *object, const char *oid, unsigned index)
{
    char buffer[TLS_X509_MAX_NAME];
    size_t size = sizeof(buffer);

    if (get(object, oid, index, buffer, &size) < 0 || memchr(buffer, '\0', size) != NULL)
        return NULL;
    return mem_strn(buffer, size);
}

char *tls_x509_cn(tls_x509_dn_fn get, void *object)
{
    return tls_x509_attribute(get, object, GNUTLS_OID_X520_COMMON_NAME, 0);
}

char **tls_x509_orgs(tls_x509_dn_fn get, void *object)
{
    char **orgs = MEM_NEW_ARRAY(char *, TLS_X509_MAX_ORGS + 1);

    for (unsigned i = 0; i < TLS_X509_MAX_ORGS; i++) {
        orgs[i] = tls_x509_attribute(get, object, GNUTLS_OID_X520_ORGANIZATION_NAME, i);
        if (orgs[i] == NULL)
            break;
    }
    return orgs;
}
