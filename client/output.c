#include "client/output.h"

#include "base/mem.h"
#include "client/print.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum output_form form;
} output_forms[] = {
    { "wide", OUTPUT_WIDE },
    { "name", OUTPUT_NAME },
    { "json", OUTPUT_JSON },
    { "yaml", OUTPUT_YAML },
};

int output_parse(struct output *ret, const char *text, struct err *err)
{
    ret->form = OUTPUT_TABLE;
    if (str_empty(text))
        return 0;
    for (size_t i = 0; i < N_ELEMENTS(output_forms); i++)
        if (str_eq(text, output_forms[i].name)) {
            ret->form = output_forms[i].form;
            return 0;
        }
    if (str_starts(text, "jsonpath=")) {
        ret->form = OUTPUT_JSONPATH;
        return template_new(&ret->template, text + strlen("jsonpath="), err);
    }
    if (str_starts(text, "custom-columns=")) {
        ret->form = OUTPUT_COLUMNS;
        return columns_new(&ret->columns, text + strlen("custom-columns="), err);
    }
    return err_set(err, ERR_INVALID,
                   "unable to match a printer suitable for the output format \"%s\", allowed "
                   "formats are: custom-columns,json,jsonpath,name,wide,yaml",
                   text);
}

void output_fini(struct output *o)
{
    template_free(o->template);
    columns_free(o->columns);
    *o = (struct output){ .form = OUTPUT_TABLE };
}

bool output_is_table(const struct output *o)
{
    return o->form == OUTPUT_TABLE || o->form == OUTPUT_WIDE;
}

static void output_columns(struct text *ret, const struct output *o, const json_t *items)
{
    struct print *p = print_new(
        &(struct print_opts){ .headers_as_is = true, .wide = true, .no_headers = o->no_headers });
    cleanup(json_decrefpp) json_t *table = columns_table(o->columns, items);

    print_table(p, table);
    print_flush(ret, p);
    print_free(p);
}

static void output_tree(struct text *ret, const struct output *o, const json_t *tree)
{
    if (o->form == OUTPUT_JSONPATH)
        template_print(ret, o->template, tree);
    else
        print_object(ret, tree, o->form == OUTPUT_YAML ? "yaml" : "json");
}

void output_print(struct text *ret, const struct output *o, json_t *items, bool alone)
{
    cleanup(json_decrefpp) json_t *list = NULL;
    json_t *item;
    size_t i;

    json_array_foreach (items, i, item) {
        if (!o->managed_fields)
            json_del(item, "metadata.managedFields");
        if (o->form == OUTPUT_NAME)
            print_object(ret, item, "name");
    }
    if (o->form == OUTPUT_NAME)
        return;
    if (o->form == OUTPUT_COLUMNS) {
        output_columns(ret, o, items);
        return;
    }
    if (alone) {
        output_tree(ret, o, json_array_get(items, 0));
        return;
    }
    list = json_pack("{s:s,s:s,s:{s:s},s:O}", "apiVersion", "v1", "kind", "List", "metadata",
                     "resourceVersion", "", "items", items);
    output_tree(ret, o, list);
}

void output_write(struct text *t)
{
    fwrite(text_str(t), 1, t->len, stdout);
    fflush(stdout);
    text_clear(t);
}
