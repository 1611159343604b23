/* sort: lists of objects in the order of one of their fields, as `--sort-by` has it.
 *
 * Numbers by value, quantities by size, text so that x2 comes before x10; without the field first.
 * Equal ones keep their order.  Pure.
 */
#ifndef CLIENT_SORT_H
#define CLIENT_SORT_H

#include "base/err.h"
#include "base/json.h"

/* @within: where in each item the object is ("object" in rows of Tables), or NULL: it is the item. */
int sort_by(json_t *items, const char *path, const char *within, struct err *err);
/* strcmp, but digits count as numbers. */
int sort_natural(const char *a, const char *b);

#endif
