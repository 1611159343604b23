#include "net/dns_zone.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct dns_zone {
    char *domain;      /* owned */
    struct map *names; /* name -> struct dns_name, owned */
};

static void dns_name_free(void *value)
{
    struct dns_name *name = value;

    for (size_t i = 0; i < name->n; i++)
        free(name->records[i].data);
    free(name->records);
    free(name);
}

/* Names above @name exist too, without data: they get "no data", not "no such name". */
static struct dns_name *dns_zone_name(struct dns_zone *z, const char *name)
{
    struct dns_name *n = map_get(z->names, name);
    const char *dot = strchr(name, '.');

    if (n != NULL)
        return n;
    n = MEM_NEW(struct dns_name);
    map_put(z->names, name, n);
    if (dot != NULL && str_ends(dot + 1, z->domain) && strlen(dot + 1) > strlen(z->domain))
        dns_zone_name(z, dot + 1);
    return n;
}

static void dns_zone_add(struct dns_zone *z, const char *name, enum dns_record_type type,
                         const char *data)
{
    struct dns_name *n = dns_zone_name(z, name);

    for (size_t i = 0; i < n->n; i++)
        if (n->records[i].type == type && str_eq(n->records[i].data, data))
            return;
    n->records = mem_grow(n->records, n->n + 1, sizeof(*n->records));
    n->records[n->n++] = (struct dns_record){ .type = type, .data = mem_str(data) };
}

static void dns_zone_add_ptr(struct dns_zone *z, const char *ip, const char *target)
{
    unsigned a, b, c, d;
    char name[64];
    cleanup(freep) char *data = mem_fmt("%s.", target);

    if (sscanf(ip, "%u.%u.%u.%u", &a, &b, &c, &d) != 4)
        return;
    snprintf(name, sizeof(name), "%u.%u.%u.%u.in-addr.arpa", d & 255, c & 255, b & 255, a & 255);
    dns_zone_add(z, name, DNS_PTR, data);
}

static void dns_zone_add_srv(struct dns_zone *z, const char *service, const json_t *port,
                             const char *target, int64_t number)
{
    const char *protocol = json_str_or(port, "protocol", "TCP");
    cleanup(freep) char *name = NULL;
    cleanup(freep) char *data = mem_fmt("0 100 %lld %s.", (long long)number, target);

    if (str_empty(json_str(port, "name")))
        return;
    name = mem_fmt("_%s._%s.%s", json_str(port, "name"),
                   str_eq(protocol, "UDP")    ? "udp"
                   : str_eq(protocol, "SCTP") ? "sctp"
                                              : "tcp",
                   service);
    dns_zone_add(z, name, DNS_SRV, data);
}

/* --- headless --- */

/* The endpoint's own name below the Service: its hostname, else its address with dashes. */
static char *dns_endpoint_name(const json_t *endpoint, const char *ip, const char *service)
{
    const char *hostname = json_str(endpoint, "hostname");
    char *name;

    if (hostname != NULL)
        return mem_fmt("%s.%s", hostname, service);
    name = mem_fmt("%s.%s", ip, service);
    for (char *s = name; s < name + strlen(ip); s++)
        if (*s == '.')
            *s = '-';
    return name;
}

static void dns_add_endpoint(struct dns_zone *z, const char *service, const json_t *slice,
                             const json_t *endpoint)
{
    const char *ip = json_string_value(json_array_get(json_at(endpoint, "addresses"), 0));
    cleanup(freep) char *name = NULL;
    size_t i;
    json_t *port;

    if (ip == NULL || !json_bool(endpoint, "conditions.ready", true))
        return;
    name = dns_endpoint_name(endpoint, ip, service);
    dns_zone_add(z, service, DNS_A, ip);
    dns_zone_add(z, name, DNS_A, ip);
    if (json_str(endpoint, "hostname") != NULL)
        dns_zone_add_ptr(z, ip, name);
    json_array_foreach (json_at(slice, "ports"), i, port)
        dns_zone_add_srv(z, service, port, name, json_int(port, "port", 0));
}

static void dns_add_headless(struct dns_zone *z, const char *service, const json_t *tree,
                             const json_t *slices)
{
    size_t i, j;
    json_t *slice, *endpoint;

    dns_zone_name(z, service);
    json_array_foreach (slices, i, slice) {
        const json_t *labels = json_at(slice, "metadata.labels");

        if (!str_eq(json_string_value(json_object_get(labels, "kubernetes.io/service-name")),
                    json_str(tree, "metadata.name")) ||
            !str_eq(json_str(slice, "metadata.namespace"), json_str(tree, "metadata.namespace")) ||
            !str_eq(json_str_or(slice, "addressType", "IPv4"), "IPv4"))
            continue;
        json_array_foreach (json_at(slice, "endpoints"), j, endpoint)
            dns_add_endpoint(z, service, slice, endpoint);
    }
}

/* --- Services --- */

static void dns_add_cluster_ip(struct dns_zone *z, const char *service, const json_t *tree)
{
    const char *ip = json_str_or(tree, "spec.clusterIP", "");
    size_t i;
    json_t *port;

    if (ip[0] == '\0')
        return;
    dns_zone_add(z, service, DNS_A, ip);
    dns_zone_add_ptr(z, ip, service);
    json_array_foreach (json_at(tree, "spec.ports"), i, port)
        dns_zone_add_srv(z, service, port, service, json_int(port, "port", 0));
}

static void dns_add_service(struct dns_zone *z, const json_t *tree, const json_t *slices)
{
    cleanup(freep) char *service = mem_fmt("%s.%s.svc.%s", json_str_or(tree, "metadata.name", ""),
                                           json_str_or(tree, "metadata.namespace", ""), z->domain);

    if (str_eq(json_str_or(tree, "spec.type", ""), "ExternalName")) {
        const char *external = json_str_or(tree, "spec.externalName", "");
        cleanup(freep) char *target = mem_fmt("%s%s", external, str_ends(external, ".") ? "" : ".");

        dns_zone_add(z, service, DNS_CNAME, target);
    } else if (str_eq(json_str_or(tree, "spec.clusterIP", ""), "None")) {
        dns_add_headless(z, service, tree, slices);
    } else {
        dns_add_cluster_ip(z, service, tree);
    }
}

struct dns_zone *dns_zone_new(const json_t *services, const json_t *slices, const char *domain)
{
    struct dns_zone *z = MEM_NEW(struct dns_zone);
    cleanup(freep) char *version = mem_fmt("dns-version.%s", domain);
    size_t i;
    json_t *service;

    z->domain = mem_str(domain);
    z->names = map_new(dns_name_free);
    dns_zone_name(z, domain);
    dns_zone_add(z, version, DNS_TXT, "\"1.1.0\"");
    json_array_foreach (services, i, service)
        dns_add_service(z, service, slices);
    return z;
}

struct dns_zone *dns_zone_free(struct dns_zone *z)
{
    if (z == NULL)
        return NULL;
    map_free(z->names);
    free(z->domain);
    free(z);
    return NULL;
}

/* --- finding --- */

static bool dns_is_below(const char *name, const char *domain)
{
    size_t n = strlen(name), d = strlen(domain);

    return n == d ? strcmp(name, domain) == 0
                  : n > d && name[n - d - 1] == '.' && strcmp(name + n - d, domain) == 0;
}

/* "10-244-1-7.shop.pod.cluster.local" says its address itself. */
static bool dns_pod_name(const struct dns_zone *z, const char *name, struct dns_name_scratch *ret)
{
    unsigned a, b, c, d;
    int used = 0;
    char label[64];
    cleanup(freep) char *tail = mem_fmt(".pod.%s", z->domain);

    if (!str_ends(name, tail) || sscanf(name, "%u-%u-%u-%u.%n", &a, &b, &c, &d, &used) != 4 ||
        used == 0 || a > 255 || b > 255 || c > 255 || d > 255)
        return false;
    /* sscanf takes blanks, signs and numbers that overflow: the label must be what they print. */
    snprintf(label, sizeof(label), "%u-%u-%u-%u.", a, b, c, d);
    if (!str_starts(name, label))
        return false;
    /* Exactly one label, the namespace, between the address and ".pod". */
    if (strchr(name + used, '.') != name + strlen(name) - strlen(tail))
        return false;
    snprintf(ret->data, sizeof(ret->data), "%u.%u.%u.%u", a, b, c, d);
    ret->record = (struct dns_record){ .type = DNS_A, .data = ret->data };
    ret->name = (struct dns_name){ .records = &ret->record, .n = 1 };
    return true;
}

const struct dns_name *dns_zone_find(const struct dns_zone *z, const char *name,
                                     struct dns_name_scratch *scratch)
{
    const struct dns_name *n = map_get(z->names, name);

    if (n == NULL && dns_pod_name(z, name, scratch))
        return &scratch->name;
    return n;
}

bool dns_zone_holds(const struct dns_zone *z, const char *name)
{
    return dns_is_below(name, z->domain) || map_get(z->names, name) != NULL;
}

const char *dns_zone_domain(const struct dns_zone *z)
{
    return z->domain;
}
