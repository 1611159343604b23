/* layer: base */
#include "base/bits.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

TEST(bits, sha256_of_known_texts)
{
    char hex[BITS_SHA256_HEX];
    struct bits_sha256 *h;

    bits_sha256_hex(hex, NULL, 0);
    CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    bits_sha256_hex(hex, "abc", 3);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    h = bits_sha256_new();
    bits_sha256_add(h, "a", 1);
    bits_sha256_add(h, NULL, 0);
    bits_sha256_add(h, "bc", 2);
    bits_sha256_done(h, hex);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(bits, fnv_of_known_texts)
{
    CHECK_INT(bits_fnv32a("", 0), 0x811c9dc5);
    CHECK_INT(bits_fnv32a("foobar", 6), 0xbf9cf968);
    CHECK(bits_fnv64a("foobar", 6) == 0x85944171f73967e8);
}

TEST(bits, base64_of_rfc4648)
{
    static const char *const rows[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;
        cleanup(text_fini) struct text back = TEXT_EMPTY;
        size_t bad;

        bits_base64(&t, rows[i][0], strlen(rows[i][0]));
        CHECK_STR(text_str(&t), rows[i][1]);
        CHECK(bits_unbase64(&back, text_str(&t), t.len, &bad));
        CHECK_STR(text_str(&back), rows[i][0]);
    }
}

TEST(bits, base64_tells_the_first_bad_byte)
{
    static const struct {
        const char *text;
        size_t bad;
    } rows[] = {
        { "Zg", 2 },    { "Zg=", 3 }, { "Z", 1 },          { "Zg==Zg==", 4 }, { "Zm9v=", 4 },
        { "Zm 9v", 2 }, { "*", 0 },   { "Zm9v\nZm9*", 8 }, { "Zg=x", 3 },     { "Zm-_", 2 },
    };
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    size_t bad;

    text_puts(&t, "kept");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CHECK(!bits_unbase64(&t, rows[i].text, strlen(rows[i].text), &bad));
        CHECK_INT(bad, rows[i].bad);
        CHECK_STR(text_str(&t), "kept");
    }
    CHECK(bits_unbase64(&t, "Zm\r\n9v\nYg=\n=\n", 13, NULL));
    CHECK_STR(text_str(&t), "keptfoob");
}

TEST(bits, base64url_has_no_padding)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(text_fini) struct text back = TEXT_EMPTY;

    bits_base64url(&t, "\xfb\xff\xfe\x01", 4);
    CHECK_STR(text_str(&t), "-__-AQ");
    CHECK(bits_unbase64url(&back, text_str(&t), t.len));
    CHECK(back.len == 4 && memcmp(back.data, "\xfb\xff\xfe\x01", 4) == 0);
    CHECK(!bits_unbase64url(&back, "-__-AQ==", 8) && back.len == 4);
    CHECK(!bits_unbase64url(&back, "A", 1) && back.len == 4);
    CHECK(!bits_unbase64url(&back, "+/", 2) && back.len == 4);
}

TEST(bits, uuids_are_version_4_and_differ)
{
    char a[BITS_UUID_MAX], b[BITS_UUID_MAX];

    bits_uuid(a);
    bits_uuid(b);
    CHECK_INT(strlen(a), 36);
    CHECK(a[8] == '-' && a[13] == '-' && a[14] == '4' && a[18] == '-' && a[23] == '-');
    CHECK(strchr("89ab", a[19]) != NULL);
    CHECK(strcmp(a, b) != 0);
}

TEST(bits, secrets_compare)
{
    CHECK(bits_equal_secret("abc", "abc") && bits_equal_secret("", ""));
    CHECK(!bits_equal_secret("abc", "abd") && !bits_equal_secret("abc", "ab"));
    CHECK(!bits_equal_secret("", "a") && !bits_equal_secret("a", "") &&
          !bits_equal_secret("ab", "abab"));
}
