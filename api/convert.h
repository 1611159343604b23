/* convert: ConversionReviews, written for the webhook of a definition and read from its answer
 * (apiextensions.k8s.io/v1, and v1beta1 for those that know nothing newer).
 *
 * A webhook may change what an object says, not which object it is: of metadata only labels and
 * annotations are taken over.  Pure.  Thread: any.
 */
#ifndef API_CONVERT_H
#define API_CONVERT_H

#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"

/* @conversion is spec.conversion of a definition; @objects an array.  NULL: none of its
 * conversionReviewVersions is known. */
char *convert_write(const json_t *conversion, const char *uid, const char *api_version,
                    const json_t *objects, size_t *ret_len);

/* @ret: the same objects in the same order (an array, the caller's) as @row's version has them. */
int convert_read(json_t **ret, const json_t *conversion, const char *uid,
                 const struct schema_resource *row, const json_t *objects, int http,
                 const char *body, size_t len, struct err *err);

#endif
