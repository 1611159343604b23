#include "api/metrics.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* A container started since the last sample counts from its start, once it is old enough for that
 * to mean something (metrics-server: freshContainerMinMetricsResolution). */
#define METRICS_FRESH_MS 10000

struct metrics_row {
    struct metrics_reading r; /* first: rows are found by readings; its strings lie in @text */
    char *text;               /* owned */
};

struct metrics_sample {
    struct metrics_row *rows; /* owned; sorted by metrics_put */
    size_t n, cap;
    struct map *known; /* owned; "ns\npod\ncontainer" to struct metrics_slot, until sorted */
};

struct metrics_slot {
    size_t index;
};

struct metrics_entry {
    struct metrics_sample *last, *before; /* owned; before may be NULL */
};

struct metrics {
    struct map *nodes; /* of struct metrics_entry */
};

/* --- samples --- */

struct metrics_sample *metrics_sample_new(void)
{
    struct metrics_sample *s = MEM_NEW(struct metrics_sample);

    s->known = map_new(free);
    return s;
}

struct metrics_sample *metrics_sample_free(struct metrics_sample *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < s->n; i++)
        free(s->rows[i].text);
    free(s->rows);
    map_free(s->known);
    free(s);
    return NULL;
}

/* The three names, each ended by NUL, in one piece of memory. */
static void metrics_row_name(struct metrics_row *row, const struct metrics_reading *r)
{
    size_t ns = strlen(r->ns) + 1, pod = strlen(r->pod) + 1, container = strlen(r->container) + 1;
    char *text = mem_array(ns + pod + container, 1);

    memcpy(text, r->ns, ns);
    memcpy(text + ns, r->pod, pod);
    memcpy(text + ns + pod, r->container, container);
    *row = (struct metrics_row){ .text = text };
    row->r = (struct metrics_reading){ .ns = text,
                                       .pod = text + ns,
                                       .container = text + ns + pod,
                                       .cpu_ns = -1,
                                       .memory = -1,
                                       .at_ms = -1,
                                       .start_ms = -1 };
}

static struct metrics_reading *metrics_sample_row(struct metrics_sample *s,
                                                  const struct metrics_reading *r)
{
    cleanup(freep) char *key = mem_fmt("%s\n%s\n%s", r->ns, r->pod, r->container);
    struct metrics_slot *slot = map_get(s->known, key);

    if (slot != NULL)
        return &s->rows[slot->index].r;
    if (s->n == METRICS_ROWS_MAX)
        return NULL;
    if (s->n == s->cap) {
        s->cap = s->cap > 0 ? 2 * s->cap : 16;
        s->rows = mem_grow(s->rows, s->cap, sizeof(*s->rows));
    }
    metrics_row_name(&s->rows[s->n], r);
    slot = MEM_NEW(struct metrics_slot);
    slot->index = s->n;
    map_put(s->known, key, slot);
    return &s->rows[s->n++].r;
}

int metrics_sample_add(struct metrics_sample *s, const struct metrics_reading *r, struct err *err)
{
    struct metrics_reading *row = metrics_sample_row(s, r);

    if (row == NULL)
        return err_set(err, ERR_LIMIT, "more than %d containers in one sample", METRICS_ROWS_MAX);
    if (r->cpu_ns >= 0)
        row->cpu_ns = r->cpu_ns;
    if (r->memory >= 0)
        row->memory = r->memory;
    if (r->at_ms >= 0)
        row->at_ms = r->at_ms;
    if (r->start_ms >= 0)
        row->start_ms = r->start_ms;
    return 0;
}

static int metrics_compare(const void *a, const void *b)
{
    const struct metrics_reading *x = a, *y = b;
    int d = strcmp(x->ns, y->ns);

    if (d == 0)
        d = strcmp(x->pod, y->pod);
    return d != 0 ? d : strcmp(x->container, y->container);
}

/* The first row that is not before (ns, pod, container). */
static size_t metrics_lower(const struct metrics_sample *s, const struct metrics_reading *wanted)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (metrics_compare(&s->rows[mid].r, wanted) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct metrics_reading *metrics_find(const struct metrics_sample *s,
                                                  const struct metrics_reading *wanted)
{
    size_t at = s != NULL ? metrics_lower(s, wanted) : 0;

    if (s == NULL || at == s->n || metrics_compare(&s->rows[at].r, wanted) != 0)
        return NULL;
    return &s->rows[at].r;
}

/* --- life --- */

static void metrics_entry_free(void *value)
{
    struct metrics_entry *e = value;

    metrics_sample_free(e->last);
    metrics_sample_free(e->before);
    free(e);
}

struct metrics *metrics_new(void)
{
    struct metrics *m = MEM_NEW(struct metrics);

    m->nodes = map_new(metrics_entry_free);
    return m;
}

struct metrics *metrics_free(struct metrics *m)
{
    if (m == NULL)
        return NULL;
    map_free(m->nodes);
    free(m);
    return NULL;
}

void metrics_put(struct metrics *m, const char *node, struct metrics_sample *sample_steal)
{
    struct metrics_entry *e = map_get(m->nodes, node);

    if (e == NULL) {
        e = MEM_NEW(struct metrics_entry);
        map_put(m->nodes, node, e);
    }
    if (sample_steal->n > 0)
        qsort(sample_steal->rows, sample_steal->n, sizeof(*sample_steal->rows), metrics_compare);
    sample_steal->known = map_free(sample_steal->known);
    metrics_sample_free(e->before);
    e->before = e->last;
    e->last = sample_steal;
}

void metrics_forget(struct metrics *m, const char *node)
{
    map_del(m->nodes, node);
}

void metrics_clear(struct metrics *m)
{
    if (map_len(m->nodes) == 0)
        return;
    map_free(m->nodes);
    m->nodes = map_new(metrics_entry_free);
}

void metrics_sweep(struct metrics *m, bool (*keep)(void *arg, const char *node), void *arg)
{
    const char *node;
    void *value;

    for (size_t it = 0; map_each(m->nodes, &it, &node, &value);)
        if (!keep(arg, node))
            map_del(m->nodes, node);
}

/* --- rates --- */

/* From where @now is measured; false: from nowhere yet. */
static bool metrics_base(const struct metrics_reading *now, const struct metrics_reading *before,
                         int64_t *ret_cpu_ns, int64_t *ret_at_ms)
{
    int64_t age_ms = now->at_ms - now->start_ms;

    if (before != NULL && before->cpu_ns >= 0 && before->cpu_ns <= now->cpu_ns &&
        before->at_ms >= 0 && before->at_ms < now->at_ms && now->start_ms <= before->at_ms) {
        *ret_cpu_ns = before->cpu_ns;
        *ret_at_ms = before->at_ms;
        return true;
    }
    if (now->start_ms < 0 || age_ms < METRICS_FRESH_MS || age_ms >= METRICS_PERIOD_MS)
        return false;
    *ret_cpu_ns = 0;
    *ret_at_ms = now->start_ms;
    return true;
}

static bool metrics_rate(const struct metrics_reading *now, const struct metrics_sample *before,
                         struct metrics_usage *ret, int64_t *ret_window_ms)
{
    int64_t cpu_ns, at_ms;

    if (now->cpu_ns < 0 || now->memory < 0 || now->at_ms < 0 ||
        !metrics_base(now, metrics_find(before, now), &cpu_ns, &at_ms))
        return false;
    *ret_window_ms = now->at_ms - at_ms;
    *ret = (struct metrics_usage){
        .name = now->container,
        .cpu_nano = (int64_t)((__int128)(now->cpu_ns - cpu_ns) * 1000 / *ret_window_ms),
        .memory = now->memory,
    };
    return true;
}

bool metrics_node(const struct metrics *m, const char *node, struct metrics_usage *ret,
                  int64_t *ret_at_ms, int64_t *ret_window_ms)
{
    const struct metrics_entry *e = map_get(m->nodes, node);
    const struct metrics_reading self = { .ns = "", .pod = "", .container = "" };
    const struct metrics_reading *now = e != NULL ? metrics_find(e->last, &self) : NULL;

    if (now == NULL || !metrics_rate(now, e->before, ret, ret_window_ms))
        return false;
    *ret_at_ms = now->at_ms;
    return true;
}

bool metrics_pod(const struct metrics *m, const char *node, const char *ns, const char *pod,
                 struct metrics_pod *ret)
{
    const struct metrics_entry *e = map_get(m->nodes, node);
    const struct metrics_reading first = { .ns = ns, .pod = pod, .container = "" };

    *ret = (struct metrics_pod){ .n = 0 };
    if (e == NULL)
        return false;
    for (size_t i = metrics_lower(e->last, &first); i < e->last->n; i++) {
        const struct metrics_reading *now = &e->last->rows[i].r;
        int64_t window_ms;

        if (!str_eq(now->ns, ns) || !str_eq(now->pod, pod))
            break;
        if (ret->n == METRICS_CONTAINERS_MAX ||
            !metrics_rate(now, e->before, &ret->containers[ret->n], &window_ms))
            return false;
        /* The earliest reading speaks for the pod. */
        if (ret->n++ == 0 || now->at_ms < ret->at_ms) {
            ret->at_ms = now->at_ms;
            ret->window_ms = window_ms;
        }
    }
    return ret->n > 0;
}
