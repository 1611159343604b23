#include "controlplane/replicaset_rank.h"

#include "api/pod_status.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define RANK_COST "controller.kubernetes.io/pod-deletion-cost"

/* Ages count by doublings, as Kubernetes does, so that not always the newest zone, node or
 * batch loses its pods; within one doubling the uid decides. */
static int64_t replicaset_rank_doublings(int64_t since_ms, int64_t now_ms)
{
    int64_t age_ns = (now_ms - since_ms) * 1000000, n = -1;

    if (since_ms < 0 || age_ns <= 0)
        return -1;
    for (; age_ns > 0; age_ns >>= 1)
        n++;
    return n;
}

static int replicaset_rank_phase(const char *phase)
{
    if (str_eq(phase, "Running"))
        return 2;
    return str_eq(phase, "Unknown") ? 1 : 0;
}

static int64_t replicaset_rank_cost(const json_t *pod)
{
    const json_t *annotations = json_at(pod, "metadata.annotations");
    int64_t cost;

    if (str_i64(json_string_value(json_object_get(annotations, RANK_COST)), &cost))
        return cost;
    return 0;
}

static int64_t replicaset_rank_restarts(const json_t *pod)
{
    const json_t *statuses = json_at(pod, "status.containerStatuses"), *status;
    int64_t most = 0;
    size_t i;

    json_array_foreach (statuses, i, status) {
        int64_t n = json_int(status, "restartCount", 0);

        if (n > most)
            most = n;
    }
    return most;
}

static void replicaset_rank_fill(struct replicaset_pod *p, int64_t now_ms)
{
    int64_t created_ms = -1;

    if (!clock_parse(json_str_or(p->tree, "metadata.creationTimestamp", ""), &created_ms))
        created_ms = -1;
    p->key.assigned = !str_empty(p->object->node);
    p->key.phase = replicaset_rank_phase(p->object->phase);
    p->key.ready = pod_is_ready(p->tree);
    p->key.cost = replicaset_rank_cost(p->tree);
    p->key.ready_age = replicaset_rank_doublings(pod_ready_since_ms(p->tree), now_ms);
    p->key.restarts = replicaset_rank_restarts(p->tree);
    p->key.age = replicaset_rank_doublings(created_ms, now_ms);
}

static int replicaset_rank_cmp(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Negative: a goes first. */
static int replicaset_rank_compare(const void *pa, const void *pb)
{
    const struct replicaset_pod *a = pa, *b = pb;
    int d;

    if ((d = replicaset_rank_cmp(a->key.assigned, b->key.assigned)))
        return d;
    if ((d = replicaset_rank_cmp(a->key.phase, b->key.phase)))
        return d;
    if ((d = replicaset_rank_cmp(a->key.ready, b->key.ready)))
        return d;
    if ((d = replicaset_rank_cmp(a->key.cost, b->key.cost)))
        return d;
    if ((d = replicaset_rank_cmp(b->neighbours, a->neighbours)))
        return d;
    if (a->key.ready && (d = replicaset_rank_cmp(a->key.ready_age, b->key.ready_age)))
        return d;
    if ((d = replicaset_rank_cmp(b->key.restarts, a->key.restarts)))
        return d;
    if ((d = replicaset_rank_cmp(a->key.age, b->key.age)))
        return d;
    return strcmp(a->object->uid, b->object->uid);
}

void replicaset_rank(struct replicaset_pod *pods, size_t n, int64_t now_wall_ms)
{
    for (size_t i = 0; i < n; i++)
        replicaset_rank_fill(&pods[i], now_wall_ms);
    if (n > 1)
        qsort(pods, n, sizeof(*pods), replicaset_rank_compare);
}
