#include "nodeagent/pod_support.h"

#include "base/mem.h"

#include <string.h>

/* A rule holds when the value at @path is there and, with @value, equals it (true for booleans). */
struct pod_support_rule {
    const char *path;
    const char *value; /* string to equal; NULL = a true boolean or any other non-empty value */
};

static const struct pod_support_rule pod_rules[] = {
    { "shareProcessNamespace", NULL },
    { "securityContext.seccompProfile.type", "Localhost" },
    { "securityContext.appArmorProfile.type", "Localhost" },
    { "hostUsers", "false" },
    { "resourceClaims", NULL },
    { "runtimeClassName", NULL },
};

static const struct pod_support_rule container_rules[] = {
    { "securityContext.seccompProfile.type", "Localhost" },
    { "securityContext.appArmorProfile.type", "Localhost" },
    { "livenessProbe.grpc", NULL },
    { "readinessProbe.grpc", NULL },
    { "startupProbe.grpc", NULL },
    { "volumeDevices", NULL },
};

static bool pod_support_asks(const json_t *tree, const struct pod_support_rule *rule)
{
    const json_t *v = json_at(tree, rule->path);

    if (v == NULL)
        return false;
    if (json_is_boolean(v))
        return str_eq(rule->value, "false") ? json_is_false(v) : json_is_true(v);
    if (json_is_string(v))
        return rule->value == NULL || str_eq(json_string_value(v), rule->value);
    return !json_is_array(v) || json_array_size(v) > 0;
}

static int pod_support_refuse(struct err *err, const char *where, const char *path)
{
    return err_set(err, ERR_INVALID, "%s.%s is not supported on this node", where, path);
}

/* Loopback would need the kernel to route 127.0.0.0/8; the pod network has no IPv6. */
static bool pod_support_leads(const struct pod_view *pod, const json_t *port)
{
    const char *ip = json_str_or(port, "hostIP", "");

    return pod->host_network || json_int(port, "hostPort", 0) <= 0 ||
           (!str_starts(ip, "127.") && strchr(ip, ':') == NULL);
}

int pod_support_check(const struct pod_view *pod, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(pod_rules); i++)
        if (pod_support_asks(pod->spec, &pod_rules[i]))
            return pod_support_refuse(err, "spec", pod_rules[i].path);
    for (size_t c = 0; c < pod->n; c++) {
        const json_t *spec = pod->containers[c].spec;
        cleanup(freep) char *where = mem_fmt("container %s", pod->containers[c].name);
        size_t k;
        json_t *port;

        for (size_t i = 0; i < N_ELEMENTS(container_rules); i++)
            if (pod_support_asks(spec, &container_rules[i]))
                return pod_support_refuse(err, where, container_rules[i].path);
        json_array_foreach (json_at(spec, "ports"), k, port)
            if (!pod_support_leads(pod, port))
                return pod_support_refuse(err, where, "ports.hostIP");
    }
    return 0;
}
