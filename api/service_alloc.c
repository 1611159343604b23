/* What a Service and a Node get from the server: cluster IPs, node ports, a pod CIDR. */
#include "api/registry_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool service_is(const json_t *tree, const char *type)
{
    return str_eq(json_str_or(tree, "spec.type", "ClusterIP"), type);
}

static bool service_wants_ip(const json_t *tree)
{
    return !service_is(tree, "ExternalName");
}

static bool service_may_have_ports(const json_t *tree)
{
    return service_is(tree, "NodePort") || service_is(tree, "LoadBalancer");
}

static bool service_wants_ports(const json_t *tree)
{
    return service_is(tree, "NodePort") ||
           (service_is(tree, "LoadBalancer") &&
            json_bool(tree, "spec.allocateLoadBalancerNodePorts", true));
}

static void service_refuse_ip(struct op *op, const char *ip, const char *why)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    cleanup(json_decrefpp) json_t *value = json_pack("[s]", ip);

    field_invalid(&errors, "spec.clusterIPs", value, "failed to allocate IP %s: %s", ip, why);
    op_refuse(op,
              status_invalid(op->resource, json_str_or(op->tree, "metadata.name", ""), &errors));
    field_errors_fini(&errors);
}

static void service_take_ip(struct op *op, uint32_t ip)
{
    assert(op->n_ips == 0);
    op->taken_ip = ip;
    op->n_ips = 1;
}

static void service_set_ip(json_t *tree, const char *ip)
{
    /* @ip may be the very string that the second line replaces. */
    json_put(tree, "spec.clusterIPs", json_pack("[s]", ip));
    json_put_str(tree, "spec.clusterIP", ip);
    if (json_at(tree, "spec.ipFamilies") == NULL)
        json_put(tree, "spec.ipFamilies", json_pack("[s]", "IPv4"));
    if (json_at(tree, "spec.ipFamilyPolicy") == NULL)
        json_put_str(tree, "spec.ipFamilyPolicy", "SingleStack");
}

/* One family, IPv4: to accept more would promise what nobody keeps. */
static void service_check_families(struct op *op)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    json_t *policy = json_at(op->tree, "spec.ipFamilyPolicy");
    json_t *ips = json_at(op->tree, "spec.clusterIPs");
    size_t i;
    json_t *family;

    if (str_eq(json_string_value(policy), "RequireDualStack"))
        field_invalid(&errors, "spec.ipFamilyPolicy", policy,
                      "this cluster is not configured for dual-stack services");
    json_array_foreach (json_at(op->tree, "spec.ipFamilies"), i, family) {
        char path[64];

        snprintf(path, sizeof(path), "spec.ipFamilies[%zu]", i);
        if (!str_eq(json_string_value(family), "IPv4"))
            field_invalid(&errors, path, family, "not configured on this cluster");
    }
    if (json_array_size(ips) > 1)
        field_invalid(&errors, "spec.clusterIPs", ips,
                      "may only hold one address: this cluster has one address family");
    if (errors.n > 0)
        op_refuse(
            op, status_invalid(op->resource, json_str_or(op->tree, "metadata.name", ""), &errors));
    field_errors_fini(&errors);
}

static void service_give_ip(struct op *op)
{
    struct registry *r = op->r;
    const char *wanted = json_str_or(op->tree, "spec.clusterIP", "");
    char text[ALLOC_IP_MAX];
    uint32_t ip;

    if (str_eq(wanted, "None")) {
        service_set_ip(op->tree, "None");
        return;
    }
    if (wanted[0] == '\0') {
        if (!alloc_any(r->ips, r->opts.random(r->opts.arg), &ip)) {
            op_refuse(op, status_failure(ERR_INTERNAL, "failed to allocate a serviceIP: "
                                                       "range is full"));
            return;
        }
        service_take_ip(op, ip);
        alloc_ip_print(text, ip);
        service_set_ip(op->tree, text);
        return;
    }
    if (!alloc_ip_parse(wanted, &ip) || !alloc_holds(r->ips, ip)) {
        cleanup(freep) char *why = mem_fmt("the provided network does not match the current range");

        service_refuse_ip(op, wanted, why);
    } else if (!alloc_take(r->ips, ip)) {
        service_refuse_ip(op, wanted, "provided IP is already allocated");
    } else {
        service_take_ip(op, ip);
        service_set_ip(op->tree, wanted);
    }
}

static bool service_port_known(const json_t *old, int64_t port)
{
    size_t i;
    json_t *p;

    json_array_foreach (json_at(old, "spec.ports"), i, p)
        if (json_int(p, "nodePort", 0) == port)
            return true;
    return false;
}

static void service_refuse_port(struct op *op, size_t index, int64_t port, const char *why)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    cleanup(json_decrefpp) json_t *value = json_integer(port);
    char path[64];

    snprintf(path, sizeof(path), "spec.ports[%zu].nodePort", index);
    field_invalid(&errors, path, value, "%s", why);
    op_refuse(op,
              status_invalid(op->resource, json_str_or(op->tree, "metadata.name", ""), &errors));
    field_errors_fini(&errors);
}

/* One number may serve TCP and UDP of the same Service, as in Kubernetes. */
static bool service_port_is_ours(const struct op *op, uint32_t port)
{
    for (unsigned i = 0; i < op->n_ports; i++)
        if (op->taken_ports[i] == port)
            return true;
    return service_port_known(op->old_tree, port);
}

static void service_give_port(struct op *op, size_t index, json_t *port)
{
    struct registry *r = op->r;
    int64_t wanted = json_int(port, "nodePort", 0);
    uint32_t got = (uint32_t)wanted;
    cleanup(freep) char *why = NULL;

    if (wanted != 0 && service_port_is_ours(op, got))
        return;
    if (wanted == 0 && !service_wants_ports(op->tree))
        return;
    if (op->n_ports == N_ELEMENTS(op->taken_ports)) {
        service_refuse_port(op, index, wanted, "too many node ports in one Service");
    } else if (wanted == 0 && !alloc_any(r->ports, r->opts.random(r->opts.arg), &got)) {
        op_refuse(op, status_failure(ERR_INTERNAL, "failed to allocate a nodePort: range is full"));
    } else if (wanted != 0 && !alloc_holds(r->ports, got)) {
        why = mem_fmt("provided port is not in the valid range. The range of valid ports is %u-%u",
                      r->opts.node_port_min, r->opts.node_port_max);
        service_refuse_port(op, index, wanted, why);
    } else if (wanted != 0 && !alloc_take(r->ports, got)) {
        service_refuse_port(op, index, wanted, "provided port is already allocated");
    } else {
        op->taken_ports[op->n_ports++] = got;
        json_put_int(port, "nodePort", got);
    }
}

static void service_give_ports(struct op *op)
{
    size_t i;
    json_t *port;

    json_array_foreach (json_at(op->tree, "spec.ports"), i, port)
        if (op_ok(op))
            service_give_port(op, i, port);
}

void service_alloc_create(struct op *op)
{
    if (!str_eq(op->resource->bucket, "services"))
        return;
    if (service_wants_ip(op->tree))
        service_check_families(op);
    if (op_ok(op) && service_wants_ip(op->tree))
        service_give_ip(op);
    if (op_ok(op) && service_may_have_ports(op->tree))
        service_give_ports(op);
}

/* --- what an update leaves unsaid --- */

static json_t *service_same_port(const json_t *old, const json_t *port)
{
    size_t i;
    json_t *q;

    json_array_foreach (json_at(old, "spec.ports"), i, q)
        if (json_int(port, "port", 0) == json_int(q, "port", -1) &&
            str_eq(json_str_or(port, "protocol", "TCP"), json_str_or(q, "protocol", "TCP")))
            return q;
    return NULL;
}

/* A known port's number, left out, means "as it is"; a number that stays from a type that
 * had some is dropped with the type. */
static void service_keep_ports(json_t *tree, const json_t *old)
{
    bool may = service_may_have_ports(tree), wants = service_wants_ports(tree);
    size_t i;
    json_t *port;

    if (!service_may_have_ports(old))
        return;
    json_array_foreach (json_at(tree, "spec.ports"), i, port) {
        int64_t known = json_int(service_same_port(old, port), "nodePort", 0);
        int64_t said = json_int(port, "nodePort", 0);

        if (wants && said == 0 && known != 0 && !service_port_known(tree, known))
            json_put_int(port, "nodePort", known);
        else if (!may && said != 0 && service_port_known(old, said))
            json_object_del(port, "nodePort");
    }
}

static void service_keep_ip(json_t *tree, const json_t *old)
{
    const char *ip = json_str_or(tree, "spec.clusterIP", "");
    json_t *ips = json_at(tree, "spec.clusterIPs");
    const char *was = json_str_or(old, "spec.clusterIP", "");

    if (ip[0] == '\0' && json_array_size(ips) > 0)
        json_put_str(tree, "spec.clusterIP", json_string_value(json_array_get(ips, 0)));
    else if (ip[0] == '\0' && was[0] != '\0')
        json_put_str(tree, "spec.clusterIP", was);
    ip = json_str_or(tree, "spec.clusterIP", "");
    /* Whoever changes the one means the other too. */
    if (ip[0] != '\0' &&
        (json_array_size(ips) == 0 || json_equal(ips, json_at(old, "spec.clusterIPs"))))
        json_put(tree, "spec.clusterIPs", json_pack("[s]", ip));
}

static bool service_is_exposed(const json_t *tree)
{
    return service_may_have_ports(tree) || json_array_size(json_at(tree, "spec.externalIPs")) > 0;
}

static bool service_is_balanced(const json_t *tree)
{
    return service_is(tree, "LoadBalancer");
}

/* Fields that go with the type that needed them, unless the writer changed them too. */
static const struct service_typed {
    const char *path;
    bool (*needs)(const json_t *tree);
} service_typed[] = {
    { "spec.clusterIP", service_wants_ip },
    { "spec.clusterIPs", service_wants_ip },
    { "spec.ipFamilies", service_wants_ip },
    { "spec.ipFamilyPolicy", service_wants_ip },
    { "spec.externalTrafficPolicy", service_is_exposed },
    { "spec.allocateLoadBalancerNodePorts", service_is_balanced },
    { "spec.loadBalancerClass", service_is_balanced },
};

static void service_drop_typed(json_t *tree, const json_t *old)
{
    for (size_t i = 0; i < N_ELEMENTS(service_typed); i++) {
        const struct service_typed *t = &service_typed[i];

        if (t->needs(old) && !t->needs(tree) &&
            json_equal(json_at(tree, t->path), json_at(old, t->path)))
            json_del(tree, t->path);
    }
}

void service_alloc_keep(struct op *op)
{
    if (!str_eq(op->resource->bucket, "services") || op->sub[0] != '\0')
        return;
    if (op->old_tree != NULL) {
        service_keep_ports(op->tree, op->old_tree);
        service_drop_typed(op->tree, op->old_tree);
    }
    if (service_wants_ip(op->tree))
        service_keep_ip(op->tree, op->old_tree);
}

void service_alloc_update(struct op *op)
{
    if (!str_eq(op->resource->bucket, "services") || op->sub[0] != '\0')
        return;
    if (service_wants_ip(op->tree))
        service_check_families(op);
    if (op_ok(op) && service_wants_ip(op->tree) &&
        str_empty(json_str(op->old_tree, "spec.clusterIP")))
        service_give_ip(op);
    if (op_ok(op) && service_may_have_ports(op->tree))
        service_give_ports(op);
}

/* --- nodes --- */

static bool node_cidr_index(const struct registry *r, const char *cidr, uint32_t *ret)
{
    struct err err = ERR_EMPTY;
    uint32_t first;
    unsigned bits;

    if (str_empty(cidr) || alloc_cidr(&first, &bits, cidr, &err) < 0 || bits != 24)
        return false;
    *ret = (first - r->pod_first) >> 8;
    return alloc_holds(r->cidrs, *ret);
}

void node_alloc_create(struct op *op)
{
    struct registry *r = op->r;
    char ip[ALLOC_IP_MAX], cidr[ALLOC_IP_MAX + 4];
    const char *wanted = json_str(op->tree, "spec.podCIDR");
    uint32_t index;

    if (!str_eq(op->resource->bucket, "nodes"))
        return;
    if (node_cidr_index(r, wanted, &index) && alloc_take(r->cidrs, index)) {
        op->taken_cidr = index;
        op->n_cidrs = 1;
        return;
    }
    if (!alloc_any(r->cidrs, 0, &index)) {
        op_refuse(op, status_forbidden(op->resource, json_str_or(op->tree, "metadata.name", ""),
                                       "no pod CIDR is left: the cluster is full"));
        return;
    }
    op->taken_cidr = index;
    op->n_cidrs = 1;
    alloc_ip_print(ip, r->pod_first + (index << 8));
    snprintf(cidr, sizeof(cidr), "%s/24", ip);
    json_put_str(op->tree, "spec.podCIDR", cidr);
    json_put(op->tree, "spec.podCIDRs", json_pack("[s]", cidr));
}

/* --- settling: once the write is answered, numbers are kept or given back --- */

static void op_give_taken(struct op *op)
{
    struct registry *r = op->r;

    if (op->n_ips > 0)
        alloc_give(r->ips, op->taken_ip);
    for (unsigned i = 0; i < op->n_ports; i++)
        alloc_give(r->ports, op->taken_ports[i]);
    if (op->n_cidrs > 0)
        alloc_give(r->cidrs, op->taken_cidr);
}

/* Numbers of service @tree that @now (NULL = nothing) no longer holds. */
static void service_give_back(struct registry *r, const json_t *tree, const json_t *now)
{
    const char *ip_text = json_str_or(tree, "spec.clusterIP", "");
    uint32_t ip;
    size_t i;
    json_t *p;

    if (alloc_ip_parse(ip_text, &ip) && !str_eq(json_str(now, "spec.clusterIP"), ip_text))
        alloc_give(r->ips, ip);
    json_array_foreach (json_at(tree, "spec.ports"), i, p) {
        int64_t port = json_int(p, "nodePort", 0);

        if (port != 0 && !service_port_known(now, port))
            alloc_give(r->ports, (uint32_t)port);
    }
}

void op_alloc_settle(struct op *op, bool ok)
{
    const json_t *now = op->gone ? NULL : op->tree;
    uint32_t index;

    if (!ok) {
        op_give_taken(op);
    } else if (str_eq(op->resource->bucket, "services") && op->old_tree != NULL &&
               op->tree != NULL) {
        service_give_back(op->r, op->old_tree, now);
        service_give_back(op->r, op->tree, now);
    } else if (str_eq(op->resource->bucket, "nodes") && op->gone) {
        if (node_cidr_index(op->r, json_str(op->old_tree, "spec.podCIDR"), &index))
            alloc_give(op->r->cidrs, index);
    }
}

/* --- start --- */

static void service_load_one(struct registry *r, const json_t *tree)
{
    size_t i;
    json_t *p;
    uint32_t ip;

    if (alloc_ip_parse(json_str_or(tree, "spec.clusterIP", ""), &ip))
        alloc_take(r->ips, ip);
    json_array_foreach (json_at(tree, "spec.ports"), i, p)
        alloc_take(r->ports, (uint32_t)json_int(p, "nodePort", 0));
}

void service_alloc_load(struct registry *r)
{
    struct store_iter it;
    const struct object *o;
    uint32_t index;

    store_iter_init(&it, r->store, "services", NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = object_tree(o);

        service_load_one(r, tree);
    }
    store_iter_init(&it, r->store, "nodes", NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = object_tree(o);

        if (node_cidr_index(r, json_str(tree, "spec.podCIDR"), &index))
            alloc_take(r->cidrs, index);
    }
}
