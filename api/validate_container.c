#include "api/validate_impl.h"

#include "api/quantity.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* --- ports --------------------------------------------------------------------- */

static bool validate_port_name_taken(const json_t *ports, const json_t *port)
{
    return json_find(ports, "name", json_str_or(port, "name", "")) != port;
}

static void validate_container_port(struct field_errors *e, const json_t *ports, const json_t *port,
                                    bool host_network, const char *path)
{
    int64_t number = json_int(port, "containerPort", 0);
    const json_t *host = json_object_get(port, "hostPort");

    if (json_string_length(json_object_get(port, "name")) > 0) {
        validate_text(e, port, "name", path, validate_port_name);
        if (validate_port_name_taken(ports, port))
            field_duplicate(e, AT("%s.name", path), json_object_get(port, "name"));
    }
    if (number == 0)
        field_required(e, AT("%s.containerPort", path), NULL);
    else
        validate_port(e, json_object_get(port, "containerPort"), AT("%s.containerPort", path));
    if (host != NULL && json_integer_value(host) != 0)
        validate_port(e, host, AT("%s.hostPort", path));
    validate_text(e, port, "hostIP", path, validate_ip);
    if (host_network && host != NULL && json_integer_value(host) != number)
        field_invalid(e, AT("%s.containerPort", path), json_object_get(port, "containerPort"),
                      "must match `hostPort` when `hostNetwork` is true");
}

static void validate_container_ports(struct field_errors *e, const json_t *container,
                                     bool host_network, const char *path)
{
    const json_t *ports = json_object_get(container, "ports"), *port;
    size_t i;

    json_array_foreach (ports, i, port)
        validate_container_port(e, ports, port, host_network, AT("%s.ports[%zu]", path, i));
}

/* One host port serves one container of a pod. */
static void validate_host_ports(struct field_errors *e, const json_t *containers, const char *path)
{
    cleanup(json_decrefpp) json_t *seen = json_object();
    const json_t *container, *port;
    size_t i, k;

    json_array_foreach (containers, i, container) {
        json_array_foreach (json_object_get(container, "ports"), k, port) {
            long long number = json_int(port, "hostPort", 0);
            cleanup(freep) char *key = NULL;
            cleanup(json_decrefpp) json_t *value = NULL;

            if (number == 0)
                continue;
            key = mem_fmt("%s/%s/%lld", json_str_or(port, "protocol", "TCP"),
                          json_str_or(port, "hostIP", ""), number);
            value = json_string(key);
            if (json_object_get(seen, key) != NULL)
                field_duplicate(e, AT("%s[%zu].ports[%zu].hostPort", path, i, k), value);
            json_object_set(seen, key, value);
        }
    }
}

/* --- environment ------------------------------------------------------------------ */

/* "metadata.labels['key']" into the part before the bracket; false: no subscript. */
static bool validate_subscript(const char *field, char *ret, size_t size)
{
    const char *open = strstr(field, "['");
    size_t len = open != NULL ? (size_t)(open - field) : 0;

    if (open == NULL || !str_ends(field, "']") || len >= size)
        return false;
    memcpy(ret, field, len);
    ret[len] = '\0';
    return true;
}

/* Everything that a fieldRef may name anywhere. */
static bool validate_field_is_known(const char *field)
{
    static const char *const known[] = {
        "metadata.annotations", "metadata.labels",    "metadata.name",
        "metadata.namespace",   "metadata.uid",       "spec.nodeName",
        "spec.restartPolicy",   "spec.schedulerName", "spec.serviceAccountName",
        "status.hostIP",        "status.hostIPs",     "status.phase",
        "status.podIP",         "status.podIPs",
    };

    for (size_t i = 0; i < N_ELEMENTS(known); i++) {
        if (str_eq(field, known[i]))
            return true;
    }
    return false;
}

void validate_field_ref(struct field_errors *e, const json_t *ref, const char *path,
                        const char *const *allowed)
{
    const json_t *field = json_object_get(ref, "fieldPath");
    const char *s = json_is_string(field) ? json_string_value(field) : "";
    struct validate_path at = validate_path("%s.fieldPath", path);
    char base[64];

    if (*s == '\0')
        return;
    if (validate_subscript(s, base, sizeof(base))) {
        if (!str_eq(base, "metadata.annotations") && !str_eq(base, "metadata.labels"))
            field_invalid(e, at.s, field, "does not support subscript");
        return;
    }
    if (!validate_field_is_known(s)) {
        field_invalid(e, at.s, field, "error converting fieldPath: field label not supported: %s",
                      s);
        return;
    }
    for (size_t i = 0; allowed[i] != NULL; i++) {
        if (str_eq(s, allowed[i]))
            return;
    }
    field_not_supported(e, at.s, field, allowed);
}

static void validate_resource_ref(struct field_errors *e, const json_t *ref, const char *path)
{
    static const char *const allowed[] = { "limits.cpu",
                                           "limits.ephemeral-storage",
                                           "limits.memory",
                                           "requests.cpu",
                                           "requests.ephemeral-storage",
                                           "requests.memory",
                                           NULL };
    const char *resource = json_str_or(ref, "resource", "");

    if (str_starts(resource, "limits.hugepages-") || str_starts(resource, "requests.hugepages-"))
        return;
    validate_one_of(e, ref, "resource", path, allowed);
}

static void validate_key_ref(struct field_errors *e, const json_t *ref, const char *path)
{
    const char *name = json_str_or(ref, "name", "");
    const char *problem = validate_dns1123_subdomain(name);

    if (problem != NULL)
        field_invalid_str(e, AT("%s.name", path), name, "%s", problem);
    validate_text(e, ref, "key", path, validate_config_key);
}

static void validate_env_source(struct field_errors *e, const json_t *env, const char *path)
{
    static const char *const fields[] = { "metadata.name",
                                          "metadata.namespace",
                                          "metadata.uid",
                                          "spec.nodeName",
                                          "spec.serviceAccountName",
                                          "status.hostIP",
                                          "status.hostIPs",
                                          "status.podIP",
                                          "status.podIPs",
                                          NULL };
    const json_t *from = json_object_get(env, "valueFrom");
    struct validate_path at = validate_path("%s.valueFrom", path);
    size_t n = json_object_size(from);

    if (from == NULL)
        return;
    if (n == 0)
        field_invalid_str(e, at.s, "",
                          "must specify one of: `fieldRef`, `resourceFieldRef`, "
                          "`configMapKeyRef` or `secretKeyRef`");
    else if (json_string_length(json_object_get(env, "value")) > 0)
        field_invalid_str(e, at.s, "", "may not be specified when `value` is not empty");
    else if (n > 1)
        field_invalid_str(e, at.s, "", "may not have more than one field specified at a time");
    if (json_object_get(from, "fieldRef") != NULL)
        validate_field_ref(e, json_object_get(from, "fieldRef"), AT("%s.fieldRef", at.s), fields);
    if (json_object_get(from, "resourceFieldRef") != NULL)
        validate_resource_ref(e, json_object_get(from, "resourceFieldRef"),
                              AT("%s.resourceFieldRef", at.s));
    if (json_object_get(from, "configMapKeyRef") != NULL)
        validate_key_ref(e, json_object_get(from, "configMapKeyRef"),
                         AT("%s.configMapKeyRef", at.s));
    if (json_object_get(from, "secretKeyRef") != NULL)
        validate_key_ref(e, json_object_get(from, "secretKeyRef"), AT("%s.secretKeyRef", at.s));
}

static void validate_env_from(struct field_errors *e, const json_t *from, const char *path)
{
    static const char *const members[] = { "configMapRef", "secretRef" };
    size_t n = 0;

    validate_text(e, from, "prefix", path, validate_env_prefix);
    for (size_t i = 0; i < N_ELEMENTS(members); i++) {
        const json_t *ref = json_object_get(from, members[i]);
        const char *name = json_str_or(ref, "name", "");
        const char *problem = ref != NULL ? validate_dns1123_subdomain(name) : NULL;

        n += ref != NULL;
        if (problem != NULL)
            field_invalid_str(e, AT("%s.%s.name", path, members[i]), name, "%s", problem);
    }
    if (n == 0)
        field_invalid_str(e, path, "", "must specify one of: `configMapRef` or `secretRef`");
    else if (n > 1)
        field_invalid_str(e, path, "", "may not have more than one field specified at a time");
}

static void validate_env(struct field_errors *e, const json_t *container, const char *path)
{
    const json_t *item;
    size_t i;

    json_array_foreach (json_object_get(container, "env"), i, item) {
        struct validate_path at = validate_path("%s.env[%zu]", path, i);

        validate_text(e, item, "name", at.s, validate_env_name);
        validate_env_source(e, item, at.s);
    }
    json_array_foreach (json_object_get(container, "envFrom"), i, item)
        validate_env_from(e, item, AT("%s.envFrom[%zu]", path, i));
}

/* --- mounts ------------------------------------------------------------------------ */

static void validate_sub_path(struct field_errors *e, const json_t *mount, const char *key,
                              const char *path)
{
    const json_t *v = json_object_get(mount, key);
    const char *s = json_is_string(v) ? json_string_value(v) : "";
    struct validate_path at = validate_path("%s.%s", path, key);

    if (*s == '/')
        field_invalid(e, at.s, v, "must be a relative path");
    if (str_eq(s, "..") || str_starts(s, "../") || str_ends(s, "/..") || strstr(s, "/../") != NULL)
        field_invalid(e, at.s, v, "must not contain '..'");
}

static void validate_mount(struct field_errors *e, const json_t *mounts, const json_t *mount,
                           const json_t *spec, const char *path)
{
    const json_t *volumes = json_object_get(spec, "volumes");
    const char *name = json_str_or(mount, "name", "");
    const char *where = json_str_or(mount, "mountPath", "");

    if (*name != '\0' && json_find(volumes, "name", name) == NULL)
        field_not_found(e, AT("%s.name", path), json_object_get(mount, "name"));
    if (*where != '\0' && json_find(mounts, "mountPath", where) != mount)
        field_invalid(e, AT("%s.mountPath", path), json_object_get(mount, "mountPath"),
                      "must be unique");
    validate_sub_path(e, mount, "subPath", path);
    validate_sub_path(e, mount, "subPathExpr", path);
    if (json_string_length(json_object_get(mount, "subPath")) > 0 &&
        json_string_length(json_object_get(mount, "subPathExpr")) > 0)
        field_invalid(e, AT("%s.subPathExpr", path), json_object_get(mount, "subPathExpr"),
                      "subPathExpr and subPath are mutually exclusive");
}

static void validate_mounts(struct field_errors *e, const json_t *container, const json_t *spec,
                            const char *path)
{
    const json_t *mounts = json_object_get(container, "volumeMounts"), *mount;
    bool privileged = json_bool(container, "securityContext.privileged", false);
    size_t i;

    json_array_foreach (mounts, i, mount) {
        struct validate_path at = validate_path("%s.volumeMounts[%zu]", path, i);

        validate_mount(e, mounts, mount, spec, at.s);
        if (!privileged && str_eq(json_str(mount, "mountPropagation"), "Bidirectional"))
            field_forbidden(e, AT("%s.mountPropagation", at.s),
                            "Bidirectional mount propagation is available only to privileged "
                            "containers");
    }
}

/* --- resources ----------------------------------------------------------------------- */

static bool validate_is_standard_resource(const char *name)
{
    return str_eq(name, "cpu") || str_eq(name, "memory") || str_eq(name, "ephemeral-storage") ||
           str_starts(name, "hugepages-");
}

static void validate_resource(struct field_errors *e, const char *name, const json_t *value,
                              const char *path)
{
    const char *problem = validate_label_key(name);
    struct quantity q;

    if (problem != NULL)
        field_invalid_str(e, path, name, "%s", problem);
    else if (strchr(name, '/') == NULL && !validate_is_standard_resource(name))
        field_invalid_str(e, path, name, "must be a standard resource for containers");
    validate_quantity_not_negative(e, value, path);
    if (strchr(name, '/') != NULL && quantity_parse(json_string_value(value), &q) &&
        q.nano % 1000000000 != 0)
        field_invalid(e, path, value, "must be an integer");
}

/* Requests may not exceed limits; what cannot be overcommitted must equal them. */
static void validate_request_limit(struct field_errors *e, const char *name, const json_t *request,
                                   const json_t *limit, const char *path)
{
    bool overcommit = !str_starts(name, "hugepages-") && strchr(name, '/') == NULL;
    struct quantity r, l;
    char printed[QUANTITY_TEXT_MAX];

    if (limit == NULL && !overcommit) {
        field_required(e, AT("%s.limits", path),
                       "Limit must be set for non overcommitable resources");
        return;
    }
    if (!quantity_parse(json_string_value(request), &r) ||
        !quantity_parse(json_string_value(limit), &l))
        return;
    quantity_print(printed, l);
    if (!overcommit && quantity_cmp(r, l) != 0)
        field_invalid(e, AT("%s.requests", path), request, "must be equal to %s limit of %s", name,
                      printed);
    else if (quantity_cmp(r, l) > 0)
        field_invalid(e, AT("%s.requests", path), request,
                      "must be less than or equal to %s limit of %s", name, printed);
}

void validate_resources(struct field_errors *e, const json_t *resources, const char *path)
{
    json_t *limits = json_object_get(resources, "limits");
    json_t *requests = json_object_get(resources, "requests"), *value;
    const char *name;

    json_object_foreach (limits, name, value)
        validate_resource(e, name, value, AT("%s.limits[%s]", path, name));
    json_object_foreach (requests, name, value) {
        validate_resource(e, name, value, AT("%s.requests[%s]", path, name));
        validate_request_limit(e, name, value, json_object_get(limits, name), path);
    }
}

/* --- probes and hooks ------------------------------------------------------------------- */

static void validate_http(struct field_errors *e, const json_t *http, const char *path)
{
    const json_t *header;
    size_t i;

    validate_required(e, http, "path", path, NULL);
    validate_port(e, json_object_get(http, "port"), AT("%s.port", path));
    json_array_foreach (json_object_get(http, "httpHeaders"), i, header)
        validate_text(e, header, "name", AT("%s.httpHeaders[%zu]", path, i),
                      validate_http_header_name);
}

static void validate_exec(struct field_errors *e, const json_t *exec, const char *path)
{
    validate_required(e, exec, "command", path, NULL);
}

static void validate_with_port(struct field_errors *e, const json_t *action, const char *path)
{
    validate_port(e, json_object_get(action, "port"), AT("%s.port", path));
}

static void validate_handler(struct field_errors *e, const json_t *handler, const char *path)
{
    static const struct {
        const char *name;
        void (*check)(struct field_errors *e, const json_t *action, const char *path);
    } actions[] = {
        { "exec", validate_exec },
        { "httpGet", validate_http },
        { "tcpSocket", validate_with_port },
        { "grpc", validate_with_port },
        { "sleep", NULL },
    };
    size_t n = 0;

    for (size_t i = 0; i < N_ELEMENTS(actions); i++) {
        const json_t *action = json_object_get(handler, actions[i].name);
        struct validate_path at = validate_path("%s.%s", path, actions[i].name);

        if (action == NULL)
            continue;
        if (n++ > 0)
            field_forbidden(e, at.s, "may not specify more than 1 handler type");
        else if (actions[i].check != NULL)
            actions[i].check(e, action, at.s);
    }
    if (n == 0)
        field_required(e, path, "must specify a handler type");
}

static void validate_probe(struct field_errors *e, const json_t *container, const char *key,
                           const char *container_path)
{
    static const char *const counts[] = { "initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold" };
    const json_t *probe = json_object_get(container, key);
    struct validate_path at = validate_path("%s.%s", container_path, key);
    const json_t *success = json_object_get(probe, "successThreshold");

    if (probe == NULL)
        return;
    validate_handler(e, probe, at.s);
    for (size_t i = 0; i < N_ELEMENTS(counts); i++)
        validate_non_negative(e, probe, counts[i], at.s);
    if (str_eq(key, "readinessProbe")) {
        if (json_object_get(probe, "terminationGracePeriodSeconds") != NULL)
            field_invalid(e, AT("%s.terminationGracePeriodSeconds", at.s),
                          json_object_get(probe, "terminationGracePeriodSeconds"),
                          "must not be set for readinessProbes");
        return;
    }
    validate_positive(e, probe, "terminationGracePeriodSeconds", at.s);
    if (json_integer_value(success) > 1)
        field_invalid(e, AT("%s.successThreshold", at.s), success, "must be 1");
}

static void validate_hooks(struct field_errors *e, const json_t *container, const char *path)
{
    static const char *const hooks[] = { "postStart", "preStop" };
    const json_t *lifecycle = json_object_get(container, "lifecycle");

    for (size_t i = 0; i < N_ELEMENTS(hooks); i++) {
        const json_t *hook = json_object_get(lifecycle, hooks[i]);

        if (hook != NULL)
            validate_handler(e, hook, AT("%s.lifecycle.%s", path, hooks[i]));
    }
}

/* --- containers -------------------------------------------------------------------------- */

static void validate_security(struct field_errors *e, const json_t *container, const char *path)
{
    const json_t *sc = json_object_get(container, "securityContext");
    struct validate_path at = validate_path("%s.securityContext", path);

    validate_between(e, sc, "runAsUser", at.s, 0, INT32_MAX);
    validate_between(e, sc, "runAsGroup", at.s, 0, INT32_MAX);
    if (json_bool(sc, "privileged", false) && !json_bool(sc, "allowPrivilegeEscalation", true))
        field_invalid(e, at.s, sc,
                      "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
}

static void validate_image(struct field_errors *e, const json_t *container, const char *path)
{
    const json_t *image = json_object_get(container, "image");
    const char *s = json_is_string(image) ? json_string_value(image) : "";
    size_t len = strlen(s);

    if (len == 0)
        field_required(e, AT("%s.image", path), NULL);
    else if (isspace((unsigned char)s[0]) || isspace((unsigned char)s[len - 1]))
        field_invalid(e, AT("%s.image", path), image,
                      "must not have leading or trailing whitespace");
}

void validate_container(struct field_errors *e, const json_t *container, const json_t *spec,
                        const char *path)
{
    validate_text(e, container, "name", path, validate_dns1123_label);
    validate_image(e, container, path);
    validate_hooks(e, container, path);
    validate_probe(e, container, "livenessProbe", path);
    validate_probe(e, container, "readinessProbe", path);
    validate_probe(e, container, "startupProbe", path);
    validate_container_ports(e, container, json_bool(spec, "hostNetwork", false), path);
    validate_env(e, container, path);
    validate_mounts(e, container, spec, path);
    validate_resources(e, json_object_get(container, "resources"), AT("%s.resources", path));
    validate_security(e, container, path);
}

/* Names are unique over all kinds of containers; @seen collects them. */
void validate_container_name(struct field_errors *e, const json_t *container, json_t *seen,
                             const char *path)
{
    const char *name = json_str_or(container, "name", "");

    if (*name == '\0')
        return;
    if (json_object_get(seen, name) != NULL)
        field_duplicate(e, AT("%s.name", path), json_object_get(container, "name"));
    json_object_set_new(seen, name, json_true());
}

static void validate_init_container(struct field_errors *e, const json_t *container,
                                    const char *path)
{
    static const char *const always[] = { "Always", NULL };
    static const char *const probes[] = { "livenessProbe", "readinessProbe", "startupProbe" };

    validate_one_of(e, container, "restartPolicy", path, always);
    if (str_eq(json_str(container, "restartPolicy"), "Always"))
        return;
    for (size_t i = 0; i < N_ELEMENTS(probes); i++) {
        if (json_object_get(container, probes[i]) != NULL)
            field_forbidden(e, AT("%s.%s", path, probes[i]),
                            "may not be set for init containers without restartPolicy=Always");
    }
    if (json_object_get(container, "lifecycle") != NULL)
        field_forbidden(e, AT("%s.lifecycle", path),
                        "may not be set for init containers without restartPolicy=Always");
}

void validate_containers(struct field_errors *e, const json_t *spec, const char *path)
{
    cleanup(json_decrefpp) json_t *seen = json_object();
    const json_t *container;
    size_t i;

    json_array_foreach (json_object_get(spec, "containers"), i, container) {
        struct validate_path at = validate_path("%s.containers[%zu]", path, i);

        validate_container(e, container, spec, at.s);
        validate_container_name(e, container, seen, at.s);
        if (json_object_get(container, "restartPolicy") != NULL)
            field_forbidden(e, AT("%s.restartPolicy", at.s),
                            "may not be set for non-init containers");
    }
    validate_host_ports(e, json_object_get(spec, "containers"), AT("%s.containers", path));
    json_array_foreach (json_object_get(spec, "initContainers"), i, container) {
        struct validate_path at = validate_path("%s.initContainers[%zu]", path, i);

        validate_container(e, container, spec, at.s);
        validate_container_name(e, container, seen, at.s);
        validate_init_container(e, container, at.s);
    }
    validate_ephemeral_containers(e, spec, seen, path);
}
