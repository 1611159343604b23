/* output: what -o asks for, and objects printed so.
 *
 * Pure but for output_write.  Thread: main.
 */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include "client/columns.h"
#include "client/opts.h"
#include "client/template.h"

enum output_form {
    OUTPUT_TABLE, /* nothing was asked for */
    OUTPUT_WIDE,
    OUTPUT_NAME,
    OUTPUT_JSON,
    OUTPUT_YAML,
    OUTPUT_JSONPATH,
    OUTPUT_COLUMNS,
};

struct output {
    enum output_form form;
    struct template *template; /* owned */
    struct columns *columns;   /* owned */
    bool no_headers, managed_fields;
};

#define OUTPUT_FLAG(to, forms)                         \
    {                                                  \
        "output", 'o', OPT_TEXT, (to), "FORMAT", forms \
    }

/* Sets the form, leaves the flags alone.  @text: "yaml", "jsonpath={.metadata.name}", "custom-columns=..."; NULL: a table. */
int output_parse(struct output *ret, const char *text, struct err *err);
void output_fini(struct output *o);
/* The server makes it: a Table. */
bool output_is_table(const struct output *o);

/* Objects each for itself ("name", "custom-columns"), else @alone as it is or all as a List.
 * Changes @items (managedFields are left out). */
void output_print(struct text *ret, const struct output *o, json_t *items, bool alone);
/* To stdout at once; empties @t. */
void output_write(struct text *t);

#endif
