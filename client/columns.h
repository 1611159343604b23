/* columns: `-o custom-columns=NAME:.metadata.name,...`: objects as a Table of one's own.
 *
 * What is absent is <none>; several values have commas between.  Pure.
 */
#ifndef CLIENT_COLUMNS_H
#define CLIENT_COLUMNS_H

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

#define COLUMNS_MAX 32

struct columns;

int columns_new(struct columns **ret, const char *spec, struct err *err);
struct columns *columns_free(struct columns *c);
/* A Table of @objects (an array), for print_table; the caller's. */
json_t *columns_table(const struct columns *c, const json_t *objects);

#endif
