#include "net/service_rules.h"

#include "api/address_range.h"
#include "api/alloc.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define RULES_FROM_POOL "metallb.io/ip-allocated-from-pool" /* see controlplane/balancer_impl.h */
#define RULES_MARK      "0x4d4b0000" /* "came for a node port: answer through this node" */

/* --- choosing endpoints --- */

struct rules_target {
    const char *ip; /* borrowed from the slices */
    int64_t port;
};

struct rules_targets {
    struct rules_target *list; /* owned */
    size_t n;
};

static bool rules_is_ready(const json_t *endpoint)
{
    return json_bool(endpoint, "conditions.ready", true);
}

static bool rules_is_last_resort(const json_t *endpoint)
{
    return json_bool(endpoint, "conditions.serving", false) &&
           json_bool(endpoint, "conditions.terminating", false);
}

/* The slice's port of the Service port's name: 0 if it has none. */
static int64_t rules_slice_port(const json_t *slice, const json_t *port)
{
    size_t i;
    json_t *p;

    json_array_foreach (json_at(slice, "ports"), i, p)
        if (str_eq(json_str_or(p, "name", ""), json_str_or(port, "name", "")) &&
            str_eq(json_str_or(p, "protocol", "TCP"), json_str_or(port, "protocol", "TCP")))
            return json_int(p, "port", 0);
    return 0;
}

static void rules_targets_add(struct rules_targets *t, const char *ip, int64_t port)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->list[i].port == port && str_eq(t->list[i].ip, ip))
            return;
    t->list = mem_grow(t->list, t->n + 1, sizeof(*t->list));
    t->list[t->n++] = (struct rules_target){ .ip = ip, .port = port };
}

/* @local: only endpoints of this node (NULL = all). */
static void rules_collect(struct rules_targets *ret, const json_t *slices, const json_t *port,
                          const char *local, bool (*wanted)(const json_t *))
{
    size_t i, j;
    json_t *slice, *endpoint;
    uint32_t parsed;

    json_array_foreach (slices, i, slice) {
        int64_t number = rules_slice_port(slice, port);

        if (number == 0)
            continue;
        json_array_foreach (json_at(slice, "endpoints"), j, endpoint) {
            const char *ip = json_string_value(json_array_get(json_at(endpoint, "addresses"), 0));

            if (ip != NULL && alloc_ip_parse(ip, &parsed) && wanted(endpoint) &&
                (local == NULL || str_eq(local, json_str(endpoint, "nodeName"))))
                rules_targets_add(ret, ip, number);
        }
    }
}

static void rules_choose(struct rules_targets *ret, const json_t *slices, const json_t *port,
                         const char *local)
{
    rules_collect(ret, slices, port, local, rules_is_ready);
    if (ret->n == 0)
        rules_collect(ret, slices, port, local, rules_is_last_resort);
}

/* --- printing --- */

struct rules_out {
    struct text chains, ips, ports, dead, dead_ports, hairpin;
    struct map *seen;   /* keys that are in a map or set: nft refuses all over one given twice */
    struct map *slices; /* "ns/service" -> JSON array of its slices, owned */
    unsigned n;         /* chains so far */
    const char *node_name;
};

static bool rules_is_new(struct rules_out *out, const char *key)
{
    if (map_get(out->seen, key) != NULL)
        return false;
    map_put(out->seen, key, out);
    return true;
}

static const char *rules_protocol(const json_t *port)
{
    const char *p = json_str_or(port, "protocol", "TCP");

    return str_eq(p, "UDP") ? "udp" : str_eq(p, "SCTP") ? "sctp" : "tcp";
}

static void rules_element(struct text *t, const char *sep, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void rules_element(struct text *t, const char *sep, const char *fmt, ...)
{
    va_list ap;

    if (t->len > 0)
        text_puts(t, sep);
    va_start(ap, fmt);
    text_vfmt(t, fmt, ap);
    va_end(ap);
}

static void rules_hairpin(struct rules_out *out, const struct rules_targets *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (rules_is_new(out, t->list[i].ip))
            rules_element(&out->hairpin, ", ", "%s . %s", t->list[i].ip, t->list[i].ip);
}

/* A chain that sends to one of @t; returns its number. */
static unsigned rules_chain(struct rules_out *out, const json_t *service, const json_t *port,
                            const struct rules_targets *t)
{
    unsigned number = out->n++;
    bool sticky = str_eq(json_str_or(service, "spec.sessionAffinity", "None"), "ClientIP");

    text_fmt(&out->chains, "  chain s%u { # %s/%s:%lld\n    meta l4proto %s dnat ip to ", number,
             json_str_or(service, "metadata.namespace", ""),
             json_str_or(service, "metadata.name", ""), (long long)json_int(port, "port", 0),
             rules_protocol(port));
    if (t->n == 1) {
        text_fmt(&out->chains, "%s:%lld\n  }\n", t->list[0].ip, (long long)t->list[0].port);
    } else {
        text_fmt(&out->chains,
                 sticky ? "jhash ip saddr mod %zu seed 0x4d4b map { "
                        : "numgen random mod %zu map { ",
                 t->n);
        for (size_t i = 0; i < t->n; i++)
            text_fmt(&out->chains, "%s%zu : %s . %lld", i > 0 ? ", " : "", i, t->list[i].ip,
                     (long long)t->list[i].port);
        text_puts(&out->chains, " }\n  }\n");
    }
    rules_hairpin(out, t);
    return number;
}

/* Addresses of a Service that this node translates. @chain NULL: nobody answers there. */
static void rules_addresses(struct rules_out *out, const json_t *port, const json_t *ips,
                            const char *chain)
{
    size_t i;
    json_t *ip;

    json_array_foreach (ips, i, ip) {
        const char *text = json_string_value(ip);
        cleanup(freep) char *key = NULL;
        uint32_t number;

        if (text == NULL || !alloc_ip_parse(text, &number))
            continue;
        key = mem_fmt("%s . %s . %lld", rules_protocol(port), text,
                      (long long)json_int(port, "port", 0));
        if (!rules_is_new(out, key))
            continue; /* another Service was first, by name */
        if (chain != NULL)
            rules_element(&out->ips, ",\n      ", "%s : goto %s", key, chain);
        else
            rules_element(&out->dead, ", ", "%s", key);
    }
}

static void rules_node_port(struct rules_out *out, const json_t *port, const char *chain)
{
    long long number = json_int(port, "nodePort", 0);
    cleanup(freep) char *key = mem_fmt("%s . %lld", rules_protocol(port), number);

    if (number == 0 || !rules_is_new(out, key))
        return;
    if (chain != NULL)
        rules_element(&out->ports, ",\n      ", "%s : goto %s", key, chain);
    else
        rules_element(&out->dead_ports, ", ", "%s", key);
}

/* Addresses from a pool, which a node announces (net/announce.h); the entry's own address is the
 * entry's to serve.  The caller's. */
static json_t *rules_pool_addresses(const json_t *service)
{
    const json_t *notes = json_at(service, "metadata.annotations"), *one;
    json_t *ret = json_array();
    size_t i;

    if (str_eq(json_str(service, "spec.type"), "LoadBalancer") &&
        json_object_get(notes, RULES_FROM_POOL) != NULL)
        json_array_foreach (json_at(service, "status.loadBalancer.ingress"), i, one)
            json_array_append(ret, json_object_get(one, "ip"));
    return ret;
}

/* Is range @at inside another of them, or the same as an earlier one?  nft takes no overlaps. */
static bool rules_range_is_within(const json_t *ranges, size_t at, struct address_range own)
{
    const json_t *other;
    size_t i;

    json_array_foreach (ranges, i, other) {
        struct err err = ERR_EMPTY;
        struct address_range r;

        if (i != at && json_is_string(other) &&
            address_range_parse(&r, json_string_value(other), &err) == 0 && r.first <= own.first &&
            r.last >= own.last && (i < at || r.first != own.first || r.last != own.last))
            return true;
    }
    return false;
}

/* A chain that lets loadBalancerSourceRanges into @chain; others find no port here and are
 * refused by the host.  Just @chain where there are no ranges; the caller's. */
static char *rules_guard(struct rules_out *out, const json_t *service, const char *chain)
{
    const json_t *ranges = json_at(service, "spec.loadBalancerSourceRanges"), *range;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    unsigned number;
    size_t i;

    if (chain == NULL || json_array_size(ranges) == 0)
        return mem_str(chain);
    json_array_foreach (ranges, i, range) {
        struct err err = ERR_EMPTY;
        struct address_range r;

        if (json_is_string(range) && address_range_parse(&r, json_string_value(range), &err) == 0 &&
            !rules_range_is_within(ranges, i, r))
            text_fmt(&t, "%s%s", t.len > 0 ? ", " : "", json_string_value(range));
    }
    number = out->n++;
    /* None could be read: nobody gets in, rather than all. */
    text_fmt(&out->chains, "  chain l%u {\n", number);
    if (t.len > 0)
        text_fmt(&out->chains, "    ip saddr { %s } goto %s\n", text_str(&t), chain);
    text_puts(&out->chains, "  }\n");
    return mem_fmt("l%u", number);
}

/* What comes from outside: external addresses and the node port. */
static void rules_outside(struct rules_out *out, const json_t *service, const json_t *port,
                          const json_t *slices)
{
    bool local = str_eq(json_str_or(service, "spec.externalTrafficPolicy", "Cluster"), "Local");
    const json_t *ips = json_at(service, "spec.externalIPs");
    cleanup(json_decrefpp) json_t *pooled = rules_pool_addresses(service);
    struct rules_targets t = { .list = NULL, .n = 0 };
    cleanup(freep) char *chain = NULL;
    cleanup(freep) char *guard = NULL;

    if (json_int(port, "nodePort", 0) == 0 && json_array_size(ips) + json_array_size(pooled) == 0)
        return;
    rules_choose(&t, slices, port, local ? out->node_name : NULL);
    if (t.n > 0) {
        unsigned number = rules_chain(out, service, port, &t);

        chain = mem_fmt("n%u", number);
        /* Local keeps the client's address; otherwise the answer must come back through us. */
        text_fmt(&out->chains, "  chain %s {\n%s    goto s%u\n  }\n", chain,
                 local ? "" : "    meta mark set meta mark | " RULES_MARK "\n", number);
    }
    guard = json_array_size(pooled) > 0 ? rules_guard(out, service, chain) : NULL;
    rules_addresses(out, port, ips, chain);
    rules_addresses(out, port, pooled, guard);
    rules_node_port(out, port, chain);
    free(t.list);
}

static void rules_service(struct rules_out *out, const json_t *service)
{
    const char *ip = json_str_or(service, "spec.clusterIP", "");
    cleanup(freep) char *key = mem_fmt("%s/%s", json_str_or(service, "metadata.namespace", ""),
                                       json_str_or(service, "metadata.name", ""));
    const json_t *slices = map_get(out->slices, key);
    bool local = str_eq(json_str_or(service, "spec.internalTrafficPolicy", "Cluster"), "Local");
    size_t i;
    json_t *port;

    if (ip[0] == '\0' || str_eq(ip, "None") ||
        str_eq(json_str_or(service, "spec.type", ""), "ExternalName"))
        return;
    json_array_foreach (json_at(service, "spec.ports"), i, port) {
        struct rules_targets t = { .list = NULL, .n = 0 };
        cleanup(freep) char *chain = NULL;

        rules_choose(&t, slices, port, local ? out->node_name : NULL);
        if (t.n > 0)
            chain = mem_fmt("s%u", rules_chain(out, service, port, &t));
        rules_addresses(out, port, json_at(service, "spec.clusterIPs"), chain);
        free(t.list);
        rules_outside(out, service, port, slices);
    }
}

static void rules_decref(void *value)
{
    json_decref(value);
}

/* Each Service's slices, so that many Services do not each look at all slices. */
static struct map *rules_by_service(const json_t *slices)
{
    struct map *ret = map_new(rules_decref);
    size_t i;
    json_t *slice;

    json_array_foreach (slices, i, slice) {
        const json_t *labels = json_at(slice, "metadata.labels");
        const char *name = json_string_value(json_object_get(labels, "kubernetes.io/service-name"));
        cleanup(freep) char *key = NULL;
        json_t *list;

        if (name == NULL || !str_eq(json_str_or(slice, "addressType", "IPv4"), "IPv4"))
            continue;
        key = mem_fmt("%s/%s", json_str_or(slice, "metadata.namespace", ""), name);
        list = map_get(ret, key);
        if (list == NULL)
            map_put(ret, key, list = json_array());
        json_array_append(list, slice);
    }
    return ret;
}

static void rules_print_map(struct text *ret, const char *name, const char *type,
                            const struct text *elements)
{
    text_fmt(ret, "  %s {\n    type %s\n", name, type);
    if (elements->len > 0)
        text_fmt(ret, "    elements = { %s }\n", text_str(elements));
    text_puts(ret, "  }\n");
}

static const char rules_hooks[] =
    "  chain services {\n"
    "    meta l4proto . ip daddr . th dport vmap @ips\n"
    "    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @ports\n"
    "  }\n"
    "  chain prerouting {\n"
    "    type nat hook prerouting priority dstnat; policy accept;\n"
    "    jump services\n"
    "  }\n"
    "  chain output {\n"
    "    type nat hook output priority -100; policy accept;\n"
    "    jump services\n"
    "  }\n"
    "  chain postrouting {\n"
    "    type nat hook postrouting priority srcnat; policy accept;\n"
    "    meta mark & " RULES_MARK " == " RULES_MARK " masquerade\n"
    "    ip saddr . ip daddr @hairpin masquerade\n"
    "  }\n"
    "  chain refuse {\n"
    "    meta l4proto tcp meta l4proto . ip daddr . th dport @dead reject with tcp reset\n"
    "    meta l4proto . ip daddr . th dport @dead reject\n"
    "  }\n"
    "  chain refuse_ports {\n"
    "    meta l4proto tcp meta l4proto . th dport @dead_ports reject with tcp reset\n"
    "    meta l4proto . th dport @dead_ports reject\n"
    "  }\n"
    "  chain input {\n"
    "    type filter hook input priority filter - 10; policy accept;\n"
    "    ct state new jump refuse_ports\n"
    "  }\n"
    "  chain forward {\n"
    "    type filter hook forward priority filter - 10; policy accept;\n"
    "    ct state new jump refuse\n"
    "  }\n"
    "  chain leave {\n"
    "    type filter hook output priority filter - 10; policy accept;\n"
    "    ct state new jump refuse\n"
    "  }\n";

void service_rules_print(struct text *ret, const json_t *services, const json_t *slices,
                         const char *node_name)
{
    struct rules_out out = { .node_name = node_name,
                             .seen = map_new(NULL),
                             .slices = rules_by_service(slices) };
    struct text *const texts[] = { &out.chains, &out.ips,        &out.ports,
                                   &out.dead,   &out.dead_ports, &out.hairpin };
    size_t i;
    json_t *service;

    json_array_foreach (services, i, service)
        rules_service(&out, service);
    /* Made if absent, emptied, filled: one transaction, so no packet sees less than a whole set. */
    text_puts(ret, "table ip mkube_services {}\ndelete table ip mkube_services\n"
                   "table ip mkube_services {\n");
    text_add(ret, text_str(&out.chains), out.chains.len);
    rules_print_map(ret, "map ips", "inet_proto . ipv4_addr . inet_service : verdict", &out.ips);
    rules_print_map(ret, "map ports", "inet_proto . inet_service : verdict", &out.ports);
    rules_print_map(ret, "set dead", "inet_proto . ipv4_addr . inet_service", &out.dead);
    rules_print_map(ret, "set dead_ports", "inet_proto . inet_service", &out.dead_ports);
    rules_print_map(ret, "set hairpin", "ipv4_addr . ipv4_addr", &out.hairpin);
    text_puts(ret, rules_hooks);
    text_puts(ret, "}\n");
    for (i = 0; i < N_ELEMENTS(texts); i++)
        text_fini(texts[i]);
    map_free(out.seen);
    map_free(out.slices);
}
