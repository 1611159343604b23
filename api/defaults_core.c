/* Rules of the core group (Kubernetes v1.32, SetDefaults of core/v1 and its conversions). */
#include "api/defaults.h"

#include "base/bits.h"

#include <string.h>

/* --- containers --- */

/* The tag of an image reference: "latest" when neither tag nor digest is given; "" for none. */
static bool defaults_image_is_latest(const char *image)
{
    size_t len = strcspn(image, "@");
    const char *slash = memrchr(image, '/', len);
    const char *name = slash != NULL ? slash + 1 : image;
    const char *tag = memchr(name, ':', (size_t)(image + len - name));

    if (tag == NULL)
        return image[0] != '\0' && image[len] == '\0';
    return len - (size_t)(tag + 1 - image) == strlen("latest") &&
           strncmp(tag + 1, "latest", strlen("latest")) == 0;
}

static void defaults_container(json_t *c)
{
    const char *image = json_str_or(c, "image", "");

    defaults_set_str(c, "imagePullPolicy",
                     defaults_image_is_latest(image) ? "Always" : "IfNotPresent");
}

/* Only in pods, not in the templates of pods. */
static void defaults_pod_containers(json_t *spec, const char *list)
{
    size_t i, j;
    json_t *c, *port;

    json_array_foreach (json_object_get(spec, list), i, c) {
        json_t *resources = json_object_get(c, "resources");

        if (resources != NULL)
            defaults_merge(resources, "requests", json_object_get(resources, "limits"));
        if (!json_bool(spec, "hostNetwork", false))
            continue;
        json_array_foreach (json_object_get(c, "ports"), j, port)
            defaults_set(port, "hostPort", json_integer(json_int(port, "containerPort", 0)));
    }
}

static void defaults_pod(json_t *pod)
{
    json_t *spec = json_object_get(pod, "spec");

    if (spec == NULL)
        return;
    defaults_pod_containers(spec, "containers");
    defaults_pod_containers(spec, "initContainers");
    defaults_set(spec, "enableServiceLinks", json_true());
}

/* The deprecated name of the field mirrors the real one. */
static void defaults_pod_spec(json_t *spec)
{
    const char *name = json_str(spec, "serviceAccountName");

    if (name == NULL)
        name = json_str(spec, "serviceAccount");
    if (name == NULL)
        return;
    defaults_set_str(spec, "serviceAccountName", name);
    json_object_set_new_nocheck(spec, "serviceAccount", json_string(name));
}

static void defaults_pod_status(json_t *status)
{
    const char *ip = json_str(status, "podIP"), *host = json_str(status, "hostIP");

    if (ip != NULL)
        defaults_set(status, "podIPs", json_pack("[{s:s}]", "ip", ip));
    if (host != NULL)
        defaults_set(status, "hostIPs", json_pack("[{s:s}]", "ip", host));
}

static void defaults_volume(json_t *volume)
{
    const char *key;
    json_t *value;

    json_object_foreach (volume, key, value) {
        if (strcmp(key, "name") != 0)
            return;
    }
    json_object_set_new_nocheck(volume, "emptyDir", json_object());
}

/* --- services --- */

static void defaults_service_ports(json_t *spec)
{
    size_t i;
    json_t *port;

    json_array_foreach (json_object_get(spec, "ports"), i, port) {
        const char *name = json_str(port, "targetPort");

        if (name != NULL ? name[0] == '\0' : json_int(port, "targetPort", 0) == 0)
            json_object_set_new_nocheck(port, "targetPort",
                                        json_integer(json_int(port, "port", 0)));
    }
}

static void defaults_service_affinity(json_t *spec)
{
    if (defaults_is(spec, "sessionAffinity", "None"))
        json_object_del(spec, "sessionAffinityConfig");
    else if (defaults_is(spec, "sessionAffinity", "ClientIP") &&
             json_at(spec, "sessionAffinityConfig.clientIP.timeoutSeconds") == NULL)
        json_put_int(spec, "sessionAffinityConfig.clientIP.timeoutSeconds", 10800);
}

static void defaults_service_spec(json_t *spec)
{
    bool balancer = defaults_is(spec, "type", "LoadBalancer");
    bool node_port = defaults_is(spec, "type", "NodePort");
    bool cluster = defaults_is(spec, "type", "ClusterIP");
    bool external = json_array_size(json_object_get(spec, "externalIPs")) > 0;

    defaults_service_affinity(spec);
    defaults_service_ports(spec);
    if (balancer || node_port || (cluster && external))
        defaults_set_str(spec, "externalTrafficPolicy", "Cluster");
    if (balancer || node_port || cluster)
        defaults_set_str(spec, "internalTrafficPolicy", "Cluster");
    if (balancer)
        defaults_set(spec, "allocateLoadBalancerNodePorts", json_true());
}

static void defaults_service(json_t *service)
{
    size_t i;
    json_t *ingress;

    if (!str_eq(json_str(service, "spec.type"), "LoadBalancer"))
        return;
    json_array_foreach (json_at(service, "status.loadBalancer.ingress"), i, ingress) {
        if (json_str(ingress, "ip") != NULL)
            defaults_set_str(ingress, "ipMode", "VIP");
    }
}

/* --- others --- */

static void defaults_namespace(json_t *ns)
{
    const char *name = json_str(ns, "metadata.name");
    json_t *metadata = json_object_get(ns, "metadata");

    if (str_empty(name))
        return;
    defaults_set(metadata, "labels", json_object());
    json_object_set_new_nocheck(json_object_get(metadata, "labels"), "kubernetes.io/metadata.name",
                                json_string(name));
}

/* stringData is a way of writing data and is never stored. */
static void defaults_secret(json_t *secret)
{
    const char *key;
    json_t *value, *text = json_object_get(secret, "stringData");

    if (text == NULL)
        return;
    defaults_set(secret, "data", json_object());
    json_object_foreach (text, key, value) {
        struct text encoded = TEXT_EMPTY;

        bits_base64(&encoded, json_string_value(value), json_string_length(value));
        json_object_set_new_nocheck(json_object_get(secret, "data"), key,
                                    json_string(text_str(&encoded)));
        text_fini(&encoded);
    }
    json_object_del(secret, "stringData");
}

static void defaults_replication_controller(json_t *rc)
{
    json_t *labels = json_at(rc, "spec.template.metadata.labels");
    json_t *metadata = json_object_get(rc, "metadata"), *spec = json_object_get(rc, "spec");

    if (json_object_size(labels) == 0)
        return;
    defaults_set(spec, "selector", json_deep_copy(labels));
    if (metadata != NULL)
        defaults_set(metadata, "labels", json_deep_copy(labels));
}

static void defaults_node_spec(json_t *spec)
{
    const char *cidr = json_str(spec, "podCIDR");

    if (cidr != NULL)
        defaults_set(spec, "podCIDRs", json_pack("[s]", cidr));
}

static void defaults_node_status(json_t *status)
{
    if (json_object_get(status, "allocatable") == NULL)
        defaults_merge(status, "allocatable", json_object_get(status, "capacity"));
}

static void defaults_limit_range_item(json_t *item)
{
    if (!defaults_is(item, "type", "Container"))
        return;
    defaults_merge(item, "default", json_object_get(item, "max"));
    defaults_merge(item, "defaultRequest", json_object_get(item, "default"));
    defaults_merge(item, "defaultRequest", json_object_get(item, "min"));
}

const struct defaults_rule defaults_core[] = {
    { "core/v1.Container", defaults_container },
    { "core/v1.EphemeralContainer", defaults_container },
    { "core/v1.LimitRangeItem", defaults_limit_range_item },
    { "core/v1.Namespace", defaults_namespace },
    { "core/v1.NodeSpec", defaults_node_spec },
    { "core/v1.NodeStatus", defaults_node_status },
    { "core/v1.Pod", defaults_pod },
    { "core/v1.PodSpec", defaults_pod_spec },
    { "core/v1.PodStatus", defaults_pod_status },
    { "core/v1.ReplicationController", defaults_replication_controller },
    { "core/v1.Secret", defaults_secret },
    { "core/v1.Service", defaults_service },
    { "core/v1.ServiceSpec", defaults_service_spec },
    { "core/v1.Volume", defaults_volume },
    { NULL, NULL },
};
