/* json_plain: which bytes of a string stand for themselves in JSON; eight at a time, since most of
 * what is read and written is long strings.  Part of json_read.c and json_print.c. */
#ifndef BASE_JSON_PLAIN_H
#define BASE_JSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether one of the eight bytes at @s is odd. */
static inline bool json_plain_is_odd(const char *s, bool ascii)
{
    const uint64_t ones = 0x0101010101010101, highs = ones * 0x80;
    uint64_t w, quote, slash;

    /* The high bit of a byte that is below 0x20 or zero; borrows only spoil bytes behind it. */
    memcpy(&w, s, sizeof(w));
    quote = w ^ ones * '"';
    slash = w ^ ones * '\\';
    return ((((w - ones * ' ') & ~w) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
             (ascii ? w : 0)) &
            highs) != 0;
}

/* The length of the run at @s without '"', '\\' and control characters; with @ascii also without
 * bytes from 0x80 on. */
static inline size_t json_plain_run(const char *s, size_t len, bool ascii)
{
    const size_t step = sizeof(uint64_t);
    size_t i = 0;

    while (len - i >= step && !json_plain_is_odd(s + i, ascii))
        i += step;
    if (i > 0 && len - i < step && !json_plain_is_odd(s + len - step, ascii))
        return len; /* the last eight, some of them again */
    for (; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < ' ' || c == '"' || c == '\\' || (ascii && c >= 0x80))
            break;
    }
    return i;
}

#endif
