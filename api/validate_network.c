#include "api/validate_impl.h"

#include "base/mem.h"

#include <string.h>

/* --- Ingress --------------------------------------------------------------------------- */

static void validate_backend_port(struct field_errors *e, const json_t *port, const char *path)
{
    bool has_name = json_string_length(json_object_get(port, "name")) > 0;
    bool has_number = json_int(port, "number", 0) != 0;

    if (has_name && has_number)
        field_invalid_str(e, path, "", "cannot set both port name & port number");
    else if (has_name)
        validate_text(e, port, "name", AT("%s", path), validate_port_name);
    else if (has_number)
        validate_port(e, json_object_get(port, "number"), AT("%s.number", path));
    else
        field_required(e, path, "port name or number is required");
}

static void validate_backend(struct field_errors *e, const json_t *backend, const char *path)
{
    const json_t *service = json_object_get(backend, "service");
    const json_t *resource = json_object_get(backend, "resource");

    if (service != NULL && resource != NULL) {
        field_invalid_str(e, path, "", "cannot set both resource and service backends");
    } else if (service == NULL && resource == NULL) {
        field_required(e, path, "resource or service backend is required");
    } else if (service != NULL) {
        struct validate_path at = validate_path("%s.service", path);

        validate_required(e, service, "name", at.s, NULL);
        validate_text(e, service, "name", at.s, validate_dns1035_label);
        validate_backend_port(e, json_object_get(service, "port"), AT("%s.port", at.s));
    }
}

static void validate_ingress_path(struct field_errors *e, const json_t *entry, const char *path)
{
    static const char *const bad[] = { "//", "/./", "/../", "%2f", "%2F" };
    static const char *const bad_ends[] = { "/..", "/." };
    const json_t *value = json_object_get(entry, "path");
    const char *s = json_is_string(value) ? json_string_value(value) : "";
    const char *type = json_str_or(entry, "pathType", "");
    struct validate_path at = validate_path("%s.path", path);
    bool anything = str_eq(type, "ImplementationSpecific");

    if (*type == '\0')
        field_required(e, AT("%s.pathType", path), "pathType must be specified");
    if (*s != '/' && (!anything || *s != '\0'))
        field_invalid_str(e, at.s, s, "must be an absolute path");
    for (size_t i = 0; !anything && i < N_ELEMENTS(bad); i++) {
        if (strstr(s, bad[i]) != NULL)
            field_invalid(e, at.s, value, "must not contain '%s'", bad[i]);
    }
    for (size_t i = 0; !anything && i < N_ELEMENTS(bad_ends); i++) {
        if (str_ends(s, bad_ends[i]))
            field_invalid(e, at.s, value, "cannot end with '%s'", bad_ends[i]);
    }
    validate_backend(e, json_object_get(entry, "backend"), AT("%s.backend", path));
}

static void validate_ingress_host(struct field_errors *e, const json_t *rule, const char *path)
{
    const char *host = json_str_or(rule, "host", "");
    struct validate_path at = validate_path("%s.host", path);

    if (*host == '\0')
        return;
    if (validate_ip(host) == NULL)
        field_invalid(e, at.s, json_object_get(rule, "host"),
                      "must be a DNS name, not an IP address");
    validate_text(e, rule, "host", path,
                  strchr(host, '*') != NULL ? validate_wildcard_subdomain
                                            : validate_dns1123_subdomain);
}

static void validate_ingress_rule(struct field_errors *e, const json_t *rule, const char *path)
{
    const json_t *entry;
    size_t i;

    validate_ingress_host(e, rule, path);
    json_array_foreach (json_at(rule, "http.paths"), i, entry)
        validate_ingress_path(e, entry, AT("%s.http.paths[%zu]", path, i));
}

static void validate_ingress_tls(struct field_errors *e, const json_t *tls, const char *path)
{
    const json_t *host;
    size_t i;

    json_array_foreach (json_object_get(tls, "hosts"), i, host) {
        const char *s = json_is_string(host) ? json_string_value(host) : "";

        validate_value(e, host, AT("%s.hosts[%zu]", path, i),
                       strchr(s, '*') != NULL ? validate_wildcard_subdomain
                                              : validate_dns1123_subdomain);
    }
    validate_text(e, tls, "secretName", path, validate_dns1123_subdomain);
}

static void validate_ingress(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec"), *item;
    const json_t *backend = json_object_get(spec, "defaultBackend");
    size_t i;

    if (json_array_size(json_object_get(spec, "rules")) == 0 && backend == NULL)
        field_invalid(e, "spec", spec, "either `defaultBackend` or `rules` must be specified");
    if (backend != NULL)
        validate_backend(e, backend, "spec.defaultBackend");
    json_array_foreach (json_object_get(spec, "rules"), i, item)
        validate_ingress_rule(e, item, AT("spec.rules[%zu]", i));
    json_array_foreach (json_object_get(spec, "tls"), i, item)
        validate_ingress_tls(e, item, AT("spec.tls[%zu]", i));
    validate_text(e, spec, "ingressClassName", "spec", validate_dns1123_subdomain);
}

static const char *validate_domain_path(const char *s)
{
    const char *slash = strchr(s, '/');
    cleanup(freep) char *domain = mem_strn(s, slash != NULL ? (size_t)(slash - s) : strlen(s));

    if (slash == NULL || slash[1] == '\0')
        return "must be a domain-prefixed path (such as \"acme.io/foo\")";
    return validate_dns1123_subdomain(domain);
}

static void validate_ingressclass(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");

    validate_required(e, spec, "controller", "spec", NULL);
    if (json_string_length(json_object_get(spec, "controller")) > 250)
        field_too_long(e, "spec.controller", 250);
    else
        validate_text(e, spec, "controller", "spec", validate_domain_path);
}

static void validate_ingressclass_change(struct field_errors *e, const json_t *tree,
                                         const json_t *old)
{
    validate_immutable(e, json_at(tree, "spec.controller"), json_at(old, "spec.controller"),
                       "spec.controller");
}

/* --- NetworkPolicy -------------------------------------------------------------------------- */

static void validate_policy_port(struct field_errors *e, const json_t *port, const char *path)
{
    const json_t *number = json_object_get(port, "port");
    const json_t *end = json_object_get(port, "endPort");

    if (number != NULL)
        validate_port(e, number, AT("%s.port", path));
    if (end == NULL)
        return;
    if (number == NULL)
        field_required(e, AT("%s.port", path), "must be specified when `endPort` is set");
    else if (json_is_string(number))
        field_invalid(e, AT("%s.endPort", path), end,
                      "may not be specified when `port` is non-numeric");
    else if (json_integer_value(end) < json_integer_value(number))
        field_invalid(e, AT("%s.endPort", path), end, "must be greater than or equal to `port`");
    else
        validate_port(e, end, AT("%s.endPort", path));
}

static void validate_policy_peer(struct field_errors *e, const json_t *peer, const char *path)
{
    const json_t *block = json_object_get(peer, "ipBlock"), *except;
    struct validate_path at = validate_path("%s.ipBlock", path);
    size_t i;

    validate_label_selector(e, json_object_get(peer, "podSelector"), AT("%s.podSelector", path));
    validate_label_selector(e, json_object_get(peer, "namespaceSelector"),
                            AT("%s.namespaceSelector", path));
    if (json_object_size(peer) == 0)
        field_required(e, path, "must specify a peer");
    if (block == NULL)
        return;
    if (json_object_size(peer) > 1)
        field_forbidden(e, path, "may not specify both ipBlock and another peer");
    validate_text(e, block, "cidr", at.s, validate_cidr);
    json_array_foreach (json_object_get(block, "except"), i, except)
        validate_value(e, except, AT("%s.except[%zu]", at.s, i), validate_cidr);
}

static void validate_policy_rules(struct field_errors *e, const json_t *rules, const char *peers,
                                  const char *path)
{
    const json_t *rule, *item;
    size_t i, k;

    json_array_foreach (rules, i, rule) {
        json_array_foreach (json_object_get(rule, "ports"), k, item)
            validate_policy_port(e, item, AT("%s[%zu].ports[%zu]", path, i, k));
        json_array_foreach (json_object_get(rule, peers), k, item)
            validate_policy_peer(e, item, AT("%s[%zu].%s[%zu]", path, i, peers, k));
    }
}

static void validate_networkpolicy(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *types = json_object_get(spec, "policyTypes");

    validate_label_selector(e, json_object_get(spec, "podSelector"), "spec.podSelector");
    validate_policy_rules(e, json_object_get(spec, "ingress"), "from", "spec.ingress");
    validate_policy_rules(e, json_object_get(spec, "egress"), "to", "spec.egress");
    if (json_array_size(types) > 2)
        field_invalid(e, "spec.policyTypes", types, "may not specify more than two policyTypes");
}

const struct validate_kind validate_kinds_network[] = {
    { .bucket = "ingresses.networking.k8s.io", .always = validate_ingress },
    { .bucket = "ingressclasses.networking.k8s.io",
      .always = validate_ingressclass,
      .change = validate_ingressclass_change },
    { .bucket = "networkpolicies.networking.k8s.io", .always = validate_networkpolicy },
    { .bucket = NULL },
};
