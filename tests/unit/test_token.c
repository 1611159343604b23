/* layer: api */
#include "api/token.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/tls.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#define NOW    1767323045000
#define ISSUER "https://kubernetes.default.svc.cluster.local"

struct keys {
    char *key;
    struct token_keys *ring;
};

static void keys_make(struct keys *k)
{
    struct tls_pair ca = TLS_PAIR_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_ca_make(&ca, "test", &err), 0);
    k->key = mem_str(ca.key_pem);
    CHECK_INT(token_keys_new(&k->ring, k->key, NULL, &err), 0);
    tls_pair_fini(&ca);
}

static void keys_fini(struct keys *k)
{
    free(k->key);
    token_keys_free(k->ring);
}

static char *token_make(const struct keys *k, const char *pod)
{
    struct token_claims claims = { .ns = mem_str("ns"),
                                   .account = mem_str("bob"),
                                   .account_uid = mem_str("u1"),
                                   .pod = mem_str(pod),
                                   .pod_uid = mem_str(pod != NULL ? "u2" : NULL),
                                   .node = mem_str(pod != NULL ? "n1" : NULL),
                                   .expires_ms = NOW + 600000,
                                   .audiences = json_pack("[s,s]", ISSUER, "vault") };
    struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(token_sign(&t, &claims, k->ring, ISSUER, NOW, &err), 0);
    token_claims_fini(&claims);
    return text_take(&t);
}

TEST(token, says_who_it_was_made_for)
{
    struct keys k;
    struct token_claims c = { 0 };
    struct err err = ERR_EMPTY;
    cleanup(freep) char *jwt = NULL;

    keys_make(&k);
    jwt = token_make(&k, "p");
    CHECK_INT(token_verify(&c, jwt, k.ring, ISSUER, NOW, &err), 0);
    CHECK_STR(c.ns, "ns");
    CHECK_STR(c.account, "bob");
    CHECK_STR(c.account_uid, "u1");
    CHECK_STR(c.pod, "p");
    CHECK_STR(c.pod_uid, "u2");
    CHECK_STR(c.node, "n1");
    CHECK_INT(c.expires_ms, NOW + 600000);
    CHECK_STR(json_string_value(json_array_get(c.audiences, 1)), "vault");
    token_claims_fini(&c);
    keys_fini(&k);
}

TEST(token, ends_when_it_says)
{
    struct keys k;
    struct token_claims c = { 0 };
    struct err err = ERR_EMPTY;
    cleanup(freep) char *jwt = NULL;

    keys_make(&k);
    jwt = token_make(&k, NULL);
    CHECK_INT(token_verify(&c, jwt, k.ring, ISSUER, NOW + 599999, &err), 0);
    token_claims_fini(&c);
    CHECK_INT(token_verify(&c, jwt, k.ring, ISSUER, NOW + 600000, &err), ERR_UNAUTHORIZED);
    CHECK_STR(err.text, "service account token has expired");
    CHECK_INT(token_verify(&c, jwt, k.ring, "https://other", NOW, &err), ERR_UNAUTHORIZED);
    keys_fini(&k);
}

TEST(token, another_key_is_refused)
{
    struct keys k, other;
    struct token_claims c = { 0 };
    struct err err = ERR_EMPTY;
    cleanup(freep) char *jwt = NULL;

    keys_make(&k);
    keys_make(&other);
    jwt = token_make(&other, NULL);
    CHECK_INT(token_verify(&c, jwt, k.ring, ISSUER, NOW, &err), ERR_UNAUTHORIZED);
    keys_fini(&other);
    keys_fini(&k);
}

/* Each byte changed, each prefix: never accepted, never read past. */
TEST(token, any_change_breaks_it)
{
    struct keys k;
    struct token_claims c = { 0 };
    struct err err = ERR_EMPTY;
    cleanup(freep) char *jwt = NULL;
    size_t len;

    keys_make(&k);
    jwt = token_make(&k, NULL);
    len = strlen(jwt);
    /* The last letter of a base64url group may carry unused bits: those are not the token. */
    for (size_t i = 0; i < len; i += 7) {
        char was = jwt[i];

        if (jwt[i + 1] == '.' || jwt[i + 1] == '\0')
            continue;
        jwt[i] = was == 'A' ? 'B' : 'A';
        CHECK_INT(token_verify(&c, jwt, k.ring, ISSUER, NOW, &err), ERR_UNAUTHORIZED);
        jwt[i] = was;
    }
    for (size_t i = len - 1; i > 0; i -= i < 13 ? i : 13) {
        cleanup(freep) char *cut = mem_strn(jwt, i);

        CHECK_INT(token_verify(&c, cut, k.ring, ISSUER, NOW, &err), ERR_UNAUTHORIZED);
    }
    keys_fini(&k);
}

TEST(token, forged_headers_do_not_help)
{
    struct keys k;
    struct token_claims c = { 0 };
    struct err err = ERR_EMPTY;
    cleanup(freep) char *jwt = NULL;
    cleanup(text_fini) struct text forged = TEXT_EMPTY;
    static const char none[] = "{\"alg\":\"none\"}";
    char *big;

    keys_make(&k);
    jwt = token_make(&k, NULL);
    bits_base64url(&forged, none, sizeof(none) - 1);
    text_fmt(&forged, "%.*s.", (int)(strrchr(jwt, '.') - strchr(jwt, '.')), strchr(jwt, '.'));
    CHECK_INT(token_verify(&c, text_str(&forged), k.ring, ISSUER, NOW, &err), ERR_UNAUTHORIZED);
    CHECK_INT(token_verify(&c, "", k.ring, ISSUER, NOW, &err), ERR_UNAUTHORIZED);
    CHECK_INT(token_verify(&c, "..", k.ring, ISSUER, NOW, &err), ERR_UNAUTHORIZED);
    big = MEM_NEW_ARRAY(char, 100001);
    memset(big, 'a', 100000);
    CHECK_INT(token_verify(&c, big, k.ring, ISSUER, NOW, &err), ERR_UNAUTHORIZED);
    free(big);
    keys_fini(&k);
}

/* --- join tokens --- */

TEST(token, join_tokens_survive_printing)
{
    struct token_join t, back;
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    char hash[65];

    memset(hash, 'a', 64);
    hash[64] = '\0';
    token_join_random(&t, hash);
    token_join_print(&text, &t);
    CHECK_INT(text.len, 92);
    CHECK(token_join_parse(&back, text_str(&text)));
    CHECK_STR(back.id, t.id);
    CHECK_STR(back.secret, t.secret);
    CHECK_STR(back.ca_hash, hash);
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(token, what_is_no_join_token_is_refused)
{
    static const char *const bad[] = {
        NULL,
        "",
        "mk1.",
        "mk2.abcdef.0123456789abcdef." HASH,
        "mk1.ABCDEF.0123456789abcdef." HASH,
        "mk1.abcde.0123456789abcdefg." HASH,
        "mk1.abcdef.0123456789abcde/." HASH,
        "mk1.abcdef.0123456789abcdef." HASH "0",
        "mk1.abcdef.0123456789abcdef-" HASH,
        "mk1.../../.0123456789abcdef." HASH,
    };
    struct token_join t;

    CHECK(token_join_parse(&t, "mk1.abcdef.0123456789abcdef." HASH));
    for (size_t i = 0; i < N_ELEMENTS(bad); i++)
        CHECK(!token_join_parse(&t, bad[i]));
}

TEST(token, join_secrets_have_kubeadm_s_form)
{
    struct token_join t = { .id = "abcdef", .secret = "0123456789abcdef" };
    cleanup(json_decrefpp) json_t *secret = token_join_secret(&t, NOW);

    CHECK_STR(json_str(secret, "metadata.name"), "bootstrap-token-abcdef");
    CHECK_STR(json_str(secret, "metadata.namespace"), "kube-system");
    CHECK_STR(json_str(secret, "type"), "bootstrap.kubernetes.io/token");
    CHECK_STR(json_str(secret, "data.expiration"), "MjAyNi0wMS0wMlQwMzowNDowNVo=");
}

TEST(token, an_earlier_key_verifies_for_as_long_as_its_tokens_live)
{
    struct keys k, next;
    struct token_claims c = { 0 };
    struct err err = ERR_EMPTY;
    cleanup(json_decrefpp) json_t *old = NULL;
    cleanup(json_decrefpp) json_t *jwks = NULL;
    cleanup(freep) char *jwt = NULL;

    keys_make(&k);
    keys_make(&next);
    jwt = token_make(&k, NULL);
    CHECK_INT(token_verify(&c, jwt, next.ring, ISSUER, NOW, &err), ERR_UNAUTHORIZED);
    old = token_keys_retire(k.ring, NOW);
    next.ring = token_keys_free(next.ring);
    CHECK_INT(token_keys_new(&next.ring, next.key, old, &err), 0);
    CHECK_INT(token_verify(&c, jwt, next.ring, ISSUER, NOW, &err), 0);
    token_claims_fini(&c);
    CHECK(!str_eq(token_keys_id(k.ring), token_keys_id(next.ring)));
    CHECK(token_keys_public(next.ring, token_keys_id(k.ring), NOW) != NULL);
    CHECK(token_keys_public(next.ring, token_keys_id(k.ring), NOW + TOKEN_LIFE_MAX_MS) == NULL);
    jwks = token_keys_jwks(next.ring, NOW);
    CHECK_INT(json_array_size(json_object_get(jwks, "keys")), 2);
    keys_fini(&next);
    keys_fini(&k);
}

TEST(token, kubeadms_form_authenticates_and_does_not_join)
{
    struct token_join t;

    CHECK(token_bootstrap_parse(&t, "abcdef.0123456789abcdef"));
    CHECK_STR(t.id, "abcdef");
    CHECK_STR(t.secret, "0123456789abcdef");
    CHECK_STR(t.ca_hash, "");
    CHECK(!token_join_parse(&t, "abcdef.0123456789abcdef"));
    CHECK(!token_bootstrap_parse(&t, "abcdef.0123456789abcdeF"));
    CHECK(!token_bootstrap_parse(&t, "abcdef_0123456789abcdef"));
    CHECK(!token_bootstrap_parse(&t, ""));
    CHECK(!token_bootstrap_parse(&t, NULL));
}
