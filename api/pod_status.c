#include "api/pod_status.h"

#include "api/conditions.h"
#include "base/clock.h"

bool pod_is_ready(const json_t *pod)
{
    return condition_is(json_object_get(pod, "status"), "Ready", "True");
}

bool pod_is_terminal(const json_t *pod)
{
    const char *phase = json_str_or(pod, "status.phase", "");

    return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

bool pod_is_deleting(const json_t *pod)
{
    return json_str(pod, "metadata.deletionTimestamp") != NULL;
}

bool pod_is_active(const json_t *pod)
{
    return !pod_is_terminal(pod) && !pod_is_deleting(pod);
}

int64_t pod_ready_since_ms(const json_t *pod)
{
    const json_t *ready = condition_get(json_object_get(pod, "status"), "Ready");
    const char *since = json_str(ready, "lastTransitionTime");
    int64_t ms;

    if (!pod_is_ready(pod) || since == NULL || !clock_parse(since, &ms))
        return -1;
    return ms;
}

bool pod_is_available(const json_t *pod, int64_t min_ready_seconds, int64_t now_ms)
{
    int64_t since;

    if (!pod_is_ready(pod))
        return false;
    if (min_ready_seconds <= 0)
        return true;
    since = pod_ready_since_ms(pod);
    return since >= 0 && since + min_ready_seconds * 1000 <= now_ms;
}
