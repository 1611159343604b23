#include "base/text.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TEXT_FIRST 64

void text_fini(struct text *t)
{
    free(t->data);
    *t = (struct text)TEXT_EMPTY;
}

void text_clear(struct text *t)
{
    t->len = 0;
    if (t->data)
        t->data[0] = '\0';
}

/* Doubling keeps appending linear. */
static void text_grow(struct text *t, size_t need)
{
    size_t cap = t->cap ? t->cap : TEXT_FIRST;

    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    t->data = mem_grow(t->data, cap, 1);
    t->cap = cap;
}

/* Makes room for @more bytes and the final NUL. */
static inline void text_reserve(struct text *t, size_t more)
{
    size_t need = t->len + more + 1;

    assert(need > more);
    if (need > t->cap)
        text_grow(t, need);
}

void text_add(struct text *t, const void *data, size_t len)
{
    text_reserve(t, len);
    if (len > 0)
        memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = '\0';
}

char *text_room(struct text *t, size_t len)
{
    char *at;

    text_reserve(t, len);
    at = t->data + t->len;
    t->len += len;
    t->data[t->len] = '\0';
    return at;
}

void text_puts(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_putc(struct text *t, char c)
{
    text_reserve(t, 1);
    t->data[t->len++] = c;
    t->data[t->len] = '\0';
}

void text_vfmt(struct text *t, const char *fmt, va_list ap)
{
    va_list again;
    int n;

    va_copy(again, ap);
    text_reserve(t, TEXT_FIRST);
    n = vsnprintf(t->data + t->len, t->cap - t->len, fmt, ap);
    assert(n >= 0);
    if ((size_t)n >= t->cap - t->len) {
        text_reserve(t, (size_t)n);
        vsnprintf(t->data + t->len, t->cap - t->len, fmt, again);
    }
    va_end(again);
    t->len += (size_t)n;
}

void text_fmt(struct text *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(t, fmt, ap);
    va_end(ap);
}

void text_drop(struct text *t, size_t n)
{
    assert(n <= t->len);
    if (n == 0)
        return;
    t->len -= n;
    memmove(t->data, t->data + n, t->len + 1);
}

const char *text_str(const struct text *t)
{
    return t->data ? t->data : "";
}

char *text_take(struct text *t)
{
    char *s = t->data ? t->data : mem_str("");

    *t = (struct text)TEXT_EMPTY;
    return s;
}

/* --- C strings --- */

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_empty(const char *s)
{
    return !s || !*s;
}

bool str_u64(const char *s, uint64_t *ret)
{
    uint64_t v = 0;

    if (str_empty(s))
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
            return false;
    }
    *ret = v;
    return true;
}

bool str_i64(const char *s, int64_t *ret)
{
    bool negative = s && *s == '-';
    uint64_t v;

    if (!str_u64(negative ? s + 1 : s, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *ret = negative ? (int64_t)-v : (int64_t)v;
    return true;
}

char **str_split(const char *s, char sep)
{
    size_t n = 0, count = 1;
    char **v;

    for (const char *p = s; *p; p++)
        count += *p == sep;
    v = MEM_NEW_ARRAY(char *, count + 1);
    if (!*s)
        return v;
    for (;;) {
        const char *end = strchrnul(s, sep);

        v[n++] = mem_strn(s, (size_t)(end - s));
        if (!*end)
            return v;
        s = end + 1;
    }
}

char **strv_free(char **v)
{
    for (char **p = v; p && *p; p++)
        free(*p);
    free(v);
    return NULL;
}

void strv_freep(char ***v)
{
    *v = strv_free(*v);
}
