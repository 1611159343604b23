#include "api/token_keys.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls.h"

struct token_key {
    char *public_pem, *kid;
    unsigned char point[64]; /* x, y */
    int64_t until_ms;        /* 0: the one that signs */
};

struct token_keys {
    char *private_pem;
    struct token_key keys[1 + TOKEN_KEYS_OLD_MAX]; /* the one that signs first */
    size_t n;
};

struct token_keys *token_keys_free(struct token_keys *k)
{
    if (k == NULL)
        return NULL;
    for (size_t i = 0; i < k->n; i++) {
        free(k->keys[i].public_pem);
        free(k->keys[i].kid);
    }
    free(k->private_pem);
    free(k);
    return NULL;
}

static int token_keys_add(struct token_keys *k, const char *public_pem, int64_t until_ms,
                          struct err *err)
{
    struct token_key *key = &k->keys[k->n];
    unsigned char hash[32];
    struct text kid = TEXT_EMPTY;
    int rc = tls_public_point(key->point, hash, public_pem, err);

    if (rc < 0)
        return rc;
    bits_base64url(&kid, hash, sizeof(hash));
    key->kid = text_take(&kid);
    key->public_pem = mem_str(public_pem);
    key->until_ms = until_ms;
    k->n++;
    return 0;
}

int token_keys_new(struct token_keys **ret, const char *private_pem, const json_t *old,
                   struct err *err)
{
    struct token_keys *k = MEM_NEW(struct token_keys);
    cleanup(freep) char *public_pem = NULL;
    int rc = tls_public_key(&public_pem, private_pem, err);
    size_t i;
    json_t *item;

    if (rc == 0)
        rc = token_keys_add(k, public_pem, 0, err);
    k->private_pem = mem_str(private_pem);
    json_array_foreach (old, i, item)
        if (rc == 0 && k->n <= TOKEN_KEYS_OLD_MAX)
            rc = token_keys_add(k, json_str_or(item, "public", ""), json_int(item, "until", 1),
                                err);
    if (rc < 0) {
        token_keys_free(k);
        return err_wrap(err, rc, "keys of ServiceAccount tokens");
    }
    *ret = k;
    return 0;
}

const char *token_keys_private(const struct token_keys *k)
{
    return k->private_pem;
}

const char *token_keys_id(const struct token_keys *k)
{
    return k->keys[0].kid;
}

static bool token_key_holds(const struct token_key *key, int64_t now_ms)
{
    return key->until_ms == 0 || now_ms == 0 || now_ms < key->until_ms;
}

const char *token_keys_public(const struct token_keys *k, const char *kid, int64_t now_ms)
{
    for (size_t i = 0; i < k->n; i++)
        if (str_eq(k->keys[i].kid, kid) && token_key_holds(&k->keys[i], now_ms))
            return k->keys[i].public_pem;
    /* Before keys had names there was only one. */
    return str_empty(kid) ? k->keys[k->n - 1].public_pem : NULL;
}

static json_t *token_key_jwk(const struct token_key *key)
{
    cleanup(text_fini) struct text x = TEXT_EMPTY, y = TEXT_EMPTY;

    bits_base64url(&x, key->point, 32);
    bits_base64url(&y, key->point + 32, 32);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "use", "sig", "kty", "EC", "kid",
                     key->kid, "crv", "P-256", "alg", "ES256", "x", text_str(&x), "y",
                     text_str(&y));
}

json_t *token_keys_jwks(const struct token_keys *k, int64_t now_ms)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < k->n; i++)
        if (token_key_holds(&k->keys[i], now_ms))
            json_array_append_new(keys, token_key_jwk(&k->keys[i]));
    return json_pack("{s:o}", "keys", keys);
}

json_t *token_keys_retire(const struct token_keys *k, int64_t now_ms)
{
    json_t *old = json_array();

    for (size_t i = 0; i < k->n && i < TOKEN_KEYS_OLD_MAX; i++)
        json_array_append_new(old, json_pack("{s:s, s:I}", "public", k->keys[i].public_pem, "until",
                                             (json_int_t)(i == 0 ? now_ms + TOKEN_LIFE_MAX_MS
                                                                 : k->keys[i].until_ms)));
    return old;
}
