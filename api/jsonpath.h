/* jsonpath: the paths of printer columns, and of what clients ask to see.
 *
 * `.spec.replicas`, `.metadata.labels['a.b']`, `.metadata.annotations.a\.b`, `.list[0]`, `[-1:]`,
 * `[*]`, `.status.conditions[?(@.type=="Ready")].status`.
 * Not served: recursive descent, unions; they are refused.  Pure.  Thread: any.
 */
#ifndef API_JSONPATH_H
#define API_JSONPATH_H

#include "base/err.h"
#include "base/json.h"

struct jsonpath;

int jsonpath_new(struct jsonpath **ret, const char *text, struct err *err);
struct jsonpath *jsonpath_free(struct jsonpath *p);
/* The first thing found; borrowed from @tree; NULL when nothing is there. */
json_t *jsonpath_find(const struct jsonpath *p, const json_t *tree);
/* All that is found, in order, null too; non-zero ends it. */
typedef int (*jsonpath_fn)(void *arg, json_t *found);
void jsonpath_each(const struct jsonpath *p, const json_t *tree, jsonpath_fn fn, void *arg);

#endif
