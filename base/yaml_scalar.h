/* yaml_scalar: what an unquoted word of YAML means to Kubernetes' tools.
 *
 * Used by the reader to type words and by the printer to know which strings need quotes.
 * Thread: any.
 */
#ifndef BASE_YAML_SCALAR_H
#define BASE_YAML_SCALAR_H

#include "base/json.h"

/* A new value: null, bool, number or string.  NULL for .nan and .inf, which JSON lacks. */
json_t *yaml_scalar_resolve(const char *s, size_t len);

/* May @s (valid UTF-8) stand unquoted in block style and come back as this string, also from
 * readers of YAML 1.2 and 1.1 that are stricter or looser than ours? */
bool yaml_scalar_is_plain(const char *s, size_t len);

/* Does every character stand for itself between single quotes (no breaks, no controls)? */
bool yaml_scalar_is_printable(const char *s, size_t len);

#endif
