#include "net/entry_htpasswd.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <crypt.h>
#include <string.h>

#define ENTRY_HTPASSWD_MD5    16
#define ENTRY_HTPASSWD_SHA1   20
#define ENTRY_HTPASSWD_ROUNDS 1000 /* of apr1; the format has no other number */

char *entry_htpasswd_find(const char *file, const char *user)
{
    size_t len = strlen(user);

    while (*file != '\0') {
        size_t line = strcspn(file, "\r\n");

        if (line > len && memcmp(file, user, len) == 0 && file[len] == ':') {
            const char *hash = file + len + 1;
            size_t n = line - len - 1;
            const char *colon = memchr(hash, ':', n); /* a remark may follow */

            return mem_strn(hash, colon != NULL ? (size_t)(colon - hash) : n);
        }
        file += line;
        file += strspn(file, "\r\n");
    }
    return NULL;
}

/* --- apr1: Apache's variant of FreeBSD's MD5 crypt --- */

static void entry_apr1_seed(unsigned char ret[ENTRY_HTPASSWD_MD5], const char *password,
                            const char *salt, size_t salt_len)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    unsigned char inner[ENTRY_HTPASSWD_MD5];
    size_t len = strlen(password);

    text_puts(&t, password);
    text_add(&t, salt, salt_len);
    text_puts(&t, password);
    bits_md5(inner, t.data, t.len);
    text_clear(&t);
    text_puts(&t, password);
    text_puts(&t, "$apr1$");
    text_add(&t, salt, salt_len);
    for (size_t i = 0; i < len; i += ENTRY_HTPASSWD_MD5)
        text_add(&t, inner, len - i < ENTRY_HTPASSWD_MD5 ? len - i : ENTRY_HTPASSWD_MD5);
    for (size_t i = len; i > 0; i >>= 1)
        text_putc(&t, (i & 1) != 0 ? '\0' : password[0]);
    bits_md5(ret, t.data, t.len);
}

static void entry_apr1_round(unsigned char sum[ENTRY_HTPASSWD_MD5], unsigned round,
                             const char *password, const char *salt, size_t salt_len)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if ((round & 1) != 0)
        text_puts(&t, password);
    else
        text_add(&t, sum, ENTRY_HTPASSWD_MD5);
    if (round % 3 != 0)
        text_add(&t, salt, salt_len);
    if (round % 7 != 0)
        text_puts(&t, password);
    if ((round & 1) != 0)
        text_add(&t, sum, ENTRY_HTPASSWD_MD5);
    else
        text_puts(&t, password);
    bits_md5(sum, t.data, t.len);
}

static void entry_apr1_print(struct text *ret, const unsigned char sum[ENTRY_HTPASSWD_MD5])
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const unsigned char order[][3] = {
        { 0, 6, 12 }, { 1, 7, 13 }, { 2, 8, 14 }, { 3, 9, 15 }, { 4, 10, 5 }
    };

    for (size_t i = 0; i < N_ELEMENTS(order); i++) {
        unsigned v = (unsigned)sum[order[i][0]] << 16 | (unsigned)sum[order[i][1]] << 8 |
                     sum[order[i][2]];

        for (unsigned n = 0; n < 4; n++, v >>= 6)
            text_putc(ret, digits[v & 63]);
    }
    text_putc(ret, digits[sum[11] & 63]);
    text_putc(ret, digits[sum[11] >> 6]);
}

static bool entry_apr1_is(const char *hash, const char *password)
{
    const char *salt = hash + strlen("$apr1$");
    size_t salt_len = strcspn(salt, "$");
    unsigned char sum[ENTRY_HTPASSWD_MD5];
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (salt[salt_len] != '$')
        return false;
    text_add(&t, hash, (size_t)(salt + salt_len + 1 - hash));
    salt_len = salt_len < 8 ? salt_len : 8;
    entry_apr1_seed(sum, password, salt, salt_len);
    for (unsigned i = 0; i < ENTRY_HTPASSWD_ROUNDS; i++)
        entry_apr1_round(sum, i, password, salt, salt_len);
    entry_apr1_print(&t, sum);
    return bits_equal_secret(text_str(&t), hash);
}

/* --- the others --- */

/* "{SSHA}" and base64 of SHA-1(password, salt) and the salt; "{SHA}" has no salt. */
static bool entry_sha_is(const char *hash, const char *password)
{
    const char *code = strchr(hash, '}') + 1;
    cleanup(text_fini) struct text known = TEXT_EMPTY, t = TEXT_EMPTY;
    unsigned char sum[ENTRY_HTPASSWD_SHA1];
    unsigned char differs = 0;
    size_t bad;

    if (!bits_unbase64(&known, code, strlen(code), &bad) || known.len < sizeof(sum) ||
        (str_starts(hash, "{SHA}") && known.len != sizeof(sum)))
        return false;
    text_puts(&t, password);
    text_add(&t, known.data + sizeof(sum), known.len - sizeof(sum));
    bits_sha1(sum, text_str(&t), t.len);
    for (size_t i = 0; i < sizeof(sum); i++)
        differs |= (unsigned char)(sum[i] ^ (unsigned char)known.data[i]);
    return differs == 0;
}

static bool entry_crypt_is(const char *hash, const char *password)
{
    struct crypt_data *data = MEM_NEW(struct crypt_data);
    const char *made = crypt_r(password, hash, data);
    bool same = made != NULL && made[0] != '*' && bits_equal_secret(made, hash);

    explicit_bzero(data, sizeof(*data));
    free(data);
    return same;
}

bool entry_htpasswd_is(const char *hash, const char *password)
{
    if (str_starts(hash, "$apr1$"))
        return entry_apr1_is(hash, password);
    if (str_starts(hash, "{SHA}") || str_starts(hash, "{SSHA}"))
        return entry_sha_is(hash, password);
    if (str_starts(hash, "{PLAIN}"))
        return bits_equal_secret(hash + strlen("{PLAIN}"), password);
    return entry_crypt_is(hash, password);
}
