#include "controlplane/view.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>

/* A tree by the identity of its object; the reference keeps the address from being reused. */
struct view_tree_slot {
    struct object *object;
    json_t *tree;
};

struct view_list_block {
    struct view_list_block *next;
    const struct object *items[];
};

struct view {
    const struct store *store;     /* borrowed */
    const struct metrics *metrics; /* borrowed, or NULL */
    struct rbac *rbac;             /* borrowed, or NULL */
    struct rbac *own_rbac;         /* owned: of this step, when there is no other */
    struct view_tree_slot *slots;  /* owned; open addressing, n_slots a power of two */
    size_t n_slots, n_used;
    size_t json_bytes, keep_bytes;
    struct view_list_block *lists; /* owned */
    const char *asked[8];          /* by view_first in this step */
    size_t n_asked;
};

#define VIEW_SLOTS_MIN 64

struct view *view_new(const struct store *store)
{
    struct view *v = MEM_NEW(struct view);

    assert(store);
    v->store = store;
    return v;
}

static void view_forget_trees(struct view *v)
{
    for (size_t i = 0; v->n_used > 0 && i < v->n_slots; i++) {
        if (!v->slots[i].object)
            continue;
        json_decref(v->slots[i].tree);
        object_unref(v->slots[i].object);
        v->slots[i] = (struct view_tree_slot){ 0 };
    }
    v->n_used = 0;
    v->json_bytes = 0;
}

struct view *view_free(struct view *v)
{
    if (!v)
        return NULL;
    view_end_step(v);
    view_forget_trees(v);
    free(v->slots);
    free(v);
    return NULL;
}

void view_set_metrics(struct view *v, const struct metrics *metrics)
{
    v->metrics = metrics;
}

const struct metrics *view_metrics(const struct view *v)
{
    return v->metrics;
}

void view_set_rbac(struct view *v, struct rbac *rbac)
{
    v->rbac = rbac;
}

struct rbac *view_rbac(struct view *v)
{
    if (v->rbac == NULL && v->own_rbac == NULL)
        v->own_rbac = rbac_new(v->store);
    return v->rbac != NULL ? v->rbac : v->own_rbac;
}

const struct store *view_store(const struct view *v)
{
    return v->store;
}

size_t view_footprint(const struct view *v)
{
    return v->json_bytes;
}

void view_keep(struct view *v, size_t json_bytes)
{
    v->keep_bytes = json_bytes;
}

bool view_first(struct view *v, const char *what)
{
    for (size_t i = 0; i < v->n_asked; i++)
        if (str_eq(v->asked[i], what))
            return false;
    if (v->n_asked < N_ELEMENTS(v->asked))
        v->asked[v->n_asked++] = what;
    return true;
}

void view_let_go(struct view *v, size_t json_bytes)
{
    if (v->json_bytes > v->keep_bytes + json_bytes)
        view_forget_trees(v);
    while (v->lists) {
        struct view_list_block *next = v->lists->next;

        free(v->lists);
        v->lists = next;
    }
}

void view_end_step(struct view *v)
{
    v->n_asked = 0;
    v->own_rbac = rbac_free(v->own_rbac);
    view_let_go(v, 0);
}

/* --- trees --- */

static struct view_tree_slot *view_slot(struct view_tree_slot *slots, size_t n,
                                        const struct object *o)
{
    size_t i = ((uintptr_t)o >> 4) * 0x9e3779b97f4a7c15u >> 20 & (n - 1);

    while (slots[i].object && slots[i].object != o)
        i = (i + 1) & (n - 1);
    return &slots[i];
}

static void view_grow(struct view *v)
{
    size_t n = v->n_slots ? 2 * v->n_slots : VIEW_SLOTS_MIN;
    struct view_tree_slot *slots = MEM_NEW_ARRAY(struct view_tree_slot, n);

    for (size_t i = 0; i < v->n_slots; i++)
        if (v->slots[i].object)
            *view_slot(slots, n, v->slots[i].object) = v->slots[i];
    free(v->slots);
    v->slots = slots;
    v->n_slots = n;
}

const json_t *view_tree(struct view *v, const struct object *o)
{
    struct view_tree_slot *slot;

    assert(o);
    if (2 * (v->n_used + 1) > v->n_slots)
        view_grow(v);
    slot = view_slot(v->slots, v->n_slots, o);
    if (!slot->object) {
        slot->object = object_ref(o);
        slot->tree = object_tree_lean(o);
        v->n_used++;
        v->json_bytes += o->json_len;
    }
    return slot->tree;
}

/* --- objects --- */

const struct object *view_get(struct view *v, const char *bucket, const char *ns, const char *name)
{
    return store_get(v->store, bucket, ns, name);
}

struct view_collect {
    struct view_list_block *block;
    size_t n, cap;
};

static void view_collect_add(struct view_collect *c, const struct object *o)
{
    if (!c->block || c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 15;
        c->block = mem_grow(c->block, sizeof(*c->block) + (c->cap + 1) * sizeof(o), 1);
    }
    c->block->items[c->n] = o;
    if (o)
        c->n++;
}

static const struct object *const *view_collect_done(struct view *v, struct view_collect *c,
                                                     size_t *ret_n)
{
    view_collect_add(c, NULL);
    c->block->next = v->lists;
    v->lists = c->block;
    if (ret_n)
        *ret_n = c->n;
    return c->block->items;
}

const struct object *const *view_list(struct view *v, const char *bucket, const char *ns,
                                      size_t *ret_n)
{
    struct view_collect c = { 0 };
    struct store_iter it;
    const struct object *o;

    store_iter_init(&it, v->store, bucket, ns, NULL, NULL);
    while ((o = store_iter_next(&it)))
        view_collect_add(&c, o);
    return view_collect_done(v, &c, ret_n);
}

const struct object *const *view_owned(struct view *v, const char *bucket, const char *owner_uid,
                                       size_t *ret_n)
{
    struct view_collect c = { 0 };
    struct store_walk walk;
    const struct object *o;

    store_walk_owned(&walk, v->store, owner_uid);
    while ((o = store_walk_next(&walk)))
        if (!bucket || str_eq(o->bucket, bucket))
            view_collect_add(&c, o);
    return view_collect_done(v, &c, ret_n);
}

const struct object *const *view_on_node(struct view *v, const char *node, size_t *ret_n)
{
    struct view_collect c = { 0 };
    struct store_walk walk;
    const struct object *o;

    store_walk_node(&walk, v->store, "pods", node);
    while ((o = store_walk_next(&walk)))
        view_collect_add(&c, o);
    return view_collect_done(v, &c, ret_n);
}
