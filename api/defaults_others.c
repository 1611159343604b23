/* Rules of the groups beside core (Kubernetes v1.32). */
#include "api/defaults.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* Deployment, StatefulSet, DaemonSet: RollingUpdate has its settings; the tables fill them. */
static void defaults_strategy(json_t *strategy)
{
    if (defaults_is(strategy, "type", "RollingUpdate"))
        defaults_set(strategy, "rollingUpdate", json_object());
}

static void defaults_stateful_set_spec(json_t *spec)
{
    size_t i;
    json_t *claim;

    json_array_foreach (json_object_get(spec, "volumeClaimTemplates"), i, claim) {
        defaults_set_str(claim, "apiVersion", "v1");
        defaults_set_str(claim, "kind", "PersistentVolumeClaim");
    }
}

static void defaults_job(json_t *job)
{
    json_t *spec = json_object_get(job, "spec"), *metadata = json_object_get(job, "metadata");
    json_t *labels = json_at(spec, "template.metadata.labels");
    bool indexed = json_object_get(spec, "backoffLimitPerIndex") != NULL;
    bool policy = json_object_get(spec, "podFailurePolicy") != NULL;

    if (spec == NULL)
        return;
    if (json_object_get(spec, "completions") == NULL &&
        json_object_get(spec, "parallelism") == NULL)
        json_object_set_new_nocheck(spec, "completions", json_integer(1));
    defaults_set(spec, "parallelism", json_integer(1));
    defaults_set(spec, "backoffLimit", json_integer(indexed ? INT32_MAX : 6));
    defaults_set_str(spec, "completionMode", "NonIndexed");
    defaults_set(spec, "suspend", json_false());
    defaults_set(spec, "manualSelector", json_false());
    defaults_set_str(spec, "podReplacementPolicy", policy ? "Failed" : "TerminatingOrFailed");
    if (metadata != NULL && json_object_size(labels) > 0)
        defaults_set(metadata, "labels", json_deep_copy(labels));
}

static void defaults_hpa_behavior(json_t *behavior)
{
    json_t *rules;

    defaults_set(behavior, "scaleUp", json_object());
    rules = json_object_get(behavior, "scaleUp");
    defaults_set(rules, "stabilizationWindowSeconds", json_integer(0));
    defaults_set_str(rules, "selectPolicy", "Max");
    defaults_set(rules, "policies",
                 json_pack("[{s:s,s:i,s:i},{s:s,s:i,s:i}]", "type", "Pods", "value", 4,
                           "periodSeconds", 15, "type", "Percent", "value", 100, "periodSeconds",
                           15));
    defaults_set(behavior, "scaleDown", json_object());
    rules = json_object_get(behavior, "scaleDown");
    defaults_set_str(rules, "selectPolicy", "Max");
    defaults_set(
        rules, "policies",
        json_pack("[{s:s,s:i,s:i}]", "type", "Percent", "value", 100, "periodSeconds", 15));
}

static void defaults_network_policy_spec(json_t *spec)
{
    if (json_object_get(spec, "policyTypes") != NULL)
        return;
    json_object_set_new_nocheck(spec, "policyTypes", json_pack("[s]", "Ingress"));
    if (json_array_size(json_object_get(spec, "egress")) > 0)
        json_array_append_new(json_object_get(spec, "policyTypes"), json_string("Egress"));
}

static void defaults_subject(json_t *subject)
{
    if (defaults_is(subject, "kind", "User") || defaults_is(subject, "kind", "Group"))
        defaults_set_str(subject, "apiGroup", "rbac.authorization.k8s.io");
}

static void defaults_crd_spec(json_t *spec)
{
    json_t *names = json_object_get(spec, "names");
    const char *kind = json_str(names, "kind");
    cleanup(freep) char *list = NULL, *singular = NULL;

    if (str_empty(kind))
        return;
    list = mem_fmt("%sList", kind);
    singular = mem_str(kind);
    for (char *p = singular; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    defaults_set_str(names, "singular", singular);
    defaults_set_str(names, "listKind", list);
}

const struct defaults_rule defaults_others[] = {
    { "apiextensions/v1.CustomResourceDefinitionSpec", defaults_crd_spec },
    { "apps/v1.DaemonSetUpdateStrategy", defaults_strategy },
    { "apps/v1.DeploymentStrategy", defaults_strategy },
    { "apps/v1.StatefulSetSpec", defaults_stateful_set_spec },
    { "apps/v1.StatefulSetUpdateStrategy", defaults_strategy },
    { "autoscaling/v2.HorizontalPodAutoscalerBehavior", defaults_hpa_behavior },
    { "batch/v1.Job", defaults_job },
    { "networking/v1.NetworkPolicySpec", defaults_network_policy_spec },
    { "rbac/v1.Subject", defaults_subject },
    { NULL, NULL },
};
