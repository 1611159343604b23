#include "api/defaults.h"

#include "api/decode.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

static void defaults_struct(json_t *tree, const struct schema_type *type);

void defaults_set(json_t *tree, const char *key, json_t *value)
{
    if (json_object_get(tree, key) == NULL)
        json_object_set_new_nocheck(tree, key, value);
    else
        json_decref(value);
}

void defaults_set_str(json_t *tree, const char *key, const char *value)
{
    defaults_set(tree, key, json_string(value));
}

void defaults_merge(json_t *tree, const char *key, const json_t *from)
{
    const char *name;
    json_t *value, *to = json_object_get(tree, key);

    if (json_object_size(from) == 0)
        return;
    if (to == NULL) {
        to = json_object();
        json_object_set_new_nocheck(tree, key, to);
    }
    json_object_foreach ((json_t *)(uintptr_t)from, name, value)
        defaults_set(to, name, json_deep_copy(value));
}

bool defaults_is(const json_t *tree, const char *key, const char *value)
{
    return str_eq(json_string_value(json_object_get(tree, key)), value);
}

static void defaults_plain(json_t *tree, const struct schema_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        json_t *value;

        if (f->def == NULL || json_object_get(tree, f->name) != NULL)
            continue;
        value = json_loads(f->def, JSON_DECODE_ANY, NULL);
        assert(value != NULL); /* gen.py has read it */
        json_object_set_new_nocheck(tree, f->name, value);
    }
}

static void defaults_rules(json_t *tree, const struct schema_type *type)
{
    static const struct defaults_rule *const tables[] = { defaults_core, defaults_others };

    for (size_t i = 0; i < N_ELEMENTS(tables); i++) {
        for (const struct defaults_rule *r = tables[i]; r->type != NULL; r++) {
            if (strcmp(r->type, type->name) == 0)
                r->fill(tree);
        }
    }
}

static void defaults_member(json_t *value, const struct schema_field *f)
{
    const char *key;
    json_t *item;
    size_t i;

    if (f->shape == SCHEMA_ONE)
        defaults_struct(value, f->type);
    json_array_foreach (value, i, item)
        defaults_struct(item, f->type);
    if (f->shape == SCHEMA_MAP) {
        json_object_foreach (value, key, item)
            defaults_struct(item, f->type);
    }
}

static void defaults_struct(json_t *tree, const struct schema_type *type)
{
    const char *key;
    json_t *value;

    if (!json_is_object(tree))
        return;
    defaults_plain(tree, type);
    defaults_rules(tree, type);
    json_object_foreach (tree, key, value) {
        const struct schema_field *f = schema_field(type, key);

        if (f != NULL && f->type != NULL)
            defaults_member(value, f);
    }
}

void decode_defaults(json_t *tree, const struct schema_resource *r)
{
    defaults_struct(tree, r->type);
}

void decode_fresh_status(json_t *tree, const struct schema_resource *r)
{
    const struct schema_field *f = r->type != NULL ? schema_field(r->type, "status") : NULL;
    json_t *status;

    json_object_del(tree, "status");
    if (f == NULL || f->def == NULL)
        return;
    status = json_loads(f->def, JSON_DECODE_ANY, NULL);
    assert(status != NULL); /* gen.py has read it */
    if (f->type != NULL)
        defaults_member(status, f);
    json_object_set_new_nocheck(tree, "status", status);
}
