#include "storage/store_impl.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

/* Objects by revision while loading, so that a change whose object is still the current one
 * shares it. */
struct store_loading {
    struct store *s;
    const struct object **objects; /* owned array of borrowed objects */
    size_t n, cap;
    bool sorted;
};

static int store_object_compare(const void *a, const void *b)
{
    uint64_t left = (*(const struct object *const *)a)->revision;
    uint64_t right = (*(const struct object *const *)b)->revision;

    return left < right ? -1 : left > right;
}

static int store_on_object(void *arg, const char *bucket, uint64_t revision, const char *json,
                           size_t len, struct err *err)
{
    struct store_loading *l = arg;
    struct store *s = l->s;
    struct store_bucket *b = store_index_bucket(&s->index, bucket, true);
    cleanup(object_unrefp) struct object *o = NULL;
    struct store_record *r;
    int rc;

    rc = object_load(&o, bucket, revision, json, len, err);
    if (rc < 0)
        return rc;
    r = store_index_record(&s->index, b, o->ns, o->name);
    if (r->visible)
        return err_set(err, ERR_CORRUPT, "%s %s/%s is there twice", bucket, o->ns, o->name);
    store_index_show(&s->index, r, o);
    r->latest = r->visible;
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->objects = mem_grow(l->objects, l->cap, sizeof(struct object *));
    }
    l->objects[l->n++] = o;
    return 0;
}

static const struct object *store_loading_find(struct store_loading *l, uint64_t revision)
{
    const struct object key = { .revision = revision };
    const struct object *wanted = &key;
    const struct object **found;

    if (l->n == 0)
        return NULL;
    if (!l->sorted)
        qsort(l->objects, l->n, sizeof(struct object *), store_object_compare);
    l->sorted = true;
    found = bsearch(&wanted, l->objects, l->n, sizeof(struct object *), store_object_compare);
    return found ? *found : NULL;
}

static int store_on_change(void *arg, const char *bucket, uint64_t revision,
                           enum store_change_type type, const char *json, size_t len,
                           struct err *err)
{
    struct store_loading *l = arg;
    struct store_ring *ring = &l->s->ring;
    struct store_ring_entry e = { .revision = revision, .type = type };
    const struct object *current = store_loading_find(l, revision);

    if (ring->n > 0 && ring->entries[ring->n - 1].revision >= revision)
        return err_set(err, ERR_CORRUPT, "change %" PRIu64 " is out of order", revision);
    e.bucket = store_index_bucket(&l->s->index, bucket, true);
    if (current && type != STORE_DELETED) {
        e.object = object_ref(current);
    } else {
        e.raw = mem_dup(json, len);
        e.raw_len = len;
    }
    store_ring_push(ring, e);
    return 0;
}

static void store_on_forgotten(void *arg, const char *bucket, uint64_t revision)
{
    struct store_loading *l = arg;

    store_ring_forget(&l->s->ring, store_index_bucket(&l->s->index, bucket, true), revision);
}

/* Whatever was shown before the crash lies at or below the ceiling: the counter goes on above. */
static void store_on_revision(void *arg, uint64_t last, uint64_t ceiling, uint64_t floor)
{
    struct store *s = ((struct store_loading *)arg)->s;

    s->lost_from = last;
    s->lost_to = ceiling > last ? ceiling : last;
    s->ceiling = s->lost_to;
    s->floor = floor;
}

int store_load(struct store *s, struct err *err)
{
    struct store_loading l = { .s = s };
    const struct backend_load load = {
        .arg = &l,
        .on_object = store_on_object,
        .on_change = store_on_change,
        .on_forgotten = store_on_forgotten,
        .on_revision = store_on_revision,
    };
    int rc = s->backend->load(s->backend, &load, err);

    free(l.objects);
    if (rc < 0)
        return rc;
    /* Revision 0 means "any" to Kubernetes' clients, so that an empty store begins at 1. */
    s->counter = s->ceiling > 0 ? s->ceiling : 1;
    s->visible = s->counter;
    s->n_latest = s->index.n_visible;
    s->latest_bytes = s->index.visible_bytes;
    return 0;
}
