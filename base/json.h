/* json: jansson with Kubernetes' manners, and short paths into trees.
 *
 * The only place that includes <jansson.h>.  Trees are owned by who made them
 * (json_decref / cleanup(json_decrefp)); accessors borrow.  Thread: unshared trees.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/err.h"
#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_MAX_DEPTH_OURS 512

/* Parses one value, nothing after it.  Duplicate keys: the last wins, and when @ret_dups is
 * not NULL each duplicate's dotted path ("spec.replicas") is appended as a JSON string to
 * that array (caller's).  ERR_BAD_REQUEST tells line, column and what was expected.
 * Integers beyond int64 and reals are kept as reals. */
int json_parse(json_t **ret, const char *data, size_t len, json_t *ret_dups, struct err *err);

/* The same of bytes that were parsed before, but for the member @path[1] of the root's member
 * @path[0], which costs next to nothing. */
int json_parse_without(json_t **ret, const char *data, size_t len, const char *const path[2],
                       struct err *err);

/* Compact, keys in insertion order; a new string (free), never NULL. */
char *json_print(const json_t *tree, size_t *ret_len);
void json_print_to(struct text *t, const json_t *tree);
/* Compact with sorted keys at every level: equal trees give equal bytes (hashing, comparing). */
char *json_print_sorted(const json_t *tree, size_t *ret_len);
char *json_print_pretty(const json_t *tree); /* indent 2, for people */

static inline void json_decrefpp(json_t **p)
{
    json_decref(*p);
}

/* Dotted paths over objects only: "spec.template.metadata".  NULL tree or missing = default.
 * Keys that hold dots need json_object_get. JSON null counts as missing. */
json_t *json_at(const json_t *tree, const char *path);      /* borrowed or NULL */
const char *json_str(const json_t *tree, const char *path); /* NULL if absent or no string */
const char *json_str_or(const json_t *tree, const char *path, const char *otherwise);
int64_t json_int(const json_t *tree, const char *path, int64_t otherwise);
bool json_bool(const json_t *tree, const char *path, bool otherwise);

/* Sets, making the objects on the way; @value is consumed. */
void json_put(json_t *tree, const char *path, json_t *value);
void json_put_str(json_t *tree, const char *path, const char *value);
void json_put_int(json_t *tree, const char *path, int64_t value);
void json_put_bool(json_t *tree, const char *path, bool value);
void json_del(json_t *tree, const char *path);

/* The first member of array @list whose string @key equals @value; borrowed or NULL. */
json_t *json_find(const json_t *list, const char *key, const char *value);
/* Whether the array @list holds the string @word. */
bool json_has_str(const json_t *list, const char *word);
/* Keys in order, NULL behind the last, borrowed from @map; free() the array. */
const char **json_keys(const json_t *map);
/* As schemas call it: "object", "array", "string", "integer", "number", "boolean", "null". */
const char *json_type_name(const json_t *value);

#endif
