#include "api/validate_impl.h"

#include "base/mem.h"

#include <string.h>

static bool validate_service_is(const json_t *tree, const char *type)
{
    return str_eq(json_str_or(tree, "spec.type", "ClusterIP"), type);
}

static bool validate_service_is_headless(const json_t *tree)
{
    return str_eq(json_str(tree, "spec.clusterIP"), "None");
}

/* --- ports -------------------------------------------------------------------------- */

static void validate_service_port(struct field_errors *e, const json_t *port, bool needs_name,
                                  const char *path)
{
    const json_t *target = json_object_get(port, "targetPort");

    if (needs_name)
        validate_required(e, port, "name", path, NULL);
    validate_text(e, port, "name", path, validate_dns1123_label);
    validate_port(e, json_object_get(port, "port"), AT("%s.port", path));
    if (target != NULL)
        validate_port(e, target, AT("%s.targetPort", path));
    validate_text(e, port, "appProtocol", path, validate_label_key);
}

/* Go prints the key under which the port was seen before. */
static void validate_duplicate_port(struct field_errors *e, const json_t *port, const char *path)
{
    cleanup(text_fini) struct text printed = TEXT_EMPTY;

    text_fmt(&printed,
             "core.ServicePort{Name:\"\", Protocol:\"%s\", AppProtocol:(*string)(nil), Port:%lld, "
             "TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:\"\"}, NodePort:0}",
             json_str_or(port, "protocol", ""), (long long)json_int(port, "port", 0));
    field_duplicate_printed(e, path, text_str(&printed));
}

static void validate_service_ports_unique(struct field_errors *e, const json_t *ports)
{
    cleanup(json_decrefpp) json_t *seen = json_object();
    const json_t *port;
    size_t i;

    json_array_foreach (ports, i, port) {
        struct validate_path at = validate_path("spec.ports[%zu]", i);
        const char *name = json_str_or(port, "name", "");
        cleanup(freep) char *key = mem_fmt("%s/%lld", json_str_or(port, "protocol", ""),
                                           (long long)json_int(port, "port", 0));

        if (*name != '\0' && json_find(ports, "name", name) != port)
            field_duplicate(e, AT("%s.name", at.s), json_object_get(port, "name"));
        if (json_object_get(seen, key) != NULL)
            validate_duplicate_port(e, port, at.s);
        json_object_set_new(seen, key, json_true());
    }
}

static void validate_service_ports(struct field_errors *e, const json_t *tree)
{
    const json_t *ports = json_at(tree, "spec.ports"), *port;
    bool cluster_only = validate_service_is(tree, "ClusterIP");
    size_t i;

    if (json_array_size(ports) == 0 && !validate_service_is_headless(tree) &&
        !validate_service_is(tree, "ExternalName"))
        field_required(e, "spec.ports", NULL);
    json_array_foreach (ports, i, port) {
        struct validate_path at = validate_path("spec.ports[%zu]", i);

        validate_service_port(e, port, json_array_size(ports) > 1, at.s);
        if (cluster_only && json_int(port, "nodePort", 0) != 0)
            field_forbidden(e, AT("%s.nodePort", at.s),
                            "may not be used when `type` is 'ClusterIP'");
    }
    validate_service_ports_unique(e, ports);
}

/* --- the rest of a Service --------------------------------------------------------------- */

static void validate_external_name(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    cleanup(json_decrefpp) json_t *cut = NULL;
    const char *name = json_str_or(spec, "externalName", "");
    size_t len = strlen(name);

    if (json_array_size(json_object_get(spec, "clusterIPs")) > 0 ||
        !str_empty(json_str(spec, "clusterIP")))
        field_forbidden(e, "spec.clusterIPs", "may not be set for ExternalName services");
    if (len == 0) {
        field_required(e, "spec.externalName", NULL);
        return;
    }
    /* A full stop at the end is fine. */
    cut = json_stringn(name, name[len - 1] == '.' ? len - 1 : len);
    validate_value(e, cut, "spec.externalName", validate_dns1123_subdomain);
}

static void validate_service_ips(struct field_errors *e, const json_t *tree)
{
    const json_t *ips = json_at(tree, "spec.clusterIPs"), *ip;
    bool exposed = validate_service_is(tree, "NodePort") ||
                   validate_service_is(tree, "LoadBalancer");
    size_t i;

    json_array_foreach (ips, i, ip) {
        struct validate_path at = validate_path("spec.clusterIPs[%zu]", i);

        if (!str_eq(json_string_value(ip), "None"))
            validate_value(e, ip, at.s, validate_ip);
        else if (exposed)
            field_invalid(e, at.s, ip, "may not be set to 'None' for %s services",
                          json_str_or(tree, "spec.type", ""));
    }
    json_array_foreach (json_at(tree, "spec.externalIPs"), i, ip)
        validate_value(e, ip, AT("spec.externalIPs[%zu]", i), validate_ip);
    json_array_foreach (json_at(tree, "spec.loadBalancerSourceRanges"), i, ip)
        validate_value(e, ip, "spec.LoadBalancerSourceRanges", validate_cidr);
}

static void validate_service_policies(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *external = json_object_get(spec, "externalTrafficPolicy");
    bool exposed = validate_service_is(tree, "NodePort") ||
                   validate_service_is(tree, "LoadBalancer") ||
                   json_array_size(json_object_get(spec, "externalIPs")) > 0;

    if (json_string_length(external) > 0 && !exposed)
        field_invalid(e, "spec.externalTrafficPolicy", external,
                      "may only be set for externally-accessible services");
    if (str_eq(json_str(spec, "sessionAffinity"), "None") &&
        json_object_get(spec, "sessionAffinityConfig") != NULL)
        field_forbidden(e, "spec.sessionAffinityConfig",
                        "must not be set when session affinity is None");
    validate_between(e, json_at(spec, "sessionAffinityConfig.clientIP"), "timeoutSeconds",
                     "spec.sessionAffinityConfig.clientIP", 1, 86400);
    if (!str_empty(json_str(spec, "loadBalancerClass")) &&
        !validate_service_is(tree, "LoadBalancer"))
        field_forbidden(e, "spec.loadBalancerClass",
                        "may only be used when `type` is 'LoadBalancer'");
    validate_text(e, spec, "loadBalancerClass", "spec", validate_label_key);
}

static void validate_service(struct field_errors *e, const json_t *tree)
{
    validate_service_ports(e, tree);
    validate_labels(e, json_at(tree, "spec.selector"), "spec.selector");
    if (validate_service_is(tree, "ExternalName"))
        validate_external_name(e, tree);
    else
        validate_service_ips(e, tree);
    validate_service_policies(e, tree);
}

/* Its first address is a Service's for life, unless it becomes or was an alias. */
static void validate_service_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    const json_t *ips = json_at(tree, "spec.clusterIPs");
    const char *was = json_str_or(old, "spec.clusterIP", "");
    const char *is = json_str_or(tree, "spec.clusterIP", "");

    if (validate_service_is(tree, "ExternalName") || validate_service_is(old, "ExternalName"))
        return;
    if (*was == '\0' || str_eq(is, was))
        return;
    field_invalid(e, "spec.clusterIPs[0]", ips,
                  *is == '\0' ? "primary clusterIP can not be unset" : "may not change once set");
}

/* --- Endpoints ------------------------------------------------------------------------------ */

static void validate_subset(struct field_errors *e, const json_t *subset, const char *path)
{
    static const char *const lists[] = { "addresses", "notReadyAddresses" };
    const json_t *ports = json_object_get(subset, "ports"), *item;
    size_t i, n = 0;

    for (size_t k = 0; k < N_ELEMENTS(lists); k++) {
        json_array_foreach (json_object_get(subset, lists[k]), i, item) {
            struct validate_path at = validate_path("%s.%s[%zu]", path, lists[k], i);

            n++;
            validate_text(e, item, "ip", at.s, validate_ip);
            validate_text(e, item, "hostname", at.s, validate_dns1123_label);
        }
    }
    if (n == 0)
        field_required(e, path, "must specify `addresses` or `notReadyAddresses`");
    json_array_foreach (ports, i, item) {
        struct validate_path at = validate_path("%s.ports[%zu]", path, i);

        if (json_array_size(ports) > 1)
            validate_required(e, item, "name", at.s, NULL);
        validate_text(e, item, "name", at.s, validate_dns1123_label);
        validate_port(e, json_object_get(item, "port"), AT("%s.port", at.s));
    }
}

static void validate_endpoints(struct field_errors *e, const json_t *tree)
{
    const json_t *subset;
    size_t i;

    json_array_foreach (json_object_get(tree, "subsets"), i, subset)
        validate_subset(e, subset, AT("subsets[%zu]", i));
}

/* --- EndpointSlice ---------------------------------------------------------------------------- */

#define SLICE_ENDPOINTS_MAX 1000
#define SLICE_PORTS_MAX     20000

static validate_text_fn validate_address_form(const char *type)
{
    if (str_eq(type, "IPv4"))
        return validate_ipv4;
    return str_eq(type, "IPv6") ? validate_ipv6 : validate_dns1123_subdomain;
}

static void validate_endpoint(struct field_errors *e, const json_t *endpoint, const char *type,
                              const char *path)
{
    const json_t *addresses = json_object_get(endpoint, "addresses"), *address;
    size_t i;

    if (json_array_size(addresses) == 0)
        field_required(e, AT("%s.addresses", path), "must contain at least 1 address");
    if (json_array_size(addresses) > 100)
        field_too_many(e, AT("%s.addresses", path), (int)json_array_size(addresses), 100);
    json_array_foreach (addresses, i, address)
        validate_value(e, address, AT("%s.addresses[%zu]", path, i), validate_address_form(type));
    validate_text(e, endpoint, "hostname", path, validate_dns1123_label);
    validate_text(e, endpoint, "nodeName", path, validate_dns1123_subdomain);
}

static void validate_slice(struct field_errors *e, const json_t *tree)
{
    const json_t *endpoints = json_object_get(tree, "endpoints");
    const json_t *ports = json_object_get(tree, "ports"), *item;
    const char *type = json_str_or(tree, "addressType", "");
    size_t i;

    if (json_array_size(endpoints) > SLICE_ENDPOINTS_MAX)
        field_too_many(e, "endpoints", (int)json_array_size(endpoints), SLICE_ENDPOINTS_MAX);
    json_array_foreach (endpoints, i, item)
        validate_endpoint(e, item, type, AT("endpoints[%zu]", i));
    if (json_array_size(ports) > SLICE_PORTS_MAX)
        field_too_many(e, "ports", (int)json_array_size(ports), SLICE_PORTS_MAX);
    json_array_foreach (ports, i, item) {
        struct validate_path at = validate_path("ports[%zu]", i);
        const json_t *name = json_object_get(item, "name");

        validate_text(e, item, "name", at.s, validate_dns1123_label);
        if (json_is_string(name) && json_find(ports, "name", json_string_value(name)) != item)
            field_duplicate(e, AT("%s.name", at.s), name);
        if (json_object_get(item, "port") != NULL)
            validate_port(e, json_object_get(item, "port"), AT("%s.port", at.s));
    }
}

static void validate_slice_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    validate_immutable(e, json_object_get(tree, "addressType"), json_object_get(old, "addressType"),
                       "addressType");
}

const struct validate_kind validate_kinds_service[] = {
    { .bucket = "services",
      .name = validate_dns1035_label,
      .always = validate_service,
      .change = validate_service_change },
    { .bucket = "endpoints", .always = validate_endpoints },
    { .bucket = "endpointslices.discovery.k8s.io",
      .always = validate_slice,
      .change = validate_slice_change },
    { .bucket = NULL },
};
