/* The tables: what a page of each kind shows. */
#include "base/mem.h"
#include "client/describe_parts.h"

const struct describe_need describe_needs[] = {
    { "nodes", "", "v1", "pods", DESCRIBE_ALL },
    { "services", "discovery.k8s.io", "v1", "endpointslices", DESCRIBE_OWN_NS },
    { "persistentvolumeclaims", "", "v1", "pods", DESCRIBE_OWN_NS },
    { "deployments", "apps", "v1", "replicasets", DESCRIBE_OWN_NS },
    { "replicasets", "", "v1", "pods", DESCRIBE_OWN_NS },
    { "statefulsets", "", "v1", "pods", DESCRIBE_OWN_NS },
    { "namespaces", "", "v1", "resourcequotas", DESCRIBE_OWN_NS },
    { "namespaces", "", "v1", "limitranges", DESCRIBE_OWN_NS },
    { NULL, NULL, NULL, NULL, DESCRIBE_ALL },
};

#define DESCRIBE_HEAD                                               \
    { "Name", "metadata.name", describe_text, NULL },               \
        { "Namespace", "metadata.namespace", describe_text, "" },   \
        { "Labels", "metadata.labels", describe_labels, NULL },     \
    {                                                               \
        "Annotations", "metadata.annotations", describe_notes, NULL \
    }
#define DESCRIBE_TAIL                      \
    { NULL, NULL, describe_events, NULL }, \
    {                                      \
        NULL, NULL, NULL, NULL             \
    }
#define DESCRIBE_CREATED                                                       \
    {                                                                          \
        "CreationTimestamp", "metadata.creationTimestamp", describe_date, NULL \
    }

static const struct describe_row describe_pods[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { "Priority", "spec.priority", describe_text, "" },
    { "Priority Class Name", "spec.priorityClassName", describe_text, "" },
    { "Runtime Class Name", "spec.runtimeClassName", describe_text, "" },
    { "Service Account", "spec.serviceAccountName", describe_text, "" },
    { "Node", NULL, describe_node_of, NULL },
    { "Start Time", "status.startTime", describe_date, "" },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Status", "status.phase", describe_status, NULL },
    { "Reason", "status.reason", describe_text, "" },
    { "Message", "status.message", describe_text, "" },
    { "IP", "status.podIP", describe_text, "" },
    { "IPs", "status.podIPs", describe_ips, NULL },
    { "Controlled By", NULL, describe_controller, NULL },
    { NULL, NULL, describe_pod, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_deployments[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    DESCRIBE_CREATED,
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Selector", "spec.selector", describe_selector, NULL },
    { "Replicas", NULL, describe_replicas, NULL },
    { "StrategyType", "spec.strategy.type", describe_text, NULL },
    { "MinReadySeconds", "spec.minReadySeconds", describe_text, "0" },
    { "RollingUpdateStrategy", "spec.strategy.rollingUpdate", describe_rolling, NULL },
    { "Pod Template", "spec.template", describe_template, NULL },
    { "Conditions", "status.conditions", describe_conditions, NULL },
    { NULL, NULL, describe_replica_sets, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_replicasets[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { "Selector", "spec.selector", describe_selector, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Controlled By", NULL, describe_controller, NULL },
    { "Replicas", NULL, describe_replicas, NULL },
    { "Pods Status", NULL, describe_pod_counts, NULL },
    { "Pod Template", "spec.template", describe_template, NULL },
    { "Conditions", "status.conditions", describe_conditions, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_statefulsets[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    DESCRIBE_CREATED,
    { "Selector", "spec.selector", describe_selector, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Replicas", NULL, describe_replicas, NULL },
    { "Update Strategy", "spec.updateStrategy.type", describe_text, NULL },
    { "  Partition", "spec.updateStrategy.rollingUpdate.partition", describe_text, "" },
    { "Pods Status", NULL, describe_pod_counts, NULL },
    { "Pod Template", "spec.template", describe_template, NULL },
    { "Volume Claims", "spec.volumeClaimTemplates", describe_fields, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_daemonsets[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { "Selector", "spec.selector", describe_selector, NULL },
    { "Node-Selector", "spec.template.spec.nodeSelector", describe_selector, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Desired Number of Nodes Scheduled", "status.desiredNumberScheduled", describe_text, "0" },
    { "Current Number of Nodes Scheduled", "status.currentNumberScheduled", describe_text, "0" },
    { "Number of Nodes Scheduled with Up-to-date Pods", "status.updatedNumberScheduled",
      describe_text, "0" },
    { "Number of Nodes Scheduled with Available Pods", "status.numberAvailable", describe_text,
      "0" },
    { "Number of Nodes Misscheduled", "status.numberMisscheduled", describe_text, "0" },
    { "Pod Template", "spec.template", describe_template, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_jobs[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { "Selector", "spec.selector", describe_selector, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Controlled By", NULL, describe_controller, NULL },
    { "Parallelism", "spec.parallelism", describe_text, "<unset>" },
    { "Completions", "spec.completions", describe_text, "<unset>" },
    { "Completion Mode", "spec.completionMode", describe_text, "" },
    { "Suspend", "spec.suspend", describe_text, "" },
    { "Backoff Limit", "spec.backoffLimit", describe_text, "" },
    { "Start Time", "status.startTime", describe_date, "" },
    { "Completed At", "status.completionTime", describe_date, "" },
    { "Active Deadline Seconds", "spec.activeDeadlineSeconds", describe_text, "" },
    { "Active", "status.active", describe_text, "0" },
    { "Succeeded", "status.succeeded", describe_text, "0" },
    { "Failed", "status.failed", describe_text, "0" },
    { "Pod Template", "spec.template", describe_template, NULL },
    { "Conditions", "status.conditions", describe_conditions, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_cronjobs[] = {
    DESCRIBE_HEAD,
    { "Schedule", "spec.schedule", describe_text, NULL },
    { "Time Zone", "spec.timeZone", describe_text, "" },
    { "Concurrency Policy", "spec.concurrencyPolicy", describe_text, NULL },
    { "Suspend", "spec.suspend", describe_text, "<unset>" },
    { "Successful Job History Limit", "spec.successfulJobsHistoryLimit", describe_text, "<unset>" },
    { "Failed Job History Limit", "spec.failedJobsHistoryLimit", describe_text, "<unset>" },
    { "Starting Deadline Seconds", "spec.startingDeadlineSeconds", describe_text, "<unset>" },
    { "Pod Template", "spec.jobTemplate.spec.template", describe_template, NULL },
    { "Last Schedule Time", "status.lastScheduleTime", describe_date, NULL },
    { "Active Jobs", "status.active", describe_list, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_services[] = {
    DESCRIBE_HEAD,
    { "Selector", "spec.selector", describe_selector, NULL },
    { "Type", "spec.type", describe_text, NULL },
    { "IP Family Policy", "spec.ipFamilyPolicy", describe_text, "" },
    { "IP Families", "spec.ipFamilies", describe_list, "" },
    { "IP", "spec.clusterIP", describe_text, NULL },
    { "IPs", "spec.clusterIPs", describe_list, NULL },
    { "External IPs", "spec.externalIPs", describe_list, "" },
    { "External Name", "spec.externalName", describe_text, "" },
    { "LoadBalancer Ingress", "status.loadBalancer.ingress", describe_addresses, "" },
    { NULL, NULL, describe_service_ports, NULL },
    { "Session Affinity", "spec.sessionAffinity", describe_text, NULL },
    { "External Traffic Policy", "spec.externalTrafficPolicy", describe_text, "" },
    { "Internal Traffic Policy", "spec.internalTrafficPolicy", describe_text, "" },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_ingresses[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { "Address", "status.loadBalancer.ingress", describe_addresses, NULL },
    { "Ingress Class", "spec.ingressClassName", describe_text, NULL },
    { "Default backend", NULL, describe_default_backend, NULL },
    { NULL, NULL, describe_ingress_rules, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_nodes[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Roles", NULL, describe_roles, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    DESCRIBE_CREATED,
    { "Taints", "spec.taints", describe_taints, NULL },
    { "Unschedulable", "spec.unschedulable", describe_text, "false" },
    { "Conditions", "status.conditions", describe_node_conditions, NULL },
    { "Addresses", "status.addresses", describe_node_addresses, NULL },
    { "Capacity", "status.capacity", describe_amounts, NULL },
    { "Allocatable", "status.allocatable", describe_amounts, NULL },
    { "System Info", "status.nodeInfo", describe_system, NULL },
    { "PodCIDR", "spec.podCIDR", describe_text, "" },
    { "PodCIDRs", "spec.podCIDRs", describe_list, "" },
    { NULL, NULL, describe_node_pods, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_claims[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { "StorageClass", "spec.storageClassName", describe_text, "" },
    { "Status", "status.phase", describe_status, NULL },
    { "Volume", "spec.volumeName", describe_text, "" },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Finalizers", "metadata.finalizers", describe_list, NULL },
    { "Capacity", "status.capacity.storage", describe_text, "" },
    { "Access Modes", "spec.accessModes", describe_list, NULL },
    { "VolumeMode", "spec.volumeMode", describe_text, NULL },
    { "Used By", NULL, describe_used_by, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_volumes[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Finalizers", "metadata.finalizers", describe_list, NULL },
    { "StorageClass", "spec.storageClassName", describe_text, "" },
    { "Status", "status.phase", describe_status, NULL },
    { "Claim", "spec.claimRef.name", describe_text, "" },
    { "Reclaim Policy", "spec.persistentVolumeReclaimPolicy", describe_text, NULL },
    { "Access Modes", "spec.accessModes", describe_list, NULL },
    { "VolumeMode", "spec.volumeMode", describe_text, NULL },
    { "Capacity", "spec.capacity.storage", describe_text, NULL },
    { "Node Affinity", "spec.nodeAffinity", describe_fields, NULL },
    { "Message", "status.message", describe_text, "" },
    { "Local", "spec.local", describe_fields, "" },
    { "HostPath", "spec.hostPath", describe_fields, "" },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_configmaps[] = {
    DESCRIBE_HEAD,
    { "Data", "data", describe_contents, NULL },
    { "BinaryData", "binaryData", describe_sizes_of_binary, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_secrets[] = {
    DESCRIBE_HEAD,
    { "\nType", "type", describe_text, NULL },
    { "Data", "data", describe_sizes, NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct describe_row describe_accounts[] = {
    DESCRIBE_HEAD,
    { "Image pull secrets", "imagePullSecrets", describe_list, NULL },
    { "Mountable secrets", "secrets", describe_list, NULL },
    { "Tokens", "tokens", describe_list, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_roles_rows[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "PolicyRule", "rules", describe_rules, NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct describe_row describe_bindings[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Subjects", "subjects", describe_subjects, NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct describe_row describe_scalers[] = {
    DESCRIBE_HEAD,
    DESCRIBE_CREATED,
    { "Reference", "spec.scaleTargetRef", describe_fields, NULL },
    { "Metrics", "spec.metrics", describe_fields, NULL },
    { "Current metrics", "status.currentMetrics", describe_fields, NULL },
    { "Min replicas", "spec.minReplicas", describe_text, "<unset>" },
    { "Max replicas", "spec.maxReplicas", describe_text, NULL },
    { "Current replicas", "status.currentReplicas", describe_text, "0" },
    { "Desired replicas", "status.desiredReplicas", describe_text, "0" },
    { "Behavior", "spec.behavior", describe_fields, "" },
    { "Conditions", "status.conditions", describe_conditions, NULL },
    DESCRIBE_TAIL,
};

static const struct describe_row describe_policies[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { "Created on", "metadata.creationTimestamp", describe_date, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "PodSelector", "spec.podSelector", describe_selector, NULL },
    { "Policy Types", "spec.policyTypes", describe_list, NULL },
    { "Allowing ingress traffic", "spec.ingress", describe_fields, "<none>" },
    { "Allowing egress traffic", "spec.egress", describe_fields, "<none>" },
    { NULL, NULL, NULL, NULL },
};

static const struct describe_row describe_quotas[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { "Scopes", "spec.scopes", describe_list, "" },
    { NULL, NULL, describe_own_quota, NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct describe_row describe_ranges[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Namespace", "metadata.namespace", describe_text, NULL },
    { NULL, NULL, describe_own_limits, NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct describe_row describe_namespaces[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "Labels", "metadata.labels", describe_labels, NULL },
    { "Annotations", "metadata.annotations", describe_notes, NULL },
    { "Status", "status.phase", describe_text, NULL },
    { "Conditions", "status.conditions", describe_conditions, NULL },
    { NULL, NULL, describe_namespace_extras, NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct describe_row describe_classes[] = {
    { "Name", "metadata.name", describe_text, NULL },
    { "IsDefaultClass", NULL, describe_is_default, NULL },
    { "Annotations", "metadata.annotations", describe_selector, NULL },
    { "Provisioner", "provisioner", describe_text, NULL },
    { "Parameters", "parameters", describe_selector, NULL },
    { "AllowVolumeExpansion", "allowVolumeExpansion", describe_text, "<unset>" },
    { "MountOptions", "mountOptions", describe_list, NULL },
    { "ReclaimPolicy", "reclaimPolicy", describe_text, NULL },
    { "VolumeBindingMode", "volumeBindingMode", describe_text, NULL },
    DESCRIBE_TAIL,
};

static const struct {
    const char *bucket;
    const struct describe_row *rows;
} describe_tables[] = {
    { "pods", describe_pods },
    { "deployments.apps", describe_deployments },
    { "replicasets.apps", describe_replicasets },
    { "statefulsets.apps", describe_statefulsets },
    { "daemonsets.apps", describe_daemonsets },
    { "jobs.batch", describe_jobs },
    { "cronjobs.batch", describe_cronjobs },
    { "services", describe_services },
    { "ingresses.networking.k8s.io", describe_ingresses },
    { "nodes", describe_nodes },
    { "persistentvolumeclaims", describe_claims },
    { "persistentvolumes", describe_volumes },
    { "configmaps", describe_configmaps },
    { "secrets", describe_secrets },
    { "serviceaccounts", describe_accounts },
    { "roles.rbac.authorization.k8s.io", describe_roles_rows },
    { "clusterroles.rbac.authorization.k8s.io", describe_roles_rows },
    { "rolebindings.rbac.authorization.k8s.io", describe_bindings },
    { "clusterrolebindings.rbac.authorization.k8s.io", describe_bindings },
    { "horizontalpodautoscalers.autoscaling", describe_scalers },
    { "networkpolicies.networking.k8s.io", describe_policies },
    { "resourcequotas", describe_quotas },
    { "limitranges", describe_ranges },
    { "namespaces", describe_namespaces },
    { "storageclasses.storage.k8s.io", describe_classes },
};

const struct describe_row *describe_rows(const char *bucket)
{
    for (size_t i = 0; i < N_ELEMENTS(describe_tables); i++)
        if (str_eq(describe_tables[i].bucket, bucket))
            return describe_tables[i].rows;
    return NULL;
}
