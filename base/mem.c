#include "base/mem.h"

#include "base/log.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Aborting is the design: limits were checked before, so no memory means the host is dying,
 * and a restart from disk is the safest way on. */
static void *mem_check(void *p, size_t size)
{
    if (!p) {
        log_error("out of memory", KV("bytes", "%zu", size));
        abort();
    }
    return p;
}

static size_t mem_times(size_t n, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(n, size, &total)) {
        log_error("allocation overflows", KV("n", "%zu", n), KV("size", "%zu", size));
        abort();
    }
    return total;
}

void *mem_zero(size_t size)
{
    return mem_check(calloc(1, size ? size : 1), size);
}

void *mem_array(size_t n, size_t size)
{
    return mem_zero(mem_times(n, size));
}

void *mem_grow(void *p, size_t n, size_t size)
{
    size_t total = mem_times(n, size);

    return mem_check(realloc(p, total ? total : 1), total);
}

void *mem_try(size_t size)
{
    return calloc(1, size ? size : 1);
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_check(malloc(size ? size : 1), size);

    if (size > 0)
        memcpy(copy, p, size);
    return copy;
}

char *mem_str(const char *s)
{
    return s ? mem_dup(s, strlen(s) + 1) : NULL;
}

char *mem_strn(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = mem_grow(NULL, len + 1, 1);

    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *mem_fmt(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return mem_check(n < 0 ? NULL : s, 0);
}

void mem_trim(void)
{
    malloc_trim(0);
}
