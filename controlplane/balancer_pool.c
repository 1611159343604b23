/* Who gets which address of which pool: the rules of MetalLB's allocator, and its words. */
#include "controlplane/balancer_impl.h"

#include "api/selector.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Pools are looked through address by address: no more than so many are tried for a Service. */
#define BALANCER_TRIES_MAX 65536

/* metallb.io/@name or metallb.universe.tf/@name; "" when neither is there. */
static const char *balancer_note(const json_t *tree, const char *name)
{
    static const char *const prefixes[] = { "metallb.io", "metallb.universe.tf" };
    const json_t *notes = json_at(tree, "metadata.annotations");

    for (size_t i = 0; i < N_ELEMENTS(prefixes); i++) {
        cleanup(freep) char *key = mem_fmt("%s/%s", prefixes[i], name);
        const char *value = json_string_value(json_object_get(notes, key));

        if (!str_empty(value))
            return value;
    }
    return "";
}

bool balancer_matches(const json_t *selectors, const struct object *o)
{
    const json_t *item;
    size_t i;

    json_array_foreach (selectors, i, item) {
        cleanup(selector_freep) struct selector *s = NULL;
        struct err err = ERR_EMPTY;

        if (selector_from_json(&s, item, &err) == 0 && selector_matches(s, o))
            return true;
    }
    return false;
}

/* --- reading --- */

static void balancer_read_pool(struct balancer_pool *p, struct view *v, const struct object *o)
{
    const json_t *list, *item;
    size_t i;

    p->object = o;
    p->tree = view_tree(v, o);
    list = json_at(p->tree, "spec.addresses");
    p->ranges = MEM_NEW_ARRAY(struct address_range, json_array_size(list) + 1);
    p->is_auto = json_bool(p->tree, "spec.autoAssign", true);
    p->avoids_buggy = json_bool(p->tree, "spec.avoidBuggyIPs", false);
    p->priority = json_int(p->tree, "spec.serviceAllocation.priority", 0);
    json_array_foreach (list, i, item) {
        struct address_range *r = &p->ranges[p->n_ranges];
        struct err err = ERR_EMPTY;

        if (address_range_parse(r, json_string_value(item), &err) == 0) {
            p->size += (uint64_t)r->last - r->first + 1;
            p->n_ranges++;
        }
    }
}

/* Pools made for somebody before those for all, then by priority, then by name. */
static int balancer_better(const void *a, const void *b)
{
    const struct balancer_pool *x = a, *y = b;
    bool own_x = json_at(x->tree, "spec.serviceAllocation") != NULL;
    bool own_y = json_at(y->tree, "spec.serviceAllocation") != NULL;
    int64_t px = x->priority != 0 ? x->priority : INT64_MAX;
    int64_t py = y->priority != 0 ? y->priority : INT64_MAX;
    int order = strcmp(x->object->name, y->object->name);

    if (own_x != own_y)
        return own_x ? -1 : 1;
    if (px != py)
        return px < py ? -1 : 1;
    return order != 0 ? order : strcmp(x->object->ns, y->object->ns);
}

static int balancer_older(const void *a, const void *b)
{
    const struct balancer_service *x = a, *y = b;
    int order = strcmp(x->created, y->created);

    if (order == 0)
        order = strcmp(x->object->ns, y->object->ns);
    return order != 0 ? order : strcmp(x->object->name, y->object->name);
}

/* Those without a class, as MetalLB has it, and those that name it. */
static bool balancer_is_ours(const json_t *tree)
{
    const char *class = json_str_or(tree, "spec.loadBalancerClass", "");

    return str_eq(json_str(tree, "spec.type"), "LoadBalancer") &&
           (class[0] == '\0' || str_eq(class, "metallb.io/metallb"));
}

static void balancer_read_service(struct balancer_service *s, const struct object *o,
                                  const json_t *tree)
{
    const json_t *notes = json_at(tree, "metadata.annotations");
    const json_t *list = json_at(tree, "status.loadBalancer.ingress");

    s->object = o;
    s->tree = tree;
    s->created = json_str_or(tree, "metadata.creationTimestamp", "");
    s->shown = json_str(json_array_get(list, 0), "ip");
    s->from = json_string_value(json_object_get(notes, BALANCER_FROM_POOL));
    s->share = balancer_note(tree, "allow-shared-ip");
}

static void balancer_read_services(struct balancer *b, struct view *v)
{
    size_t n;
    const struct object *const *list = view_list(v, "services", NULL, &n);

    b->services = MEM_NEW_ARRAY(struct balancer_service, n + 1);
    for (size_t i = 0; i < n; i++) {
        /* Most Services are none of ours: their text says so. */
        const json_t *tree = strstr(list[i]->json, "LoadBalancer") != NULL ? view_tree(v, list[i])
                                                                           : NULL;

        if (tree != NULL && !list[i]->deleting && balancer_is_ours(tree))
            balancer_read_service(&b->services[b->n_services++], list[i], tree);
    }
    if (b->n_services > 0)
        qsort(b->services, b->n_services, sizeof(*b->services), balancer_older);
}

void balancer_read(struct balancer *ret, struct view *v)
{
    size_t n;
    const struct object *const *list = view_list(v, BALANCER_POOLS, NULL, &n);

    memset(ret, 0, sizeof(*ret));
    ret->view = v;
    ret->pools = MEM_NEW_ARRAY(struct balancer_pool, n + 1);
    for (size_t i = 0; i < n; i++)
        if (!list[i]->deleting)
            balancer_read_pool(&ret->pools[ret->n_pools++], v, list[i]);
    if (ret->n_pools > 0)
        qsort(ret->pools, ret->n_pools, sizeof(*ret->pools), balancer_better);
    balancer_read_services(ret, v);
}

void balancer_fini(struct balancer *b)
{
    for (size_t i = 0; i < b->n_pools; i++)
        free(b->pools[i].ranges);
    free(b->pools);
    free(b->services);
}

/* --- which pools --- */

/* serviceAllocation: namespaces or their labels, and labels of the Service. */
static bool balancer_pool_admits(const struct balancer *b, const struct balancer_pool *p,
                                 const struct balancer_service *s)
{
    const json_t *a = json_at(p->tree, "spec.serviceAllocation");
    const json_t *names = json_object_get(a, "namespaces");
    const json_t *of_ns = json_object_get(a, "namespaceSelectors");
    const json_t *of_service = json_object_get(a, "serviceSelectors");
    const struct object *ns = view_get(b->view, "namespaces", "", s->object->ns);

    if (json_array_size(names) + json_array_size(of_ns) > 0 &&
        !json_has_str(names, s->object->ns) && !(ns != NULL && balancer_matches(of_ns, ns)))
        return false;
    return json_array_size(of_service) == 0 || balancer_matches(of_service, s->object);
}

static bool balancer_pool_has(const struct balancer_pool *p, uint32_t address)
{
    if (p->avoids_buggy && ((address & 0xff) == 0 || (address & 0xff) == 0xff))
        return false;
    for (size_t i = 0; i < p->n_ranges; i++)
        if (address >= p->ranges[i].first && address <= p->ranges[i].last)
            return true;
    return false;
}

/* --- who may have which address --- */

/* With Local traffic policy, only Services of the same pods may share. */
static bool balancer_same_backend(const struct balancer_service *x,
                                  const struct balancer_service *y)
{
    const char *px = json_str_or(x->tree, "spec.externalTrafficPolicy", "Cluster");
    const char *py = json_str_or(y->tree, "spec.externalTrafficPolicy", "Cluster");

    if (!str_eq(px, "Local") && !str_eq(py, "Local"))
        return true;
    return str_eq(px, py) &&
           json_equal(json_at(x->tree, "spec.selector"), json_at(y->tree, "spec.selector"));
}

/* A port that both have, or NULL. */
static const json_t *balancer_common_port(const struct balancer_service *x,
                                          const struct balancer_service *y)
{
    const json_t *p, *q;
    size_t i, k;

    json_array_foreach (json_at(x->tree, "spec.ports"), i, p)
        json_array_foreach (json_at(y->tree, "spec.ports"), k, q)
            if (json_int(p, "port", 0) == json_int(q, "port", 0) &&
                str_eq(json_str_or(p, "protocol", "TCP"), json_str_or(q, "protocol", "TCP")))
                return p;
    return NULL;
}

/* Does @t stand in the way of @s? */
static bool balancer_hinders(const struct balancer_service *s, const struct balancer_service *t,
                             struct err *err)
{
    const json_t *port;

    if (s->share[0] == '\0' || !str_eq(s->share, t->share) || !balancer_same_backend(s, t)) {
        err_set(err, ERR_CONFLICT,
                "can't change sharing key for \"%s/%s\", address also in use by %s/%s",
                s->object->ns, s->object->name, t->object->ns, t->object->name);
        return true;
    }
    port = balancer_common_port(s, t);
    if (port != NULL)
        err_set(err, ERR_CONFLICT, "port %s/%lld is already in use by %s/%s",
                json_str_or(port, "protocol", "TCP"), (long long)json_int(port, "port", 0),
                t->object->ns, t->object->name);
    return port != NULL;
}

static bool balancer_is_taken(const struct balancer *b, const struct balancer_service *s,
                              uint32_t address, struct err *err)
{
    for (size_t i = 0; i < b->n_services; i++) {
        const struct balancer_service *t = &b->services[i];

        if (t != s && t->pool != NULL && t->address == address && balancer_hinders(s, t, err))
            return true;
    }
    return false;
}

static void balancer_give(struct balancer *b, struct balancer_service *s,
                          struct balancer_pool *pool, uint32_t address)
{
    bool is_new = true;

    for (size_t i = 0; i < b->n_services; i++)
        if (b->services[i].pool != NULL && b->services[i].address == address)
            is_new = false;
    s->pool = pool;
    s->address = address;
    pool->assigned += is_new;
}

/* What the Service asks for: "" when it leaves the choice to us. */
static const char *balancer_wish(const struct balancer_service *s)
{
    const char *note = balancer_note(s->tree, "loadBalancerIPs");

    return note[0] != '\0' ? note : json_str_or(s->tree, "spec.loadBalancerIP", "");
}

/* The pool that may give @address to @s, or NULL. */
static struct balancer_pool *balancer_pool_of(struct balancer *b, const struct balancer_service *s,
                                              uint32_t address)
{
    const char *wanted = balancer_note(s->tree, "address-pool");

    for (size_t i = 0; i < b->n_pools; i++)
        if (balancer_pool_has(&b->pools[i], address) &&
            (wanted[0] == '\0' || str_eq(wanted, b->pools[i].object->name)) &&
            balancer_pool_admits(b, &b->pools[i], s))
            return &b->pools[i];
    return NULL;
}

/* --- the three ways to an address --- */

static void balancer_keep(struct balancer *b, struct balancer_service *s)
{
    const char *wish = balancer_wish(s);
    struct err err = ERR_EMPTY;
    struct balancer_pool *pool;
    uint32_t address, asked;

    if (s->from == NULL || s->shown == NULL || !address_parse(&address, s->shown))
        return;
    if (wish[0] != '\0' && (!address_parse(&asked, wish) || asked != address))
        return;
    pool = balancer_pool_of(b, s, address);
    if (pool != NULL && !balancer_is_taken(b, s, address, &err))
        balancer_give(b, s, pool, address);
}

static void balancer_ask(struct balancer *b, struct balancer_service *s, const char *wish)
{
    struct balancer_pool *pool;
    uint32_t address;

    if (!address_parse(&address, wish)) {
        err_set(&s->err, ERR_INVALID, "invalid loadBalancerIPs \"%s\": one IPv4 address is served",
                wish);
        return;
    }
    pool = balancer_pool_of(b, s, address);
    if (pool == NULL)
        err_set(&s->err, ERR_NOT_FOUND, "[\"%s\"] is not allowed in config", wish);
    else if (!balancer_is_taken(b, s, address, &s->err))
        balancer_give(b, s, pool, address);
}

static bool balancer_try_pool(struct balancer *b, struct balancer_service *s,
                              struct balancer_pool *p)
{
    unsigned tries = 0;

    for (size_t i = 0; i < p->n_ranges; i++) {
        for (uint64_t a = p->ranges[i].first; a <= p->ranges[i].last; a++) {
            struct err err = ERR_EMPTY;

            if (tries++ == BALANCER_TRIES_MAX)
                return false;
            if (balancer_pool_has(p, (uint32_t)a) && !balancer_is_taken(b, s, (uint32_t)a, &err)) {
                balancer_give(b, s, p, (uint32_t)a);
                return true;
            }
        }
    }
    return false;
}

static void balancer_choose(struct balancer *b, struct balancer_service *s)
{
    const char *wanted = balancer_note(s->tree, "address-pool");
    bool is_known = wanted[0] == '\0';

    for (size_t i = 0; i < b->n_pools; i++) {
        struct balancer_pool *p = &b->pools[i];
        bool is_named = str_eq(wanted, p->object->name);

        is_known = is_known || is_named;
        if ((wanted[0] == '\0' ? p->is_auto : is_named) && balancer_pool_admits(b, p, s) &&
            balancer_try_pool(b, s, p))
            return;
    }
    if (!is_known)
        err_set(&s->err, ERR_NOT_FOUND, "unknown pool \"%s\"", wanted);
    else if (wanted[0] != '\0')
        err_set(&s->err, ERR_LIMIT, "no available IPs in pool \"%s\" for ipv4 IPFamily", wanted);
    else
        err_set(&s->err, ERR_LIMIT, "no available IPs");
}

void balancer_allocate(struct balancer *b)
{
    for (size_t i = 0; i < b->n_services; i++)
        balancer_keep(b, &b->services[i]);
    for (size_t i = 0; i < b->n_services; i++) {
        struct balancer_service *s = &b->services[i];
        const char *wish = balancer_wish(s);

        if (s->pool != NULL)
            continue;
        if (wish[0] != '\0')
            balancer_ask(b, s, wish);
        else
            balancer_choose(b, s);
    }
}
