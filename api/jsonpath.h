/* jsonpath: the paths that printer columns of CustomResourceDefinitions are made of.
 *
 * `.spec.replicas`, `.metadata.labels['a.b']`, `.metadata.annotations.a\.b`, `.list[0]`, `[-1:]`,
 * `[*]`, `.status.conditions[?(@.type=="Ready")].status`.  Only the first thing found counts.
 * Not served: recursive descent, unions; they are refused.  Pure.  Thread: any.
 */
#ifndef API_JSONPATH_H
#define API_JSONPATH_H

#include "base/err.h"
#include "base/json.h"

struct jsonpath;

int jsonpath_new(struct jsonpath **ret, const char *text, struct err *err);
struct jsonpath *jsonpath_free(struct jsonpath *p);
/* Borrowed from @tree; NULL when nothing is there. */
json_t *jsonpath_find(const struct jsonpath *p, const json_t *tree);

#endif
