#include "api/cron.h"
#include "api/selector.h"
#include "api/validate_impl.h"
#include "base/mem.h"

#include <string.h>
#include <strings.h>

/* --- Job --------------------------------------------------------------------------------- */

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

static void validate_schedule(struct field_errors *e, const json_t *spec)
{
    const json_t *schedule = json_object_get(spec, "schedule");
    const char *text = json_is_string(schedule) ? json_string_value(schedule) : "";
    struct err err = ERR_EMPTY;
    struct cron cron;

    if (*text == '\0')
        return;
    if (strstr(text, "TZ"))
        field_invalid(e, "spec.schedule", schedule,
                      "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    else if (cron_parse(&cron, text, &err) < 0)
        field_invalid(e, "spec.schedule", schedule, "%s", err.text);
}

static void validate_time_zone(struct field_errors *e, const json_t *spec)
{
    const json_t *value = json_object_get(spec, "timeZone");
    const char *name = json_string_value(value);
    cleanup(zone_freep) struct zone *zone = NULL;
    struct err err = ERR_EMPTY;

    if (name == NULL)
        return;
    if (*name == '\0')
        field_invalid(e, "spec.timeZone", value, "timeZone must be nil or non-empty string");
    else if (strcasecmp(name, "Local") == 0)
        field_invalid(e, "spec.timeZone", value,
                      "timeZone must be an explicit time zone as defined in "
                      "https://www.iana.org/time-zones");
    else if (zone_load(&zone, name, &err) < 0)
        field_invalid(e, "spec.timeZone", value, "%s", err.text);
}

static void validate_job_template(struct field_errors *e, const json_t *template)
{
    static const char *const allowed[] = { "nil", "false", NULL };
    const char *path = "spec.jobTemplate.spec";
    const json_t *spec = json_object_get(template, "spec");

    validate_job_spec(e, spec, path);
    if (json_object_get(spec, "selector") != NULL)
        field_invalid(e, AT("%s.selector", path), json_object_get(spec, "selector"),
                      "`selector` will be auto-generated");
    if (json_bool(spec, "manualSelector", false))
        field_not_supported(e, AT("%s.manualSelector", path),
                            json_object_get(spec, "manualSelector"), allowed);
}

static void validate_cronjob(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");

    validate_schedule(e, spec);
    validate_non_negative(e, spec, "startingDeadlineSeconds", "spec");
    validate_time_zone(e, spec);
    validate_job_template(e, json_object_get(spec, "jobTemplate"));
    validate_non_negative(e, spec, "successfulJobsHistoryLimit", "spec");
    validate_non_negative(e, spec, "failedJobsHistoryLimit", "spec");
}

const struct validate_kind validate_kinds_batch[] = {
    { .bucket = "jobs.batch", .always = validate_job, .change = validate_job_change },
    { .bucket = "cronjobs.batch", .name = validate_cron_job_name, .always = validate_cronjob },
    { .bucket = NULL },
};
