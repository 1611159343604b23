#include "net/entry_facts.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/entry_group.h"
#include "net/entry_ingress.h"
#include "net/entry_parts.h"

#include <string.h>

/* Beyond these, what a slice says is left out: a client cannot make the entry grow for ever. */
#define ENTRY_FACTS_MAX_ENDPOINTS 1000

/* A Service that has its address from a pool (controlplane/balancer.c). */
#define ENTRY_FACTS_FROM_POOL "metallb.io/ip-allocated-from-pool"

/* Whose Ingresses are ours: by the controller of their IngressClass, or by its name. */
static const struct entry_facts_claim {
    const char *word;
    bool is_alb;
} entry_facts_names[] = { { "", false },
                          { "none", false },
                          { "mkube", false },
                          { "nginx", false },
                          { "alb", true } },
  entry_facts_controllers[] = { { "mkube.io/entry", false },
                                { "k8s.io/ingress-nginx", false },
                                { "ingress.k8s.aws/alb", true } };

/* Classes of balancers that the entry stands for: its own, and AWS' network load balancers. */
static const char *const entry_facts_balancer_classes[] = { "mkube.io/entry", "service.k8s.aws/nlb",
                                                            "eks.amazonaws.com/nlb" };

static bool entry_facts_is_balancer_class(const char *class)
{
    for (size_t i = 0; i < N_ELEMENTS(entry_facts_balancer_classes); i++)
        if (str_eq(entry_facts_balancer_classes[i], class))
            return true;
    return false;
}

static const struct entry_facts_claim *entry_facts_listed(const struct entry_facts_claim *list,
                                                          size_t n, const char *word)
{
    for (size_t i = 0; word != NULL && i < n; i++)
        if (str_eq(list[i].word, word))
            return &list[i];
    return NULL;
}

/* NULL: somebody else's. */
static const struct entry_facts_claim *entry_facts_claim(const struct entry_facts *f,
                                                         const char *class)
{
    const struct entry_facts_claim *c = entry_facts_listed(
        entry_facts_controllers, N_ELEMENTS(entry_facts_controllers), map_get(f->classes, class));

    return c != NULL ? c
                     : entry_facts_listed(entry_facts_names, N_ELEMENTS(entry_facts_names), class);
}

bool entry_facts_is_alb(const struct entry_facts *f, const char *class)
{
    const struct entry_facts_claim *c = entry_facts_claim(f, class);

    return c != NULL && c->is_alb;
}

static void entry_facts_ingress_free(void *value)
{
    entry_ingress_unref(value);
}

/* --- Service --- */

static void entry_facts_service_free(void *value)
{
    struct entry_service *s = value;

    entry_arena_fini(&s->arena);
    free(s);
}

/* One that cannot be read lets nobody in (all bits of an impossible family). */
static void entry_facts_sources(struct entry_service *s, const json_t *list)
{
    const json_t *cidr;
    size_t i;

    s->sources = entry_arena_array(&s->arena, json_array_size(list), sizeof(*s->sources));
    json_array_foreach (list, i, cidr) {
        struct entry_range *r = &s->sources[s->n_sources++];

        if (!json_is_string(cidr) || !entry_range_parse(r, json_string_value(cidr)))
            r->family = AF_UNSPEC;
    }
}

static struct entry_service *entry_facts_read_service(const json_t *tree)
{
    struct entry_service *s = MEM_NEW(struct entry_service);
    const char *class = json_str_or(tree, "spec.loadBalancerClass", "");

    entry_part_who(&s->who, &s->arena, tree);
    s->published = entry_part_published(&s->arena, tree);
    s->is_sticky = str_eq(json_str(tree, "spec.sessionAffinity"), "ClientIP");
    if (str_eq(json_str(tree, "spec.type"), "ExternalName"))
        s->external = entry_part_lower(&s->arena, json_str_or(tree, "spec.externalName", ""));
    else
        s->external = "";
    entry_facts_sources(s, json_at(tree, "spec.loadBalancerSourceRanges"));
    s->is_pinned = entry_facts_is_balancer_class(class);
    s->is_balancer = str_eq(json_str(tree, "spec.type"), "LoadBalancer") &&
                     (class[0] == '\0' || s->is_pinned) &&
                     json_object_get(json_at(tree, "metadata.annotations"),
                                     ENTRY_FACTS_FROM_POOL) == NULL;
    entry_part_ports(&s->ports, &s->n_ports, &s->arena, json_at(tree, "spec.ports"));
    return s;
}

/* --- EndpointSlice --- */

static void entry_facts_slice_free(void *value)
{
    struct entry_slice *s = value;

    list_del(&s->link);
    entry_arena_fini(&s->arena);
    free(s);
}

/* Absent conditions count as ready (EndpointConditions in the API reference). */
static void entry_facts_endpoint(struct entry_slice *s, const json_t *endpoint)
{
    const char *ip = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
    bool ready = json_bool(endpoint, "conditions.ready", true);
    bool ending = !ready && json_bool(endpoint, "conditions.serving", false) &&
                  json_bool(endpoint, "conditions.terminating", false);

    if (ip == NULL || (!ready && !ending) || s->n_endpoints == ENTRY_FACTS_MAX_ENDPOINTS)
        return;
    s->endpoints[s->n_endpoints].ip = entry_arena_str(&s->arena, ip);
    s->endpoints[s->n_endpoints++].is_ending = ending;
}

static struct entry_slice *entry_facts_read_slice(const json_t *tree)
{
    struct entry_slice *s = MEM_NEW(struct entry_slice);
    const json_t *labels = json_at(tree, "metadata.labels");
    const json_t *service = json_object_get(labels, "kubernetes.io/service-name");
    const json_t *endpoints = json_object_get(tree, "endpoints");
    const json_t *endpoint;
    size_t i;

    list_init(&s->link);
    s->ns = entry_part_str(&s->arena, tree, "metadata.namespace");
    s->service = entry_arena_str(&s->arena, json_string_value(service));
    entry_part_ports(&s->ports, &s->n_ports, &s->arena, json_object_get(tree, "ports"));
    s->endpoints = entry_arena_array(&s->arena, json_array_size(endpoints), sizeof(*s->endpoints));
    /* Names (FQDN) are nothing to connect to. */
    if (!str_eq(json_str(tree, "addressType"), "FQDN"))
        json_array_foreach (endpoints, i, endpoint)
            entry_facts_endpoint(s, endpoint);
    return s;
}

/* --- the whole --- */

void entry_facts_init(struct entry_facts *f)
{
    f->resolved = NULL;
    f->ingresses = map_new(entry_facts_ingress_free);
    f->services = map_new(entry_facts_service_free);
    f->slices = map_new(entry_facts_slice_free);
    f->classes = map_new(free);
    f->by_service = map_new(free);
    f->groups = map_new(entry_group_free);
    f->pools = map_new(NULL);
}

void entry_facts_fini(struct entry_facts *f)
{
    f->ingresses = map_free(f->ingresses);
    f->services = map_free(f->services);
    f->slices = map_free(f->slices);
    f->classes = map_free(f->classes);
    f->by_service = map_free(f->by_service);
    f->groups = map_free(f->groups);
    f->pools = map_free(f->pools);
}

static char *entry_facts_key(const char *ns, const char *name)
{
    return mem_fmt("%s/%s", ns, name);
}

static void entry_facts_put(struct map *m, const char *ns, const char *name, void *value)
{
    cleanup(freep) char *key = entry_facts_key(ns, name);

    if (value != NULL)
        map_put(m, key, value);
    else
        map_del(m, key);
}

void entry_facts_ingress(struct entry_facts *f, const char *ns, const char *name,
                         const json_t *tree)
{
    entry_facts_put(f->ingresses, ns, name, tree != NULL ? entry_ingress_read(tree, f) : NULL);
}

void entry_facts_service(struct entry_facts *f, const char *ns, const char *name,
                         const json_t *tree)
{
    entry_facts_put(f->services, ns, name, tree != NULL ? entry_facts_read_service(tree) : NULL);
}

void entry_facts_group(struct entry_facts *f, const char *ns, const char *name, const json_t *tree)
{
    entry_facts_put(f->groups, ns, name, tree != NULL ? entry_group_read(tree) : NULL);
}

void entry_facts_pool(struct entry_facts *f, const char *ns, const char *name, const json_t *tree)
{
    entry_facts_put(f->pools, ns, name, tree != NULL ? f : NULL);
}

static struct list *entry_facts_head(struct entry_facts *f, const char *ns, const char *service)
{
    cleanup(freep) char *key = entry_facts_key(ns, service);
    struct list *head = map_get(f->by_service, key);

    if (head == NULL) {
        head = MEM_NEW(struct list);
        list_init(head);
        map_put(f->by_service, key, head);
    }
    return head;
}

/* Frees a slice that is no longer in the map, and the head of a Service without any. */
static void entry_facts_forget(struct entry_facts *f, struct entry_slice *s)
{
    cleanup(freep) char *service = entry_facts_key(s->ns, s->service);
    struct list *head = map_get(f->by_service, service);

    entry_facts_slice_free(s);
    if (head != NULL && list_empty(head))
        map_del(f->by_service, service);
}

void entry_facts_slice(struct entry_facts *f, const char *ns, const char *name, const json_t *tree)
{
    struct entry_slice *s = tree != NULL ? entry_facts_read_slice(tree) : NULL;
    cleanup(freep) char *key = entry_facts_key(ns, name);
    struct entry_slice *before = map_take(f->slices, key);

    if (s != NULL)
        map_put(f->slices, key, s);
    if (s != NULL && s->service[0] != '\0')
        list_add_tail(entry_facts_head(f, ns, s->service), &s->link);
    if (before != NULL)
        entry_facts_forget(f, before);
}

void entry_facts_class(struct entry_facts *f, const char *name, const json_t *tree)
{
    if (tree != NULL)
        map_put(f->classes, name, mem_str(json_str_or(tree, "spec.controller", "")));
    else
        map_del(f->classes, name);
}

bool entry_facts_claims(const struct entry_facts *f, const struct entry_ingress *i)
{
    return entry_facts_claim(f, i->class) != NULL;
}

/* ingress-nginx' order: the oldest first; of one second, namespace/name descending. */
static int entry_facts_before(const void *a, const void *b)
{
    const struct entry_ingress *const *x = a, *const *y = b;
    const struct entry_who *p = &(*x)->who, *q = &(*y)->who;
    int order = strcmp(p->created, q->created);

    if (order == 0)
        order = strcmp(q->ns, p->ns);
    return order != 0 ? order : strcmp(q->name, p->name);
}

const struct entry_ingress **entry_facts_claimed(const struct entry_facts *f)
{
    const struct entry_ingress **list = MEM_NEW_ARRAY(const struct entry_ingress *,
                                                      map_len(f->ingresses) + 1);
    size_t n = 0, it = 0;
    const char *key;
    void *value;

    while (map_each(f->ingresses, &it, &key, &value))
        if (entry_facts_claims(f, value))
            list[n++] = value;
    qsort(list, n, sizeof(*list), entry_facts_before);
    return list;
}

static int entry_facts_older(const void *a, const void *b)
{
    const struct entry_service *const *x = a, *const *y = b;
    const struct entry_who *p = &(*x)->who, *q = &(*y)->who;
    int order = strcmp(p->created, q->created);

    if (order == 0)
        order = strcmp(p->ns, q->ns);
    return order != 0 ? order : strcmp(p->name, q->name);
}

bool entry_facts_balances(const struct entry_facts *f, const struct entry_service *s)
{
    return s->is_balancer && (s->is_pinned || map_len(f->pools) == 0);
}

const struct entry_service **entry_facts_balancers(const struct entry_facts *f)
{
    const struct entry_service **list = MEM_NEW_ARRAY(const struct entry_service *,
                                                      map_len(f->services) + 1);
    size_t n = 0, it = 0;
    const char *key;
    void *value;

    while (map_each(f->services, &it, &key, &value))
        if (entry_facts_balances(f, value))
            list[n++] = value;
    qsort(list, n, sizeof(*list), entry_facts_older);
    return list;
}

const struct list *entry_facts_slices(const struct entry_facts *f, const char *ns,
                                      const char *service)
{
    cleanup(freep) char *key = entry_facts_key(ns, service);

    return map_get(f->by_service, key);
}
