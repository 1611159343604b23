#include "api/table.h"
#include "api/table_impl.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void table_cell_slice_ports(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY, .max = 3 };
    const json_t *port;
    size_t i;

    (void)c;
    json_array_foreach (json_object_get(v->tree, "ports"), i, port) {
        const char *name = json_str_or(port, "name", "");
        char text[32];

        snprintf(text, sizeof(text), "%lld", (long long)json_int(port, "port", 0));
        if (json_object_get(port, "port") != NULL)
            table_list_add(&list, text);
        else
            table_list_add(&list, *name != '\0' ? name : "*");
    }
    table_list_put(v, &list, "<unset>");
}

static void table_cell_slice_endpoints(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY, .max = 3 };
    const json_t *endpoint, *address;
    size_t i, k;

    (void)c;
    json_array_foreach (json_object_get(v->tree, "endpoints"), i, endpoint) {
        json_array_foreach (json_object_get(endpoint, "addresses"), k, address)
            table_list_add(&list, json_is_string(address) ? json_string_value(address) : "");
    }
    table_list_put(v, &list, "<unset>");
}

static const struct table_column table_slice_columns[] = {
    TABLE_NAME,
    { .name = "AddressType", .cell = table_cell_text, .path = "addressType" },
    { .name = "Ports", .cell = table_cell_slice_ports },
    { .name = "Endpoints", .cell = table_cell_slice_endpoints },
    TABLE_AGE,
};

static void table_cell_ingress_hosts(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY, .max = 3 };
    const json_t *rule;
    size_t i;

    (void)c;
    json_array_foreach (json_at(v->tree, "spec.rules"), i, rule) {
        const char *host = json_str_or(rule, "host", "");

        if (*host != '\0')
            table_list_add(&list, host);
    }
    table_list_put(v, &list, "*");
}

static int table_by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static void table_cell_ingress_address(const struct table_view *v, const struct table_column *c)
{
    const json_t *ingress = json_at(v->tree, "status.loadBalancer.ingress"), *one;
    struct table_list list = { .text = TEXT_EMPTY };
    cleanup(freep) const char **addresses = NULL;
    size_t i, n = 0;

    (void)c;
    addresses = (const char **)mem_array(json_array_size(ingress) + 1, sizeof(*addresses));
    json_array_foreach (ingress, i, one)
        addresses[n++] = json_str_or(one, "ip", json_str_or(one, "hostname", ""));
    qsort(addresses, n, sizeof(*addresses), table_by_text);
    for (i = 0; i < n; i++) {
        if (*addresses[i] != '\0' && (i == 0 || strcmp(addresses[i], addresses[i - 1]) != 0))
            table_list_add(&list, addresses[i]);
    }
    table_list_put(v, &list, "");
}

static void table_cell_ingress_ports(const struct table_view *v, const struct table_column *c)
{
    (void)c;
    table_put_text(v, json_array_size(json_at(v->tree, "spec.tls")) > 0 ? "80, 443" : "80");
}

static const struct table_column table_ingress_columns[] = {
    TABLE_NAME,
    { .name = "Class",
      .cell = table_cell_text,
      .path = "spec.ingressClassName",
      .otherwise = "<none>" },
    { .name = "Hosts", .cell = table_cell_ingress_hosts },
    { .name = "Address", .cell = table_cell_ingress_address },
    { .name = "Ports", .cell = table_cell_ingress_ports },
    TABLE_AGE,
};

static void table_cell_class_parameters(const struct table_view *v, const struct table_column *c)
{
    const json_t *p = json_at(v->tree, "spec.parameters");
    const char *group = json_str_or(p, "apiGroup", "");
    cleanup(freep) char *text = NULL;

    (void)c;
    if (p != NULL)
        text = mem_fmt("%s%s%s/%s", json_str_or(p, "kind", ""), *group != '\0' ? "." : "", group,
                       json_str_or(p, "name", ""));
    table_put_text(v, text != NULL ? text : "<none>");
}

static const struct table_column table_ingressclass_columns[] = {
    TABLE_NAME,
    { .name = "Controller", .cell = table_cell_text, .path = "spec.controller" },
    { .name = "Parameters", .cell = table_cell_class_parameters },
    TABLE_AGE,
};

static const struct table_column table_networkpolicy_columns[] = {
    TABLE_NAME,
    { .name = "Pod-Selector", .cell = table_cell_selector, .path = "spec.podSelector" },
    TABLE_AGE,
};

static void table_cell_ip_parent(const struct table_view *v, const struct table_column *c)
{
    const json_t *p = json_at(v->tree, "spec.parentRef");
    const char *group = json_str_or(p, "group", ""), *ns = json_str_or(p, "namespace", "");
    cleanup(freep) char *text = mem_fmt("%s%s%s/%s%s%s", json_str_or(p, "resource", ""),
                                        *group != '\0' ? "." : "", group, ns,
                                        *ns != '\0' ? "/" : "", json_str_or(p, "name", ""));

    (void)c;
    table_put_text(v, text);
}

static const struct table_column table_ipaddress_columns[] = {
    TABLE_NAME,
    { .name = "ParentRef", .cell = table_cell_ip_parent },
    TABLE_AGE,
};

static void table_cell_cidrs(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY };
    const json_t *cidr;
    size_t i;

    json_array_foreach (json_at(v->tree, c->path), i, cidr)
        table_list_add(&list, json_is_string(cidr) ? json_string_value(cidr) : "");
    table_list_put(v, &list, "");
}

static const struct table_column table_servicecidr_columns[] = {
    TABLE_NAME,
    { .name = "CIDRs", .cell = table_cell_cidrs, .path = "spec.cidrs" },
    TABLE_AGE,
};

const struct table_kind table_kinds_network[] = {
    TABLE_KIND("endpointslices.discovery.k8s.io", table_slice_columns),
    TABLE_KIND("ingresses.networking.k8s.io", table_ingress_columns),
    TABLE_KIND("ingressclasses.networking.k8s.io", table_ingressclass_columns),
    TABLE_KIND("networkpolicies.networking.k8s.io", table_networkpolicy_columns),
    TABLE_KIND("ipaddresses.networking.k8s.io", table_ipaddress_columns),
    TABLE_KIND("servicecidrs.networking.k8s.io", table_servicecidr_columns),
    { .bucket = NULL },
};
