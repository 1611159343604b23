#include "controlplane/job_impl.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"

#define JOB_BACKOFF_FIRST_MS 10000
#define JOB_BACKOFF_MAX_MS   600000

/* --- podFailurePolicy: the first rule that matches a failed pod --- */

static bool job_policy_has_code(const json_t *values, int64_t code)
{
    json_t *value;
    size_t i;

    json_array_foreach (values, i, value)
        if (json_integer_value(value) == code)
            return true;
    return false;
}

/* The container whose exit code matches; NULL when none does. */
static const json_t *job_policy_exit(const json_t *rule, const json_t *pod)
{
    static const char *const lists[] = { "status.containerStatuses",
                                         "status.initContainerStatuses" };
    const json_t *exits = json_object_get(rule, "onExitCodes");
    const char *only = json_str(exits, "containerName");
    bool in = str_eq(json_str(exits, "operator"), "In");

    for (size_t l = 0; exits && l < N_ELEMENTS(lists); l++) {
        json_t *list = json_at(pod, lists[l]), *c;
        size_t i;

        json_array_foreach (list, i, c) {
            int64_t code = json_int(c, "state.terminated.exitCode", 0);

            if (code == 0 || (only && !str_eq(only, json_str(c, "name"))))
                continue;
            if (job_policy_has_code(json_object_get(exits, "values"), code) == in)
                return c;
        }
    }
    return NULL;
}

static const json_t *job_policy_condition(const json_t *rule, const json_t *pod)
{
    json_t *patterns = json_object_get(rule, "onPodConditions"), *pattern;
    size_t i;

    json_array_foreach (patterns, i, pattern)
        if (condition_is(json_object_get(pod, "status"), json_str_or(pattern, "type", ""),
                         json_str_or(pattern, "status", "True")))
            return pattern;
    return NULL;
}

static void job_policy_fail_job(struct job *j, const struct job_pod *p, const json_t *container,
                                const json_t *condition, size_t rule)
{
    cleanup(freep) char *message = NULL;

    if (container)
        message = mem_fmt("Container %s for pod %s/%s failed with exit code %lld matching FailJob "
                          "rule at index %zu",
                          json_str_or(container, "name", ""), p->object->ns, p->object->name,
                          (long long)json_int(container, "state.terminated.exitCode", 0), rule);
    else
        message = mem_fmt("Pod %s/%s has condition %s matching FailJob rule at index %zu",
                          p->object->ns, p->object->name, json_str_or(condition, "type", ""), rule);
    if (!condition_is(j->status, "FailureTarget", "True"))
        condition_set(j->status, "FailureTarget", "True", "PodFailurePolicy", message,
                      j->now.wall_ms);
}

static const struct job_policy_action {
    const char *name;
    enum job_action action;
} job_policy_actions[] = {
    { "Count", JOB_COUNT },
    { "Ignore", JOB_IGNORE },
    { "FailIndex", JOB_FAIL_INDEX },
    { "FailJob", JOB_FAIL_JOB },
};

static void job_policy_judge_pod(struct job *j, struct job_pod *p)
{
    json_t *rules = json_at(j->tree, "spec.podFailurePolicy.rules"), *rule;
    size_t i;

    json_array_foreach (rules, i, rule) {
        const json_t *container = job_policy_exit(rule, p->tree);
        const json_t *condition = container ? NULL : job_policy_condition(rule, p->tree);

        if (!container && !condition)
            continue;
        for (size_t a = 0; a < N_ELEMENTS(job_policy_actions); a++)
            if (str_eq(json_str(rule, "action"), job_policy_actions[a].name))
                p->action = job_policy_actions[a].action;
        if (p->action == JOB_FAIL_JOB)
            job_policy_fail_job(j, p, container, condition, i);
        return;
    }
}

void job_policy_judge_pods(struct job *j)
{
    for (size_t i = 0; i < j->n_pods; i++)
        if (j->pods[i].state == JOB_POD_FAILED && j->pods[i].tracked)
            job_policy_judge_pod(j, &j->pods[i]);
}

/* --- back-off: after the last failure, doubling with each one since the last success --- */

int64_t job_policy_backoff(const struct job *j, int64_t index)
{
    int64_t success_ms = -1, last_ms = -1, pause_ms = JOB_BACKOFF_FIRST_MS, n = 0;

    for (size_t i = 0; i < j->n_pods; i++)
        if (j->pods[i].index == index && j->pods[i].state == JOB_POD_SUCCEEDED &&
            j->pods[i].finished_ms > success_ms)
            success_ms = j->pods[i].finished_ms;
    for (size_t i = 0; i < j->n_pods; i++) {
        const struct job_pod *p = &j->pods[i];

        if ((index >= 0 && p->index != index) || p->state != JOB_POD_FAILED ||
            p->action == JOB_IGNORE || p->finished_ms <= success_ms)
            continue;
        if (!p->tracked && !str_eq(p->object->phase, "Failed"))
            continue; /* taken by us */
        n++;
        if (p->finished_ms > last_ms)
            last_ms = p->finished_ms;
    }
    if (n == 0)
        return 0;
    while (--n > 0 && pause_ms < JOB_BACKOFF_MAX_MS)
        pause_ms *= 2;
    if (pause_ms > JOB_BACKOFF_MAX_MS)
        pause_ms = JOB_BACKOFF_MAX_MS;
    return last_ms + pause_ms - j->now.wall_ms;
}

/* --- the end --- */

/* With restartPolicy OnFailure the pod stays and its containers are started again: those count. */
static bool job_policy_restarts_exceed(const struct job *j)
{
    static const char *const lists[] = { "status.initContainerStatuses",
                                         "status.containerStatuses" };
    int64_t restarts = 0;

    if (!str_eq(json_str(j->tree, "spec.template.spec.restartPolicy"), "OnFailure"))
        return false;
    for (size_t i = 0; i < j->n_pods; i++) {
        for (size_t l = 0; l < N_ELEMENTS(lists) && j->pods[i].state == JOB_POD_ACTIVE; l++) {
            json_t *c;
            size_t k;

            json_array_foreach (json_at(j->pods[i].tree, lists[l]), k, c)
                restarts += json_int(c, "restartCount", 0);
        }
    }
    return j->backoff_limit == 0 ? restarts > 0 : restarts >= j->backoff_limit;
}

static bool job_policy_is_late(struct job *j)
{
    int64_t limit_s = json_int(j->tree, "spec.activeDeadlineSeconds", -1), since_ms, left_ms;

    if (limit_s < 0 || j->suspended ||
        !clock_parse(json_str_or(j->status, "startTime", ""), &since_ms))
        return false;
    left_ms = since_ms + limit_s * 1000 - j->now.wall_ms;
    if (left_ms > 0)
        plan_again(j->plan, left_ms);
    return left_ms <= 0;
}

static bool job_policy_rule_holds(const struct job *j, const json_t *rule)
{
    const char *text = json_str(rule, "succeededIndexes");
    int64_t need = json_int(rule, "succeededCount", -1), have = 0;
    struct job_indexes wanted;

    if (!text)
        return j->succeeded_indexes.count >= need;
    job_indexes_init(&wanted, j->completions, text);
    for (int64_t i = 0; i < wanted.n; i++)
        have += wanted.has[i] && j->succeeded_indexes.has[i];
    if (need < 0)
        need = wanted.count;
    job_indexes_fini(&wanted);
    return have >= need;
}

/* The rule of successPolicy that holds; -1 = none. */
static int job_policy_success_rule(const struct job *j)
{
    json_t *rules = json_at(j->tree, "spec.successPolicy.rules"), *rule;
    size_t i;

    if (!j->indexed)
        return -1;
    json_array_foreach (rules, i, rule)
        if (job_policy_rule_holds(j, rule))
            return (int)i;
    return -1;
}

static const char *job_policy_failure(struct job *j, const char **ret_message)
{
    int64_t max_failed = json_int(j->tree, "spec.maxFailedIndexes", -1);

    if (j->failed > j->backoff_limit || job_policy_restarts_exceed(j)) {
        *ret_message = "Job has reached the specified backoff limit";
        return "BackoffLimitExceeded";
    }
    if (job_policy_is_late(j)) {
        *ret_message = "Job was active longer than specified deadline";
        return "DeadlineExceeded";
    }
    if (j->per_index_limit < 0)
        return NULL;
    if (max_failed >= 0 && j->failed_indexes.count > max_failed) {
        *ret_message = "Job has exceeded the specified maximal number of failed indexes";
        return "MaxFailedIndexesExceeded";
    }
    if (j->failed_indexes.count > 0 &&
        j->failed_indexes.count + j->succeeded_indexes.count >= j->completions) {
        *ret_message = "Job has failed indexes";
        return "FailedIndexes";
    }
    return NULL;
}

static bool job_policy_is_complete(const struct job *j)
{
    if (j->completions < 0)
        return j->succeeded > 0 && j->active == 0 && j->leaving == 0;
    return j->succeeded >= j->completions;
}

static void job_policy_succeed(struct job *j, const char *reason, const char *message)
{
    condition_set(j->status, "SuccessCriteriaMet", "True", reason, message, j->now.wall_ms);
    j->ending = true;
}

void job_policy_decide(struct job *j)
{
    const char *message = NULL, *reason;
    int rule;

    if (condition_is(j->status, "FailureTarget", "True") ||
        condition_is(j->status, "SuccessCriteriaMet", "True")) {
        j->ending = true;
        return;
    }
    reason = job_policy_failure(j, &message);
    rule = reason ? -1 : job_policy_success_rule(j);
    if (reason) {
        condition_set(j->status, "FailureTarget", "True", reason, message, j->now.wall_ms);
        j->ending = true;
    } else if (rule >= 0) {
        cleanup(freep) char *text = mem_fmt("Matched rules at index %d", rule);

        job_policy_succeed(j, "SuccessPolicy", text);
    } else if (job_policy_is_complete(j)) {
        job_policy_succeed(j, "CompletionsReached", "Reached expected number of succeeded pods");
    }
}
