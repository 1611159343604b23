#include "base/http_zip.h"

#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define HTTP_ZIP_LEVEL 1
#define HTTP_ZIP_PIECE 16384

struct http_zip {
    z_stream z;
};

bool http_zip_accepted(const char *accept)
{
    while (accept != NULL && *accept != '\0') {
        size_t len = strcspn(accept, ",");
        size_t name_len;

        while (len > 0 && (*accept == ' ' || *accept == '\t')) {
            accept++;
            len--;
        }
        name_len = strcspn(accept, " \t;,");
        if (name_len == 4 && strncasecmp(accept, "gzip", 4) == 0) {
            const char *q = memmem(accept, len, "q=", 2);

            return q == NULL || strtod(q + 2, NULL) > 0;
        }
        accept += len;
        accept += *accept == ',';
    }
    return false;
}

char *http_zip_whole(const void *body, size_t len, size_t *ret_len)
{
    z_stream z = { .next_in = (unsigned char *)(uintptr_t)body, .avail_in = (unsigned)len };
    char *out;
    int rc;

    if (len > UINT32_MAX / 2 ||
        deflateInit2(&z, HTTP_ZIP_LEVEL, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    out = malloc(len);
    z.next_out = (unsigned char *)out;
    z.avail_out = out != NULL ? (unsigned)len : 0;
    rc = out != NULL ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
    *ret_len = z.total_out;
    deflateEnd(&z);
    if (rc == Z_STREAM_END)
        return out;
    free(out);
    return NULL;
}

struct http_zip *http_zip_new(void)
{
    struct http_zip *zip = MEM_NEW(struct http_zip);

    if (deflateInit2(&zip->z, HTTP_ZIP_LEVEL, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) ==
        Z_OK)
        return zip;
    free(zip);
    return NULL;
}

void http_zip_add(struct http_zip *zip, struct text *out, const void *data, size_t len, bool last)
{
    unsigned char piece[HTTP_ZIP_PIECE];
    int rc;

    assert(len < UINT32_MAX);
    zip->z.next_in = (unsigned char *)(uintptr_t)data;
    zip->z.avail_in = (unsigned)len;
    do {
        zip->z.next_out = piece;
        zip->z.avail_out = sizeof(piece);
        rc = deflate(&zip->z, last ? Z_FINISH : Z_NO_FLUSH);
        assert(rc != Z_STREAM_ERROR);
        text_add(out, piece, sizeof(piece) - zip->z.avail_out);
    } while (zip->z.avail_out == 0 || (last && rc == Z_OK));
}

struct http_zip *http_zip_free(struct http_zip *zip)
{
    if (zip == NULL)
        return NULL;
    deflateEnd(&zip->z);
    free(zip);
    return NULL;
}
