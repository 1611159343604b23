#include "client/print.h"

#include "base/mem.h"
#include "base/yaml.h"

#include <ctype.h>
#include <string.h>

#define PRINT_MAX_COLUMNS 64
#define PRINT_MAX_CELLS   128 /* labels and all */
#define PRINT_PADDING     3
#define PRINT_MIN_WIDTH   6 /* padding included */

struct print {
    struct print_opts opts;
    json_t *columns; /* owned; NULL until the first table */
    bool header_done;
    json_t *rows; /* owned: arrays of strings, not printed yet */
    size_t widths[PRINT_MAX_CELLS];
};

struct print *print_new(const struct print_opts *opts)
{
    struct print *p = MEM_NEW(struct print);

    p->opts = *opts;
    p->rows = json_array();
    return p;
}

struct print *print_free(struct print *p)
{
    if (p == NULL)
        return NULL;
    json_decref(p->columns);
    json_decref(p->rows);
    free(p);
    return NULL;
}

/* --- cells --- */

/* What a terminal would show of a cell: its first line, without escapes. */
static void print_clean(struct text *ret, const char *s)
{
    for (; *s != '\0' && *s != '\n' && *s != '\r' && *s != '\f'; s++) {
        if (*s == '\x1b')
            text_puts(ret, "^[");
        else
            text_putc(ret, *s == '\t' ? ' ' : *s);
    }
    if (*s != '\0')
        text_puts(ret, "...");
}

static void print_cell(struct text *ret, const json_t *cell)
{
    cleanup(freep) char *other = NULL;

    if (json_is_string(cell)) {
        print_clean(ret, json_string_value(cell));
    } else if (cell == NULL || json_is_null(cell)) {
        text_puts(ret, "<none>");
    } else {
        other = json_print(cell, NULL);
        text_puts(ret, other);
    }
}

static size_t print_width(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80 ? 1 : 0; /* UTF-8: first bytes only */
    return n;
}

static void print_append(json_t *row, const struct text *cell)
{
    json_array_append_new(row, json_string(text_str(cell)));
}

static bool print_shows(const struct print *p, const json_t *column)
{
    return p->opts.wide || json_int(column, "priority", 0) == 0;
}

static void print_title(const struct print *p, json_t *row, const char *title)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    for (const char *c = title; *c != '\0'; c++)
        text_putc(&t, p->opts.headers_as_is ? *c : (char)toupper((unsigned char)*c));
    print_append(row, &t);
}

static void print_keep(struct print *p, json_t *row)
{
    while (json_array_size(row) > PRINT_MAX_CELLS)
        json_array_remove(row, json_array_size(row) - 1);
    json_array_append_new(p->rows, row);
}

static void print_header(struct print *p)
{
    const char *const *keys = p->opts.label_columns;
    json_t *row = json_array(), *column;
    size_t i;

    if (p->opts.events)
        print_title(p, row, "EVENT");
    if (p->opts.namespaces)
        print_title(p, row, "NAMESPACE");
    json_array_foreach (p->columns, i, column)
        if (print_shows(p, column))
            print_title(p, row, json_str_or(column, "name", ""));
    for (i = 0; keys != NULL && keys[i] != NULL; i++) {
        const char *slash = strrchr(keys[i], '/');

        print_title(p, row, slash != NULL ? slash + 1 : keys[i]);
    }
    if (p->opts.labels)
        print_title(p, row, "LABELS");
    print_keep(p, row);
    p->header_done = true;
}

void print_labels(struct text *ret, const json_t *labels, const char *between)
{
    cleanup(freep) const char **keys = json_keys(labels);

    if (keys[0] == NULL)
        text_puts(ret, "<none>");
    for (size_t i = 0; keys[i] != NULL; i++) {
        const char *value = json_string_value(json_object_get(labels, keys[i]));

        text_fmt(ret, "%s%s=%s", i > 0 ? between : "", keys[i], value != NULL ? value : "");
    }
}

static void print_label_cells(const struct print *p, json_t *row, const json_t *from)
{
    const json_t *labels = json_at(from, "object.metadata.labels");
    const char *const *keys = p->opts.label_columns;
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    for (size_t i = 0; keys != NULL && keys[i] != NULL; i++) {
        const char *value = json_string_value(json_object_get(labels, keys[i]));

        json_array_append_new(row, json_string(value != NULL ? value : ""));
    }
    if (!p->opts.labels)
        return;
    print_labels(&t, labels, ",");
    print_append(row, &t);
}

static void print_row(struct print *p, const char *event, const json_t *from)
{
    const json_t *cells = json_at(from, "cells");
    json_t *row = json_array(), *column;
    size_t i;

    if (p->opts.events)
        json_array_append_new(row, json_string(event));
    if (p->opts.namespaces)
        json_array_append_new(row, json_string(json_str_or(from, "object.metadata.namespace", "")));
    json_array_foreach (p->columns, i, column) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        if (!print_shows(p, column))
            continue;
        if (i == 0 && p->opts.kind != NULL)
            text_fmt(&t, "%s/", p->opts.kind);
        print_cell(&t, json_array_get(cells, i));
        print_append(row, &t);
    }
    print_label_cells(p, row, from);
    print_keep(p, row);
}

int print_event(struct print *p, const char *type, const json_t *table)
{
    const json_t *columns = json_at(table, "columnDefinitions"), *row;
    const json_t *rows = json_at(table, "rows");
    size_t i;

    if (!str_eq(json_str(table, "kind"), "Table"))
        return -1;
    if (p->columns == NULL && json_is_array(columns) &&
        json_array_size(columns) < PRINT_MAX_COLUMNS)
        p->columns = json_deep_copy(columns);
    if (p->columns == NULL)
        return -1;
    json_array_foreach (rows, i, row) {
        if (!p->header_done && !p->opts.no_headers)
            print_header(p);
        print_row(p, type, row);
    }
    return (int)json_array_size(rows);
}

int print_table(struct print *p, const json_t *table)
{
    return print_event(p, "", table);
}

/* --- rows --- */

static void print_measure(struct print *p)
{
    const json_t *row, *cell;
    size_t i, k;

    json_array_foreach (p->rows, i, row) {
        json_array_foreach (row, k, cell) {
            unsigned padding = p->opts.padding > 0 ? p->opts.padding : PRINT_PADDING;
            size_t width = print_width(json_string_value(cell)) + padding;

            if (p->opts.padding == 0 && width < PRINT_MIN_WIDTH)
                width = PRINT_MIN_WIDTH;
            if (width > p->widths[k])
                p->widths[k] = width;
        }
    }
}

void print_flush(struct text *ret, struct print *p)
{
    const json_t *row, *cell;
    size_t i, k;

    print_measure(p);
    json_array_foreach (p->rows, i, row) {
        json_array_foreach (row, k, cell) {
            const char *s = json_string_value(cell);
            bool last = k + 1 == json_array_size(row) && !p->opts.padded;
            size_t blanks = last ? 0 : p->widths[k] - print_width(s);

            text_puts(ret, s);
            while (blanks-- > 0)
                text_putc(ret, ' ');
        }
        text_putc(ret, '\n');
    }
    json_array_clear(p->rows);
}

/* --- objects --- */

void print_name(struct text *ret, const json_t *object)
{
    const char *version = json_str_or(object, "apiVersion", "");
    const char *slash = strchr(version, '/');

    for (const char *c = json_str_or(object, "kind", ""); *c != '\0'; c++)
        text_putc(ret, (char)tolower((unsigned char)*c));
    if (slash != NULL)
        text_fmt(ret, ".%.*s", (int)(slash - version), version);
    text_fmt(ret, "/%s", json_str_or(object, "metadata.name", ""));
}

void print_object(struct text *ret, const json_t *object, const char *output)
{
    cleanup(freep) char *json = NULL;

    if (str_eq(output, "name")) {
        print_name(ret, object);
        text_putc(ret, '\n');
    } else if (str_eq(output, "yaml")) {
        yaml_print(ret, object);
    } else {
        json = json_dumps(object, JSON_INDENT(4) | JSON_SORT_KEYS);
        text_fmt(ret, "%s\n", json);
    }
}
