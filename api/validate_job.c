/* What a Job's spec may say, also as the template of a CronJob. */
#include "api/validate_impl.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define INDEXED_MAX        100000
#define MANY_INDEXES_MAX   10000 /* parallelism and maxFailedIndexes beside so many indexes */
#define RULES_MAX          20
#define EXIT_CODES_MAX     255
#define INDEXES_LENGTH_MAX (64 * 1024)
#define MANAGED_BY_MAX     63

static void validate_job_counts(struct field_errors *e, const json_t *spec, const char *path)
{
    static const char *const counts[] = { "parallelism",
                                          "completions",
                                          "activeDeadlineSeconds",
                                          "backoffLimit",
                                          "ttlSecondsAfterFinished",
                                          "backoffLimitPerIndex",
                                          "maxFailedIndexes" };

    for (size_t i = 0; i < N_ELEMENTS(counts); i++)
        validate_non_negative(e, spec, counts[i], path);
    if (json_object_get(spec, "maxFailedIndexes") != NULL &&
        json_object_get(spec, "backoffLimitPerIndex") == NULL)
        field_required(e, AT("%s.backoffLimitPerIndex", path),
                       "when maxFailedIndexes is specified");
    if (json_string_length(json_object_get(spec, "managedBy")) > MANAGED_BY_MAX)
        field_too_long(e, AT("%s.managedBy", path), MANAGED_BY_MAX);
}

/* --- completionMode --- */

static void validate_job_many(struct field_errors *e, const json_t *spec, const char *path)
{
    static const char *const limited[] = { "parallelism", "maxFailedIndexes" };

    if (json_int(spec, "completions", 0) <= INDEXED_MAX ||
        json_object_get(spec, "backoffLimitPerIndex") == NULL)
        return;
    if (json_object_get(spec, "maxFailedIndexes") == NULL)
        field_required(e, AT("%s.maxFailedIndexes", path),
                       "must be specified when completions is above 100000");
    for (size_t i = 0; i < N_ELEMENTS(limited); i++)
        if (json_int(spec, limited[i], 0) > MANY_INDEXES_MAX)
            field_invalid(e, AT("%s.%s", path, limited[i]), json_object_get(spec, limited[i]),
                          "must be less than or equal to %d when completions are above %d and "
                          "used with backoff limit per index",
                          MANY_INDEXES_MAX, INDEXED_MAX);
}

static void validate_job_indexed(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *parallelism = json_object_get(spec, "parallelism");
    const json_t *failed = json_object_get(spec, "maxFailedIndexes");
    const json_t *completions = json_object_get(spec, "completions");

    if (completions == NULL) {
        field_required(e, AT("%s.completions", path), "when completion mode is Indexed");
        return;
    }
    if (json_integer_value(parallelism) > INDEXED_MAX)
        field_invalid(e, AT("%s.parallelism", path), parallelism,
                      "must be less than or equal to %d when completion mode is Indexed",
                      INDEXED_MAX);
    if (failed != NULL && json_integer_value(failed) > json_integer_value(completions))
        field_invalid(e, AT("%s.maxFailedIndexes", path), failed,
                      "must be less than or equal to completions");
    if (json_integer_value(failed) > INDEXED_MAX)
        field_invalid(e, AT("%s.maxFailedIndexes", path), failed,
                      "must be less than or equal to %d", INDEXED_MAX);
    validate_job_many(e, spec, path);
}

static void validate_job_not_indexed(struct field_errors *e, const json_t *spec, const char *path)
{
    static const char *const members[] = { "backoffLimitPerIndex", "maxFailedIndexes" };

    for (size_t i = 0; i < N_ELEMENTS(members); i++)
        if (json_object_get(spec, members[i]) != NULL)
            field_invalid(e, AT("%s.%s", path, members[i]), json_object_get(spec, members[i]),
                          "requires indexed completion mode");
}

/* --- podFailurePolicy --- */

static bool validate_job_has_container(const json_t *spec, const char *name)
{
    const json_t *pod = json_at(spec, "template.spec");

    return json_find(json_object_get(pod, "containers"), "name", name) != NULL ||
           json_find(json_object_get(pod, "initContainers"), "name", name) != NULL;
}

static void validate_job_exit_values(struct field_errors *e, const json_t *exits, const char *path)
{
    const json_t *values = json_object_get(exits, "values"), *value;
    bool in = str_eq(json_str(exits, "operator"), "In"), ordered = true;
    size_t i;

    if (json_array_size(values) == 0)
        field_invalid_printed(e, path, values ? "[]int32{}" : "[]int32(nil)",
                              "at least one value is required");
    if (json_array_size(values) > EXIT_CODES_MAX) {
        field_too_many(e, path, (int)json_array_size(values), EXIT_CODES_MAX);
        return;
    }
    json_array_foreach (values, i, value) {
        bool seen = false;

        if (in && json_integer_value(value) == 0)
            field_invalid(e, AT("%s[%zu]", path, i), value, "must not be 0 for the In operator");
        for (size_t k = 0; k < i && !seen; k++)
            seen = json_equal(json_array_get(values, k), value);
        if (seen)
            field_duplicate(e, AT("%s[%zu]", path, i), value);
        if (i > 0 && json_integer_value(json_array_get(values, i - 1)) > json_integer_value(value))
            ordered = false;
    }
    if (!ordered) {
        cleanup(text_fini) struct text printed = TEXT_EMPTY;

        json_array_foreach (values, i, value)
            text_fmt(&printed, "%s%lld", i ? ", " : "[]int32{",
                     (long long)json_integer_value(value));
        text_putc(&printed, '}');
        field_invalid_printed(e, path, text_str(&printed), "must be ordered");
    }
}

static void validate_job_failure_rule(struct field_errors *e, const json_t *spec,
                                      const json_t *rule, const char *path)
{
    const json_t *exits = json_object_get(rule, "onExitCodes");
    const json_t *conditions = json_object_get(rule, "onPodConditions");
    const json_t *name = json_object_get(exits, "containerName");

    if (str_eq(json_str(rule, "action"), "FailIndex") &&
        json_object_get(spec, "backoffLimitPerIndex") == NULL)
        field_invalid(e, AT("%s.action", path), json_object_get(rule, "action"),
                      "requires the backoffLimitPerIndex to be set");
    if (name != NULL && !validate_job_has_container(spec, json_string_value(name)))
        field_invalid(e, AT("%s.onExitCodes.containerName", path), name,
                      "must be one of the container or initContainer names in the pod template");
    if (exits != NULL)
        validate_job_exit_values(e, exits, AT("%s.onExitCodes.values", path));
    if (json_array_size(conditions) > RULES_MAX)
        field_too_many(e, AT("%s.onPodConditions", path), (int)json_array_size(conditions),
                       RULES_MAX);
    if (exits != NULL && json_array_size(conditions) > 0)
        field_invalid_printed(e, path, NULL,
                              "specifying both OnExitCodes and OnPodConditions is not supported");
    if (exits == NULL && json_array_size(conditions) == 0)
        field_invalid_printed(e, path, NULL,
                              "specifying one of OnExitCodes and OnPodConditions is required");
}

static void validate_job_failure_policy(struct field_errors *e, const json_t *spec,
                                        const char *path)
{
    static const char *const only_failed[] = { "Failed", NULL };
    const json_t *rules = json_at(spec, "podFailurePolicy.rules"), *rule;
    const json_t *replacement = json_object_get(spec, "podReplacementPolicy");
    const json_t *restart = json_at(spec, "template.spec.restartPolicy");
    size_t i;

    if (json_object_get(spec, "podFailurePolicy") == NULL)
        return;
    if (json_array_size(rules) > RULES_MAX)
        field_too_many(e, AT("%s.podFailurePolicy.rules", path), (int)json_array_size(rules),
                       RULES_MAX);
    json_array_foreach (rules, i, rule)
        validate_job_failure_rule(e, spec, rule, AT("%s.podFailurePolicy.rules[%zu]", path, i));
    if (replacement != NULL && !str_eq(json_string_value(replacement), "Failed"))
        field_not_supported(e, AT("%s.podReplacementPolicy", path), replacement, only_failed);
    if (str_eq(json_string_value(restart), "OnFailure"))
        field_invalid(e, AT("%s.template.spec.restartPolicy", path), restart,
                      "only \"Never\" is supported when podFailurePolicy is specified");
}

/* --- successPolicy --- */

/* "0-2,4": counted into @ret; a new string says what is wrong, NULL = nothing. */
static char *validate_job_indexes(const char *text, int64_t completions, int64_t *ret)
{
    cleanup(strv_freep) char **parts = str_split(text, ',');
    int64_t before = -1, ends[2];

    *ret = 0;
    for (size_t i = 0; parts[i] != NULL; i++) {
        cleanup(strv_freep) char **limits = str_split(parts[i], '-');
        size_t n = 0;

        while (limits[n] != NULL)
            n++;
        if (n > 2)
            return mem_fmt("the fragment \"%s\" violates the requirement that an index interval "
                           "can have at most two parts separated by '-'",
                           parts[i]);
        if (n == 0)
            return mem_str("cannot convert string to integer for index: \"\"");
        for (size_t k = 0; k < n; k++) {
            if (!str_i64(limits[k], &ends[k]))
                return mem_fmt("cannot convert string to integer for index: \"%s\"", limits[k]);
            if (ends[k] >= completions)
                return mem_fmt("too large index: \"%s\"", limits[k]);
            if (before >= ends[k])
                return mem_fmt("non-increasing order, previous: %lld, current: %lld",
                               (long long)before, (long long)ends[k]);
            before = ends[k];
        }
        *ret += n == 2 ? ends[1] - ends[0] + 1 : 1;
    }
    return NULL;
}

static void validate_job_success_rule(struct field_errors *e, const json_t *spec,
                                      const json_t *rule, const char *path)
{
    const json_t *indexes = json_object_get(rule, "succeededIndexes");
    const json_t *count = json_object_get(rule, "succeededCount");
    int64_t completions = json_int(spec, "completions", 0), total = 0;

    if (indexes == NULL && count == NULL)
        field_required(e, path,
                       "at least one of succeededCount or succeededIndexes must be specified");
    if (json_string_length(indexes) > INDEXES_LENGTH_MAX) {
        field_too_long(e, AT("%s.succeededIndexes", path), INDEXES_LENGTH_MAX);
    } else if (indexes != NULL) {
        cleanup(freep) char *why = validate_job_indexes(json_string_value(indexes), completions,
                                                        &total);

        if (why != NULL)
            field_invalid(e, AT("%s.succeededIndexes", path), indexes,
                          "error parsing succeededIndexes: %s", why);
    }
    validate_non_negative(e, rule, "succeededCount", path);
    if (json_integer_value(count) > completions)
        field_invalid(e, AT("%s.succeededCount", path), count,
                      "must be less than or equal to %lld (the number of specified completions)",
                      (long long)completions);
    if (indexes != NULL && json_integer_value(count) > total)
        field_invalid(e, AT("%s.succeededCount", path), count,
                      "must be less than or equal to %lld (the number of indexes in the specified "
                      "succeededIndexes field)",
                      (long long)total);
}

static void validate_job_success_policy(struct field_errors *e, const json_t *spec,
                                        const char *path, bool indexed)
{
    const json_t *policy = json_object_get(spec, "successPolicy"), *rule;
    const json_t *rules = json_object_get(policy, "rules");
    size_t i;

    if (policy == NULL)
        return;
    if (!indexed) {
        field_invalid(e, AT("%s.successPolicy", path), policy, "requires indexed completion mode");
        return;
    }
    if (json_array_size(rules) == 0)
        field_required(e, AT("%s.successPolicy.rules", path),
                       "at least one rules must be specified when the successPolicy is specified");
    if (json_array_size(rules) > RULES_MAX)
        field_too_many(e, AT("%s.successPolicy.rules", path), (int)json_array_size(rules),
                       RULES_MAX);
    json_array_foreach (rules, i, rule)
        validate_job_success_rule(e, spec, rule, AT("%s.successPolicy.rules[%zu]", path, i));
}

void validate_job_spec(struct field_errors *e, const json_t *spec, const char *path)
{
    bool indexed = str_eq(json_str(spec, "completionMode"), "Indexed");
    const json_t *template = json_object_get(spec, "template");

    validate_job_counts(e, spec, path);
    if (indexed)
        validate_job_indexed(e, spec, path);
    else
        validate_job_not_indexed(e, spec, path);
    validate_job_success_policy(e, spec, path, indexed);
    validate_pod_template(e, template, AT("%s.template", path));
    if (str_eq(json_str_or(template, "spec.restartPolicy", "Always"), "Always"))
        field_required(e, AT("%s.template.spec.restartPolicy", path),
                       "valid values: \"OnFailure\", \"Never\"");
    validate_job_failure_policy(e, spec, path);
}
