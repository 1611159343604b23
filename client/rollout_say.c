#include "client/rollout_say.h"

#include "api/conditions.h"
#include "base/mem.h"

typedef int (*rollout_fn)(struct text *ret, const json_t *o, struct err *err);

static long long rollout_int(const json_t *o, const char *path)
{
    return json_int(o, path, 0);
}

static bool rollout_observed(const json_t *o)
{
    return rollout_int(o, "metadata.generation") <= rollout_int(o, "status.observedGeneration");
}

static const char *rollout_name(const json_t *o)
{
    return json_str_or(o, "metadata.name", "");
}

static int rollout_deployment(struct text *ret, const json_t *o, struct err *err)
{
    const json_t *progress = condition_get(json_at(o, "status"), "Progressing");
    long long want = json_int(o, "spec.replicas", 1);
    long long updated = rollout_int(o, "status.updatedReplicas");
    long long all = rollout_int(o, "status.replicas");
    long long available = rollout_int(o, "status.availableReplicas");

    if (!rollout_observed(o)) {
        text_puts(ret, "Waiting for deployment spec update to be observed...");
        return 0;
    }
    if (str_eq(json_str(progress, "reason"), "ProgressDeadlineExceeded"))
        return err_set(err, ERR_INVALID, "deployment \"%s\" exceeded its progress deadline",
                       rollout_name(o));
    if (updated < want)
        text_fmt(ret,
                 "Waiting for deployment \"%s\" rollout to finish: %lld out of %lld new replicas "
                 "have been updated...",
                 rollout_name(o), updated, want);
    else if (all > updated)
        text_fmt(ret,
                 "Waiting for deployment \"%s\" rollout to finish: %lld old replicas are pending "
                 "termination...",
                 rollout_name(o), all - updated);
    else if (available < updated)
        text_fmt(ret,
                 "Waiting for deployment \"%s\" rollout to finish: %lld of %lld updated replicas "
                 "are available...",
                 rollout_name(o), available, updated);
    else
        text_fmt(ret, "deployment \"%s\" successfully rolled out", rollout_name(o));
    return updated >= want && all <= updated && available >= updated ? ROLLOUT_DONE : 0;
}

static int rollout_daemon_set(struct text *ret, const json_t *o, struct err *err)
{
    long long want = rollout_int(o, "status.desiredNumberScheduled");
    long long updated = rollout_int(o, "status.updatedNumberScheduled");
    long long available = rollout_int(o, "status.numberAvailable");

    if (!str_eq(json_str_or(o, "spec.updateStrategy.type", "RollingUpdate"), "RollingUpdate"))
        return err_set(err, ERR_INVALID,
                       "rollout status is only available for RollingUpdate strategy type");
    if (!rollout_observed(o)) {
        text_puts(ret, "Waiting for daemon set spec update to be observed...");
        return 0;
    }
    if (updated < want)
        text_fmt(ret,
                 "Waiting for daemon set \"%s\" rollout to finish: %lld out of %lld new pods have "
                 "been updated...",
                 rollout_name(o), updated, want);
    else if (available < want)
        text_fmt(ret,
                 "Waiting for daemon set \"%s\" rollout to finish: %lld of %lld updated pods are "
                 "available...",
                 rollout_name(o), available, want);
    else
        text_fmt(ret, "daemon set \"%s\" successfully rolled out", rollout_name(o));
    return updated >= want && available >= want ? ROLLOUT_DONE : 0;
}

/* Pods below the partition stay as they are. */
static int rollout_partition(struct text *ret, const json_t *o, long long want, long long partition)
{
    long long updated = rollout_int(o, "status.updatedReplicas");

    if (updated < want - partition) {
        text_fmt(ret,
                 "Waiting for partitioned roll out to finish: %lld out of %lld new pods have been "
                 "updated...",
                 updated, want - partition);
        return 0;
    }
    text_fmt(ret, "partitioned roll out complete: %lld new pods have been updated...", updated);
    return ROLLOUT_DONE;
}

static int rollout_stateful_set(struct text *ret, const json_t *o, struct err *err)
{
    long long want = json_int(o, "spec.replicas", 1);
    long long ready = rollout_int(o, "status.readyReplicas");
    long long partition = rollout_int(o, "spec.updateStrategy.rollingUpdate.partition");
    const char *update = json_str_or(o, "status.updateRevision", "");

    if (!str_eq(json_str_or(o, "spec.updateStrategy.type", "RollingUpdate"), "RollingUpdate"))
        return err_set(err, ERR_INVALID,
                       "rollout status is only available for RollingUpdate strategy type");
    if (rollout_int(o, "status.observedGeneration") == 0 || !rollout_observed(o)) {
        text_puts(ret, "Waiting for statefulset spec update to be observed...");
        return 0;
    }
    if (ready < want) {
        text_fmt(ret, "Waiting for %lld pods to be ready...", want - ready);
        return 0;
    }
    if (json_at(o, "spec.updateStrategy.rollingUpdate.partition") != NULL && partition > 0)
        return rollout_partition(ret, o, want, partition);
    if (!str_eq(update, json_str_or(o, "status.currentRevision", ""))) {
        text_fmt(ret,
                 "waiting for statefulset rolling update to complete %lld pods at revision "
                 "%s...",
                 rollout_int(o, "status.updatedReplicas"), update);
        return 0;
    }
    text_fmt(ret, "statefulset rolling update complete %lld pods at revision %s...",
             rollout_int(o, "status.currentReplicas"),
             json_str_or(o, "status.currentRevision", ""));
    return ROLLOUT_DONE;
}

int rollout_say(struct text *ret, const struct schema_resource *r, const json_t *object,
                struct err *err)
{
    static const struct {
        const char *plural;
        rollout_fn say;
    } kinds[] = {
        { "deployments", rollout_deployment },
        { "daemonsets", rollout_daemon_set },
        { "statefulsets", rollout_stateful_set },
    };

    for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
        if (str_eq(r->plural, kinds[i].plural))
            return kinds[i].say(ret, object, err);
    return err_set(err, ERR_INVALID, "no status viewer has been implemented for %s", r->kind);
}
