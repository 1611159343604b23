/* Values: making, looking into, comparing. */
#include "cel/cel_impl.h"

#include "base/bits.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- making --- */

struct cel_value cel_null(void)
{
    return (struct cel_value){ .kind = CEL_NULL };
}

struct cel_value cel_bool(bool b)
{
    return (struct cel_value){ .kind = CEL_BOOL, .b = b };
}

struct cel_value cel_int(int64_t i)
{
    return (struct cel_value){ .kind = CEL_INT, .i = i };
}

struct cel_value cel_double(double d)
{
    return (struct cel_value){ .kind = CEL_DOUBLE, .d = d };
}

struct cel_value cel_stringn(const char *s, size_t n)
{
    return (struct cel_value){ .kind = CEL_STRING, .n = (uint32_t)n, .s = s };
}

struct cel_value cel_string(const char *s)
{
    return cel_stringn(s, strlen(s));
}

struct cel_value cel_copy(struct cel_context *c, const char *s, size_t n)
{
    char *kept;

    if (!cel_charge(c, n / 10))
        return cel_error(c, "out of budget");
    kept = cel_alloc(c, n + 1);
    memcpy(kept, s, n);
    return cel_stringn(kept, n);
}

struct cel_value cel_error(struct cel_context *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    int n;
    char *kept;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(text))
        n = (int)sizeof(text) - 1;
    kept = cel_alloc(c, (size_t)n + 1);
    memcpy(kept, text, (size_t)n);
    return (struct cel_value){ .kind = CEL_ERROR, .n = (uint32_t)n, .s = kept };
}

struct cel_value cel_opaque(const struct cel_type *type, void *arg)
{
    return (struct cel_value){ .kind = CEL_OPAQUE, .arg = arg, .type = type };
}

struct cel_value cel_object(const struct cel_host *host, void *arg)
{
    return (struct cel_value){ .kind = CEL_OBJECT, .arg = arg, .host = host };
}

struct cel_value cel_some(struct cel_context *c, struct cel_value v)
{
    struct cel_value *kept = cel_alloc(c, sizeof(*kept));

    *kept = v;
    return (struct cel_value){ .kind = CEL_OPTIONAL, .n = 1, .items = kept };
}

struct cel_value cel_none(void)
{
    return (struct cel_value){ .kind = CEL_OPTIONAL };
}

struct cel_value cel_list(const struct cel_value *items, size_t n)
{
    return (struct cel_value){ .kind = CEL_LIST, .n = (uint32_t)n, .items = items };
}

bool cel_is(const struct cel_value *v, enum cel_kind kind)
{
    return v->kind == kind;
}

/* --- trees --- */

static struct cel_value cel_of_tree(enum cel_kind kind, const json_t *tree,
                                    const struct cel_type *type)
{
    return (struct cel_value){ .kind = kind, .tree = tree, .type = type };
}

static struct cel_value cel_tree_bytes(struct cel_context *c, const json_t *tree)
{
    struct text t = TEXT_EMPTY;
    struct cel_value v;
    size_t bad;

    if (bits_unbase64(&t, json_string_value(tree), json_string_length(tree), &bad))
        v = cel_copy(c, text_str(&t), t.len);
    else
        v = cel_error(c, "illegal base64 data at input byte %zu", bad);
    text_fini(&t);
    if (v.kind == CEL_STRING)
        v.kind = CEL_BYTES;
    return v;
}

static struct cel_value cel_tree_text(struct cel_context *c, const json_t *tree,
                                      const struct cel_type *type)
{
    struct cel_value v = cel_stringn(json_string_value(tree), json_string_length(tree));

    switch (type != NULL ? type->kind : CEL_STRING) {
    case CEL_BYTES: return cel_tree_bytes(c, tree);
    case CEL_TIMESTAMP:
        return cel_read_time(v.s, &v) ? v : cel_error(c, "invalid date-time: \"%.64s\"", v.s);
    case CEL_DURATION:
        return cel_read_duration(v.s, &v) ? v : cel_error(c, "invalid duration: \"%.64s\"", v.s);
    default: return v;
    }
}

struct cel_value cel_tree(struct cel_context *c, const json_t *tree, const struct cel_type *type)
{
    enum cel_kind want = type != NULL ? type->kind : CEL_DYN;

    switch (json_typeof(tree)) {
    case JSON_OBJECT: return cel_of_tree(want == CEL_OBJECT ? CEL_OBJECT : CEL_MAP, tree, type);
    case JSON_ARRAY: return cel_of_tree(CEL_LIST, tree, type);
    case JSON_STRING: return cel_tree_text(c, tree, type);
    case JSON_INTEGER:
        return want == CEL_DOUBLE ? cel_double((double)json_integer_value(tree))
                                  : cel_int(json_integer_value(tree));
    case JSON_REAL:
        if (want == CEL_INT && fabs(json_real_value(tree)) < 9e18)
            return cel_int((int64_t)json_real_value(tree));
        return cel_double(json_real_value(tree));
    case JSON_TRUE: return cel_bool(true);
    case JSON_FALSE: return cel_bool(false);
    case JSON_NULL: break;
    }
    return cel_null();
}

/* What a tree's members are. */
static const struct cel_type *cel_elem_type(const struct cel_value *v)
{
    return v->type != NULL && v->type->elem != NULL ? v->type->elem : NULL;
}

/* --- looking into --- */

size_t cel_size(const struct cel_value *v)
{
    if (v->tree == NULL)
        return v->n;
    return v->kind == CEL_LIST ? json_array_size(v->tree) : json_object_size(v->tree);
}

struct cel_value cel_item(struct cel_context *c, const struct cel_value *list, size_t i)
{
    if (list->tree == NULL)
        return list->items[i];
    return cel_tree(c, json_array_get(list->tree, i), cel_elem_type(list));
}

bool cel_lookup(struct cel_context *c, const struct cel_value *map, const struct cel_value *key,
                struct cel_value *ret)
{
    const json_t *found;

    if (map->tree != NULL) {
        found = key->kind == CEL_STRING ? json_object_get(map->tree, key->s) : NULL;
        if (found != NULL)
            *ret = cel_tree(c, found, cel_elem_type(map));
        return found != NULL;
    }
    for (size_t i = 0; i < map->n && cel_charge(c, 1); i++)
        if (cel_equal(c, map->pairs[i].key, *key)) {
            *ret = map->pairs[i].value;
            return true;
        }
    return false;
}

bool cel_field(struct cel_context *c, const struct cel_value *object, const char *name,
               struct cel_value *ret)
{
    const struct cel_type *type;
    const char *key = name;
    const json_t *found;
    struct cel_value text;

    if (object->kind == CEL_MAP) {
        text = cel_string(name);
        return cel_lookup(c, object, &text, ret);
    }
    if (object->type == NULL)
        return object->host->field(c, object->arg, name, ret);
    type = object->type->field(object->type, name, &key);
    found = type != NULL ? json_object_get(object->tree, key) : NULL;
    if (found != NULL)
        *ret = cel_tree(c, found, type);
    return found != NULL;
}

struct cel_value cel_keys(struct cel_context *c, const struct cel_value *map)
{
    struct cel_value *keys = cel_alloc(c, (cel_size(map) + 1) * sizeof(*keys));
    size_t n = 0;
    const char *key;
    json_t *value;

    if (map->tree != NULL)
        json_object_foreach ((json_t *)(uintptr_t)map->tree, key, value)
            keys[n++] = cel_string(key);
    for (size_t i = 0; map->tree == NULL && i < map->n; i++)
        keys[n++] = map->pairs[i].key;
    return cel_list(keys, n);
}

const struct cel_type *cel_type_of_value(const struct cel_value *v)
{
    if (v->kind < CEL_N_SIMPLE)
        return CEL_TYPE_OF(v->kind);
    if (v->kind == CEL_LIST || v->kind == CEL_MAP)
        return cel_type_named(v->kind == CEL_LIST ? "list" : "map");
    return v->type != NULL ? v->type : CEL_TYPE_OF(CEL_DYN);
}

/* --- comparing --- */

static bool cel_is_number(const struct cel_value *v)
{
    return v->kind == CEL_INT || v->kind == CEL_UINT || v->kind == CEL_DOUBLE;
}

static int cel_sign(bool less, bool more)
{
    return less ? -1 : more;
}

/* Exact also where a double cannot hold the whole number.  NaN is told apart by the caller. */
static int cel_compare_double(double d, const struct cel_value *whole)
{
    long double w = whole->kind == CEL_INT ? (long double)whole->i : (long double)whole->u;

    return cel_sign((long double)d<w, (long double)d> w);
}

static int cel_compare_numbers(const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind == CEL_DOUBLE && b->kind == CEL_DOUBLE)
        return cel_sign(a->d<b->d, a->d> b->d);
    if (a->kind == CEL_DOUBLE)
        return cel_compare_double(a->d, b);
    if (b->kind == CEL_DOUBLE)
        return -cel_compare_double(b->d, a);
    if (a->kind == CEL_INT && b->kind == CEL_INT)
        return cel_sign(a->i<b->i, a->i> b->i);
    if (a->kind == CEL_INT && a->i < 0)
        return -1;
    if (b->kind == CEL_INT && b->i < 0)
        return 1;
    return cel_sign(a->u<b->u, a->u> b->u); /* not negative: the same bits */
}

static int cel_compare_bytes(const struct cel_value *a, const struct cel_value *b)
{
    int rc = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);

    return rc != 0 ? rc : cel_sign(a->n<b->n, a->n> b->n);
}

bool cel_compare(struct cel_value a, struct cel_value b, int *ret)
{
    if (cel_is_number(&a) && cel_is_number(&b)) {
        *ret = cel_compare_numbers(&a, &b);
        return true;
    }
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case CEL_BOOL: *ret = (int)a.b - (int)b.b; return true;
    case CEL_STRING:
    case CEL_BYTES: *ret = cel_compare_bytes(&a, &b); return true;
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        *ret = a.i != b.i ? cel_sign(a.i < b.i, true) : cel_sign(a.nanos<b.nanos, a.nanos> b.nanos);
        return true;
    default: return false;
    }
}

static bool cel_list_has(struct cel_context *c, const struct cel_value *list, struct cel_value v)
{
    for (size_t i = 0; i < cel_size(list) && cel_charge(c, 1); i++)
        if (cel_equal(c, cel_item(c, list, i), v))
            return true;
    return false;
}

static bool cel_equal_lists(struct cel_context *c, const struct cel_value *a,
                            const struct cel_value *b)
{
    bool unordered = a->type != NULL && a->type->unordered;

    if (cel_size(a) != cel_size(b))
        return false;
    for (size_t i = 0; i < cel_size(a) && cel_charge(c, 1); i++)
        if (unordered ? !cel_list_has(c, b, cel_item(c, a, i))
                      : !cel_equal(c, cel_item(c, a, i), cel_item(c, b, i)))
            return false;
    return true;
}

static bool cel_equal_maps(struct cel_context *c, const struct cel_value *a,
                           const struct cel_value *b)
{
    struct cel_value keys, there, here;

    if (cel_size(a) != cel_size(b))
        return false;
    keys = cel_keys(c, a);
    for (size_t i = 0; i < keys.n && cel_charge(c, 1); i++)
        if (!cel_lookup(c, a, &keys.items[i], &here) || !cel_lookup(c, b, &keys.items[i], &there) ||
            !cel_equal(c, here, there))
            return false;
    return true;
}

static bool cel_equal_optional(struct cel_context *c, const struct cel_value *a,
                               const struct cel_value *b)
{
    if (a->items == NULL || b->items == NULL)
        return a->items == b->items;
    return cel_equal(c, a->items[0], b->items[0]);
}

bool cel_equal(struct cel_context *c, struct cel_value a, struct cel_value b)
{
    int order;

    if ((a.kind == CEL_DOUBLE && isnan(a.d)) || (b.kind == CEL_DOUBLE && isnan(b.d)))
        return false;
    if (a.kind != b.kind && !(cel_is_number(&a) && cel_is_number(&b)))
        return false;
    if (a.kind == CEL_STRING && !cel_charge(c, a.n / 10))
        return false;
    if (cel_compare(a, b, &order))
        return order == 0;
    switch (a.kind) {
    case CEL_NULL: return true;
    case CEL_TYPE:
        return cel_type_same(a.as, b.as) || (a.as->kind == b.as->kind && a.as->kind <= CEL_MAP);
    case CEL_LIST: return cel_equal_lists(c, &a, &b);
    case CEL_MAP: return cel_equal_maps(c, &a, &b);
    case CEL_OBJECT: return a.tree != NULL && b.type != NULL && json_equal(a.tree, b.tree);
    case CEL_OPTIONAL: return cel_equal_optional(c, &a, &b);
    case CEL_OPAQUE:
        return a.type == b.type &&
               (a.type->equal != NULL ? a.type->equal(a.arg, b.arg) : a.arg == b.arg);
    default: return false;
    }
}

/* --- JSON --- */

static json_t *cel_list_to_json(struct cel_context *c, const struct cel_value *v)
{
    json_t *list = json_array(), *item;

    for (size_t i = 0; i < v->n; i++) {
        item = cel_to_json(c, v->items[i]);
        if (item == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *cel_map_to_json(struct cel_context *c, const struct cel_value *v)
{
    json_t *map = json_object(), *item;
    struct cel_value key;

    for (size_t i = 0; i < v->n; i++) {
        key = cel_to_string(c, v->pairs[i].key);
        item = key.kind == CEL_STRING ? cel_to_json(c, v->pairs[i].value) : NULL;
        if (item == NULL) {
            json_decref(map);
            return NULL;
        }
        json_object_set_new(map, key.s, item);
    }
    return map;
}

json_t *cel_to_json(struct cel_context *c, struct cel_value v)
{
    struct cel_value text;

    switch (v.kind) {
    case CEL_NULL: return json_null();
    case CEL_BOOL: return json_boolean(v.b);
    case CEL_INT: return json_integer(v.i);
    case CEL_UINT: return json_integer((json_int_t)v.u);
    case CEL_DOUBLE: return json_real(v.d);
    case CEL_STRING: return json_stringn(v.s, v.n);
    case CEL_TIMESTAMP:
    case CEL_DURATION: text = cel_to_string(c, v); return json_stringn(text.s, text.n);
    case CEL_LIST: return v.tree != NULL ? json_deep_copy(v.tree) : cel_list_to_json(c, &v);
    case CEL_MAP: return v.tree != NULL ? json_deep_copy(v.tree) : cel_map_to_json(c, &v);
    case CEL_OBJECT: return v.type != NULL ? json_deep_copy(v.tree) : NULL;
    case CEL_OPTIONAL: return v.items != NULL ? cel_to_json(c, v.items[0]) : json_null();
    default: return NULL;
    }
}
