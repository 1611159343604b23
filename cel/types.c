/* Types, how they are written, and what fits where. */
#include "cel/cel_impl.h"

#include "base/mem.h"

#include <string.h>

/* clang-format off */
const struct cel_type cel_types[CEL_N_SIMPLE] = {
    [CEL_DYN] = { .kind = CEL_DYN },         [CEL_NULL] = { .kind = CEL_NULL },
    [CEL_BOOL] = { .kind = CEL_BOOL },       [CEL_INT] = { .kind = CEL_INT },
    [CEL_UINT] = { .kind = CEL_UINT },       [CEL_DOUBLE] = { .kind = CEL_DOUBLE },
    [CEL_STRING] = { .kind = CEL_STRING },   [CEL_BYTES] = { .kind = CEL_BYTES },
    [CEL_TIMESTAMP] = { .kind = CEL_TIMESTAMP }, [CEL_DURATION] = { .kind = CEL_DURATION },
    [CEL_TYPE] = { .kind = CEL_TYPE },
};
/* clang-format on */

static const struct cel_type cel_params[CEL_PARAMS] = {
    { .kind = CEL_PARAM, .name = "A" },
    { .kind = CEL_PARAM, .name = "B" },
    { .kind = CEL_PARAM, .name = "C" },
};

static const struct cel_type cel_type_any_list = { .kind = CEL_LIST, .elem = cel_types };
static const struct cel_type cel_type_any_map = { .kind = CEL_MAP,
                                                  .elem = cel_types,
                                                  .key = cel_types };

/* --- names --- */

static const char *const cel_kind_names[] = {
    [CEL_DYN] = "dyn",           [CEL_NULL] = "null",     [CEL_BOOL] = "bool",
    [CEL_INT] = "int",           [CEL_UINT] = "uint",     [CEL_DOUBLE] = "double",
    [CEL_STRING] = "string",     [CEL_BYTES] = "bytes",   [CEL_TIMESTAMP] = "timestamp",
    [CEL_DURATION] = "duration", [CEL_TYPE] = "type",     [CEL_LIST] = "list",
    [CEL_MAP] = "map",           [CEL_OBJECT] = "object", [CEL_OPTIONAL] = "optional_type",
};

void cel_type_print(struct text *t, const struct cel_type *type)
{
    if (type->name != NULL)
        text_puts(t, type->name);
    else if (type->kind < N_ELEMENTS(cel_kind_names))
        text_puts(t, cel_kind_names[type->kind]);
    if (type->kind != CEL_LIST && type->kind != CEL_MAP && type->kind != CEL_OPTIONAL)
        return;
    text_putc(t, '(');
    if (type->kind == CEL_MAP) {
        cel_type_print(t, type->key);
        text_puts(t, ", ");
    }
    cel_type_print(t, type->elem);
    text_putc(t, ')');
}

const struct cel_type *cel_type_named(const char *name)
{
    static const struct {
        const char *name;
        const struct cel_type *type;
    } names[] = {
        { "bool", &cel_types[CEL_BOOL] },
        { "bytes", &cel_types[CEL_BYTES] },
        { "double", &cel_types[CEL_DOUBLE] },
        { "int", &cel_types[CEL_INT] },
        { "list", &cel_type_any_list },
        { "map", &cel_type_any_map },
        { "null_type", &cel_types[CEL_NULL] },
        { "string", &cel_types[CEL_STRING] },
        { "type", &cel_types[CEL_TYPE] },
        { "uint", &cel_types[CEL_UINT] },
        { "google.protobuf.Duration", &cel_types[CEL_DURATION] },
        { "google.protobuf.Timestamp", &cel_types[CEL_TIMESTAMP] },
    };

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (str_eq(name, names[i].name))
            return names[i].type;
    return NULL;
}

/* --- making --- */

static const struct cel_type *cel_type_new(struct pool *pool, enum cel_kind kind,
                                           const struct cel_type *key, const struct cel_type *elem)
{
    struct cel_type *t = pool_zero(pool, sizeof(*t));

    t->kind = kind;
    t->key = key;
    t->elem = elem;
    return t;
}

const struct cel_type *cel_type_list(struct pool *pool, const struct cel_type *elem)
{
    return elem->kind == CEL_DYN ? &cel_type_any_list : cel_type_new(pool, CEL_LIST, NULL, elem);
}

const struct cel_type *cel_type_map(struct pool *pool, const struct cel_type *key,
                                    const struct cel_type *value)
{
    return cel_type_new(pool, CEL_MAP, key, value);
}

const struct cel_type *cel_type_optional(struct pool *pool, const struct cel_type *elem)
{
    return cel_type_new(pool, CEL_OPTIONAL, NULL, elem);
}

const struct cel_type *cel_type_read(struct pool *pool, const char **sig,
                                     const struct cel_library *lib)
{
    static const struct {
        char letter;
        enum cel_kind kind;
    } simple[] = { { 'D', CEL_DYN },      { 'n', CEL_NULL },  { 'b', CEL_BOOL },
                   { 'i', CEL_INT },      { 'u', CEL_UINT },  { 'd', CEL_DOUBLE },
                   { 's', CEL_STRING },   { 'y', CEL_BYTES }, { 't', CEL_TIMESTAMP },
                   { 'r', CEL_DURATION }, { 'T', CEL_TYPE } };
    char c = *(*sig)++;
    const struct cel_type *key;

    if (c >= 'A' && c < 'A' + CEL_PARAMS)
        return &cel_params[c - 'A'];
    if (c >= '0' && c <= '9')
        return lib->types[c - '0'];
    if (c == 'L')
        return cel_type_list(pool, cel_type_read(pool, sig, lib));
    if (c == 'O')
        return cel_type_optional(pool, cel_type_read(pool, sig, lib));
    if (c == 'M') {
        key = cel_type_read(pool, sig, lib);
        return cel_type_map(pool, key, cel_type_read(pool, sig, lib));
    }
    for (size_t i = 0; i < N_ELEMENTS(simple); i++)
        if (simple[i].letter == c)
            return CEL_TYPE_OF(simple[i].kind);
    return CEL_TYPE_OF(CEL_DYN);
}

/* --- fitting --- */

bool cel_type_same(const struct cel_type *a, const struct cel_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->kind == CEL_OBJECT || a->kind == CEL_OPAQUE)
        return false;
    if (a->kind == CEL_PARAM)
        return str_eq(a->name, b->name);
    if (a->key != NULL && !cel_type_same(a->key, b->key))
        return false;
    return a->elem == NULL || cel_type_same(a->elem, b->elem);
}

/* null stands in for what may be absent: objects, times, and values of schemas that say nullable;
 * which fields those are the types here do not know, so null fits all that are compared. */
static bool cel_type_is_loose(const struct cel_type *t)
{
    return t->kind == CEL_DYN || t->kind == CEL_NULL;
}

bool cel_type_fits(struct cel_binding *b, const struct cel_type *want, const struct cel_type *have)
{
    const struct cel_type **bound;

    if (want->kind == CEL_PARAM) {
        bound = &b->of[want->name[0] - 'A'];
        if (*bound == NULL || cel_type_is_loose(*bound)) {
            *bound = have;
            return true;
        }
        return cel_type_is_loose(have) || cel_type_fits(b, *bound, have);
    }
    if (want->kind == CEL_DYN || have->kind == CEL_DYN)
        return true;
    if (want->kind == CEL_MAP && have->kind == CEL_OBJECT)
        return false;
    if (want->kind != have->kind)
        return false;
    if (want->kind == CEL_OBJECT || want->kind == CEL_OPAQUE)
        return want == have;
    if (want->key != NULL && !cel_type_fits(b, want->key, have->key))
        return false;
    return want->elem == NULL || cel_type_fits(b, want->elem, have->elem);
}

const struct cel_type *cel_type_filled(struct pool *pool, const struct cel_binding *b,
                                       const struct cel_type *t)
{
    const struct cel_type *bound;

    switch (t->kind) {
    case CEL_PARAM:
        bound = b->of[t->name[0] - 'A'];
        return bound != NULL ? bound : CEL_TYPE_OF(CEL_DYN);
    case CEL_LIST: return cel_type_list(pool, cel_type_filled(pool, b, t->elem));
    case CEL_OPTIONAL: return cel_type_optional(pool, cel_type_filled(pool, b, t->elem));
    case CEL_MAP:
        return cel_type_map(pool, cel_type_filled(pool, b, t->key),
                            cel_type_filled(pool, b, t->elem));
    default: return t;
    }
}
