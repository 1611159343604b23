/* print: objects for people, as kubectl prints them: columns, YAML, JSON, names.
 *
 * Columns are as wide as the widest cell so far plus three blanks; a watch prints row after row and
 * never narrows them.  Writes to a text; the verb writes that to stdout.  Pure.
 */
#ifndef CLIENT_PRINT_H
#define CLIENT_PRINT_H

#include "api/schema.h"
#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>

struct print_opts {
    bool wide;        /* columns of priority 1 too */
    bool namespaces;  /* first column NAMESPACE */
    const char *kind; /* put before names, "deployment.apps"; NULL: not */
    bool no_headers;
    bool headers_as_is;               /* not in capitals */
    bool padded;                      /* the last column too */
    unsigned padding;                 /* blanks between columns; 0: three, and columns six wide */
    bool events;                      /* first column EVENT */
    bool labels;                      /* last column LABELS: all of them */
    const char *const *label_columns; /* NULL or NULL-terminated keys, a column each; borrowed */
};

struct print;
struct print *print_new(const struct print_opts *opts); /* copied, @kind borrowed */
struct print *print_free(struct print *p);
/* Takes the rows of a Table; the first one brings the columns, later ones may leave them out.
 * Returns how many rows it held, -1 when it is no Table. */
int print_table(struct print *p, const json_t *table);
/* The same for an event of a watch: "ADDED". */
int print_event(struct print *p, const char *type, const json_t *table);
/* Appends the rows taken since, under a header the first time. */
void print_flush(struct text *ret, struct print *p);

/* "a=b,c=d" in order, or "<none>". */
void print_labels(struct text *ret, const json_t *labels, const char *between);
/* "deployment.apps/web", from apiVersion, kind and name. */
void print_name(struct text *ret, const json_t *object);
/* @output "yaml", "json" or "name"; a newline ends it. */
void print_object(struct text *ret, const json_t *object, const char *output);

#endif
