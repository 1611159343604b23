#include "net/entry_table_build.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/entry_group.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under construction: the table, and what only its making needs. */
struct entry_build {
    struct entry_table *t;
    const struct entry_facts *facts;
    struct map *endpoints; /* "ip:port" to index + 1 */
    struct map *backends;  /* name to entry_backend */
    struct text numbers;   /* endpoint indexes of the backend being made */
    struct text list;      /* all endpoints so far */
    struct text warnings;
};

/* --- backends --- */

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

/* Always a backend: one of a Service that is not there has no endpoints. */
static const struct entry_backend *entry_build_backend(struct entry_build *b, const char *ns,
                                                       const struct entry_target *target)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, target->service);
    cleanup(freep) char *name = target->port[0] != '\0' ? mem_fmt("%s:%s", key, target->port)
                                                        : mem_fmt("%s:%u", key, target->number);
    struct entry_backend *backend = map_get(b->backends, name);
    const struct list *slices = entry_facts_slices(b->facts, ns, target->service);
    const struct entry_port *port;

    if (backend != NULL)
        return backend;
    port = entry_build_port(map_get(b->facts->services, key), target);
    text_clear(&b->numbers);
    if (port != NULL)
        entry_build_endpoints(b, slices, port->name, false);
    if (port != NULL && b->numbers.len == 0)
        entry_build_endpoints(b, slices, port->name, true);
    backend = entry_arena_get(&b->t->arena, sizeof(*backend));
    backend->name = entry_arena_str(&b->t->arena, name);
    backend->index = b->t->n_backends++;
    backend->n_endpoints = (unsigned)(b->numbers.len / sizeof(unsigned));
    backend->endpoints = (const unsigned *)(const void *)entry_arena_strn(
        &b->t->arena, text_str(&b->numbers), b->numbers.len);
    map_put(b->backends, name, backend);
    return backend;
}

/* --- routes --- */

static const struct entry_who *entry_build_who(struct entry_build *b, const struct entry_who *who)
{
    struct entry_who *copy = entry_arena_get(&b->t->arena, sizeof(*copy));

    copy->ns = entry_arena_str(&b->t->arena, who->ns);
    copy->name = entry_arena_str(&b->t->arena, who->name);
    copy->uid = entry_arena_str(&b->t->arena, who->uid);
    copy->created = entry_arena_str(&b->t->arena, who->created);
    return copy;
}

struct entry_build_ingress { /* the one being added */
    const struct entry_ingress *facts;
    const struct entry_who *who;
    const struct entry_policy *policy;
};

static const struct entry_route *entry_build_route(struct entry_build *b,
                                                   const struct entry_build_ingress *i,
                                                   const struct entry_target *target)
{
    struct entry_route *route = entry_arena_get(&b->t->arena, sizeof(*route));

    route->ingress = i->who;
    route->policy = i->policy;
    route->backend = entry_build_backend(b, i->who->ns, target);
    return route;
}

static struct entry_host *entry_build_host(struct entry_build *b, const char *name)
{
    struct entry_host *host = map_get(b->t->hosts, name);

    if (host == NULL) {
        host = entry_arena_get(&b->t->arena, sizeof(*host));
        host->name = entry_arena_str(&b->t->arena, name);
        host->index = (unsigned)map_len(b->t->hosts);
        map_put(b->t->hosts, name, host);
    }
    return host;
}

/* @message is consumed. */
static void entry_build_complain(struct entry_build *b, struct entry_warning *w, char *message)
{
    w->message = entry_arena_str(&b->t->arena, message);
    text_add(&b->warnings, w, sizeof(*w));
    free(message);
}

static void entry_build_warn(struct entry_build *b, const struct entry_who *who, const char *reason,
                             char *message)
{
    struct entry_warning w = { .ingress = who, .reason = reason };

    entry_build_complain(b, &w, message);
}

static void entry_build_path(struct entry_build *b, const struct entry_build_ingress *i,
                             const struct entry_host *host, const struct entry_path *p)
{
    uint64_t hash = entry_hash_begin(host, p->type);
    size_t len = strlen(p->path);
    struct entry_slot *s;

    /* Prefixes match by element: a slash at the end says nothing more. */
    while (p->type == ENTRY_PATH_PREFIX && len > 0 && p->path[len - 1] == '/')
        len--;
    for (size_t at = 0; at < len; at++)
        hash = entry_hash_add(hash, p->path[at]);
    s = entry_table_slot(b->t, hash, host, p->type, p->path, len);
    if (s->route != NULL) {
        if (s->route->ingress != i->who)
            entry_build_warn(b, i->who, "DuplicatePath",
                             mem_fmt("host \"%s\" and path \"%s\" are already claimed by Ingress "
                                     "%s/%s, which keeps them",
                                     host->name, p->path, s->route->ingress->ns,
                                     s->route->ingress->name));
        return;
    }
    s->hash = hash;
    s->host = host;
    s->type = p->type;
    s->path = entry_arena_strn(&b->t->arena, p->path, len);
    s->len = len;
    s->route = entry_build_route(b, i, &p->target);
}

/* A default backend answers for the hosts of its Ingress, and for all others when its Ingress
 * names none. */
static void entry_build_fallback(struct entry_build *b, const struct entry_build_ingress *i)
{
    const struct entry_ingress *in = i->facts;
    const struct entry_route *route;

    if (in->fallback.service[0] == '\0')
        return;
    route = entry_build_route(b, i, &in->fallback);
    if (in->n_rules == 0 && b->t->fallback == NULL)
        b->t->fallback = route;
    for (size_t r = 0; r < in->n_rules; r++) {
        struct entry_host *host = entry_build_host(b, in->rules[r].host);

        if (host->fallback == NULL)
            host->fallback = route;
    }
}

static void entry_build_add(struct entry_build *b, const struct entry_ingress *in)
{
    struct entry_policy *policy = entry_arena_get(&b->t->arena, sizeof(*policy));
    struct entry_build_ingress i = { .facts = in,
                                     .who = entry_build_who(b, &in->who),
                                     .policy = policy };

    *policy = in->policy;
    if (in->bad_annotation != NULL)
        entry_build_warn(b, i.who, "InvalidAnnotation",
                         mem_fmt("the value of annotation %s cannot be read and is ignored",
                                 in->bad_annotation));
    for (size_t r = 0; r < in->n_rules; r++) {
        /* A host is claimed even without paths: it answers 404, no other's wildcard does. */
        const struct entry_host *host = entry_build_host(b, in->rules[r].host);

        for (size_t p = 0; p < in->rules[r].n_paths; p++)
            entry_build_path(b, &i, host, &in->rules[r].paths[p]);
    }
    entry_build_fallback(b, &i);
}

static size_t entry_build_count(const struct entry_ingress *const *list)
{
    size_t n = 0;

    for (size_t i = 0; list[i] != NULL; i++)
        for (size_t r = 0; r < list[i]->n_rules; r++)
            n += list[i]->rules[r].n_paths;
    return n;
}

static void entry_build_routes(struct entry_build *b)
{
    const struct entry_ingress **list = entry_facts_claimed(b->facts);
    size_t n = entry_build_count(list);

    b->t->n_slots = 8;
    while (b->t->n_slots < 2 * n)
        b->t->n_slots *= 2;
    b->t->slots = entry_arena_array(&b->t->arena, b->t->n_slots, sizeof(*b->t->slots));
    for (size_t i = 0; list[i] != NULL; i++)
        entry_build_add(b, list[i]);
    free(list);
}

/* --- LoadBalancer Services and TargetGroupBindings --- */

static const struct entry_range *entry_build_sources(struct entry_build *b,
                                                     const struct entry_range *from, size_t n)
{
    struct entry_range *copy = entry_arena_get(&b->t->arena, n * sizeof(*copy));

    if (n > 0)
        memcpy(copy, from, n * sizeof(*copy));
    return copy;
}

static void entry_build_listen(struct entry_build *b, const struct entry_listen *like,
                               const struct entry_port *port)
{
    struct entry_target target = { .service = like->service->name, .number = port->port };
    struct entry_listen *l = &b->t->listens[b->t->n_listens++];

    target.port = "";
    *l = *like;
    l->port = port->port;
    l->is_tcp = port->is_tcp;
    l->protocol = entry_arena_str(&b->t->arena, port->protocol);
    l->backend = entry_build_backend(b, like->service->ns, &target);
}

static void entry_build_balancer(struct entry_build *b, const struct entry_service *s)
{
    struct entry_listen like = {
        .service = entry_build_who(b, &s->who),
        .is_sticky = s->is_sticky,
        .sources = entry_build_sources(b, s->sources, s->n_sources),
        .n_sources = s->n_sources,
    };

    for (size_t p = 0; p < s->n_ports; p++)
        entry_build_listen(b, &like, &s->ports[p]);
}

static void entry_build_group(struct entry_build *b, const struct entry_group *g)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", g->who.ns, g->target.service);
    const struct entry_service *s = map_get(b->facts->services, key);
    struct entry_listen like = { .binding = entry_build_who(b, &g->who) };
    const struct entry_port *port;
    char *why;

    port = entry_group_port(g, s, &why);
    if (port == NULL) {
        struct entry_warning w = { .ingress = like.binding,
                                   .is_binding = true,
                                   .reason = "BackendNotFound" };

        entry_build_complain(b, &w, why);
        return;
    }
    like.service = entry_build_who(b, &s->who);
    like.is_sticky = s->is_sticky;
    like.sources = entry_build_sources(b, g->sources, g->n_sources);
    like.n_sources = g->n_sources;
    entry_build_listen(b, &like, port);
}

/* The oldest first; nothing is left to chance. */
static int entry_build_older(const void *a, const void *b)
{
    const struct entry_listen *x = a, *y = b;
    const struct entry_who *p = x->binding != NULL ? x->binding : x->service;
    const struct entry_who *q = y->binding != NULL ? y->binding : y->service;
    int order = strcmp(p->created, q->created);

    if (order == 0)
        order = strcmp(p->ns, q->ns);
    if (order == 0)
        order = strcmp(p->name, q->name);
    if (order == 0)
        order = (x->binding != NULL) - (y->binding != NULL);
    if (order == 0)
        order = (int)x->port - (int)y->port;
    return order != 0 ? order : strcmp(x->protocol, y->protocol);
}

static void entry_build_listens(struct entry_build *b)
{
    const struct entry_service **list = entry_facts_balancers(b->facts);
    size_t n = map_len(b->facts->groups), it = 0;
    const char *key;
    void *group;

    for (size_t i = 0; list[i] != NULL; i++)
        n += list[i]->n_ports;
    b->t->listens = entry_arena_array(&b->t->arena, n, sizeof(*b->t->listens));
    for (size_t i = 0; list[i] != NULL; i++)
        entry_build_balancer(b, list[i]);
    while (map_each(b->facts->groups, &it, &key, &group))
        entry_build_group(b, group);
    if (b->t->n_listens > 0)
        qsort(b->t->listens, b->t->n_listens, sizeof(*b->t->listens), entry_build_older);
    free(list);
}

static void *entry_build_flat(struct entry_build *b, const struct text *list)
{
    return entry_arena_strn(&b->t->arena, text_str(list), list->len);
}

struct entry_table *entry_table_new(const struct entry_facts *facts)
{
    struct entry_build b = { .facts = facts };

    b.t = MEM_NEW(struct entry_table);
    b.t->refs = 1;
    b.t->hosts = map_new(NULL);
    b.endpoints = map_new(NULL);
    b.backends = map_new(NULL);
    entry_build_routes(&b);
    entry_build_listens(&b);
    b.t->endpoints = entry_build_flat(&b, &b.list);
    b.t->warnings = entry_build_flat(&b, &b.warnings);
    b.t->n_warnings = b.warnings.len / sizeof(struct entry_warning);
    map_free(b.endpoints);
    map_free(b.backends);
    text_fini(&b.numbers);
    text_fini(&b.list);
    text_fini(&b.warnings);
    return b.t;
}
