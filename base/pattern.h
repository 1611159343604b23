/* pattern: regular expressions as OpenAPI schemas of Kubernetes hold them (Go's RE2 syntax).
 *
 * Compiled to a small program whose states run side by side: time grows with pattern times text,
 * never worse, whatever a client sends.  Answers only whether there is a match anywhere.
 * Not served: classes of Unicode (\pL).  Pure.  Thread: any.
 */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include "base/err.h"

#include <stdbool.h>

struct pattern;

/* ERR_INVALID in the words of Go's regexp/syntax (`missing closing ]: ...`). */
int pattern_new(struct pattern **ret, const char *text, struct err *err);
struct pattern *pattern_free(struct pattern *p);
void pattern_freep(struct pattern **p);
/* @s is UTF-8.  Past PATTERN_STEPS_MAX steps (a huge text under a huge pattern) it is no match. */
bool pattern_matches(const struct pattern *p, const char *s);

#endif
