/* describe: an object and what belongs to it, on a page for people, in kubectl's layout.
 *
 * Each kind is a table of rows (describe_kinds.c): a title, where the value is, how it is shown.  Kinds
 * without a table are shown field by field.  Pure: what is related was fetched before.
 */
#ifndef CLIENT_DESCRIBE_H
#define CLIENT_DESCRIBE_H

#include "api/schema.h"
#include "base/json.h"
#include "base/text.h"

#include <stdint.h>

struct describe {
    const struct schema_resource *resource;
    const json_t *o;
    const json_t *events;  /* about it */
    const json_t *related; /* plural to array of objects, of what describe_related names */
    int64_t now_ms;        /* wall clock */
    struct text out;       /* with tabs */
};

struct describe_row;
typedef void (*describe_fn)(struct describe *d, const struct describe_row *r);
struct describe_row {
    const char *title;
    const char *path; /* of the value; NULL: the object */
    describe_fn show;
    const char *otherwise; /* what stands for an absent value; NULL: "<none>" */
};

/* What else has to be fetched for an object of this kind: a list per plural. */
enum describe_scope { DESCRIBE_OWN_NS, DESCRIBE_ALL };
struct describe_need {
    const char *plural; /* whose objects are described; NULL ends the table */
    const char *group, *version, *related;
    enum describe_scope scope;
};
extern const struct describe_need describe_needs[];

/* Appends the page, its tabs made columns. */
void describe_object(struct text *ret, struct describe *d);

/* The rows of a kind (bucket), ending with .show NULL; NULL: there are none. */
const struct describe_row *describe_rows(const char *bucket);

/* --- for the rows --- */

/* A line, indented by two blanks per @level. */
void describe_say(struct describe *d, unsigned level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const json_t *describe_value(const struct describe *d, const struct describe_row *r);
/* A value in a word: texts, numbers; "<none>" for nothing. */
void describe_word(struct text *ret, const json_t *value);
/* "Sat, 21 Nov 2026 18:12:31 +0000" */
void describe_time(struct text *ret, const char *rfc3339);
/* "5m": since then. */
void describe_age(struct text *ret, const struct describe *d, const char *since);
/* A map, a line for each key, behind @title. */
void describe_map(struct describe *d, unsigned level, const char *title, const json_t *map,
                  const char *between);

void describe_text(struct describe *d, const struct describe_row *r);
void describe_date(struct describe *d, const struct describe_row *r);
void describe_labels(struct describe *d, const struct describe_row *r);
void describe_notes(struct describe *d, const struct describe_row *r);
void describe_selector(struct describe *d, const struct describe_row *r);
void describe_list(struct describe *d, const struct describe_row *r);
void describe_fields(struct describe *d,
                     const struct describe_row *r); /* a tree, below its title */
void describe_conditions(struct describe *d, const struct describe_row *r);
void describe_events(struct describe *d, const struct describe_row *r);
void describe_template(struct describe *d, const struct describe_row *r);
void describe_pod(struct describe *d, const struct describe_row *r);
/* The containers and volumes of @spec (of a pod or a template), with @status (may be NULL). */
void describe_pod_spec(struct describe *d, unsigned level, const json_t *spec,
                       const json_t *status);

#endif
