/* entry_facts: what the entry needs to know of Ingresses, Services and EndpointSlices, without
 * their JSON.
 *
 * Fed object by object; entry_table.h makes a routing table of the whole.  Knows nothing of
 * sockets.  Owner: entry.  Thread: loop.
 */
#ifndef NET_ENTRY_FACTS_H
#define NET_ENTRY_FACTS_H

#include "base/json.h"
#include "base/list.h"
#include "base/map.h"
#include "net/entry_annotations.h"
#include "net/entry_arena.h"
#include "net/entry_ranges.h"
#include "net/entry_regex.h"

#include <stdbool.h>
#include <stdint.h>

enum entry_path_type {
    ENTRY_PATH_PREFIX, /* by elements */
    ENTRY_PATH_EXACT,
    ENTRY_PATH_BEGIN, /* what begins with these bytes: nginx' ImplementationSpecific */
    ENTRY_PATH_GLOB,  /* "*" and "?": ALB's ImplementationSpecific */
};

struct entry_target {    /* a backend as an Ingress names it */
    const char *service; /* "" = none */
    bool is_resource;    /* a resource backend: nothing that we can ask */
    const char *port;    /* by name; "" = by number */
    uint16_t number;
};

struct entry_path {
    enum entry_path_type type;
    const char *path;          /* as written */
    struct entry_regex *regex; /* owned; NULL: nothing in it is special, or it is broken */
    const char *broken;        /* why it is no regular expression; NULL */
    struct entry_target target;
};

struct entry_rule {
    const char *host; /* lower case; "" = any; may start with "*." */
    struct entry_path *paths;
    size_t n_paths;
};

struct entry_tls {
    const char *secret; /* "" = none */
    const char **hosts; /* lower case */
    size_t n_hosts;
};

struct entry_who { /* an object, for events and precedence */
    const char *ns, *name, *uid;
    const char *created; /* RFC 3339 in UTC: sorts as text */
};

struct entry_ingress { /* immutable, shared with the tables made of it */
    unsigned refs;     /* atomic */
    struct entry_arena arena;
    struct entry_who who;
    const char *published; /* status.loadBalancer.ingress as compact JSON, "" = none */
    const char *class;     /* "" = none said */
    bool is_alb;           /* of AWS' class: its annotations count, not nginx' */
    uint64_t version;      /* of what is asked for: a hash of spec and annotations */
    struct entry_policy policy;
    struct entry_target fallback;
    struct entry_rule *rules;
    size_t n_rules;
    struct entry_tls *tls;
    size_t n_tls;
};

struct entry_port {
    const char *name; /* "" = unnamed */
    uint16_t port;
    bool is_tcp;
    const char *protocol;
};

struct entry_service {
    struct entry_arena arena;
    struct entry_who who;
    const char *published;       /* status.loadBalancer.ingress as compact JSON, "" = none */
    const char *external;        /* type ExternalName: the name; "" */
    bool is_balancer;            /* type LoadBalancer, of our class, without a pool's address */
    bool is_pinned;              /* asks for the entry by class, also where there are pools */
    bool is_sticky;              /* one client, one endpoint */
    struct entry_range *sources; /* who may connect; none = anybody */
    size_t n_sources;
    struct entry_port *ports;
    size_t n_ports;
};

struct entry_ready {
    const char *ip;
    bool is_ending; /* serving and terminating: the last resort */
};

struct entry_slice {
    struct list link; /* of its Service's slices */
    struct entry_arena arena;
    const char *ns, *service;
    struct entry_port *ports;
    size_t n_ports;
    struct entry_ready *endpoints; /* usable ones only */
    size_t n_endpoints;
};

#define ENTRY_RESOLVED_MAX 16
struct entry_resolved { /* a name outside the cluster */
    char ips[ENTRY_RESOLVED_MAX][46];
    unsigned n;
};

struct entry_facts {
    const struct map *resolved; /* name to entry_resolved; borrowed, NULL: none */
    struct map *ingresses;      /* "ns/name" to entry_ingress, owned */
    struct map *services;       /* "ns/name" to entry_service, owned */
    struct map *slices;         /* "ns/name" to entry_slice, owned */
    struct map *classes;        /* name to its controller, owned */
    struct map *by_service;     /* "ns/service" to the list head of its slices, owned */
    struct map *groups;         /* "ns/name" to entry_group, owned */
    struct map *pools;          /* "ns/name" of IPAddressPools */
};

void entry_facts_init(struct entry_facts *f);
void entry_facts_fini(struct entry_facts *f);

/* Takes in the object's present state; NULL @tree: it is gone. */
void entry_facts_ingress(struct entry_facts *f, const char *ns, const char *name,
                         const json_t *tree);
void entry_facts_service(struct entry_facts *f, const char *ns, const char *name,
                         const json_t *tree);
void entry_facts_slice(struct entry_facts *f, const char *ns, const char *name, const json_t *tree);
void entry_facts_class(struct entry_facts *f, const char *name, const json_t *tree);
void entry_facts_group(struct entry_facts *f, const char *ns, const char *name, const json_t *tree);
/* Where there is an IPAddressPool, addresses come from pools, not from the entry. */
void entry_facts_pool(struct entry_facts *f, const char *ns, const char *name, const json_t *tree);

/* --- entry_ingress.c --- */
struct entry_ingress *entry_ingress_ref(const struct entry_ingress *i);
struct entry_ingress *entry_ingress_unref(struct entry_ingress *i); /* NULL is fine; returns NULL */

/* Is it a class of AWS' load balancer controller, by its controller or its name? */
bool entry_facts_is_alb(const struct entry_facts *f, const char *class);
/* Is this Ingress ours to serve? */
bool entry_facts_claims(const struct entry_facts *f, const struct entry_ingress *i);
/* All claimed Ingresses, in order of precedence; free() the array; NULL-terminated. */
const struct entry_ingress **entry_facts_claimed(const struct entry_facts *f);
/* Is this LoadBalancer Service ours to serve? */
bool entry_facts_balances(const struct entry_facts *f, const struct entry_service *s);
/* All LoadBalancer Services of ours, oldest first; free() the array; NULL-terminated. */
const struct entry_service **entry_facts_balancers(const struct entry_facts *f);
/* Head of the list of struct entry_slice of a Service, or NULL. */
const struct list *entry_facts_slices(const struct entry_facts *f, const char *ns,
                                      const char *service);

#endif
