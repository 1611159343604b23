#include "controlplane/deployment_impl.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"

/* --- conditions; a Deployment's also tell when they were last told --- */

/* Like Kubernetes: a condition that says the same (status and reason) stays as it is. */
static void deployment_condition(json_t *status, const char *type, const char *value,
                                 const char *reason, const char *message, int64_t now_wall_ms,
                                 bool refresh)
{
    const json_t *have = condition_get(status, type);
    char now[CLOCK_TEXT_MAX];

    if (have && !refresh && str_eq(json_str(have, "status"), value) &&
        str_eq(json_str(have, "reason"), reason))
        return;
    clock_print(now, now_wall_ms);
    condition_set(status, type, value, reason, message, now_wall_ms);
    json_object_set_new(json_find(json_object_get(status, "conditions"), "type", type),
                        "lastUpdateTime", json_string(now));
}

static void deployment_progressing(const struct deployment *d, json_t *status, const char *value,
                                   const char *reason, bool refresh, const char *tail)
{
    cleanup(freep) char *message = NULL;

    if (d->newest)
        message = mem_fmt("ReplicaSet \"%s\" %s", d->newest->name, tail);
    else
        message = mem_fmt("Deployment \"%s\" %s", d->object->name, tail);
    deployment_condition(status, "Progressing", value, reason, message, d->now.wall_ms, refresh);
}

/* --- counts --- */

static void deployment_put_count(json_t *status, const char *key, int64_t n)
{
    if (n > 0)
        json_put_int(status, key, n);
    else
        json_del(status, key);
}

static void deployment_count(const struct deployment *d, json_t *status)
{
    int64_t total = 0, observed = 0, ready = 0, available = 0;

    for (size_t i = 0; i < d->n_sets; i++) {
        total += d->sets[i].replicas;
        observed += d->sets[i].observed;
        ready += d->sets[i].ready;
        available += d->sets[i].available;
    }
    deployment_put_count(status, "observedGeneration", d->object->generation);
    deployment_put_count(status, "replicas", observed);
    deployment_put_count(status, "updatedReplicas", d->newest ? d->newest->observed : 0);
    deployment_put_count(status, "readyReplicas", ready);
    deployment_put_count(status, "availableReplicas", available);
    deployment_put_count(status, "unavailableReplicas", total - available);
    if (d->collisions > 0)
        json_put_int(status, "collisionCount", d->collisions);
    if (available >= d->replicas - d->unavailable)
        deployment_condition(status, "Available", "True", "MinimumReplicasAvailable",
                             "Deployment has minimum availability.", d->now.wall_ms, false);
    else
        deployment_condition(status, "Available", "False", "MinimumReplicasUnavailable",
                             "Deployment does not have minimum availability.", d->now.wall_ms,
                             false);
}

bool deployment_status_is_complete(const struct deployment *d, const json_t *status)
{
    return json_int(status, "updatedReplicas", 0) == d->replicas &&
           json_int(status, "replicas", 0) == d->replicas &&
           json_int(status, "availableReplicas", 0) == d->replicas &&
           json_int(status, "observedGeneration", 0) >= d->object->generation;
}

/* --- progress --- */

static bool deployment_moved(const json_t *old, const json_t *status)
{
    int64_t updated = json_int(status, "updatedReplicas", 0);
    int64_t old_updated = json_int(old, "updatedReplicas", 0);

    return updated > old_updated ||
           json_int(status, "replicas", 0) - updated < json_int(old, "replicas", 0) - old_updated ||
           json_int(status, "readyReplicas", 0) > json_int(old, "readyReplicas", 0) ||
           json_int(status, "availableReplicas", 0) > json_int(old, "availableReplicas", 0);
}

/* Milliseconds until the deadline of a rollout under way; negative = it has passed. */
static int64_t deployment_time_left(const struct deployment *d, const json_t *condition)
{
    int64_t since;

    if (!clock_parse(json_str_or(condition, "lastUpdateTime", ""), &since))
        since = d->now.wall_ms;
    return since + d->progress_deadline_s * 1000 - d->now.wall_ms;
}

static void deployment_judge(const struct deployment *d, const json_t *old, json_t *status)
{
    const json_t *current = condition_get(status, "Progressing");
    const char *reason = json_str_or(current, "reason", "");

    if (str_eq(reason, "NewReplicaSetAvailable") && !d->created &&
        json_int(status, "replicas", 0) == json_int(status, "updatedReplicas", 0))
        return; /* done before; what breaks later is no longer a matter of this rollout */
    if (deployment_status_is_complete(d, status)) {
        deployment_progressing(d, status, "True", "NewReplicaSetAvailable", false,
                               "has successfully progressed.");
    } else if (deployment_moved(old, status)) {
        deployment_progressing(d, status, "True", "ReplicaSetUpdated", true, "is progressing.");
    } else if (current && !str_eq(reason, "NewReplicaSetAvailable") &&
               (str_eq(reason, "ProgressDeadlineExceeded") ||
                deployment_time_left(d, current) < 0)) {
        deployment_progressing(d, status, "False", "ProgressDeadlineExceeded", false,
                               "has timed out progressing.");
    }
}

/* A new set, made or found, starts the clock of the rollout. */
static void deployment_start_clock(const struct deployment *d, json_t *status)
{
    cleanup(freep) char *message = NULL;

    if (d->created) {
        message = mem_fmt("Created new replica set \"%s\"", d->newest->name);
        deployment_condition(status, "Progressing", "True", "NewReplicaSetCreated", message,
                             d->now.wall_ms, false);
    } else if (d->newest && !condition_get(status, "Progressing")) {
        message = mem_fmt("Found new replica set \"%s\"", d->newest->name);
        deployment_condition(status, "Progressing", "True", "FoundNewReplicaSet", message,
                             d->now.wall_ms, false);
    }
}

static void deployment_pause(const struct deployment *d, json_t *status)
{
    const char *reason = json_str_or(condition_get(status, "Progressing"), "reason", "");
    bool was_paused = str_eq(reason, "DeploymentPaused");

    if (str_eq(reason, "ProgressDeadlineExceeded"))
        return;
    if (d->paused && !was_paused)
        deployment_condition(status, "Progressing", "Unknown", "DeploymentPaused",
                             "Deployment is paused", d->now.wall_ms, false);
    else if (!d->paused && was_paused)
        deployment_condition(status, "Progressing", "Unknown", "DeploymentResumed",
                             "Deployment is resumed", d->now.wall_ms, false);
}

static void deployment_take_over_failure(const struct deployment *d, json_t *status)
{
    const json_t *failure = NULL;

    if (d->newest)
        failure = condition_get(json_object_get(d->newest->tree, "status"), "ReplicaFailure");
    for (size_t i = 0; i < d->n_sets && !failure; i++)
        failure = condition_get(json_object_get(d->sets[i].tree, "status"), "ReplicaFailure");
    if (failure)
        deployment_condition(status, "ReplicaFailure", json_str_or(failure, "status", "True"),
                             json_str(failure, "reason"), json_str(failure, "message"),
                             d->now.wall_ms, false);
    else
        condition_remove(status, "ReplicaFailure");
}

static void deployment_watch_deadline(const struct deployment *d, const json_t *status)
{
    const json_t *current = condition_get(status, "Progressing");
    const char *reason = json_str_or(current, "reason", "");

    if (current && !str_eq(reason, "ProgressDeadlineExceeded") &&
        !str_eq(reason, "NewReplicaSetAvailable") && !deployment_status_is_complete(d, status))
        plan_again(d->plan, deployment_time_left(d, current) + 1000);
}

void deployment_status_write(struct deployment *d, bool rollout)
{
    const json_t *old = json_object_get(d->tree, "status");
    cleanup(json_decrefpp) json_t *status = old ? json_deep_copy(old) : json_object();
    json_t *tree;

    deployment_count(d, status);
    if (d->progress_deadline_s < 0) {
        condition_remove(status, "Progressing");
    } else {
        deployment_pause(d, status);
        deployment_start_clock(d, status);
        if (rollout && !d->created)
            deployment_judge(d, old, status);
        if (rollout)
            deployment_watch_deadline(d, status);
    }
    deployment_take_over_failure(d, status);
    if (old && json_equal(old, status))
        return;
    tree = json_deep_copy(d->tree);
    json_put(tree, "status", json_incref(status));
    plan_status(d->plan, d->object, tree);
}
