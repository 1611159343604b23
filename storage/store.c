#include "storage/store_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

static const struct store_opts store_default_opts = {
    .max_objects = 1000000,
    .max_bytes = (size_t)4 << 30,
    .ring_changes = 10000,
    .ring_bytes = (size_t)64 << 20,
};

static size_t store_opt(size_t wanted, size_t otherwise)
{
    return wanted > 0 ? wanted : otherwise;
}

static struct store_opts store_complete_opts(const struct store_opts *opts)
{
    const struct store_opts *otherwise = &store_default_opts;

    if (!opts)
        return *otherwise;
    return (struct store_opts){
        .max_objects = store_opt(opts->max_objects, otherwise->max_objects),
        .max_bytes = store_opt(opts->max_bytes, otherwise->max_bytes),
        .ring_changes = store_opt(opts->ring_changes, otherwise->ring_changes),
        .ring_bytes = store_opt(opts->ring_bytes, otherwise->ring_bytes),
    };
}

static void store_free(struct store *s)
{
    assert(list_empty(&s->pending) && list_empty(&s->finished) && s->n_cursors == 0);
    LIST_EACH_SAFE (it, &s->dirty) { /* the last batch failed: these are lost */
        struct store_dirty *d = list_entry(it, struct store_dirty, list);

        d->record->n_dirty--;
        d->record->dirty = NULL;
        object_unref(d->object);
        free(d);
    }
    store_ring_fini(&s->ring);
    store_index_fini(&s->index);
    free(s->batch.rows);
    free(s);
}

static void store_on_closed(void *arg)
{
    struct store *s = arg;
    void (*on_closed)(void *arg) = s->on_closed;
    void *on_closed_arg = s->on_closed_arg;

    store_free(s);
    if (on_closed)
        on_closed(on_closed_arg);
}

int store_open(struct store **ret, struct store_backend *backend, const struct store_opts *opts,
               struct err *err)
{
    struct store *s = MEM_NEW(struct store);
    int rc;

    s->backend = backend;
    s->opts = store_complete_opts(opts);
    store_index_init(&s->index);
    store_ring_init(&s->ring, s->opts.ring_changes, s->opts.ring_bytes);
    list_init(&s->cursors);
    list_init(&s->pending);
    list_init(&s->dirty);
    list_init(&s->finished);
    list_init(&s->touched);
    list_init(&s->batch.dirty);
    backend->store = s;
    backend->flush = store_on_flush;
    rc = store_load(s, err);
    if (rc < 0) {
        backend->flush = NULL;
        backend->close(backend, store_on_closed, s);
        return rc;
    }
    *ret = s;
    return 0;
}

/* Is there anything an orderly end should still write?  A ceiling ahead of the counter would make
 * the next start skip revisions. */
static bool store_wants_last_batch(const struct store *s)
{
    return !s->gave_up &&
           (!list_empty(&s->pending) || !list_empty(&s->dirty) || s->ceiling > s->counter);
}

void store_settle(struct store *s)
{
    if (!s->closing || s->batch.busy || s->deferred || s->finishing > 0)
        return;
    if (store_wants_last_batch(s)) {
        store_batch_start(s);
        return;
    }
    s->backend->flush = NULL;
    s->backend->close(s->backend, store_on_closed, s);
}

void store_close(struct store *s, void (*on_closed)(void *arg), void *arg)
{
    assert(!s->closing);
    s->closing = true;
    s->on_closed = on_closed;
    s->on_closed_arg = arg;
    store_settle(s);
}

/* --- reading --- */

static const struct store_record *store_find(const struct store *s, const char *bucket,
                                             const char *ns, const char *name)
{
    const struct store_bucket *b = store_index_bucket(&s->index, bucket, false);

    return b ? store_bucket_find(b, store_ns(ns), name) : NULL;
}

const struct object *store_get(const struct store *s, const char *bucket, const char *ns,
                               const char *name)
{
    const struct store_record *r = store_find(s, bucket, ns, name);

    return r ? r->visible : NULL;
}

const struct object *store_latest(const struct store *s, const char *bucket, const char *ns,
                                  const char *name)
{
    const struct store_record *r = store_find(s, bucket, ns, name);

    return r ? r->latest : NULL;
}

uint64_t store_revision(const struct store *s)
{
    return s->visible;
}

size_t store_count(const struct store *s, const char *bucket)
{
    const struct store_bucket *b = store_index_bucket(&s->index, bucket, false);

    return b ? b->n_visible : 0;
}

const char **store_buckets(const struct store *s)
{
    const char **names = map_keys(s->index.buckets);
    size_t n = 0;

    for (size_t i = 0; names[i]; i++) {
        if (store_count(s, names[i]) > 0)
            names[n++] = names[i];
    }
    names[n] = NULL;
    return names;
}

void store_iter_init(struct store_iter *it, const struct store *s, const char *bucket,
                     const char *ns, const char *after_ns, const char *after_name)
{
    const struct store_bucket *b = store_index_bucket(&s->index, bucket, false);
    /* No name is empty, so that this stands before the first of the namespace. */
    const char *from_ns = store_ns(ns), *from_name = "";

    *it = (struct store_iter){ .s = s, .ns = ns };
    if (!b)
        return;
    if (after_ns && (!ns || strcmp(after_ns, ns) >= 0)) {
        from_ns = after_ns;
        from_name = after_name ? after_name : "";
    }
    it->pos = store_bucket_seek(b, from_ns, from_name, true);
}

const struct object *store_iter_next(struct store_iter *it)
{
    struct store_record *r = it->pos;

    while (r && !(it->latest ? r->latest : r->visible))
        r = r->next[0];
    if (!r || (it->ns && strcmp(r->ns, it->ns) != 0)) {
        it->pos = NULL;
        return NULL;
    }
    it->pos = r->next[0];
    return it->latest ? r->latest : r->visible;
}

void store_walk_owned(struct store_walk *w, const struct store *s, const char *owner_uid)
{
    w->pos = store_index_owned(&s->index, owner_uid);
}

void store_walk_node(struct store_walk *w, const struct store *s, const char *bucket,
                     const char *node)
{
    const struct store_bucket *b = store_index_bucket(&s->index, bucket, false);

    w->pos = b ? store_bucket_on_node(b, node) : NULL;
}

const struct object *store_walk_next(struct store_walk *w)
{
    const struct store_link *link = w->pos;

    if (!link)
        return NULL;
    w->pos = link->next;
    return link->record->visible;
}

void store_stats(const struct store *s, struct store_stats *ret)
{
    *ret = (struct store_stats){
        .objects = s->index.n_visible,
        .live_bytes = s->index.visible_bytes,
        .ring_changes = s->ring.n_kept,
        .ring_bytes = s->ring.bytes,
        .pending = s->n_pending,
        .revision = s->visible,
        .commits = s->commits,
        .lazy_lost_at_start = s->lost_to - s->lost_from,
        .failing = s->failing,
    };
}
