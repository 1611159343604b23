#include "client/columns.h"

#include "base/mem.h"
#include "client/print.h"
#include "client/template.h"

#include <string.h>

struct columns {
    char **titles; /* owned */
    struct jsonpath *paths[COLUMNS_MAX];
    size_t n;
};

struct columns *columns_free(struct columns *c)
{
    if (c == NULL)
        return NULL;
    for (size_t i = 0; i < c->n; i++)
        jsonpath_free(c->paths[i]);
    strv_free(c->titles);
    free(c);
    return NULL;
}

int columns_new(struct columns **ret, const char *spec, struct err *err)
{
    struct columns *c = MEM_NEW(struct columns);
    int rc = 0;

    c->titles = str_split(spec, ',');
    if (c->titles[0] == NULL)
        rc = err_set(err, ERR_INVALID,
                     "custom-columns format specified but no custom columns given");
    for (size_t i = 0; c->titles[i] != NULL && rc == 0; i++) {
        char *colon = strchr(c->titles[i], ':');

        if (colon == NULL || i == COLUMNS_MAX) {
            rc = colon == NULL ? err_set(err, ERR_INVALID,
                                         "unexpected custom-columns spec: %s, expected "
                                         "<header>:<json-path-expr>",
                                         c->titles[i])
                               : err_set(err, ERR_INVALID, "more than %d columns", COLUMNS_MAX);
            break;
        }
        *colon = '\0';
        rc = template_path(&c->paths[c->n], colon + 1, err);
        c->n += rc == 0 ? 1 : 0;
    }
    if (rc < 0)
        columns_free(c);
    else
        *ret = c;
    return rc;
}

static int columns_on_value(void *arg, json_t *found)
{
    struct text *cell = arg;

    if (cell->len > 0)
        text_putc(cell, ',');
    if (json_is_null(found))
        text_puts(cell, "<none>");
    else
        template_go_value(cell, found);
    return 0;
}

json_t *columns_table(const struct columns *c, const json_t *objects)
{
    json_t *definitions = json_array(), *rows = json_array();
    const json_t *object;
    size_t i;

    for (i = 0; i < c->n; i++)
        json_array_append_new(definitions,
                              json_pack("{s:s,s:i}", "name", c->titles[i], "priority", 0));
    json_array_foreach (objects, i, object) {
        json_t *cells = json_array();

        for (size_t k = 0; k < c->n; k++) {
            cleanup(text_fini) struct text cell = TEXT_EMPTY;

            jsonpath_each(c->paths[k], object, columns_on_value, &cell);
            json_array_append_new(cells, json_string(cell.len > 0 ? text_str(&cell) : "<none>"));
        }
        json_array_append_new(rows, json_pack("{s:o}", "cells", cells));
    }
    return json_pack("{s:s,s:o,s:o}", "kind", "Table", "columnDefinitions", definitions, "rows",
                     rows);
}
