#include "client/table_rows.h"

#include "base/mem.h"

void table_rows_init(struct table_rows *t, const char *const *titles)
{
    *t = (struct table_rows){ .columns = json_array(), .rows = json_array() };
    for (; *titles != NULL; titles++)
        json_array_append_new(t->columns, json_pack("{s:s}", "name", *titles));
}

void table_rows_fini(struct table_rows *t)
{
    json_decref(t->columns);
    json_decref(t->rows);
    *t = (struct table_rows){ .columns = NULL };
}

void table_rows_add(struct table_rows *t, const char *const *cells)
{
    json_t *row = json_array();

    for (; *cells != NULL; cells++)
        json_array_append_new(row, json_string(*cells));
    json_array_append_new(t->rows, json_pack("{s:o}", "cells", row));
}

void table_rows_print(struct text *ret, const struct table_rows *t, bool no_headers, bool padded)
{
    struct print_opts opts = { .headers_as_is = true, .no_headers = no_headers, .padded = padded };
    cleanup(json_decrefpp) json_t *table = json_pack(
        "{s:s,s:O,s:O}", "kind", "Table", "columnDefinitions", t->columns, "rows", t->rows);
    struct print *p = print_new(&opts);

    print_table(p, table);
    print_flush(ret, p);
    print_free(p);
}
