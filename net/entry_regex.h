/* entry_regex: a path of an Ingress as a regular expression, and rewriting by its groups.
 *
 * The expressions are users', the subjects are strangers': matching has limits (steps, memory),
 * so that no pair of them can hold up the loop; beyond them nothing matches.
 * Dialect: PCRE, as nginx.  Immutable once made.  Thread: any.
 */
#ifndef NET_ENTRY_REGEX_H
#define NET_ENTRY_REGEX_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Longer patterns are refused. */
#define ENTRY_REGEX_MAX_PATTERN 4096

struct entry_regex;

/* Case does not matter when @caseless.  A match begins where the subject begins. */
int entry_regex_new(struct entry_regex **ret, const char *pattern, bool caseless, struct err *err);
struct entry_regex *entry_regex_free(struct entry_regex *r); /* NULL is fine; returns NULL */

/* @ret_gave_up: the limits were met; who compares with several must stop then. */
bool entry_regex_matches(const struct entry_regex *r, const char *subject, bool *ret_gave_up);

/* Has @pattern anything that a plain string has not? */
bool entry_regex_is_special(const char *pattern);

/* @r NULL: nothing in the path is special, and there are no groups.
 * The path and arguments to ask a backend for: @target ("/$2", "/x?q=$1") with the groups that
 * @r finds in @path, percent-encoded, then the arguments in @query ("a=b", NULL = none) unless
 * the target ends with '?'.  As nginx' rewrite does it.  Appends; false: no match. */
bool entry_regex_rewrite(const struct entry_regex *r, struct text *ret, const char *path,
                         const char *target, const char *query, size_t query_len);

#endif
