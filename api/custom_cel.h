/* custom_cel: rules in the language CEL on a custom kind's schema (x-kubernetes-validations).
 *
 * Source: apiextensions-apiserver/pkg/apiserver/schema/cel (compilation.go, validation.go, model).
 * Types come from the schema's nodes, so that `self.replicas` is an int and an unknown field is found
 * when the definition is applied.  The static estimate of what a rule may cost is not made; what it does
 * cost when it runs is bounded (CUSTOM_CEL_BUDGET for one object).  Thread: loop.
 */
#ifndef API_CUSTOM_CEL_H
#define API_CUSTOM_CEL_H

#include "api/custom_schema.h"
#include "api/field_errors.h"
#include "cel/cel.h"

#define CUSTOM_CEL_BUDGET 2000000

struct pool;

/* The rules of one node, compiled; those that do not compile keep why. */
struct custom_cel;

/* @rules: the array of x-kubernetes-validations, borrowed.  @node and @pool outlive the result; types
 * are made in the pool.  @root: the object itself, which has apiVersion, kind and metadata. */
struct custom_cel *custom_cel_new(const struct custom_node *node, const json_t *rules, bool root,
                                  struct pool *pool);
struct custom_cel *custom_cel_free(struct custom_cel *cel); /* NULL is fine */
size_t custom_cel_footprint(const struct custom_cel *cel);

/* @value at @path against the rules; @old (NULL: none) is oldSelf. */
void custom_cel_check(struct field_errors *e, const char *path, const struct custom_cel *cel,
                      struct cel_context *c, const json_t *value, const json_t *old);
/* What a definition with these rules is told; @path is that of the array. */
void custom_cel_report(struct field_errors *e, const char *path, const struct custom_cel *cel);

#endif
