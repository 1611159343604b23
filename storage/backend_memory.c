#include "storage/backend.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>

/* A committed row, in the map of states or in a list of changes. */
struct memory_row {
    struct list list;
    struct object *object; /* owned ref */
    uint64_t revision;
    enum store_change_type type;
    bool lazy;
};

/* What a disk holds. */
struct memory_disk {
    struct map *objects;   /* "bucket\nns\nname" -> struct memory_row */
    struct list changes;   /* memory_row, in revision order */
    struct map *forgotten; /* bucket -> uint64_t */
    uint64_t last, ceiling, floor;
};

/* An open store's side of it. */
struct memory_backend {
    struct store_backend base;
    struct backend_memory *m;
    bool dead; /* its power was cut */
    const struct backend_batch *batch;
    void (*done)(void *arg, int rc, const struct err *err);
    void *done_arg;
    void (*deferred)(void *arg);
    void *deferred_arg;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    bool closing;
};

struct backend_memory {
    struct memory_disk disk;
    struct list unsynced;        /* memory_row: committed, but a power cut takes them */
    struct memory_backend *open; /* owned; NULL when none */
    unsigned fail_in, fail_times;
    int fail_code;
    uint64_t n_commits;
    size_t n_rows;
    void (*notify)(void *arg);
    void *notify_arg;
};

/* --- the disk --- */

static void memory_row_free(void *value)
{
    struct memory_row *row = value;

    object_unref(row->object);
    free(row);
}

static struct memory_row *memory_row_new(const struct backend_row *from)
{
    struct memory_row *row = MEM_NEW(struct memory_row);

    *row = (struct memory_row){
        .object = object_ref(from->object),
        .revision = from->revision,
        .type = from->type,
        .lazy = from->lazy,
    };
    list_init(&row->list);
    return row;
}

static void memory_rows_free(struct list *rows)
{
    while (!list_empty(rows)) {
        struct memory_row *row = list_entry(rows->next, struct memory_row, list);

        list_del(&row->list);
        memory_row_free(row);
    }
}

static void memory_disk_forget(struct memory_disk *d, const struct memory_row *row)
{
    uint64_t *revision = map_get(d->forgotten, row->object->bucket);

    if (!revision) {
        revision = MEM_NEW(uint64_t);
        map_put(d->forgotten, row->object->bucket, revision);
    }
    *revision = row->revision;
}

/* Takes the row over. */
static void memory_disk_write(struct memory_disk *d, struct memory_row *row)
{
    const struct object *o = row->object;
    cleanup(freep) char *key = mem_fmt("%s\n%s\n%s", o->bucket, o->ns, o->name);
    const struct backend_row again = {
        .object = o, .revision = row->revision, .type = row->type, .lazy = row->lazy
    };

    assert(row->revision > d->last);
    d->last = row->revision;
    if (row->type == STORE_DELETED)
        map_del(d->objects, key);
    else
        map_put(d->objects, key, memory_row_new(&again));
    if (row->lazy) {
        memory_disk_forget(d, row);
        memory_row_free(row);
    } else {
        list_add_tail(&d->changes, &row->list);
    }
}

static void memory_disk_trim(struct memory_disk *d, uint64_t oldest)
{
    while (!list_empty(&d->changes)) {
        struct memory_row *row = list_entry(d->changes.next, struct memory_row, list);

        if (row->revision >= oldest)
            return;
        if (d->floor < oldest - 1)
            d->floor = oldest - 1;
        list_del(&row->list);
        memory_row_free(row);
    }
}

/* --- the backend --- */

static void memory_tell(struct backend_memory *m)
{
    if (m->notify)
        m->notify(m->notify_arg);
}

static int memory_load_disk(const struct memory_disk *d, const struct backend_load *load,
                            struct err *err)
{
    size_t it = 0;
    const char *key;
    void *value;
    int rc = 0;

    while (rc == 0 && map_each(d->objects, &it, &key, &value)) {
        const struct memory_row *row = value;

        rc = load->on_object(load->arg, row->object->bucket, row->revision, row->object->json,
                             row->object->json_len, err);
    }
    for (struct list *l = d->changes.next; rc == 0 && l != &d->changes; l = l->next) {
        const struct memory_row *row = list_entry(l, struct memory_row, list);

        rc = load->on_change(load->arg, row->object->bucket, row->revision, row->type,
                             row->object->json, row->object->json_len, err);
    }
    for (it = 0; rc == 0 && map_each(d->forgotten, &it, &key, &value);)
        load->on_forgotten(load->arg, key, *(const uint64_t *)value);
    if (rc == 0)
        load->on_revision(load->arg, d->last, d->ceiling, d->floor);
    return rc;
}

/* Rows that were not synced lie in the page cache, so that a restart without a power cut finds
 * them; they reach the disk then. */
static void memory_settle_unsynced(struct backend_memory *m)
{
    while (!list_empty(&m->unsynced)) {
        struct memory_row *row = list_entry(m->unsynced.next, struct memory_row, list);

        list_del(&row->list);
        memory_disk_write(&m->disk, row);
    }
}

static int memory_load(struct store_backend *base, const struct backend_load *load, struct err *err)
{
    struct backend_memory *m = container_of(base, struct memory_backend, base)->m;

    memory_settle_unsynced(m);
    return memory_load_disk(&m->disk, load, err);
}

static void memory_commit(struct store_backend *base, const struct backend_batch *batch,
                          void (*done)(void *arg, int rc, const struct err *err), void *arg)
{
    struct memory_backend *b = container_of(base, struct memory_backend, base);

    assert(!b->batch && !b->closing);
    b->batch = batch;
    b->done = done;
    b->done_arg = arg;
    memory_tell(b->m);
}

static void memory_defer(struct store_backend *base, void (*fn)(void *arg), void *arg)
{
    struct memory_backend *b = container_of(base, struct memory_backend, base);

    assert(!b->deferred);
    b->deferred = fn;
    b->deferred_arg = arg;
    memory_tell(b->m);
}

static void memory_close(struct store_backend *base, void (*on_closed)(void *arg), void *arg)
{
    struct memory_backend *b = container_of(base, struct memory_backend, base);

    assert(!b->batch && !b->deferred && !b->closing);
    b->closing = true;
    b->on_closed = on_closed;
    b->on_closed_arg = arg;
    memory_tell(b->m);
}

struct store_backend *backend_memory_open(struct backend_memory *m)
{
    struct memory_backend *b = MEM_NEW(struct memory_backend);

    assert(!m->open);
    b->m = m;
    b->base.load = memory_load;
    b->base.commit = memory_commit;
    b->base.defer = memory_defer;
    b->base.close = memory_close;
    m->open = b;
    return &b->base;
}

/* --- stepping --- */

static int memory_fault(struct memory_backend *b, struct err *err)
{
    struct backend_memory *m = b->m;

    if (b->dead)
        return err_set(err, ERR_UNAVAILABLE, "the power was cut");
    if (m->fail_in > 1) {
        m->fail_in--;
        return 0;
    }
    if (m->fail_times == 0)
        return 0;
    m->fail_times--;
    return err_set(err, m->fail_code, "commit: %s", err_text(m->fail_code));
}

static void memory_write_batch(struct backend_memory *m, const struct backend_batch *batch)
{
    if (batch->sync)
        memory_settle_unsynced(m);
    for (size_t i = 0; i < batch->n_rows; i++) {
        struct memory_row *row = memory_row_new(&batch->rows[i]);

        if (batch->sync)
            memory_disk_write(&m->disk, row);
        else
            list_add_tail(&m->unsynced, &row->list);
    }
    m->n_commits++;
    m->n_rows += batch->n_rows;
    if (!batch->sync)
        return;
    m->disk.ceiling = batch->ceiling;
    if (m->disk.floor < batch->floor)
        m->disk.floor = batch->floor;
    memory_disk_trim(&m->disk, batch->oldest);
}

static void memory_complete(struct memory_backend *b)
{
    const struct backend_batch *batch = b->batch;
    struct err err = ERR_EMPTY;
    int rc = memory_fault(b, &err);

    if (rc == 0)
        memory_write_batch(b->m, batch);
    b->batch = NULL;
    b->done(b->done_arg, rc, &err);
}

bool backend_memory_step(struct backend_memory *m)
{
    struct memory_backend *b = m->open;
    void (*deferred)(void *arg);

    if (!b || (!b->deferred && !b->batch && !b->closing))
        return false;
    if (b->closing) {
        void (*on_closed)(void *arg) = b->on_closed;
        void *arg = b->on_closed_arg;

        m->open = NULL;
        free(b);
        on_closed(arg);
        return true;
    }
    deferred = b->deferred;
    b->deferred = NULL;
    if (deferred)
        deferred(b->deferred_arg);
    if (b->batch)
        memory_complete(b);
    return true;
}

void backend_memory_notify(struct backend_memory *m, void (*fn)(void *arg), void *arg)
{
    m->notify = fn;
    m->notify_arg = arg;
}

void backend_memory_fail(struct backend_memory *m, unsigned nth, unsigned times, int code)
{
    assert(nth > 0 && code < 0);
    m->fail_in = nth;
    m->fail_times = times;
    m->fail_code = code;
}

void backend_memory_flush(struct backend_memory *m)
{
    if (m->open && m->open->base.flush)
        m->open->base.flush(m->open->base.store);
}

void backend_memory_power_cut(struct backend_memory *m)
{
    memory_rows_free(&m->unsynced);
    if (m->open)
        m->open->dead = true;
}

uint64_t backend_memory_commits(const struct backend_memory *m)
{
    return m->n_commits;
}

size_t backend_memory_rows(const struct backend_memory *m)
{
    return m->n_rows;
}

/* --- life --- */

struct backend_memory *backend_memory_new(void)
{
    struct backend_memory *m = MEM_NEW(struct backend_memory);

    m->disk.objects = map_new(memory_row_free);
    m->disk.forgotten = map_new(free);
    list_init(&m->disk.changes);
    list_init(&m->unsynced);
    return m;
}

struct backend_memory *backend_memory_free(struct backend_memory *m)
{
    if (!m)
        return NULL;
    assert(!m->open);
    memory_rows_free(&m->unsynced);
    memory_rows_free(&m->disk.changes);
    map_free(m->disk.objects);
    map_free(m->disk.forgotten);
    free(m);
    return NULL;
}
