/* patch_diff: what a client must send so that @live becomes what @want asks for.
 *
 * The three-way difference of `kubectl apply`: fields of @want that @live lacks or has otherwise
 * are set, fields that @last (what was applied before) had and @want no longer has are removed,
 * and what only others wrote is left alone.  It is the inverse of patch_strategic.  Pure.
 */
#ifndef API_PATCH_DIFF_H
#define API_PATCH_DIFF_H

#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"

/* Two items of one list share a merge key (ports 53/TCP and 53/UDP): a strategic merge cannot tell
 * them apart.  Ask again without a type, and send the answer as a merge patch. */
#define PATCH_DIFF_AMBIGUOUS 1

/* @last may be NULL (nothing was applied before).  With @type a strategic merge patch, without one
 * a merge patch (RFC 7386), in which lists are replaced whole.  The patch is the caller's; an empty
 * object says that nothing has to change.  Input that is no object: ERR_BAD_REQUEST; past
 * PATCH_MAX_COMPARISONS: ERR_LIMIT. */
int patch_diff(json_t **ret, const json_t *last, const json_t *want, const json_t *live,
               const struct schema_type *type, struct err *err);

#endif
