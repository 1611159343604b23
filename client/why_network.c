/* Rules for Services and Ingresses. */
#include "api/pod_status.h"
#include "api/selector.h"
#include "base/mem.h"
#include "client/print.h"
#include "client/why_impl.h"

#include <string.h>

/* --- Services --- */

static bool why_has_endpoints(const struct why_case *c)
{
    const json_t *slice, *e;
    size_t i, k;

    json_array_foreach (why_list(c->w, "endpointslices"), i, slice) {
        const char *of = json_string_value(
            json_object_get(json_at(slice, "metadata.labels"), "kubernetes.io/service-name"));

        if (!str_eq(of, why_name(c->o)) || !str_eq(why_ns(slice), why_ns(c->o)))
            continue;
        json_array_foreach (json_at(slice, "endpoints"), k, e)
            if (json_bool(e, "conditions.ready", true))
                return json_array_size(json_at(slice, "ports")) > 0 ||
                       json_array_size(json_at(c->o, "spec.ports")) == 0;
    }
    return false;
}

/* Pods that the selector picks; the first of them in *ret_first. */
static size_t why_picked(const struct why_case *c, const json_t **ret_first)
{
    cleanup(selector_freep) struct selector *s = selector_from_map(json_at(c->o, "spec.selector"));
    const json_t *pod;
    size_t n = 0, i;

    json_array_foreach (why_list(c->w, "pods"), i, pod) {
        if (!str_eq(why_ns(pod), why_ns(c->o)) || pod_is_terminal(pod) ||
            !selector_matches_labels(s, json_at(pod, "metadata.labels")))
            continue;
        if (n++ == 0)
            *ret_first = pod;
    }
    return n;
}

static bool why_unserved(const struct why_case *c)
{
    return !str_eq(json_str(c->o, "spec.type"), "ExternalName") &&
           why_list(c->w, "endpointslices") != NULL && !why_has_endpoints(c);
}

static bool why_by_hand(struct why_case *c)
{
    return why_unserved(c) && json_object_size(json_at(c->o, "spec.selector")) == 0;
}

/* The pod that shares the most of the selector: what was meant. */
static const json_t *why_nearest(const struct why_case *c)
{
    json_t *want = json_at(c->o, "spec.selector"), *value;
    const json_t *pod, *best = NULL;
    size_t most = 0, i;
    const char *key;

    json_array_foreach (why_list(c->w, "pods"), i, pod) {
        size_t n = 0;

        if (!str_eq(why_ns(pod), why_ns(c->o)))
            continue;
        json_object_foreach (want, key, value) {
            const json_t *has = json_object_get(json_at(pod, "metadata.labels"), key);

            n += json_equal(has, value) ? 2 : has != NULL ? 1 : 0;
        }
        if (n > most) {
            most = n;
            best = pod;
        }
    }
    return best;
}

static bool why_picks_none(struct why_case *c)
{
    cleanup(text_fini) struct text want = TEXT_EMPTY;
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    const json_t *first = NULL, *near;

    if (!why_unserved(c) || why_picked(c, &first) > 0)
        return false;
    near = why_nearest(c);
    print_labels(&want, json_at(c->o, "spec.selector"), ",");
    why_put(c, "selector", "%s", text_str(&want));
    why_put(c, "near", "%s", "");
    if (near != NULL) {
        print_labels(&have, json_at(near, "metadata.labels"), ",");
        why_put(c, "near", "; the nearest, pod %s, has %s", why_name(near), text_str(&have));
    }
    return true;
}

static bool why_has_port_name(const json_t *pod, const char *name)
{
    const json_t *list = json_at(pod, "spec.containers"), *container;
    size_t i;

    json_array_foreach (list, i, container)
        if (json_find(json_at(container, "ports"), "name", name) != NULL)
            return true;
    return false;
}

static bool why_port_name(struct why_case *c)
{
    const json_t *ports = json_at(c->o, "spec.ports"), *port, *pod = NULL;
    size_t i;

    if (!why_unserved(c) || why_picked(c, &pod) == 0)
        return false;
    json_array_foreach (ports, i, port) {
        const char *name = json_str(port, "targetPort");

        if (name == NULL || why_has_port_name(pod, name))
            continue;
        why_put(c, "port", "%s", name);
        why_put(c, "pod", "%s", why_name(pod));
        why_put_place(c, pod);
        return true;
    }
    return false;
}

static bool why_pods_unready(struct why_case *c)
{
    const json_t *pod = NULL;
    size_t n = why_unserved(c) ? why_picked(c, &pod) : 0;

    why_put(c, "n", "%zu", n);
    why_put(c, "pod", "%s", pod != NULL ? why_name(pod) : "");
    return n > 0;
}

static bool why_no_address(struct why_case *c)
{
    return str_eq(json_str(c->o, "spec.type"), "LoadBalancer") &&
           json_array_size(json_at(c->o, "status.loadBalancer.ingress")) == 0;
}

const struct why_rule why_service_rules[] = {
    { why_by_hand, WHY_NOTE, "it has no selector and no endpoints: nobody answers",
      "give it spec.selector, or EndpointSlices of its own", WHY_NO_LOG, NULL },
    { why_picks_none, WHY_BROKEN, "its selector {selector} picks no pod{near}",
      "make spec.selector of {object} the labels of the pods (mkube get pods {in} --show-labels)",
      WHY_NO_LOG, NULL },
    { why_port_name, WHY_BROKEN, "its targetPort {port} is the name of no port of pod {pod}",
      "in {manifest}: {at}.containers[].ports: [{name: {port}, containerPort: N}]; or a number in "
      "{object}: spec.ports[].targetPort",
      WHY_NO_LOG, NULL },
    { why_pods_unready, WHY_WAITING, "none of the {n} pods that it picks is ready", "", WHY_NO_LOG,
      NULL },
    { why_no_address, WHY_WAITING, "it waits for an address from outside",
      "an IPAddressPool with free addresses (mkube get ipaddresspools -A), or spec.type: NodePort",
      WHY_NO_LOG, NULL },
    WHY_END,
};

/* --- Ingresses --- */

typedef bool (*why_backend_fn)(struct why_case *c, const json_t *backend);

static bool why_each_backend(struct why_case *c, why_backend_fn fn)
{
    const json_t *rules = json_at(c->o, "spec.rules"), *rule, *path;
    const json_t *fallback = json_at(c->o, "spec.defaultBackend.service");
    size_t i, k;

    if (fallback != NULL && fn(c, fallback))
        return true;
    json_array_foreach (rules, i, rule)
        json_array_foreach (json_at(rule, "http.paths"), k, path) {
            const json_t *backend = json_at(path, "backend.service");

            if (backend != NULL && fn(c, backend))
                return true;
        }
    return false;
}

static bool why_class(struct why_case *c)
{
    const char *name = json_str_or(c->o, "spec.ingressClassName", "");

    why_put(c, "class", "%s", name);
    return name[0] != '\0' && why_lacks(c->w, "ingressclasses", NULL, name);
}

static bool why_backend_lacks(struct why_case *c, const json_t *backend)
{
    const char *name = json_str_or(backend, "name", "");

    why_put(c, "service", "%s", name);
    return why_lacks(c->w, "services", why_ns(c->o), name);
}

static bool why_backend(struct why_case *c)
{
    return why_each_backend(c, why_backend_lacks);
}

static bool why_backend_port_lacks(struct why_case *c, const json_t *backend)
{
    const json_t *service = why_get(c->w, "services", why_ns(c->o),
                                    json_str_or(backend, "name", ""));
    const json_t *ports = json_at(service, "spec.ports"), *port;
    const char *name = json_str(backend, "port.name");
    int64_t number = json_int(backend, "port.number", 0);
    size_t i;

    if (service == NULL)
        return false;
    json_array_foreach (ports, i, port)
        if (name != NULL ? str_eq(json_str(port, "name"), name)
                         : json_int(port, "port", -1) == number)
            return false;
    why_put(c, "service", "%s", why_name(service));
    if (name != NULL)
        why_put(c, "port", "%s", name);
    else
        why_put(c, "port", "%lld", (long long)number);
    return true;
}

static bool why_backend_port(struct why_case *c)
{
    return why_each_backend(c, why_backend_port_lacks);
}

static bool why_tls_secret(struct why_case *c)
{
    const json_t *list = json_at(c->o, "spec.tls"), *tls;
    size_t i;

    json_array_foreach (list, i, tls) {
        const char *name = json_str_or(tls, "secretName", "");

        why_put(c, "secret", "%s", name);
        if (name[0] != '\0' && why_lacks(c->w, "secrets", why_ns(c->o), name))
            return true;
    }
    return false;
}

/* Another, older one has this host and path. */
static bool why_same_place(struct why_case *c, const char *host, const char *path)
{
    const json_t *other, *rule, *p;
    size_t i, k, j;

    json_array_foreach (why_list(c->w, "ingresses"), i, other) {
        bool itself = str_eq(why_name(other), why_name(c->o)) &&
                      str_eq(why_ns(other), why_ns(c->o));
        bool canary = json_object_get(json_at(other, "metadata.annotations"),
                                      "nginx.ingress.kubernetes.io/canary") != NULL;

        if (itself || canary ||
            !str_eq(json_str_or(other, "spec.ingressClassName", ""),
                    json_str_or(c->o, "spec.ingressClassName", "")))
            continue;
        json_array_foreach (json_at(other, "spec.rules"), k, rule)
            json_array_foreach (json_at(rule, "http.paths"), j, p)
                if (str_eq(json_str_or(rule, "host", ""), host) &&
                    str_eq(json_str_or(p, "path", "/"), path) &&
                    strcmp(json_str_or(other, "metadata.creationTimestamp", ""),
                           json_str_or(c->o, "metadata.creationTimestamp", "")) < 0) {
                    why_put(c, "other", "%s/%s", why_ns(other), why_name(other));
                    return true;
                }
    }
    return false;
}

static bool why_conflict(struct why_case *c)
{
    const json_t *rules = json_at(c->o, "spec.rules"), *rule, *path;
    size_t i, k;

    if (json_object_get(json_at(c->o, "metadata.annotations"),
                        "nginx.ingress.kubernetes.io/canary") != NULL)
        return false;
    json_array_foreach (rules, i, rule)
        json_array_foreach (json_at(rule, "http.paths"), k, path) {
            const char *host = json_str_or(rule, "host", "");
            const char *at = json_str_or(path, "path", "/");

            why_put(c, "place", "%s%s", host[0] != '\0' ? host : "*", at);
            if (why_same_place(c, host, at))
                return true;
        }
    return false;
}

const struct why_rule why_ingress_rules[] = {
    { why_class, WHY_BROKEN, "its class {class} is not there: nobody serves it",
      "mkube get ingressclasses; correct spec.ingressClassName", WHY_NO_LOG, NULL },
    { why_backend, WHY_BROKEN, "its backend, Service {service}, is not there",
      "create Service {service} {in}, or correct spec.rules[].http.paths[].backend", WHY_NO_LOG,
      NULL },
    { why_backend_port, WHY_BROKEN, "Service {service} has no port {port}",
      "correct backend.service.port (mkube get svc {service} {in})", WHY_NO_LOG, NULL },
    { why_tls_secret, WHY_BROKEN, "its certificate, Secret {secret}, is not there",
      "mkube create secret tls {secret} {in} --cert=FILE --key=FILE", WHY_NO_LOG, NULL },
    { why_conflict, WHY_NOTE,
      "{place} belongs to Ingress {other}, which is older: that one answers",
      "take the path away from one of them", WHY_NO_LOG, NULL },
    WHY_END,
};
