/* bits: hashes, encodings and randomness that need no context.  Thread: any. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITS_SHA256_HEX 65
void bits_sha256_hex(char ret[BITS_SHA256_HEX], const void *data, size_t len);
struct bits_sha256; /* incremental */
struct bits_sha256 *bits_sha256_new(void);
void bits_sha256_add(struct bits_sha256 *h, const void *data, size_t len);
/* Ends and frees. */
void bits_sha256_done(struct bits_sha256 *h, char ret[BITS_SHA256_HEX]);

/* For old formats only: neither withstands an attacker. */
void bits_md5(unsigned char ret[16], const void *data, size_t len);
void bits_sha1(unsigned char ret[20], const void *data, size_t len);

uint32_t bits_fnv32a(const void *data, size_t len); /* FNV-1a, 32 bit */
uint64_t bits_fnv64a(const void *data, size_t len);

void bits_base64(struct text *ret, const void *data, size_t len);
/* Standard alphabet with padding, as Go's encoding/base64 StdEncoding: newlines are skipped,
 * anything else wrong returns false and the offset of the first bad byte. */
bool bits_unbase64(struct text *ret, const char *s, size_t len, size_t *ret_bad);
void bits_base64url(struct text *ret, const void *data, size_t len); /* no padding */
bool bits_unbase64url(struct text *ret, const char *s, size_t len);

void bits_random(void *ret, size_t len); /* from the kernel; never fails */
#define BITS_UUID_MAX 37
void bits_uuid(char ret[BITS_UUID_MAX]);              /* random, RFC 9562 version 4 */
bool bits_equal_secret(const char *a, const char *b); /* constant time */

#endif
