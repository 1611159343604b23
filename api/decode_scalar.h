/* decode_scalar: values that are text on the wire and mean more: times, quantities, bytes.
 *
 * Each checks one value as Go's types do and makes it canonical; the messages are Go's.
 * Inside decode only.  Pure.  Thread: any.
 */
#ifndef API_DECODE_SCALAR_H
#define API_DECODE_SCALAR_H

#include "base/err.h"
#include "base/json.h"

/* Times and bytes are strings already.  *ret is set (new, caller's) only when the value must be replaced by its canonical form. */
int decode_time(json_t **ret, const json_t *value, struct err *err);
int decode_microtime(json_t **ret, const json_t *value, struct err *err);
int decode_quantity(json_t **ret, const json_t *value, struct err *err);
int decode_bytes(json_t **ret, const json_t *value, struct err *err);

/* "string", "number", "bool", "array", "object", as Go's decoder says it. */
const char *decode_kind(const json_t *value);

#endif
