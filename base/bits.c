#include "base/bits.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

/* --- hashes --- */

#define BITS_SHA256_LEN 32

struct bits_sha256 {
    gnutls_hash_hd_t hash;
};

static void bits_hex(char *ret, const unsigned char *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *ret++ = digits[data[i] >> 4];
        *ret++ = digits[data[i] & 15];
    }
    *ret = '\0';
}

/* SHA-256 fails in GnuTLS only without memory or when forbidden by policy: both end us. */
static void bits_must(int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "SHA-256 is not available: %s\n", gnutls_strerror(rc));
    abort();
}

void bits_sha256_hex(char ret[BITS_SHA256_HEX], const void *data, size_t len)
{
    unsigned char digest[BITS_SHA256_LEN];

    bits_must(gnutls_hash_fast(GNUTLS_DIG_SHA256, len ? data : "", len, digest));
    bits_hex(ret, digest, sizeof(digest));
}

struct bits_sha256 *bits_sha256_new(void)
{
    struct bits_sha256 *h = MEM_NEW(struct bits_sha256);

    bits_must(gnutls_hash_init(&h->hash, GNUTLS_DIG_SHA256));
    return h;
}

void bits_sha256_add(struct bits_sha256 *h, const void *data, size_t len)
{
    if (len > 0)
        bits_must(gnutls_hash(h->hash, data, len));
}

void bits_sha256_done(struct bits_sha256 *h, char ret[BITS_SHA256_HEX])
{
    unsigned char digest[BITS_SHA256_LEN];

    gnutls_hash_deinit(h->hash, digest);
    bits_hex(ret, digest, sizeof(digest));
    free(h);
}

void bits_md5(unsigned char ret[16], const void *data, size_t len)
{
    bits_must(gnutls_hash_fast(GNUTLS_DIG_MD5, len ? data : "", len, ret));
}

void bits_sha1(unsigned char ret[20], const void *data, size_t len)
{
    bits_must(gnutls_hash_fast(GNUTLS_DIG_SHA1, len ? data : "", len, ret));
}

uint32_t bits_fnv32a(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

uint64_t bits_fnv64a(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

/* --- base64 (RFC 4648) --- */

static const char bits_standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char bits_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void bits_encode(struct text *ret, const char *alphabet, bool pad, const unsigned char *p,
                        size_t len)
{
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16;
        char out[4];

        if (n > 1)
            v |= (uint32_t)p[i + 1] << 8;
        if (n > 2)
            v |= p[i + 2];
        for (int k = 0; k < 4; k++)
            out[k] = alphabet[v >> (18 - 6 * k) & 63];
        if (pad)
            memset(out + n + 1, '=', 3 - n);
        text_add(ret, out, pad ? 4 : n + 1);
    }
}

void bits_base64(struct text *ret, const void *data, size_t len)
{
    bits_encode(ret, bits_standard, true, data, len);
}

void bits_base64url(struct text *ret, const void *data, size_t len)
{
    bits_encode(ret, bits_url, false, data, len);
}

static int bits_digit(char c, const char *last_two)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == last_two[0] ? 62 : c == last_two[1] ? 63 : -1;
}

/* Gives out the bytes of an unfinished group of @n digits; one digit alone holds none. */
static bool bits_flush(struct text *ret, uint32_t v, unsigned n)
{
    if (n == 1)
        return false;
    v <<= 6 * (4 - n) % 24;
    for (unsigned k = 0; k + 1 < n; k++)
        text_putc(ret, (char)(v >> (16 - 8 * k) & 0xff));
    return true;
}

/* Only '=' (as many as @n asks for) and line breaks may follow. */
static bool bits_padding(const char *s, size_t len, size_t i, unsigned n, size_t *ret_bad)
{
    unsigned want = (4 - n) % 4;

    for (; i < len; i++) {
        if (s[i] == '\n' || s[i] == '\r')
            continue;
        if (s[i] != '=' || want == 0)
            break;
        want--;
    }
    *ret_bad = i;
    return i == len && want == 0;
}

bool bits_unbase64(struct text *ret, const char *s, size_t len, size_t *ret_bad)
{
    size_t start = ret->len, bad = 0, i;
    uint32_t v = 0;
    unsigned n = 0;

    for (i = 0; i < len; i++) {
        int digit = bits_digit(s[i], "+/");

        if (s[i] == '\n' || s[i] == '\r')
            continue;
        if (digit < 0)
            break;
        v = v << 6 | (uint32_t)digit;
        if (++n == 4) {
            bits_flush(ret, v, 4);
            v = n = 0;
        }
    }
    if (n == 1)
        bad = i;
    else if (bits_padding(s, len, i, n, &bad) && bits_flush(ret, v, n))
        return true;
    ret->len = start;
    if (ret->data)
        ret->data[start] = '\0';
    if (ret_bad)
        *ret_bad = bad;
    return false;
}

bool bits_unbase64url(struct text *ret, const char *s, size_t len)
{
    size_t start = ret->len;
    uint32_t v = 0;
    unsigned n = 0;

    for (size_t i = 0; i < len; i++) {
        int digit = bits_digit(s[i], "-_");

        if (digit < 0)
            goto bad;
        v = v << 6 | (uint32_t)digit;
        if (++n == 4) {
            bits_flush(ret, v, 4);
            v = n = 0;
        }
    }
    if (bits_flush(ret, v, n))
        return true;
bad:
    ret->len = start;
    if (ret->data)
        ret->data[start] = '\0';
    return false;
}

/* --- randomness --- */

void bits_random(void *ret, size_t len)
{
    unsigned char *p = ret;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);

        if (n < 0) {
            assert(errno == EINTR);
            continue;
        }
        p += n;
        len -= (size_t)n;
    }
}

#define BITS_UUID_LEN  16
#define BITS_UUID_POOL 64

/* The bytes of many at once: the kernel is asked once for all of them.  No byte serves twice. */
static void bits_uuid_bytes(unsigned char ret[BITS_UUID_LEN])
{
    static _Thread_local unsigned char pool[BITS_UUID_POOL * BITS_UUID_LEN];
    static _Thread_local unsigned left;

    if (left == 0) {
        bits_random(pool, sizeof(pool));
        left = BITS_UUID_POOL;
    }
    memcpy(ret, pool + --left * BITS_UUID_LEN, BITS_UUID_LEN);
}

void bits_uuid(char ret[BITS_UUID_MAX])
{
    unsigned char b[BITS_UUID_LEN];
    char hex[33];

    bits_uuid_bytes(b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
    bits_hex(hex, b, sizeof(b));
    for (size_t i = 0, from = 0; i < BITS_UUID_MAX - 1; i++)
        ret[i] = (char)(i == 8 || i == 13 || i == 18 || i == 23 ? '-' : hex[from++]);
    ret[BITS_UUID_MAX - 1] = '\0';
}

/* The time depends on the length of @a only, and that is the caller's own, known to all. */
bool bits_equal_secret(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned char differ = n != m;

    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)(a[i] ^ (m > 0 ? b[i % m] : 0));
    return differ == 0;
}
