/* Two trees merged, paths removed, and sets of paths made to fit a type. */
#include "api/typed.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

/* --- merging --- */

static json_t *typed_merge_at(struct field_arena *arena, const struct typed_place *place,
                              const json_t *a, const json_t *b, unsigned depth);

static json_t *typed_share(const json_t *value)
{
    return json_incref((json_t *)(uintptr_t)value);
}

static json_t *typed_merge_map(struct field_arena *arena, const struct typed_place *place,
                               const json_t *a, const json_t *b, unsigned depth)
{
    json_t *out = json_object();
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)a, key, value) {
        const json_t *over = json_object_get(b, key);
        struct typed_place below;
        bool named;

        if (over != NULL && typed_member(&below, &named, place, key))
            json_object_set_new_nocheck(out, key,
                                        typed_merge_at(arena, &below, value, over, depth + 1));
        else
            json_object_set_nocheck(out, key, over != NULL ? (json_t *)(uintptr_t)over : value);
    }
    json_object_foreach ((json_t *)(uintptr_t)b, key, value)
        if (json_object_get(a, key) == NULL)
            json_object_set_nocheck(out, key, value);
    return out;
}

/* One side of two lists being merged. */
struct typed_row {
    struct field_at at;
    const json_t *value;
    size_t twin;  /* where the other side has it; SIZE_MAX: nowhere */
    bool has_at;  /* else nothing matches it */
    bool doubled; /* left only: the key is there more than once */
};

struct typed_rows {
    struct typed_row *rows;
    size_t n;
    const struct typed_row **sorted;
};

static int typed_row_compare(const void *a, const void *b)
{
    const struct typed_row *x = *(const struct typed_row *const *)a;
    const struct typed_row *y = *(const struct typed_row *const *)b;

    if (x->has_at != y->has_at)
        return x->has_at ? -1 : 1;
    if (x->has_at) {
        int order = field_at_compare(&x->at, &y->at);

        if (order != 0)
            return order;
    }
    return (x > y) - (x < y);
}

static struct typed_rows typed_rows_make(struct field_arena *arena, const struct typed_atom *atom,
                                         const struct typed_place *place, const json_t *list)
{
    size_t n = json_array_size(list);
    struct typed_rows all = {
        .rows = field_arena_alloc(arena, (n + 1) * sizeof(*all.rows)),
        .sorted = field_arena_alloc(arena, (n + 1) * sizeof(const struct typed_row *)),
        .n = n,
    };

    for (size_t i = 0; i < n; i++) {
        struct typed_row *row = &all.rows[i];

        *row = (struct typed_row){ .value = json_array_get(list, i), .twin = SIZE_MAX };
        row->has_at = typed_item_at(&row->at, arena, atom, place, row->value);
        all.sorted[i] = row;
    }
    if (n > 1)
        qsort(all.sorted, n, sizeof(*all.sorted), typed_row_compare);
    return all;
}

/* Finds each row's twin on the other side; the first of several there. */
static void typed_rows_match(struct typed_rows *left, struct typed_rows *right)
{
    size_t i = 0, j = 0;

    while (i < left->n && j < right->n && left->sorted[i]->has_at && right->sorted[j]->has_at) {
        struct typed_row *l = &left->rows[left->sorted[i] - left->rows];
        struct typed_row *r = &right->rows[right->sorted[j] - right->rows];
        int order = field_at_compare(&l->at, &r->at);

        if (order == 0) {
            l->doubled = r->twin != SIZE_MAX;
            l->twin = (size_t)(r - right->rows);
            if (l->doubled)
                left->rows[r->twin].doubled = true;
            else
                r->twin = (size_t)(l - left->rows);
        }
        i += order <= 0;
        j += order > 0;
    }
}

struct typed_merging {
    struct field_arena *arena;
    struct typed_place item;
    struct typed_rows left, right;
    size_t shared; /* the next row of the right side that the left has too */
    bool *done;    /* of the right side */
    json_t *out;
    unsigned depth;
};

static void typed_merging_take(struct typed_merging *m, size_t r)
{
    const struct typed_row *right = &m->right.rows[r];
    const struct typed_row *left = right->twin != SIZE_MAX ? &m->left.rows[right->twin] : NULL;

    m->done[r] = true;
    if (left != NULL && !left->doubled)
        json_array_append_new(
            m->out, typed_merge_at(m->arena, &m->item, left->value, right->value, m->depth + 1));
    else /* several of one key: the new one takes their place */
        json_array_append(m->out, (json_t *)(uintptr_t)right->value);
}

static void typed_merging_next_shared(struct typed_merging *m)
{
    if (m->shared < m->right.n)
        m->shared++;
    while (m->shared < m->right.n && m->right.rows[m->shared].twin == SIZE_MAX)
        m->shared++;
}

/* The order of the right side, and between them what only the left has, where it was. */
static void typed_merging_run(struct typed_merging *m)
{
    size_t l = 0, r = 0;

    while (m->shared < m->right.n && m->right.rows[m->shared].twin == SIZE_MAX)
        m->shared++;
    while (l < m->left.n || r < m->right.n) {
        const struct typed_row *left = l < m->left.n ? &m->left.rows[l] : NULL;

        if (left != NULL && r < m->right.n) {
            if (left->twin == r) {
                typed_merging_take(m, r);
                l++;
                r++;
                typed_merging_next_shared(m);
                continue;
            }
            /* It moved: it comes where the right side has it. */
            if (left->twin != SIZE_MAX && m->shared < m->right.n && left->twin != m->shared) {
                l++;
                continue;
            }
        }
        if (left != NULL && left->twin == SIZE_MAX) {
            json_array_append(m->out, (json_t *)(uintptr_t)left->value);
            l++;
            continue;
        }
        if (left != NULL && m->done[left->twin])
            l++;
        if (r < m->right.n) {
            typed_merging_take(m, r);
            if (m->shared == r)
                typed_merging_next_shared(m);
            r++;
        }
    }
}

static json_t *typed_merge_list(struct field_arena *arena, const struct typed_atom *atom,
                                const struct typed_place *place, const json_t *a, const json_t *b,
                                unsigned depth)
{
    struct typed_merging m = {
        .arena = arena,
        .item = typed_item(place),
        .left = typed_rows_make(arena, atom, place, a),
        .right = typed_rows_make(arena, atom, place, b),
        .done = field_arena_alloc(arena, json_array_size(b) + 1),
        .out = json_array(),
        .depth = depth,
    };

    memset(m.done, 0, json_array_size(b) + 1);
    typed_rows_match(&m.left, &m.right);
    typed_merging_run(&m);
    return m.out;
}

static json_t *typed_merge_at(struct field_arena *arena, const struct typed_place *place,
                              const json_t *a, const json_t *b, unsigned depth)
{
    struct typed_atom left = typed_resolve(place, a), right = typed_resolve(place, b);
    bool null = json_is_null(b);

    if (depth > FIELD_SET_DEPTH_MAX || right.form == TYPED_SCALAR || right.atomic ||
        left.form != right.form)
        return typed_share(b);
    if (right.form == TYPED_MAP && json_is_object(a) && (json_is_object(b) || null) &&
        json_object_size(a) + json_object_size(b) > 0)
        return typed_merge_map(arena, place, a, null ? NULL : b, depth);
    if (right.form == TYPED_LIST && json_is_array(a) && (json_is_array(b) || null) &&
        json_array_size(a) + json_array_size(b) > 0)
        return typed_merge_list(arena, &right, place, a, null ? NULL : b, depth);
    return typed_share(b);
}

json_t *typed_merge(const struct typed_place *place, const json_t *a, const json_t *b)
{
    cleanup(field_arena_freep) struct field_arena *arena = field_arena_new();
    cleanup(json_decrefpp) json_t *shared = typed_merge_at(arena, place, a, b, 0);

    return json_deep_copy(shared);
}

/* --- removing --- */

static json_t *typed_remove_at(struct field_arena *arena, const struct typed_place *place,
                               const json_t *value, const struct field_set *set);

static json_t *typed_remove_map(struct field_arena *arena, const struct typed_place *place,
                                const json_t *map, const struct field_set *set)
{
    json_t *out = json_object();
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
        struct field_at at = { .form = FIELD_NAME, .name = key };
        const struct field_node *node = field_set_find(set, &at);
        struct typed_place below;
        bool named;

        if (node != NULL && node->member)
            continue;
        if (node != NULL && typed_member(&below, &named, place, key))
            json_object_set_new_nocheck(out, key,
                                        typed_remove_at(arena, &below, value, node->below));
        else
            json_object_set_nocheck(out, key, value);
    }
    return out;
}

/* An item that stays keeps its keys, or it would be another item. */
static json_t *typed_remove_item(struct field_arena *arena, const struct typed_atom *atom,
                                 const struct typed_place *below, const json_t *item,
                                 const struct field_set *set)
{
    json_t *out = typed_remove_at(arena, below, item, set);

    for (size_t i = 0; atom->keys != NULL && atom->keys[i] != NULL; i++) {
        json_t *key = json_object_get(item, atom->keys[i]);

        if (key != NULL && !json_is_object(out)) {
            json_decref(out);
            out = json_object();
        }
        if (key != NULL)
            json_object_set_nocheck(out, atom->keys[i], key);
    }
    return out;
}

static json_t *typed_remove_list(struct field_arena *arena, const struct typed_atom *atom,
                                 const struct typed_place *place, const json_t *list,
                                 const struct field_set *set)
{
    struct typed_place below = typed_item(place);
    json_t *out = json_array(), *item;
    size_t i;

    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        const struct field_node *node = NULL;
        struct field_at at;

        if (typed_item_at(&at, arena, atom, place, item))
            node = field_set_find(set, &at);
        if (node != NULL && node->member)
            continue;
        if (node != NULL)
            json_array_append_new(out, typed_remove_item(arena, atom, &below, item, node->below));
        else
            json_array_append(out, item);
    }
    return out;
}

/* What is empty afterwards is null, as an absent slice or map of Go. */
static json_t *typed_remove_at(struct field_arena *arena, const struct typed_place *place,
                               const json_t *value, const struct field_set *set)
{
    struct typed_atom atom = typed_resolve(place, value);
    json_t *out;

    if (atom.form == TYPED_SCALAR)
        return typed_share(value);
    if (atom.form == TYPED_MAP && !atom.atomic && json_is_object(value)) {
        out = typed_remove_map(arena, place, value, set);
        if (json_object_size(out) > 0)
            return out;
    } else if (atom.form == TYPED_LIST && !atom.atomic && json_is_array(value)) {
        out = typed_remove_list(arena, &atom, place, value, set);
        if (json_array_size(out) > 0)
            return out;
    } else {
        return json_null();
    }
    json_decref(out);
    return json_null();
}

json_t *typed_remove(const struct typed_place *place, const json_t *tree,
                     const struct field_set *set)
{
    cleanup(field_arena_freep) struct field_arena *arena = field_arena_new();
    cleanup(json_decrefpp) json_t *shared = typed_remove_at(arena, place, tree, set);

    return json_is_object(shared) ? json_deep_copy(shared) : json_object();
}

/* --- sets and types --- */

/* Where a node of a set leads; false: out of the type. */
static bool typed_step(struct typed_place *ret, bool *ret_named, const struct typed_place *place,
                       const struct field_at *at)
{
    *ret_named = false;
    if (at->form == FIELD_NAME)
        return typed_member(ret, ret_named, place, at->name);
    *ret = typed_item(place);
    return at->form == FIELD_KEY;
}

const struct field_set *typed_named(struct field_arena *arena, const struct typed_place *place,
                                    const struct field_set *set)
{
    struct field_list list = { NULL, 0, 0 };

    for (size_t i = 0; set != NULL && i < set->n; i++) {
        struct field_node node = set->nodes[i];
        struct typed_place below;
        bool named;

        if (node.below != NULL && typed_step(&below, &named, place, &node.at)) {
            node.member = node.member || named;
            node.below = typed_named(arena, &below, node.below);
        }
        field_list_add(arena, &list, &node);
    }
    return field_list_done(arena, &list);
}

const struct field_set *typed_reconcile(struct field_arena *arena, const struct typed_place *place,
                                        const struct field_set *set)
{
    struct field_list list = { NULL, 0, 0 };

    for (size_t i = 0; set != NULL && i < set->n; i++) {
        struct field_node node = set->nodes[i];
        struct typed_place below;
        bool named;

        if (node.below != NULL && typed_step(&below, &named, place, &node.at)) {
            if (typed_resolve(&below, NULL).atomic)
                node = (struct field_node){ .at = node.at, .member = true };
            else
                node.below = typed_reconcile(arena, &below, node.below);
        }
        field_list_add(arena, &list, &node);
    }
    return field_list_done(arena, &list);
}
