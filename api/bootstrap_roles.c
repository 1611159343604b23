#include "api/bootstrap_roles.h"

#include "api/rbac.h"
#include "base/mem.h"

#include <string.h>

#define READ   "get list watch"
#define CHANGE "create delete deletecollection patch update"
#define ALL    "create delete deletecollection get list patch update watch"
#define EVENTS "create patch update", "core events.k8s.io", "events", NULL

#define AGGREGATE  "rbac.authorization.k8s.io/aggregate-to-"
#define AUTOUPDATE "rbac.authorization.kubernetes.io/autoupdate"

/* clang-format off */
const struct bootstrap_rule bootstrap_rules[] = {
    { "cluster-admin", "*", "*", "*", NULL },
    { "cluster-admin", "*", NULL, "*", NULL },

    /* What people of a namespace see, change, and give away. */
    { "system:aggregate-to-view", READ, "core", "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status", NULL },
    { "system:aggregate-to-view", READ, "core", "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status", NULL },
    { "system:aggregate-to-view", READ, "core", "namespaces", NULL },
    { "system:aggregate-to-view", READ, "discovery.k8s.io", "endpointslices", NULL },
    { "system:aggregate-to-view", READ, "apps", "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status", NULL },
    { "system:aggregate-to-view", READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", NULL },
    { "system:aggregate-to-view", READ, "batch", "cronjobs cronjobs/status jobs jobs/status", NULL },
    { "system:aggregate-to-view", READ, "extensions", "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale", NULL },
    { "system:aggregate-to-view", READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status", NULL },
    { "system:aggregate-to-view", READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies", NULL },
    { "system:aggregate-to-edit", READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy", NULL },
    { "system:aggregate-to-edit", "impersonate", "core", "serviceaccounts", NULL },
    { "system:aggregate-to-edit", CHANGE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy", NULL },
    { "system:aggregate-to-edit", "create", "core", "pods/eviction", NULL },
    { "system:aggregate-to-edit", CHANGE, "core", "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy", NULL },
    { "system:aggregate-to-edit", "create", "core", "serviceaccounts/token", NULL },
    { "system:aggregate-to-edit", CHANGE, "apps", "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale", NULL },
    { "system:aggregate-to-edit", CHANGE, "autoscaling", "horizontalpodautoscalers", NULL },
    { "system:aggregate-to-edit", CHANGE, "batch", "cronjobs jobs", NULL },
    { "system:aggregate-to-edit", CHANGE, "extensions", "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale", NULL },
    { "system:aggregate-to-edit", CHANGE, "policy", "poddisruptionbudgets", NULL },
    { "system:aggregate-to-edit", CHANGE, "networking.k8s.io", "ingresses networkpolicies", NULL },
    { "system:aggregate-to-edit", ALL, "coordination.k8s.io", "leases", NULL },
    { "system:aggregate-to-admin", "create", "authorization.k8s.io", "localsubjectaccessreviews", NULL },
    { "system:aggregate-to-admin", ALL, "rbac.authorization.k8s.io", "rolebindings roles", NULL },

    /* What mkube serves without a CustomResourceDefinition whose chart would bring roles. */
    { "system:mkube:aggregate-to-view", READ, "elbv2.k8s.aws", "targetgroupbindings targetgroupbindings/status", NULL },
    { "system:mkube:aggregate-to-view", READ, "external-secrets.io", "clustersecretstores externalsecrets externalsecrets/status secretstores secretstores/status", NULL },
    { "system:mkube:aggregate-to-view", READ, "metallb.io", "ipaddresspools l2advertisements", NULL },
    { "system:mkube:aggregate-to-view", READ, "metrics.k8s.io", "nodes pods", NULL },
    { "system:mkube:aggregate-to-edit", CHANGE, "elbv2.k8s.aws", "targetgroupbindings", NULL },
    { "system:mkube:aggregate-to-edit", CHANGE, "external-secrets.io", "externalsecrets secretstores", NULL },

    { "system:auth-delegator", "create", "authentication.k8s.io", "tokenreviews", NULL },
    { "system:auth-delegator", "create", "authorization.k8s.io", "subjectaccessreviews", NULL },
    { "system:basic-user", "create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", NULL },
    { "system:basic-user", "create", "authentication.k8s.io", "selfsubjectreviews", NULL },
    { "system:certificates.k8s.io:certificatesigningrequests:nodeclient", "create", "certificates.k8s.io", "certificatesigningrequests/nodeclient", NULL },
    { "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient", NULL },
    { "system:certificates.k8s.io:kube-apiserver-client-approver", "approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client" },
    { "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver", "approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client-kubelet" },
    { "system:certificates.k8s.io:kubelet-serving-approver", "approve", "certificates.k8s.io", "signers", "kubernetes.io/kubelet-serving" },
    { "system:certificates.k8s.io:legacy-unknown-approver", "approve", "certificates.k8s.io", "signers", "kubernetes.io/legacy-unknown" },
    { "system:discovery", "get", NULL, "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/", NULL },
    { "system:kube-aggregator", READ, "core", "endpoints services", NULL },
    { "system:kube-controller-manager", EVENTS },
    { "system:kube-controller-manager", "create", "coordination.k8s.io", "leases", NULL },
    { "system:kube-controller-manager", "get update", "coordination.k8s.io", "leases", "kube-controller-manager" },
    { "system:kube-controller-manager", "create", "core", "secrets serviceaccounts", NULL },
    { "system:kube-controller-manager", "delete", "core", "secrets", NULL },
    { "system:kube-controller-manager", "get", "core", "configmaps namespaces secrets serviceaccounts", NULL },
    { "system:kube-controller-manager", "update", "core", "secrets serviceaccounts", NULL },
    { "system:kube-controller-manager", "create", "authentication.k8s.io", "tokenreviews", NULL },
    { "system:kube-controller-manager", "create", "authorization.k8s.io", "subjectaccessreviews", NULL },
    { "system:kube-controller-manager", "list watch", "*", "*", NULL },
    { "system:kube-controller-manager", "create", "core", "serviceaccounts/token", NULL },
    { "system:kube-scheduler", EVENTS },
    { "system:kube-scheduler", "create", "coordination.k8s.io", "leases", NULL },
    { "system:kube-scheduler", "get update", "coordination.k8s.io", "leases", "kube-scheduler" },
    { "system:kube-scheduler", READ, "core", "nodes", NULL },
    { "system:kube-scheduler", "delete get list watch", "core", "pods", NULL },
    { "system:kube-scheduler", "create", "core", "bindings pods/binding", NULL },
    { "system:kube-scheduler", "patch update", "core", "pods/status", NULL },
    { "system:kube-scheduler", READ, "core", "replicationcontrollers services", NULL },
    { "system:kube-scheduler", READ, "apps extensions", "replicasets", NULL },
    { "system:kube-scheduler", READ, "apps", "statefulsets", NULL },
    { "system:kube-scheduler", READ, "policy", "poddisruptionbudgets", NULL },
    { "system:kube-scheduler", READ, "core", "persistentvolumeclaims persistentvolumes", NULL },
    { "system:kube-scheduler", "create", "authentication.k8s.io", "tokenreviews", NULL },
    { "system:kube-scheduler", "create", "authorization.k8s.io", "subjectaccessreviews", NULL },
    { "system:kube-scheduler", READ, "storage.k8s.io", "csinodes", NULL },
    { "system:kube-scheduler", READ, "core", "namespaces", NULL },
    { "system:kube-scheduler", READ, "storage.k8s.io", "csidrivers", NULL },
    { "system:kube-scheduler", READ, "storage.k8s.io", "csistoragecapacities", NULL },
    { "system:kubelet-api-admin", READ, "core", "nodes", NULL },
    { "system:kubelet-api-admin", "proxy", "core", "nodes", NULL },
    { "system:kubelet-api-admin", "*", "core", "nodes/log nodes/metrics nodes/proxy nodes/stats", NULL },
    { "system:monitoring", "get", NULL, "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*", NULL },
    { "system:node", "create", "authentication.k8s.io", "tokenreviews", NULL },
    { "system:node", "create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews", NULL },
    { "system:node", READ, "core", "services", NULL },
    { "system:node", "create get list watch", "core", "nodes", NULL },
    { "system:node", "patch update", "core", "nodes/status", NULL },
    { "system:node", "patch update", "core", "nodes", NULL },
    { "system:node", EVENTS },
    { "system:node", READ, "core", "pods", NULL },
    { "system:node", "create delete", "core", "pods", NULL },
    { "system:node", "patch update", "core", "pods/status", NULL },
    { "system:node", "create", "core", "pods/eviction", NULL },
    { "system:node", READ, "core", "configmaps secrets", NULL },
    { "system:node", "get", "core", "persistentvolumeclaims persistentvolumes", NULL },
    { "system:node", "get", "core", "endpoints", NULL },
    { "system:node", "create get list watch", "certificates.k8s.io", "certificatesigningrequests", NULL },
    { "system:node", "create delete get patch update", "coordination.k8s.io", "leases", NULL },
    { "system:node", "get", "storage.k8s.io", "volumeattachments", NULL },
    { "system:node", "create", "core", "serviceaccounts/token", NULL },
    { "system:node", "get patch update", "core", "persistentvolumeclaims/status", NULL },
    { "system:node", READ, "storage.k8s.io", "csidrivers", NULL },
    { "system:node", "create delete get patch update", "storage.k8s.io", "csinodes", NULL },
    { "system:node", READ, "node.k8s.io", "runtimeclasses", NULL },
    { "system:node-bootstrapper", "create get list watch", "certificates.k8s.io", "certificatesigningrequests", NULL },
    { "system:node-problem-detector", "get", "core", "nodes", NULL },
    { "system:node-problem-detector", "patch", "core", "nodes/status", NULL },
    { "system:node-problem-detector", EVENTS },
    { "system:node-proxier", "list watch", "core", "endpoints services", NULL },
    { "system:node-proxier", READ, "core", "nodes", NULL },
    { "system:node-proxier", EVENTS },
    { "system:node-proxier", "list watch", "discovery.k8s.io", "endpointslices", NULL },
    { "system:persistent-volume-provisioner", "create delete get list watch", "core", "persistentvolumes", NULL },
    { "system:persistent-volume-provisioner", "get list update watch", "core", "persistentvolumeclaims", NULL },
    { "system:persistent-volume-provisioner", READ, "storage.k8s.io", "storageclasses", NULL },
    { "system:persistent-volume-provisioner", "watch", "core", "events", NULL },
    { "system:persistent-volume-provisioner", EVENTS },
    { "system:public-info-viewer", "get", NULL, "/healthz /livez /readyz /version /version/", NULL },
    { "system:service-account-issuer-discovery", "get", NULL, "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/", NULL },
    { "system:volume-scheduler", "get list patch update watch", "core", "persistentvolumes", NULL },
    { "system:volume-scheduler", READ, "storage.k8s.io", "storageclasses", NULL },
    { "system:volume-scheduler", "get list patch update watch", "core", "persistentvolumeclaims", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
/* clang-format on */

/* Roles made of others, and which of the three take in a role. */
static const struct {
    const char *role;
    const char *made_of; /* what the selected ones are marked with, or NULL */
    const char *part_of; /* the mark that this one has, or NULL */
} roles_marks[] = {
    { "admin", AGGREGATE "admin", NULL },
    { "edit", AGGREGATE "edit", AGGREGATE "admin" },
    { "view", AGGREGATE "view", AGGREGATE "edit" },
    { "system:aggregate-to-admin", NULL, AGGREGATE "admin" },
    { "system:aggregate-to-edit", NULL, AGGREGATE "edit" },
    { "system:aggregate-to-view", NULL, AGGREGATE "view" },
    { "system:mkube:aggregate-to-edit", NULL, AGGREGATE "edit" },
    { "system:mkube:aggregate-to-view", NULL, AGGREGATE "view" },
};

static const struct {
    const char *name; /* of the binding and, unless @role is set, of the role */
    const char *role;
    const char *kind;
    const char *subjects;
} roles_bindings[] = {
    { "cluster-admin", NULL, "Group", "system:masters" },
    { "system:monitoring", NULL, "Group", "system:monitoring" },
    { "system:discovery", NULL, "Group", "system:authenticated" },
    { "system:basic-user", NULL, "Group", "system:authenticated" },
    { "system:public-info-viewer", NULL, "Group", "system:authenticated system:unauthenticated" },
    { "system:node-proxier", NULL, "User", "system:kube-proxy" },
    { "system:kube-controller-manager", NULL, "User", "system:kube-controller-manager" },
    { "system:kube-scheduler", NULL, "User", "system:kube-scheduler" },
    { "system:volume-scheduler", NULL, "User", "system:kube-scheduler" },
    { "system:service-account-issuer-discovery", NULL, "Group", "system:serviceaccounts" },
    /* As kubeadm does it: nodes renew their own certificates. */
    { "mkube:node-autoapprove-certificate-rotation",
      "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "Group",
      "system:nodes" },
};

/* --- tables to objects --- */

static json_t *roles_words(const char *text)
{
    cleanup(strv_freep) char **words = str_split(text, ' ');
    json_t *ret = json_array();

    for (char **w = words; *w != NULL; w++)
        json_array_append_new(ret, json_string(str_eq(*w, "core") ? "" : *w));
    return ret;
}

static json_t *roles_rule(const struct bootstrap_rule *row)
{
    json_t *rule = json_pack("{s:o}", "verbs", roles_words(row->verbs));

    if (row->groups == NULL) {
        json_object_set_new(rule, "nonResourceURLs", roles_words(row->resources));
        return rule;
    }
    json_object_set_new(rule, "apiGroups", roles_words(row->groups));
    json_object_set_new(rule, "resources", roles_words(row->resources));
    if (row->names != NULL)
        json_object_set_new(rule, "resourceNames", roles_words(row->names));
    return rule;
}

static json_t *roles_object(const char *name)
{
    return json_pack("{s:{s:s, s:{s:s}, s:{s:s}}}", "metadata", "name", name, "labels",
                     "kubernetes.io/bootstrapping", "rbac-defaults", "annotations", AUTOUPDATE,
                     "true");
}

static void roles_mark(json_t *role)
{
    const char *name = json_str(role, "metadata.name");

    for (size_t i = 0; i < N_ELEMENTS(roles_marks); i++) {
        if (!str_eq(roles_marks[i].role, name))
            continue;
        if (roles_marks[i].part_of != NULL)
            json_object_set_new(json_at(role, "metadata.labels"), roles_marks[i].part_of,
                                json_string("true"));
        if (roles_marks[i].made_of != NULL)
            json_object_set_new(role, "aggregationRule",
                                json_pack("{s:[{s:{s:s}}]}", "clusterRoleSelectors", "matchLabels",
                                          roles_marks[i].made_of, "true"));
    }
}

static json_t *roles_last(json_t *roles, const char *name)
{
    json_t *last = json_array_get(roles, json_array_size(roles) - 1);

    if (json_array_size(roles) > 0 && str_eq(json_str(last, "metadata.name"), name))
        return last;
    last = roles_object(name);
    json_object_set_new(last, "rules", json_array());
    roles_mark(last);
    json_array_append_new(roles, last);
    return last;
}

static void roles_add(json_t *roles, const struct bootstrap_rule *rows)
{
    for (const struct bootstrap_rule *row = rows; row->role != NULL; row++)
        json_array_append_new(json_object_get(roles_last(roles, row->role), "rules"),
                              roles_rule(row));
}

/* Rules of those that are made of others: view first, for edit takes it in, and admin that. */
static void roles_fill(json_t *roles)
{
    static const char *const names[] = { "view", "edit", "admin" };

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        json_t *role = roles_last(roles, names[i]);

        json_object_set_new(role, "rules", rbac_aggregate(role, roles));
    }
}

json_t *bootstrap_cluster_roles(void)
{
    json_t *roles = json_array();

    roles_add(roles, bootstrap_rules);
    roles_add(roles, bootstrap_controller_rules);
    roles_fill(roles);
    return roles;
}

/* What a registered API server reads to know whom to believe. */
json_t *bootstrap_roles(void)
{
    static const struct bootstrap_rule reader[] = {
        { "extension-apiserver-authentication-reader", READ, "core", "configmaps",
          "extension-apiserver-authentication" },
        { NULL, NULL, NULL, NULL, NULL },
    };
    json_t *roles = json_array();

    roles_add(roles, reader);
    json_put_str(json_array_get(roles, 0), "metadata.namespace", "kube-system");
    return roles;
}

static json_t *roles_subjects(const char *kind, const char *names)
{
    cleanup(strv_freep) char **words = str_split(names, ' ');
    json_t *ret = json_array();

    for (char **w = words; *w != NULL; w++)
        json_array_append_new(
            ret, json_pack("{s:s, s:s, s:s}", "kind", kind, "apiGroup", RBAC_GROUP, "name", *w));
    return ret;
}

static json_t *roles_binding(const char *name, const char *kind, const char *role,
                             json_t *subjects_steal)
{
    json_t *ret = roles_object(name);

    json_object_set_new(
        ret, "roleRef",
        json_pack("{s:s, s:s, s:s}", "apiGroup", RBAC_GROUP, "kind", kind, "name", role));
    json_object_set_new(ret, "subjects", subjects_steal);
    return ret;
}

static json_t *roles_account(const char *name)
{
    return json_pack("[{s:s, s:s, s:s}]", "kind", "ServiceAccount", "name", name, "namespace",
                     "kube-system");
}

json_t *bootstrap_cluster_role_bindings(void)
{
    static const char prefix[] = "system:controller:";
    json_t *ret = json_array();
    const char *before = NULL;

    for (size_t i = 0; i < N_ELEMENTS(roles_bindings); i++)
        json_array_append_new(
            ret, roles_binding(roles_bindings[i].name, "ClusterRole",
                               roles_bindings[i].role != NULL ? roles_bindings[i].role
                                                              : roles_bindings[i].name,
                               roles_subjects(roles_bindings[i].kind, roles_bindings[i].subjects)));
    for (const struct bootstrap_rule *row = bootstrap_controller_rules; row->role != NULL; row++) {
        if (!str_eq(before, row->role))
            json_array_append_new(ret, roles_binding(row->role, "ClusterRole", row->role,
                                                     roles_account(row->role + strlen(prefix))));
        before = row->role;
    }
    return ret;
}

/* --- what a later start finds --- */

/* Labels and annotations that are missing or differ. */
static bool roles_reconcile_map(json_t *have, const json_t *want, const char *path)
{
    const char *key;
    json_t *value;
    bool changed = false;

    if (json_at(have, path) == NULL)
        json_put(have, path, json_object());
    json_object_foreach (json_at(want, path), key, value)
        if (!json_equal(json_object_get(json_at(have, path), key), value)) {
            json_object_set(json_at(have, path), key, value);
            changed = true;
        }
    return changed;
}

static bool roles_reconcile_list(json_t *have, const json_t *want, const char *path)
{
    json_t *list = json_at(have, path);
    bool changed = false, found;
    size_t i, k;
    json_t *a, *b;

    json_array_foreach (json_at(want, path), i, a) {
        found = false;
        json_array_foreach (list, k, b)
            found = found || json_equal(a, b);
        if (found)
            continue;
        if (list == NULL)
            json_put(have, path, list = json_array());
        json_array_append(list, a);
        changed = true;
    }
    return changed;
}

static bool roles_reconcile_rules(json_t *have, const json_t *want)
{
    cleanup(json_decrefpp) json_t *missing = json_array();

    /* The rules of these are their parts'. */
    if (json_object_get(want, "aggregationRule") != NULL)
        return roles_reconcile_list(have, want, "aggregationRule.clusterRoleSelectors");
    if (rbac_covers(json_object_get(have, "rules"), json_object_get(want, "rules"), missing))
        return false;
    if (json_object_get(have, "rules") == NULL)
        json_object_set_new(have, "rules", json_array());
    json_array_extend(json_object_get(have, "rules"), missing);
    return true;
}

static bool roles_are_kept(const json_t *have)
{
    const json_t *annotations = json_at(have, "metadata.annotations");

    return str_eq(json_string_value(json_object_get(annotations, AUTOUPDATE)), "false");
}

bool bootstrap_is_misbound(const json_t *have, const json_t *want)
{
    const json_t *role = json_object_get(want, "roleRef");

    return role != NULL && !roles_are_kept(have) &&
           !json_equal(json_object_get(have, "roleRef"), role);
}

bool bootstrap_reconcile(json_t *have, const json_t *want)
{
    bool changed;

    if (roles_are_kept(have))
        return false;
    changed = roles_reconcile_map(have, want, "metadata.labels");
    changed = roles_reconcile_map(have, want, "metadata.annotations") || changed;
    if (json_object_get(want, "rules") != NULL)
        changed = roles_reconcile_rules(have, want) || changed;
    return roles_reconcile_list(have, want, "subjects") || changed;
}
