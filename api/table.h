/* table: meta.k8s.io/v1 Tables, the columns kubectl prints.  A table of columns by bucket. */
#ifndef API_TABLE_H
#define API_TABLE_H

#include "api/schema.h"
#include "base/text.h"
#include "storage/object.h"

#include <stdint.h>

enum table_include { TABLE_METADATA, TABLE_NONE, TABLE_OBJECT };

struct table_opts {
    const struct schema_resource *resource;
    enum table_include include;
    int64_t now_ms; /* wall clock, for ages */
};

/* Appends `{"kind":"Table",...,"columnDefinitions":[..],"rows":[`; rows follow with table_row and
 * commas between; table_close ends it.  @no_columns writes null (later watch events). */
void table_open(struct text *ret, const struct table_opts *opts, const char *revision,
                const char *continue_token, int64_t remaining, bool no_columns);
void table_row(struct text *ret, const struct table_opts *opts, const struct object *o);
void table_close(struct text *ret);

/* The whole Table of one autoscaling/v1 Scale. */
void table_scale(struct text *ret, const struct table_opts *opts, const json_t *scale);

/* kubectl's HumanDuration: "5d", "3m20s". */
#define TABLE_AGE_MAX 24
void table_age(char ret[TABLE_AGE_MAX], int64_t duration_ms);

#endif
