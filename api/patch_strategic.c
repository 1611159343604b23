#include "api/patch.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

/* Directives, as in apimachinery's strategicpatch. */
#define PATCH_DIRECTIVE "$patch"
#define PATCH_RETAIN    "$retainKeys"
#define PATCH_ORDER     "$setElementOrder/"
#define PATCH_DELETE    "$deleteFromPrimitiveList/"

struct patch_strategic_run {
    uint64_t comparisons;
};

/* What the tables know of an object: a struct's type, or the field whose map it is. */
struct patch_strategic_shape {
    const struct schema_type *type; /* NULL: nothing is known */
    const struct schema_field *map; /* every key has this field's values */
};

static int patch_strategic_object(struct patch_strategic_run *run, json_t *to, const json_t *patch,
                                  struct patch_strategic_shape shape, struct err *err);

/* --- list items ----------------------------------------------------------- */

static int patch_strategic_charge(struct patch_strategic_run *run, size_t a, size_t b,
                                  struct err *err)
{
    run->comparisons += (uint64_t)a * (uint64_t)b;
    if (run->comparisons > PATCH_MAX_COMPARISONS)
        return err_set(err, ERR_LIMIT, "the lists of this patch are too long to merge");
    return 0;
}

/* Same merge key, or for primitives (@key NULL) the same value. */
static bool patch_strategic_same(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x, *y;

    if (key == NULL)
        return json_equal(a, b);
    x = json_object_get(a, key);
    y = json_object_get(b, key);
    return x != NULL && y != NULL && json_equal(x, y);
}

/* Index of the first item of @list that is the same as @item, or -1. */
static ssize_t patch_strategic_index(const json_t *list, const json_t *item, const char *key)
{
    const json_t *other;
    size_t i;

    json_array_foreach (list, i, other) {
        if (patch_strategic_same(other, item, key))
            return (ssize_t)i;
    }
    return -1;
}

static const char *patch_strategic_item_directive(const json_t *item)
{
    return json_string_value(json_object_get(item, PATCH_DIRECTIVE));
}

/* --- order ------------------------------------------------------------------ */

/* Items of @list that @order names, in its order; the rest, in theirs, into @ret_rest. */
static json_t *patch_strategic_partition(const json_t *list, const json_t *order, const char *key,
                                         json_t *ret_rest)
{
    json_t *named = json_array(), *item;
    const json_t *place;
    size_t i, k;

    json_array_foreach (order, i, place) {
        json_array_foreach (list, k, item) {
            if (patch_strategic_same(item, place, key) &&
                patch_strategic_index(named, item, key) < 0)
                json_array_append(named, item);
        }
    }
    json_array_foreach (list, k, item) {
        if (patch_strategic_index(order, item, key) < 0)
            json_array_append(ret_rest, item);
    }
    return named;
}

/* What the client orders keeps its order, what only the server knows keeps its own, and between
 * the two the server's old list decides: an item of the server goes before the first ordered item
 * that stood behind it. */
static json_t *patch_strategic_arrange(const json_t *merged, const json_t *order,
                                       const json_t *before, const char *key)
{
    cleanup(json_decrefpp) json_t *rest = json_array();
    cleanup(json_decrefpp) json_t *named = patch_strategic_partition(merged, order, key, rest);
    json_t *result = json_array();
    size_t i = 0, j = 0;

    while (i < json_array_size(rest) || j < json_array_size(named)) {
        json_t *own = json_array_get(rest, i), *theirs = json_array_get(named, j);
        ssize_t at = own != NULL ? patch_strategic_index(before, own, key) : -1;
        ssize_t than = theirs != NULL ? patch_strategic_index(before, theirs, key) : -1;

        if (theirs == NULL || (own != NULL && at >= 0 && than >= 0 && at < than)) {
            json_array_append(result, own);
            i++;
        } else {
            json_array_append(result, theirs);
            j++;
        }
    }
    return result;
}

/* The items a patch changes must stand in the order it demands. */
static int patch_strategic_check_order(const json_t *patch, const json_t *order, const char *key,
                                       const char *name, struct err *err)
{
    const json_t *item;
    ssize_t last = -1;
    size_t i;

    json_array_foreach (patch, i, item) {
        ssize_t at;

        if (patch_strategic_item_directive(item) != NULL)
            continue;
        at = patch_strategic_index(order, item, key);
        if (at < last || at < 0)
            return err_set(err, ERR_BAD_REQUEST,
                           "The order in patch list of %s doesn't match "
                           "$setElementOrder list",
                           name);
        last = at;
    }
    return 0;
}

/* --- lists ------------------------------------------------------------------ */

static json_t *patch_strategic_empty(const json_t *like)
{
    return json_is_object(like) ? json_object() : json_array();
}

/* A new item: what the patch says, without its nulls and directives. */
static int patch_strategic_append(struct patch_strategic_run *run, json_t *list, const json_t *item,
                                  struct patch_strategic_shape shape, struct err *err)
{
    json_t *fresh;

    if (!json_is_object(item)) {
        json_array_append_new(list, json_deep_copy(item));
        return 0;
    }
    fresh = patch_strategic_empty(item);
    json_array_append_new(list, fresh);
    return patch_strategic_object(run, fresh, item, shape, err);
}

static void patch_strategic_delete_item(json_t *list, const json_t *item, const char *key)
{
    ssize_t at;

    while ((at = patch_strategic_index(list, item, key)) >= 0)
        json_array_remove(list, (size_t)at);
}

static int patch_strategic_item(struct patch_strategic_run *run, json_t *list, const json_t *item,
                                const struct schema_field *field, struct err *err)
{
    struct patch_strategic_shape shape = { .type = field->type, .map = NULL };
    const char *key = field->patch_key, *directive = patch_strategic_item_directive(item);
    ssize_t at;

    if (!json_is_object(item))
        return err_set(err, ERR_BAD_REQUEST, "items of %s must be objects", field->name);
    if (json_object_get(item, key) == NULL)
        return err_set(err, ERR_INVALID, "an item of %s does not contain declared merge key: %s",
                       field->name, key);
    if (str_eq(directive, "delete")) {
        patch_strategic_delete_item(list, item, key);
        return 0;
    }
    at = patch_strategic_index(list, item, key);
    if (at < 0)
        return patch_strategic_append(run, list, item, shape, err);
    return patch_strategic_object(run, json_array_get(list, (size_t)at), item, shape, err);
}

static int patch_strategic_items(struct patch_strategic_run *run, json_t *list, const json_t *patch,
                                 const struct schema_field *field, struct err *err)
{
    const json_t *item;
    size_t i;
    int rc;

    json_array_foreach (patch, i, item) {
        if (str_eq(patch_strategic_item_directive(item), "replace")) {
            json_array_clear(list);
            break;
        }
    }
    json_array_foreach (patch, i, item) {
        if (str_eq(patch_strategic_item_directive(item), "replace") &&
            json_object_get(item, field->patch_key) == NULL)
            continue; /* a bare {"$patch": "replace"} is no item */
        rc = patch_strategic_item(run, list, item, field, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void patch_strategic_primitives(json_t *list, const json_t *patch)
{
    json_t *item;
    size_t i;

    json_array_foreach (patch, i, item) {
        if (patch_strategic_index(list, item, NULL) < 0)
            json_array_append_new(list, json_deep_copy(item));
    }
}

/* Merges @patch (NULL: only an order is given) into list @name of @to. */
static int patch_strategic_list(struct patch_strategic_run *run, json_t *to, const char *name,
                                const json_t *patch, const json_t *order,
                                const struct schema_field *field, struct err *err)
{
    bool primitive = field->scalar != SCHEMA_STRUCT;
    const char *key = primitive ? NULL : field->patch_key;
    cleanup(json_decrefpp) json_t *before = json_array();
    cleanup(json_decrefpp) json_t *merged = json_array();
    size_t n;
    int rc;

    if (!primitive && key == NULL)
        return err_set(err, ERR_INVALID, "cannot merge list %s without a merge key", name);
    if (json_is_array(json_object_get(to, name))) {
        json_array_extend(before, json_object_get(to, name));
        json_array_extend(merged, before);
    }
    n = json_array_size(before) + json_array_size(patch);
    rc = patch_strategic_charge(run, n, n + json_array_size(order), err);
    if (rc == 0 && order != NULL)
        rc = patch_strategic_check_order(patch, order, key, name, err);
    if (rc == 0 && primitive)
        patch_strategic_primitives(merged, patch);
    else if (rc == 0)
        rc = patch_strategic_items(run, merged, patch, field, err);
    if (rc < 0)
        return rc;
    json_object_set_new(
        to, name, patch_strategic_arrange(merged, order != NULL ? order : patch, before, key));
    return 0;
}

/* --- objects ------------------------------------------------------------------ */

static const struct schema_field *patch_strategic_field(struct patch_strategic_shape shape,
                                                        const char *name)
{
    return shape.type != NULL ? schema_field(shape.type, name) : NULL;
}

/* The shape of the object under @field, or of a value of a map of structs. */
static struct patch_strategic_shape patch_strategic_below(struct patch_strategic_shape shape,
                                                          const struct schema_field *field)
{
    struct patch_strategic_shape below = { .type = NULL };

    if (shape.map != NULL && shape.map->scalar == SCHEMA_STRUCT)
        below.type = shape.map->type;
    else if (field != NULL && field->shape == SCHEMA_MAP)
        below.map = field;
    else if (field != NULL && field->shape == SCHEMA_ONE && field->scalar == SCHEMA_STRUCT)
        below.type = field->type;
    return below;
}

static int patch_strategic_member(struct patch_strategic_run *run, json_t *to, const char *name,
                                  const json_t *value, const json_t *patch,
                                  struct patch_strategic_shape shape, struct err *err)
{
    const struct schema_field *field = patch_strategic_field(shape, name);
    json_t *have = json_object_get(to, name);

    if (json_is_null(value)) {
        json_object_del(to, name);
        return 0;
    }
    if (json_is_object(value)) {
        if (!json_is_object(have)) {
            have = json_object();
            json_object_set_new(to, name, have);
        }
        return patch_strategic_object(run, have, value, patch_strategic_below(shape, field), err);
    }
    if (json_is_array(value) && field != NULL && field->shape == SCHEMA_LIST &&
        field->patch_merge) {
        cleanup(freep) char *order_name = mem_fmt(PATCH_ORDER "%s", name);
        const json_t *order = json_object_get(patch, order_name);

        return patch_strategic_list(run, to, name, value, json_is_array(order) ? order : NULL,
                                    field, err);
    }
    json_object_set_new(to, name, json_deep_copy(value));
    return 0;
}

/* Members of @to that the list does not name go; the patch may only speak of those it names. */
static int patch_strategic_retain(struct patch_strategic_run *run, json_t *to, const json_t *patch,
                                  const json_t *keys, struct err *err)
{
    const char *name;
    json_t *value;
    void *next;
    int rc;

    if (!json_is_array(keys))
        return err_set(err, ERR_BAD_REQUEST, "$retainKeys must be a list of names");
    rc = patch_strategic_charge(run, json_array_size(keys),
                                json_object_size(patch) + json_object_size(to), err);
    if (rc < 0)
        return rc;
    json_object_foreach ((json_t *)(uintptr_t)patch, name, value) {
        cleanup(json_decrefpp) json_t *text = json_string(name);

        if (name[0] != '$' && !json_is_null(value) && patch_strategic_index(keys, text, NULL) < 0)
            return err_set(err, ERR_BAD_REQUEST,
                           "invalid format of retainKeys: %s is not in the "
                           "list",
                           name);
    }
    json_object_foreach_safe (to, next, name, value) {
        cleanup(json_decrefpp) json_t *text = json_string(name);

        if (patch_strategic_index(keys, text, NULL) < 0)
            json_object_del(to, name);
    }
    return 0;
}

static int patch_strategic_drop(struct patch_strategic_run *run, json_t *to, const char *name,
                                const json_t *values, struct err *err)
{
    json_t *list = json_object_get(to, name);
    const json_t *value;
    size_t i;
    int rc;

    if (!json_is_array(values))
        return err_set(err, ERR_BAD_REQUEST, "invalid patch format of primitive list %s", name);
    if (!json_is_array(list))
        return 0;
    rc = patch_strategic_charge(run, json_array_size(values), json_array_size(list), err);
    if (rc < 0)
        return rc;
    json_array_foreach (values, i, value)
        patch_strategic_delete_item(list, value, NULL);
    return 0;
}

/* $setElementOrder for a list that the patch itself does not touch. */
static int patch_strategic_reorder(struct patch_strategic_run *run, json_t *to, const char *name,
                                   const json_t *order, struct patch_strategic_shape shape,
                                   struct err *err)
{
    const struct schema_field *field = patch_strategic_field(shape, name);

    if (!json_is_array(order))
        return err_set(err, ERR_BAD_REQUEST, "invalid patch format of $setElementOrder list %s",
                       name);
    if (field == NULL || !field->patch_merge || !json_is_array(json_object_get(to, name)))
        return 0;
    return patch_strategic_list(run, to, name, NULL, order, field, err);
}

static int patch_strategic_key(struct patch_strategic_run *run, json_t *to, const json_t *patch,
                               const char *name, const json_t *value,
                               struct patch_strategic_shape shape, struct err *err)
{
    if (str_starts(name, PATCH_ORDER)) {
        name += strlen(PATCH_ORDER);
        if (json_is_array(json_object_get(patch, name)))
            return 0; /* comes with the list */
        return patch_strategic_reorder(run, to, name, value, shape, err);
    }
    if (str_starts(name, PATCH_DELETE) || str_eq(name, PATCH_DIRECTIVE) ||
        str_eq(name, PATCH_RETAIN))
        return 0;
    return patch_strategic_member(run, to, name, value, patch, shape, err);
}

static int patch_strategic_object(struct patch_strategic_run *run, json_t *to, const json_t *patch,
                                  struct patch_strategic_shape shape, struct err *err)
{
    const json_t *directive = json_object_get(patch, PATCH_DIRECTIVE);
    const json_t *retain = json_object_get(patch, PATCH_RETAIN);
    const char *name;
    json_t *value;
    int rc = 0;

    assert(json_is_object(to) && json_is_object(patch));
    if (directive != NULL) {
        const char *what = json_is_string(directive) ? json_string_value(directive) : "";

        if (!str_eq(what, "replace") && !str_eq(what, "delete") && !str_eq(what, "merge"))
            return err_set(err, ERR_BAD_REQUEST, "unknown patch type: %.64s", what);
        if (!str_eq(what, "merge"))
            json_object_clear(to);
        if (str_eq(what, "delete"))
            return 0;
    }
    if (retain != NULL)
        rc = patch_strategic_retain(run, to, patch, retain, err);
    json_object_foreach ((json_t *)(uintptr_t)patch, name, value) {
        if (rc == 0)
            rc = patch_strategic_key(run, to, patch, name, value, shape, err);
    }
    json_object_foreach ((json_t *)(uintptr_t)patch, name, value) {
        if (rc == 0 && str_starts(name, PATCH_DELETE))
            rc = patch_strategic_drop(run, to, name + strlen(PATCH_DELETE), value, err);
    }
    return rc;
}

int patch_strategic(json_t **ret, const json_t *doc, const json_t *patch,
                    const struct schema_type *type, struct err *err)
{
    struct patch_strategic_run run = { .comparisons = 0 };
    struct patch_strategic_shape shape = { .type = type };
    cleanup(json_decrefpp) json_t *to = NULL;
    int rc;

    if (!json_is_object(patch) || !json_is_object(doc))
        return err_set(err, ERR_BAD_REQUEST, "a strategic merge patch must be a JSON object");
    to = json_deep_copy(doc);
    rc = patch_strategic_object(&run, to, patch, shape, err);
    if (rc < 0)
        return rc;
    *ret = STEAL(to);
    return 0;
}
