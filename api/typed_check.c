/* Whether a tree that somebody applies fits its type, in the words of structured-merge-diff. */
#include "api/typed.h"

#include "base/mem.h"

#include <string.h>

#define TYPED_PROBLEMS_MAX 20

struct typed_check {
    struct field_arena *arena;
    struct text path;
    struct text *problems;
    unsigned n;
};

static void typed_check_at(struct typed_check *c, const struct typed_place *place,
                           const json_t *value, unsigned depth);

static void typed_complain(struct typed_check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void typed_complain(struct typed_check *c, const char *fmt, ...)
{
    va_list ap;

    if (c->n++ >= TYPED_PROBLEMS_MAX)
        return;
    if (c->n > 1)
        text_puts(c->problems, "\n");
    if (c->path.len > 0)
        text_fmt(c->problems, "%s: ", text_str(&c->path));
    va_start(ap, fmt);
    text_vfmt(c->problems, fmt, ap);
    va_end(ap);
}

static void typed_path_cut(struct typed_check *c, size_t len)
{
    c->path.len = len;
    if (c->path.data != NULL)
        c->path.data[len] = '\0';
}

/* As Go's %v shows what stands there. */
static void typed_go(struct text *ret, const json_t *value)
{
    const char *key, *gap = "";
    json_t *item;
    size_t i;

    if (json_is_string(value)) {
        text_fmt(ret, "%.100s", json_string_value(value));
    } else if (json_is_object(value)) {
        text_puts(ret, "map[");
        json_object_foreach ((json_t *)(uintptr_t)value, key, item) {
            text_fmt(ret, "%s%s:", gap, key);
            typed_go(ret, item);
            gap = " ";
        }
        text_putc(ret, ']');
    } else if (json_is_array(value)) {
        text_putc(ret, '[');
        json_array_foreach ((json_t *)(uintptr_t)value, i, item) {
            text_puts(ret, i > 0 ? " " : "");
            typed_go(ret, item);
        }
        text_putc(ret, ']');
    } else {
        json_print_to(ret, value);
    }
}

static void typed_check_expected(struct typed_check *c, const char *what, const json_t *value)
{
    cleanup(text_fini) struct text got = TEXT_EMPTY;

    typed_go(&got, value);
    typed_complain(c, "expected %s, got &{%.300s}", what, text_str(&got));
}

/* --- scalars --- */

enum typed_scalar { TYPED_ANY, TYPED_STRING, TYPED_NUMBER, TYPED_BOOLEAN };

static enum typed_scalar typed_scalar_of_node(const struct custom_node *n)
{
    switch (n->type) {
    case CUSTOM_STRING:
        return custom_node_rule(n, CUSTOM_RULE_FORMAT) != NULL ? TYPED_ANY : TYPED_STRING;
    case CUSTOM_INTEGER:
    case CUSTOM_NUMBER: return TYPED_NUMBER;
    case CUSTOM_BOOLEAN: return TYPED_BOOLEAN;
    default: return TYPED_ANY;
    }
}

static enum typed_scalar typed_scalar_of(const struct typed_place *place)
{
    if (place->node != NULL)
        return typed_scalar_of_node(place->node);
    if (place->field == NULL)
        return place->scalar ? TYPED_STRING : TYPED_ANY;
    switch (place->field->scalar) {
    case SCHEMA_STRING:
    case SCHEMA_BYTES:
    case SCHEMA_DURATION: return TYPED_STRING;
    case SCHEMA_BOOL: return TYPED_BOOLEAN;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE: return TYPED_NUMBER;
    default: return TYPED_ANY;
    }
}

static const char *typed_go_type(const json_t *value)
{
    if (json_is_string(value))
        return "string";
    if (json_is_boolean(value))
        return "bool";
    return json_is_array(value) ? "[]interface {}" : "map[string]interface {}";
}

static void typed_check_scalar(struct typed_check *c, const struct typed_place *place,
                               const json_t *value)
{
    cleanup(text_fini) struct text got = TEXT_EMPTY;

    if (json_is_null(value))
        return;
    switch (typed_scalar_of(place)) {
    case TYPED_STRING:
        if (json_is_string(value))
            return;
        typed_go(&got, value);
        typed_complain(c, "expected string, got &value.valueUnstructured{Value:%.300s}",
                       text_str(&got));
        return;
    case TYPED_NUMBER:
        if (!json_is_number(value))
            typed_complain(c, "expected numeric (int or float), got %s", typed_go_type(value));
        return;
    case TYPED_BOOLEAN:
        if (!json_is_boolean(value))
            typed_check_expected(c, "boolean", value);
        return;
    case TYPED_ANY: break;
    }
    if (json_is_object(value) || json_is_array(value))
        typed_check_expected(c, "any scalar", value);
}

/* --- lists and maps --- */

static void typed_check_no_key(struct typed_check *c, const struct typed_atom *atom,
                               const json_t *item, size_t index)
{
    const char *const *key = atom->keys;

    if (key == NULL) {
        typed_complain(
            c, "element %zu: %s", index,
            json_is_object(item) ? "associative list without keys has an element that's a map type"
            : json_is_array(item)
                ? "not supported: associative list with lists as elements"
                : "associative list without keys has an element that's an explicit null");
        return;
    }
    if (!json_is_object(item)) {
        typed_complain(c, "element %zu: associative list with keys may not have %s", index,
                       json_is_null(item) ? "a null element" : "non-map elements");
        return;
    }
    while (key[0] != NULL && key[1] != NULL && json_object_get(item, *key) != NULL)
        key++;
    typed_complain(c,
                   "element %zu: associative list with keys has an element that omits key field "
                   "\"%s\" (and doesn't have default value)",
                   index, *key);
}

static int typed_at_compare(const void *a, const void *b)
{
    return field_at_compare(a, b);
}

/* @seen: the items' elements, sorted here. */
static void typed_check_twins(struct typed_check *c, struct field_at *seen, size_t n)
{
    qsort(seen, n, sizeof(*seen), typed_at_compare);
    for (size_t i = 1; i < n; i++) {
        cleanup(text_fini) struct text key = TEXT_EMPTY;

        if (field_at_compare(&seen[i - 1], &seen[i]) != 0)
            continue;
        field_at_print(&key, &seen[i]);
        typed_complain(c, "duplicate entries for key %s", text_str(&key));
    }
}

static void typed_check_list(struct typed_check *c, const struct typed_place *place,
                             const struct typed_atom *atom, const json_t *list, unsigned depth)
{
    size_t n = json_array_size(list), len = c->path.len;
    struct field_at *seen = field_arena_alloc(c->arena, (n + 1) * sizeof(*seen));
    struct typed_place item = typed_item(place);

    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);

        seen[i] = (struct field_at){ .form = FIELD_INDEX, .index = (int64_t)i };
        if (!atom->atomic && !typed_item_at(&seen[i], c->arena, atom, place, value)) {
            typed_check_no_key(c, atom, value, i);
            return;
        }
        field_at_print(&c->path, &seen[i]);
        typed_check_at(c, &item, value, depth + 1);
        typed_path_cut(c, len);
    }
    typed_check_twins(c, seen, n);
}

static void typed_check_map(struct typed_check *c, const struct typed_place *place,
                            const json_t *map, unsigned depth)
{
    size_t len = c->path.len;
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
        struct typed_place below;
        bool named;

        text_fmt(&c->path, ".%.256s", key);
        if (typed_member(&below, &named, place, key))
            typed_check_at(c, &below, value, depth + 1);
        else
            typed_complain(c, "field not declared in schema");
        typed_path_cut(c, len);
    }
}

static void typed_check_at(struct typed_check *c, const struct typed_place *place,
                           const json_t *value, unsigned depth)
{
    struct typed_atom atom = typed_resolve(place, value);

    if (depth > FIELD_SET_DEPTH_MAX)
        typed_complain(c, "nested too deeply");
    else if (atom.form == TYPED_SCALAR)
        typed_check_scalar(c, place, value);
    else if (json_is_null(value))
        return; /* a null list, a null map */
    else if (atom.form == TYPED_LIST && json_is_array(value))
        typed_check_list(c, place, &atom, value, depth);
    else if (atom.form == TYPED_MAP && json_is_object(value))
        typed_check_map(c, place, value, depth);
    else
        typed_check_expected(c, atom.form == TYPED_LIST ? "list" : "map", value);
}

int typed_check(const struct typed_place *place, const json_t *tree, struct text *ret_problems)
{
    cleanup(field_arena_freep) struct field_arena *arena = field_arena_new();
    struct text problems = TEXT_EMPTY;
    struct typed_check c = { .arena = arena, .path = TEXT_EMPTY, .problems = &problems };
    char *line, *rest = NULL;

    typed_check_at(&c, place, tree, 0);
    if (c.n == 1) {
        text_puts(ret_problems, text_str(&problems));
    } else if (c.n > 1) {
        text_puts(ret_problems, "errors:");
        for (line = strtok_r(problems.data, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest))
            text_fmt(ret_problems, "\n  %s", line);
    }
    text_fini(&c.path);
    text_fini(&problems);
    return c.n > 0 ? ERR_INVALID : 0;
}
