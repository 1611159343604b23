#include "storage/store_snapshot.h"

#include "base/mem.h"
#include "storage/store_impl.h"

#include <assert.h>
#include <string.h>

/* What stood at a key at the wanted revision, told by the first change behind it. */
struct store_undo {
    const struct object *changed; /* its key; in the ring */
    const struct object *before;  /* NULL: nothing was there */
    uint64_t revision;
};

struct store_undos {
    struct store_undo *list; /* owned; in order of (ns, name), one for each key */
    size_t n, next;
};

static int store_object_compare(const struct object *o, const char *ns, const char *name)
{
    int order = strcmp(o->ns, ns);

    return order ? order : strcmp(o->name, name);
}

static int store_undo_compare(const void *a, const void *b)
{
    const struct store_undo *x = a, *y = b;
    int order = store_object_compare(x->changed, y->changed->ns, y->changed->name);

    if (order != 0)
        return order;
    return x->revision < y->revision ? -1 : x->revision > y->revision;
}

static void store_undos_sort(struct store_undos *u)
{
    size_t n = 0;

    if (u->n > 1)
        qsort(u->list, u->n, sizeof(*u->list), store_undo_compare);
    for (size_t i = 0; i < u->n; i++) {
        const struct object *last = n > 0 ? u->list[n - 1].changed : NULL;

        if (last == NULL ||
            store_object_compare(last, u->list[i].changed->ns, u->list[i].changed->name) != 0)
            u->list[n++] = u->list[i];
    }
    u->n = n;
}

/* False: the ring does not know every change, or not what was there before one. */
static bool store_undos_read(struct store_undos *u, struct store *s, const struct store_bucket *b,
                             uint64_t revision)
{
    const struct store_ring_entry *e;
    size_t cap = 0;

    if (revision < s->floor || (revision > s->lost_from && revision < s->lost_to))
        return false;
    for (uint64_t at = revision; (e = store_ring_next(&s->ring, b, at)); at = e->revision) {
        if (!e->before && e->type != STORE_ADDED)
            return false; /* from before a restart */
        if (u->n == cap) {
            cap = cap ? 2 * cap : 64;
            u->list = mem_grow(u->list, cap, sizeof(*u->list));
        }
        u->list[u->n++] = (struct store_undo){ .changed = e->object,
                                               .before = e->before,
                                               .revision = e->revision };
    }
    if (revision < b->forgotten)
        return false;
    store_undos_sort(u);
    return true;
}

/* --- the walk: what is there now, and what was there, side by side --- */

struct store_past {
    struct store_iter now;
    const struct object *visible; /* the next of @now */
    struct store_undos undos;
    const char *ns;
};

static bool store_past_wants(const struct store_past *p, const struct object *o,
                             const struct store_snapshot_opts *opts)
{
    if (p->ns && strcmp(o->ns, p->ns) != 0)
        return false;
    return !opts->after_ns ||
           store_object_compare(o, opts->after_ns, opts->after_name ? opts->after_name : "") > 0;
}

static const struct object *store_past_next(struct store_past *p,
                                            const struct store_snapshot_opts *opts)
{
    while (p->visible || p->undos.next < p->undos.n) {
        const struct object *o = p->visible;
        const struct store_undo *u = p->undos.next < p->undos.n ? &p->undos.list[p->undos.next]
                                                                : NULL;
        int order = !u ? -1 : !o ? 1 : store_object_compare(o, u->changed->ns, u->changed->name);

        if (order <= 0)
            p->visible = store_iter_next(&p->now);
        if (order >= 0) {
            p->undos.next++;
            o = u->before;
        }
        if (o && (order < 0 || store_past_wants(p, o, opts)))
            return o;
    }
    return NULL;
}

/* The rest need not be walked when it is only asked whether there is any. */
static void store_snapshot_fill(struct store_snapshot *snapshot, struct store_past *p,
                                const struct store_snapshot_opts *opts)
{
    const struct object *o;
    size_t cap = 0;

    while ((o = store_past_next(p, opts))) {
        if (opts->max > 0 && snapshot->n == opts->max) {
            snapshot->has_more = true;
            snapshot->n_rest++;
            if (!opts->count_rest)
                return;
            continue;
        }
        if (snapshot->n == cap) {
            cap = cap ? 2 * cap : 64;
            snapshot->objects = mem_grow(snapshot->objects, cap, sizeof(*snapshot->objects));
        }
        snapshot->objects[snapshot->n++] = object_ref(o);
    }
}

int store_snapshot_take(struct store_snapshot *ret, struct store *s,
                        const struct store_snapshot_opts *opts)
{
    const struct store_bucket *b = store_index_bucket(&s->index, opts->bucket, false);
    struct store_past p = { .ns = opts->ns };

    assert(opts->revision <= s->visible);
    if (b && opts->revision < s->visible && !store_undos_read(&p.undos, s, b, opts->revision)) {
        free(p.undos.list);
        return STORE_TOO_OLD;
    }
    *ret = (struct store_snapshot){ .n = 0 };
    store_iter_init(&p.now, s, opts->bucket, opts->ns, opts->after_ns, opts->after_name);
    p.visible = store_iter_next(&p.now);
    store_snapshot_fill(ret, &p, opts);
    free(p.undos.list);
    return 0;
}

void store_snapshot_fini(struct store_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n; i++)
        object_unref(snapshot->objects[i]);
    free(snapshot->objects);
    *snapshot = (struct store_snapshot){ .n = 0 };
}
