#include "controlplane/endpoint.h"

#include "api/pod_status.h"
#include "api/selector.h"
#include "base/mem.h"

#include <string.h>

bool endpoint_is_wanted(const json_t *service)
{
    return json_object_size(json_at(service, "spec.selector")) > 0 &&
           !str_eq(json_str(service, "spec.type"), "ExternalName");
}

static bool endpoint_has_ended(const struct object *pod)
{
    return str_eq(pod->phase, "Succeeded") || str_eq(pod->phase, "Failed");
}

const struct object *const *endpoint_pods(struct view *v, const struct object *service,
                                          size_t *ret_n)
{
    cleanup(selector_freep) struct selector *s = selector_from_map(
        json_at(view_tree(v, service), "spec.selector"));
    size_t n, kept = 0;
    const struct object *const *all = view_list(v, "pods", service->ns, &n);
    const struct object **mine = (const struct object **)(uintptr_t)all;

    /* The array is this caller's own: what does not belong is squeezed out of it. */
    for (size_t i = 0; i < n; i++)
        if (selector_matches(s, all[i]) && !endpoint_has_ended(all[i]) &&
            json_str(view_tree(v, all[i]), "status.podIP"))
            mine[kept++] = all[i];
    mine[kept] = NULL;
    *ret_n = kept;
    return all;
}

/* --- one pod --- */

static bool endpoint_is_family(const char *address, const char *family)
{
    return address && (strchr(address, ':') != NULL) == str_eq(family, "IPv6");
}

const char *endpoint_address(const json_t *pod, const char *family)
{
    const char *address = json_str(pod, "status.podIP");
    const json_t *row;
    size_t i;

    if (endpoint_is_family(address, family))
        return address;
    json_array_foreach (json_at(pod, "status.podIPs"), i, row)
        if (endpoint_is_family(json_str(row, "ip"), family))
            return json_str(row, "ip");
    return NULL;
}

static int64_t endpoint_named_port(const json_t *containers, bool sidecars, const char *name,
                                   const char *protocol)
{
    const json_t *c, *port;
    size_t i, k;

    json_array_foreach (containers, i, c) {
        if (sidecars && !str_eq(json_str(c, "restartPolicy"), "Always"))
            continue;
        json_array_foreach (json_object_get(c, "ports"), k, port)
            if (str_eq(json_str(port, "name"), name) &&
                str_eq(json_str_or(port, "protocol", "TCP"), protocol))
                return json_int(port, "containerPort", 0);
    }
    return 0;
}

/* 0: the pod has no such port. */
static int64_t endpoint_port(const json_t *service_port, const json_t *pod, const char *protocol)
{
    const json_t *target = json_object_get(service_port, "targetPort");
    const char *name = json_string_value(target);
    int64_t found;

    if (json_is_integer(target) && json_integer_value(target) > 0)
        return json_integer_value(target);
    if (str_empty(name))
        return json_int(service_port, "port", 0);
    found = endpoint_named_port(json_at(pod, "spec.containers"), false, name, protocol);
    if (!found)
        found = endpoint_named_port(json_at(pod, "spec.initContainers"), true, name, protocol);
    return found;
}

json_t *endpoint_ports(const json_t *service, const json_t *pod)
{
    json_t *ret = json_array();
    const json_t *p;
    size_t i;

    json_array_foreach (json_at(service, "spec.ports"), i, p) {
        const char *protocol = json_str_or(p, "protocol", "TCP");
        const char *app = json_str(p, "appProtocol");
        int64_t number = endpoint_port(p, pod, protocol);
        json_t *row;

        if (number <= 0)
            continue;
        row = json_pack("{s:s, s:I, s:s}", "name", json_str_or(p, "name", ""), "port",
                        (json_int_t)number, "protocol", protocol);
        if (app)
            json_put_str(row, "appProtocol", app);
        json_array_append_new(ret, row);
    }
    return ret;
}

const char *endpoint_hostname(const struct object *service, const json_t *pod)
{
    const char *hostname = json_str_or(pod, "spec.hostname", "");

    return *hostname && str_eq(json_str(pod, "spec.subdomain"), service->name) ? hostname : NULL;
}

json_t *endpoint_target(const struct object *pod)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "kind", "Pod", "name", pod->name, "namespace", pod->ns,
                     "uid", pod->uid);
}

json_t *endpoint_labels(const json_t *service)
{
    const json_t *own = json_at(service, "metadata.labels");
    json_t *labels = own ? json_deep_copy(own) : json_object();

    if (str_eq(json_str(service, "spec.clusterIP"), "None"))
        json_object_set_new(labels, ENDPOINT_LABEL_HEADLESS, json_string(""));
    return labels;
}

/* --- for map functions --- */

void endpoint_map_pod(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *pod = change->object, *before = change->before, *o;
    struct store_iter it;

    store_iter_init(&it, view_store(v), "services", pod->ns, NULL, NULL);
    while ((o = store_iter_next(&it))) {
        cleanup(selector_freep) struct selector *s = selector_from_map(
            json_at(view_tree(v, o), "spec.selector"));

        if (selector_matches(s, pod) || (before && selector_matches(s, before)))
            queue_add(q, o->ns, o->name);
    }
}
