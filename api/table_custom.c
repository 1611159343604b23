/* Columns of custom kinds: what their definition says, or the name and the age
 * (apiextensions-apiserver/pkg/registry/customresource/tableconvertor). */
#include "api/table_impl.h"

#include "api/custom.h"
#include "base/mem.h"

#include <string.h>

static void table_custom_string(struct text *ret, const char *name, const char *value)
{
    cleanup(json_decrefpp) json_t *text = json_string(value);

    text_fmt(ret, "\"%s\":", name);
    json_print_to(ret, text);
}

static void table_custom_definition(struct text *ret, const struct custom_column *c)
{
    text_puts(ret, ",{");
    table_custom_string(ret, "name", c->name);
    text_putc(ret, ',');
    table_custom_string(ret, "type", c->type);
    text_putc(ret, ',');
    table_custom_string(ret, "format", c->format);
    text_putc(ret, ',');
    table_custom_string(ret, "description",
                        c->description != NULL ? c->description
                                               : "Custom resource definition column");
    text_fmt(ret, ",\"priority\":%d}", c->wide ? 1 : 0);
}

void table_custom_columns(struct text *ret, const struct schema_resource *r)
{
    static const struct table_column name = TABLE_NAME;
    static const struct table_column age = { .name = "Age",
                                             .cell = table_cell_age,
                                             .type = "date" };
    const struct custom_version *v = custom_version(r);

    text_putc(ret, '[');
    table_column_definition(ret, &name, r->kind);
    for (size_t i = 0; i < v->n_columns; i++)
        table_custom_definition(ret, &v->columns[i]);
    if (v->n_columns == 0) {
        text_putc(ret, ',');
        table_column_definition(ret, &age, r->kind);
    }
    text_putc(ret, ']');
}

/* What is shown of @value in a column of that type; null when it is of another. */
static void table_custom_cell(const struct table_view *v, const struct custom_column *c,
                              const json_t *value)
{
    bool string = json_is_string(value);

    if (value == NULL) {
        text_puts(v->out, "null");
    } else if (str_eq(c->type, "string") && !string) {
        cleanup(freep) char *printed = json_print(value, NULL);

        table_put_text(v, printed);
    } else if (str_eq(c->type, "date") && string) {
        table_put_age(v, json_string_value(value));
    } else if (str_eq(c->type, "integer") && json_is_number(value)) {
        table_put_int(v, (int64_t)json_number_value(value));
    } else if ((str_eq(c->type, "string") && string) ||
               (str_eq(c->type, "number") && json_is_number(value)) ||
               (str_eq(c->type, "boolean") && json_is_boolean(value))) {
        json_print_to(v->out, value);
    } else {
        text_puts(v->out, "null");
    }
}

void table_custom_cells(const struct table_view *v, const struct schema_resource *r)
{
    const struct custom_version *version = custom_version(r);

    text_putc(v->out, '[');
    table_put_text(v, json_str_or(v->tree, "metadata.name", ""));
    for (size_t i = 0; i < version->n_columns; i++) {
        text_putc(v->out, ',');
        table_custom_cell(v, &version->columns[i],
                          jsonpath_find(version->columns[i].path, v->tree));
    }
    if (version->n_columns == 0) {
        text_putc(v->out, ',');
        table_put_age(v, json_str(v->tree, "metadata.creationTimestamp"));
    }
    text_putc(v->out, ']');
}
