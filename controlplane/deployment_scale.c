#include "controlplane/deployment_impl.h"

#include "api/intstr.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static int64_t deployment_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void deployment_scale_limits(struct deployment *d)
{
    const json_t *rolling = json_at(d->tree, "spec.strategy.rollingUpdate");

    d->surge = d->unavailable = 0;
    if (d->recreate)
        return;
    intstr_scale(json_object_get(rolling, "maxSurge"), d->replicas, true, &d->surge);
    intstr_scale(json_object_get(rolling, "maxUnavailable"), d->replicas, false, &d->unavailable);
    /* Percentages of few replicas may both come out as 0, and then nothing could move. */
    if (d->surge == 0 && d->unavailable == 0)
        d->unavailable = 1;
    d->unavailable = deployment_min(d->unavailable, d->replicas);
}

static int64_t deployment_total(const struct deployment *d)
{
    int64_t n = 0;

    for (size_t i = 0; i < d->n_sets; i++)
        n += d->sets[i].replicas;
    return n;
}

static int64_t deployment_set_annotation(const struct deployment_set *s, const char *key)
{
    const json_t *annotations = json_at(s->tree, "metadata.annotations");
    int64_t n;

    return str_i64(json_string_value(json_object_get(annotations, key)), &n) ? n : -1;
}

static void deployment_set_annotate(struct deployment_set *s, const char *key, int64_t n)
{
    json_t *annotations = json_at(s->tree, "metadata.annotations");
    char text[24];

    if (deployment_set_annotation(s, key) == n)
        return;
    if (!annotations) {
        annotations = json_object();
        json_put(s->tree, "metadata.annotations", annotations);
    }
    snprintf(text, sizeof(text), "%lld", (long long)n);
    json_object_set_new(annotations, key, json_string(text));
    s->changed = true;
}

void deployment_scale_to(struct deployment *d, struct deployment_set *s, int64_t replicas)
{
    if (s->replicas != replicas)
        s->changed = true;
    s->replicas = replicas;
    deployment_set_annotate(s, DEPLOYMENT_DESIRED, d->replicas);
    deployment_set_annotate(s, DEPLOYMENT_MAX, d->replicas + d->surge);
}

/* --- after spec.replicas changed --- */

bool deployment_scale_is_due(const struct deployment *d)
{
    for (size_t i = 0; i < d->n_sets; i++) {
        int64_t desired = deployment_set_annotation(&d->sets[i], DEPLOYMENT_DESIRED);

        if (d->sets[i].replicas > 0 && desired >= 0 && desired != d->replicas)
            return true;
    }
    return false;
}

/* The only set with pods, or, when none has, the newest; NULL when several have. */
static struct deployment_set *deployment_only_active(struct deployment *d)
{
    struct deployment_set *only = NULL;

    for (size_t i = 0; i < d->n_sets; i++) {
        if (d->sets[i].replicas == 0)
            continue;
        if (only)
            return NULL;
        only = &d->sets[i];
    }
    if (only)
        return only;
    if (d->newest)
        return d->newest;
    return d->n_sets > 0 ? &d->sets[d->n_sets - 1] : NULL;
}

static bool deployment_is_saturated(const struct deployment *d)
{
    const struct deployment_set *s = d->newest;

    return s && s->replicas == d->replicas && s->available == d->replicas &&
           deployment_set_annotation(s, DEPLOYMENT_DESIRED) == d->replicas;
}

/* Largest first; @sign > 0: among equals the newer first, else the older. */
static int deployment_by_size(const struct deployment_set *a, const struct deployment_set *b,
                              int sign)
{
    if (a->replicas != b->replicas)
        return a->replicas > b->replicas ? -1 : 1;
    if (a->created_ms != b->created_ms)
        return (a->created_ms > b->created_ms ? -1 : 1) * sign;
    return strcmp(a->name, b->name) * sign;
}

static int deployment_by_size_newer(const void *a, const void *b)
{
    return deployment_by_size(*(struct deployment_set *const *)a,
                              *(struct deployment_set *const *)b, 1);
}

static int deployment_by_size_older(const void *a, const void *b)
{
    return deployment_by_size(*(struct deployment_set *const *)a,
                              *(struct deployment_set *const *)b, -1);
}

/* Half away from zero, as the shares of a set are rounded. */
static int64_t deployment_round(int64_t n, int64_t by)
{
    return n >= 0 ? (2 * n + by) / (2 * by) : -((-2 * n + by) / (2 * by));
}

static int64_t deployment_share(const struct deployment *d, const struct deployment_set *s,
                                int64_t left)
{
    int64_t before = deployment_set_annotation(s, DEPLOYMENT_MAX), change;

    if (left == 0)
        return 0;
    if (before <= 0)
        before = json_int(d->tree, "status.replicas", 0);
    if (d->replicas == 0)
        change = -s->replicas;
    else if (before <= 0)
        change = left;
    else
        change = deployment_round(s->replicas * (d->replicas + d->surge), before) - s->replicas;
    if (left > 0)
        return deployment_min(change, left);
    return change > left ? change : left;
}

static void deployment_spread_over(struct deployment *d, struct deployment_set **active, size_t n)
{
    int64_t allowed = d->replicas > 0 ? d->replicas + d->surge : 0;
    int64_t to_add = allowed - deployment_total(d), added = 0;
    cleanup(freep) int64_t *sizes = MEM_NEW_ARRAY(int64_t, n + 1);

    if (n > 1)
        qsort(active, n, sizeof(*active),
              to_add > 0 ? deployment_by_size_newer : deployment_by_size_older);
    for (size_t i = 0; i < n; i++) {
        int64_t share = to_add != 0 ? deployment_share(d, active[i], to_add - added) : 0;

        sizes[i] = active[i]->replicas + share;
        added += share;
    }
    if (n > 0)
        sizes[0] += to_add - added; /* what rounding left over */
    for (size_t i = 0; i < n; i++)
        deployment_scale_to(d, active[i], sizes[i] > 0 ? sizes[i] : 0);
}

void deployment_scale_spread(struct deployment *d)
{
    struct deployment_set *only = deployment_only_active(d);
    cleanup(freep) struct deployment_set **active = NULL;
    size_t n = 0;

    if (only) {
        deployment_scale_to(d, only, d->replicas);
        return;
    }
    if (deployment_is_saturated(d)) {
        deployment_scale_old_to_zero(d);
        return;
    }
    if (d->recreate)
        return;
    active = MEM_NEW_ARRAY(struct deployment_set *, d->n_sets + 1);
    for (size_t i = 0; i < d->n_sets; i++)
        if (d->sets[i].replicas > 0)
            active[n++] = &d->sets[i];
    deployment_spread_over(d, active, n);
}

/* --- rolling --- */

/* How many pods may exist now that are not on their way out; -1 = a set has not yet looked at
 * its size, and may still be making pods for one that it had before. */
static int64_t deployment_standing(const struct deployment *d)
{
    int64_t n = 0;

    for (size_t i = 0; i < d->n_sets; i++) {
        const struct deployment_set *s = &d->sets[i];

        if (s->object && !s->has_looked)
            return -1;
        n += s->observed > s->replicas ? s->observed : s->replicas;
    }
    return n;
}

int64_t deployment_scale_newest(const struct deployment *d)
{
    const struct deployment_set *s = d->newest;
    int64_t standing, room;

    if (d->recreate)
        return d->replicas;
    /* Kubernetes counts sizes only; the pods of a set that was told to shrink a moment ago
     * count here too, so that the surge holds at every instant. */
    standing = deployment_standing(d);
    room = d->replicas + d->surge - standing;
    if (standing < 0 || room <= 0)
        return s->replicas;
    return s->replicas + deployment_min(room, d->replicas - s->replicas);
}

static bool deployment_roll_up(struct deployment *d)
{
    struct deployment_set *s = d->newest;
    int64_t size = s->replicas > d->replicas ? d->replicas : deployment_scale_newest(d);

    if (size == s->replicas)
        return false;
    deployment_scale_to(d, s, size);
    return true;
}

/* Takes up to @most from old sets, @unhealthy: only pods that are not available. */
static int64_t deployment_take(struct deployment *d, int64_t most, bool unhealthy)
{
    int64_t taken = 0;

    for (size_t i = 0; i < d->n_sets && taken < most; i++) {
        struct deployment_set *s = &d->sets[i];
        int64_t n = unhealthy ? s->replicas - s->available : s->replicas;

        if (s == d->newest || n <= 0)
            continue;
        n = deployment_min(n, most - taken);
        deployment_scale_to(d, s, s->replicas - n);
        taken += n;
    }
    return taken;
}

static bool deployment_roll_down(struct deployment *d)
{
    int64_t total = deployment_total(d), min_available = d->replicas - d->unavailable;
    int64_t missing = d->newest->replicas - d->newest->available, available = 0;
    int64_t most = total - min_available - missing, taken;

    if (total == d->newest->replicas || most <= 0)
        return false;
    for (size_t i = 0; i < d->n_sets; i++)
        available += d->sets[i].available;
    taken = deployment_take(d, most, true);
    if (available > min_available)
        taken += deployment_take(d, available - min_available, false);
    return taken > 0;
}

bool deployment_scale_roll(struct deployment *d)
{
    return deployment_roll_up(d) || deployment_roll_down(d);
}

bool deployment_scale_old_to_zero(struct deployment *d)
{
    bool any = false;

    for (size_t i = 0; i < d->n_sets; i++) {
        if (&d->sets[i] == d->newest || d->sets[i].replicas == 0)
            continue;
        deployment_scale_to(d, &d->sets[i], 0);
        any = true;
    }
    return any;
}
