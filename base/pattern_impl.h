/* pattern_impl: the program that a pattern is compiled to.  Private to base/pattern*.c. */
#ifndef BASE_PATTERN_IMPL_H
#define BASE_PATTERN_IMPL_H

#include "base/pattern.h"

#include <stdint.h>

enum pattern_op {
    PATTERN_SET,   /* one character out of a set */
    PATTERN_SPLIT, /* goes on at +x and at +y */
    PATTERN_JUMP,  /* +x */
    PATTERN_BEGIN, /* of the text, or of a line */
    PATTERN_END,
    PATTERN_WORD_EDGE,
    PATTERN_MATCH,
};

/* Jumps are relative, so that code may be moved and copied. */
struct pattern_code {
    enum pattern_op op;
    int x, y;  /* SET: first range and their number; WORD_EDGE: x = 1 means not at an edge */
    bool flag; /* SET: all but these; BEGIN, END: of lines too */
};

struct pattern_range {
    uint32_t low, high;
};

struct pattern {
    struct pattern_code *code; /* owned */
    int n_code;
    struct pattern_range *ranges; /* owned */
    int n_ranges;
};

/* One character of UTF-8; what is none counts byte by byte. */
uint32_t pattern_rune(const char **s);

#endif
