/* What stands where: places and how to go on from them. */
#include "api/typed.h"

#include "api/custom.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* --- places --- */

struct typed_place typed_of_type(const struct schema_type *type)
{
    return (struct typed_place){ .type = type };
}

struct typed_place typed_of_node(const struct custom_node *root)
{
    return (struct typed_place){ .node = root, .envelope = true };
}

struct typed_place typed_untyped(void)
{
    return (struct typed_place){ .open = true };
}

struct typed_place typed_root(const struct schema_resource *r)
{
    return r->custom != NULL ? typed_of_node(custom_root(r)) : typed_of_type(r->type);
}

/* --- what is there --- */

/* Without a type: objects are maps, lists are atomic; null may be either. */
static struct typed_atom typed_deduce(const json_t *value)
{
    if (json_is_array(value))
        return (struct typed_atom){ .form = TYPED_LIST, .atomic = true };
    if (value == NULL || json_is_object(value) || json_is_null(value))
        return (struct typed_atom){ .form = TYPED_MAP };
    return (struct typed_atom){ .form = TYPED_SCALAR };
}

static struct typed_atom typed_resolve_list(const struct schema_field *f)
{
    static const char *const none[] = { NULL };
    struct typed_atom atom = { .form = TYPED_LIST };

    switch (f->list_type) {
    case SCHEMA_SET: atom.set = true; return atom;
    case SCHEMA_LISTMAP: atom.keys = f->list_keys != NULL ? f->list_keys : none; return atom;
    case SCHEMA_ATOMIC:
    case SCHEMA_GRANULAR: break;
    }
    /* No list type is said: the strategy of strategic merges tells (schemaconv).  Every such list
     * of the tables that merges by a key says its type as well. */
    atom.set = f->list_type == SCHEMA_GRANULAR && f->patch_merge && f->patch_key == NULL;
    atom.atomic = !atom.set;
    return atom;
}

static struct typed_atom typed_resolve_field(const struct typed_place *p, const json_t *value)
{
    const struct schema_field *f = p->field;

    if (!p->element && f->shape == SCHEMA_LIST)
        return typed_resolve_list(f);
    if (!p->element && f->shape != SCHEMA_ONE)
        return (struct typed_atom){ .form = TYPED_MAP, .atomic = f->map_atomic };
    if (p->element && f->shape == SCHEMA_MAP_OF_LISTS)
        return (struct typed_atom){ .form = TYPED_LIST, .atomic = true };
    if (f->scalar == SCHEMA_RAW)
        return typed_deduce(value);
    if (f->scalar != SCHEMA_STRUCT)
        return (struct typed_atom){ .form = TYPED_SCALAR };
    return (struct typed_atom){ .form = TYPED_MAP,
                                .atomic = f->type->map_atomic || (!p->element && f->map_atomic) };
}

static struct typed_atom typed_resolve_node(const struct custom_node *n, const json_t *value)
{
    struct typed_atom map = { .form = TYPED_MAP, .atomic = (n->flags & CUSTOM_MAP_ATOMIC) != 0 };
    struct typed_atom list = { .form = TYPED_LIST, .set = (n->flags & CUSTOM_SET) != 0 };
    const struct custom_rule *keys;

    if ((n->flags & CUSTOM_MAP) != 0 && (keys = custom_node_rule(n, CUSTOM_RULE_LIST_KEYS)) != NULL)
        list.keys = keys->texts;
    list.atomic = !list.set && list.keys == NULL;
    switch (n->type) {
    case CUSTOM_OBJECT: return map;
    case CUSTOM_ARRAY: return list;
    case CUSTOM_ANY: break;
    default: return (struct typed_atom){ .form = TYPED_SCALAR };
    }
    if (json_is_array(value))
        return list;
    return typed_deduce(value).form == TYPED_MAP ? map : typed_deduce(value);
}

struct typed_atom typed_resolve(const struct typed_place *place, const json_t *value)
{
    if (place->scalar)
        return (struct typed_atom){ .form = TYPED_SCALAR };
    if (place->field != NULL)
        return typed_resolve_field(place, value);
    if (place->type != NULL)
        return (struct typed_atom){ .form = TYPED_MAP, .atomic = place->type->map_atomic };
    if (place->node != NULL)
        return typed_resolve_node(place->node, value);
    return typed_deduce(value);
}

/* --- going on --- */

static struct typed_place typed_of_field(const struct schema_field *f, bool element)
{
    return (struct typed_place){
        .field = f,
        .element = element,
        .type = f->scalar == SCHEMA_STRUCT && (element || f->shape == SCHEMA_ONE) ? f->type : NULL,
    };
}

/* What every object has that says its kind itself. */
static bool typed_member_envelope(struct typed_place *ret, const char *key)
{
    if (str_eq(key, "metadata"))
        *ret = typed_of_type(schema_type("meta/v1.ObjectMeta"));
    else if (str_eq(key, "apiVersion") || str_eq(key, "kind"))
        *ret = (struct typed_place){ .scalar = true };
    else
        return false;
    return true;
}

static bool typed_member_node(struct typed_place *ret, bool *ret_named,
                              const struct typed_place *place, const char *key)
{
    const struct custom_node *n = place->node;
    bool open = place->open || (n->flags & CUSTOM_PRESERVE) != 0;
    const struct custom_node *child = custom_node_child(n, key);

    *ret_named = true;
    if ((place->envelope || (n->flags & CUSTOM_EMBEDDED) != 0) && typed_member_envelope(ret, key))
        return true;
    if (child != NULL) {
        *ret = (struct typed_place){ .node = child, .open = open };
        return true;
    }
    *ret_named = false;
    if (n->items != NULL && n->type != CUSTOM_ARRAY)
        *ret = (struct typed_place){ .node = n->items, .open = open };
    else if (open || n->n_children == 0 || (n->flags & CUSTOM_OPEN) != 0)
        *ret = typed_untyped();
    else
        return false;
    return true;
}

static bool typed_member_type(struct typed_place *ret, bool *ret_named,
                              const struct schema_type *type, const char *key)
{
    const struct schema_field *f = schema_field(type, key);

    *ret_named = f != NULL;
    if (f != NULL)
        *ret = typed_of_field(f, false);
    else if (type->open)
        *ret = typed_untyped();
    return f != NULL || type->open;
}

bool typed_member(struct typed_place *ret, bool *ret_named, const struct typed_place *place,
                  const char *key)
{
    *ret_named = false;
    if (place->type != NULL)
        return typed_member_type(ret, ret_named, place->type, key);
    if (place->field != NULL && !place->element && place->field->scalar != SCHEMA_RAW) {
        *ret = typed_of_field(place->field, true);
        return true;
    }
    if (place->node != NULL)
        return typed_member_node(ret, ret_named, place, key);
    *ret = typed_untyped();
    return true;
}

struct typed_place typed_item(const struct typed_place *list)
{
    if (list->field != NULL && !list->element && list->field->shape == SCHEMA_LIST)
        return typed_of_field(list->field, true);
    if (list->node != NULL && list->node->items != NULL)
        return (struct typed_place){ .node = list->node->items, .open = list->open };
    return typed_untyped();
}

/* --- items --- */

const json_t *typed_zero(struct field_arena *arena, const struct schema_field *field)
{
    if (field->shape != SCHEMA_ONE)
        return json_null();
    switch (field->scalar) {
    case SCHEMA_STRUCT: return field_arena_keep(arena, json_object());
    case SCHEMA_BOOL: return json_false();
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE:
    case SCHEMA_INT_OR_STRING: return field_arena_keep(arena, json_integer(0));
    case SCHEMA_STRING: return field_arena_keep(arena, json_string(""));
    case SCHEMA_QUANTITY: return field_arena_keep(arena, json_string("0"));
    default: return json_null();
    }
}

/* What a key means that an item does not say. */
static const json_t *typed_key_default(struct field_arena *arena, const struct typed_place *item,
                                       const char *key)
{
    const struct schema_field *f = item->type != NULL ? schema_field(item->type, key) : NULL;
    const struct custom_node *n = item->node != NULL ? custom_node_child(item->node, key) : NULL;
    const struct custom_rule *rule = n != NULL ? custom_node_rule(n, CUSTOM_RULE_DEFAULT) : NULL;
    const char *text = f != NULL ? f->def : rule != NULL ? rule->text : NULL;
    struct err err = ERR_EMPTY;
    json_t *value = NULL;

    if (text != NULL && json_parse(&value, text, strlen(text), NULL, &err) == 0)
        return field_arena_keep(arena, value);
    return f != NULL && f->always ? typed_zero(arena, f) : NULL;
}

static int typed_part_compare(const void *a, const void *b)
{
    return strcmp(((const struct field_part *)a)->name, ((const struct field_part *)b)->name);
}

bool typed_item_at(struct field_at *ret, struct field_arena *arena, const struct typed_atom *list,
                   const struct typed_place *place, const json_t *item)
{
    struct typed_place below = typed_item(place);
    struct field_part *parts;
    unsigned n = 0;

    if (list->keys == NULL) {
        *ret = (struct field_at){ .form = FIELD_VALUE, .value = item };
        return !json_is_object(item) && !json_is_array(item) && !json_is_null(item);
    }
    if (!json_is_object(item))
        return false;
    while (list->keys[n] != NULL)
        n++;
    parts = field_arena_alloc(arena, (n + 1) * sizeof(*parts));
    for (unsigned i = 0; i < n; i++) {
        const json_t *value = json_object_get(item, list->keys[i]);

        if (value == NULL)
            value = typed_key_default(arena, &below, list->keys[i]);
        if (value == NULL)
            return false;
        parts[i] = (struct field_part){ list->keys[i], value };
    }
    if (n > 1)
        qsort(parts, n, sizeof(*parts), typed_part_compare);
    *ret = (struct field_at){ .form = FIELD_KEY, .n = n, .parts = parts };
    return true;
}
