/* table_rows: a table that a verb makes itself, printed as those of the server.  Pure. */
#ifndef CLIENT_TABLE_ROWS_H
#define CLIENT_TABLE_ROWS_H

#include "client/print.h"

struct table_rows {
    json_t *columns, *rows; /* owned */
};

/* @titles ends with NULL. */
void table_rows_init(struct table_rows *t, const char *const *titles);
void table_rows_fini(struct table_rows *t);
/* As many texts as there are titles; @cells ends with NULL. */
void table_rows_add(struct table_rows *t, const char *const *cells);
/* Titles as they are written.  @padded: the last column is as wide as the others' rule says too. */
void table_rows_print(struct text *ret, const struct table_rows *t, bool no_headers, bool padded);

#endif
