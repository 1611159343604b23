/* layer: base */
#include "base/websocket.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads @data in pieces of @step bytes; a sum over what came out, 0 on an error. */
static uint64_t fuzz_read(const uint8_t *data, size_t size, size_t step, bool is_client)
{
    struct websocket_parser p = { .is_client = is_client };
    struct err err = ERR_EMPTY;
    uint64_t sum = 1;

    for (size_t at = 0; at < size;) {
        size_t n = size - at < step ? size - at : step, done = 0;
        unsigned char *copy = malloc(n);

        if (copy == NULL)
            abort();
        memcpy(copy, data + at, n);
        while (done < n) {
            struct websocket_piece piece;
            size_t used;
            int rc = websocket_parse(&p, copy + done, n - done, &used, &piece, &err);

            if (rc < 0) {
                free(copy);
                return 0;
            }
            if (used > n - done || (rc == 0 && used != n - done) || (rc == 1 && used == 0))
                abort();
            for (size_t i = 0; rc == 1 && i < piece.len; i++)
                sum = sum * 31 + piece.data[i] + (uint64_t)piece.op;
            done += used;
        }
        free(copy);
        at += n;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    /* However the bytes are cut, the same comes out. */
    if (fuzz_read(data + 1, size - 1, size, data[0] & 1) !=
        fuzz_read(data + 1, size - 1, 1 + data[0] / 2, data[0] & 1))
        abort();
    return 0;
}
