/* table_impl: what the rows of columns by kind are made of.  Only for table*.c.
 *
 * A kind is a row naming its bucket and its columns; a column names the function that writes its
 * cell, exactly one JSON value, and what that function needs.
 */
#ifndef API_TABLE_IMPL_H
#define API_TABLE_IMPL_H

#include "api/schema.h"
#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_view {
    struct text *out;   /* borrowed */
    const json_t *tree; /* borrowed: the object */
    int64_t now_ms;
};

struct table_column;
typedef void (*table_cell_fn)(const struct table_view *v, const struct table_column *column);

struct table_column {
    const char *name;
    table_cell_fn cell;
    const char *path;      /* for the cell function */
    const char *otherwise; /* for the cell function: usually what stands for nothing */
    const char *type;      /* NULL: "string" */
    const char *format;    /* NULL: "" */
    bool wide;             /* priority 1 */
};

struct table_kind {
    const char *bucket;
    const struct table_column *columns;
    size_t n_columns;
    /* Appends `"conditions":[..],` when the row has any; NULL: never. */
    void (*conditions)(const struct table_view *v);
};
#define TABLE_KIND(bucket_, columns_)                                                 \
    {                                                                                 \
        .bucket = (bucket_), .columns = (columns_), .n_columns = N_ELEMENTS(columns_) \
    }

/* --- table_custom.c: columns of custom kinds --- */
void table_custom_columns(struct text *ret, const struct schema_resource *r);
void table_custom_cells(const struct table_view *v, const struct schema_resource *r);
void table_column_definition(struct text *ret, const struct table_column *c, const char *kind);

/* The kinds of each file; a row without bucket ends a list. */
extern const struct table_kind table_kinds_pods[];
extern const struct table_kind table_kinds_core[];
extern const struct table_kind table_kinds_workloads[];
extern const struct table_kind table_kinds_network[];
extern const struct table_kind table_kinds_storage[];
extern const struct table_kind table_kinds_misc[];
extern const struct table_kind table_kinds_foreign[];

/* Writers of one JSON value. */
void table_put_text(const struct table_view *v, const char *s); /* NULL: null */
void table_put_int(const struct table_view *v, int64_t n);
void table_put_bool(const struct table_view *v, bool yes);
void table_put_age(const struct table_view *v, const char *time); /* of a time stamp, or NULL */

/* Cells that many kinds have. */
void table_cell_name(const struct table_view *v, const struct table_column *c);
void table_cell_text(const struct table_view *v, const struct table_column *c); /* or otherwise */
void table_cell_int(const struct table_view *v, const struct table_column *c);  /* or 0 */
void table_cell_bool(const struct table_view *v, const struct table_column *c); /* or false */
void table_cell_count(const struct table_view *v,
                      const struct table_column *c); /* of a list or map */
void table_cell_age(const struct table_view *v,
                    const struct table_column *c); /* path NULL: creation */
void table_cell_ratio(const struct table_view *v,
                      const struct table_column *c); /* path/otherwise */
void table_cell_labels(const struct table_view *v,
                       const struct table_column *c); /* a map, "k=v,.." */
void table_cell_selector(const struct table_view *v,
                         const struct table_column *c); /* a LabelSelector */
/* Names and images of the containers of the pod spec at path. */
void table_cell_containers(const struct table_view *v, const struct table_column *c);
void table_cell_images(const struct table_view *v, const struct table_column *c);

/* Helpers for cells: "a,b + 2 more..." from a list of texts, of which all were appended. */
struct table_list {
    struct text text; /* owned */
    unsigned n;       /* added */
    unsigned max;     /* shown; 0 = all */
    const char *separator;
};
void table_list_add(struct table_list *l, const char *item);
/* Writes the value, @otherwise when nothing was added, and empties the list. */
void table_list_put(const struct table_view *v, struct table_list *l, const char *otherwise);

#define TABLE_NAME                                                \
    {                                                             \
        .name = "Name", .cell = table_cell_name, .format = "name" \
    }
#define TABLE_AGE                             \
    {                                         \
        .name = "Age", .cell = table_cell_age \
    }
#define TABLE_WIDE_PODS(spec)                                                              \
    { .name = "Containers", .cell = table_cell_containers, .path = (spec), .wide = true }, \
    {                                                                                      \
        .name = "Images", .cell = table_cell_images, .path = (spec), .wide = true          \
    }

#endif
