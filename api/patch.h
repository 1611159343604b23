/* patch: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch.  Pure.
 *
 * Each returns a new tree (caller's); inputs are borrowed and unchanged.
 */
#ifndef API_PATCH_H
#define API_PATCH_H

#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"

/* Bounds: what a small request may make the server do. */
#define PATCH_MAX_OPERATIONS  10000
#define PATCH_MAX_COPIED      (3 << 20) /* bytes that "copy" may add, printed */
#define PATCH_MAX_COMPARISONS 25000000  /* of list items in one strategic merge */

/* Malformed: ERR_BAD_REQUEST; failing test or missing path: ERR_INVALID; past a bound: ERR_LIMIT. */
int patch_json(json_t **ret, const json_t *doc, const json_t *ops, struct err *err);
int patch_merge(json_t **ret, const json_t *doc, const json_t *patch, struct err *err);
/* Directives $patch, $deleteFromPrimitiveList, $setElementOrder, $retainKeys; keys from the tables. */
int patch_strategic(json_t **ret, const json_t *doc, const json_t *patch,
                    const struct schema_type *type, struct err *err);

#endif
