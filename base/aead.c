#include "base/aead.h"

#include "base/mem.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

struct aead {
    gnutls_aead_cipher_hd_t cipher;
};

int aead_new(struct aead **ret, const unsigned char key[AEAD_KEY], struct err *err)
{
    unsigned char copy[AEAD_KEY];
    const gnutls_datum_t datum = { .data = copy, .size = AEAD_KEY };
    struct aead *a = MEM_NEW(struct aead);
    int rc;

    memcpy(copy, key, AEAD_KEY);
    rc = gnutls_aead_cipher_init(&a->cipher, GNUTLS_CIPHER_AES_256_GCM, &datum);
    gnutls_memset(copy, 0, sizeof(copy));
    if (rc < 0) {
        free(a);
        return err_set(err, ERR_INTERNAL, "AES-256-GCM: %s", gnutls_strerror(rc));
    }
    *ret = a;
    return 0;
}

struct aead *aead_free(struct aead *a)
{
    if (a != NULL)
        gnutls_aead_cipher_deinit(a->cipher);
    free(a);
    return NULL;
}

int aead_close(struct aead *a, const unsigned char nonce[AEAD_NONCE], struct aead_bound bound,
               const void *data, size_t len, void *to, struct err *err)
{
    size_t to_len = len + AEAD_TAG;
    int rc = gnutls_aead_cipher_encrypt(a->cipher, nonce, AEAD_NONCE, bound.data, bound.len,
                                        AEAD_TAG, data, len, to, &to_len);

    if (rc < 0)
        return err_set(err, ERR_INTERNAL, "AES-256-GCM: %s", gnutls_strerror(rc));
    return 0;
}

bool aead_open(struct aead *a, const unsigned char nonce[AEAD_NONCE], struct aead_bound bound,
               const void *data, size_t len, void *to)
{
    size_t to_len = len - AEAD_TAG;

    if (len < AEAD_TAG)
        return false;
    return gnutls_aead_cipher_decrypt(a->cipher, nonce, AEAD_NONCE, bound.data, bound.len, AEAD_TAG,
                                      data, len, to, &to_len) == 0;
}
