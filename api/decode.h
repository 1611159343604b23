/* decode: a request body into a tree that fits its kind, and what was wrong with it.
 *
 * Pure.  Steps as in Kubernetes: parse (JSON, YAML or protobuf) -> match types -> drop unknown
 * fields (noting them) -> defaults.  Thread: any.
 */
#ifndef API_DECODE_H
#define API_DECODE_H

#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"

/* Walks @tree against the tables and makes it canonical in place: unknown and duplicate fields are
 * dropped and their messages (`unknown field "spec.foo"`, `duplicate field "spec.x"`) appended to @problems
 * (array, caller's, may be NULL); null members are dropped as absent (arrays keep none;
 * in a map of strings null is ""); zero values that Go's omitempty leaves out are dropped (unless
 * field.keep_zero), so that equal objects are equal bytes; quantities, times and bytes are checked
 * and put into canonical form ("0.5" -> "500m", UTC); int-or-string is kept.
 * Wrong types are ERR_BAD_REQUEST in the words of Go's decoder, e.g.
 *  `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`,
 *  `quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
 *  `illegal base64 data at input byte 0`. */
int decode_check(json_t *tree, const struct schema_type *type, json_t *problems, struct err *err);
/* The same, with the duplicates that json_parse found (array of paths, may be NULL): each known
 * field among them is told in its turn, `duplicate field "spec.paused"`, as Go's decoder does;
 * those inside unknown fields are not.  Pass json_parse's array here rather than merging it. */
int decode_check_dups(json_t *tree, const struct schema_type *type, const json_t *dups,
                      json_t *problems, struct err *err);
/* Appends `strict decoding error: unknown field "spec.foo", duplicate field "spec.x"`. */
void decode_problems_text(struct text *ret, const json_t *problems);

/* Fills in defaults: those of the tables and those that depend on other fields (api/defaults.c,
 * semantics section 7): imagePullPolicy by tag, requests from limits, targetPort = port, ...
 * Idempotent. */
void decode_defaults(json_t *tree, const struct schema_resource *r);
/* Puts the status that an object begins with in place of what its maker wrote: its defaults, or none. */
void decode_fresh_status(json_t *tree, const struct schema_resource *r);

/* Kubernetes' envelope 6b 38 73 00 + runtime.Unknown into a tree with apiVersion and kind;
 * the message inside is read by the tables.  Bounded depth; ERR_BAD_REQUEST otherwise.
 * Zero scalars that Go would omit from JSON (omitempty) are left out. */
int decode_protobuf(json_t **ret, const void *data, size_t len, struct err *err);

#endif
