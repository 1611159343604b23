/* aead: AES-256-GCM over bytes (GnuTLS).
 *
 * A nonce may be used once per key: the caller sees to that.  @bound is authenticated and not
 * encrypted: opening needs the very same.  Thread: any; an aead is used by one at a time.
 */
#ifndef BASE_AEAD_H
#define BASE_AEAD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define AEAD_KEY   32
#define AEAD_NONCE 12
#define AEAD_TAG   16

struct aead;
int aead_new(struct aead **ret, const unsigned char key[AEAD_KEY], struct err *err);
struct aead *aead_free(struct aead *a); /* forgets the key; NULL is fine; returns NULL */

struct aead_bound {
    const void *data;
    size_t len;
};
/* @to gets @len + AEAD_TAG bytes. */
int aead_close(struct aead *a, const unsigned char nonce[AEAD_NONCE], struct aead_bound bound,
               const void *data, size_t len, void *to, struct err *err);
/* @to gets @len - AEAD_TAG bytes; false: not what was closed with this key, nonce and @bound. */
bool aead_open(struct aead *a, const unsigned char nonce[AEAD_NONCE], struct aead_bound bound,
               const void *data, size_t len, void *to);

#endif
