/* What differs between two trees, and which paths a tree mentions. */
#include "api/typed.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum typed_side { TYPED_ADDED, TYPED_MODIFIED, TYPED_REMOVED, TYPED_SIDES };

/* What was found at one place: about itself, and about what is below. */
struct typed_hit {
    bool member[TYPED_SIDES];
    const struct field_set *below[TYPED_SIDES];
};

struct typed_found { /* below one place, being gathered */
    struct field_list lists[TYPED_SIDES];
};

static void typed_compare_at(struct typed_hit *ret, struct field_arena *arena,
                             const struct typed_place *place, const json_t *a, const json_t *b,
                             unsigned depth);

static void typed_found_add(struct field_arena *arena, struct typed_found *found,
                            const struct field_at *at, const struct typed_hit *hit)
{
    for (int side = 0; side < TYPED_SIDES; side++) {
        struct field_node node = { *at, hit->member[side], hit->below[side] };

        field_list_add(arena, &found->lists[side], &node);
    }
}

static void typed_found_done(struct typed_hit *ret, struct field_arena *arena,
                             struct typed_found *found)
{
    for (int side = 0; side < TYPED_SIDES; side++)
        ret->below[side] = field_set_union(arena, ret->below[side],
                                           field_list_done(arena, &found->lists[side]));
}

/* Integers and reals of the same size are equal, whole trees through. */
static bool typed_equal(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return field_value_compare(a, b) == 0;
    return json_equal(a, b);
}

static void typed_leaf(struct typed_hit *ret, const json_t *a, const json_t *b)
{
    if (a == NULL)
        ret->member[TYPED_ADDED] = true;
    else if (b == NULL)
        ret->member[TYPED_REMOVED] = true;
    else if (!typed_equal(a, b))
        ret->member[TYPED_MODIFIED] = true;
}

/* --- objects --- */

/* What @other shows for a member that only this side has: a zero that Go always writes. */
static const json_t *typed_other(struct field_arena *arena, const struct typed_place *place,
                                 const char *key, const json_t *other)
{
    const struct schema_field *f;

    if (other == NULL || place->type == NULL)
        return NULL;
    f = schema_field(place->type, key);
    return f != NULL && f->always ? typed_zero(arena, f) : NULL;
}

static bool typed_has_always(const struct schema_type *type)
{
    for (size_t i = 0; type != NULL && i < type->n_fields; i++)
        if (type->fields[i].always)
            return true;
    return false;
}

static void typed_compare_member(struct typed_found *found, struct field_arena *arena,
                                 const struct typed_place *place, const char *key, const json_t *a,
                                 const json_t *b, unsigned depth)
{
    struct field_at at = { .form = FIELD_NAME, .name = key };
    struct typed_hit hit = { .member = { false } };
    struct typed_place below;
    bool named;

    if (!typed_member(&below, &named, place, key))
        return; /* not declared: nobody can own it */
    typed_compare_at(&hit, arena, &below, a, b, depth + 1);
    typed_found_add(arena, found, &at, &hit);
}

/* An object that is only on one side: what Go writes in it unsaid came or went with it. */
static void typed_compare_always(struct typed_found *found, struct field_arena *arena,
                                 const struct typed_place *place, const json_t *a, const json_t *b,
                                 unsigned depth)
{
    const json_t *there = a != NULL ? a : b;

    for (size_t i = 0; place->type != NULL && i < place->type->n_fields; i++) {
        const struct schema_field *f = &place->type->fields[i];

        if (!f->always || json_object_get(there, f->name) != NULL)
            continue;
        typed_compare_member(found, arena, place, f->name, a != NULL ? typed_zero(arena, f) : NULL,
                             b != NULL ? typed_zero(arena, f) : NULL, depth);
    }
}

static void typed_compare_map(struct typed_hit *ret, struct field_arena *arena,
                              const struct typed_place *place, const json_t *a, const json_t *b,
                              unsigned depth)
{
    struct typed_found found = { .lists = { { NULL, 0, 0 } } };
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)a, key, value) {
        const json_t *other = json_object_get(b, key);

        typed_compare_member(&found, arena, place, key, value,
                             other != NULL ? other : typed_other(arena, place, key, b), depth);
    }
    json_object_foreach ((json_t *)(uintptr_t)b, key, value)
        if (json_object_get(a, key) == NULL)
            typed_compare_member(&found, arena, place, key, typed_other(arena, place, key, a),
                                 value, depth);
    if (a == NULL || b == NULL)
        typed_compare_always(&found, arena, place, a, b, depth);
    typed_found_done(ret, arena, &found);
}

/* --- lists --- */

struct typed_entry {
    struct field_at at;
    const json_t *value;
    size_t order;
    bool right;
};

static int typed_entry_compare(const void *a, const void *b)
{
    const struct typed_entry *x = a, *y = b;
    int order = field_at_compare(&x->at, &y->at);

    if (order != 0)
        return order;
    if (x->right != y->right)
        return x->right ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

static size_t typed_entries(struct typed_entry *to, struct field_arena *arena,
                            const struct typed_atom *atom, const struct typed_place *place,
                            const json_t *list, bool right)
{
    size_t n = 0, i;
    json_t *item;

    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        to[n] = (struct typed_entry){ .value = item, .order = i, .right = right };
        if (typed_item_at(&to[n].at, arena, atom, place, item))
            n++;
    }
    return n;
}

/* Items that share a key are one thing: all of them together, without what is below. */
static void typed_compare_twins(struct typed_hit *ret, struct field_arena *arena,
                                const struct typed_place *item, const struct typed_entry *left,
                                size_t n_left, const struct typed_entry *right, size_t n_right,
                                unsigned depth)
{
    bool same = n_left == n_right;

    if (n_left <= 1 && n_right <= 1) {
        typed_compare_at(ret, arena, item, n_left > 0 ? left->value : NULL,
                         n_right > 0 ? right->value : NULL, depth + 1);
    } else if (n_left >= 2 && n_right >= 2) {
        for (size_t i = 0; same && i < n_left; i++)
            same = json_equal(left[i].value, right[i].value);
        ret->member[TYPED_MODIFIED] = !same;
    } else if (n_left >= 2) {
        if (n_right > 0)
            typed_compare_at(ret, arena, item, NULL, right->value, depth + 1);
        ret->member[TYPED_REMOVED] = true;
    } else {
        if (n_left > 0)
            typed_compare_at(ret, arena, item, left->value, NULL, depth + 1);
        ret->member[TYPED_ADDED] = true;
    }
}

static void typed_compare_list(struct typed_hit *ret, struct field_arena *arena,
                               const struct typed_atom *atom, const struct typed_place *place,
                               const json_t *a, const json_t *b, unsigned depth)
{
    size_t total = json_array_size(a) + json_array_size(b);
    struct typed_entry *all = field_arena_alloc(arena, total * sizeof(*all));
    struct typed_found found = { .lists = { { NULL, 0, 0 } } };
    struct typed_place item = typed_item(place);
    size_t n = typed_entries(all, arena, atom, place, a, false);

    n += typed_entries(all + n, arena, atom, place, b, true);
    qsort(all, n, sizeof(*all), typed_entry_compare);
    for (size_t i = 0, next; i < n; i = next) {
        struct typed_hit hit = { .member = { false } };
        size_t middle = i;

        for (next = i; next < n && field_at_compare(&all[i].at, &all[next].at) == 0; next++)
            middle += !all[next].right;
        typed_compare_twins(&hit, arena, &item, &all[i], middle - i, &all[middle], next - middle,
                            depth);
        typed_found_add(arena, &found, &all[i].at, &hit);
    }
    typed_found_done(ret, arena, &found);
}

/* --- any --- */

/* True: it was a leaf, or as good as one. */
static bool typed_compare_as(struct typed_hit *ret, struct field_arena *arena,
                             const struct typed_atom *atom, const struct typed_place *place,
                             const json_t *a, const json_t *b, unsigned depth)
{
    const json_t *la = json_is_array(a) ? a : NULL, *lb = json_is_array(b) ? b : NULL;
    const json_t *ma = json_is_object(a) ? a : NULL, *mb = json_is_object(b) ? b : NULL;

    if (atom->form == TYPED_LIST && !atom->atomic &&
        json_array_size(la) + json_array_size(lb) > 0) {
        typed_compare_list(ret, arena, atom, place, la, lb, depth);
        return false;
    }
    if (atom->form == TYPED_MAP && !atom->atomic &&
        (json_object_size(ma) + json_object_size(mb) > 0 ||
         ((ma != NULL || mb != NULL) && typed_has_always(place->type)))) {
        typed_compare_map(ret, arena, place, ma, mb, depth);
        return false;
    }
    typed_leaf(ret, a, b);
    return true;
}

static bool typed_atom_equal(const struct typed_atom *a, const struct typed_atom *b)
{
    return a->form == b->form && a->atomic == b->atomic;
}

static void typed_compare_at(struct typed_hit *ret, struct field_arena *arena,
                             const struct typed_place *place, const json_t *a, const json_t *b,
                             unsigned depth)
{
    struct typed_atom left = typed_resolve(place, a), right = typed_resolve(place, b);
    bool leaf;

    if (depth > FIELD_SET_DEPTH_MAX) {
        typed_leaf(ret, a, b);
        return;
    }
    if (b == NULL) {
        leaf = typed_compare_as(ret, arena, &left, place, a, b, depth);
    } else if (a == NULL || typed_atom_equal(&left, &right)) {
        leaf = typed_compare_as(ret, arena, &right, place, a, b, depth);
    } else { /* it became something else: both ways of looking at it count */
        typed_compare_as(ret, arena, &left, place, a, b, depth);
        leaf = typed_compare_as(ret, arena, &right, place, a, b, depth);
    }
    if (!leaf && a == NULL)
        ret->member[TYPED_ADDED] = true;
    else if (!leaf && b == NULL)
        ret->member[TYPED_REMOVED] = true;
}

struct typed_diff typed_compare(struct field_arena *arena, const struct typed_place *place,
                                const json_t *a, const json_t *b)
{
    struct typed_hit hit = { .member = { false } };

    if (a == NULL)
        a = field_arena_keep(arena, json_object());
    if (b == NULL)
        b = field_arena_keep(arena, json_object());
    typed_compare_at(&hit, arena, place, a, b, 0);
    return (struct typed_diff){ hit.below[TYPED_ADDED], hit.below[TYPED_MODIFIED],
                                hit.below[TYPED_REMOVED] };
}

/* --- paths --- */

/* True: the place itself is a path. */
static bool typed_paths_at(const struct field_set **ret_below, struct field_arena *arena,
                           const struct typed_place *place, const json_t *value, unsigned depth);

static const struct field_set *typed_paths_map(struct field_arena *arena,
                                               const struct typed_place *place, const json_t *map,
                                               unsigned depth)
{
    struct field_list list = { NULL, 0, 0 };
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
        struct field_node node = { .at = { .form = FIELD_NAME, .name = key } };
        struct typed_place below;
        bool named;

        if (!typed_member(&below, &named, place, key))
            continue;
        node.member = typed_paths_at(&node.below, arena, &below, value, depth + 1) || !named ||
                      json_is_null(value) ||
                      (json_is_object(value) && json_object_size(value) == 0);
        field_list_add(arena, &list, &node);
    }
    return field_list_done(arena, &list);
}

static const struct field_set *typed_paths_list(struct field_arena *arena,
                                                const struct typed_atom *atom,
                                                const struct typed_place *place,
                                                const json_t *items, unsigned depth)
{
    size_t n = json_array_size(items);
    struct typed_entry *all = field_arena_alloc(arena, n * sizeof(*all));
    struct typed_place item = typed_item(place);
    struct field_list list = { NULL, 0, 0 };

    n = typed_entries(all, arena, atom, place, items, false);
    qsort(all, n, sizeof(*all), typed_entry_compare);
    for (size_t i = 0, next; i < n; i = next) {
        struct field_node node = { .at = all[i].at, .member = true };

        for (next = i + 1; next < n && field_at_compare(&all[i].at, &all[next].at) == 0; next++)
            ;
        if (next == i + 1)
            typed_paths_at(&node.below, arena, &item, all[i].value, depth + 1);
        field_list_add(arena, &list, &node);
    }
    return field_list_done(arena, &list);
}

static bool typed_paths_at(const struct field_set **ret_below, struct field_arena *arena,
                           const struct typed_place *place, const json_t *value, unsigned depth)
{
    struct typed_atom atom = typed_resolve(place, value);

    if (atom.form == TYPED_SCALAR || atom.atomic || depth > FIELD_SET_DEPTH_MAX)
        return true;
    if (atom.form == TYPED_MAP && json_is_object(value))
        *ret_below = typed_paths_map(arena, place, value, depth);
    else if (atom.form == TYPED_LIST && json_is_array(value))
        *ret_below = typed_paths_list(arena, &atom, place, value, depth);
    return false;
}

const struct field_set *typed_paths(struct field_arena *arena, const struct typed_place *place,
                                    const json_t *tree)
{
    const struct field_set *below = NULL;

    typed_paths_at(&below, arena, place, tree, 0);
    return below;
}
