/* custom_tree: a custom object against its compiled schema: pruned, filled, checked.
 *
 * Pure.  apiVersion, kind and metadata are the API's, not the schema's, at the root (where they are left alone) and in
 * embedded resources (whose metadata loses what no object's has).
 */
#ifndef API_CUSTOM_TREE_H
#define API_CUSTOM_TREE_H

#include "api/custom_schema.h"
#include "api/field_errors.h"

/* Drops members that no schema knows; `unknown field "spec.x"` goes to @problems (array, or NULL). */
void custom_prune(json_t *tree, const struct custom_node *root, json_t *problems);
/* Sets what is absent and has a default; nulls that may not be are absent.  Idempotent. */
void custom_default(json_t *tree, const struct custom_node *root);
/* Types and rules in Kubernetes' words.  @old (may be NULL): what did not change is not judged
 * again, so that a stricter schema does not lock up objects from before. */
void custom_check(struct field_errors *ret, const struct custom_node *root, const json_t *tree,
                  const json_t *old);

/* --- custom_format.c --- */
/* Whether @format is known, and so enforced. */
bool custom_format_known(const char *format);
/* Unknown formats hold always. */
bool custom_format_holds(const char *format, const char *text);

#endif
