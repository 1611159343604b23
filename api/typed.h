/* typed: trees seen through their types, as the merging of server-side apply wants it.
 *
 * A place says what stands somewhere: a field of the tables (api/schema.h), a node of a custom
 * kind's schema (api/custom_schema.h), or something without a type, whose objects are maps and
 * whose lists are atomic.  Over it go the four walks that ownership is made of: what differs
 * between two trees, which paths a tree mentions, two trees merged, paths removed.  Facts:
 * sigs.k8s.io/structured-merge-diff/v4 (typed), k8s.io/kube-openapi (schemaconv).
 *
 * What Go writes although it says nothing (schema_field.always) is seen as present by
 * typed_compare alone: trees are canonical here and leave it out.
 *
 * Pure.  Thread: any.
 */
#ifndef API_TYPED_H
#define API_TYPED_H

#include "api/custom_schema.h"
#include "api/field_set.h"
#include "api/schema.h"

struct typed_place {
    const struct schema_type *type;   /* an object by the tables */
    const struct schema_field *field; /* by the tables: this field, or what it holds */
    const struct custom_node *node;   /* by a custom kind's schema */
    bool element;                     /* what the field holds, not the field itself */
    bool scalar;                      /* one value, of whatever type */
    bool envelope;                    /* of a custom kind: has apiVersion, kind and metadata */
    bool open;                        /* unknown members are kept from here on */
};

enum typed_form { TYPED_SCALAR, TYPED_LIST, TYPED_MAP };

struct typed_atom {
    enum typed_form form;
    bool atomic;             /* one owner for the whole; false for scalars */
    bool set;                /* a list whose items are values, each there once */
    const char *const *keys; /* of a list whose items have keys; NULL-terminated, or NULL */
};

/* --- places --- */

/* The root of @r's objects; of custom kinds valid until the caller returns to the loop. */
struct typed_place typed_root(const struct schema_resource *r);
struct typed_place typed_of_type(const struct schema_type *type);
struct typed_place typed_of_node(const struct custom_node *root);
struct typed_place typed_untyped(void);

/* What stands at @place, given the @value there (NULL: not known). */
struct typed_atom typed_resolve(const struct typed_place *place, const json_t *value);
/* False: the type has no such member.  @ret_named: it has it by name. */
bool typed_member(struct typed_place *ret, bool *ret_named, const struct typed_place *place,
                  const char *key);
struct typed_place typed_item(const struct typed_place *list);
/* The path element of a list's item; false: it has none (no key, no value). */
bool typed_item_at(struct field_at *ret, struct field_arena *arena, const struct typed_atom *list,
                   const struct typed_place *place, const json_t *item);
/* What @type sees in place of an absent always-written @field: borrowed from the arena. */
const json_t *typed_zero(struct field_arena *arena, const struct schema_field *field);

/* --- walks --- */

struct typed_diff {
    const struct field_set *added, *modified, *removed;
};

/* What leads from @a to @b; both may be NULL, which is an empty object. */
struct typed_diff typed_compare(struct field_arena *arena, const struct typed_place *place,
                                const json_t *a, const json_t *b);
/* Every leaf and item that @tree mentions. */
const struct field_set *typed_paths(struct field_arena *arena, const struct typed_place *place,
                                    const json_t *tree);
/* Members with names become paths of their own where something below them is in @set. */
const struct field_set *typed_named(struct field_arena *arena, const struct typed_place *place,
                                    const struct field_set *set);
/* @set for a type in which something became atomic since: one owner for the whole. */
const struct field_set *typed_reconcile(struct field_arena *arena, const struct typed_place *place,
                                        const struct field_set *set);

/* @b over @a; the caller's.  Nothing is removed. */
json_t *typed_merge(const struct typed_place *place, const json_t *a, const json_t *b);
/* @tree without the paths of @set; what loses all its members becomes null.  The caller's. */
json_t *typed_remove(const struct typed_place *place, const json_t *tree,
                     const struct field_set *set);
/* Whether @tree fits; ERR_INVALID says what does not, in Kubernetes' words: duplicate keys and
 * fields that are not declared among it. */
int typed_check(const struct typed_place *place, const json_t *tree, struct text *ret_problems);

#endif
