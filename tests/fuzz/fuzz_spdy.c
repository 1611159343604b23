/* layer: base */
#include "base/spdy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Headers are made by the fuzzer's own words, so that it gets past the compression. */
static void fuzz_print(struct text *ret, const uint8_t *data, size_t size)
{
    struct spdy_printer *printer = spdy_printer_new();

    while (size > 3) {
        size_t n = data[0] % 32 < size - 3 ? data[0] % 32 : size - 3;
        char word[33] = "";
        const struct spdy_header headers[] = { { "streamtype", word }, { word, "x" } };

        memcpy(word, data + 3, n);
        if (data[1] % 4 == 0)
            text_add(ret, data + 3, n); /* what no printer says */
        else if (data[1] % 4 == 1)
            spdy_print_ping(ret, data[2]);
        else
            spdy_print_headers(printer, ret, SPDY_SYN_STREAM, data[2], data[1] & 8, headers,
                               data[1] % 3);
        data += 3 + n;
        size -= 3 + n;
    }
    spdy_printer_free(printer);
}

static void fuzz_read(const unsigned char *data, size_t size, size_t step)
{
    struct spdy_parser *p = spdy_parser_new();
    struct err err = ERR_EMPTY;

    for (size_t at = 0; at < size;) {
        size_t n = size - at < step ? size - at : step, done = 0;

        while (done < n) {
            struct spdy_frame f;
            size_t used, sum = 0;
            int rc = spdy_parse(p, data + at + done, n - done, &used, &f, &err);

            if (rc < 0) {
                spdy_parser_free(p);
                return;
            }
            if (used > n - done || (rc == 0 && used != n - done) || (rc == 1 && used == 0))
                abort();
            for (size_t i = 0; rc == 1 && i < f.n_headers; i++)
                sum += strlen(f.headers[i].name) + strlen(f.headers[i].value);
            if (sum > SPDY_HEADERS_MAX)
                abort();
            done += used;
        }
        at += n;
    }
    spdy_parser_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text made = TEXT_EMPTY;

    if (size < 2)
        return 0;
    fuzz_read(data + 1, size - 1, 1 + data[0]);
    fuzz_print(&made, data + 1, size - 1);
    fuzz_read((const unsigned char *)text_str(&made), made.len, 1 + data[0]);
    text_fini(&made);
    return 0;
}
