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
    char **const owned[] = { &c->ns,   &c->account,  &c->account_uid, &c->pod,        &c->pod_uid,
                             &c->node, &c->node_uid, &c->secret,      &c->secret_uid, &c->id };

    for (size_t i = 0; i < N_ELEMENTS(owned); i++)
        free(*owned[i]);
    json_decref(c->audiences);
    memset(c, 0, sizeof(*c));
}

/* --- signing --- */

static void token_put_ref(json_t *k8s, const char *key, const char *name, const char *uid)
{
    json_t *ref;

    if (name == NULL)
        return;
    ref = json_pack("{s:s}", "name", name);
    if (!str_empty(uid))
        json_object_set_new(ref, "uid", json_string(uid));
    json_object_set_new(k8s, key, ref);
}

static json_t *token_payload(const struct token_claims *c, const char *issuer, int64_t now_ms)
{
    json_t *k8s = json_pack("{s:s, s:{s:s, s:s}}", "namespace", c->ns, "serviceaccount", "name",
                            c->account, "uid", c->account_uid);
    cleanup(freep) char *subject = mem_fmt("system:serviceaccount:%s:%s", c->ns, c->account);
    char id[BITS_UUID_MAX];

    bits_uuid(id);
    token_put_ref(k8s, "pod", c->pod, c->pod_uid);
    token_put_ref(k8s, "node", c->node, c->node_uid);
    token_put_ref(k8s, "secret", c->secret, c->secret_uid);
    if (c->warn_after_ms != 0)
        json_object_set_new(k8s, "warnafter", json_integer(c->warn_after_ms / 1000));
    return json_pack("{s:O, s:I, s:I, s:I, s:s, s:s, s:o, s:s}", "aud", c->audiences, "exp",
                     (json_int_t)(c->expires_ms / 1000), "iat", (json_int_t)(now_ms / 1000), "nbf",
                     (json_int_t)(now_ms / 1000), "iss", issuer, "jti", c->id != NULL ? c->id : id,
                     "kubernetes.io", k8s, "sub", subject);
}

#define TOKEN_LEGACY(name) TOKEN_LEGACY_ISSUER "/" name

static json_t *token_legacy_payload(const struct token_claims *c)
{
    cleanup(freep) char *subject = mem_fmt("system:serviceaccount:%s:%s", c->ns, c->account);

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s}", "iss", TOKEN_LEGACY_ISSUER,
        "kubernetes.io/serviceaccount/namespace", c->ns, "kubernetes.io/serviceaccount/secret.name",
        c->secret, "kubernetes.io/serviceaccount/service-account.name", c->account,
        "kubernetes.io/serviceaccount/service-account.uid", c->account_uid, "sub", subject);
}

int token_sign(struct text *ret, const struct token_claims *claims, const struct token_keys *keys,
               const char *issuer, int64_t now_ms, struct err *err)
{
    cleanup(json_decrefpp) json_t *payload = claims->legacy ? token_legacy_payload(claims)
                                                            : token_payload(claims, issuer, now_ms);
    cleanup(freep) char *header = mem_fmt("{\"alg\":\"ES256\",\"kid\":\"%s\"}",
                                          token_keys_id(keys));
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(freep) char *body = NULL;
    unsigned char sig[64];
    size_t len;
    int rc;

    body = json_print(payload, &len);
    bits_base64url(&t, header, strlen(header));
    text_putc(&t, '.');
    bits_base64url(&t, body, len);
    rc = tls_sign_es256(sig, token_keys_private(keys), t.data, t.len, err);
    if (rc < 0)
        return err_wrap(err, rc, "sign a service account token");
    text_add(ret, t.data, t.len);
    text_putc(ret, '.');
    bits_base64url(ret, sig, sizeof(sig));
    return 0;
}

/* --- verifying --- */

/* Keys with dots in them: not for json_str. */
static char *token_legacy_claim(const json_t *payload, const char *key)
{
    const char *value = json_string_value(json_object_get(payload, key));

    return mem_str(value != NULL ? value : "");
}

static void token_read_legacy(struct token_claims *ret, const json_t *payload)
{
    ret->legacy = true;
    ret->ns = token_legacy_claim(payload, "kubernetes.io/serviceaccount/namespace");
    ret->secret = token_legacy_claim(payload, "kubernetes.io/serviceaccount/secret.name");
    ret->account = token_legacy_claim(payload, "kubernetes.io/serviceaccount/service-account.name");
    ret->account_uid = token_legacy_claim(payload,
                                          "kubernetes.io/serviceaccount/service-account.uid");
    ret->audiences = json_array();
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
    ret->node_uid = mem_str(json_str(k8s, "node.uid"));
    ret->secret = mem_str(json_str(k8s, "secret.name"));
    ret->secret_uid = mem_str(json_str(k8s, "secret.uid"));
    ret->id = mem_str(json_str(payload, "jti"));
    ret->expires_ms = json_int(payload, "exp", 0) * 1000;
    ret->warn_after_ms = json_int(k8s, "warnafter", 0) * 1000;
    /* RFC 7519 section 4.1.3: a lone audience may be a plain string. */
    ret->audiences = json_is_string(aud)  ? json_pack("[O]", aud)
                     : json_is_array(aud) ? json_incref(aud)
                                          : json_array();
}

struct token_parts {
    const char *body; /* behind the first dot */
    const char *dot;  /* before the signature */
    struct text sig;
    json_t *header, *payload;
};

static void token_parts_fini(struct token_parts *p)
{
    text_fini(&p->sig);
    json_decref(p->header);
    json_decref(p->payload);
}

static bool token_part(json_t **ret, const char *from, const char *to)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;

    return bits_unbase64url(&t, from, (size_t)(to - from)) &&
           json_parse(ret, t.data != NULL ? t.data : "", t.len, NULL, &ignored) == 0 &&
           json_is_object(*ret);
}

static bool token_split(struct token_parts *ret, const char *jwt)
{
    const char *dot1 = strnlen(jwt, TOKEN_MAX + 1) <= TOKEN_MAX ? strchr(jwt, '.') : NULL;
    const char *dot2 = dot1 != NULL ? strchr(dot1 + 1, '.') : NULL;

    if (dot2 == NULL || !bits_unbase64url(&ret->sig, dot2 + 1, strlen(dot2 + 1)) ||
        ret->sig.len != 64)
        return false;
    ret->body = dot1 + 1;
    ret->dot = dot2;
    return token_part(&ret->header, jwt, dot1) && token_part(&ret->payload, dot1 + 1, dot2);
}

int token_verify(struct token_claims *ret, const char *jwt, const struct token_keys *keys,
                 const char *issuer, int64_t now_ms, struct err *err)
{
    cleanup(token_parts_fini) struct token_parts p = { .sig = TEXT_EMPTY };
    const char *public_pem;
    bool legacy;

    if (!token_split(&p, jwt) || !str_eq(json_str(p.header, "alg"), "ES256"))
        return err_set(err, ERR_UNAUTHORIZED, "the token is not a signed JWT");
    legacy = str_eq(json_str(p.payload, "iss"), TOKEN_LEGACY_ISSUER);
    public_pem = token_keys_public(keys, json_str_or(p.header, "kid", ""), legacy ? 0 : now_ms);
    if (public_pem == NULL || !tls_verify_es256(public_pem, (const unsigned char *)p.sig.data, jwt,
                                                (size_t)(p.dot - jwt)))
        return err_set(err, ERR_UNAUTHORIZED, "the token's signature is not ours");
    if (legacy) {
        token_read_legacy(ret, p.payload);
        return 0;
    }
    if (!str_eq(json_str(p.payload, "iss"), issuer))
        return err_set(err, ERR_UNAUTHORIZED, "the token was issued by somebody else");
    if (json_int(p.payload, "exp", 0) * 1000 <= now_ms)
        return err_set(err, ERR_UNAUTHORIZED, "service account token has expired");
    token_read(ret, p.payload);
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

bool token_bootstrap_parse(struct token_join *ret, const char *text)
{
    /* iiiiii.ssssssssssssssss */
    if (token_join_parse(ret, text))
        return true;
    if (text == NULL || strlen(text) != 6 + 1 + 16 || text[6] != '.' || !token_is_alnum(text, 6) ||
        !token_is_alnum(text + 7, 16))
        return false;
    snprintf(ret->id, sizeof(ret->id), "%.6s", text);
    snprintf(ret->secret, sizeof(ret->secret), "%.16s", text + 7);
    ret->ca_hash[0] = '\0';
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
