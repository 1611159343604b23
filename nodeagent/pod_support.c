#include "nodeagent/pod_support.h"

#include "base/mem.h"

#include <string.h>

/* A rule holds when the value at @path is there and, with @value, equals it (true for booleans). */
struct pod_support_rule {
    const char *path;
    const char *value; /* string to equal; NULL = a true boolean or any other non-empty value */
};

static const struct pod_support_rule pod_rules[] = {
    { "securityContext.seccompProfile.type", "Localhost" },
    { "securityContext.appArmorProfile.type", "Localhost" },
    { "hostUsers", "false" },
    { "resourceClaims", NULL },
};

static const struct pod_support_rule container_rules[] = {
    { "securityContext.seccompProfile.type", "Localhost" },
    { "securityContext.appArmorProfile.type", "Localhost" },
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

/* Those a namespace of the pod's own holds whole: the kubelet's safe set of v1.32. */
static const struct {
    const char *name;
    bool is_net; /* of the network namespace; otherwise of the IPC namespace */
} safe_sysctls[] = {
    { "kernel.shm_rmid_forced", false },
    { "net.ipv4.ip_local_port_range", true },
    { "net.ipv4.tcp_syncookies", true },
    { "net.ipv4.ping_group_range", true },
    { "net.ipv4.ip_unprivileged_port_start", true },
    { "net.ipv4.ip_local_reserved_ports", true },
    { "net.ipv4.tcp_keepalive_time", true },
    { "net.ipv4.tcp_fin_timeout", true },
    { "net.ipv4.tcp_keepalive_intvl", true },
    { "net.ipv4.tcp_keepalive_probes", true },
    { "net.ipv4.tcp_rmem", true },
    { "net.ipv4.tcp_wmem", true },
};

/* Both "net.ipv4.x" and "net/ipv4/x" are names of one. */
static bool pod_support_is_sysctl(const char *name, const char *safe)
{
    size_t i = 0;

    while (safe[i] != '\0' && (name[i] == safe[i] || (name[i] == '/' && safe[i] == '.')))
        i++;
    return safe[i] == '\0' && name[i] == '\0';
}

static int pod_support_sysctl(const struct pod_view *pod, const char *name, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(safe_sysctls); i++) {
        bool is_net = safe_sysctls[i].is_net;

        if (!pod_support_is_sysctl(name, safe_sysctls[i].name))
            continue;
        if (is_net ? pod->host_network : pod->host_ipc)
            return err_set(err, ERR_FORBIDDEN,
                           "forbidden sysctl: \"%s\" not allowed with host %s enabled",
                           safe_sysctls[i].name, is_net ? "net" : "ipc");
        return 0;
    }
    return err_set(err, ERR_FORBIDDEN, "forbidden sysctl: \"%s\" not allowlisted", name);
}

int pod_support_sysctls(const struct pod_view *pod, struct err *err)
{
    size_t i;
    json_t *item;
    int rc = 0;

    json_array_foreach (json_at(pod->spec, "securityContext.sysctls"), i, item)
        if (rc == 0)
            rc = pod_support_sysctl(pod, json_str_or(item, "name", ""), err);
    return rc;
}

/* Loopback would need the kernel to route 127.0.0.0/8; the pod network has no IPv6. */
static bool pod_support_leads(const struct pod_view *pod, const json_t *port)
{
    const char *ip = json_str_or(port, "hostIP", "");

    return pod->host_network || json_int(port, "hostPort", 0) <= 0 ||
           (!str_starts(ip, "127.") && strchr(ip, ':') == NULL);
}

int pod_support_handler(const char *handler, struct err *err)
{
    if (handler[0] == '\0' || str_eq(handler, "runc"))
        return 0;
    return err_set(err, ERR_INVALID,
                   "rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for "
                   "\"%s\" is configured",
                   handler);
}

int pod_support_container(const struct pod_view *pod, size_t index, struct err *err)
{
    const json_t *spec = pod->containers[index].spec;
    cleanup(freep) char *where = mem_fmt("container %s", pod->containers[index].name);
    size_t k;
    json_t *port;

    for (size_t i = 0; i < N_ELEMENTS(container_rules); i++)
        if (pod_support_asks(spec, &container_rules[i]))
            return pod_support_refuse(err, where, container_rules[i].path);
    json_array_foreach (json_at(spec, "ports"), k, port)
        if (!pod_support_leads(pod, port))
            return pod_support_refuse(err, where, "ports.hostIP");
    return 0;
}

int pod_support_check(const struct pod_view *pod, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < N_ELEMENTS(pod_rules); i++)
        if (pod_support_asks(pod->spec, &pod_rules[i]))
            return pod_support_refuse(err, "spec", pod_rules[i].path);
    for (size_t i = 0; i < pod->n && rc == 0; i++)
        if (pod->containers[i].kind != CONTAINER_EPHEMERAL)
            rc = pod_support_container(pod, i, err);
    return rc;
}
