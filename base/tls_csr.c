/* Certificate requests of others: what they ask for, read so that there is only one way to read it. */
#include "base/mem.h"
#include "base/text.h"
#include "base/tls.h"
#include "base/tls_x509.h"

#include <arpa/inet.h>

#define TLS_CSR_NAMES_MAX 256
#define TLS_CSR_NAME_MAX  1024

void tls_csr_fini(struct tls_csr *c)
{
    free(c->cn);
    strv_free(c->orgs);
    strv_free(c->dns);
    strv_free(c->ips);
    strv_free(c->emails);
    strv_free(c->uris);
    *c = (struct tls_csr)TLS_CSR_EMPTY;
}

int tls_x509_request(gnutls_x509_crq_t *ret, const char *csr_pem, struct err *err)
{
    cleanup(tls_x509_crq_freep) gnutls_x509_crq_t crq = NULL;
    gnutls_datum_t view;
    int rc;

    if (csr_pem == NULL || strlen(csr_pem) > TLS_MAX_PEM ||
        (strstr(csr_pem, "-----BEGIN CERTIFICATE REQUEST-----") == NULL &&
         strstr(csr_pem, "-----BEGIN NEW CERTIFICATE REQUEST-----") == NULL))
        return err_set(err, ERR_INVALID, "PEM block type must be CERTIFICATE REQUEST");
    view = tls_x509_view(csr_pem);
    rc = gnutls_x509_crq_init(&crq);
    if (rc == 0)
        rc = gnutls_x509_crq_import(crq, &view, GNUTLS_X509_FMT_PEM);
    if (rc == 0)
        rc = gnutls_x509_crq_verify(crq, 0);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INVALID, rc, "certificate request");
    *ret = STEAL(crq);
    return 0;
}

/* --- subject --- */

/* 1: there is such an attribute; 0: there is none. */
static int tls_csr_attribute(char **ret, gnutls_x509_crq_t crq, const char *oid, unsigned index,
                             struct err *err)
{
    char buffer[TLS_CSR_NAME_MAX];
    size_t size = sizeof(buffer);
    int rc = gnutls_x509_crq_get_dn_by_oid(crq, oid, (int)index, 0, buffer, &size);

    if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return 0;
    if (rc < 0 || memchr(buffer, '\0', size) != NULL)
        return err_set(err, ERR_INVALID, "certificate request: the subject cannot be read");
    *ret = mem_strn(buffer, size);
    return 1;
}

static int tls_csr_read_cn(struct tls_csr *ret, gnutls_x509_crq_t crq, struct err *err)
{
    cleanup(freep) char *second = NULL;
    int rc = tls_csr_attribute(&ret->cn, crq, GNUTLS_OID_X520_COMMON_NAME, 0, err);

    if (rc == 0)
        ret->cn = mem_str("");
    if (rc == 1)
        rc = tls_csr_attribute(&second, crq, GNUTLS_OID_X520_COMMON_NAME, 1, err);
    if (rc == 1)
        rc = err_set(err, ERR_INVALID, "certificate request: more than one common name");
    return rc;
}

static int tls_csr_read_orgs(struct tls_csr *ret, gnutls_x509_crq_t crq, struct err *err)
{
    int rc = 1;

    ret->orgs = MEM_NEW_ARRAY(char *, TLS_X509_MAX_ORGS + 1);
    for (unsigned i = 0; rc == 1 && i < TLS_X509_MAX_ORGS; i++)
        rc = tls_csr_attribute(&ret->orgs[i], crq, GNUTLS_OID_X520_ORGANIZATION_NAME, i, err);
    return rc == 1 ? err_set(err, ERR_INVALID, "certificate request: too many organizations") : rc;
}

/* --- names --- */

static int tls_csr_print_ip(char **ret, const void *data, size_t size, struct err *err)
{
    char text[INET6_ADDRSTRLEN];

    if (size != 4 && size != 16)
        return err_set(err, ERR_INVALID, "certificate request: an IP address of %zu bytes", size);
    inet_ntop(size == 4 ? AF_INET : AF_INET6, data, text, sizeof(text));
    *ret = mem_str(text);
    return 0;
}

static char **tls_csr_list(struct tls_csr *c, unsigned type)
{
    switch (type) {
    case GNUTLS_SAN_DNSNAME: return c->dns;
    case GNUTLS_SAN_IPADDRESS: return c->ips;
    case GNUTLS_SAN_RFC822NAME: return c->emails;
    case GNUTLS_SAN_URI: return c->uris;
    default: return NULL; /* what nobody asks us for is not given */
    }
}

static int tls_csr_add_name(struct tls_csr *c, unsigned type, const char *data, size_t size,
                            struct err *err)
{
    char **list = tls_csr_list(c, type);
    size_t n = 0;

    if (list == NULL)
        return 0;
    while (list[n] != NULL)
        n++;
    if (type == GNUTLS_SAN_IPADDRESS)
        return tls_csr_print_ip(&list[n], data, size, err);
    if (size == 0 || memchr(data, '\0', size) != NULL)
        return err_set(err, ERR_INVALID, "certificate request: a name cannot be read");
    list[n] = mem_strn(data, size);
    return 0;
}

static int tls_csr_read_names(struct tls_csr *ret, gnutls_x509_crq_t crq, struct err *err)
{
    char ***const lists[] = { &ret->dns, &ret->ips, &ret->emails, &ret->uris };
    int rc = 0;

    for (size_t i = 0; i < N_ELEMENTS(lists); i++)
        *lists[i] = MEM_NEW_ARRAY(char *, TLS_CSR_NAMES_MAX + 1);
    for (unsigned i = 0; rc == 0; i++) {
        char buffer[TLS_CSR_NAME_MAX];
        size_t size = sizeof(buffer);
        unsigned type = 0, critical = 0;
        int got = gnutls_x509_crq_get_subject_alt_name(crq, i, buffer, &size, &type, &critical);

        if (got == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return 0;
        if (i == TLS_CSR_NAMES_MAX)
            return err_set(err, ERR_INVALID, "certificate request: more than %d names",
                           TLS_CSR_NAMES_MAX);
        if (got < 0)
            return tls_x509_fail(err, ERR_INVALID, got, "certificate request: names");
        rc = tls_csr_add_name(ret, type, buffer, size, err);
    }
    return rc;
}

int tls_csr_read(struct tls_csr *ret, const char *csr_pem, struct err *err)
{
    cleanup(tls_x509_crq_freep) gnutls_x509_crq_t crq = NULL;
    cleanup(tls_csr_fini) struct tls_csr c = TLS_CSR_EMPTY;
    int rc = tls_x509_request(&crq, csr_pem, err);

    if (rc == 0)
        rc = tls_csr_read_cn(&c, crq, err);
    if (rc == 0)
        rc = tls_csr_read_orgs(&c, crq, err);
    if (rc == 0)
        rc = tls_csr_read_names(&c, crq, err);
    if (rc < 0)
        return rc;
    *ret = c;
    c = (struct tls_csr)TLS_CSR_EMPTY;
    return 0;
}
