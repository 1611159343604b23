/* token_keys: the keys that sign and verify ServiceAccount tokens.
 *
 * One signs; those before it still verify what they signed, until the longest-lived of their tokens has
 * ended.  A key goes by the hash of its public half (`kid`), as in Kubernetes.
 * Owner: server.  Thread: loop.
 */
#ifndef API_TOKEN_KEYS_H
#define API_TOKEN_KEYS_H

#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

#define TOKEN_LIFE_MAX_MS  (365LL * 24 * 3600 * 1000)
#define TOKEN_KEYS_OLD_MAX 32 /* the oldest goes first */

struct token_keys;

/* @old: array of {"public": PEM, "until": ms}, or NULL. */
int token_keys_new(struct token_keys **ret, const char *private_pem, const json_t *old,
                   struct err *err);
struct token_keys *token_keys_free(struct token_keys *k); /* NULL is fine; returns NULL */

const char *token_keys_private(const struct token_keys *k); /* PEM of the one that signs */
const char *token_keys_id(const struct token_keys *k);
/* PEM of the public key called @kid; NULL: unknown, or past its time at @now_ms (0: at any time). */
const char *token_keys_public(const struct token_keys *k, const char *kid, int64_t now_ms);

/* {"keys": [...]} of RFC 7517: all that still verify. */
json_t *token_keys_jwks(const struct token_keys *k, int64_t now_ms);
/* The list for token_keys_new of whoever comes after this one: with the present key retired at
 * @now_ms; the caller's. */
json_t *token_keys_retire(const struct token_keys *k, int64_t now_ms);

#endif
