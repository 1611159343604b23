#include "api/token.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/tls.h"

#include <stdio.h>
#include <string.h>

#define TOKEN_MAX 8192

void token_claims_fini(struct token_claims *c)
{
    free(c->ns);
    free(c->account);
    free(c->account_uid);
    free(c->pod);
    free(c->pod_uid);
    free(c->node);
    json_decref(c->audiences);
    memset(c, 0, sizeof(*c));
}

static json_t *token_payload(const struct token_claims *c, const char *issuer, int64_t now_ms)
{
    json_t *k8s = json_pack("{s:s, s:{s:s, s:s}}", "namespace", c->ns, "serviceaccount", "name",
                            c->account, "uid", c->account_uid);
    cleanup(freep) char *subject = mem_fmt("system:serviceaccount:%s:%s", c->ns, c->account);

    if (c->pod != NULL)
        json_object_set_new(
            k8s, "pod",
            json_pack("{s:s, s:s}", "name", c->pod, "uid", c->pod_uid != NULL ? c->pod_uid : ""));
    if (c->node != NULL)
        json_object_set_new(k8s, "node", json_pack("{s:s}", "name", c->node));
    return json_pack("{s:O, s:I, s:I, s:I, s:s, s:o, s:s}", "aud", c->audiences, "exp",
                     (json_int_t)(c->expires_ms / 1000), "iat", (json_int_t)(now_ms / 1000), "nbf",
                     (json_int_t)(now_ms / 1000), "iss", issuer, "kubernetes.io", k8s, "sub",
                     subject);
}

int token_sign(struct text *ret, const struct token_claims *claims, const char *key_pem,
               const char *issuer, int64_t now_ms, struct err *err)
{
    static const char header[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
    cleanup(json_decrefpp) json_t *payload = token_payload(claims, issuer, now_ms);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(freep) char *body = NULL;
    unsigned char sig[64];
    size_t len;
    int rc;

    body = json_print(payload, &len);
    bits_base64url(&t, header, sizeof(header) - 1);
    text_putc(&t, '.');
    bits_base64url(&t, body, len);
    rc = tls_sign_es256(sig, key_pem, t.data, t.len, err);
    if (rc < 0)
        return err_wrap(err, rc, "sign a service account token");
    text_add(ret, t.data, t.len);
    text_putc(ret, '.');
    bits_base64url(ret, sig, sizeof(sig));
    return 0;
}

static void token_read(struct token_claims *ret, const json_t *payload)
{
    const json_t *k8s = json_object_get(payload, "kubernetes.io");
    json_t *aud = json_object_get(payload, "aud");

    ret->ns = mem_str(json_str_or(k8s, "namespace", ""));
    ret->account = mem_str(json_str_or(k8s, "serviceaccount.name", ""));
    ret->account_uid = mem_str(json_str_or(k8s, "serviceaccount.uid", ""));
    ret->pod = mem_str(json_str(k8s, "pod.name"));
    ret->pod_uid = mem_str(json_str(k8s, "pod.uid"));
    ret->node = mem_str(json_str(k8s, "node.name"));
    ret->expires_ms = json_int(payload, "exp", 0) * 1000;
    /* RFC 7519 section 4.1.3: a lone audience may be a plain string. */
    ret->audiences = json_is_string(aud)  ? json_pack("[O]", aud)
                     : json_is_array(aud) ? json_incref(aud)
                                          : json_array();
}

int token_verify(struct token_claims *ret, const char *jwt, const char *public_pem,
                 const char *issuer, int64_t now_ms, struct err *err)
{
    const char *dot1 = strnlen(jwt, TOKEN_MAX + 1) <= TOKEN_MAX ? strchr(jwt, '.') : NULL;
    const char *dot2 = dot1 != NULL ? strchr(dot1 + 1, '.') : NULL;
    cleanup(text_fini) struct text body = TEXT_EMPTY;
    cleanup(text_fini) struct text sig = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *payload = NULL;

    if (dot2 == NULL || !bits_unbase64url(&body, dot1 + 1, (size_t)(dot2 - dot1 - 1)) ||
        !bits_unbase64url(&sig, dot2 + 1, strlen(dot2 + 1)) || sig.len != 64)
        return err_set(err, ERR_UNAUTHORIZED, "the token is not a signed JWT");
    if (!tls_verify_es256(public_pem, (const unsigned char *)sig.data, jwt, (size_t)(dot2 - jwt)))
        return err_set(err, ERR_UNAUTHORIZED, "the token's signature is not ours");
    if (json_parse(&payload, body.data, body.len, NULL, err) < 0)
        return err_wrap(err, ERR_UNAUTHORIZED, "the token's claims");
    if (!str_eq(json_str(payload, "iss"), issuer))
        return err_set(err, ERR_UNAUTHORIZED, "the token was issued by somebody else");
    if (json_int(payload, "exp", 0) * 1000 <= now_ms)
        return err_set(err, ERR_UNAUTHORIZED, "the token has expired");
    token_read(ret, payload);
    return 0;
}

/* --- join tokens --- */

static bool token_is_alnum(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9')))
            return false;
    return true;
}

bool token_join_parse(struct token_join *ret, const char *text)
{
    /* mk1.iiiiii.ssssssssssssssss.<64 hex> */
    if (text == NULL || strlen(text) != 4 + 6 + 1 + 16 + 1 + 64 || !str_starts(text, "mk1.") ||
        text[10] != '.' || text[27] != '.' || !token_is_alnum(text + 4, 6) ||
        !token_is_alnum(text + 11, 16) || !token_is_alnum(text + 28, 64))
        return false;
    snprintf(ret->id, sizeof(ret->id), "%.6s", text + 4);
    snprintf(ret->secret, sizeof(ret->secret), "%.16s", text + 11);
    snprintf(ret->ca_hash, sizeof(ret->ca_hash), "%.64s", text + 28);
    return true;
}

void token_join_print(struct text *ret, const struct token_join *t)
{
    text_fmt(ret, "mk1.%s.%s.%s", t->id, t->secret, t->ca_hash);
}

static json_t *token_base64(const char *s)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    bits_base64(&t, s, strlen(s));
    return json_string(text_str(&t));
}

json_t *token_join_secret(const struct token_join *t, int64_t expires_ms)
{
    char when[CLOCK_TEXT_MAX];
    cleanup(freep) char *name = mem_fmt("bootstrap-token-%s", t->id);

    clock_print(when, expires_ms);
    return json_pack("{s:{s:s, s:s}, s:s, s:{s:o, s:o, s:o, s:o}}", "metadata", "name", name,
                     "namespace", "kube-system", "type", "bootstrap.kubernetes.io/token", "data",
                     "token-id", token_base64(t->id), "token-secret", token_base64(t->secret),
                     "expiration", token_base64(when), "usage-bootstrap-authentication",
                     token_base64("true"));
}

void token_join_random(struct token_join *ret, const char *ca_hash_hex)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char random[22];

    bits_random(random, sizeof(random));
    for (size_t i = 0; i < 6; i++)
        ret->id[i] = alphabet[random[i] % 36];
    for (size_t i = 0; i < 16; i++)
        ret->secret[i] = alphabet[random[6 + i] % 36];
    ret->id[6] = ret->secret[16] = '\0';
    snprintf(ret->ca_hash, sizeof(ret->ca_hash), "%.64s", ca_hash_hex);
}
