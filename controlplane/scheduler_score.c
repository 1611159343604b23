/* Which of the nodes that would do is best: a table of scores with Kubernetes' weights, each
 * brought to 0..100 over the nodes in question. */
#include "api/taint.h"
#include "controlplane/scheduler_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <math.h>

#define SCHED_SCORE_MAX 100

enum sched_scale {
    SCHED_AS_IS,   /* is 0..100 already */
    SCHED_TO_MAX,  /* the largest becomes 100 */
    SCHED_REVERSE, /* the same, and the less the better */
    SCHED_RANGE,   /* the smallest becomes 0, the largest 100 */
    SCHED_SPREAD,  /* the smallest becomes 100, by its distance from the largest */
};

static double sched_score_taints(const struct sched_want *w, const struct sched_node *n)
{
    const json_t *taints = json_at(n->tree, "spec.taints"), *t;
    size_t i;
    int count = 0;

    json_array_foreach (taints, i, t)
        count += str_eq(json_str(t, "effect"), "PreferNoSchedule") &&
                 !taint_is_tolerated(t, w->tolerations);
    return count;
}

static double sched_score_node_affinity(const struct sched_want *w, const struct sched_node *n)
{
    int64_t sum = 0;

    for (size_t i = 0; i < w->n_preferred; i++)
        if (node_affinity_matches(w->preferred[i], n->object))
            sum += w->preferred_weights[i];
    return (double)sum;
}

/* A domain among many weighs more than one among few. */
static double sched_score_spread(const struct sched_want *w, const struct sched_node *n)
{
    double sum = 0;

    for (size_t i = 0; i < w->topology.n_spreads; i++) {
        const struct sched_spread *s = &w->topology.spreads[i];
        int64_t count = sched_spread_count(s, n);

        if (!s->hard && count >= 0)
            sum += (double)count * log((double)map_len(s->counts) + 2) + (double)(s->max_skew - 1);
    }
    return round(sum);
}

static double sched_score_pods(const struct sched_want *w, const struct sched_node *n)
{
    int64_t sum = 0;

    if (!w->topology.preferred)
        return 0;
    for (size_t i = 0; i < n->object->n_labels; i++)
        sum += sched_pairs_get(w->topology.preferred, n->object->labels[i].key, n);
    return (double)sum;
}

struct sched_use {
    double cpu, memory; /* 0..1, with the wanted pod */
};

static double sched_share(int64_t used, int64_t total)
{
    double share = total > 0 ? (double)used / (double)total : 1;

    return share < 1 ? share : 1;
}

static struct sched_use sched_use_of(const struct sched_want *w, const struct sched_node *n,
                                     bool guess)
{
    int64_t cpu = w->requests.cpu_milli, memory = w->requests.memory;
    const struct pod_resources *all = &n->allocatable;

    if (!guess)
        return (struct sched_use){ sched_share(n->used.cpu_milli + cpu, all->cpu_milli),
                                   sched_share(n->used.memory + memory, all->memory) };
    cpu = n->guess_cpu_milli + (cpu ? cpu : SCHED_GUESS_CPU_MILLI);
    memory = n->guess_memory + (memory ? memory : SCHED_GUESS_MEMORY);
    return (struct sched_use){ sched_share(cpu, all->cpu_milli), sched_share(memory, all->memory) };
}

static double sched_score_least(const struct sched_want *w, const struct sched_node *n)
{
    struct sched_use u = sched_use_of(w, n, true);

    return floor((1 - u.cpu) * 50 + (1 - u.memory) * 50);
}

static double sched_score_balance(const struct sched_want *w, const struct sched_node *n)
{
    struct sched_use u = sched_use_of(w, n, false);

    return floor((1 - fabs(u.cpu - u.memory) / 2) * 100);
}

static const struct sched_score_row {
    double (*of)(const struct sched_want *w, const struct sched_node *n);
    enum sched_scale scale;
    int weight;
} sched_scores[] = {
    { sched_score_taints, SCHED_REVERSE, 3 }, { sched_score_node_affinity, SCHED_TO_MAX, 2 },
    { sched_score_spread, SCHED_SPREAD, 2 },  { sched_score_pods, SCHED_RANGE, 2 },
    { sched_score_least, SCHED_AS_IS, 1 },    { sched_score_balance, SCHED_AS_IS, 1 },
};

static double sched_scaled(enum sched_scale scale, double x, double min, double max)
{
    switch (scale) {
    case SCHED_AS_IS: return x;
    case SCHED_TO_MAX: return max > 0 ? floor(x * SCHED_SCORE_MAX / max) : 0;
    case SCHED_REVERSE:
        return max > 0 ? SCHED_SCORE_MAX - floor(x * SCHED_SCORE_MAX / max) : SCHED_SCORE_MAX;
    case SCHED_RANGE: return max > min ? floor((x - min) * SCHED_SCORE_MAX / (max - min)) : 0;
    case SCHED_SPREAD:
        return max > 0 ? floor((max + min - x) * SCHED_SCORE_MAX / max) : SCHED_SCORE_MAX;
    }
    return 0;
}

static void sched_score_add(const struct sched_want *w, const struct sched_score_row *row,
                            const struct sched_node *const *nodes, size_t n, double *raw,
                            double *sums)
{
    double min = 0, max = 0;

    for (size_t i = 0; i < n; i++) {
        raw[i] = row->of(w, nodes[i]);
        min = i == 0 || raw[i] < min ? raw[i] : min;
        max = i == 0 || raw[i] > max ? raw[i] : max;
    }
    for (size_t i = 0; i < n; i++)
        sums[i] += row->weight * sched_scaled(row->scale, raw[i], min, max);
}

const struct sched_node *sched_best(const struct sched_want *w,
                                    const struct sched_node *const *nodes, size_t n)
{
    cleanup(freep) double *sums = MEM_NEW_ARRAY(double, n), *raw = MEM_NEW_ARRAY(double, n);
    size_t best = 0;

    assert(n > 0);
    for (size_t i = 0; i < N_ELEMENTS(sched_scores); i++)
        sched_score_add(w, &sched_scores[i], nodes, n, raw, sums);
    for (size_t i = 1; i < n; i++)
        if (sums[i] > sums[best] ||
            (sums[i] >= sums[best] && nodes[i]->n_pods < nodes[best]->n_pods))
            best = i;
    return nodes[best];
}
