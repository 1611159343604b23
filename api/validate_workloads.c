#include "api/intstr.h"
#include "api/selector.h"
#include "api/validate_impl.h"
#include "base/mem.h"

#include <string.h>

/* --- what the kinds with a template share -------------------------------------------- */

static void validate_empty_selector(struct field_errors *e, const json_t *selector,
                                    const char *kind)
{
    cleanup(text_fini) struct text printed = TEXT_EMPTY;
    cleanup(freep) char *detail = NULL;

    if (!json_is_object(selector) ||
        json_object_size(json_object_get(selector, "matchLabels")) +
                json_array_size(json_object_get(selector, "matchExpressions")) >
            0)
        return;
    field_errors_go_selector(&printed, selector);
    detail = mem_fmt("empty selector is invalid for %s", kind);
    field_invalid_printed(e, "spec.selector", text_str(&printed), detail);
}

/* Takes @s; pods made from the template must be those that are selected. */
static void validate_template_labels(struct field_errors *e, const json_t *template,
                                     struct selector *s)
{
    cleanup(selector_freep) struct selector *selector = s;
    cleanup(text_fini) struct text printed = TEXT_EMPTY;
    const json_t *labels = json_at(template, "metadata.labels");

    if (selector_is_everything(selector) || selector_matches_labels(selector, labels))
        return;
    field_errors_go_map(&printed, labels);
    field_invalid_printed(e, "spec.template.metadata.labels", text_str(&printed),
                          "`selector` does not match template `labels`");
}

static void validate_template_always(struct field_errors *e, const json_t *template,
                                     const char *owner)
{
    cleanup(freep) char *detail = mem_fmt("activeDeadlineSeconds in %s is not Supported", owner);
    static const char *const always[] = { "Always", NULL };

    validate_one_of(e, json_object_get(template, "spec"), "restartPolicy", "spec.template.spec",
                    always);
    if (json_at(template, "spec.activeDeadlineSeconds") != NULL)
        field_forbidden(e, "spec.template.spec.activeDeadlineSeconds", detail);
}

/* @kind and @owner are the words of two sentences. */
static void validate_selected_template(struct field_errors *e, const json_t *spec, const char *kind,
                                       const char *owner)
{
    const json_t *template = json_object_get(spec, "template");
    const json_t *selector = json_object_get(spec, "selector");
    struct selector *s = NULL;
    struct err err = ERR_EMPTY;

    validate_label_selector(e, selector, "spec.selector");
    validate_empty_selector(e, selector, kind);
    if (selector_from_json(&s, selector, &err) < 0)
        field_invalid(e, "spec.selector", selector, "invalid label selector");
    else
        validate_template_labels(e, template, s);
    validate_pod_template(e, template, "spec.template");
    validate_template_always(e, template, owner);
}

/* "25%" gives 25; a plain number -1; absent -1. */
static int64_t validate_percent(const json_t *v)
{
    int64_t percent;

    return intstr_percent(v, &percent) ? percent : -1;
}

static bool validate_is_zero(const json_t *v)
{
    if (json_is_string(v))
        return validate_percent(v) == 0;
    return json_integer_value(v) == 0;
}

/* maxUnavailable and maxSurge of a rolling update at @path. */
static void validate_rolling(struct field_errors *e, const json_t *rolling, const char *path)
{
    const json_t *unavailable = json_object_get(rolling, "maxUnavailable");
    const json_t *surge = json_object_get(rolling, "maxSurge");

    validate_count_or_percent(e, unavailable, AT("%s.maxUnavailable", path));
    validate_count_or_percent(e, surge, AT("%s.maxSurge", path));
    if (validate_is_zero(unavailable) && validate_is_zero(surge)) {
        cleanup(json_decrefpp) json_t *zero = json_integer(0);

        field_invalid(e, AT("%s.maxUnavailable", path), unavailable != NULL ? unavailable : zero,
                      "may not be 0 when `maxSurge` is 0");
    }
    if (validate_percent(unavailable) > 100)
        field_invalid(e, AT("%s.maxUnavailable", path), unavailable,
                      "must not be greater than 100%%");
}

static void validate_selector_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    validate_immutable_selector(e, json_at(tree, "spec.selector"), json_at(old, "spec.selector"),
                                "spec.selector");
}

/* --- Deployment -------------------------------------------------------------------------- */

static void validate_deployment(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *strategy = json_object_get(spec, "strategy");
    const json_t *rolling = json_object_get(strategy, "rollingUpdate");
    const json_t *deadline = json_object_get(spec, "progressDeadlineSeconds");
    const char *type = json_str_or(strategy, "type", "RollingUpdate");

    validate_non_negative(e, spec, "replicas", "spec");
    validate_selected_template(e, spec, "deployment", "ReplicaSet");
    if (str_eq(type, "Recreate") && rolling != NULL)
        field_forbidden(e, "spec.strategy.rollingUpdate",
                        "may not be specified when strategy `type` is 'Recreate'");
    else if (str_eq(type, "RollingUpdate") && rolling != NULL)
        validate_rolling(e, rolling, "spec.strategy.rollingUpdate");
    validate_non_negative(e, spec, "minReadySeconds", "spec");
    validate_non_negative(e, spec, "revisionHistoryLimit", "spec");
    validate_non_negative(e, spec, "progressDeadlineSeconds", "spec");
    if (deadline != NULL && json_integer_value(deadline) <= json_int(spec, "minReadySeconds", 0))
        field_invalid(e, "spec.progressDeadlineSeconds", deadline,
                      "must be greater than minReadySeconds");
}

/* --- ReplicaSet, ReplicationController --------------------------------------------------- */

static void validate_replicaset(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");

    validate_non_negative(e, spec, "replicas", "spec");
    validate_non_negative(e, spec, "minReadySeconds", "spec");
    validate_selected_template(e, spec, "deployment", "ReplicaSet");
}

static void validate_controller(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *template = json_object_get(spec, "template");
    const json_t *selector = json_object_get(spec, "selector");

    validate_non_negative(e, spec, "minReadySeconds", "spec");
    validate_non_negative(e, spec, "replicas", "spec");
    validate_labels(e, selector, "spec.selector");
    if (json_object_size(selector) == 0)
        field_required(e, "spec.selector", NULL);
    if (template == NULL) {
        field_required(e, "spec.template", NULL);
        return;
    }
    if (json_object_size(selector) > 0)
        validate_template_labels(e, template, selector_from_map(selector));
    validate_pod_template(e, template, "spec.template");
    validate_template_always(e, template, "ReplicationController");
}

/* --- StatefulSet --------------------------------------------------------------------------- */

/* A copy of @spec whose template holds a volume for each claim template: the controller adds
 * them to the pods, so mounts may name them. */
static json_t *validate_with_claims(const json_t *spec)
{
    json_t *copy = json_deep_copy(spec);
    json_t *pod = json_at(copy, "template.spec");
    json_t *volumes = json_object_get(pod, "volumes");
    size_t i;
    json_t *claim;

    if (pod != NULL && volumes == NULL)
        json_object_set_new(pod, "volumes", volumes = json_array());
    json_array_foreach (json_object_get(copy, "volumeClaimTemplates"), i, claim) {
        const char *name = json_str(claim, "metadata.name");

        if (name != NULL && json_find(volumes, "name", name) == NULL)
            json_array_append_new(volumes, json_pack("{s:s, s:{s:s}}", "name", name,
                                                     "persistentVolumeClaim", "claimName", name));
    }
    return copy;
}

/* These two values are refused as invalid, not as unsupported. */
static void validate_statefulset_words(struct field_errors *e, const json_t *spec)
{
    const json_t *policy = json_object_get(spec, "podManagementPolicy");
    const json_t *strategy = json_object_get(spec, "updateStrategy");
    const char *type = json_str_or(strategy, "type", "");
    const char *s = json_is_string(policy) ? json_string_value(policy) : "";

    if (*s != '\0' && !str_eq(s, "OrderedReady") && !str_eq(s, "Parallel"))
        field_invalid(e, "spec.podManagementPolicy", policy,
                      "must be 'OrderedReady' or 'Parallel'");
    if (*type != '\0' && !str_eq(type, "RollingUpdate") && !str_eq(type, "OnDelete"))
        field_invalid(e, "spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'");
}

static void validate_statefulset(struct field_errors *e, const json_t *tree)
{
    cleanup(json_decrefpp) json_t *spec = validate_with_claims(json_object_get(tree, "spec"));
    const json_t *strategy = json_object_get(spec, "updateStrategy");
    const json_t *rolling = json_object_get(strategy, "rollingUpdate");

    validate_statefulset_words(e, spec);
    if (str_eq(json_str(strategy, "type"), "OnDelete") && rolling != NULL)
        field_invalid(e, "spec.updateStrategy.rollingUpdate", rolling,
                      "only allowed for updateStrategy 'RollingUpdate'");
    validate_non_negative(e, rolling, "partition", "spec.updateStrategy.rollingUpdate");
    validate_count_or_percent(e, json_object_get(rolling, "maxUnavailable"),
                              "spec.updateStrategy.rollingUpdate.maxUnavailable");
    validate_non_negative(e, spec, "replicas", "spec");
    validate_non_negative(e, spec, "minReadySeconds", "spec");
    validate_non_negative(e, json_object_get(spec, "ordinals"), "start", "spec.ordinals");
    validate_selected_template(e, spec, "statefulset", "StatefulSet");
}

static void validate_statefulset_change(struct field_errors *e, const json_t *tree,
                                        const json_t *old)
{
    static const char *const free_fields[] = {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    };
    cleanup(json_decrefpp) json_t *now = json_copy(json_object_get(tree, "spec"));
    cleanup(json_decrefpp) json_t *was = json_copy(json_object_get(old, "spec"));

    for (size_t i = 0; i < N_ELEMENTS(free_fields); i++) {
        json_object_del(now, free_fields[i]);
        json_object_del(was, free_fields[i]);
    }
    if (!json_equal(now, was))
        field_forbidden(e, "spec",
                        "updates to statefulset spec for fields other than 'replicas', "
                        "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
                        "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
                        "forbidden");
}

/* --- DaemonSet, ControllerRevision ----------------------------------------------------------- */

static void validate_daemonset_rolling(struct field_errors *e, const json_t *rolling,
                                       const char *path)
{
    const json_t *unavailable = json_object_get(rolling, "maxUnavailable");
    const json_t *surge = json_object_get(rolling, "maxSurge");
    bool no_surge = surge == NULL || validate_is_zero(surge);
    bool no_loss = unavailable == NULL || validate_is_zero(unavailable);

    validate_count_or_percent(e, unavailable, AT("%s.maxUnavailable", path));
    validate_count_or_percent(e, surge, AT("%s.maxSurge", path));
    if (no_surge && no_loss)
        field_invalid(e, AT("%s.maxUnavailable", path), unavailable,
                      "cannot be 0 when maxSurge is 0");
    else if (!no_surge && !no_loss)
        field_invalid(e, AT("%s.maxSurge", path), surge,
                      "may not be set when maxUnavailable is non-zero");
}

static void validate_daemonset(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *rolling = json_at(spec, "updateStrategy.rollingUpdate");

    validate_selected_template(e, spec, "daemonset", "DaemonSet");
    validate_non_negative(e, spec, "minReadySeconds", "spec");
    validate_non_negative(e, spec, "revisionHistoryLimit", "spec");
    if (str_eq(json_str(spec, "updateStrategy.type"), "RollingUpdate") && rolling != NULL)
        validate_daemonset_rolling(e, rolling, "spec.updateStrategy.rollingUpdate");
}

static void validate_revision(struct field_errors *e, const json_t *tree)
{
    validate_non_negative(e, tree, "revision", "");
}

static void validate_revision_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    validate_immutable(e, json_object_get(tree, "data"), json_object_get(old, "data"), "data");
}

/* --- disruption budget ------------------------------------------------------------- */

static void validate_budget(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *available = json_object_get(spec, "minAvailable");
    const json_t *unavailable = json_object_get(spec, "maxUnavailable");

    if (available != NULL && unavailable != NULL)
        field_invalid(e, "spec", spec, "minAvailable and maxUnavailable cannot be both set");
    validate_count_or_percent(e, available, "spec.minAvailable");
    validate_count_or_percent(e, unavailable, "spec.maxUnavailable");
    if (validate_percent(available) > 100)
        field_invalid(e, "spec.minAvailable", available, "must not be greater than 100%%");
    if (validate_percent(unavailable) > 100)
        field_invalid(e, "spec.maxUnavailable", unavailable, "must not be greater than 100%%");
    validate_label_selector(e, json_object_get(spec, "selector"), "spec.selector");
}

const struct validate_kind validate_kinds_workloads[] = {
    { .bucket = "deployments.apps",
      .always = validate_deployment,
      .change = validate_selector_change },
    { .bucket = "replicasets.apps",
      .always = validate_replicaset,
      .change = validate_selector_change },
    { .bucket = "replicationcontrollers", .always = validate_controller },
    { .bucket = "statefulsets.apps",
      .always = validate_statefulset,
      .change = validate_statefulset_change },
    { .bucket = "daemonsets.apps",
      .always = validate_daemonset,
      .change = validate_selector_change },
    { .bucket = "controllerrevisions.apps",
      .always = validate_revision,
      .change = validate_revision_change },
    { .bucket = "horizontalpodautoscalers.autoscaling", .always = validate_scaler },
    { .bucket = "poddisruptionbudgets.policy", .always = validate_budget },
    { .bucket = NULL },
};
