/* Sets of paths as JSON (FieldsV1) and as people are told of them. */
#include "api/field_set.h"

#include "base/mem.h"

#include <string.h>

/* --- for people --- */

static void field_value_print(struct text *ret, const json_t *v)
{
    if (json_is_array(v) || json_is_object(v))
        json_print_to(ret, v);
    else if (json_is_string(v) || json_is_null(v) || json_is_boolean(v) || json_is_number(v))
        json_print_to(ret, v);
}

void field_at_print(struct text *ret, const struct field_at *at)
{
    switch (at->form) {
    case FIELD_NAME:
        text_putc(ret, '.');
        text_puts(ret, at->name);
        return;
    case FIELD_KEY:
        text_putc(ret, '[');
        for (unsigned i = 0; i < at->n; i++) {
            text_fmt(ret, "%s%s=", i > 0 ? "," : "", at->parts[i].name);
            field_value_print(ret, at->parts[i].value);
        }
        text_putc(ret, ']');
        return;
    case FIELD_VALUE:
        text_puts(ret, "[=");
        field_value_print(ret, at->value);
        text_putc(ret, ']');
        return;
    case FIELD_INDEX: break;
    }
    text_fmt(ret, "[%lld]", (long long)at->index);
}

static void field_text_cut(struct text *t, size_t len)
{
    t->len = len;
    if (t->data != NULL)
        t->data[len] = '\0';
}

static void field_set_walk(const struct field_set *set, struct text *path,
                           void (*fn)(void *arg, const char *path), void *arg)
{
    for (int below = 0; below < 2; below++) {
        for (size_t i = 0; set != NULL && i < set->n; i++) {
            const struct field_node *node = &set->nodes[i];
            size_t len = path->len;

            if (below == 0 && !node->member)
                continue;
            field_at_print(path, &node->at);
            if (below == 0)
                fn(arg, text_str(path));
            else
                field_set_walk(node->below, path, fn, arg);
            field_text_cut(path, len);
        }
    }
}

void field_set_each(const struct field_set *set, void (*fn)(void *arg, const char *path), void *arg)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;

    field_set_walk(set, &path, fn, arg);
}

/* --- FieldsV1 out --- */

static void field_at_key(struct text *ret, const struct field_at *at)
{
    text_clear(ret);
    switch (at->form) {
    case FIELD_NAME:
        text_puts(ret, "f:");
        text_puts(ret, at->name);
        return;
    case FIELD_KEY:
        text_puts(ret, "k:{");
        for (unsigned i = 0; i < at->n; i++) {
            cleanup(json_decrefpp) json_t *name = json_string(at->parts[i].name);

            text_puts(ret, i > 0 ? "," : "");
            json_print_to(ret, name);
            text_putc(ret, ':');
            json_print_to(ret, at->parts[i].value);
        }
        text_putc(ret, '}');
        return;
    case FIELD_VALUE:
        text_puts(ret, "v:");
        json_print_to(ret, at->value);
        return;
    case FIELD_INDEX: break;
    }
    text_fmt(ret, "i:%lld", (long long)at->index);
}

static json_t *field_set_print(const struct field_set *set, bool self, struct text *key)
{
    json_t *out = json_object();

    if (self && set != NULL)
        json_object_set_new_nocheck(out, ".", json_object());
    for (size_t i = 0; set != NULL && i < set->n; i++) {
        const struct field_node *node = &set->nodes[i];
        json_t *below = field_set_print(node->below, node->member, key);

        field_at_key(key, &node->at);
        json_object_set_new_nocheck(out, text_str(key), below);
    }
    return out;
}

json_t *field_set_json(const struct field_set *set)
{
    cleanup(text_fini) struct text key = TEXT_EMPTY;

    return field_set_print(set, false, &key);
}

/* --- FieldsV1 in --- */

static int field_part_compare(const void *a, const void *b)
{
    return strcmp(((const struct field_part *)a)->name, ((const struct field_part *)b)->name);
}

static int field_key_parse(struct field_at *ret, struct field_arena *arena, const char *text,
                           struct err *err)
{
    json_t *object = NULL, *value;
    struct field_part *parts;
    const char *name;
    int rc = json_parse(&object, text, strlen(text), NULL, err);

    if (rc < 0)
        return err_set(err, ERR_INVALID, "k:%.100s: no JSON", text);
    field_arena_keep(arena, object);
    if (!json_is_object(object))
        return err_set(err, ERR_INVALID, "k:%.100s: no object", text);
    parts = field_arena_alloc(arena, (json_object_size(object) + 1) * sizeof(*parts));
    *ret = (struct field_at){ .form = FIELD_KEY, .parts = parts };
    json_object_foreach (object, name, value)
        parts[ret->n++] = (struct field_part){ name, value };
    qsort(parts, ret->n, sizeof(*parts), field_part_compare);
    return 0;
}

static int field_value_parse(struct field_at *ret, struct field_arena *arena, const char *text,
                             struct err *err)
{
    json_t *value = NULL;

    if (json_parse(&value, text, strlen(text), NULL, err) < 0)
        return err_set(err, ERR_INVALID, "v:%.100s: no JSON", text);
    *ret = (struct field_at){ .form = FIELD_VALUE, .value = field_arena_keep(arena, value) };
    return 0;
}

/* 1: an element of a kind that we do not know. */
static int field_at_parse(struct field_at *ret, struct field_arena *arena, const char *key,
                          struct err *err)
{
    if (key[0] == '\0' || key[1] != ':')
        return err_set(err, ERR_INVALID, "missing colon: %.100s", key);
    switch (key[0]) {
    case 'f': *ret = (struct field_at){ .form = FIELD_NAME, .name = key + 2 }; return 0;
    case 'k': return field_key_parse(ret, arena, key + 2, err);
    case 'v': return field_value_parse(ret, arena, key + 2, err);
    case 'i':
        *ret = (struct field_at){ .form = FIELD_INDEX };
        if (!str_i64(key + 2, &ret->index))
            return err_set(err, ERR_INVALID, "i:%.100s: no number", key + 2);
        return 0;
    default: return 1;
    }
}

/* @ret_self: the set's own path is a member ("." or nothing below). */
static int field_set_read(const struct field_set **ret, bool *ret_self, struct field_arena *arena,
                          const json_t *fields, unsigned depth, struct err *err)
{
    struct field_list list = { NULL, 0, 0 };
    bool self = false;
    const char *key;
    json_t *value;

    if (depth > FIELD_SET_DEPTH_MAX)
        return err_set(err, ERR_INVALID, "fields are nested too deeply");
    json_object_foreach ((json_t *)(uintptr_t)fields, key, value) {
        struct field_node node = { .member = false };
        int rc;

        if (str_eq(key, ".")) {
            self = true;
            continue;
        }
        rc = field_at_parse(&node.at, arena, key, err);
        if (rc == 0)
            rc = field_set_read(&node.below, &node.member, arena, value, depth + 1, err);
        else if (rc > 0)
            continue;
        if (rc < 0)
            return rc;
        field_list_add(arena, &list, &node);
    }
    *ret = field_list_done(arena, &list);
    *ret_self = self || *ret == NULL;
    return 0;
}

int field_set_parse(const struct field_set **ret, struct field_arena *arena, const json_t *fields,
                    struct err *err)
{
    bool self;

    if (fields != NULL && !json_is_object(fields) && !json_is_null(fields))
        return err_set(err, ERR_INVALID, "fieldsV1 is no object");
    return field_set_read(ret, &self, arena, fields, 0, err);
}
