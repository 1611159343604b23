/* text: a growable byte string, and small helpers over C strings.
 *
 * @data is always NUL-terminated once anything was added (and "" by text_str
 * before).  Thread: any, unshared.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *data; /* owned */
    size_t len;
    size_t cap;
};

/* clang-format off */
#define TEXT_EMPTY { .data = NULL, .len = 0, .cap = 0 }
/* clang-format on */

void text_fini(struct text *t); /* idempotent; usable with cleanup() */
void text_clear(struct text *t);
void text_add(struct text *t, const void *data, size_t len);
char *text_room(struct text *t, size_t len); /* adds @len bytes, for the caller to fill at once */
void text_puts(struct text *t, const char *s);
void text_putc(struct text *t, char c);
void text_fmt(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vfmt(struct text *t, const char *fmt, va_list ap);
void text_drop(struct text *t, size_t n);   /* removes n bytes from the front */
const char *text_str(const struct text *t); /* borrowed, never NULL */
char *text_take(struct text *t);            /* moved out, never NULL; t is empty after */

/* NULL equals only NULL.  Inline: tables are searched with it, and most strings differ at once. */
static inline bool str_eq(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && *a == *b && strcmp(a, b) == 0);
}
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_empty(const char *s); /* NULL or "" */
/* Strict decimal without sign or blanks, the whole of @s; false leaves *ret alone. */
bool str_u64(const char *s, uint64_t *ret);
/* The same, and a leading minus is allowed. */
bool str_i64(const char *s, int64_t *ret);

/* Splits at every @sep into a NULL-terminated array; free with strv_free.
 * "" gives an empty array; "a,,b" keeps the empty middle. */
char **str_split(const char *s, char sep);
char **strv_free(char **v);
void strv_freep(char ***v);

#endif
