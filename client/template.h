/* template: what `-o jsonpath=...` prints, and the path that `--sort-by` and columns name.
 *
 * Text with expressions in braces: {.metadata.name}, {"\n"}, {range .items[*]} ... {end}, {@}, {$}.
 * What is not there prints nothing.  Facts: kubernetes.io, "JSONPath Support".  Pure.
 */
#ifndef CLIENT_TEMPLATE_H
#define CLIENT_TEMPLATE_H

#include "api/jsonpath.h"
#include "base/text.h"

#define TEMPLATE_MAX_DEPTH 16 /* ranges in ranges */

struct template;

int template_new(struct template **ret, const char *text, struct err *err);
struct template *template_free(struct template *t);
void template_print(struct text *ret, const struct template *t, const json_t *tree);

/* A path as people write it: "{.spec.x}", ".spec.x", "spec.x". */
int template_path(struct jsonpath **ret, const char *text, struct err *err);
/* A value as it prints: strings bare, the rest as JSON. */
void template_value(struct text *ret, const json_t *value);
/* As Go's %v: map[a:1 b:2], [x y]. */
void template_go_value(struct text *ret, const json_t *value);

#endif
