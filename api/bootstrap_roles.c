/* The ClusterRoles that people and charts bind without making them: cluster-admin, admin, edit,
 * view, with Kubernetes' meaning for the kinds that are served. */
#include "api/registry_impl.h"

#include "base/mem.h"
#include "base/text.h"

#define ROLES_READ  "get", "list", "watch"
#define ROLES_WRITE "create", "delete", "deletecollection", "patch", "update"

/* What a namespace's people work with, by group. */
static const struct roles_kinds {
    const char *group;
    const char *resources[16]; /* NULL-terminated */
} roles_kinds[] = {
    { "",
      { "configmaps", "endpoints", "persistentvolumeclaims", "pods", "replicationcontrollers",
        "replicationcontrollers/scale", "serviceaccounts", "services", NULL } },
    { "apps",
      { "daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale",
        "statefulsets", "statefulsets/scale", NULL } },
    { "autoscaling", { "horizontalpodautoscalers", NULL } },
    { "batch", { "cronjobs", "jobs", NULL } },
    { "elbv2.k8s.aws", { "targetgroupbindings", NULL } },
    { "external-secrets.io", { "externalsecrets", "secretstores", NULL } },
    { "networking.k8s.io", { "ingresses", "networkpolicies", NULL } },
    { "policy", { "poddisruptionbudgets", NULL } },
};

/* Shown, but not theirs to write. */
static const struct roles_kinds roles_shown[] = {
    { "",
      { "bindings", "events", "limitranges", "namespaces", "namespaces/status",
        "persistentvolumeclaims/status", "pods/log", "pods/status", "resourcequotas",
        "resourcequotas/status", "services/status", NULL } },
    { "apps",
      { "controllerrevisions", "daemonsets/status", "deployments/status", "replicasets/status",
        "statefulsets/status", NULL } },
    { "batch", { "cronjobs/status", "jobs/status", NULL } },
    { "discovery.k8s.io", { "endpointslices", NULL } },
    { "elbv2.k8s.aws", { "targetgroupbindings/status", NULL } },
    { "external-secrets.io",
      { "clustersecretstores", "externalsecrets/status", "secretstores/status", NULL } },
    { "metallb.io", { "ipaddresspools", "l2advertisements", NULL } },
    { "metrics.k8s.io", { "nodes", "pods", NULL } },
    { "networking.k8s.io", { "ingresses/status", NULL } },
    { "policy", { "poddisruptionbudgets/status", NULL } },
};

static const char *const roles_read[] = { ROLES_READ, NULL };
static const char *const roles_write[] = { ROLES_WRITE, NULL };
static const char *const roles_both[] = { ROLES_READ, ROLES_WRITE, NULL };
static const char *const roles_create[] = { "create", NULL };
static const char *const roles_all[] = { "*", NULL };

static json_t *roles_strings(const char *const *list)
{
    json_t *ret = json_array();

    for (size_t i = 0; list[i] != NULL; i++)
        json_array_append_new(ret, json_string(list[i]));
    return ret;
}

static void roles_add(json_t *rules, const char *group, const char *const *resources,
                      const char *const *verbs)
{
    json_array_append_new(rules,
                          json_pack("{s:[s], s:o, s:o}", "apiGroups", group, "resources",
                                    roles_strings(resources), "verbs", roles_strings(verbs)));
}

static void roles_add_view(json_t *rules)
{
    for (size_t i = 0; i < N_ELEMENTS(roles_kinds); i++)
        roles_add(rules, roles_kinds[i].group, roles_kinds[i].resources, roles_read);
    for (size_t i = 0; i < N_ELEMENTS(roles_shown); i++)
        roles_add(rules, roles_shown[i].group, roles_shown[i].resources, roles_read);
}

static void roles_add_edit(json_t *rules)
{
    static const char *const streams[] = { "pods/attach", "pods/exec",      "pods/portforward",
                                           "pods/proxy",  "services/proxy", NULL };
    static const char *const secrets[] = { "secrets", NULL };
    static const char *const asked[] = { "pods/eviction", "serviceaccounts/token", NULL };

    roles_add_view(rules);
    for (size_t i = 0; i < N_ELEMENTS(roles_kinds); i++)
        roles_add(rules, roles_kinds[i].group, roles_kinds[i].resources, roles_write);
    roles_add(rules, "", streams, roles_both);
    roles_add(rules, "", secrets, roles_both);
    roles_add(rules, "", asked, roles_create);
}

static void roles_add_admin(json_t *rules)
{
    static const char *const roles[] = { "rolebindings", "roles", NULL };
    static const char *const reviews[] = { "localsubjectaccessreviews", NULL };

    roles_add_edit(rules);
    roles_add(rules, "rbac.authorization.k8s.io", roles, roles_both);
    roles_add(rules, "authorization.k8s.io", reviews, roles_create);
}

static void roles_add_all(json_t *rules)
{
    roles_add(rules, "*", roles_all, roles_all);
    json_array_append_new(rules, json_pack("{s:[s], s:[s]}", "nonResourceURLs", "*", "verbs", "*"));
}

json_t *bootstrap_roles(void)
{
    static const struct {
        const char *name;
        void (*add)(json_t *rules);
    } rows[] = {
        { "cluster-admin", roles_add_all },
        { "admin", roles_add_admin },
        { "edit", roles_add_edit },
        { "view", roles_add_view },
    };
    json_t *ret = json_array();

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        json_t *rules = json_array();

        rows[i].add(rules);
        json_array_append_new(ret, json_pack("{s:{s:s, s:{s:s}}, s:o}", "metadata", "name",
                                             rows[i].name, "labels", "kubernetes.io/bootstrapping",
                                             "rbac-defaults", "rules", rules));
    }
    return ret;
}
