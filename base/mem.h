/* mem: allocation that does not fail, and cleanup by declaration.
 *
 * Within limits mem_* never returns NULL: it logs and aborts (crash-only, see
 * ARCH.md).  Buffers whose size a client chooses use mem_try and answer ERR_LIMIT.
 * Thread: any.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define MEM_NEW(type)                   ((type *)mem_zero(sizeof(type)))
#define MEM_NEW_ARRAY(type, n)          ((type *)mem_array((n), sizeof(type)))
#define N_ELEMENTS(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define cleanup(fn) __attribute__((cleanup(fn)))
#define STEAL(p)                    \
    __extension__({                 \
        __typeof__(p) steal_ = (p); \
        (p) = NULL;                 \
        steal_;                     \
    })
#define UNUSED __attribute__((unused))

void *mem_zero(size_t size);                    /* zeroed; aborts when there is none */
void *mem_array(size_t n, size_t size);         /* zeroed; aborts on overflow */
void *mem_grow(void *p, size_t n, size_t size); /* realloc of an array; new part undefined */
void *mem_try(size_t size);                     /* zeroed, or NULL */
void *mem_dup(const void *p, size_t size);
void mem_trim(void); /* gives what is free back to the system, after much was needed for a while */
char *mem_str(const char *s); /* strdup; NULL gives NULL */
char *mem_strn(const char *s, size_t n);
char *mem_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For cleanup(): free what the variable points to. */
static inline void freep(void *pp)
{
    free(*(void **)pp);
}
static inline void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#endif
