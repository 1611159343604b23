#include "nodeagent/eviction.h"

#include "api/quantity.h"
#include "base/mem.h"

#include <string.h>

#define EVICTION_LIMIT    "resources.limits"
#define EVICTION_CRITICAL INT64_C(2000000000) /* system-cluster-critical and above */

bool eviction_is_disk(const json_t *volume)
{
    return json_at(volume, "emptyDir") != NULL &&
           json_str_or(volume, "emptyDir.medium", "")[0] == '\0';
}

static const char *eviction_container_limit(const struct pod_view *pod, size_t i)
{
    return json_string_value(
        json_object_get(json_at(pod->containers[i].spec, EVICTION_LIMIT), "ephemeral-storage"));
}

bool eviction_has_limits(const struct pod_view *pod)
{
    size_t i;
    json_t *volume;

    for (i = 0; i < pod->n; i++)
        if (eviction_container_limit(pod, i) != NULL)
            return true;
    json_array_foreach (json_at(pod->spec, "volumes"), i, volume)
        if (eviction_is_disk(volume) &&
            quantity_text_value(json_str(volume, "emptyDir.sizeLimit"), 0) > 0)
            return true;
    return false;
}

static char *eviction_over_volume(const struct pod_view *pod, const struct pod_usage *usage)
{
    size_t i;
    json_t *volume;

    json_array_foreach (json_at(pod->spec, "volumes"), i, volume) {
        const char *limit = json_str(volume, "emptyDir.sizeLimit");

        if (i < usage->n_volumes && eviction_is_disk(volume) && quantity_text_value(limit, 0) > 0 &&
            usage->volumes[i] > quantity_text_value(limit, 0))
            return mem_fmt("Usage of EmptyDir volume \"%s\" exceeds the limit \"%s\". ",
                           json_str_or(volume, "name", ""), limit);
    }
    return NULL;
}

/* Init containers run before the others: the largest of them counts, not their sum. */
static bool eviction_pod_limit(struct quantity *ret, const struct pod_view *pod)
{
    struct quantity sum = { .nano = 0, .format = 'b' }, one;
    bool has_limit = false;

    for (size_t i = 0; i < pod->n; i++) {
        const char *limit = eviction_container_limit(pod, i);

        if (limit == NULL || pod->containers[i].kind == CONTAINER_INIT ||
            !quantity_parse(limit, &one))
            continue;
        sum = has_limit ? quantity_add(sum, one) : one;
        has_limit = true;
    }
    for (size_t i = 0; i < pod->n; i++) {
        const char *limit = eviction_container_limit(pod, i);

        if (limit == NULL || pod->containers[i].kind != CONTAINER_INIT ||
            !quantity_parse(limit, &one) || (has_limit && quantity_cmp(one, sum) <= 0))
            continue;
        sum = one;
        has_limit = true;
    }
    *ret = sum;
    return has_limit;
}

static char *eviction_over_pod(const struct pod_view *pod, const struct pod_usage *usage)
{
    struct quantity limit;
    char text[QUANTITY_TEXT_MAX];
    int64_t used = 0;

    if (!eviction_pod_limit(&limit, pod))
        return NULL;
    for (size_t i = 0; i < pod->n; i++)
        used += usage->containers[i];
    for (size_t i = 0; i < usage->n_volumes; i++)
        used += usage->volumes[i];
    if (used <= quantity_value(limit))
        return NULL;
    quantity_print(text, limit);
    return mem_fmt("Pod ephemeral local storage usage exceeds the total limit of containers %s. ",
                   text);
}

static char *eviction_over_container(const struct pod_view *pod, const struct pod_usage *usage)
{
    for (size_t i = 0; i < pod->n; i++) {
        const char *limit = eviction_container_limit(pod, i);

        if (limit != NULL && usage->containers[i] > quantity_text_value(limit, INT64_MAX))
            return mem_fmt("Container %s exceeded its local ephemeral storage limit \"%s\". ",
                           pod->containers[i].name, limit);
    }
    return NULL;
}

char *eviction_over_limit(const struct pod_view *pod, const struct pod_usage *usage)
{
    char *why = eviction_over_volume(pod, usage);

    if (why == NULL)
        why = eviction_over_pod(pod, usage);
    return why != NULL ? why : eviction_over_container(pod, usage);
}

/* --- a full disk --- */

static int64_t eviction_request(const struct pod_view *pod, size_t i)
{
    return quantity_text_value(
        json_string_value(json_object_get(json_at(pod->containers[i].spec, "resources.requests"),
                                          "ephemeral-storage")),
        0);
}

/* Bytes used beyond what was asked for; negative below. */
static int64_t eviction_excess(const struct eviction_candidate *c)
{
    int64_t excess = 0;

    for (size_t i = 0; i < c->pod->n; i++)
        excess += c->usage->containers[i] - eviction_request(c->pod, i);
    for (size_t i = 0; i < c->usage->n_volumes; i++)
        excess += c->usage->volumes[i];
    return excess;
}

static int64_t eviction_priority(const struct eviction_candidate *c)
{
    return json_int(c->pod->spec, "priority", 0);
}

/* Must @a go before @b? */
static bool eviction_before(const struct eviction_candidate *a, const struct eviction_candidate *b)
{
    int64_t over_a = eviction_excess(a), over_b = eviction_excess(b);

    if ((over_a > 0) != (over_b > 0))
        return over_a > 0;
    if (eviction_priority(a) != eviction_priority(b))
        return eviction_priority(a) < eviction_priority(b);
    return over_a > over_b;
}

size_t eviction_choose(const struct eviction_candidate *all, size_t n)
{
    size_t first = n;

    for (size_t i = 0; i < n; i++)
        if (eviction_priority(&all[i]) < EVICTION_CRITICAL &&
            (first == n || eviction_before(&all[i], &all[first])))
            first = i;
    return first;
}

static void eviction_print(char ret[QUANTITY_TEXT_MAX], int64_t bytes)
{
    quantity_print(ret, (struct quantity){ .nano = (__int128)bytes * 1000000000, .format = 'b' });
}

char *eviction_disk_message(const struct eviction_candidate *c, int64_t threshold,
                            int64_t available)
{
    struct text t = TEXT_EMPTY;
    char a[QUANTITY_TEXT_MAX], b[QUANTITY_TEXT_MAX];

    eviction_print(a, threshold);
    eviction_print(b, available);
    text_fmt(&t,
             "The node was low on resource: ephemeral-storage. Threshold quantity: %s, available: "
             "%s. ",
             a, b);
    for (size_t i = 0; i < c->pod->n; i++) {
        int64_t used = c->usage->containers[i], request = eviction_request(c->pod, i);

        if (used <= request)
            continue;
        eviction_print(a, used);
        eviction_print(b, request);
        text_fmt(&t,
                 "Container %s was using %s, request is %s, has larger consumption of "
                 "ephemeral-storage. ",
                 c->pod->containers[i].name, a, b);
    }
    return text_take(&t);
}
