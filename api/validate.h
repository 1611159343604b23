/* validate: the rules that no schema can say, a table of functions by bucket.
 *
 * Pure: new tree, old tree (updates), causes out.  Types were checked before (api/decode.h).
 * Messages, paths and reasons are Kubernetes'.  Thread: any.
 */
#ifndef API_VALIDATE_H
#define API_VALIDATE_H

#include "api/field_errors.h"
#include "api/schema.h"
#include "base/json.h"

/* Metadata (names, labels, annotations, owners), required fields and enums from the tables
 * (`spec.selector: Required value`), then the kind's own rules. */
void validate_create(struct field_errors *ret, const struct schema_resource *r, const json_t *tree);
/* As above, plus what may not change between @old and @tree. */
void validate_update(struct field_errors *ret, const struct schema_resource *r, const json_t *tree,
                     const json_t *old);
/* Status subresource. */
void validate_status(struct field_errors *ret, const struct schema_resource *r, const json_t *tree,
                     const json_t *old);

/* Subresource ephemeralcontainers of pods. */
void validate_ephemeral_update(struct field_errors *ret, const struct schema_resource *r,
                               const json_t *tree, const json_t *old);

/* Names; NULL when fine, else Kubernetes' sentence (static). */
const char *validate_dns1123_label(const char *s);
const char *validate_dns1123_subdomain(const char *s);
const char *validate_dns1035_label(const char *s);
const char *validate_label_key(const char *s); /* qualified name */
const char *validate_label_value(const char *s);

/* Kinds of other makers say what type a value should be as custom resources do. */
void validate_foreign_types(struct field_errors *e, const struct schema_type *type,
                            const json_t *tree);

#endif
