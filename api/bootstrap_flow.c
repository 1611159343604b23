#include "api/bootstrap_flow.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define FLOW_AUTOUPDATE "apf.kubernetes.io/autoupdate-spec"

static const struct flow_level {
    const char *name;
    int shares, lendable;
    int queues, hand; /* 0: what is too much is refused at once */
} flow_levels[] = { { "catch-all", 5, 0, 0, 0 },         { "system", 30, 33, 64, 6 },
                    { "node-high", 40, 25, 64, 6 },      { "leader-election", 10, 0, 16, 4 },
                    { "workload-high", 40, 50, 128, 6 }, { "workload-low", 100, 90, 128, 6 },
                    { "global-default", 20, 50, 128, 6 } };

/* Subjects: "g" a group, "u" a user, "s" a ServiceAccount of kube-system.  Rules of resources:
 * "VERBS GROUP RESOURCES" and " cluster" where what has no namespace is meant as well; NULL:
 * everything, and all paths. */
static const struct flow_schema {
    const char *name, *level;
    int precedence;
    const char *by; /* NULL: not told apart */
    const char *subjects[4];
    const char *rules[2];
} flow_schemas[] = {
    { "exempt", "exempt", 1, NULL, { "g system:masters" }, { NULL } },
    { "system-leader-election",
      "leader-election",
      100,
      "ByUser",
      { "u system:kube-controller-manager", "u system:kube-scheduler", "s *" },
      { "get,create,update coordination.k8s.io leases" } },
    { "endpoint-controller",
      "workload-high",
      150,
      "ByUser",
      { "u system:kube-controller-manager", "s endpoint-controller",
        "s endpointslicemirroring-controller" },
      { "get,create,update - endpoints" } },
    { "workload-leader-election",
      "leader-election",
      200,
      "ByUser",
      { "s *" },
      { "get,create,update coordination.k8s.io leases" } },
    { "system-node-high",
      "node-high",
      400,
      "ByUser",
      { "g system:nodes" },
      { "* - nodes,nodes/status cluster", "* coordination.k8s.io leases" } },
    { "system-nodes", "system", 500, "ByUser", { "g system:nodes" }, { NULL } },
    { "kube-controller-manager",
      "workload-high",
      800,
      "ByNamespace",
      { "u system:kube-controller-manager" },
      { NULL } },
    { "kube-scheduler",
      "workload-high",
      800,
      "ByNamespace",
      { "u system:kube-scheduler" },
      { NULL } },
    { "kube-system-service-accounts", "workload-high", 900, "ByNamespace", { "s *" }, { NULL } },
    { "service-accounts",
      "workload-low",
      9000,
      "ByUser",
      { "g system:serviceaccounts" },
      { NULL } },
    { "global-default",
      "global-default",
      9900,
      "ByUser",
      { "g system:unauthenticated", "g system:authenticated" },
      { NULL } },
    { "catch-all",
      "catch-all",
      10000,
      "ByUser",
      { "g system:unauthenticated", "g system:authenticated" },
      { NULL } },
};

static json_t *flow_object(const char *name, json_t *spec_steal)
{
    return json_pack("{s:{s:s, s:{s:s}}, s:o}", "metadata", "name", name, "annotations",
                     FLOW_AUTOUPDATE, "true", "spec", spec_steal);
}

static json_t *flow_level(const struct flow_level *l)
{
    json_t *response = l->queues == 0 ? json_pack("{s:s}", "type", "Reject")
                                      : json_pack("{s:s, s:{s:i, s:i, s:i}}", "type", "Queue",
                                                  "queuing", "queues", l->queues, "handSize",
                                                  l->hand, "queueLengthLimit", 50);

    return flow_object(l->name, json_pack("{s:s, s:{s:i, s:i, s:o}}", "type", "Limited", "limited",
                                          "nominalConcurrencyShares", l->shares, "lendablePercent",
                                          l->lendable, "limitResponse", response));
}

json_t *bootstrap_flow_levels(void)
{
    json_t *ret = json_array();

    json_array_append_new(
        ret, flow_object("exempt", json_pack("{s:s, s:{s:i, s:i}}", "type", "Exempt", "exempt",
                                             "nominalConcurrencyShares", 0, "lendablePercent", 0)));
    for (size_t i = 0; i < N_ELEMENTS(flow_levels); i++)
        json_array_append_new(ret, flow_level(&flow_levels[i]));
    return ret;
}

static json_t *flow_subject(const char *text)
{
    const char *name = text + 2;

    if (text[0] == 'g')
        return json_pack("{s:s, s:{s:s}}", "kind", "Group", "group", "name", name);
    if (text[0] == 'u')
        return json_pack("{s:s, s:{s:s}}", "kind", "User", "user", "name", name);
    return json_pack("{s:s, s:{s:s, s:s}}", "kind", "ServiceAccount", "serviceAccount", "namespace",
                     "kube-system", "name", name);
}

static json_t *flow_words(const char *text)
{
    cleanup(strv_freep) char **words = str_split(text, ',');
    json_t *ret = json_array();

    for (size_t i = 0; words[i] != NULL; i++)
        json_array_append_new(ret, json_string(str_eq(words[i], "-") ? "" : words[i]));
    return ret;
}

static json_t *flow_rule(const char *text)
{
    cleanup(strv_freep) char **part = str_split(text, ' ');
    json_t *ret = json_pack("{s:o, s:o, s:o, s:[s]}", "verbs", flow_words(part[0]), "apiGroups",
                            flow_words(part[1]), "resources", flow_words(part[2]), "namespaces",
                            "*");

    if (part[3] != NULL)
        json_object_set_new(ret, "clusterScope", json_true());
    return ret;
}

static json_t *flow_rules(const struct flow_schema *f)
{
    json_t *subjects = json_array(), *resources = json_array();
    json_t *ret = json_pack("{s:o, s:o}", "subjects", subjects, "resourceRules", resources);

    for (size_t i = 0; i < N_ELEMENTS(f->subjects) && f->subjects[i] != NULL; i++)
        json_array_append_new(subjects, flow_subject(f->subjects[i]));
    for (size_t i = 0; i < N_ELEMENTS(f->rules) && f->rules[i] != NULL; i++)
        json_array_append_new(resources, flow_rule(f->rules[i]));
    if (json_array_size(resources) == 0) {
        json_array_append_new(resources, flow_rule("* * * cluster"));
        json_object_set_new(ret, "nonResourceRules",
                            json_pack("[{s:[s], s:[s]}]", "verbs", "*", "nonResourceURLs", "*"));
    }
    return ret;
}

static json_t *flow_schema(const struct flow_schema *f)
{
    json_t *spec = json_pack("{s:{s:s}, s:i, s:[o]}", "priorityLevelConfiguration", "name",
                             f->level, "matchingPrecedence", f->precedence, "rules", flow_rules(f));

    if (f->by != NULL)
        json_object_set_new(spec, "distinguisherMethod", json_pack("{s:s}", "type", f->by));
    return flow_object(f->name, spec);
}

/* Whoever looks whether the server lives is never kept waiting. */
static json_t *flow_probes(void)
{
    return flow_object(
        "probes", json_pack("{s:{s:s}, s:i, s:[{s:[o,o], s:[{s:[s], s:[s,s,s]}]}]}",
                            "priorityLevelConfiguration", "name", "exempt", "matchingPrecedence", 2,
                            "rules", "subjects", flow_subject("g system:unauthenticated"),
                            flow_subject("g system:authenticated"), "nonResourceRules", "verbs",
                            "get", "nonResourceURLs", "/healthz", "/readyz", "/livez"));
}

json_t *bootstrap_flow_schemas(void)
{
    json_t *ret = json_array();

    for (size_t i = 0; i < N_ELEMENTS(flow_schemas); i++)
        json_array_append_new(ret, flow_schema(&flow_schemas[i]));
    json_array_append_new(ret, flow_probes());
    return ret;
}

static bool flow_is_ours(const json_t *have)
{
    static const char *const mandatory[] = { "exempt", "catch-all" };
    const char *said = json_string_value(
        json_object_get(json_at(have, "metadata.annotations"), FLOW_AUTOUPDATE));

    for (size_t i = 0; i < N_ELEMENTS(mandatory); i++)
        if (str_eq(json_str(have, "metadata.name"), mandatory[i]))
            return true;
    return said != NULL ? str_eq(said, "true") : json_int(have, "metadata.generation", 0) == 1;
}

bool bootstrap_flow_reconcile(json_t *have, const json_t *want)
{
    json_t *spec = json_object_get(want, "spec");

    if (!flow_is_ours(have) || json_equal(json_object_get(have, "spec"), spec))
        return false;
    json_object_set_new(have, "spec", json_deep_copy(spec));
    return true;
}
