#include "api/patch_diff.h"

#include "api/patch.h"
#include "base/mem.h"

#include <assert.h>

/* The same directives that patch_strategic.c reads. */
#define DIFF_ORDER  "$setElementOrder/"
#define DIFF_DELETE "$deleteFromPrimitiveList/"
#define DIFF_RETAIN "$retainKeys"

struct patch_diff_run {
    bool strategic; /* else lists are whole values */
    uint64_t comparisons;
};

/* What stands at one place in the three trees. */
struct patch_diff_sides {
    const json_t *last, *want, *live; /* NULL: absent; @want and @live of the same kind */
};

/* What the tables know of an object: a struct's type, or the field whose map it is. */
struct patch_diff_shape {
    const struct schema_type *type;
    const struct schema_field *map;
};

static int patch_diff_object(struct patch_diff_run *run, json_t *patch,
                             struct patch_diff_sides sides, struct patch_diff_shape shape,
                             struct err *err);

/* --- comparing ------------------------------------------------------------ */

/* Does @live say all that @want says?  What the server filled in beside it does not count. */
static bool patch_diff_covers(const json_t *live, const json_t *want)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_object(want) && json_is_object(live)) {
        json_object_foreach ((json_t *)(uintptr_t)want, key, value) {
            const json_t *other = json_object_get(live, key);

            if (json_is_null(value) ? other != NULL && !json_is_null(other)
                                    : other == NULL || !patch_diff_covers(other, value))
                return false;
        }
        return true;
    }
    if (json_is_array(want) && json_is_array(live)) {
        if (json_array_size(want) != json_array_size(live))
            return false;
        json_array_foreach (want, i, value) {
            if (!patch_diff_covers(json_array_get(live, i), value))
                return false;
        }
        return true;
    }
    return json_equal(want, live);
}

/* A list that is one value: it stays when the server only filled it in and the user changed nothing. */
static bool patch_diff_same_whole(struct patch_diff_sides sides)
{
    if (json_equal(sides.want, sides.live))
        return true;
    return sides.last != NULL && json_equal(sides.last, sides.want) &&
           patch_diff_covers(sides.live, sides.want);
}

static bool patch_diff_same_kind(const json_t *a, const json_t *b)
{
    return (json_is_object(a) && json_is_object(b)) || (json_is_array(a) && json_is_array(b));
}

/* --- lists with a merge key, and sets of plain values ------------------------ */

/* First item of @list with the same @key (NULL: the same value); -1 when there is none. */
static ssize_t patch_diff_index(const json_t *list, const json_t *item, const char *key)
{
    const json_t *value = key != NULL ? json_object_get(item, key) : item;
    const json_t *other;
    size_t i;

    json_array_foreach (list, i, other) {
        const json_t *have = key != NULL ? json_object_get(other, key) : other;

        if (have != NULL && json_equal(have, value))
            return (ssize_t)i;
    }
    return -1;
}

/* Every item has the key, and no two have the same. */
static bool patch_diff_is_keyed(const json_t *list, const char *key)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        if (key != NULL && json_object_get(item, key) == NULL)
            return false;
        if (patch_diff_index(list, item, key) != (ssize_t)i)
            return false;
    }
    return true;
}

/* Do the items of @want stand in @live one behind the other? */
static bool patch_diff_in_order(const json_t *want, const json_t *live, const char *key)
{
    const json_t *item;
    ssize_t before = -1;
    size_t i;

    json_array_foreach (want, i, item) {
        ssize_t at = patch_diff_index(live, item, key);

        if (at < before)
            return false;
        before = at;
    }
    return true;
}

static void patch_diff_put_order(json_t *patch, const char *name, const json_t *want,
                                 const char *key)
{
    cleanup(freep) char *order_name = mem_fmt(DIFF_ORDER "%s", name);
    json_t *order = json_array();
    const json_t *item;
    size_t i;

    json_array_foreach (want, i, item) {
        if (key == NULL)
            json_array_append_new(order, json_deep_copy(item));
        else
            json_array_append_new(order, json_pack("{s:O}", key, json_object_get(item, key)));
    }
    json_object_set_new(patch, order_name, order);
}

/* $retainKeys: of a union (a strategy, a volume source) only the members named stay. */
static void patch_diff_put_retain(json_t *patch, const json_t *want)
{
    json_t *names = json_array();
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)want, key, value) {
        if (!json_is_null(value))
            json_array_append_new(names, json_string(key));
    }
    json_object_set_new(patch, DIFF_RETAIN, names);
}

static int patch_diff_item(struct patch_diff_run *run, json_t *items, const json_t *item,
                           struct patch_diff_sides lists, const struct schema_field *field,
                           struct err *err)
{
    const char *key = field->patch_key;
    ssize_t at = patch_diff_index(lists.live, item, key);
    ssize_t at_last = patch_diff_index(lists.last, item, key);
    struct patch_diff_sides sides = { .want = item };
    struct patch_diff_shape shape = { .type = field->type };
    cleanup(json_decrefpp) json_t *patch = json_object();
    int rc;

    if (at < 0) {
        json_array_append_new(items, json_deep_copy(item));
        return 0;
    }
    sides.live = json_array_get(lists.live, (size_t)at);
    sides.last = at_last >= 0 ? json_array_get(lists.last, (size_t)at_last) : NULL;
    rc = patch_diff_object(run, patch, sides, shape, err);
    if (rc != 0 || json_object_size(patch) == 0)
        return rc;
    json_object_set_new(patch, key, json_deep_copy(json_object_get(item, key)));
    if (field->patch_retain_keys)
        patch_diff_put_retain(patch, item);
    json_array_append(items, patch);
    return 0;
}

/* Items that were applied before, are no longer wanted, and are still there. */
static void patch_diff_removed(json_t *ret, struct patch_diff_sides lists, const char *key)
{
    const json_t *item;
    size_t i;

    json_array_foreach (lists.last, i, item) {
        if ((key != NULL && json_object_get(item, key) == NULL) ||
            patch_diff_index(lists.want, item, key) >= 0 ||
            patch_diff_index(lists.live, item, key) < 0)
            continue;
        json_array_append_new(ret, key == NULL ? json_deep_copy(item)
                                               : json_pack("{s:s,s:O}", "$patch", "delete", key,
                                                           json_object_get(item, key)));
    }
}

static int patch_diff_keyed(struct patch_diff_run *run, json_t *patch, const char *name,
                            struct patch_diff_sides lists, const struct schema_field *field,
                            struct err *err)
{
    cleanup(json_decrefpp) json_t *items = json_array();
    const json_t *item;
    size_t i;
    int rc;

    json_array_foreach (lists.want, i, item) {
        rc = patch_diff_item(run, items, item, lists, field, err);
        if (rc != 0)
            return rc;
    }
    patch_diff_removed(items, lists, field->patch_key);
    if (json_array_size(items) == 0 &&
        patch_diff_in_order(lists.want, lists.live, field->patch_key))
        return 0;
    if (json_array_size(items) > 0)
        json_object_set(patch, name, items);
    patch_diff_put_order(patch, name, lists.want, field->patch_key);
    return 0;
}

static void patch_diff_set(json_t *patch, const char *name, struct patch_diff_sides lists)
{
    cleanup(json_decrefpp) json_t *added = json_array();
    cleanup(json_decrefpp) json_t *removed = json_array();
    cleanup(freep) char *delete_name = mem_fmt(DIFF_DELETE "%s", name);
    json_t *item;
    size_t i;

    json_array_foreach (lists.want, i, item) {
        if (patch_diff_index(lists.live, item, NULL) < 0)
            json_array_append(added, item);
    }
    patch_diff_removed(removed, lists, NULL);
    if (json_array_size(added) == 0 && json_array_size(removed) == 0 &&
        patch_diff_in_order(lists.want, lists.live, NULL))
        return;
    if (json_array_size(added) > 0)
        json_object_set(patch, name, added);
    if (json_array_size(removed) > 0)
        json_object_set(patch, delete_name, removed);
    patch_diff_put_order(patch, name, lists.want, NULL);
}

static int patch_diff_charge(struct patch_diff_run *run, struct patch_diff_sides lists,
                             struct err *err)
{
    uint64_t n = json_array_size(lists.last) + json_array_size(lists.want) +
                 json_array_size(lists.live);

    run->comparisons += n * n;
    if (run->comparisons > PATCH_MAX_COMPARISONS)
        return err_set(err, ERR_LIMIT, "the lists of this object are too long to compare");
    return 0;
}

static int patch_diff_list(struct patch_diff_run *run, json_t *patch, const char *name,
                           struct patch_diff_sides lists, const struct schema_field *field,
                           struct err *err)
{
    bool merges = run->strategic && field != NULL && field->shape == SCHEMA_LIST &&
                  field->patch_merge;
    bool plain = merges && field->scalar != SCHEMA_STRUCT;
    const char *key = merges && !plain ? field->patch_key : NULL;
    int rc;

    if (!merges || (!plain && key == NULL)) {
        if (!patch_diff_same_whole(lists))
            json_object_set_new(patch, name, json_deep_copy(lists.want));
        return 0;
    }
    rc = patch_diff_charge(run, lists, err);
    if (rc < 0)
        return rc;
    if (!patch_diff_is_keyed(lists.want, key) || !patch_diff_is_keyed(lists.live, key))
        return patch_diff_same_whole(lists) ? 0 : PATCH_DIFF_AMBIGUOUS;
    if (!plain)
        return patch_diff_keyed(run, patch, name, lists, field, err);
    patch_diff_set(patch, name, lists);
    return 0;
}

/* --- objects ------------------------------------------------------------------ */

static struct patch_diff_shape patch_diff_below(struct patch_diff_shape shape,
                                                const struct schema_field *field)
{
    struct patch_diff_shape below = { .type = NULL };

    if (shape.map != NULL && shape.map->scalar == SCHEMA_STRUCT)
        below.type = shape.map->type;
    else if (field != NULL && field->shape == SCHEMA_MAP)
        below.map = field;
    else if (field != NULL && field->shape == SCHEMA_ONE && field->scalar == SCHEMA_STRUCT)
        below.type = field->type;
    return below;
}

static int patch_diff_member(struct patch_diff_run *run, json_t *patch, const char *name,
                             struct patch_diff_sides sides, struct patch_diff_shape shape,
                             struct err *err)
{
    const struct schema_field *field = shape.type != NULL ? schema_field(shape.type, name) : NULL;
    cleanup(json_decrefpp) json_t *below = NULL;
    int rc;

    if (json_is_null(sides.want) ? sides.live == NULL : json_equal(sides.want, sides.live))
        return 0;
    if (!patch_diff_same_kind(sides.want, sides.live)) {
        json_object_set_new(patch, name, json_deep_copy(sides.want));
        return 0;
    }
    if (!patch_diff_same_kind(sides.last, sides.want))
        sides.last = NULL;
    if (json_is_array(sides.want))
        return patch_diff_list(run, patch, name, sides, field, err);
    below = json_object();
    rc = patch_diff_object(run, below, sides, patch_diff_below(shape, field), err);
    if (rc != 0 || json_object_size(below) == 0)
        return rc;
    if (run->strategic && field != NULL && field->patch_retain_keys)
        patch_diff_put_retain(below, sides.want);
    json_object_set(patch, name, below);
    return 0;
}

static int patch_diff_object(struct patch_diff_run *run, json_t *patch,
                             struct patch_diff_sides sides, struct patch_diff_shape shape,
                             struct err *err)
{
    const char *name;
    json_t *value;
    int rc;

    assert(json_is_object(sides.want) && json_is_object(sides.live));
    json_object_foreach ((json_t *)(uintptr_t)sides.want, name, value) {
        struct patch_diff_sides member = { .last = json_object_get(sides.last, name),
                                           .want = value,
                                           .live = json_object_get(sides.live, name) };

        rc = patch_diff_member(run, patch, name, member, shape, err);
        if (rc != 0)
            return rc;
    }
    json_object_foreach ((json_t *)(uintptr_t)sides.last, name, value) {
        if (json_object_get(sides.want, name) == NULL && json_object_get(sides.live, name) != NULL)
            json_object_set_new(patch, name, json_null());
    }
    return 0;
}

int patch_diff(json_t **ret, const json_t *last, const json_t *want, const json_t *live,
               const struct schema_type *type, struct err *err)
{
    struct patch_diff_run run = { .strategic = type != NULL };
    struct patch_diff_shape shape = { .type = type };
    struct patch_diff_sides sides = { .last = last, .want = want, .live = live };
    cleanup(json_decrefpp) json_t *patch = NULL;
    int rc;

    if (!json_is_object(want) || !json_is_object(live) || (last != NULL && !json_is_object(last)))
        return err_set(err, ERR_BAD_REQUEST, "only objects can be compared");
    patch = json_object();
    rc = patch_diff_object(&run, patch, sides, shape, err);
    if (rc == 0)
        *ret = STEAL(patch);
    return rc;
}
