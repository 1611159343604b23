#include "net/entry_table_build.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/entry_group.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

static struct entry_route *entry_build_route(struct entry_build *b, const struct entry_ingress *in,
                                             const struct entry_host *host,
                                             const struct entry_target *target)
{
    struct entry_route *route = entry_arena_get(&b->t->arena, sizeof(*route));

    route->ingress = &in->who;
    route->policy = &in->policy;
    route->host = host;
    route->backend = entry_build_backend(b, in->who.ns, target);
    return route;
}

static struct entry_host *entry_build_host(struct entry_build *b, const char *name)
{
    struct entry_host *host = map_get(b->t->hosts, name);

    if (host == NULL) {
        host = entry_arena_get(&b->t->arena, sizeof(*host));
        host->name = entry_arena_str(&b->t->arena, name);
        host->index = b->n_hosts++;
        map_put(b->t->hosts, name, host);
    }
    return host;
}

static void entry_build_host_add(struct entry_build *b, struct entry_host *host,
                                 struct entry_route *route)
{
    if (host->n_routes == host->room) {
        struct entry_route **before = host->routes;

        host->room = host->room > 0 ? 2 * host->room : 4;
        host->routes = entry_arena_array(&b->t->arena, host->room, sizeof(route));
        if (before != NULL)
            memcpy(host->routes, before, host->n_routes * sizeof(route));
    }
    route->order = host->n_routes;
    host->routes[host->n_routes++] = route;
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

/* Prefixes match by element: a slash at the end says nothing more. */
static size_t entry_build_length(const struct entry_path *p)
{
    size_t len = strlen(p->path);

    while (p->type == ENTRY_PATH_PREFIX && len > 0 && p->path[len - 1] == '/')
        len--;
    return len;
}

static struct entry_slot *entry_build_slot(struct entry_build *b, const struct entry_host *host,
                                           const struct entry_path *p, uint64_t *ret_hash)
{
    uint64_t hash = entry_hash_begin(host, p->type);
    size_t len = entry_build_length(p);

    for (size_t at = 0; at < len; at++)
        hash = entry_hash_add(hash, p->path[at]);
    *ret_hash = hash;
    return entry_table_slot(b->t, hash, host, p->type, p->path, len);
}

/* The same words as ingress-nginx' admission has for it. */
static void entry_build_duplicate(struct entry_build *b, const struct entry_ingress *in,
                                  const struct entry_route *other)
{
    const char *host = other->host->name;

    if (other->ingress != &in->who)
        entry_build_warn(b, &in->who, "DuplicatePath",
                         mem_fmt("host \"%s\" and path \"%s\" is already defined in ingress "
                                 "%s/%s, which keeps it",
                                 host[0] != '\0' ? host : "_", other->path->path,
                                 other->ingress->ns, other->ingress->name));
}

static void entry_build_path(struct entry_build *b, const struct entry_ingress *in,
                             struct entry_host *host, const struct entry_path *p)
{
    uint64_t hash;
    struct entry_slot *s = entry_build_slot(b, host, p, &hash);

    if (s->route != NULL) {
        entry_build_duplicate(b, in, s->route);
        return;
    }
    if (p->target.is_resource) { /* as ingress-nginx: there is no such path */
        entry_build_warn(
            b, &in->who, "UnsupportedBackend",
            mem_fmt("path \"%s\" has a resource backend, which is not supported", p->path));
        return;
    }
    s->hash = hash;
    s->host = host;
    s->type = p->type;
    s->path = p->path;
    s->len = entry_build_length(p);
    s->route = entry_build_route(b, in, host, &p->target);
    s->route->path = p;
    host->begins = host->begins || p->type == ENTRY_PATH_BEGIN;
    entry_build_host_add(b, host, s->route);
}

/* A default backend answers for the hosts of its Ingress, and for all others when its Ingress
 * names none. */
static void entry_build_fallback(struct entry_build *b, const struct entry_ingress *in)
{
    if (in->fallback.service[0] == '\0')
        return;
    if (in->n_rules == 0 && b->t->fallback == NULL)
        b->t->fallback = entry_build_route(b, in, NULL, &in->fallback);
    for (size_t r = 0; r < in->n_rules; r++) {
        struct entry_host *host = entry_build_host(b, in->rules[r].host);

        if (host->fallback == NULL)
            host->fallback = entry_build_route(b, in, host, &in->fallback);
    }
}

static void entry_build_add(struct entry_build *b, const struct entry_ingress *in)
{
    for (const struct entry_note *n = in->policy.notes; n != NULL; n = n->next)
        entry_build_warn(b, &in->who, n->reason, mem_str(n->message));
    for (size_t r = 0; r < in->n_rules && !in->policy.canary.is_on; r++) {
        /* A host is claimed even without paths: it answers 404, no other's wildcard does. */
        struct entry_host *host = entry_build_host(b, in->rules[r].host);

        host->has_tls = host->has_tls || (in->n_tls > 0 && host->name[0] != '\0');
        for (size_t p = 0; p < in->rules[r].n_paths; p++)
            entry_build_path(b, in, host, &in->rules[r].paths[p]);
    }
    if (!in->policy.canary.is_on)
        entry_build_fallback(b, in);
}

/* A canary has no paths of its own: it takes a share of those that it repeats. */
static void entry_build_canary(struct entry_build *b, const struct entry_ingress *in)
{
    for (size_t r = 0; r < in->n_rules; r++) {
        const struct entry_host *host = map_get(b->t->hosts, in->rules[r].host);

        for (size_t p = 0; host != NULL && p < in->rules[r].n_paths; p++) {
            uint64_t hash;
            struct entry_slot *s = entry_build_slot(b, host, &in->rules[r].paths[p], &hash);

            if (s->route != NULL && s->route->canary == NULL)
                s->route->canary = entry_build_route(b, in, host, &in->rules[r].paths[p].target);
        }
    }
}

/* --- other names of hosts --- */

static const struct entry_policy entry_build_moved_policy = { .ssl_redirect_port = "" };

/* "a.example" to "www.a.example" or the other way, unless somebody claims that name. */
static void entry_build_www(struct entry_build *b, const struct entry_ingress *in, const char *host)
{
    cleanup(freep) char *other = str_starts(host, "www.") ? mem_str(host + 4)
                                                          : mem_fmt("www.%s", host);
    struct entry_route *route;
    struct entry_host *h;

    if (host[0] == '\0' || host[0] == '*' || map_get(b->t->hosts, other) != NULL)
        return;
    h = entry_build_host(b, other);
    route = entry_arena_get(&b->t->arena, sizeof(*route));
    route->ingress = &in->who;
    route->policy = &entry_build_moved_policy;
    route->host = h;
    route->moved = entry_arena_str(&b->t->arena, host);
    h->fallback = route;
}

static void entry_build_aliases(struct entry_build *b, const struct entry_ingress *in)
{
    const char *said = in->policy.aliases;
    cleanup(strv_freep) char **list = str_split(said != NULL ? said : "", ',');
    struct entry_host *host = in->n_rules > 0 ? map_get(b->t->hosts, in->rules[0].host) : NULL;

    for (size_t i = 0; host != NULL && list[i] != NULL; i++) {
        char *name = list[i] + strspn(list[i], " ");

        name[strcspn(name, " ")] = '\0';
        for (char *p = name; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        if (name[0] != '\0' && map_get(b->t->hosts, name) == NULL)
            map_put(b->t->hosts, name, host);
    }
}

/* What gives way to all that Ingresses say by themselves. */
static void entry_build_others(struct entry_build *b, const struct entry_ingress *in)
{
    if (in->policy.canary.is_on) {
        entry_build_canary(b, in);
        return;
    }
    entry_build_aliases(b, in);
    for (size_t r = 0; in->policy.www_redirect && r < in->n_rules; r++)
        entry_build_www(b, in, in->rules[r].host);
}

static void entry_build_arrange(struct entry_build *b)
{
    size_t it = 0;
    const char *name;
    void *value;

    while (map_each(b->t->hosts, &it, &name, &value)) {
        struct entry_host *host = value;

        if (host->list != NULL) /* an alias */
            continue;
        entry_paths_arrange(&b->t->arena, host);
        for (unsigned i = 0; host->list != NULL && i < host->n_routes; i++) {
            const struct entry_route *r = host->routes[i];

            if (r->path->broken != NULL)
                entry_build_warn(b, r->ingress, "InvalidPath",
                                 mem_fmt("path \"%s\" is not served, it is no regular "
                                         "expression: %s",
                                         r->path->path, r->path->broken));
        }
    }
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
    size_t n = entry_build_count(list), n_ingresses = 0;

    while (list[n_ingresses] != NULL)
        n_ingresses++;
    b->t->n_slots = 8;
    while (b->t->n_slots < 2 * n)
        b->t->n_slots *= 2;
    b->t->slots = entry_arena_array(&b->t->arena, b->t->n_slots, sizeof(*b->t->slots));
    b->t->ingresses = entry_arena_array(&b->t->arena, n_ingresses + 1, sizeof(*b->t->ingresses));
    for (size_t i = 0; list[i] != NULL; i++) {
        b->t->ingresses[i] = entry_ingress_ref(list[i]);
        entry_build_add(b, list[i]);
    }
    for (size_t i = 0; list[i] != NULL; i++)
        entry_build_others(b, list[i]);
    entry_build_arrange(b);
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
    b.t->names = entry_build_flat(&b, &b.names);
    b.t->n_names = b.names.len / sizeof(char *);
    b.t->warnings = entry_build_flat(&b, &b.warnings);
    b.t->n_warnings = b.warnings.len / sizeof(struct entry_warning);
    map_free(b.endpoints);
    map_free(b.backends);
    text_fini(&b.numbers);
    text_fini(&b.list);
    text_fini(&b.names);
    text_fini(&b.warnings);
    return b.t;
}
