/* token: ServiceAccount tokens (JWT, ES256) and join tokens.
 *
 * Join tokens are Secrets of type bootstrap.kubernetes.io/token in kube-system, as in kubeadm,
 * used once: "mk1.<id>.<secret>.<sha256 of the CA's public key>".  The hash lets an agent trust the right CA
 * before it knows it.
 */
#ifndef API_TOKEN_H
#define API_TOKEN_H

#include "api/token_keys.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct token_claims { /* owned strings, end with token_claims_fini */
    char *ns, *account, *account_uid;
    char *pod, *pod_uid, *node, *node_uid, *secret, *secret_uid; /* bound to; NULL: not */
    char *id;              /* `jti`; made by token_sign when NULL */
    int64_t expires_ms;    /* wall */
    int64_t warn_after_ms; /* of tokens that live on for clients that never read them anew; or 0 */
    json_t *audiences;     /* array of strings */
    bool legacy;           /* of a Secret, without end, form and audience of before v1.24 */
};
void token_claims_fini(struct token_claims *c);

#define TOKEN_LEGACY_ISSUER "kubernetes/serviceaccount"

/* Appends a signed JWT with Kubernetes' claims. */
int token_sign(struct text *ret, const struct token_claims *claims, const struct token_keys *keys,
               const char *issuer, int64_t now_ms, struct err *err);
/* Signature, form, issuer and expiry; whether account and bound object still exist, and whom the
 * token is meant for, is the caller's to check. */
int token_verify(struct token_claims *ret, const char *jwt, const struct token_keys *keys,
                 const char *issuer, int64_t now_ms, struct err *err);

struct token_join {
    char id[7];       /* 6 of [a-z0-9] */
    char secret[17];  /* 16 of [a-z0-9] */
    char ca_hash[65]; /* hex */
};
/* False: not a join token. */
bool token_join_parse(struct token_join *ret, const char *text);
/* The same, or kubeadm's form "<id>.<secret>": ca_hash is "" then. */
bool token_bootstrap_parse(struct token_join *ret, const char *text);
void token_join_print(struct text *ret, const struct token_join *t);
/* The Secret that makes @t valid until @expires_ms. */
json_t *token_join_secret(const struct token_join *t, int64_t expires_ms);
void token_join_random(struct token_join *ret, const char *ca_hash_hex);

#endif
