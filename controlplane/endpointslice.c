/* EndpointSlices of Services with a selector, and of Endpoints that somebody wrote by hand. */
#include "controlplane/controllers.h"
#include "controlplane/endpoint.h"
#include "controlplane/slice_set.h"

#include "api/pod_status.h"
#include "base/mem.h"

#include <string.h>

#define ENDPOINTSLICE_NAME  "endpointslice-controller"
#define ENDPOINTSLICE_MARK  "endpointslice-controller.k8s.io"
#define ENDPOINTSLICE_ZONE  "topology.kubernetes.io/zone"
#define ENDPOINTMIRROR_NAME "endpointslicemirroring-controller"
#define ENDPOINTMIRROR_MARK "endpointslicemirroring-controller.k8s.io"
#define ENDPOINTMIRROR_SKIP "endpointslice.kubernetes.io/skip-mirror"
#define ENDPOINTMIRROR_LOCK "control-plane.alpha.kubernetes.io/leader"

/* Deletes what @manager made for a Service (or Endpoints) that wants none. */
static void endpointslice_clear(struct plan *ret, struct view *v, const char *ns, const char *name,
                                const char *manager)
{
    const struct object *const *all = view_list(v, ENDPOINT_SLICES, ns, NULL);

    for (; *all; all++)
        if (str_eq(object_label(*all, ENDPOINT_LABEL_SERVICE), name) &&
            str_eq(object_label(*all, ENDPOINT_LABEL_MANAGER), manager) && !(*all)->deleting)
            plan_delete(ret, *all);
}

static void endpointslice_map_slice(struct queue *q, const struct object *slice,
                                    const char *manager)
{
    const char *service = object_label(slice, ENDPOINT_LABEL_SERVICE);

    if (service && str_eq(object_label(slice, ENDPOINT_LABEL_MANAGER), manager))
        queue_add(q, slice->ns, service);
}

/* --- from pods --- */

static json_t *endpointslice_endpoint(struct view *v, const struct object *service,
                                      const struct object *pod, const char *address)
{
    const json_t *tree = view_tree(v, pod);
    const struct object *node = view_get(v, "nodes", "", pod->node);
    bool serving = pod_is_ready(tree);
    bool publish = json_bool(view_tree(v, service), "spec.publishNotReadyAddresses", false);
    const char *hostname = endpoint_hostname(service, tree);
    const char *zone = node ? object_label(node, ENDPOINTSLICE_ZONE) : NULL;
    json_t *e = json_object();

    json_put(e, "addresses", json_pack("[s]", address));
    json_put_bool(e, "conditions.ready", publish || (serving && !pod->deleting));
    json_put_bool(e, "conditions.serving", serving);
    json_put_bool(e, "conditions.terminating", pod->deleting);
    if (hostname)
        json_put_str(e, "hostname", hostname);
    json_put(e, "targetRef", endpoint_target(pod));
    if (*pod->node)
        json_put_str(e, "nodeName", pod->node);
    if (zone)
        json_put_str(e, "zone", zone);
    return e;
}

static void endpointslice_add_pods(struct slice_set *set, struct view *v,
                                   const struct object *service, const char *family)
{
    const json_t *tree = view_tree(v, service);
    const struct object *const *pods;
    size_t n, before = set->n_groups;

    pods = endpoint_pods(v, service, &n);
    for (size_t i = 0; i < n; i++) {
        const json_t *pod = view_tree(v, pods[i]);
        const char *address = endpoint_address(pod, family);

        if (address)
            slice_set_add(set, family, endpoint_ports(tree, pod),
                          endpointslice_endpoint(v, service, pods[i], address));
    }
    if (set->n_groups == before)
        slice_set_add_empty(set, family);
}

static void endpointslice_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                               const char *name, struct clock_now now)
{
    const struct object *service = view_get(v, "services", ns, name);
    const json_t *tree = service ? view_tree(v, service) : NULL;
    const json_t *families = json_at(tree, "spec.ipFamilies"), *family;
    struct slice_set set;
    size_t i;

    (void)state, (void)now;
    if (!service || str_eq(json_str(tree, "spec.type"), "ExternalName")) {
        endpointslice_clear(ret, v, ns, name, ENDPOINTSLICE_MARK);
        return;
    }
    if (!endpoint_is_wanted(tree) || service->deleting)
        return;
    slice_set_init(&set, service, "Service", ENDPOINTSLICE_MARK, endpoint_labels(tree));
    json_array_foreach (families, i, family)
        endpointslice_add_pods(&set, v, service,
                               str_eq(json_string_value(family), "IPv6") ? "IPv6" : "IPv4");
    if (json_array_size(families) == 0)
        endpointslice_add_pods(&set, v, service, "IPv4");
    slice_set_plan(ret, v, &set);
    slice_set_fini(&set);
}

static void endpointslice_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;

    if (str_eq(o->bucket, "services"))
        queue_add(q, o->ns, o->name);
    else if (str_eq(o->bucket, "pods"))
        endpoint_map_pod(q, v, change);
    else
        endpointslice_map_slice(q, o, ENDPOINTSLICE_MARK);
}

static const char *const endpointslice_buckets[] = { "services", "pods", ENDPOINT_SLICES, NULL };

const struct controller endpointslice_controller = {
    .name = ENDPOINTSLICE_NAME,
    .buckets = endpointslice_buckets,
    .map = endpointslice_map,
    .plan = endpointslice_plan,
};

/* --- from Endpoints --- */

static bool endpointmirror_is_wanted(struct view *v, const struct object *endpoints)
{
    const struct object *service = view_get(v, "services", endpoints->ns, endpoints->name);
    const json_t *annotations = json_at(view_tree(v, endpoints), "metadata.annotations");
    const json_t *tree = service ? view_tree(v, service) : NULL;

    return service && !endpoints->deleting &&
           json_object_size(json_at(tree, "spec.selector")) == 0 &&
           !str_eq(json_str(tree, "spec.type"), "ExternalName") &&
           !str_eq(object_label(endpoints, ENDPOINTMIRROR_SKIP), "true") &&
           !json_object_get(annotations, ENDPOINTMIRROR_LOCK);
}

static void endpointmirror_copy(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);

    if (value)
        json_object_set_new(to, key, json_deep_copy(value));
}

static json_t *endpointmirror_endpoint(const json_t *address, bool ready)
{
    json_t *e = json_object();

    json_put(e, "addresses", json_pack("[s]", json_str_or(address, "ip", "")));
    json_put_bool(e, "conditions.ready", ready);
    endpointmirror_copy(e, address, "hostname");
    endpointmirror_copy(e, address, "targetRef");
    endpointmirror_copy(e, address, "nodeName");
    return e;
}

static json_t *endpointmirror_ports(const json_t *subset)
{
    json_t *ret = json_array(), *row;
    const json_t *p;
    size_t i;

    json_array_foreach (json_object_get(subset, "ports"), i, p) {
        row = json_pack("{s:s, s:I, s:s}", "name", json_str_or(p, "name", ""), "port",
                        (json_int_t)json_int(p, "port", 0), "protocol",
                        json_str_or(p, "protocol", "TCP"));
        endpointmirror_copy(row, p, "appProtocol");
        json_array_append_new(ret, row);
    }
    return ret;
}

static void endpointmirror_add(struct slice_set *set, const json_t *subset, const char *list,
                               bool ready)
{
    const json_t *address;
    size_t i;

    json_array_foreach (json_object_get(subset, list), i, address) {
        const char *family = strchr(json_str_or(address, "ip", ""), ':') != NULL ? "IPv6" : "IPv4";

        slice_set_add(set, family, endpointmirror_ports(subset),
                      endpointmirror_endpoint(address, ready));
    }
}

static void endpointmirror_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                                const char *name, struct clock_now now)
{
    const struct object *o = view_get(v, "endpoints", ns, name);
    const json_t *labels, *subset;
    struct slice_set set;
    size_t i;

    (void)state, (void)now;
    if (!o || !endpointmirror_is_wanted(v, o)) {
        endpointslice_clear(ret, v, ns, name, ENDPOINTMIRROR_MARK);
        return;
    }
    labels = json_at(view_tree(v, o), "metadata.labels");
    slice_set_init(&set, o, "Endpoints", ENDPOINTMIRROR_MARK,
                   labels ? json_deep_copy(labels) : NULL);
    json_array_foreach (json_at(view_tree(v, o), "subsets"), i, subset) {
        endpointmirror_add(&set, subset, "addresses", true);
        endpointmirror_add(&set, subset, "notReadyAddresses", false);
    }
    slice_set_plan(ret, v, &set);
    slice_set_fini(&set);
}

static void endpointmirror_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;

    (void)v;
    if (str_eq(o->bucket, ENDPOINT_SLICES))
        endpointslice_map_slice(q, o, ENDPOINTMIRROR_MARK);
    else
        queue_add(q, o->ns, o->name);
}

static const char *const endpointmirror_buckets[] = { "endpoints", "services", ENDPOINT_SLICES,
                                                      NULL };

const struct controller endpointmirror_controller = {
    .name = ENDPOINTMIRROR_NAME,
    .buckets = endpointmirror_buckets,
    .map = endpointmirror_map,
    .plan = endpointmirror_plan,
};
