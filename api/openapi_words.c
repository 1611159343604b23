/* What the commonest kinds are, in a sentence each, for `kubectl explain`. */
#include "api/openapi_schemas.h"

#include <string.h>

static const struct {
    const char *type, *text;
} openapi_texts[] = {
    { "apps/v1.DaemonSet", "One pod on each node that fits." },
    { "apps/v1.Deployment", "Keeps a number of equal pods and rolls changes out step by step." },
    { "apps/v1.ReplicaSet", "Keeps a number of equal pods; usually made by a Deployment." },
    { "apps/v1.StatefulSet", "Pods with lasting names and volumes, started and stopped in order." },
    { "autoscaling/v2.HorizontalPodAutoscaler", "Sets a number of replicas by measured load." },
    { "batch/v1.CronJob", "Makes a Job at the times of a schedule." },
    { "batch/v1.Job", "Runs pods until enough of them have succeeded." },
    { "coordination/v1.Lease", "A lock that its holder must keep renewing." },
    { "core/v1.ConfigMap", "Settings for pods to read, as text or bytes." },
    { "core/v1.Container", "One container of a pod." },
    { "core/v1.Event", "A note about something that happened to an object." },
    { "core/v1.LimitRange", "Defaults and bounds for the resources in a namespace." },
    { "core/v1.Namespace", "A room for names." },
    { "core/v1.Node", "A machine that runs pods." },
    { "core/v1.PersistentVolume", "Storage in the cluster." },
    { "core/v1.PersistentVolumeClaim", "A request for storage." },
    { "core/v1.Pod", "Containers that run together on one node." },
    { "core/v1.PodSpec", "What a pod should be." },
    { "core/v1.Probe", "How to ask a container whether it is well." },
    { "core/v1.ResourceQuota", "What a namespace may use in all." },
    { "core/v1.Secret", "Settings that are not for everyone's eyes." },
    { "core/v1.Service", "A stable address for a changing set of pods." },
    { "core/v1.ServiceAccount", "Who the programs in a pod are to the API." },
    { "discovery/v1.EndpointSlice", "Addresses behind a Service." },
    { "meta/v1.ObjectMeta", "What every object has: name, labels, owners and the like." },
    { "networking/v1.Ingress", "Routes HTTP by host and path to Services." },
    { "networking/v1.NetworkPolicy", "Who may talk to some pods, and whom they may talk to." },
    { "policy/v1.PodDisruptionBudget", "How many of some pods may be missing on purpose." },
    { "rbac/v1.Role", "A set of permissions in a namespace." },
    { "rbac/v1.RoleBinding", "Grants a role to users, groups or service accounts." },
    { "storage/v1.StorageClass", "A kind of storage that claims can ask for." },
};

const char *openapi_words(const char *type)
{
    for (size_t i = 0; i < sizeof(openapi_texts) / sizeof(openapi_texts[0]); i++) {
        if (strcmp(openapi_texts[i].type, type) == 0)
            return openapi_texts[i].text;
    }
    return NULL;
}
