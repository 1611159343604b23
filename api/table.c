#include "api/table.h"

#include "api/custom.h"
#include "api/selector.h"
#include "api/table_impl.h"
#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- writers ----------------------------------------------------------------- */

static void table_put_string(struct text *t, const char *s)
{
    cleanup(json_decrefpp) json_t *v = json_string(s);

    /* Texts come from JSON and are valid UTF-8; a name cut by us would not be. */
    if (v == NULL)
        text_puts(t, "\"\"");
    else
        json_print_to(t, v);
}

void table_put_text(const struct table_view *v, const char *s)
{
    if (s == NULL)
        text_puts(v->out, "null");
    else
        table_put_string(v->out, s);
}

void table_put_int(const struct table_view *v, int64_t n)
{
    text_fmt(v->out, "%lld", (long long)n);
}

void table_put_bool(const struct table_view *v, bool yes)
{
    text_puts(v->out, yes ? "true" : "false");
}

void table_put_age(const struct table_view *v, const char *time)
{
    char age[TABLE_AGE_MAX] = "<unknown>";
    int64_t ms;

    if (time != NULL && clock_parse(time, &ms))
        table_age(age, v->now_ms - ms);
    table_put_text(v, age);
}

void table_list_add(struct table_list *l, const char *item)
{
    if (l->max == 0 || l->n < l->max) {
        if (l->n > 0)
            text_puts(&l->text, l->separator != NULL ? l->separator : ",");
        text_puts(&l->text, item);
    }
    l->n++;
}

void table_list_put(const struct table_view *v, struct table_list *l, const char *otherwise)
{
    if (l->max != 0 && l->n > l->max)
        text_fmt(&l->text, " + %u more...", l->n - l->max);
    table_put_text(v, l->n == 0 ? otherwise : text_str(&l->text));
    text_fini(&l->text);
    l->n = 0;
}

/* kubectl's HumanDuration: two units at most, coarser as time goes by. */
void table_age(char ret[TABLE_AGE_MAX], int64_t duration_ms)
{
    /* Go divides towards zero. */
    long long s = duration_ms / 1000, m = s / 60, h = m / 60, d = h / 24, y = d / 365;

    if (s < -1)
        snprintf(ret, TABLE_AGE_MAX, "<invalid>");
    else if (s < 0)
        snprintf(ret, TABLE_AGE_MAX, "0s");
    else if (s < 120)
        snprintf(ret, TABLE_AGE_MAX, "%llds", s);
    else if (m < 10 && s % 60 != 0)
        snprintf(ret, TABLE_AGE_MAX, "%lldm%llds", m, s % 60);
    else if (m < 180)
        snprintf(ret, TABLE_AGE_MAX, "%lldm", m);
    else if (h < 8 && m % 60 != 0)
        snprintf(ret, TABLE_AGE_MAX, "%lldh%lldm", h, m % 60);
    else if (h < 48)
        snprintf(ret, TABLE_AGE_MAX, "%lldh", h);
    else if (h < 192 && h % 24 != 0)
        snprintf(ret, TABLE_AGE_MAX, "%lldd%lldh", d, h % 24);
    else if (y < 2)
        snprintf(ret, TABLE_AGE_MAX, "%lldd", d);
    else if (y < 8 && d % 365 != 0)
        snprintf(ret, TABLE_AGE_MAX, "%lldy%lldd", y, d % 365);
    else
        snprintf(ret, TABLE_AGE_MAX, "%lldy", y);
}

/* --- cells ---------------------------------------------------------------------- */

void table_cell_name(const struct table_view *v, const struct table_column *c)
{
    (void)c;
    table_put_text(v, json_str_or(v->tree, "metadata.name", ""));
}

void table_cell_text(const struct table_view *v, const struct table_column *c)
{
    const char *s = json_str(v->tree, c->path);

    if (str_empty(s))
        s = c->otherwise != NULL ? c->otherwise : "";
    table_put_text(v, s);
}

void table_cell_int(const struct table_view *v, const struct table_column *c)
{
    table_put_int(v, json_int(v->tree, c->path, 0));
}

void table_cell_bool(const struct table_view *v, const struct table_column *c)
{
    table_put_bool(v, json_bool(v->tree, c->path, false));
}

void table_cell_count(const struct table_view *v, const struct table_column *c)
{
    const json_t *node = json_at(v->tree, c->path);

    table_put_int(v, (int64_t)(json_array_size(node) + json_object_size(node)));
}

void table_cell_age(const struct table_view *v, const struct table_column *c)
{
    const char *path = c->path != NULL ? c->path : "metadata.creationTimestamp";
    const char *time = json_str(v->tree, path);

    if (time == NULL && c->otherwise != NULL)
        table_put_text(v, c->otherwise);
    else
        table_put_age(v, time);
}

void table_cell_ratio(const struct table_view *v, const struct table_column *c)
{
    char ratio[48];

    snprintf(ratio, sizeof(ratio), "%lld/%lld", (long long)json_int(v->tree, c->path, 0),
             (long long)json_int(v->tree, c->otherwise, 0));
    table_put_text(v, ratio);
}

static int table_by_key(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

void table_cell_labels(const struct table_view *v, const struct table_column *c)
{
    json_t *map = json_at(v->tree, c->path), *value;
    cleanup(freep) const char **keys = NULL;
    struct table_list list = { .text = TEXT_EMPTY };
    const char *key;
    size_t n = 0;

    keys = (const char **)mem_array(json_object_size(map) + 1, sizeof(*keys));
    json_object_foreach (map, key, value)
        keys[n++] = key;
    qsort(keys, n, sizeof(*keys), table_by_key);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_object_get(map, keys[i]));
        cleanup(freep) char *pair = mem_fmt("%s=%s", keys[i], text != NULL ? text : "");

        table_list_add(&list, pair);
    }
    table_list_put(v, &list, "<none>");
}

void table_cell_selector(const struct table_view *v, const struct table_column *c)
{
    const json_t *tree = json_at(v->tree, c->path);
    cleanup(selector_freep) struct selector *s = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (selector_from_json(&s, tree, &err) < 0) {
        table_put_text(v, "<error>");
        return;
    }
    selector_print(s, &t);
    table_put_text(v, t.len > 0 ? text_str(&t) : c->otherwise != NULL ? c->otherwise : "<none>");
}

static void table_put_containers(const struct table_view *v, const struct table_column *c,
                                 const char *member)
{
    struct table_list list = { .text = TEXT_EMPTY };
    const json_t *container;
    size_t i;

    json_array_foreach (json_object_get(json_at(v->tree, c->path), "containers"), i, container)
        table_list_add(&list, json_str_or(container, member, ""));
    table_list_put(v, &list, "");
}

void table_cell_containers(const struct table_view *v, const struct table_column *c)
{
    table_put_containers(v, c, "name");
}

void table_cell_images(const struct table_view *v, const struct table_column *c)
{
    table_put_containers(v, c, "image");
}

/* --- tables ---------------------------------------------------------------------- */

static const struct table_column table_default_columns[] = {
    TABLE_NAME,
    { .name = "Created At",
      .cell = table_cell_text,
      .path = "metadata.creationTimestamp",
      .type = "date" },
};

static const struct table_kind *table_kind(const struct schema_resource *r)
{
    static const struct table_kind otherwise = TABLE_KIND(NULL, table_default_columns);
    static const struct table_kind *const lists[] = {
        table_kinds_pods,    table_kinds_core, table_kinds_workloads, table_kinds_network,
        table_kinds_storage, table_kinds_misc, table_kinds_foreign,
    };

    for (size_t i = 0; i < N_ELEMENTS(lists); i++) {
        for (const struct table_kind *k = lists[i]; k->bucket != NULL; k++) {
            if (str_eq(k->bucket, r->bucket))
                return k;
        }
    }
    return &otherwise;
}

void table_column_definition(struct text *ret, const struct table_column *c, const char *kind)
{
    text_fmt(ret,
             "{\"name\":\"%s\",\"type\":\"%s\",\"format\":\"%s\",\"description\":\"%s of the "
             "%s\",\"priority\":%d}",
             c->name, c->type != NULL ? c->type : "string", c->format != NULL ? c->format : "",
             c->name, kind, c->wide ? 1 : 0);
}

static void table_metadata(struct text *ret, const char *revision, const char *continue_token,
                           int64_t remaining)
{
    text_puts(ret, "\"metadata\":{");
    if (revision != NULL) {
        text_puts(ret, "\"resourceVersion\":");
        table_put_string(ret, revision);
    }
    if (!str_empty(continue_token)) {
        text_puts(ret, revision != NULL ? ",\"continue\":" : "\"continue\":");
        table_put_string(ret, continue_token);
        if (remaining > 0)
            text_fmt(ret, ",\"remainingItemCount\":%lld", (long long)remaining);
    }
    text_putc(ret, '}');
}

static void table_put_columns(struct text *ret, const struct table_kind *kind, const char *name)
{
    for (size_t i = 0; i < kind->n_columns; i++) {
        text_putc(ret, i == 0 ? '[' : ',');
        table_column_definition(ret, &kind->columns[i], name);
    }
    text_putc(ret, ']');
}

static void table_put_cells(const struct table_view *v, const struct table_kind *kind)
{
    for (size_t i = 0; i < kind->n_columns; i++) {
        text_putc(v->out, i == 0 ? '[' : ',');
        kind->columns[i].cell(v, &kind->columns[i]);
    }
    text_putc(v->out, ']');
}

void table_open(struct text *ret, const struct table_opts *opts, const char *revision,
                const char *continue_token, int64_t remaining, bool no_columns)
{
    const struct table_kind *kind = table_kind(opts->resource);

    text_puts(ret, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",");
    table_metadata(ret, revision, continue_token, remaining);
    text_puts(ret, ",\"columnDefinitions\":");
    if (no_columns) {
        text_puts(ret, "null");
    } else if (opts->resource->custom != NULL) {
        table_custom_columns(ret, opts->resource);
    } else {
        table_put_columns(ret, kind, opts->resource->kind);
    }
    text_puts(ret, ",\"rows\":[");
}

static void table_row_metadata(struct text *ret, const json_t *tree)
{
    text_puts(ret, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                   "\"metadata\":");
    json_print_to(ret, json_object_get(tree, "metadata"));
    text_putc(ret, '}');
}

static void table_row_object(struct text *ret, const struct table_opts *opts,
                             const struct object *o, const json_t *tree)
{
    text_puts(ret, "\"object\":");
    switch (opts->include) {
    case TABLE_NONE: text_puts(ret, "null"); break;
    case TABLE_OBJECT:
        if (custom_is_stale(opts->resource, o))
            json_print_to(ret, tree);
        else
            text_add(ret, o->json, o->json_len);
        break;
    case TABLE_METADATA: table_row_metadata(ret, tree); break;
    }
}

void table_row(struct text *ret, const struct table_opts *opts, const struct object *o)
{
    const struct table_kind *kind = table_kind(opts->resource);
    cleanup(json_decrefpp) json_t *tree = object_tree(o);
    struct table_view v = { .out = ret, .tree = tree, .now_ms = opts->now_ms };

    assert(tree != NULL);
    if (custom_is_stale(opts->resource, o))
        custom_refresh(opts->resource, tree);
    text_puts(ret, "{\"cells\":");
    if (opts->resource->custom != NULL) {
        table_custom_cells(&v, opts->resource);
    } else {
        table_put_cells(&v, kind);
    }
    text_putc(ret, ',');
    if (kind->conditions != NULL)
        kind->conditions(&v);
    table_row_object(ret, opts, o, tree);
    text_putc(ret, '}');
}

void table_close(struct text *ret)
{
    text_puts(ret, "]}");
}

/* --- scale --- */

static const struct table_column table_scale_columns[] = {
    TABLE_NAME,
    { .name = "Desired", .cell = table_cell_int, .path = "spec.replicas", .type = "integer" },
    { .name = "Available", .cell = table_cell_int, .path = "status.replicas", .type = "integer" },
    TABLE_AGE,
};

void table_scale(struct text *ret, const struct table_opts *opts, const json_t *scale)
{
    static const struct table_kind kind = TABLE_KIND(NULL, table_scale_columns);
    struct table_view v = { .out = ret, .tree = scale, .now_ms = opts->now_ms };

    text_puts(ret, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",");
    table_metadata(ret, json_str(scale, "metadata.resourceVersion"), NULL, 0);
    text_puts(ret, ",\"columnDefinitions\":");
    table_put_columns(ret, &kind, "Scale");
    text_puts(ret, ",\"rows\":[{\"cells\":");
    table_put_cells(&v, &kind);
    text_puts(ret, ",\"object\":");
    switch (opts->include) {
    case TABLE_NONE: text_puts(ret, "null"); break;
    case TABLE_OBJECT: json_print_to(ret, scale); break;
    case TABLE_METADATA: table_row_metadata(ret, scale); break;
    }
    text_puts(ret, "}]}\n");
}
