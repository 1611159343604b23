/* entry_cors: the Access-Control fields that ingress-nginx adds for cross-origin callers.  Pure. */
#ifndef NET_ENTRY_CORS_H
#define NET_ENTRY_CORS_H

#include "base/text.h"
#include "net/entry_annotations.h"

/* May this Origin (@len 0: none was said) have the fields?  Patterns are compared with the end of
 * it, without regard to case, as ingress-nginx' expression does. */
bool entry_cors_allows(const struct entry_cors *c, const char *origin, size_t len);
/* Appends the fields as header lines. */
void entry_cors_print(struct text *ret, const struct entry_cors *c, const char *origin, size_t len);
/* Is this one of the fields that entry_cors_print sets? */
bool entry_cors_is_field(const char *name, size_t len);

#endif
