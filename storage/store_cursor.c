#include "storage/store_impl.h"

#include "base/mem.h"

#include <assert.h>

struct store_cursor {
    struct list list; /* in its bucket, or the store's */
    struct store *s;
    struct store_bucket *bucket; /* NULL = all */
    uint64_t revision;
    bool armed; /* call wake at the next change */
    bool too_old;
    void (*wake)(void *arg);
    void *arg;
    /* Held for the caller until the next call: the ring may move on meanwhile. */
    struct object *object, *before;
};

/* Does the store know every change of the bucket behind @after? */
static bool store_cursor_known(const struct store *s, const struct store_bucket *b, uint64_t after)
{
    uint64_t forgotten = b ? b->forgotten : s->ring.forgotten;

    return after >= forgotten && after >= s->floor && after <= s->visible &&
           !(after > s->lost_from && after < s->lost_to);
}

int store_cursor_new(struct store_cursor **ret, struct store *s, const char *bucket, uint64_t after,
                     void (*wake)(void *arg), void *arg)
{
    struct store_bucket *b = bucket ? store_index_bucket(&s->index, bucket, true) : NULL;
    struct store_cursor *c;

    assert(wake);
    assert(!s->closing);
    if (!store_cursor_known(s, b, after))
        return STORE_TOO_OLD;
    c = MEM_NEW(struct store_cursor);
    *c = (struct store_cursor){ .s = s, .bucket = b, .revision = after, .armed = true };
    c->wake = wake;
    c->arg = arg;
    list_add_tail(b ? &b->cursors : &s->cursors, &c->list);
    s->n_cursors++;
    *ret = c;
    return 0;
}

size_t store_forget(struct store *s, uint64_t revision)
{
    return store_ring_drop_until(&s->ring, revision);
}

int store_cursor_next(struct store_cursor *c, struct store_change *ret)
{
    const uint64_t *forgotten = c->bucket ? &c->bucket->forgotten : &c->s->ring.forgotten;
    const struct store_ring_entry *e;

    c->object = object_unref(c->object);
    c->before = object_unref(c->before);
    if (c->too_old || c->revision < *forgotten)
        goto too_old;
    e = store_ring_next(&c->s->ring, c->bucket, c->revision);
    if (e) {
        c->object = object_ref(e->object);
        c->before = e->before ? object_ref(e->before) : NULL;
        c->revision = e->revision;
        *ret = (struct store_change){ .type = e->type, .object = c->object, .before = c->before };
        return 1;
    }
    if (c->revision < *forgotten)
        goto too_old;
    c->revision = c->s->visible;
    c->armed = true;
    return 0;
too_old:
    c->too_old = true;
    return STORE_TOO_OLD;
}

uint64_t store_cursor_revision(const struct store_cursor *c)
{
    return c->revision;
}

struct store_cursor *store_cursor_free(struct store_cursor *c)
{
    if (!c)
        return NULL;
    list_del(&c->list);
    c->s->n_cursors--;
    object_unref(c->object);
    object_unref(c->before);
    free(c);
    return NULL;
}

static void store_cursor_wake_list(struct list *cursors)
{
    LIST_EACH (it, cursors) {
        struct store_cursor *c = list_entry(it, struct store_cursor, list);

        if (!c->armed)
            continue;
        c->armed = false;
        c->wake(c->arg);
    }
}

void store_cursors_wake(struct store *s)
{
    if (list_empty(&s->touched))
        return;
    while (!list_empty(&s->touched)) {
        struct store_bucket *b = list_entry(s->touched.next, struct store_bucket, touched);

        list_del(&b->touched);
        store_cursor_wake_list(&b->cursors);
    }
    store_cursor_wake_list(&s->cursors);
}
