/* field_set: a set of paths into objects, as Kubernetes' managed fields are kept.
 *
 * A path is a row of elements: a field's name, the keys of a list's item, the value of a set's
 * item, an index.  A set is a tree of sorted nodes, immutable once made, and shares what is below
 * with the sets it was made of; NULL is the empty set.  Sets live in an arena, and so do their
 * texts; what they borrow from trees (names, values of keys) must outlive the arena, or be kept by
 * it.  FieldsV1 is their form as JSON (sigs.k8s.io/structured-merge-diff/v4, fieldpath).
 *
 * Pure.  Thread: any, one arena on one thread.
 */
#ifndef API_FIELD_SET_H
#define API_FIELD_SET_H

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIELD_SET_DEPTH_MAX 200

struct field_arena;

struct field_arena *field_arena_new(void);
struct field_arena *field_arena_free(struct field_arena *arena); /* NULL is fine */
void field_arena_freep(struct field_arena **arena);
void *field_arena_alloc(struct field_arena *arena, size_t size); /* not zeroed */
/* @tree lives as long as the arena. */
json_t *field_arena_keep(struct field_arena *arena, json_t *tree_steal);
const char *field_arena_str(struct field_arena *arena, const char *s); /* a copy; NULL stays */

enum field_form { FIELD_NAME, FIELD_KEY, FIELD_VALUE, FIELD_INDEX };

struct field_part { /* of the key of a list's item */
    const char *name;
    const json_t *value;
};

struct field_at { /* one element of a path */
    enum field_form form;
    unsigned n; /* parts */
    union {
        const char *name;
        const struct field_part *parts; /* sorted by name */
        const json_t *value;
        int64_t index;
    };
};

struct field_node {
    struct field_at at;
    bool member;                   /* the path that ends here is in the set */
    const struct field_set *below; /* longer ones; NULL: none */
};

struct field_set {
    size_t n;
    const struct field_node *nodes; /* sorted; each is a member or has something below */
};

/* The order of Kubernetes: names, keys, values, indices. */
int field_at_compare(const struct field_at *a, const struct field_at *b);
/* Numbers compare as numbers, whole or not. */
int field_value_compare(const json_t *a, const json_t *b);
/* `.spec`, `[name="x"]`, `[="v"]`, `[3]`, as people are told. */
void field_at_print(struct text *ret, const struct field_at *at);

/* --- making --- */

struct field_list { /* nodes in any order, on their way to a set */
    struct field_node *nodes;
    size_t n, cap;
};

/* Ignores a node that says nothing. */
void field_list_add(struct field_arena *arena, struct field_list *list,
                    const struct field_node *node);
/* Equal ones become one. */
const struct field_set *field_list_done(struct field_arena *arena, struct field_list *list);
/* The dotted @path of names alone: "metadata.name". */
const struct field_set *field_set_path(struct field_arena *arena, const char *path);

/* FieldsV1.  Elements of an unknown form are dropped; ERR_INVALID: not understood. */
int field_set_parse(const struct field_set **ret, struct field_arena *arena, const json_t *fields,
                    struct err *err);
json_t *field_set_json(const struct field_set *set); /* the caller's; {} of the empty set */

/* --- using --- */

const struct field_node *field_set_find(const struct field_set *set, const struct field_at *at);
bool field_set_equal(const struct field_set *a, const struct field_set *b);
const struct field_set *field_set_union(struct field_arena *arena, const struct field_set *a,
                                        const struct field_set *b);
const struct field_set *field_set_intersection(struct field_arena *arena, const struct field_set *a,
                                               const struct field_set *b);
/* Paths of @a that are not in @b. */
const struct field_set *field_set_difference(struct field_arena *arena, const struct field_set *a,
                                             const struct field_set *b);
/* Paths of @a that are neither in @b nor below a path of @b. */
const struct field_set *field_set_without(struct field_arena *arena, const struct field_set *a,
                                          const struct field_set *b);
/* Whether the dotted @path of names is in @set. */
bool field_set_has_path(const struct field_set *set, const char *path);
/* @fn for every path, as people are told, shorter ones first. */
void field_set_each(const struct field_set *set, void (*fn)(void *arg, const char *path),
                    void *arg);

#endif
