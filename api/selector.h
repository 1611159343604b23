/* selector: label and field selectors, compiled once, matched often.  Pure. */
#ifndef API_SELECTOR_H
#define API_SELECTOR_H

#include "base/err.h"
#include "base/json.h"
#include "storage/object.h"

#include <stdbool.h>

struct selector;

/* "a=b,c!=d,e in (f,g),!h"; NULL or "" matches everything. ERR_BAD_REQUEST in Kubernetes' words. */
int selector_parse(struct selector **ret, const char *text, struct err *err);
/* A LabelSelector ({matchLabels, matchExpressions}); NULL = matches nothing; {} = everything. */
int selector_from_json(struct selector **ret, const json_t *label_selector, struct err *err);
/* A plain map of labels (Service and RC selectors); NULL or empty = matches nothing. */
struct selector *selector_from_map(const json_t *map);
struct selector *selector_free(struct selector *s);
void selector_freep(struct selector **s);

/* For these four a NULL selector is "none was asked for": everything. */
bool selector_is_everything(const struct selector *s);
bool selector_matches(const struct selector *s, const struct object *o); /* o's labels */
bool selector_matches_labels(const struct selector *s,
                             const json_t *labels);              /* a JSON map, may be NULL */
void selector_print(const struct selector *s, struct text *ret); /* canonical text */

/* Fields: "metadata.name=x,spec.nodeName!=y".  ERR_BAD_REQUEST `field label not supported: x`
 * when the bucket does not know it (table in selector_fields.c, semantics section 5). */
struct field_selector;
int field_selector_parse(struct field_selector **ret, const char *bucket, const char *text,
                         struct err *err);
struct field_selector *field_selector_free(struct field_selector *s);
bool field_selector_matches(const struct field_selector *s, const struct object *o);
/* The value demanded by equality for @field ("metadata.name"), or NULL. */
const char *field_selector_exact(const struct field_selector *s, const char *field);

#endif
