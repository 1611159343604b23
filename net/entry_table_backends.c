#include "net/entry_table_build.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* ExternalName Services that name each other. */
#define ENTRY_BUILD_MAX_DEPTH 4

static bool entry_build_address(struct entry_address *ret, const char *ip, uint16_t port)
{
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, ip, &ret->at.v4.sin_addr) == 1) {
        ret->at.v4.sin_family = AF_INET;
        ret->at.v4.sin_port = htons(port);
        ret->len = sizeof(ret->at.v4);
        return true;
    }
    if (inet_pton(AF_INET6, ip, &ret->at.v6.sin6_addr) != 1)
        return false;
    ret->at.v6.sin6_family = AF_INET6;
    ret->at.v6.sin6_port = htons(port);
    ret->len = sizeof(ret->at.v6);
    return true;
}

static void entry_build_endpoint(struct entry_build *b, const char *ip, uint16_t port)
{
    struct entry_endpoint e;
    char name[80];
    uintptr_t known;
    unsigned index;

    snprintf(name, sizeof(name), strchr(ip, ':') != NULL ? "[%s]:%u" : "%s:%u", ip, port);
    known = (uintptr_t)map_get(b->endpoints, name);
    if (known == 0 && !entry_build_address(&e.address, ip, port))
        return;
    if (known == 0) {
        e.name = entry_arena_str(&b->t->arena, name);
        text_add(&b->list, &e, sizeof(e));
        known = ++b->t->n_endpoints;
        map_put(b->endpoints, name, (void *)known);
    }
    index = (unsigned)known - 1;
    text_add(&b->numbers, &index, sizeof(index));
}

/* Endpoints of all slices under the port's name: ready ones, or those that are ending. */
static void entry_build_endpoints(struct entry_build *b, const struct list *slices,
                                  const char *port_name, bool ending)
{
    if (slices == NULL)
        return;
    LIST_EACH (at, slices) {
        const struct entry_slice *s = list_entry(at, struct entry_slice, link);

        for (size_t p = 0; p < s->n_ports; p++)
            for (size_t e = 0; str_eq(s->ports[p].name, port_name) && e < s->n_endpoints; e++)
                if (s->ports[p].is_tcp && s->endpoints[e].is_ending == ending)
                    entry_build_endpoint(b, s->endpoints[e].ip, s->ports[p].port);
    }
}

static const struct entry_port *entry_build_port(const struct entry_service *s,
                                                 const struct entry_target *target)
{
    for (size_t i = 0; s != NULL && i < s->n_ports; i++) {
        const struct entry_port *p = &s->ports[i];

        if (p->is_tcp &&
            (target->port[0] != '\0' ? str_eq(p->name, target->port) : p->port == target->number))
            return p;
    }
    return NULL;
}

/* "pay.shop.svc.cluster.local": a Service of this cluster under another name. */
static bool entry_build_is_ours(const char *name, char **ret_ns, char **ret_service)
{
    const char *ns = strchr(name, '.'), *end = ns != NULL ? strchr(ns + 1, '.') : NULL;

    if (end == NULL || strncmp(end, ".svc", 4) != 0 || (end[4] != '\0' && end[4] != '.'))
        return false;
    *ret_service = mem_strn(name, (size_t)(ns - name));
    *ret_ns = mem_strn(ns + 1, (size_t)(end - ns - 1));
    return true;
}

static void entry_build_gather(struct entry_build *b, const char *ns,
                               const struct entry_target *target, unsigned depth);

/* By ingress-nginx' rule: a number is the port itself, a name is looked up in the Service. */
static void entry_build_external(struct entry_build *b, const struct entry_service *s,
                                 const struct entry_target *target, unsigned depth)
{
    const struct entry_port *port = entry_build_port(s, target);
    struct entry_target there = { .port = "",
                                  .number = port != NULL ? port->port : target->number };
    cleanup(freep) char *ns = NULL, *service = NULL;
    const struct entry_resolved *found;

    if (there.number == 0)
        return;
    if (entry_build_is_ours(s->external, &ns, &service)) {
        there.service = service;
        if (depth < ENTRY_BUILD_MAX_DEPTH)
            entry_build_gather(b, ns, &there, depth + 1);
        return;
    }
    text_add(&b->names, &(const char *){ entry_arena_str(&b->t->arena, s->external) },
             sizeof(char *));
    found = b->facts->resolved != NULL ? map_get(b->facts->resolved, s->external) : NULL;
    for (unsigned i = 0; found != NULL && i < found->n; i++)
        entry_build_endpoint(b, found->ips[i], there.number);
}

/* Adds the endpoints behind a target to b->numbers. */
static void entry_build_gather(struct entry_build *b, const char *ns,
                               const struct entry_target *target, unsigned depth)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, target->service);
    const struct list *slices = entry_facts_slices(b->facts, ns, target->service);
    const struct entry_service *s = map_get(b->facts->services, key);
    const struct entry_port *port = entry_build_port(s, target);

    if (s != NULL && s->external[0] != '\0') {
        entry_build_external(b, s, target, depth);
        return;
    }
    if (port != NULL)
        entry_build_endpoints(b, slices, port->name, false);
    if (port != NULL && b->numbers.len == 0)
        entry_build_endpoints(b, slices, port->name, true);
}

const struct entry_backend *entry_build_backend(struct entry_build *b, const char *ns,
                                                const struct entry_target *target)
{
    cleanup(freep) char *name = target->port[0] != '\0'
                                    ? mem_fmt("%s/%s:%s", ns, target->service, target->port)
                                    : mem_fmt("%s/%s:%u", ns, target->service, target->number);
    struct entry_backend *backend = map_get(b->backends, name);

    if (backend != NULL)
        return backend;
    text_clear(&b->numbers);
    entry_build_gather(b, ns, target, 0);
    backend = entry_arena_get(&b->t->arena, sizeof(*backend));
    backend->name = entry_arena_str(&b->t->arena, name);
    backend->index = b->t->n_backends++;
    backend->n_endpoints = (unsigned)(b->numbers.len / sizeof(unsigned));
    backend->endpoints = (const unsigned *)(const void *)entry_arena_strn(
        &b->t->arena, text_str(&b->numbers), b->numbers.len);
    map_put(b->backends, name, backend);
    return backend;
}
