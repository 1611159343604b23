#include "api/selector.h"
#include "api/validate_impl.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define INDEXED_PARALLELISM_MAX 100000

/* --- Job --------------------------------------------------------------------------------- */

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
}

static void validate_job_indexed(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *parallelism = json_object_get(spec, "parallelism");

    if (!str_eq(json_str(spec, "completionMode"), "Indexed")) {
        if (json_object_get(spec, "backoffLimitPerIndex") != NULL)
            field_invalid(e, AT("%s.backoffLimitPerIndex", path),
                          json_object_get(spec, "backoffLimitPerIndex"),
                          "requires indexed completion mode");
        return;
    }
    if (json_object_get(spec, "completions") == NULL)
        field_required(e, AT("%s.completions", path), "when completion mode is Indexed");
    if (json_integer_value(parallelism) > INDEXED_PARALLELISM_MAX)
        field_invalid(e, AT("%s.parallelism", path), parallelism,
                      "must be less than or equal to %d when completion mode is Indexed",
                      INDEXED_PARALLELISM_MAX);
}

static void validate_job_spec(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *template = json_object_get(spec, "template");

    validate_job_counts(e, spec, path);
    validate_job_indexed(e, spec, path);
    validate_pod_template(e, template, AT("%s.template", path));
    if (str_eq(json_str_or(template, "spec.restartPolicy", "Always"), "Always"))
        field_required(e, AT("%s.template.spec.restartPolicy", path),
                       "valid values: \"OnFailure\", \"Never\"");
    if (json_object_get(spec, "podFailurePolicy") != NULL &&
        !str_eq(json_str(template, "spec.restartPolicy"), "Never"))
        field_invalid(e, AT("%s.podFailurePolicy", path), json_at(template, "spec.restartPolicy"),
                      "only \"Never\" is supported when podFailurePolicy is specified");
}

static void validate_job(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *selector = json_object_get(spec, "selector");
    const json_t *labels = json_at(spec, "template.metadata.labels");
    cleanup(selector_freep) struct selector *s = NULL;
    cleanup(text_fini) struct text printed = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    validate_job_spec(e, spec, "spec");
    /* Most Jobs get their selector from the server, after this. */
    if (selector == NULL)
        return;
    validate_label_selector(e, selector, "spec.selector");
    if (selector_from_json(&s, selector, &err) < 0 || selector_matches_labels(s, labels))
        return;
    field_errors_go_map(&printed, labels);
    field_invalid_printed(e, "spec.template.metadata.labels", text_str(&printed),
                          "`selector` does not match template `labels`");
}

/* An Indexed Job may grow and shrink as long as it runs all its indexes at once. */
static bool validate_job_is_elastic(const json_t *now, const json_t *old)
{
    const json_t *completions = json_object_get(now, "completions");

    return str_eq(json_str(now, "completionMode"), "Indexed") && completions != NULL &&
           json_equal(completions, json_object_get(now, "parallelism")) &&
           json_equal(json_object_get(old, "completions"), json_object_get(old, "parallelism"));
}

/* Until a suspended Job starts, a queue controller may say where its pods go. */
static bool validate_job_template_same(const json_t *now, const json_t *old, bool unstarted)
{
    static const char *const spec_fields[] = { "affinity", "nodeSelector", "tolerations",
                                               "schedulingGates" };
    static const char *const metadata_fields[] = { "labels", "annotations" };
    cleanup(json_decrefpp) json_t *a = json_deep_copy(now);
    cleanup(json_decrefpp) json_t *b = json_deep_copy(old);

    for (size_t i = 0; unstarted && i < N_ELEMENTS(spec_fields); i++) {
        json_object_del(json_object_get(a, "spec"), spec_fields[i]);
        json_object_del(json_object_get(b, "spec"), spec_fields[i]);
    }
    for (size_t i = 0; unstarted && i < N_ELEMENTS(metadata_fields); i++) {
        json_object_del(json_object_get(a, "metadata"), metadata_fields[i]);
        json_object_del(json_object_get(b, "metadata"), metadata_fields[i]);
    }
    return json_equal(a, b);
}

static void validate_job_change(struct field_errors *e, const json_t *tree, const json_t *old_tree)
{
    static const char *const fixed[] = { "completionMode", "podFailurePolicy",
                                         "backoffLimitPerIndex", "managedBy", "successPolicy" };
    const json_t *now = json_object_get(tree, "spec"), *old = json_object_get(old_tree, "spec");
    const json_t *template = json_object_get(now, "template");
    bool unstarted = json_bool(old, "suspend", false) &&
                     json_str(old_tree, "status.startTime") == NULL;

    if (!validate_job_is_elastic(now, old))
        validate_immutable(e, json_object_get(now, "completions"),
                           json_object_get(old, "completions"), "spec.completions");
    validate_immutable_selector(e, json_object_get(now, "selector"),
                                json_object_get(old, "selector"), "spec.selector");
    if (!validate_job_template_same(template, json_object_get(old, "template"), unstarted))
        field_invalid(e, "spec.template", template, "field is immutable");
    for (size_t i = 0; i < N_ELEMENTS(fixed); i++)
        validate_immutable(e, json_object_get(now, fixed[i]), json_object_get(old, fixed[i]),
                           AT("spec.%s", fixed[i]));
}

/* --- schedules ------------------------------------------------------------------------------ */

struct validate_cron_field {
    const char *name;
    unsigned low, high;
    const char *const *names; /* of low, low + 1, ..; NULL: none */
};

static const char *const validate_months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                               "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const validate_days[] = {
    "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};

static const struct validate_cron_field validate_cron_fields[] = {
    { "minute", 0, 59, NULL },
    { "hour", 0, 23, NULL },
    { "day-of-month", 1, 31, NULL },
    { "month", 1, 12, validate_months },
    { "day-of-week", 0, 6, validate_days },
};

/* A number or name, up to @len characters. */
static bool validate_cron_number(const struct validate_cron_field *f, const char *s, size_t len,
                                 unsigned *ret)
{
    unsigned n = 0;

    for (size_t i = 0; f->names != NULL && f->names[i] != NULL; i++) {
        if (strlen(f->names[i]) == len && strncasecmp(f->names[i], s, len) == 0) {
            *ret = f->low + (unsigned)i;
            return true;
        }
    }
    if (len == 0 || len > 4)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i]))
            return false;
        n = n * 10 + (unsigned)(s[i] - '0');
    }
    *ret = n;
    return true;
}

/* "*", "5", "1-5", each with "/2". */
static bool validate_cron_range(const struct validate_cron_field *f, const char *s, size_t len)
{
    const char *slash = memchr(s, '/', len);
    size_t base = slash != NULL ? (size_t)(slash - s) : len;
    const char *dash = memchr(s, '-', base);
    size_t first = dash != NULL ? (size_t)(dash - s) : base;
    unsigned low, high, step;

    if (slash != NULL) {
        const struct validate_cron_field steps = { "step", 1, 9999, NULL };

        if (!validate_cron_number(&steps, slash + 1, len - base - 1, &step) || step == 0)
            return false;
    }
    if (base == 1 && (s[0] == '*' || s[0] == '?'))
        return true;
    if (!validate_cron_number(f, s, first, &low))
        return false;
    high = low;
    if (dash != NULL && !validate_cron_number(f, dash + 1, base - first - 1, &high))
        return false;
    return low >= f->low && high <= f->high && low <= high;
}

static bool validate_cron_list(const struct validate_cron_field *f, const char *s, size_t len)
{
    size_t at = 0;

    for (;;) {
        const char *comma = memchr(s + at, ',', len - at);
        size_t part = comma != NULL ? (size_t)(comma - s) - at : len - at;

        if (!validate_cron_range(f, s + at, part))
            return false;
        if (comma == NULL)
            return true;
        at += part + 1;
    }
}

static bool validate_cron_descriptor(const char *s)
{
    static const char *const known[] = { "@yearly", "@annually", "@monthly", "@weekly",
                                         "@daily",  "@midnight", "@hourly" };

    for (size_t i = 0; i < N_ELEMENTS(known); i++) {
        if (str_eq(s, known[i]))
            return true;
    }
    return str_starts(s, "@every ") && isdigit((unsigned char)s[7]) &&
           strchr("hms", s[strlen(s) - 1]) != NULL;
}

static void validate_cron_words(struct field_errors *e, const json_t *schedule, const char *path)
{
    const char *s = json_string_value(schedule), *p = s;
    size_t n = 0;

    for (;;) {
        size_t len;

        p += strspn(p, " \t");
        len = strcspn(p, " \t");
        if (len == 0)
            break;
        if (n < N_ELEMENTS(validate_cron_fields) &&
            !validate_cron_list(&validate_cron_fields[n], p, len)) {
            field_invalid(e, path, schedule, "failed to parse %s field: %.*s",
                          validate_cron_fields[n].name, (int)len, p);
            return;
        }
        n++;
        p += len;
    }
    if (n != N_ELEMENTS(validate_cron_fields))
        field_invalid(e, path, schedule, "expected exactly 5 fields, found %zu: [%s]", n, s);
}

static void validate_schedule(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *schedule = json_object_get(spec, "schedule");
    const char *s = json_is_string(schedule) ? json_string_value(schedule) : "";

    if (*s == '\0')
        return;
    if (str_starts(s, "TZ=") || str_starts(s, "CRON_TZ="))
        field_invalid(e, path, schedule,
                      "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    else if (*s != '@')
        validate_cron_words(e, schedule, path);
    else if (!validate_cron_descriptor(s))
        field_invalid(e, path, schedule, "unrecognized descriptor: %s", s);
}

static void validate_cronjob(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");

    validate_schedule(e, spec, "spec.schedule");
    validate_non_negative(e, spec, "startingDeadlineSeconds", "spec");
    validate_non_negative(e, spec, "successfulJobsHistoryLimit", "spec");
    validate_non_negative(e, spec, "failedJobsHistoryLimit", "spec");
    if (json_at(spec, "jobTemplate.spec.manualSelector") != NULL &&
        json_bool(spec, "jobTemplate.spec.manualSelector", false)) {
        static const char *const allowed[] = { "nil", "false", NULL };

        field_not_supported(e, "spec.jobTemplate.spec.manualSelector",
                            json_at(spec, "jobTemplate.spec.manualSelector"), allowed);
    }
    validate_job_spec(e, json_at(spec, "jobTemplate.spec"), "spec.jobTemplate.spec");
}

const struct validate_kind validate_kinds_batch[] = {
    { .bucket = "jobs.batch", .always = validate_job, .change = validate_job_change },
    { .bucket = "cronjobs.batch", .name = validate_cron_job_name, .always = validate_cronjob },
    { .bucket = NULL },
};
