/* layer: base */
#include "base/http_zip.h"

#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>
#include <zlib.h>

TEST(http_zip, is_for_those_who_accept_it)
{
    CHECK(http_zip_accepted("gzip"));
    CHECK(http_zip_accepted("deflate, GZIP;q=0.5"));
    CHECK(!http_zip_accepted("gzip;q=0"));
    CHECK(!http_zip_accepted("deflate, x-gzip"));
    CHECK(!http_zip_accepted(""));
    CHECK(!http_zip_accepted(NULL));
}

/* What comes out of @zipped is @want. */
static void check_unzips(const char *zipped, size_t len, const char *want, size_t want_len)
{
    unsigned char *plain = MEM_NEW_ARRAY(unsigned char, want_len + 1);
    z_stream z = { 0 };

    CHECK_INT(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)zipped;
    z.avail_in = (unsigned)len;
    z.next_out = plain;
    z.avail_out = (unsigned)want_len + 1;
    CHECK_INT(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_INT(z.total_out, want_len);
    CHECK(memcmp(plain, want, want_len) == 0);
    inflateEnd(&z);
    free(plain);
}

TEST(http_zip, pieces_are_one_whole)
{
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    cleanup(text_fini) struct text zipped = TEXT_EMPTY;
    cleanup(freep) char *whole = NULL;
    struct http_zip *zip = http_zip_new();
    size_t len;

    for (int i = 0; i < 5000; i++) {
        size_t at = plain.len;

        text_fmt(&plain, "{\"item\":%d,\"of\":\"%d\"}", i, i * 7919);
        http_zip_add(zip, &zipped, plain.data + at, plain.len - at, false);
    }
    http_zip_add(zip, &zipped, "", 0, true);
    CHECK(http_zip_free(zip) == NULL);
    CHECK(zipped.len < plain.len / 2);
    check_unzips(zipped.data, zipped.len, plain.data, plain.len);
    whole = http_zip_whole(plain.data, plain.len, &len);
    check_unzips(whole, len, plain.data, plain.len);
    CHECK(http_zip_whole("xyz", 3, &len) == NULL);
}

TEST(http_zip, nothing_is_something_too)
{
    cleanup(text_fini) struct text zipped = TEXT_EMPTY;
    struct http_zip *zip = http_zip_new();

    http_zip_add(zip, &zipped, "", 0, true);
    check_unzips(zipped.data, zipped.len, "", 0);
    http_zip_free(zip);
}
