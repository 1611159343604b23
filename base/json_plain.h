/* json_plain: which bytes of a string stand for themselves in JSON; eight at a time, since most of
 * what is read and written is long strings.  Part of json_read.c and json_print.c. */
#ifndef BASE_JSON_PLAIN_H
#define BASE_JSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The length of the run at @s without '"', '\\' and control characters; with @ascii also without
 * bytes from 0x80 on. */
static inline size_t json_plain_run(const char *s, size_t len, bool ascii)
{
    const uint64_t ones = 0x0101010101010101, highs = ones * 0x80;
    size_t i = 0;

    for (; len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t w, quote, slash;

        /* The high bit of a byte that is below 0x20 or zero; borrows only spoil bytes behind it. */
        memcpy(&w, s + i, sizeof(w));
        quote = w ^ ones * '"';
        slash = w ^ ones * '\\';
        if ((((w - ones * ' ') & ~w) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
             (ascii ? w : 0)) &
            highs)
            break;
    }
    for (; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < ' ' || c == '"' || c == '\\' || (ascii && c >= 0x80))
            break;
    }
    return i;
}

#endif
