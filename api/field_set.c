#include "api/field_set.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define FIELD_BLOCK 4000

/* --- arena --- */

struct field_block {
    struct field_block *next;
    size_t used, size;
};

struct field_arena {
    struct field_block *blocks;
    json_t *kept; /* array, or NULL */
};

struct field_arena *field_arena_new(void)
{
    return MEM_NEW(struct field_arena);
}

struct field_arena *field_arena_free(struct field_arena *arena)
{
    if (arena == NULL)
        return NULL;
    while (arena->blocks != NULL) {
        struct field_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
    json_decref(arena->kept);
    free(arena);
    return NULL;
}

void field_arena_freep(struct field_arena **arena)
{
    *arena = field_arena_free(*arena);
}

void *field_arena_alloc(struct field_arena *arena, size_t size)
{
    struct field_block *block = arena->blocks;
    size_t need = (size + 15) & ~(size_t)15;
    char *at;

    if (block == NULL || block->size - block->used < need) {
        size_t room = need > FIELD_BLOCK ? need : FIELD_BLOCK;

        block = mem_grow(NULL, 1, sizeof(*block) + room);
        block->next = arena->blocks;
        block->size = room;
        block->used = 0;
        arena->blocks = block;
    }
    at = (char *)(block + 1) + block->used;
    block->used += need;
    return at;
}

json_t *field_arena_keep(struct field_arena *arena, json_t *tree_steal)
{
    if (arena->kept == NULL)
        arena->kept = json_array();
    json_array_append_new(arena->kept, tree_steal);
    return tree_steal;
}

const char *field_arena_str(struct field_arena *arena, const char *s)
{
    size_t len = s != NULL ? strlen(s) + 1 : 0;

    return s != NULL ? memcpy(field_arena_alloc(arena, len), s, len) : NULL;
}

/* --- order --- */

/* value.Compare: floats and integers by size, then strings, booleans, lists, maps, null. */
static int field_value_rank(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_INTEGER:
    case JSON_REAL: return 0;
    case JSON_STRING: return 1;
    case JSON_FALSE:
    case JSON_TRUE: return 2;
    case JSON_ARRAY: return 3;
    case JSON_OBJECT: return 4;
    default: return 5;
    }
}

static int field_number_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);

        return (x > y) - (x < y);
    }
    double x = json_number_value(a), y = json_number_value(b);

    return (x > y) - (x < y);
}

int field_value_compare(const json_t *a, const json_t *b)
{
    int order = field_value_rank(a) - field_value_rank(b);

    if (order != 0 || a == b)
        return order;
    if (json_is_number(a))
        return field_number_compare(a, b);
    if (json_is_string(a))
        return strcmp(json_string_value(a), json_string_value(b));
    if (json_is_boolean(a))
        return (int)json_is_true(a) - (int)json_is_true(b);
    if (json_is_null(a))
        return 0;
    cleanup(freep) char *x = json_print_sorted(a, NULL);
    cleanup(freep) char *y = json_print_sorted(b, NULL);

    return strcmp(x, y);
}

static int field_key_compare(const struct field_at *a, const struct field_at *b)
{
    unsigned n = a->n < b->n ? a->n : b->n;

    for (unsigned i = 0; i < n; i++) {
        int order = strcmp(a->parts[i].name, b->parts[i].name);

        if (order == 0)
            order = field_value_compare(a->parts[i].value, b->parts[i].value);
        if (order != 0)
            return order;
    }
    return (a->n > b->n) - (a->n < b->n);
}

int field_at_compare(const struct field_at *a, const struct field_at *b)
{
    if (a->form != b->form)
        return a->form < b->form ? -1 : 1;
    switch (a->form) {
    case FIELD_NAME: return strcmp(a->name, b->name);
    case FIELD_KEY: return field_key_compare(a, b);
    case FIELD_VALUE: return field_value_compare(a->value, b->value);
    case FIELD_INDEX: break;
    }
    return (a->index > b->index) - (a->index < b->index);
}

/* --- making --- */

void field_list_add(struct field_arena *arena, struct field_list *list,
                    const struct field_node *node)
{
    if (!node->member && node->below == NULL)
        return;
    if (list->n == list->cap) {
        size_t cap = list->cap > 0 ? list->cap * 2 : 4;
        struct field_node *nodes = field_arena_alloc(arena, cap * sizeof(*nodes));

        if (list->n > 0)
            memcpy(nodes, list->nodes, list->n * sizeof(*nodes));
        list->nodes = nodes;
        list->cap = cap;
    }
    list->nodes[list->n++] = *node;
}

static const struct field_set *field_set_make(struct field_arena *arena, struct field_node *nodes,
                                              size_t n)
{
    struct field_set *set;

    if (n == 0)
        return NULL;
    set = field_arena_alloc(arena, sizeof(*set));
    set->n = n;
    set->nodes = nodes;
    return set;
}

static int field_node_compare(const void *a, const void *b)
{
    return field_at_compare(&((const struct field_node *)a)->at,
                            &((const struct field_node *)b)->at);
}

const struct field_set *field_list_done(struct field_arena *arena, struct field_list *list)
{
    bool sorted = true, twice = false;
    size_t n = 0;

    for (size_t i = 1; i < list->n && sorted; i++) {
        int order = field_node_compare(&list->nodes[i - 1], &list->nodes[i]);

        sorted = order <= 0;
        twice = twice || order == 0;
    }
    if (!sorted)
        qsort(list->nodes, list->n, sizeof(*list->nodes), field_node_compare);
    if (sorted && !twice)
        return field_set_make(arena, list->nodes, list->n);
    for (size_t i = 0; i < list->n; i++) {
        struct field_node *last = n > 0 ? &list->nodes[n - 1] : NULL;

        if (last != NULL && field_node_compare(last, &list->nodes[i]) == 0) {
            last->member = last->member || list->nodes[i].member;
            last->below = field_set_union(arena, last->below, list->nodes[i].below);
        } else {
            list->nodes[n++] = list->nodes[i];
        }
    }
    return field_set_make(arena, list->nodes, n);
}

const struct field_set *field_set_path(struct field_arena *arena, const char *path)
{
    const char *dot = strchr(path, '.');
    size_t len = dot != NULL ? (size_t)(dot - path) : strlen(path);
    char *name = field_arena_alloc(arena, len + 1);
    struct field_node *node = field_arena_alloc(arena, sizeof(*node));

    memcpy(name, path, len);
    name[len] = '\0';
    *node = (struct field_node){
        .at = { .form = FIELD_NAME, .name = name },
        .member = dot == NULL,
        .below = dot != NULL ? field_set_path(arena, dot + 1) : NULL,
    };
    return field_set_make(arena, node, 1);
}

/* --- algebra --- */

enum field_rule { FIELD_UNION, FIELD_INTERSECTION, FIELD_DIFFERENCE, FIELD_WITHOUT };

static const struct field_set *field_set_combine(struct field_arena *arena, enum field_rule rule,
                                                 const struct field_set *a,
                                                 const struct field_set *b);

/* What the rule makes of a node that both have. */
static struct field_node field_node_combine(struct field_arena *arena, enum field_rule rule,
                                            const struct field_node *a, const struct field_node *b)
{
    struct field_node node = { .at = a->at };

    switch (rule) {
    case FIELD_UNION: node.member = a->member || b->member; break;
    case FIELD_INTERSECTION: node.member = a->member && b->member; break;
    case FIELD_DIFFERENCE:
    case FIELD_WITHOUT: node.member = a->member && !b->member; break;
    }
    if (rule != FIELD_WITHOUT || !b->member)
        node.below = field_set_combine(arena, rule, a->below, b->below);
    return node;
}

static const struct field_set *field_set_combine(struct field_arena *arena, enum field_rule rule,
                                                 const struct field_set *a,
                                                 const struct field_set *b)
{
    struct field_list out = { NULL, 0, 0 };
    size_t i = 0, j = 0;

    if (a == NULL)
        return rule == FIELD_UNION ? b : NULL;
    if (b == NULL)
        return rule == FIELD_INTERSECTION ? NULL : a;
    while (i < a->n || j < b->n) {
        int order = i >= a->n   ? 1
                    : j >= b->n ? -1
                                : field_at_compare(&a->nodes[i].at, &b->nodes[j].at);

        if (order == 0) {
            struct field_node both = field_node_combine(arena, rule, &a->nodes[i], &b->nodes[j]);

            field_list_add(arena, &out, &both);
        } else if (order < 0 && rule != FIELD_INTERSECTION) {
            field_list_add(arena, &out, &a->nodes[i]);
        } else if (order > 0 && rule == FIELD_UNION) {
            field_list_add(arena, &out, &b->nodes[j]);
        }
        i += order <= 0;
        j += order >= 0;
    }
    return field_set_make(arena, out.nodes, out.n);
}

const struct field_set *field_set_union(struct field_arena *arena, const struct field_set *a,
                                        const struct field_set *b)
{
    return field_set_combine(arena, FIELD_UNION, a, b);
}

const struct field_set *field_set_intersection(struct field_arena *arena, const struct field_set *a,
                                               const struct field_set *b)
{
    return field_set_combine(arena, FIELD_INTERSECTION, a, b);
}

const struct field_set *field_set_difference(struct field_arena *arena, const struct field_set *a,
                                             const struct field_set *b)
{
    return field_set_combine(arena, FIELD_DIFFERENCE, a, b);
}

const struct field_set *field_set_without(struct field_arena *arena, const struct field_set *a,
                                          const struct field_set *b)
{
    return field_set_combine(arena, FIELD_WITHOUT, a, b);
}

bool field_set_equal(const struct field_set *a, const struct field_set *b)
{
    if (a == b)
        return true;
    if (a == NULL || b == NULL || a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->nodes[i].member != b->nodes[i].member ||
            field_at_compare(&a->nodes[i].at, &b->nodes[i].at) != 0 ||
            !field_set_equal(a->nodes[i].below, b->nodes[i].below))
            return false;
    return true;
}

const struct field_node *field_set_find(const struct field_set *set, const struct field_at *at)
{
    size_t low = 0, high = set != NULL ? set->n : 0;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = field_at_compare(at, &set->nodes[mid].at);

        if (order == 0)
            return &set->nodes[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

bool field_set_has_path(const struct field_set *set, const char *path)
{
    cleanup(field_arena_freep) struct field_arena *arena = field_arena_new();
    const struct field_set *want = field_set_path(arena, path);

    return field_set_intersection(arena, set, want) != NULL;
}
