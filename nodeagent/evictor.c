#include "nodeagent/evictor.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/disk_usage.h"
#include "nodeagent/eviction.h"
#include "nodeagent/image_gc.h"

#include <assert.h>
#include <string.h>

#define EVICTOR_EVERY_MS  10000  /* as the kubelet looks */
#define EVICTOR_IMAGES_MS 300000 /* likewise, for images */

struct evictor {
    struct evictor_opts opts;
    struct timer *timer;
    int64_t images_at_ms; /* monotonic: not before, after a round that may have found little */
    bool is_busy, is_closed;
};

struct evictor_pod {
    struct pod_view *pod; /* reference, of the loop */
    struct pod_places places;
};

struct evictor_round {
    struct evictor *evictor;
    struct evictor_pod *pods;
    size_t n;
};

static void evictor_round_free(struct evictor_round *r)
{
    for (size_t i = 0; i < r->n; i++) {
        pod_view_unref(r->pods[i].pod);
        pod_places_fini(&r->pods[i].places);
    }
    free(r->pods);
    free(r);
}

/* Why the pod must go; a new string or NULL. */
static char *evictor_weigh(const struct evictor_pod *p)
{
    size_t n = json_array_size(json_at(p->pod->spec, "volumes"));
    cleanup(freep) int64_t *volumes = MEM_NEW_ARRAY(int64_t, n + 1);
    struct pod_usage usage = { .volumes = volumes, .n_volumes = n };

    for (size_t i = 0; i < p->places.n; i++) {
        const struct pod_place *place = &p->places.list[i];
        if (place->is_volume && place->index < n)
            volumes[place->index] += place->bytes;
        else if (!place->is_volume)
            usage.containers[place->index] += place->bytes;
    }
    return eviction_over_limit(p->pod, &usage);
}

static int evictor_run(void *arg, struct err *err UNUSED)
{
    struct evictor_round *r = arg;

    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->pods[i].places.n; k++)
            r->pods[i].places.list[k].bytes = disk_usage(r->pods[i].places.list[k].path);
    return 0;
}

static void evictor_done(void *arg, int rc UNUSED, const struct err *err UNUSED)
{
    struct evictor_round *r = arg;
    struct evictor *e = r->evictor;

    e->is_busy = false;
    for (size_t i = 0; i < r->n && !e->is_closed; i++) {
        struct pod_worker *w = e->opts.find(e->opts.arg, r->pods[i].pod->uid);
        cleanup(freep) char *why = evictor_weigh(&r->pods[i]);

        if (w != NULL && why != NULL)
            pod_worker_evict(w, why);
    }
    evictor_round_free(r);
    if (e->is_closed)
        free(e);
    else
        timer_start(e->timer, EVICTOR_EVERY_MS);
}

static void evictor_images(struct evictor *e)
{
    struct host_disk disk;
    struct pod_worker *w;
    cleanup(freep) const char **in_use = MEM_NEW(const char *);
    int64_t wanted = host_info_disk(e->opts.data_dir, &disk) ? image_gc_wanted(&disk) : 0;
    size_t n = 0;

    if (wanted <= 0 || clock_mono_ms() < e->images_at_ms)
        return;
    for (size_t it = 0; (w = e->opts.next(e->opts.arg, &it)) != NULL;) {
        const struct pod_view *pod = pod_worker_pod(w);

        in_use = mem_grow(in_use, n + pod->n + 1, sizeof(*in_use));
        for (size_t i = 0; i < pod->n; i++)
            in_use[n++] = pod->containers[i].image;
        in_use[n] = NULL;
    }
    if (image_store_collect(e->opts.images, in_use, wanted))
        e->images_at_ms = clock_mono_ms() + EVICTOR_IMAGES_MS;
}

static void evictor_look(void *arg)
{
    struct evictor *e = arg;
    struct evictor_round *r = MEM_NEW(struct evictor_round);
    struct pod_worker *w;

    assert(!e->is_busy);
    r->evictor = e;
    evictor_images(e);
    for (size_t it = 0; (w = e->opts.next(e->opts.arg, &it)) != NULL;) {
        struct pod_view *pod = (struct pod_view *)(uintptr_t)pod_worker_pod(w);

        if (!eviction_has_limits(pod))
            continue;
        r->pods = mem_grow(r->pods, r->n + 1, sizeof(*r->pods));
        r->pods[r->n] = (struct evictor_pod){ .pod = pod_view_ref(pod) };
        pod_worker_places(w, &r->pods[r->n++].places);
    }
    if (r->n == 0) {
        evictor_round_free(r);
        timer_start(e->timer, EVICTOR_EVERY_MS);
        return;
    }
    e->is_busy = true;
    work_submit(e->opts.loop, evictor_run, evictor_done, r);
}

struct evictor *evictor_new(const struct evictor_opts *opts)
{
    struct evictor *e = MEM_NEW(struct evictor);

    e->opts = *opts;
    e->timer = timer_new(opts->loop, evictor_look, e);
    timer_start(e->timer, EVICTOR_EVERY_MS);
    return e;
}

struct evictor *evictor_close(struct evictor *e)
{
    if (e == NULL)
        return NULL;
    e->timer = timer_close(e->timer);
    e->is_closed = true;
    if (!e->is_busy)
        free(e);
    return NULL;
}
