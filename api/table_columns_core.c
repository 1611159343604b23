#include "api/table.h"
#include "api/table_impl.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Member @key of every item of the list at @path, joined. */
static void table_core_collect(struct table_list *list, const json_t *items, const char *key)
{
    const json_t *item;
    size_t i;

    json_array_foreach (items, i, item) {
        const char *text = key != NULL ? json_str(item, key) : json_string_value(item);

        if (text != NULL)
            table_list_add(list, text);
    }
}

/* --- services --------------------------------------------------------------- */

static void table_cell_service_ip(const struct table_view *v, const struct table_column *c)
{
    const json_t *first = json_array_get(json_at(v->tree, "spec.clusterIPs"), 0);
    const char *ip = json_string_value(first);

    (void)c;
    if (ip == NULL)
        ip = json_str_or(v->tree, "spec.clusterIP", "");
    table_put_text(v, *ip != '\0' ? ip : "<none>");
}

static void table_cell_service_external(const struct table_view *v, const struct table_column *c)
{
    const char *type = json_str_or(v->tree, "spec.type", "");
    struct table_list list = { .text = TEXT_EMPTY };
    bool balancer = str_eq(type, "LoadBalancer");

    (void)c;
    if (str_eq(type, "ExternalName")) {
        table_put_text(v, json_str_or(v->tree, "spec.externalName", ""));
        return;
    }
    if (balancer) {
        const json_t *ingress = json_at(v->tree, "status.loadBalancer.ingress"), *one;
        size_t i;

        json_array_foreach (ingress, i, one)
            table_list_add(&list, json_str_or(one, "ip", json_str_or(one, "hostname", "")));
    }
    table_core_collect(&list, json_at(v->tree, "spec.externalIPs"), NULL);
    table_list_put(v, &list, balancer ? "<pending>" : "<none>");
}

static void table_cell_service_ports(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY };
    const json_t *port;
    size_t i;

    (void)c;
    json_array_foreach (json_at(v->tree, "spec.ports"), i, port) {
        int64_t node_port = json_int(port, "nodePort", 0);
        const char *protocol = json_str_or(port, "protocol", "TCP");
        char text[64];

        if (node_port > 0)
            snprintf(text, sizeof(text), "%lld:%lld/%s", (long long)json_int(port, "port", 0),
                     (long long)node_port, protocol);
        else
            snprintf(text, sizeof(text), "%lld/%s", (long long)json_int(port, "port", 0), protocol);
        table_list_add(&list, text);
    }
    table_list_put(v, &list, "<none>");
}

static const struct table_column table_service_columns[] = {
    TABLE_NAME,
    { .name = "Type", .cell = table_cell_text, .path = "spec.type" },
    { .name = "Cluster-IP", .cell = table_cell_service_ip },
    { .name = "External-IP", .cell = table_cell_service_external },
    { .name = "Port(s)", .cell = table_cell_service_ports },
    TABLE_AGE,
    { .name = "Selector", .cell = table_cell_labels, .path = "spec.selector", .wide = true },
};

/* --- endpoints ---------------------------------------------------------------- */

static void table_endpoints_add(struct table_list *list, const json_t *subset)
{
    const json_t *ports = json_object_get(subset, "ports"), *address, *port;
    size_t i, k;

    if (json_array_size(ports) == 0)
        table_core_collect(list, json_object_get(subset, "addresses"), "ip");
    json_array_foreach (ports, k, port) {
        json_array_foreach (json_object_get(subset, "addresses"), i, address) {
            const char *ip = json_str_or(address, "ip", "");
            cleanup(freep) char *text = mem_fmt(strchr(ip, ':') != NULL ? "[%s]:%lld" : "%s:%lld",
                                                ip, (long long)json_int(port, "port", 0));

            table_list_add(list, text);
        }
    }
}

static void table_cell_endpoints(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY, .max = 3 };
    const json_t *subset;
    size_t i;

    (void)c;
    json_array_foreach (json_object_get(v->tree, "subsets"), i, subset)
        table_endpoints_add(&list, subset);
    table_list_put(v, &list, "<none>");
}

static const struct table_column table_endpoints_columns[] = {
    TABLE_NAME,
    { .name = "Endpoints", .cell = table_cell_endpoints },
    TABLE_AGE,
};

/* --- data, accounts, namespaces ------------------------------------------------- */

static void table_cell_config_data(const struct table_view *v, const struct table_column *c)
{
    (void)c;
    table_put_int(v, (int64_t)(json_object_size(json_object_get(v->tree, "data")) +
                               json_object_size(json_object_get(v->tree, "binaryData"))));
}

static const struct table_column table_configmap_columns[] = {
    TABLE_NAME,
    { .name = "Data", .cell = table_cell_config_data },
    TABLE_AGE,
};

static const struct table_column table_secret_columns[] = {
    TABLE_NAME,
    { .name = "Type", .cell = table_cell_text, .path = "type" },
    { .name = "Data", .cell = table_cell_count, .path = "data" },
    TABLE_AGE,
};

static const struct table_column table_serviceaccount_columns[] = {
    TABLE_NAME,
    { .name = "Secrets", .cell = table_cell_count, .path = "secrets" },
    TABLE_AGE,
};

static const struct table_column table_namespace_columns[] = {
    TABLE_NAME,
    { .name = "Status", .cell = table_cell_text, .path = "status.phase" },
    TABLE_AGE,
};

/* --- nodes ------------------------------------------------------------------------ */

static void table_cell_node_status(const struct table_view *v, const struct table_column *c)
{
    const json_t *ready = json_find(json_at(v->tree, "status.conditions"), "type", "Ready");
    const char *status = "Unknown";
    char text[64];

    (void)c;
    if (ready != NULL)
        status = str_eq(json_str(ready, "status"), "True") ? "Ready" : "NotReady";
    snprintf(text, sizeof(text), "%s%s", status,
             json_bool(v->tree, "spec.unschedulable", false) ? ",SchedulingDisabled" : "");
    table_put_text(v, text);
}

static int table_by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static void table_cell_node_roles(const struct table_view *v, const struct table_column *c)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    json_t *labels = json_at(v->tree, "metadata.labels"), *value;
    cleanup(freep) const char **roles = NULL;
    struct table_list list = { .text = TEXT_EMPTY };
    const char *key;
    size_t n = 0;

    (void)c;
    roles = (const char **)mem_array(json_object_size(labels) + 1, sizeof(*roles));
    json_object_foreach (labels, key, value) {
        const char *role = NULL;

        if (str_starts(key, prefix))
            role = key + strlen(prefix);
        else if (str_eq(key, "kubernetes.io/role"))
            role = json_string_value(value);
        if (!str_empty(role))
            roles[n++] = role;
    }
    qsort(roles, n, sizeof(*roles), table_by_text);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(roles[i], roles[i - 1]) != 0)
            table_list_add(&list, roles[i]);
    }
    table_list_put(v, &list, "<none>");
}

static void table_cell_node_address(const struct table_view *v, const struct table_column *c)
{
    const json_t *found = json_find(json_at(v->tree, "status.addresses"), "type", c->path);

    table_put_text(v, json_str_or(found, "address", "<none>"));
}

static const struct table_column table_node_columns[] = {
    TABLE_NAME,
    { .name = "Status", .cell = table_cell_node_status },
    { .name = "Roles", .cell = table_cell_node_roles },
    TABLE_AGE,
    { .name = "Version", .cell = table_cell_text, .path = "status.nodeInfo.kubeletVersion" },
    { .name = "Internal-IP", .cell = table_cell_node_address, .path = "InternalIP", .wide = true },
    { .name = "External-IP", .cell = table_cell_node_address, .path = "ExternalIP", .wide = true },
    { .name = "OS-Image",
      .cell = table_cell_text,
      .path = "status.nodeInfo.osImage",
      .otherwise = "<unknown>",
      .wide = true },
    { .name = "Kernel-Version",
      .cell = table_cell_text,
      .path = "status.nodeInfo.kernelVersion",
      .otherwise = "<unknown>",
      .wide = true },
    { .name = "Container-Runtime",
      .cell = table_cell_text,
      .path = "status.nodeInfo.containerRuntimeVersion",
      .otherwise = "<unknown>",
      .wide = true },
};

/* --- events ------------------------------------------------------------------------- */

/* Both views of events come here; the first path that holds something wins. */
static const char *table_event_text(const struct table_view *v, const char *a, const char *b)
{
    const char *s = json_str_or(v->tree, a, "");

    return *s != '\0' ? s : json_str_or(v->tree, b, "");
}

static const char *table_event_first(const struct table_view *v)
{
    const char *s = json_str(v->tree, "firstTimestamp");

    if (s == NULL)
        s = json_str(v->tree, "deprecatedFirstTimestamp");
    return s != NULL ? s : json_str(v->tree, "eventTime");
}

static const char *table_event_last(const struct table_view *v)
{
    const char *s = json_str(v->tree, "series.lastObservedTime");

    if (s == NULL)
        s = json_str(v->tree, "lastTimestamp");
    if (s == NULL)
        s = json_str(v->tree, "deprecatedLastTimestamp");
    return s != NULL ? s : table_event_first(v);
}

static void table_cell_event_last(const struct table_view *v, const struct table_column *c)
{
    (void)c;
    table_put_age(v, table_event_last(v));
}

static void table_cell_event_first(const struct table_view *v, const struct table_column *c)
{
    (void)c;
    table_put_age(v, table_event_first(v));
}

static void table_cell_event_object(const struct table_view *v, const struct table_column *c)
{
    const char *kind = table_event_text(v, "involvedObject.kind", "regarding.kind");
    const char *name = table_event_text(v, "involvedObject.name", "regarding.name");
    cleanup(freep) char *text = mem_fmt("%s/%s", kind, name);

    (void)c;
    for (size_t i = 0; kind[i] != '\0'; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
    table_put_text(v, text);
}

static void table_cell_event_subobject(const struct table_view *v, const struct table_column *c)
{
    (void)c;
    table_put_text(v, table_event_text(v, "involvedObject.fieldPath", "regarding.fieldPath"));
}

static void table_cell_event_source(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY, .separator = ", " };
    const char *component = table_event_text(v, "source.component", "deprecatedSource.component");
    const char *host = table_event_text(v, "source.host", "deprecatedSource.host");

    (void)c;
    if (*component == '\0')
        component = table_event_text(v, "reportingComponent", "reportingController");
    if (*host == '\0')
        host = json_str_or(v->tree, "reportingInstance", "");
    if (*component != '\0')
        table_list_add(&list, component);
    if (*host != '\0')
        table_list_add(&list, host);
    table_list_put(v, &list, "");
}

static void table_cell_event_message(const struct table_view *v, const struct table_column *c)
{
    const char *s = table_event_text(v, "message", "note");
    cleanup(freep) char *text = NULL;
    size_t len;

    (void)c;
    s += strspn(s, " \t\r\n");
    len = strlen(s);
    while (len > 0 && strchr(" \t\r\n", s[len - 1]) != NULL)
        len--;
    text = mem_strn(s, len);
    table_put_text(v, text);
}

static void table_cell_event_count(const struct table_view *v, const struct table_column *c)
{
    int64_t count = json_int(v->tree, "series.count", 0);

    (void)c;
    if (count == 0)
        count = json_int(v->tree, "count", json_int(v->tree, "deprecatedCount", 0));
    table_put_int(v, count == 0 ? 1 : count);
}

static const struct table_column table_event_columns[] = {
    { .name = "Last Seen", .cell = table_cell_event_last },
    { .name = "Type", .cell = table_cell_text, .path = "type" },
    { .name = "Reason", .cell = table_cell_text, .path = "reason" },
    { .name = "Object", .cell = table_cell_event_object },
    { .name = "Subobject", .cell = table_cell_event_subobject, .wide = true },
    { .name = "Source", .cell = table_cell_event_source, .wide = true },
    { .name = "Message", .cell = table_cell_event_message },
    { .name = "First Seen", .cell = table_cell_event_first, .wide = true },
    { .name = "Count", .cell = table_cell_event_count, .wide = true },
    { .name = "Name", .cell = table_cell_name, .format = "name", .wide = true },
};

/* --- quotas, templates, component statuses --------------------------------------------- */

/* Path "limits.": only those, otherwise all but those; sorted `res: used/hard`. */
static void table_cell_quota(const struct table_view *v, const struct table_column *c)
{
    json_t *hard = json_at(v->tree, "status.hard"), *value;
    struct table_list list = { .text = TEXT_EMPTY, .separator = ", " };
    cleanup(freep) const char **keys = NULL;
    const char *key;
    size_t n = 0;

    keys = (const char **)mem_array(json_object_size(hard) + 1, sizeof(*keys));
    json_object_foreach (hard, key, value) {
        if (str_starts(key, "limits.") == (c->path != NULL))
            keys[n++] = key;
    }
    qsort(keys, n, sizeof(*keys), table_by_text);
    for (size_t i = 0; i < n; i++) {
        const json_t *used = json_object_get(json_at(v->tree, "status.used"), keys[i]);
        const json_t *limit = json_object_get(hard, keys[i]);
        cleanup(freep) char *text = mem_fmt("%s: %s/%s", keys[i],
                                            json_is_string(used) ? json_string_value(used) : "0",
                                            json_is_string(limit) ? json_string_value(limit) : "0");

        table_list_add(&list, text);
    }
    table_list_put(v, &list, "");
}

static const struct table_column table_quota_columns[] = {
    TABLE_NAME,
    { .name = "Request", .cell = table_cell_quota },
    { .name = "Limit", .cell = table_cell_quota, .path = "limits." },
    TABLE_AGE,
};

static const struct table_column table_podtemplate_columns[] = {
    TABLE_NAME,
    { .name = "Containers", .cell = table_cell_containers, .path = "template.spec" },
    { .name = "Images", .cell = table_cell_images, .path = "template.spec" },
    { .name = "Pod Labels", .cell = table_cell_labels, .path = "template.metadata.labels" },
};

static void table_cell_component(const struct table_view *v, const struct table_column *c)
{
    const json_t *healthy = json_find(json_object_get(v->tree, "conditions"), "type", "Healthy");
    const char *value = json_str_or(healthy, c->path, "");

    if (!str_eq(c->path, "status"))
        table_put_text(v, value);
    else if (str_eq(value, "True"))
        table_put_text(v, "Healthy");
    else
        table_put_text(v, str_eq(value, "False") ? "Unhealthy" : "Unknown");
}

static const struct table_column table_component_columns[] = {
    TABLE_NAME,
    { .name = "Status", .cell = table_cell_component, .path = "status" },
    { .name = "Message", .cell = table_cell_component, .path = "message" },
    { .name = "Error", .cell = table_cell_component, .path = "error" },
};

const struct table_kind table_kinds_core[] = {
    TABLE_KIND("services", table_service_columns),
    TABLE_KIND("endpoints", table_endpoints_columns),
    TABLE_KIND("configmaps", table_configmap_columns),
    TABLE_KIND("secrets", table_secret_columns),
    TABLE_KIND("serviceaccounts", table_serviceaccount_columns),
    TABLE_KIND("namespaces", table_namespace_columns),
    TABLE_KIND("nodes", table_node_columns),
    TABLE_KIND("events", table_event_columns),
    TABLE_KIND("resourcequotas", table_quota_columns),
    TABLE_KIND("podtemplates", table_podtemplate_columns),
    TABLE_KIND("componentstatuses", table_component_columns),
    { .bucket = NULL },
};
