#include "client/discovery.h"

#include "base/mem.h"
#include "base/text.h"

struct discovery_row {
    struct schema_resource resource; /* its strings are the tree's */
    char *bucket;                    /* owned */
    const char **short_names, **categories;
    struct schema_sub *subs; /* owned */
};

struct discovery {
    json_t *groups; /* shared ref */
    struct discovery_row *rows;
    size_t n;
};

/* The strings of a JSON array, NULL behind the last. */
static const char **discovery_strings(const json_t *list)
{
    const char **strings = MEM_NEW_ARRAY(const char *, json_array_size(list) + 1);
    const json_t *item;
    size_t i, n = 0;

    json_array_foreach (list, i, item)
        if (json_is_string(item))
            strings[n++] = json_string_value(item);
    return strings;
}

static unsigned discovery_verbs(const json_t *list)
{
    unsigned found = 0;

    for (const struct schema_verb_name *v = schema_verb_names; v->name != NULL; v++)
        if (json_has_str(list, v->name))
            found |= v->bit;
    return found;
}

static void discovery_subs(struct discovery_row *row, const json_t *list)
{
    const json_t *item;
    size_t i;

    row->subs = MEM_NEW_ARRAY(struct schema_sub, json_array_size(list) + 1);
    json_array_foreach (list, i, item)
        row->subs[row->resource.n_subs++] = (struct schema_sub){
            .name = json_str_or(item, "subresource", ""),
            .kind = json_str_or(item, "responseKind.kind", ""),
            .group = json_str_or(item, "responseKind.group", ""),
            .version = json_str_or(item, "responseKind.version", ""),
            .verbs = discovery_verbs(json_at(item, "verbs")),
        };
    row->resource.subs = row->subs;
}

static void discovery_add(struct discovery *d, const char *group, const char *version,
                          bool preferred, const json_t *from)
{
    const char *plural = json_str_or(from, "resource", "");
    struct discovery_row *row;

    if (str_empty(plural) || d->n == DISCOVERY_MAX || schema_is_built_in(group, plural))
        return;
    d->rows = mem_grow(d->rows, d->n + 1, sizeof(*d->rows));
    row = &d->rows[d->n++];
    *row = (struct discovery_row){ .bucket = mem_fmt("%s.%s", plural, group) };
    row->short_names = discovery_strings(json_at(from, "shortNames"));
    row->categories = discovery_strings(json_at(from, "categories"));
    row->resource = (struct schema_resource){
        .group = group,
        .version = version,
        .plural = plural,
        .singular = json_str_or(from, "singularResource", ""),
        .kind = json_str_or(from, "responseKind.kind", ""),
        .bucket = row->bucket,
        .namespaced = str_eq(json_str(from, "scope"), "Namespaced"),
        .stored = preferred,
        .foreign = true,
        .verbs = discovery_verbs(json_at(from, "verbs")),
        .short_names = row->short_names,
        .categories = row->categories,
    };
    discovery_subs(row, json_at(from, "subresources"));
}

static void discovery_publish(const struct discovery *d)
{
    const struct schema_resource **rows = MEM_NEW_ARRAY(const struct schema_resource *, d->n + 1);

    for (size_t i = 0; i < d->n; i++)
        rows[i] = &d->rows[i].resource;
    schema_set_custom(rows, d->n, rows, d->n);
    free(rows);
}

struct discovery *discovery_new(const json_t *groups)
{
    struct discovery *d = MEM_NEW(struct discovery);
    const json_t *group, *version, *resource;
    size_t i, k, j;

    d->groups = json_deep_copy(groups);
    json_array_foreach (json_at(d->groups, "items"), i, group) {
        json_array_foreach (json_at(group, "versions"), k, version) {
            json_array_foreach (json_at(version, "resources"), j, resource)
                discovery_add(d, json_str_or(group, "metadata.name", ""),
                              json_str_or(version, "version", ""), k == 0, resource);
        }
    }
    discovery_publish(d);
    return d;
}

struct discovery *discovery_free(struct discovery *d)
{
    if (d == NULL)
        return NULL;
    schema_set_custom(NULL, 0, NULL, 0);
    for (size_t i = 0; i < d->n; i++) {
        free(d->rows[i].bucket);
        free(d->rows[i].short_names);
        free(d->rows[i].categories);
        free(d->rows[i].subs);
    }
    free(d->rows);
    json_decref(d->groups);
    free(d);
    return NULL;
}
