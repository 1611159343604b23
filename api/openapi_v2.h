/* openapi_v2: the inside of OpenAPI v2: what of a v3 document an old client understands, and how it
 * stands on the wire of protobuf.  Pure.  Only for openapi_v2*.c; others see api/openapi.h.
 */
#ifndef API_OPENAPI_V2_H
#define API_OPENAPI_V2_H

#include "base/json.h"
#include "base/text.h"

/* Turns the v3 document of a group version into {"paths":..,"definitions":..} of v2, in place. */
void openapi_v2_turn(json_t *document);

/* Members of messages Paths and Definitions: one named path, one named definition. */
void openapi_v2_encode_path(struct text *ret, const char *name, const json_t *item);
void openapi_v2_encode_definition(struct text *ret, const char *name, const json_t *schema);
/* The Document around them. */
void openapi_v2_encode_document(struct text *ret, const struct text *paths,
                                const struct text *definitions);

#endif
