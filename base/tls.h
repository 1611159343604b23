/* tls: keys, certificates, credentials (GnuTLS), all X.509 of the project.
 *
 * Keys are ECDSA P-256; PEM strings are NUL-terminated and owned by the holder.
 * Certificates are dated from one day before `now` (a wrong clock must not lock a node out);
 * peers that hold our CA's certificates are checked for signature and purpose, and
 * for time only against expiry of the leaf, with tls_now() = max(wall clock, newest issue seen).
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_pair {   /* init with TLS_PAIR_EMPTY, end with tls_pair_fini */
    char *cert_pem; /* owned; may hold a chain */
    char *key_pem;  /* owned */
};
#define TLS_PAIR_EMPTY                    \
    {                                     \
        .cert_pem = NULL, .key_pem = NULL \
    }
void tls_pair_fini(struct tls_pair *p);

struct tls_spec {
    const char *cn;
    const char *const *orgs; /* NULL-terminated or NULL */
    const char *const *dns;  /* subject alternative names */
    const char *const *ips;
    const char *const *emails, *const *uris;
    bool is_server, is_client;
    int days;        /* of validity; 0 = 365; cut to the CA's own end */
    int64_t seconds; /* of validity instead of @days; 0 = not said */
};

/* A CA, self-signed, ten years. */
int tls_ca_make(struct tls_pair *ret, const char *cn, struct err *err);
int tls_issue(struct tls_pair *ret, const struct tls_pair *ca, const struct tls_spec *spec,
              struct err *err);
/* A key and a PKCS#10 request for it, as an agent sends when it joins. */
int tls_csr_make(char **ret_key_pem, char **ret_csr_pem, const struct tls_spec *spec,
                 struct err *err);
/* Checks the request's own signature; subject and names come from @spec, never from the request. */
int tls_csr_sign(char **ret_cert_pem, const struct tls_pair *ca, const char *csr_pem,
                 const struct tls_spec *spec, struct err *err);

/* What a request asks for; its own signature was checked.  End with tls_csr_fini. */
struct tls_csr {
    char *cn;      /* "" if none */
    char **orgs;   /* these lists are NULL-terminated */
    char **dns;    /* subject alternative names */
    char **ips;    /* as text */
    char **emails; /* what else it would be called */
    char **uris;
};
#define TLS_CSR_EMPTY                                                                    \
    {                                                                                    \
        .cn = NULL, .orgs = NULL, .dns = NULL, .ips = NULL, .emails = NULL, .uris = NULL \
    }
void tls_csr_fini(struct tls_csr *c);
/* ERR_INVALID, in Go's words for what is no PEM request at all; also for a subject or names that
 * could be read in two ways (several CNs, a NUL within), or that are too many. */
int tls_csr_read(struct tls_csr *ret, const char *csr_pem, struct err *err);
/* "sha256:<hex>" over the DER SubjectPublicKeyInfo, as in kubeadm's discovery-token-ca-cert-hash. */
int tls_cert_hash(char **ret, const char *cert_pem, struct err *err);
int tls_cert_expiry(int64_t *ret_wall_ms, const char *cert_pem, struct err *err);

/* RS256/ES256 for ServiceAccount tokens. ES256 signature is raw r||s (RFC 7518 section 3.4). */
int tls_sign_es256(unsigned char ret[64], const char *key_pem, const void *data, size_t len,
                   struct err *err);
bool tls_verify_es256(const char *cert_or_pub_pem, const unsigned char sig[64], const void *data,
                      size_t len);
int tls_public_key(char **ret_pub_pem, const char *key_pem, struct err *err);
/* A P-256 public key's x and y, and SHA-256 over its DER SubjectPublicKeyInfo. */
int tls_public_point(unsigned char ret_xy[64], unsigned char ret_hash[32], const char *pub_pem,
                     struct err *err);
/* A private key alone, PEM. */
int tls_key_new(char **ret_key_pem, struct err *err);

/* What a server shows and whom it believes.  Shared, immutable, ref-counted: a renewed
 * certificate is a new object; connections that began keep the old one. */
struct tls_server;
/* @client_ca_pem NULL: clients are not asked for certificates. */
int tls_server_new(struct tls_server **ret, const struct tls_pair *own, const char *client_ca_pem,
                   struct err *err);
struct tls_server *tls_server_ref(struct tls_server *s);
struct tls_server *tls_server_unref(struct tls_server *s);
/* Adds a certificate chosen by SNI (entry); before first use only. */
int tls_server_add(struct tls_server *s, const char *host, const struct tls_pair *pair,
                   struct err *err);

/* Who is at the other end, after the handshake. */
struct tls_peer {
    bool verified; /* showed a certificate of the client CA, purpose client, not expired */
    char *cn;      /* owned; NULL when not verified */
    char **orgs;   /* owned, NULL-terminated */
    char *sha256;  /* owned: of the certificate's DER, in hex; NULL when not verified */
};
#define TLS_PEER_EMPTY                                              \
    {                                                               \
        .verified = false, .cn = NULL, .orgs = NULL, .sha256 = NULL \
    }
void tls_peer_fini(struct tls_peer *p);
void tls_peer_copy(struct tls_peer *ret, const struct tls_peer *from);

#endif
