/* tally: how many of something each name holds: connections of an address, calls of a user.
 *
 * Names that hold nothing take no room.  Thread: unshared.
 */
#ifndef BASE_TALLY_H
#define BASE_TALLY_H

#include "base/map.h"

struct tally {
    struct map *counts; /* owned; NULL while empty */
};

void tally_fini(struct tally *t); /* idempotent */
unsigned tally_of(const struct tally *t, const char *name);
void tally_add(struct tally *t, const char *name);
void tally_sub(struct tally *t, const char *name); /* it holds one */

#endif
