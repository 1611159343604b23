/* pool: many small things that die together, packed one behind the other.
 *
 * Never gives single things back.  Thread: any, unshared.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

struct pool;

struct pool *pool_new(void);
struct pool *pool_free(struct pool *p);        /* and all that came from it; NULL is fine */
void *pool_zero(struct pool *p, size_t size);  /* zeroed, aligned for pointers and doubles */
char *pool_str(struct pool *p, const char *s); /* NULL gives NULL */
size_t pool_footprint(const struct pool *p);

#endif
