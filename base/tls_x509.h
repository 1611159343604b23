/* tls_x509: small vocabulary over GnuTLS' X.509 objects, for the tls_* files only. */
#ifndef BASE_TLS_X509_H
#define BASE_TLS_X509_H

#include "base/err.h"
#include "base/tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

/* What a peer or a client may send us as PEM. */
#define TLS_MAX_PEM       (256 * 1024)
#define TLS_X509_MAX_ORGS 64

static inline void tls_x509_crt_freep(gnutls_x509_crt_t *p)
{
    if (*p != NULL)
        gnutls_x509_crt_deinit(*p);
}

static inline void tls_x509_crq_freep(gnutls_x509_crq_t *p)
{
    if (*p != NULL)
        gnutls_x509_crq_deinit(*p);
}

static inline void tls_x509_key_freep(gnutls_privkey_t *p)
{
    if (*p != NULL)
        gnutls_privkey_deinit(*p);
}

static inline void tls_x509_pub_freep(gnutls_pubkey_t *p)
{
    if (*p != NULL)
        gnutls_pubkey_deinit(*p);
}

static inline void tls_x509_datum_fini(gnutls_datum_t *d)
{
    gnutls_free(d->data);
    d->data = NULL;
}

/* Borrowing view of a string; GnuTLS wants it unsigned and not const. */
static inline gnutls_datum_t tls_x509_view(const char *s)
{
    return (gnutls_datum_t){ .data = (unsigned char *)(uintptr_t)s, .size = (unsigned)strlen(s) };
}

/* "WHAT: gnutls_strerror(rc)" under @code. */
int tls_x509_fail(struct err *err, int code, int rc, const char *what);
/* Parsers of PEM; each result is owned by the caller. @what names the thing in the message. */
int tls_x509_cert(gnutls_x509_crt_t *ret, const char *pem, const char *what, struct err *err);
int tls_x509_request(gnutls_x509_crq_t *ret, const char *csr_pem,
                     struct err *err); /* its own signature holds */
int tls_x509_key(gnutls_privkey_t *ret, const char *pem, struct err *err);
/* Attributes of a name, from a reader that wraps gnutls_x509_cr{t,q}_get_dn_by_oid. */
typedef int (*tls_x509_dn_fn)(void *object, const char *oid, unsigned index, void *buffer,
                              size_t *size);
char *tls_x509_cn(tls_x509_dn_fn get, void *object);    /* owned; NULL if absent */
char **tls_x509_orgs(tls_x509_dn_fn get, void *object); /* owned, NULL-terminated */
int tls_x509_crt_dn(void *crt, const char *oid, unsigned index, void *buffer, size_t *size);

#endif
