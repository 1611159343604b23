#include "storage/store_impl.h"

#include "base/mem.h"

#include <assert.h>

static void store_dirty_free(struct store_dirty *d)
{
    d->record->n_dirty--;
    store_record_prune(d->record);
    object_unref(d->object);
    free(d);
}

/* --- becoming visible --- */

/* Applies the first pending write and hands it to those whose on_done is due. */
static void store_apply(struct store *s)
{
    struct store_pending *p = list_entry(s->pending.next, struct store_pending, list);
    struct store_record *r = p->record;
    struct store_ring_entry e = { .revision = p->object->revision, .bucket = r->bucket };

    assert(p->object->revision > s->visible);
    e.object = object_ref(p->object);
    e.before = r->visible ? object_ref(r->visible) : NULL;
    e.type = p->type;
    e.lazy = p->lazy;
    store_index_show(&s->index, r, p->type == STORE_DELETED ? NULL : p->object);
    store_ring_push(&s->ring, e);
    s->visible = e.revision;
    s->n_pending--;
    r->n_pending--;
    if (r->n_pending == 0)
        r->latest = r->visible;
    list_del(&p->list);
    list_add_tail(&s->finished, &p->list);
    if (list_empty(&r->bucket->touched))
        list_add_tail(&s->touched, &r->bucket->touched);
    p->record = NULL;
    store_record_prune(r);
}

/* Remembers that the disk lacks the state of @p; the newest state of a record is enough. */
static void store_dirty_add(struct store *s, const struct store_pending *p)
{
    struct store_record *r = p->record;

    if (!r->dirty) {
        r->dirty = MEM_NEW(struct store_dirty);
        r->dirty->record = r;
        list_init(&r->dirty->list);
        r->n_dirty++;
    }
    object_unref(r->dirty->object);
    r->dirty->object = object_ref(p->object);
    r->dirty->type = p->type;
    list_del(&r->dirty->list); /* to the end: revision order */
    list_add_tail(&s->dirty, &r->dirty->list);
}

/* Shows the lazy writes that wait for no durable one before them.  One above the durable ceiling
 * has to wait too: after a power cut its revision could be handed out a second time.  So none of
 * a batch under way is taken: that one begins with a durable write, or above the ceiling. */
static void store_apply_lazy(struct store *s)
{
    while (!list_empty(&s->pending)) {
        struct store_pending *p = list_entry(s->pending.next, struct store_pending, list);

        if (!p->lazy || p->object->revision > s->ceiling)
            break;
        store_dirty_add(s, p);
        store_apply(s);
    }
}

/* --- telling --- */

/* Calls what is due; callbacks may submit, and may begin to close. */
static void store_finish(struct store *s, const struct err *err)
{
    const struct err none = ERR_EMPTY;
    struct list due;

    list_init(&due);
    list_splice(&due, &s->finished);
    s->finishing++;
    while (!list_empty(&due)) {
        struct store_pending *p = list_entry(due.next, struct store_pending, list);

        list_del(&p->list);
        if (p->done)
            p->done(p->arg, p->rc, p->rc == 0 ? p->object : NULL, p->rc == 0 ? &none : err);
        object_unref(p->object);
        free(p);
    }
    s->finishing--;
}

static void store_on_deferred(void *arg)
{
    struct store *s = arg;

    s->deferred = false;
    store_finish(s, NULL); /* only successes wait here */
    store_settle(s);
}

/* on_done never comes from within submit, and the store knows no loop: the backend does. */
static void store_finish_soon(struct store *s)
{
    if (list_empty(&s->finished) || s->deferred)
        return;
    s->deferred = true;
    s->backend->defer(s->backend, store_on_deferred, s);
}

/* --- batches --- */

static void store_batch_add(struct store_batch *b, struct backend_row row)
{
    size_t n = b->batch.n_rows++;

    if (n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 64;
        b->rows = mem_grow(b->rows, b->cap, sizeof(*b->rows));
    }
    assert(n == 0 || b->rows[n - 1].revision < row.revision);
    b->rows[n] = row;
}

/* What the disk lacks of visible states, then the first of what waits to be visible. */
static void store_batch_fill(struct store *s)
{
    struct store_batch *b = &s->batch;
    bool joined = false;

    list_splice(&b->dirty, &s->dirty);
    LIST_EACH (it, &b->dirty) {
        struct store_dirty *d = list_entry(it, struct store_dirty, list);

        d->record->dirty = NULL;
        store_batch_add(b, (struct backend_row){
                               .revision = d->object->revision,
                               .type = d->type,
                               .lazy = true,
                               .object = d->object,
                           });
    }
    LIST_EACH (it, &s->pending) {
        struct store_pending *p = list_entry(it, struct store_pending, list);

        if (b->n_pending >= STORE_MAX_BATCH && !joined)
            break;
        joined = p->joined;
        b->n_pending++;
        store_batch_add(b, (struct backend_row){
                               .revision = p->object->revision,
                               .type = p->type,
                               .lazy = p->lazy,
                               .object = p->object,
                           });
    }
}

/* The last batch of an orderly end leaves no gap; others keep the ceiling well ahead. */
static uint64_t store_next_ceiling(const struct store *s)
{
    if (s->closing && s->batch.n_pending == s->n_pending)
        return s->counter;
    return s->counter + STORE_HEADROOM / 2 > s->ceiling ? s->counter + STORE_HEADROOM : s->ceiling;
}

static void store_on_committed(void *arg, int rc, const struct err *err);

void store_batch_start(struct store *s)
{
    struct store_batch *b = &s->batch;
    uint64_t ceiling, oldest = store_ring_oldest(&s->ring);

    assert(!b->busy);
    b->busy = true;
    b->n_pending = 0;
    b->batch.n_rows = 0;
    store_batch_fill(s);
    ceiling = store_next_ceiling(s);
    b->batch.rows = b->rows;
    b->batch.ceiling = ceiling;
    b->batch.oldest = oldest <= s->visible ? oldest : s->visible + 1;
    b->batch.floor = s->lost_from < s->lost_to ? s->lost_to : s->floor;
    b->batch.sync = b->n_pending > 0 || ceiling != s->ceiling;
    s->backend->commit(s->backend, &b->batch, store_on_committed, s);
}

/* Everything visible is on the disk now, and the batch's own writes become visible. */
static void store_batch_done(struct store *s)
{
    struct store_batch *b = &s->batch;

    while (!list_empty(&b->dirty)) {
        struct store_dirty *d = list_entry(b->dirty.next, struct store_dirty, list);

        list_del(&d->list);
        store_dirty_free(d);
    }
    s->ceiling = b->batch.ceiling;
    s->commits++;
    for (; b->n_pending > 0; b->n_pending--)
        store_apply(s);
}

/* Nothing of the batch is on the disk: what was visible waits for the next one. */
static void store_batch_undo(struct store *s)
{
    struct store_batch *b = &s->batch;
    struct list again;

    b->n_pending = 0;
    list_init(&again);
    while (!list_empty(&b->dirty)) {
        struct store_dirty *d = list_entry(b->dirty.next, struct store_dirty, list);

        list_del(&d->list);
        if (d->record->dirty) { /* a newer state waits already */
            store_dirty_free(d);
            continue;
        }
        d->record->dirty = d;
        list_add_tail(&again, &d->list);
    }
    list_splice(&again, &s->dirty); /* older revisions first */
    list_splice(&s->dirty, &again);
}

/* Later writes may have been computed from failed ones, so that all of them fail. */
static void store_fail_pending(struct store *s, int rc)
{
    LIST_EACH (it, &s->pending) {
        struct store_pending *p = list_entry(it, struct store_pending, list);

        p->rc = rc;
        p->record->latest = p->record->visible;
        p->record->n_pending--;
        store_record_prune(p->record);
        p->record = NULL;
    }
    list_splice(&s->finished, &s->pending);
    s->n_pending = 0;
    s->n_latest = s->index.n_visible;
    s->latest_bytes = s->index.visible_bytes;
}

static void store_on_committed(void *arg, int rc, const struct err *err)
{
    struct store *s = arg;

    assert(s->batch.busy && rc <= 0);
    s->batch.busy = false;
    s->failing = rc < 0;
    if (rc == 0) {
        store_batch_done(s);
    } else {
        store_batch_undo(s);
        store_fail_pending(s, rc);
        s->gave_up = s->closing;
    }
    store_apply_lazy(s);
    store_cursors_wake(s);
    store_pump(s, false); /* the disk works while callbacks run */
    store_finish(s, err);
    store_settle(s);
}

void store_pump(struct store *s, bool flush)
{
    if (s->batch.busy || s->held > 0)
        return;
    if (!list_empty(&s->pending) || (flush && !list_empty(&s->dirty)))
        store_batch_start(s);
}

void store_on_flush(void *arg)
{
    struct store *s = arg;

    if (!s->closing)
        store_pump(s, true);
}

/* --- submitting --- */

static int store_refuse(const struct store *s, const struct store_write *w, struct err *err)
{
    if (s->closing)
        return err_set(err, ERR_UNAVAILABLE, "the store is closing");
    if (s->n_pending >= STORE_MAX_PENDING)
        return err_set(err, ERR_UNAVAILABLE, "%zu writes already wait for the disk", s->n_pending);
    if (w->verb == STORE_CREATE && s->n_latest >= s->opts.max_objects)
        return err_set(err, ERR_NOSPACE, "the store is full: it holds %zu objects", s->n_latest);
    return 0;
}

static enum store_outcome store_judge(const struct store_write *w, const struct object *latest)
{
    if (w->verb == STORE_CREATE)
        return latest ? STORE_EXISTS : STORE_OK;
    if (!latest)
        return STORE_ABSENT;
    return w->expect && w->expect != latest->revision ? STORE_STALE : STORE_OK;
}

static struct object *store_make_object(const struct store *s, const struct store_write *w,
                                        const struct object *latest)
{
    cleanup(json_decrefpp) json_t *own = w->tree ? NULL : object_tree(latest);
    struct object *o = object_new(w->bucket, s->counter + 1, w->tree ? w->tree : own);

    assert(str_eq(o->name, w->name) && str_eq(o->ns, store_ns(w->ns)));
    return o;
}

/* Counts the write in, unless the store would grow beyond its limit. */
static int store_account(struct store *s, const struct store_write *w, const struct object *o,
                         const struct object *latest, struct err *err)
{
    size_t before = latest ? object_footprint(latest) : 0;
    size_t after = w->verb == STORE_DELETE ? 0 : object_footprint(o);

    if (after > before && s->latest_bytes + (after - before) > s->opts.max_bytes)
        return err_set(err, ERR_NOSPACE, "the store is full: it holds %zu bytes", s->latest_bytes);
    s->latest_bytes = s->latest_bytes - before + after;
    s->n_latest = s->n_latest - (before > 0) + (after > 0);
    return 0;
}

int store_submit(struct store *s, const struct store_write *w, store_done_fn done, void *arg,
                 const struct object **ret_object, struct err *err)
{
    struct store_bucket *b = store_index_bucket(&s->index, w->bucket, w->verb == STORE_CREATE);
    struct store_record *r = b ? store_bucket_find(b, store_ns(w->ns), w->name) : NULL;
    const struct object *latest = r ? r->latest : NULL;
    enum store_outcome outcome = store_judge(w, latest);
    cleanup(object_unrefp) struct object *o = NULL;
    struct store_pending *p;
    int rc;

    assert(w->tree || w->verb == STORE_DELETE);
    if (outcome != STORE_OK)
        return outcome;
    rc = store_refuse(s, w, err);
    if (rc < 0)
        return rc;
    o = store_make_object(s, w, latest);
    rc = store_account(s, w, o, latest, err);
    if (rc < 0)
        return rc;

    s->counter++;
    if (!r)
        r = store_index_record(&s->index, b, o->ns, o->name);
    p = MEM_NEW(struct store_pending);
    *p = (struct store_pending){
        .record = r, .lazy = w->lazy, .joined = s->held > 0, .done = done, .arg = arg
    };
    p->type = w->verb == STORE_DELETE ? STORE_DELETED : latest ? STORE_MODIFIED : STORE_ADDED;
    p->object = STEAL(o);
    r->latest = p->type == STORE_DELETED ? NULL : p->object;
    r->n_pending++;
    list_add_tail(&s->pending, &p->list);
    s->n_pending++;
    if (ret_object)
        *ret_object = p->object;

    store_apply_lazy(s);
    store_cursors_wake(s);
    store_finish_soon(s);
    store_pump(s, false);
    return STORE_OK;
}

void store_hold(struct store *s)
{
    s->held++;
}

void store_release(struct store *s)
{
    assert(s->held > 0);
    if (--s->held > 0)
        return;
    if (!list_empty(&s->pending))
        list_entry(s->pending.prev, struct store_pending, list)->joined = false;
    store_pump(s, false);
}
