#include "net/entry_facts.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/entry_group.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Beyond these, what an object says is left out: a client cannot make the entry grow for ever. */
#define ENTRY_FACTS_MAX_ENDPOINTS 1000
#define ENTRY_FACTS_MAX_PATHS     1000

/* A Service that has its address from a pool (controlplane/balancer.c). */
#define ENTRY_FACTS_FROM_POOL "metallb.io/ip-allocated-from-pool"

/* Whose Ingresses are ours: by class name, or by the controller of an IngressClass. */
static const char *const entry_facts_class_names[] = { "", "none", "mkube", "nginx", "alb" };
static const char *const entry_facts_controllers[] = { "mkube.io/entry", "k8s.io/ingress-nginx",
                                                       "ingress.k8s.aws/alb" };

static bool entry_facts_listed(const char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i], word))
            return true;
    return false;
}

/* --- parts --- */

static const char *entry_facts_str(struct entry_arena *a, const json_t *tree, const char *path)
{
    return entry_arena_str(a, json_str_or(tree, path, ""));
}

static const char *entry_facts_lower(struct entry_arena *a, const char *s)
{
    char *copy = entry_arena_str(a, s);

    for (char *p = copy; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

void entry_facts_who(struct entry_who *ret, struct entry_arena *a, const json_t *tree)
{
    ret->ns = entry_facts_str(a, tree, "metadata.namespace");
    ret->name = entry_facts_str(a, tree, "metadata.name");
    ret->uid = entry_facts_str(a, tree, "metadata.uid");
    ret->created = entry_facts_str(a, tree, "metadata.creationTimestamp");
}

static uint16_t entry_facts_port(const json_t *tree, const char *path)
{
    int64_t port = json_int(tree, path, 0);

    return port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void entry_facts_target(struct entry_target *ret, struct entry_arena *a,
                               const json_t *backend)
{
    ret->service = entry_facts_str(a, backend, "service.name");
    ret->port = entry_facts_str(a, backend, "service.port.name");
    ret->number = entry_facts_port(backend, "service.port.number");
}

static void entry_facts_ports(struct entry_port **ret, size_t *ret_n, struct entry_arena *a,
                              const json_t *list)
{
    size_t i;
    const json_t *port;

    *ret = entry_arena_array(a, json_array_size(list), sizeof(**ret));
    json_array_foreach (list, i, port) {
        struct entry_port *p = &(*ret)[i];

        p->name = entry_facts_str(a, port, "name");
        p->port = entry_facts_port(port, "port");
        p->protocol = entry_arena_str(a, json_str_or(port, "protocol", "TCP"));
        p->is_tcp = str_eq(p->protocol, "TCP");
    }
    *ret_n = json_array_size(list);
}

/* What status shows now. */
static const char *entry_facts_published(struct entry_arena *a, const json_t *tree)
{
    const json_t *list = json_at(tree, "status.loadBalancer.ingress");
    cleanup(freep) char *text = json_array_size(list) > 0 ? json_print_sorted(list, NULL) : NULL;

    return entry_arena_str(a, text);
}

bool entry_range_parse(struct entry_range *ret, const char *cidr)
{
    const char *slash = strchr(cidr, '/');
    cleanup(freep) char *ip = mem_strn(cidr, slash != NULL ? (size_t)(slash - cidr) : 0);
    uint64_t bits;

    memset(ret, 0, sizeof(*ret));
    ret->family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;
    if (slash == NULL || !str_u64(slash + 1, &bits) || bits > (ret->family == AF_INET ? 32 : 128) ||
        inet_pton(ret->family, ip, ret->address) != 1)
        return false;
    ret->bits = (unsigned)bits;
    return true;
}

bool entry_range_has(const struct entry_range *r, const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    const unsigned char *a = address->sa_family == AF_INET ? (const unsigned char *)&v4->sin_addr
                                                           : (const unsigned char *)&v6->sin6_addr;
    unsigned whole = r->bits / 8, rest = r->bits % 8;

    if (address->sa_family != r->family || memcmp(a, r->address, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ r->address[whole]) >> (8 - rest)) == 0;
}

/* --- Ingress --- */

/* ALB manifests write a prefix with "*" behind its last slash, which would match nothing here. */
static const char *entry_facts_path(struct entry_arena *a, const char *path, const char *type)
{
    size_t len = strlen(path);

    if (str_eq(type, "ImplementationSpecific") && str_ends(path, "/*"))
        return entry_arena_strn(a, path, len - 1);
    return entry_arena_str(a, len > 0 ? path : "/");
}

static void entry_facts_rule(struct entry_rule *ret, struct entry_arena *a, const json_t *rule)
{
    const json_t *paths = json_at(rule, "http.paths");
    const json_t *path;
    size_t i, n = json_array_size(paths);

    ret->host = entry_facts_lower(a, json_str_or(rule, "host", ""));
    ret->n_paths = n < ENTRY_FACTS_MAX_PATHS ? n : ENTRY_FACTS_MAX_PATHS;
    ret->paths = entry_arena_array(a, ret->n_paths, sizeof(*ret->paths));
    json_array_foreach (paths, i, path) {
        const char *type = json_str_or(path, "pathType", "");

        if (i >= ret->n_paths)
            break;
        ret->paths[i].type = str_eq(type, "Exact") ? ENTRY_PATH_EXACT : ENTRY_PATH_PREFIX;
        ret->paths[i].path = entry_facts_path(a, json_str_or(path, "path", ""), type);
        entry_facts_target(&ret->paths[i].target, a, json_object_get(path, "backend"));
    }
}

static void entry_facts_tls(struct entry_tls *ret, struct entry_arena *a, const json_t *tls)
{
    const json_t *hosts = json_object_get(tls, "hosts");
    const json_t *host;
    size_t i;

    ret->secret = entry_facts_str(a, tls, "secretName");
    ret->hosts = entry_arena_array(a, json_array_size(hosts), sizeof(*ret->hosts));
    json_array_foreach (hosts, i, host)
        if (json_is_string(host))
            ret->hosts[ret->n_hosts++] = entry_facts_lower(a, json_string_value(host));
}

static void entry_facts_ingress_free(void *value)
{
    struct entry_ingress *i = value;

    entry_arena_fini(&i->arena);
    free(i);
}

static struct entry_ingress *entry_facts_read_ingress(const json_t *tree)
{
    struct entry_ingress *in = MEM_NEW(struct entry_ingress);
    struct entry_arena *a = &in->arena;
    const json_t *annotations = json_at(tree, "metadata.annotations");
    const json_t *legacy = json_object_get(annotations, "kubernetes.io/ingress.class");
    const json_t *rules = json_at(tree, "spec.rules");
    const json_t *tls = json_at(tree, "spec.tls");
    const json_t *one;
    size_t i;

    entry_facts_who(&in->who, a, tree);
    in->published = entry_facts_published(a, tree);
    in->class = entry_facts_str(a, tree, "spec.ingressClassName");
    if (in->class[0] == '\0' && json_is_string(legacy))
        in->class = entry_arena_str(a, json_string_value(legacy));
    entry_annotations_read(&in->policy, annotations, &in->bad_annotation);
    entry_facts_target(&in->fallback, a, json_at(tree, "spec.defaultBackend"));
    in->n_rules = json_array_size(rules);
    in->rules = entry_arena_array(a, in->n_rules, sizeof(*in->rules));
    json_array_foreach (rules, i, one)
        entry_facts_rule(&in->rules[i], a, one);
    in->n_tls = json_array_size(tls);
    in->tls = entry_arena_array(a, in->n_tls, sizeof(*in->tls));
    json_array_foreach (tls, i, one)
        entry_facts_tls(&in->tls[i], a, one);
    return in;
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

    entry_facts_who(&s->who, &s->arena, tree);
    s->published = entry_facts_published(&s->arena, tree);
    s->is_sticky = str_eq(json_str(tree, "spec.sessionAffinity"), "ClientIP");
    entry_facts_sources(s, json_at(tree, "spec.loadBalancerSourceRanges"));
    s->is_pinned = str_eq(class, "mkube.io/entry");
    s->is_balancer = str_eq(json_str(tree, "spec.type"), "LoadBalancer") &&
                     (class[0] == '\0' || s->is_pinned) &&
                     json_object_get(json_at(tree, "metadata.annotations"),
                                     ENTRY_FACTS_FROM_POOL) == NULL;
    entry_facts_ports(&s->ports, &s->n_ports, &s->arena, json_at(tree, "spec.ports"));
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
    s->ns = entry_facts_str(&s->arena, tree, "metadata.namespace");
    s->service = entry_arena_str(&s->arena, json_string_value(service));
    entry_facts_ports(&s->ports, &s->n_ports, &s->arena, json_object_get(tree, "ports"));
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
    entry_facts_put(f->ingresses, ns, name, tree != NULL ? entry_facts_read_ingress(tree) : NULL);
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
    const char *controller = map_get(f->classes, i->class);

    return entry_facts_listed(entry_facts_class_names, N_ELEMENTS(entry_facts_class_names),
                              i->class) ||
           (controller != NULL &&
            entry_facts_listed(entry_facts_controllers, N_ELEMENTS(entry_facts_controllers),
                               controller));
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
