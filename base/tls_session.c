#include "base/tls_session.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls_x509.h"

#include <assert.h>
#include <ctype.h>

#define TLS_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define TLS_MAX_HOST 255
#define TLS_DAY_MS   (24LL * 3600 * 1000)

struct tls_server {
    unsigned n_refs;
    gnutls_certificate_credentials_t cred;
    struct map *hosts; /* owned; lower-case SNI name -> credentials; NULL without */
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key;
    bool asks_clients;
    int64_t issued_ms; /* our own certificate is at least this new */
};

static void tls_server_free(struct tls_server *s)
{
    map_free(s->hosts);
    if (s->cred != NULL)
        gnutls_certificate_free_credentials(s->cred);
    if (s->priority != NULL)
        gnutls_priority_deinit(s->priority);
    if (s->ticket_key.data != NULL)
        gnutls_memset(s->ticket_key.data, 0, s->ticket_key.size);
    gnutls_free(s->ticket_key.data);
    free(s);
}

struct tls_server *tls_server_ref(struct tls_server *s)
{
    assert(s->n_refs > 0);
    s->n_refs++;
    return s;
}

struct tls_server *tls_server_unref(struct tls_server *s)
{
    if (s != NULL && --s->n_refs == 0)
        tls_server_free(s);
    return NULL;
}

static void tls_server_unrefp(struct tls_server **p)
{
    tls_server_unref(*p);
}

static int tls_cred_new(gnutls_certificate_credentials_t *ret, const struct tls_pair *pair,
                        struct err *err)
{
    gnutls_certificate_credentials_t cred;
    gnutls_datum_t cert, key;
    int rc;

    if (str_empty(pair->cert_pem) || str_empty(pair->key_pem))
        return err_set(err, ERR_INVALID, "a server needs a certificate and its key");
    rc = gnutls_certificate_allocate_credentials(&cred);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "server credentials");
    cert = tls_x509_view(pair->cert_pem);
    key = tls_x509_view(pair->key_pem);
    rc = gnutls_certificate_set_x509_key_mem2(cred, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc < 0) {
        gnutls_certificate_free_credentials(cred);
        return tls_x509_fail(err, ERR_INVALID, rc, "server certificate and key");
    }
    *ret = cred;
    return 0;
}

static int tls_server_set_client_ca(struct tls_server *s, const char *pem, struct err *err)
{
    const gnutls_datum_t view = tls_x509_view(pem);
    int rc = gnutls_certificate_set_x509_trust_mem(s->cred, &view, GNUTLS_X509_FMT_PEM);

    if (rc <= 0)
        return err_set(err, ERR_INVALID, "client CA: no certificate in it");
    /* Dates are looked at in tls_server_peer, with tolerance. */
    gnutls_certificate_set_verify_flags(s->cred, GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
                                                     GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS);
    s->asks_clients = true;
    return 0;
}

static int64_t tls_issue_ms(const char *cert_pem)
{
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    struct err err = ERR_EMPTY;

    if (tls_x509_cert(&crt, cert_pem, "certificate", &err) < 0)
        return 0;
    /* Ours are dated back by a day. */
    return (int64_t)gnutls_x509_crt_get_activation_time(crt) * 1000 + TLS_DAY_MS;
}

int tls_server_new(struct tls_server **ret, const struct tls_pair *own, const char *client_ca_pem,
                   struct err *err)
{
    cleanup(tls_server_unrefp) struct tls_server *s = MEM_NEW(struct tls_server);
    int rc;

    s->n_refs = 1;
    rc = tls_cred_new(&s->cred, own, err);
    if (rc == 0 && client_ca_pem != NULL)
        rc = tls_server_set_client_ca(s, client_ca_pem, err);
    if (rc < 0)
        return rc;
    rc = gnutls_priority_init(&s->priority, TLS_PRIORITY, NULL);
    if (rc == 0)
        rc = gnutls_session_ticket_key_generate(&s->ticket_key);
    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "server credentials");
    s->issued_ms = tls_issue_ms(own->cert_pem);
    *ret = STEAL(s);
    return 0;
}

static void tls_cred_free(void *cred)
{
    gnutls_certificate_free_credentials(cred);
}

/* Lower case without the root's dot; false: too long to be a name. */
static bool tls_host_key(char ret[TLS_MAX_HOST + 1], const char *host, size_t len)
{
    if (len > 0 && host[len - 1] == '.')
        len--;
    if (len == 0 || len > TLS_MAX_HOST)
        return false;
    for (size_t i = 0; i < len; i++)
        ret[i] = (char)tolower((unsigned char)host[i]);
    ret[len] = '\0';
    return true;
}

int tls_server_add(struct tls_server *s, const char *host, const struct tls_pair *pair,
                   struct err *err)
{
    gnutls_certificate_credentials_t cred;
    char key[TLS_MAX_HOST + 1];
    int rc;

    assert(s->n_refs == 1);
    if (!tls_host_key(key, host, strlen(host)))
        return err_set(err, ERR_INVALID, "\"%.64s\" is no host name", host);
    rc = tls_cred_new(&cred, pair, err);
    if (rc < 0)
        return err_wrap(err, rc, "host %s", key);
    if (s->hosts == NULL)
        s->hosts = map_new(tls_cred_free);
    map_put(s->hosts, key, cred);
    return 0;
}

/* The name itself, else "*." in place of its first label, as Ingress hosts match. */
static gnutls_certificate_credentials_t tls_server_find(const struct tls_server *s, char *host)
{
    gnutls_certificate_credentials_t cred = map_get(s->hosts, host);
    char *dot = strchr(host, '.');

    if (cred != NULL || dot == NULL || dot == host)
        return cred;
    dot[-1] = '*';
    return map_get(s->hosts, dot - 1);
}

static int tls_server_on_hello(gnutls_session_t session)
{
    struct tls_server *s = gnutls_session_get_ptr(session);
    gnutls_certificate_credentials_t cred;
    char name[TLS_MAX_HOST + 2], key[TLS_MAX_HOST + 1];
    size_t size = sizeof(name);
    unsigned type;

    if (gnutls_server_name_get(session, name, &size, &type, 0) < 0 || type != GNUTLS_NAME_DNS)
        return 0;
    if (!tls_host_key(key, name, strnlen(name, size)))
        return 0;
    cred = tls_server_find(s, key);
    if (cred != NULL)
        return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, cred);
    return 0;
}

int tls_server_session(gnutls_session_t *ret, struct tls_server *s, struct err *err)
{
    const gnutls_datum_t alpn = tls_x509_view("http/1.1");
    gnutls_session_t session;
    int rc = gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "TLS session");
    rc = gnutls_priority_set(session, s->priority);
    if (rc == 0)
        rc = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, s->cred);
    if (rc == 0)
        rc = gnutls_session_ticket_enable_server(session, &s->ticket_key);
    if (rc == 0)
        rc = gnutls_alpn_set_protocols(session, &alpn, 1, 0);
    if (rc < 0) {
        gnutls_deinit(session);
        return tls_x509_fail(err, ERR_INTERNAL, rc, "TLS session");
    }
    if (s->asks_clients)
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    gnutls_handshake_set_timeout(session, 0); /* the owner's timer does that */
    if (s->hosts != NULL) {
        gnutls_session_set_ptr(session, s);
        gnutls_handshake_set_post_client_hello_function(session, tls_server_on_hello);
    }
    *ret = session;
    return 0;
}

/* The first certificate the other end showed; caller frees.  NULL: none. */
static gnutls_x509_crt_t tls_session_leaf(gnutls_session_t session)
{
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;
    const gnutls_datum_t *der;
    unsigned n = 0;

    if (gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509)
        return NULL;
    der = gnutls_certificate_get_peers(session, &n);
    if (der == NULL || n == 0)
        return NULL;
    if (gnutls_x509_crt_init(&crt) < 0 ||
        gnutls_x509_crt_import(crt, &der[0], GNUTLS_X509_FMT_DER) < 0)
        return NULL;
    return STEAL(crt);
}

/* Of the same as it came, in hex; there must be one. */
static char *tls_session_digest(gnutls_session_t session)
{
    char hex[BITS_SHA256_HEX];
    unsigned n;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &n);

    bits_sha256_hex(hex, der->data, der->size);
    return mem_str(hex);
}

/* The wall clock may be far behind (a dead battery), but not before what we know was issued. */
static bool tls_is_expired(gnutls_x509_crt_t crt, int64_t issued_ms)
{
    int64_t end_ms = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * 1000;
    int64_t now_ms = clock_wall_ms();

    return end_ms <= (now_ms > issued_ms ? now_ms : issued_ms);
}

static bool tls_server_believes(gnutls_session_t session)
{
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT,
    };
    unsigned status = ~0U;

    return gnutls_certificate_verify_peers(session, &purpose, 1, &status) == 0 && status == 0;
}

void tls_server_peer(struct tls_peer *ret, struct tls_server *s, gnutls_session_t session)
{
    cleanup(tls_x509_crt_freep) gnutls_x509_crt_t crt = NULL;

    *ret = (struct tls_peer)TLS_PEER_EMPTY;
    if (!s->asks_clients)
        return;
    crt = tls_session_leaf(session);
    if (crt == NULL || !tls_server_believes(session) || tls_is_expired(crt, s->issued_ms))
        return;
    ret->cn = tls_x509_cn(tls_x509_crt_dn, crt);
    ret->orgs = tls_x509_orgs(tls_x509_crt_dn, crt);
    if (ret->cn == NULL)
        ret->cn = mem_str("");
    ret->sha256 = tls_session_digest(session);
    ret->verified = true;
}

void tls_peer_fini(struct tls_peer *p)
{
    free(STEAL(p->cn));
    free(STEAL(p->sha256));
    p->orgs = strv_free(p->orgs);
    p->verified = false;
}

void tls_peer_copy(struct tls_peer *ret, const struct tls_peer *from)
{
    size_t n = 0;

    *ret = (struct tls_peer){ .verified = from->verified,
                              .cn = mem_str(from->cn),
                              .sha256 = mem_str(from->sha256) };
    if (from->orgs == NULL)
        return;
    while (from->orgs[n] != NULL)
        n++;
    ret->orgs = MEM_NEW_ARRAY(char *, n + 1);
    for (size_t i = 0; i < n; i++)
        ret->orgs[i] = mem_str(from->orgs[i]);
}

struct tls_trust {
    gnutls_x509_trust_list_t list;
    bool is_ours; /* a given CA, not the system's store */
    int64_t issued_ms;
    /* The last certificate found good, so that a kept connection is not verified per request. */
    unsigned char *good;
    size_t good_len;
    char *good_host;
    int64_t good_until_ms; /* monotonic */
};

/* How long a verdict is kept; bounds how late an expiry is noticed. */
#define TLS_TRUST_KEEP_MS 60000

struct tls_trust *tls_trust_free(struct tls_trust *t)
{
    if (t == NULL)
        return NULL;
    if (t->list != NULL)
        gnutls_x509_trust_list_deinit(t->list, 1);
    free(t->good);
    free(t->good_host);
    free(t);
    return NULL;
}

static void tls_trust_freep(struct tls_trust **p)
{
    tls_trust_free(*p);
}

int tls_trust_new(struct tls_trust **ret, const char *ca_pem, struct err *err)
{
    cleanup(tls_trust_freep) struct tls_trust *t = MEM_NEW(struct tls_trust);
    gnutls_datum_t view;
    int rc = gnutls_x509_trust_list_init(&t->list, 0);

    if (rc < 0)
        return tls_x509_fail(err, ERR_INTERNAL, rc, "trust list");
    t->is_ours = ca_pem != NULL;
    if (t->is_ours) {
        view = tls_x509_view(ca_pem);
        rc = gnutls_x509_trust_list_add_trust_mem(t->list, &view, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
        if (rc <= 0)
            return err_set(err, ERR_INVALID, "CA: no certificate in it");
        t->issued_ms = tls_issue_ms(ca_pem);
    } else {
        rc = gnutls_x509_trust_list_add_system_trust(t->list, 0, 0);
        if (rc < 0)
            return tls_x509_fail(err, ERR_IO, rc, "CA certificates of the system");
    }
    *ret = STEAL(t);
    return 0;
}

static bool tls_trust_knows(const struct tls_trust *t, const gnutls_datum_t *der, const char *host)
{
    return t->good != NULL && t->good_len == der->size &&
           memcmp(t->good, der->data, der->size) == 0 && str_eq(t->good_host, host) &&
           clock_mono_ms() < t->good_until_ms;
}

static void tls_trust_remember(struct tls_trust *t, const gnutls_datum_t *der, const char *host)
{
    free(t->good);
    free(t->good_host);
    t->good = mem_dup(der->data, der->size);
    t->good_len = der->size;
    t->good_host = mem_str(host);
    t->good_until_ms = clock_mono_ms() + TLS_TRUST_KEEP_MS;
}

#define TLS_TRUST_MAX_CHAIN 16

static int tls_trust_verify(struct tls_trust *t, const gnutls_datum_t *ders, unsigned n,
                            const char *host, unsigned *ret_status)
{
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER,
    };
    gnutls_x509_crt_t chain[TLS_TRUST_MAX_CHAIN];
    unsigned flags = t->is_ours ? GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
                                      GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS
                                : 0;
    unsigned n_chain = 0;
    int rc = 0;

    for (; rc == 0 && n_chain < n && n_chain < N_ELEMENTS(chain); n_chain++) {
        rc = gnutls_x509_crt_init(&chain[n_chain]);
        if (rc < 0)
            break;
        rc = gnutls_x509_crt_import(chain[n_chain], &ders[n_chain], GNUTLS_X509_FMT_DER);
    }
    if (rc == 0)
        rc = gnutls_x509_trust_list_verify_crt2(t->list, chain, n_chain, &purpose, 1, flags,
                                                ret_status, NULL);
    if (rc == 0 && t->is_ours && tls_is_expired(chain[0], t->issued_ms))
        *ret_status |= GNUTLS_CERT_INVALID | GNUTLS_CERT_EXPIRED;
    if (rc == 0 && !gnutls_x509_crt_check_hostname(chain[0], host))
        *ret_status |= GNUTLS_CERT_INVALID | GNUTLS_CERT_UNEXPECTED_OWNER;
    while (n_chain > 0)
        gnutls_x509_crt_deinit(chain[--n_chain]);
    return rc;
}

int tls_trust_check(struct tls_trust *t, gnutls_session_t session, const char *host,
                    struct err *err)
{
    cleanup(tls_x509_datum_fini) gnutls_datum_t why = { NULL, 0 };
    const gnutls_datum_t *ders;
    unsigned n = 0, status = 0;
    int rc;

    ders = gnutls_certificate_get_peers(session, &n);
    if (ders == NULL || n == 0)
        return err_set(err, ERR_PROTOCOL, "%s showed no certificate", host);
    if (tls_trust_knows(t, &ders[0], host))
        return 0;
    rc = tls_trust_verify(t, ders, n, host, &status);
    if (rc < 0)
        return tls_x509_fail(err, ERR_PROTOCOL, rc, "certificate of the server");
    if (status != 0) {
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0);
        return err_set(err, ERR_PROTOCOL, "certificate of %s: %s", host,
                       why.data != NULL ? (const char *)why.data : "not trusted");
    }
    tls_trust_remember(t, &ders[0], host);
    return 0;
}
