#include "nodeagent/evictor.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/disk_usage.h"
#include "nodeagent/eviction.h"
#include "nodeagent/image_gc.h"
#include "nodeagent/node_status.h"

#include <assert.h>
#include <string.h>

#define EVICTOR_EVERY_MS  10000  /* as the kubelet looks */
#define EVICTOR_IMAGES_MS 300000 /* likewise, for images */

struct evictor {
    struct evictor_opts opts;
    struct timer *timer;
    int64_t images_at_ms; /* monotonic: not before, after a round that may have found little */
    bool was_pressed;     /* the disk was full at the last look */
    bool is_busy, is_closed;
};

struct evictor_pod {
    struct pod_view *pod; /* reference, of the loop */
    struct pod_places places;
    struct pod_usage usage; /* when measured */
    int64_t *volumes;       /* of usage, owned */
};

struct evictor_round {
    struct evictor *evictor;
    struct evictor_pod *pods;
    size_t n;
    struct host_disk disk;
    bool is_pressed; /* the disk was full at the last look already: removing images did not help */
};

static void evictor_round_free(struct evictor_round *r)
{
    for (size_t i = 0; i < r->n; i++) {
        pod_view_unref(r->pods[i].pod);
        pod_places_fini(&r->pods[i].places);
        free(r->pods[i].volumes);
    }
    free(r->pods);
    free(r);
}

static void evictor_add_up(struct evictor_pod *p)
{
    p->usage = (struct pod_usage){ .volumes = p->volumes };
    p->usage.n_volumes = json_array_size(json_at(p->pod->spec, "volumes"));
    p->volumes = MEM_NEW_ARRAY(int64_t, p->usage.n_volumes + 1);
    p->usage.volumes = p->volumes;
    for (size_t i = 0; i < p->places.n; i++) {
        const struct pod_place *place = &p->places.list[i];

        if (place->is_volume && place->index < p->usage.n_volumes)
            p->volumes[place->index] += place->bytes;
        else if (!place->is_volume)
            p->usage.containers[place->index] += place->bytes;
    }
}

static int evictor_run(void *arg, struct err *err UNUSED)
{
    struct evictor_round *r = arg;

    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->pods[i].places.n; k++)
            r->pods[i].places.list[k].bytes = disk_usage(r->pods[i].places.list[k].path);
    return 0;
}

static bool evictor_end(struct evictor *e, const struct evictor_pod *p, const char *why)
{
    struct pod_worker *w = why == NULL ? NULL : e->opts.find(e->opts.arg, p->pod->uid);

    if (w != NULL)
        pod_worker_evict(w, why);
    return w != NULL;
}

/* One pod a round: the next look shows whether that was enough. */
static void evictor_relieve(struct evictor *e, const struct evictor_round *r)
{
    cleanup(freep) struct eviction_candidate *all = MEM_NEW_ARRAY(struct eviction_candidate,
                                                                  r->n + 1);
    cleanup(freep) char *why = NULL;
    size_t chosen;

    for (size_t i = 0; i < r->n; i++)
        all[i] = (struct eviction_candidate){ .pod = r->pods[i].pod, .usage = &r->pods[i].usage };
    chosen = eviction_choose(all, r->n);
    if (chosen == r->n)
        return;
    why = eviction_disk_message(&all[chosen], r->disk.size / 100 * NODE_DISK_PERCENT,
                                r->disk.available);
    evictor_end(e, &r->pods[chosen], why);
}

static void evictor_done(void *arg, int rc UNUSED, const struct err *err UNUSED)
{
    struct evictor_round *r = arg;
    struct evictor *e = r->evictor;
    bool has_ended = false;

    e->is_busy = false;
    for (size_t i = 0; i < r->n && !e->is_closed; i++) {
        cleanup(freep) char *why = NULL;

        evictor_add_up(&r->pods[i]);
        why = eviction_over_limit(r->pods[i].pod, &r->pods[i].usage);
        has_ended = evictor_end(e, &r->pods[i], why) || has_ended;
    }
    if (r->is_pressed && !has_ended && !e->is_closed)
        evictor_relieve(e, r);
    evictor_round_free(r);
    if (e->is_closed)
        free(e);
    else
        timer_start(e->timer, EVICTOR_EVERY_MS);
}

static void evictor_images(struct evictor *e, const struct host_disk *disk)
{
    struct pod_worker *w;
    cleanup(freep) const char **in_use = MEM_NEW(const char *);
    int64_t wanted = image_gc_wanted(disk);
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
    if (host_info_disk(e->opts.data_dir, &r->disk)) {
        evictor_images(e, &r->disk);
        r->is_pressed = e->was_pressed && node_status_disk_pressure(&r->disk);
        e->was_pressed = node_status_disk_pressure(&r->disk);
    }
    for (size_t it = 0; (w = e->opts.next(e->opts.arg, &it)) != NULL;) {
        struct pod_view *pod = (struct pod_view *)(uintptr_t)pod_worker_pod(w);

        if (pod_worker_is_over(w) || (!r->is_pressed && !eviction_has_limits(pod)))
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
