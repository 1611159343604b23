/* Rules for what makes pods: who may not make them, and who waits. */
#include "api/conditions.h"
#include "api/pod_status.h"
#include "base/mem.h"
#include "client/why_impl.h"

#include <string.h>

/* --- refused pods: what admission said, wherever it was found --- */

static bool why_said(struct why_case *c, const char *part)
{
    return strstr(why_value(c, "message"), part) != NULL;
}

static bool why_quota(struct why_case *c)
{
    const char *at = strstr(why_value(c, "message"), "exceeded quota: ");

    if (at == NULL)
        return false;
    at += strlen("exceeded quota: ");
    why_put(c, "quota", "%.*s", (int)strcspn(at, ","), at);
    why_put(c, "numbers", "%s", at + strcspn(at, ",") + (at[strcspn(at, ",")] != '\0' ? 2 : 0));
    return true;
}

static bool why_quota_asks(struct why_case *c)
{
    const char *at = strstr(why_value(c, "message"), "must specify ");

    why_put(c, "must", "%s", at != NULL ? at + strlen("must specify ") : "");
    return at != NULL && why_said(c, "quota");
}

static bool why_limit_range(struct why_case *c)
{
    return why_said(c, "usage per ") || why_said(c, "limit to request ratio");
}

static bool why_pod_security(struct why_case *c)
{
    return why_said(c, "violates PodSecurity") &&
           why_put_quoted(c, "level", why_value(c, "message"), "violates PodSecurity");
}

static bool why_account(struct why_case *c)
{
    return why_said(c, "error looking up service account") &&
           why_put_quoted(c, "account", why_value(c, "message"), "serviceaccount");
}

static bool why_webhook_away(struct why_case *c)
{
    return why_said(c, "failed calling webhook") &&
           why_put_quoted(c, "webhook", why_value(c, "message"), "failed calling webhook");
}

static bool why_webhook_denied(struct why_case *c)
{
    return why_said(c, "admission webhook") &&
           why_put_quoted(c, "webhook", why_value(c, "message"), "admission webhook");
}

static bool why_priority_class(struct why_case *c)
{
    return why_said(c, "no PriorityClass with name");
}

static bool why_denied_other(struct why_case *c)
{
    return why_value(c, "message")[0] != '\0';
}

const struct why_rule why_denied_rules[] = {
    { why_quota, WHY_BROKEN,
      "its pods are refused: the ResourceQuota {quota} is used up: {numbers}",
      "delete what is not needed {in}, or raise spec.hard of resourcequota/{quota}", WHY_NO_LOG,
      NULL },
    { why_quota_asks, WHY_BROKEN,
      "its pods are refused: a ResourceQuota demands that they say {must}",
      "in {manifest}: {at}.containers[].resources; or a LimitRange with defaults {in}", WHY_NO_LOG,
      NULL },
    { why_limit_range, WHY_BROKEN, "its pods are refused by a LimitRange: {message}",
      "in {manifest}: {at}.containers[].resources within those bounds", WHY_NO_LOG, NULL },
    { why_pod_security, WHY_BROKEN, "its pods are refused: {message}",
      "change {at}.containers[].securityContext in {manifest} as the message says; or mkube label "
      "--overwrite ns {ns} pod-security.kubernetes.io/enforce=privileged",
      WHY_NO_LOG, NULL },
    { why_account, WHY_BROKEN,
      "its pods are refused: there is no ServiceAccount {account} in namespace {ns}",
      "mkube create serviceaccount {account} {in}; or correct {at}.serviceAccountName in "
      "{manifest}",
      WHY_NO_LOG, NULL },
    { why_webhook_away, WHY_BROKEN,
      "its pods are refused: webhook {webhook} does not answer: {message}",
      "see that the webhook's pods run; or delete its configuration (mkube get "
      "validatingwebhookconfigurations,mutatingwebhookconfigurations)",
      WHY_NO_LOG, NULL },
    { why_webhook_denied, WHY_BROKEN, "its pods are refused by webhook {webhook}: {message}",
      "change {at} in {manifest} as the webhook demands", WHY_NO_LOG, NULL },
    { why_priority_class, WHY_BROKEN, "its pods are refused: {message}",
      "correct {at}.priorityClassName in {manifest}", WHY_NO_LOG, NULL },
    { why_denied_other, WHY_BROKEN, "its pods cannot be made: {message}",
      "correct {at} in {manifest}", WHY_NO_LOG, NULL },
    WHY_END,
};

/* Its pods were refused: @message says how. */
static bool why_denied(struct why_case *c)
{
    const json_t *failure = condition_get(json_at(c->o, "status"), "ReplicaFailure");
    const json_t *event = why_event(c, c->o, "FailedCreate", NULL);
    const char *message = json_str(event, "message");

    if (str_eq(json_str(failure, "status"), "True"))
        message = json_str(failure, "message");
    why_put(c, "message", "%s", message != NULL ? message : "");
    why_put_place(c, c->o);
    return message != NULL;
}

/* --- ReplicaSets and Deployments --- */

static bool why_replicas_denied(struct why_case *c)
{
    return json_int(c->o, "status.replicas", 0) < json_int(c->o, "spec.replicas", 1) &&
           why_denied(c);
}

const struct why_rule why_replica_set_rules[] = {
    { why_replicas_denied, WHY_BROKEN, "", "", WHY_NO_LOG, why_denied_rules },
    WHY_END,
};

static bool why_paused(struct why_case *c)
{
    return json_bool(c->o, "spec.paused", false) &&
           json_int(c->o, "status.updatedReplicas", 0) < json_int(c->o, "spec.replicas", 1);
}

static bool why_scaled_to_none(struct why_case *c)
{
    return json_int(c->o, "spec.replicas", 1) == 0;
}

const struct why_rule why_deployment_rules[] = {
    { why_scaled_to_none, WHY_NOTE, "it is scaled to 0: nothing is meant to run",
      "mkube scale {object} {in} --replicas=1", WHY_NO_LOG, NULL },
    { why_paused, WHY_WAITING, "it is paused: changes of its template do not roll out",
      "mkube rollout resume {object} {in}", WHY_NO_LOG, NULL },
    WHY_END,
};

/* --- StatefulSets --- */

static bool why_headless(struct why_case *c)
{
    const char *name = json_str_or(c->o, "spec.serviceName", "");

    why_put(c, "service", "%s", name);
    return name[0] != '\0' && why_lacks(c->w, "services", why_ns(c->o), name);
}

static bool why_ordinal_denied(struct why_case *c)
{
    return json_int(c->o, "status.replicas", 0) < json_int(c->o, "spec.replicas", 1) &&
           why_denied(c);
}

const struct why_rule why_stateful_set_rules[] = {
    { why_scaled_to_none, WHY_NOTE, "it is scaled to 0: nothing is meant to run",
      "mkube scale {object} {in} --replicas=1", WHY_NO_LOG, NULL },
    { why_ordinal_denied, WHY_BROKEN, "", "", WHY_NO_LOG, why_denied_rules },
    WHY_END,
};

/* The pods are looked at first: these say what stands behind a pod that is not ready. */
static bool why_ordinal_waits(struct why_case *c)
{
    int64_t want = json_int(c->o, "spec.replicas", 1);
    int64_t start = json_int(c->o, "spec.ordinals.start", 0);

    if (str_eq(json_str(c->o, "spec.podManagementPolicy"), "Parallel"))
        return false;
    for (int64_t i = start; i + 1 < start + want; i++) {
        cleanup(freep) char *name = mem_fmt("%s-%lld", why_name(c->o), (long long)i);
        cleanup(freep) char *next = mem_fmt("%s-%lld", why_name(c->o), (long long)i + 1);
        const json_t *pod = why_get(c->w, "pods", why_ns(c->o), name);

        why_put(c, "pod", "%s", name);
        why_put(c, "next", "%s", next);
        if (pod != NULL && !pod_is_ready(pod))
            return why_get(c->w, "pods", why_ns(c->o), next) == NULL;
    }
    return false;
}

const struct why_rule why_after_stateful_set_rules[] = {
    { why_ordinal_waits, WHY_WAITING, "pod {next} waits until {pod} is ready: they start in order",
      "mkube why pod/{pod} {in}; or podManagementPolicy: Parallel, in a new StatefulSet",
      WHY_NO_LOG, NULL },
    { why_headless, WHY_NOTE,
      "its Service {service} is not there: its pods have no names of their own",
      "create a Service {service} {in} with clusterIP: None", WHY_NO_LOG, NULL },
    WHY_END,
};

/* --- DaemonSets --- */

static bool why_nowhere(struct why_case *c)
{
    const json_t *selector = json_at(c->o, "spec.template.spec.nodeSelector");
    cleanup(freep) char *text = selector != NULL ? json_print(selector, NULL) : NULL;

    why_put(c, "selector", "%s%s", text != NULL ? "; its nodeSelector: " : "",
            text != NULL ? text : "");
    return json_int(c->o, "status.observedGeneration", 0) > 0 &&
           json_int(c->o, "status.desiredNumberScheduled", 0) == 0 &&
           json_array_size(why_list(c->w, "nodes")) > 0;
}

static bool why_daemons_denied(struct why_case *c)
{
    return json_int(c->o, "status.currentNumberScheduled", 0) <
               json_int(c->o, "status.desiredNumberScheduled", 0) &&
           why_denied(c);
}

const struct why_rule why_daemon_set_rules[] = {
    { why_daemons_denied, WHY_BROKEN, "", "", WHY_NO_LOG, why_denied_rules },
    { why_nowhere, WHY_NOTE, "no node is one for it{selector}",
      "label a node so, or correct spec.template.spec.nodeSelector", WHY_NO_LOG, NULL },
    WHY_END,
};

/* --- Jobs --- */

static bool why_job_failed(struct why_case *c, const char *reason)
{
    const json_t *failed = condition_get(json_at(c->o, "status"), "Failed");

    why_put(c, "message", "%s", json_str_or(failed, "message", ""));
    why_put(c, "reason", "%s", json_str_or(failed, "reason", ""));
    why_put(c, "failed", "%lld", (long long)json_int(c->o, "status.failed", 0));
    why_put(c, "limit", "%lld", (long long)json_int(c->o, "spec.backoffLimit", 6));
    why_put(c, "deadline", "%lld", (long long)json_int(c->o, "spec.activeDeadlineSeconds", 0));
    return str_eq(json_str(failed, "status"), "True") &&
           (reason == NULL || str_eq(json_str(failed, "reason"), reason));
}

static bool why_job_backoff(struct why_case *c)
{
    return why_job_failed(c, "BackoffLimitExceeded");
}

static bool why_job_late(struct why_case *c)
{
    return why_job_failed(c, "DeadlineExceeded");
}

static bool why_job_other(struct why_case *c)
{
    return why_job_failed(c, NULL);
}

static bool why_job_done(struct why_case *c)
{
    return condition_is(json_at(c->o, "status"), "Complete", "True");
}

static bool why_job_suspended(struct why_case *c)
{
    return !why_job_done(c) && json_bool(c->o, "spec.suspend", false);
}

static bool why_job_denied(struct why_case *c)
{
    return !why_job_done(c) && json_int(c->o, "status.active", 0) == 0 && why_denied(c);
}

const struct why_rule why_job_rules[] = {
    { why_job_late, WHY_BROKEN,
      "it ran longer than its activeDeadlineSeconds of {deadline} s and was ended",
      "raise spec.activeDeadlineSeconds, and start it again under a new name", WHY_NO_LOG, NULL },
    { why_job_backoff, WHY_BROKEN,
      "its pods failed {failed} times, more than its backoffLimit of {limit} allows",
      "correct what fails (below), then mkube delete {object} {in} and apply it again", WHY_NO_LOG,
      NULL },
    { why_job_other, WHY_BROKEN, "it failed: {reason} {message}", "", WHY_NO_LOG, NULL },
    { why_job_suspended, WHY_NOTE, "it is suspended",
      "mkube patch {object} {in} -p '{\"spec\":{\"suspend\":false}}'", WHY_NO_LOG, NULL },
    { why_job_denied, WHY_BROKEN, "", "", WHY_NO_LOG, why_denied_rules },
    WHY_END,
};

static bool why_cron_suspended(struct why_case *c)
{
    return json_bool(c->o, "spec.suspend", false);
}

static bool why_cron_invalid(struct why_case *c)
{
    static const char *const reasons[] = { "InvalidSchedule", "UnparseableSchedule",
                                           "UnknownTimeZone" };

    for (size_t i = 0; i < N_ELEMENTS(reasons); i++) {
        const json_t *event = why_event(c, c->o, reasons[i], NULL);

        why_put(c, "message", "%s", json_str_or(event, "message", ""));
        why_put(c, "schedule", "%s", json_str_or(c->o, "spec.schedule", ""));
        if (event != NULL)
            return true;
    }
    return false;
}

static bool why_cron_missed(struct why_case *c)
{
    static const char *const reasons[] = { "TooManyMissedTimes", "MissSchedule" };

    for (size_t i = 0; i < N_ELEMENTS(reasons); i++) {
        const json_t *event = why_event(c, c->o, reasons[i], NULL);

        why_put(c, "message", "%s", json_str_or(event, "message", ""));
        if (event != NULL)
            return true;
    }
    return false;
}

static bool why_cron_forbidden(struct why_case *c)
{
    const json_t *active = json_at(c->o, "status.active");

    why_put(c, "job", "%s", json_str_or(json_array_get(active, 0), "name", ""));
    return str_eq(json_str(c->o, "spec.concurrencyPolicy"), "Forbid") &&
           why_event(c, c->o, "JobAlreadyActive", NULL) != NULL && json_array_size(active) > 0;
}

const struct why_rule why_cron_job_rules[] = {
    { why_cron_suspended, WHY_NOTE, "it is suspended: it starts no Jobs",
      "mkube patch {object} {in} -p '{\"spec\":{\"suspend\":false}}'", WHY_NO_LOG, NULL },
    { why_cron_invalid, WHY_BROKEN, "its schedule \"{schedule}\" means nothing: {message}",
      "correct spec.schedule (minute hour day month weekday) or spec.timeZone", WHY_NO_LOG, NULL },
    { why_cron_forbidden, WHY_WAITING,
      "its last Job {job} still runs, and concurrencyPolicy is Forbid", "mkube why job/{job} {in}",
      WHY_NO_LOG, NULL },
    { why_cron_missed, WHY_NOTE, "it missed starts: {message}",
      "raise or remove spec.startingDeadlineSeconds", WHY_NO_LOG, NULL },
    WHY_END,
};

/* --- autoscalers --- */

static bool why_scaler_target(struct why_case *c)
{
    const json_t *able = condition_get(json_at(c->o, "status"), "AbleToScale");

    why_put(c, "message", "%s", json_str_or(able, "message", ""));
    why_put(c, "target", "%s/%s", json_str_or(c->o, "spec.scaleTargetRef.kind", ""),
            json_str_or(c->o, "spec.scaleTargetRef.name", ""));
    return str_eq(json_str(able, "status"), "False");
}

static bool why_scaler_metrics(struct why_case *c, const char *part)
{
    const json_t *active = condition_get(json_at(c->o, "status"), "ScalingActive");
    const char *message = json_str_or(active, "message", "");

    why_put(c, "message", "%s", message);
    why_put(c, "target", "%s/%s", json_str_or(c->o, "spec.scaleTargetRef.kind", ""),
            json_str_or(c->o, "spec.scaleTargetRef.name", ""));
    return str_eq(json_str(active, "status"), "False") && strstr(message, part) != NULL;
}

static bool why_scaler_requests(struct why_case *c)
{
    return why_scaler_metrics(c, "missing request for ");
}

static bool why_scaler_off(struct why_case *c)
{
    const json_t *active = condition_get(json_at(c->o, "status"), "ScalingActive");

    return why_scaler_metrics(c, "") && str_eq(json_str(active, "reason"), "ScalingDisabled");
}

static bool why_scaler_other(struct why_case *c)
{
    return why_scaler_metrics(c, "");
}

const struct why_rule why_scaler_rules[] = {
    { why_scaler_target, WHY_BROKEN, "it cannot scale {target}: {message}",
      "correct spec.scaleTargetRef, or create {target} {in}", WHY_NO_LOG, NULL },
    { why_scaler_off, WHY_NOTE, "{target} is scaled to 0, so it does nothing",
      "mkube scale {target} {in} --replicas=1", WHY_NO_LOG, NULL },
    { why_scaler_requests, WHY_BROKEN, "it cannot compute utilisation: {message}",
      "in {target}: spec.template.spec.containers[].resources.requests for what it measures",
      WHY_NO_LOG, NULL },
    { why_scaler_other, WHY_WAITING, "it has no metrics: {message}",
      "are the pods running? mkube top pods {in}", WHY_NO_LOG, NULL },
    WHY_END,
};
