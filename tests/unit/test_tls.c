/* layer: base */
#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls.h"
#include "base/tls_session.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct tls_spec tls_alice = {
    .cn = "alice",
    .orgs = (const char *const[]){ "ops", "system:masters", NULL },
    .is_client = true,
};
static const struct tls_spec tls_local = {
    .cn = "server",
    .dns = (const char *const[]){ "localhost", "api.example", NULL },
    .ips = (const char *const[]){ "127.0.0.1", "::1", NULL },
    .is_server = true,
};

static void tls_make_ca(struct tls_pair *ca)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_ca_make(ca, "test-ca", &err), 0);
}

TEST(tls, a_ca_lives_ten_years_and_a_leaf_as_long_as_asked)
{
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    cleanup(tls_pair_fini) struct tls_pair leaf = TLS_PAIR_EMPTY;
    struct tls_spec spec = tls_alice;
    int64_t ca_end, leaf_end, day_ms = 86400000;
    struct err err = ERR_EMPTY;

    tls_make_ca(&ca);
    spec.days = 30;
    CHECK_INT(tls_issue(&leaf, &ca, &spec, &err), 0);
    CHECK_INT(tls_cert_expiry(&ca_end, ca.cert_pem, &err), 0);
    CHECK_INT(tls_cert_expiry(&leaf_end, leaf.cert_pem, &err), 0);
    CHECK_INT((ca_end - clock_wall_ms() + day_ms / 2) / day_ms, 3650);
    CHECK_INT((leaf_end - clock_wall_ms() + day_ms / 2) / day_ms, 30);
    tls_pair_fini(&leaf);
    spec.days = 99999;
    CHECK_INT(tls_issue(&leaf, &ca, &spec, &err), 0);
    CHECK_INT(tls_cert_expiry(&leaf_end, leaf.cert_pem, &err), 0);
    CHECK_INT(leaf_end, ca_end);
}

TEST(tls, wrong_input_is_refused_with_a_reason)
{
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    struct tls_pair leaf = TLS_PAIR_EMPTY;
    const struct tls_spec bad_ip = { .cn = "x", .ips = (const char *const[]){ "1.2.3", NULL } };
    struct tls_server *server;
    struct err err = ERR_EMPTY;
    int64_t end;
    char *pem;

    tls_make_ca(&ca);
    CHECK_INT(tls_issue(&leaf, &ca, &bad_ip, &err), ERR_INVALID);
    CHECK(leaf.cert_pem == NULL && leaf.key_pem == NULL);
    CHECK_INT(tls_cert_expiry(&end, "no pem", &err), ERR_INVALID);
    CHECK(strstr(err.text, "certificate: ") != NULL);
    CHECK_INT(tls_csr_sign(&pem, &ca, ca.cert_pem, &tls_alice, &err), ERR_INVALID);
    leaf.cert_pem = ca.cert_pem;
    CHECK_INT(tls_server_new(&server, &leaf, NULL, &err), ERR_INVALID);
}

TEST(tls, a_request_is_signed_under_the_names_of_the_signer)
{
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    cleanup(freep) char *key = NULL, *csr = NULL, *cert = NULL;
    cleanup(tls_csr_fini) struct tls_csr asked = TLS_CSR_EMPTY;
    const struct tls_spec other = { .cn = "system:node:n1", .is_client = true };
    struct err err = ERR_EMPTY;
    gnutls_x509_crt_t crt;
    gnutls_datum_t view;
    char name[64];
    size_t size = sizeof(name);

    tls_make_ca(&ca);
    CHECK_INT(tls_csr_make(&key, &csr, &tls_alice, &err), 0);
    CHECK_INT(tls_csr_read(&asked, csr, &err), 0);
    CHECK_STR(asked.cn, "alice");
    CHECK_STR(asked.orgs[0], "ops");
    CHECK_STR(asked.orgs[1], "system:masters");
    CHECK(asked.orgs[2] == NULL);
    CHECK_INT(tls_csr_sign(&cert, &ca, csr, &other, &err), 0);
    view = (gnutls_datum_t){ (unsigned char *)cert, (unsigned)strlen(cert) };
    gnutls_x509_crt_init(&crt);
    CHECK_INT(gnutls_x509_crt_import(crt, &view, GNUTLS_X509_FMT_PEM), 0);
    CHECK_INT(gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size),
              0);
    CHECK_STR(name, "system:node:n1");
    size = sizeof(name);
    CHECK(gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, 0, name, &size) <
          0);
    gnutls_x509_crt_deinit(crt);
}

TEST(tls, a_tampered_request_is_refused)
{
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    cleanup(freep) char *key = NULL, *csr = NULL, *cert = NULL;
    struct err err = ERR_EMPTY;
    char *byte;

    tls_make_ca(&ca);
    CHECK_INT(tls_csr_make(&key, &csr, &tls_alice, &err), 0);
    byte = strstr(csr, "-----\n") + 6 + 70;
    *byte = *byte == 'A' ? 'B' : 'A';
    CHECK_INT(tls_csr_sign(&cert, &ca, csr, &tls_alice, &err), ERR_INVALID);
    CHECK(cert == NULL);
}

TEST(tls, es256_is_64_bytes_and_proves_the_signer)
{
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    cleanup(tls_pair_fini) struct tls_pair other = TLS_PAIR_EMPTY;
    cleanup(freep) char *pub = NULL;
    unsigned char sig[64];
    struct err err = ERR_EMPTY;

    tls_make_ca(&ca);
    tls_make_ca(&other);
    CHECK_INT(tls_public_key(&pub, ca.key_pem, &err), 0);
    CHECK(str_starts(pub, "-----BEGIN PUBLIC KEY-----"));
    /* Often enough that r or s begins with a zero byte now and then. */
    for (int i = 0; i < 300; i++) {
        CHECK_INT(tls_sign_es256(sig, ca.key_pem, &i, sizeof(i), &err), 0);
        CHECK(tls_verify_es256(pub, sig, &i, sizeof(i)));
    }
    CHECK(tls_verify_es256(ca.cert_pem, sig, &(int){ 299 }, sizeof(int)));
    CHECK(!tls_verify_es256(ca.cert_pem, sig, &(int){ 300 }, sizeof(int)));
    CHECK(!tls_verify_es256(other.cert_pem, sig, &(int){ 299 }, sizeof(int)));
    sig[5] ^= 1;
    CHECK(!tls_verify_es256(pub, sig, &(int){ 299 }, sizeof(int)));
    CHECK(!tls_verify_es256("rubbish", sig, "x", 1));
}

TEST(tls, hash_names_the_key_and_not_the_certificate)
{
    static const char pem[] = /* a fixed certificate; the hash is openssl's answer */
        "-----BEGIN CERTIFICATE-----\n"
        "MIIBeDCCAR2gAwIBAgIUR8MVpXkTaZDd3HYaAbkO8zXlddAwCgYIKoZIzj0EAwIw\n"
        "EDEOMAwGA1UEAwwFZml4ZWQwIBcNMjYxMTIxMDE0NDM3WhgPMjEyNjEwMjgwMTQ0\n"
        "MzdaMBAxDjAMBgNVBAMMBWZpeGVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n"
        "1HZKuDMni0jxYHDLFz4PRzvpJ0H1xlrN5U/3A8JAQk3WvY36/55TgJC0/Uu4tWvL\n"
        "oQtyN0M9bCpviboejGNwi6NTMFEwHQYDVR0OBBYEFE7BJ5buL3cEpfIchGTLRSjV\n"
        "Fv08MB8GA1UdIwQYMBaAFE7BJ5buL3cEpfIchGTLRSjVFv08MA8GA1UdEwEB/wQF\n"
        "MAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAKGzLnyhAfEr1GtOyC7Udj9j7m/HkdJ6\n"
        "n5WKi68udJWIAiEArlFscjaqFjmevbvTbiLzJOHFDaelPI2yuSTgzS4Y8B8=\n"
        "-----END CERTIFICATE-----\n";
    cleanup(freep) char *hash = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_cert_hash(&hash, pem, &err), 0);
    CHECK_STR(hash, "sha256:5a77f7d25bb127114184f6435e550e16c2e86a605ddf2f144e3d4c87a95df1bf");
}

/* --- sessions over a socketpair --- */

struct tls_both {
    gnutls_session_t client, server;
    gnutls_certificate_credentials_t cred;
    int fds[2];
};

static void tls_both_up(struct tls_both *b, struct tls_server *server, const struct tls_pair *own,
                        const char *sni)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, b->fds), 0);
    CHECK_INT(tls_server_session(&b->server, server, &err), 0);
    gnutls_transport_set_int(b->server, b->fds[0]);
    gnutls_init(&b->client,
                GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT);
    gnutls_set_default_priority(b->client);
    gnutls_certificate_allocate_credentials(&b->cred);
    if (own != NULL) {
        gnutls_datum_t cert = { (unsigned char *)own->cert_pem, (unsigned)strlen(own->cert_pem) };
        gnutls_datum_t key = { (unsigned char *)own->key_pem, (unsigned)strlen(own->key_pem) };

        CHECK_INT(gnutls_certificate_set_x509_key_mem2(b->cred, &cert, &key, GNUTLS_X509_FMT_PEM,
                                                       NULL, 0),
                  0);
    }
    gnutls_credentials_set(b->client, GNUTLS_CRD_CERTIFICATE, b->cred);
    if (sni != NULL)
        gnutls_server_name_set(b->client, GNUTLS_NAME_DNS, sni, strlen(sni));
    gnutls_transport_set_int(b->client, b->fds[1]);
}

static void tls_both_down(struct tls_both *b)
{
    gnutls_deinit(b->client);
    gnutls_deinit(b->server);
    gnutls_certificate_free_credentials(b->cred);
    close(b->fds[0]);
    close(b->fds[1]);
}

static int tls_both_shake(struct tls_both *b)
{
    int client = GNUTLS_E_AGAIN, server = GNUTLS_E_AGAIN;

    for (int turn = 0; turn < 100 && (client != 0 || server != 0); turn++) {
        if (client == GNUTLS_E_AGAIN)
            client = gnutls_handshake(b->client);
        if (server == GNUTLS_E_AGAIN)
            server = gnutls_handshake(b->server);
        if ((client < 0 && gnutls_error_is_fatal(client)) ||
            (server < 0 && gnutls_error_is_fatal(server)))
            return -1;
    }
    return client == 0 && server == 0 ? 0 : -1;
}

struct tls_fixture {
    struct tls_pair ca, own;
    struct tls_server *server;
};

static void tls_fixture_up(struct tls_fixture *f)
{
    struct err err = ERR_EMPTY;

    *f = (struct tls_fixture){ .server = NULL };
    tls_make_ca(&f->ca);
    CHECK_INT(tls_issue(&f->own, &f->ca, &tls_local, &err), 0);
    CHECK_INT(tls_server_new(&f->server, &f->own, f->ca.cert_pem, &err), 0);
}

static void tls_fixture_down(struct tls_fixture *f)
{
    tls_server_unref(f->server);
    tls_pair_fini(&f->ca);
    tls_pair_fini(&f->own);
}

/* Who the server sees when a client shows @own. */
static void tls_fixture_peer(struct tls_fixture *f, const struct tls_pair *own,
                             struct tls_peer *ret)
{
    struct tls_both b;

    tls_both_up(&b, f->server, own, NULL);
    CHECK_INT(tls_both_shake(&b), 0);
    tls_server_peer(ret, f->server, b.server);
    tls_both_down(&b);
}

static void tls_digest(char ret[BITS_SHA256_HEX], const char *cert_pem)
{
    gnutls_datum_t pem = { (unsigned char *)(uintptr_t)cert_pem, (unsigned)strlen(cert_pem) }, der;

    CHECK_INT(gnutls_pem_base64_decode2("CERTIFICATE", &pem, &der), 0);
    bits_sha256_hex(ret, der.data, der.size);
    gnutls_free(der.data);
}

TEST(tls, a_client_of_our_ca_is_known_by_name_and_groups)
{
    cleanup(tls_pair_fini) struct tls_pair alice = TLS_PAIR_EMPTY;
    cleanup(tls_peer_fini) struct tls_peer peer = TLS_PEER_EMPTY;
    cleanup(tls_peer_fini) struct tls_peer copy = TLS_PEER_EMPTY;
    char digest[BITS_SHA256_HEX];
    struct tls_fixture f;
    struct err err = ERR_EMPTY;

    tls_fixture_up(&f);
    CHECK_INT(tls_issue(&alice, &f.ca, &tls_alice, &err), 0);
    tls_fixture_peer(&f, &alice, &peer);
    tls_peer_copy(&copy, &peer);
    CHECK(copy.verified);
    CHECK_STR(copy.cn, "alice");
    CHECK_STR(copy.orgs[0], "ops");
    CHECK_STR(copy.orgs[1], "system:masters");
    CHECK(copy.orgs[2] == NULL);
    tls_digest(digest, alice.cert_pem);
    CHECK_STR(copy.sha256, digest);
    tls_fixture_down(&f);
}

TEST(tls, others_are_served_but_not_believed)
{
    cleanup(tls_pair_fini) struct tls_pair stranger_ca = TLS_PAIR_EMPTY;
    cleanup(tls_pair_fini) struct tls_pair mallory = TLS_PAIR_EMPTY;
    cleanup(tls_peer_fini) struct tls_peer nobody = TLS_PEER_EMPTY, other = TLS_PEER_EMPTY;
    cleanup(tls_peer_fini) struct tls_peer wrong_purpose = TLS_PEER_EMPTY;
    struct tls_fixture f;
    struct err err = ERR_EMPTY;

    tls_fixture_up(&f);
    tls_fixture_peer(&f, NULL, &nobody);
    CHECK(!nobody.verified && nobody.cn == NULL);
    tls_make_ca(&stranger_ca);
    CHECK_INT(tls_issue(&mallory, &stranger_ca, &tls_alice, &err), 0);
    tls_fixture_peer(&f, &mallory, &other);
    CHECK(!other.verified && other.cn == NULL);
    tls_fixture_peer(&f, &f.own, &wrong_purpose); /* a server certificate */
    CHECK(!wrong_purpose.verified);
    tls_fixture_down(&f);
}

TEST(tls, a_client_finds_the_server_by_name_or_address)
{
    struct tls_trust *trust, *stranger;
    cleanup(tls_pair_fini) struct tls_pair other = TLS_PAIR_EMPTY;
    struct tls_fixture f;
    struct tls_both b;
    struct err err = ERR_EMPTY;

    tls_fixture_up(&f);
    tls_make_ca(&other);
    CHECK_INT(tls_trust_new(&trust, f.ca.cert_pem, &err), 0);
    CHECK_INT(tls_trust_new(&stranger, other.cert_pem, &err), 0);
    tls_both_up(&b, f.server, NULL, NULL);
    CHECK_INT(tls_both_shake(&b), 0);
    CHECK_INT(tls_trust_check(trust, b.client, "localhost", &err), 0);
    CHECK_INT(tls_trust_check(trust, b.client, "127.0.0.1", &err), 0);
    CHECK_INT(tls_trust_check(trust, b.client, "::1", &err), 0);
    CHECK_INT(tls_trust_check(trust, b.client, "127.0.0.2", &err), ERR_PROTOCOL);
    CHECK(strstr(err.text, "127.0.0.2") != NULL);
    CHECK_INT(tls_trust_check(trust, b.client, "evil.example", &err), ERR_PROTOCOL);
    CHECK_INT(tls_trust_check(stranger, b.client, "localhost", &err), ERR_PROTOCOL);
    tls_both_down(&b);
    tls_trust_free(trust);
    tls_trust_free(stranger);
    tls_fixture_down(&f);
}

static bool tls_shows(struct tls_fixture *f, const char *sni, const struct tls_pair *want)
{
    unsigned n = 0;
    gnutls_datum_t view = { (unsigned char *)want->cert_pem, (unsigned)strlen(want->cert_pem) };
    gnutls_datum_t der = { NULL, 0 };
    const gnutls_datum_t *shown;
    struct tls_both b;
    bool same;

    tls_both_up(&b, f->server, NULL, sni);
    CHECK_INT(tls_both_shake(&b), 0);
    shown = gnutls_certificate_get_peers(b.client, &n);
    CHECK(shown != NULL && n >= 1);
    CHECK_INT(gnutls_pem_base64_decode2("CERTIFICATE", &view, &der), 0);
    same = der.size == shown->size && memcmp(der.data, shown->data, der.size) == 0;
    gnutls_free(der.data);
    tls_both_down(&b);
    return same;
}

TEST(tls, the_certificate_follows_the_name_asked_for)
{
    cleanup(tls_pair_fini) struct tls_pair shop = TLS_PAIR_EMPTY, wild = TLS_PAIR_EMPTY;
    struct tls_fixture f;
    struct err err = ERR_EMPTY;

    tls_fixture_up(&f);
    CHECK_INT(tls_issue(&shop, &f.ca, &tls_local, &err), 0);
    CHECK_INT(tls_issue(&wild, &f.ca, &tls_local, &err), 0);
    CHECK_INT(tls_server_add(f.server, "Shop.Example.", &shop, &err), 0);
    CHECK_INT(tls_server_add(f.server, "*.wild.example", &wild, &err), 0);
    CHECK(tls_shows(&f, "shop.example", &shop));
    CHECK(tls_shows(&f, "SHOP.example", &shop));
    CHECK(tls_shows(&f, "a.wild.example", &wild));
    CHECK(tls_shows(&f, "a.b.wild.example", &f.own));
    CHECK(tls_shows(&f, "other.example", &f.own));
    CHECK(tls_shows(&f, NULL, &f.own));
    tls_fixture_down(&f);
}
