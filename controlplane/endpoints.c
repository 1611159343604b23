/* Endpoints, the older form of EndpointSlices, of Services with a selector. */
#include "controlplane/controllers.h"
#include "controlplane/endpoint.h"

#include "api/pod_status.h"
#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define ENDPOINTS_NAME     "endpoint-controller"
#define ENDPOINTS_MAX      1000
#define ENDPOINTS_CAPACITY "endpoints.kubernetes.io/over-capacity"
#define ENDPOINTS_TRIGGER  "endpoints.kubernetes.io/last-change-trigger-time"

/* The subset with these ports, made if there is none yet. */
static json_t *endpoints_subset(json_t *subsets, json_t *ports_steal)
{
    cleanup(json_decrefpp) json_t *ports = ports_steal;
    json_t *s;
    size_t i;

    json_array_foreach (subsets, i, s) {
        const json_t *have = json_object_get(s, "ports");

        if (json_array_size(have) == json_array_size(ports) &&
            (json_array_size(ports) == 0 || json_equal(have, ports)))
            return s;
    }
    s = json_object();
    if (json_array_size(ports) > 0)
        json_object_set(s, "ports", ports);
    json_array_append_new(subsets, s);
    return s;
}

/* Other than in slices, a port without a name has no member for it. */
static json_t *endpoints_ports(const json_t *service, const json_t *pod)
{
    json_t *ports = endpoint_ports(service, pod), *p;
    size_t i;

    json_array_foreach (ports, i, p)
        if (!*json_str_or(p, "name", ""))
            json_object_del(p, "name");
    return ports;
}

static void endpoints_add(json_t *subsets, const json_t *service_tree, const struct object *service,
                          const struct object *pod, const json_t *tree, bool publish)
{
    const char *list = publish || pod_is_ready(tree) ? "addresses" : "notReadyAddresses";
    json_t *subset = endpoints_subset(subsets, endpoints_ports(service_tree, tree));
    json_t *address = json_pack("{s:s}", "ip", endpoint_address(tree, "IPv4"));
    const char *hostname = endpoint_hostname(service, tree);

    if (hostname)
        json_put_str(address, "hostname", hostname);
    if (*pod->node)
        json_put_str(address, "nodeName", pod->node);
    json_put(address, "targetRef", endpoint_target(pod));
    if (!json_object_get(subset, list))
        json_object_set_new(subset, list, json_array());
    json_array_append_new(json_object_get(subset, list), address);
}

/* A Service with named ports only, of which a pod has none, has no endpoint there. */
static bool endpoints_has_ports(const json_t *service, const json_t *pod)
{
    cleanup(json_decrefpp) json_t *ports = endpoint_ports(service, pod);

    return json_array_size(ports) > 0 || json_array_size(json_at(service, "spec.ports")) == 0;
}

static json_t *endpoints_subsets(struct view *v, const struct object *service, bool *ret_cut)
{
    const json_t *tree = view_tree(v, service);
    bool publish = json_bool(tree, "spec.publishNotReadyAddresses", false);
    const struct object *const *pods;
    json_t *subsets = json_array();
    size_t n, used = 0;

    pods = endpoint_pods(v, service, &n);
    for (size_t i = 0; i < n; i++) {
        const json_t *pod = view_tree(v, pods[i]);

        if ((pods[i]->deleting && !publish) || !endpoint_address(pod, "IPv4") ||
            !endpoints_has_ports(tree, pod))
            continue;
        if (used++ < ENDPOINTS_MAX)
            endpoints_add(subsets, tree, service, pods[i], pod, publish);
    }
    *ret_cut = used > ENDPOINTS_MAX;
    return subsets;
}

static void endpoints_annotate(json_t *tree, bool cut, struct clock_now now)
{
    char time[CLOCK_TEXT_MAX];
    json_t *annotations = json_at(tree, "metadata.annotations");

    if (!annotations) {
        annotations = json_object();
        json_put(tree, "metadata.annotations", annotations);
    }
    clock_print(time, now.wall_ms);
    json_object_set_new(annotations, ENDPOINTS_TRIGGER, json_string(time));
    if (cut)
        json_object_set_new(annotations, ENDPOINTS_CAPACITY, json_string("truncated"));
    else
        json_object_del(annotations, ENDPOINTS_CAPACITY);
}

static bool endpoints_same_subsets(const json_t *have, const json_t *want)
{
    return json_array_size(have) == json_array_size(want) &&
           (json_array_size(want) == 0 || json_equal(have, want));
}

static void endpoints_write(struct plan *ret, struct view *v, const struct object *service,
                            struct clock_now now)
{
    const struct object *old = view_get(v, "endpoints", service->ns, service->name);
    bool cut;
    cleanup(json_decrefpp) json_t *subsets = endpoints_subsets(v, service, &cut);
    cleanup(json_decrefpp) json_t *labels = endpoint_labels(view_tree(v, service));
    const json_t *have = old ? view_tree(v, old) : NULL;
    const json_t *have_labels = json_at(have, "metadata.labels");
    json_t *tree;

    if (old && endpoints_same_subsets(json_object_get(have, "subsets"), subsets) &&
        (json_object_size(labels) == 0 ? json_object_size(have_labels) == 0
                                       : json_equal(have_labels, labels)))
        return;
    tree = old ? json_deep_copy(have)
               : json_pack("{s:s, s:s}", "apiVersion", "v1", "kind", "Endpoints");
    json_put_str(tree, "metadata.name", service->name);
    json_put_str(tree, "metadata.namespace", service->ns);
    json_put(tree, "metadata.labels", STEAL(labels));
    json_put(tree, "subsets", STEAL(subsets));
    endpoints_annotate(tree, cut, now);
    if (old)
        plan_update(ret, old, tree);
    else
        plan_create(ret, "endpoints", service->ns, tree);
}

/* What somebody wrote by hand stays, even before (or after) its Service. */
static bool endpoints_is_ours(const json_t *tree)
{
    return json_object_get(json_at(tree, "metadata.annotations"), ENDPOINTS_TRIGGER) != NULL;
}

static void endpoints_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                           const char *name, struct clock_now now)
{
    const struct object *service = view_get(v, "services", ns, name);
    const struct object *old = view_get(v, "endpoints", ns, name);

    (void)state;
    if (service && endpoint_is_wanted(view_tree(v, service)) && !service->deleting)
        endpoints_write(ret, v, service, now);
    else if (!service && old && !old->deleting && endpoints_is_ours(view_tree(v, old)))
        plan_delete(ret, old);
}

static void endpoints_map(struct queue *q, struct view *v, const struct store_change *change)
{
    if (str_eq(change->object->bucket, "pods"))
        endpoint_map_pod(q, v, change);
    else
        queue_add(q, change->object->ns, change->object->name);
}

static const char *const endpoints_buckets[] = { "services", "pods", "endpoints", NULL };

const struct controller endpoints_controller = {
    .name = ENDPOINTS_NAME,
    .buckets = endpoints_buckets,
    .map = endpoints_map,
    .plan = endpoints_plan,
};
