#include "base/tally.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

void tally_fini(struct tally *t)
{
    map_freep(&t->counts);
}

unsigned tally_of(const struct tally *t, const char *name)
{
    const unsigned *n = t->counts != NULL ? map_get(t->counts, name) : NULL;

    return n != NULL ? *n : 0;
}

void tally_add(struct tally *t, const char *name)
{
    unsigned *n;

    if (t->counts == NULL)
        t->counts = map_new(free);
    n = map_get(t->counts, name);
    if (n == NULL) {
        n = MEM_NEW(unsigned);
        map_put(t->counts, name, n);
    }
    ++*n;
}

void tally_sub(struct tally *t, const char *name)
{
    unsigned *n = t->counts != NULL ? map_get(t->counts, name) : NULL;

    assert(n != NULL && *n > 0);
    if (--*n == 0)
        map_del(t->counts, name);
}
