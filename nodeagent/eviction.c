#include "nodeagent/eviction.h"

#include "api/quantity.h"
#include "base/mem.h"

#include <string.h>

#define EVICTION_LIMIT "resources.limits"

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
