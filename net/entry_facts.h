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

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum entry_path_type { ENTRY_PATH_PREFIX, ENTRY_PATH_EXACT };

struct entry_target {    /* a backend as an Ingress names it */
    const char *service; /* "" = none: a resource backend, or nothing */
    const char *port;    /* by name; "" = by number */
    uint16_t number;
};

struct entry_path {
    enum entry_path_type type;
    const char *path; /* as written */
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

struct entry_ingress {
    struct entry_arena arena;
    struct entry_who who;
    const char *published; /* status.loadBalancer.ingress as compact JSON, "" = none */
    const char *class;     /* "" = none said */
    struct entry_policy policy;
    const char *bad_annotation; /* NULL: all were read */
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

struct entry_range { /* of addresses: a CIDR */
    int family;
    unsigned bits;
    unsigned char address[16];
};

struct entry_service {
    struct entry_arena arena;
    struct entry_who who;
    const char *published;       /* status.loadBalancer.ingress as compact JSON, "" = none */
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

struct entry_facts {
    struct map *ingresses;  /* "ns/name" to entry_ingress, owned */
    struct map *services;   /* "ns/name" to entry_service, owned */
    struct map *slices;     /* "ns/name" to entry_slice, owned */
    struct map *classes;    /* name to its controller, owned */
    struct map *by_service; /* "ns/service" to the list head of its slices, owned */
    struct map *groups;     /* "ns/name" to entry_group, owned */
    struct map *pools;      /* "ns/name" of IPAddressPools */
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
/* metadata of an object. */
void entry_facts_who(struct entry_who *ret, struct entry_arena *a, const json_t *tree);

/* "10.0.0.0/8"; false: no CIDR. */
bool entry_range_parse(struct entry_range *ret, const char *cidr);
bool entry_range_has(const struct entry_range *r, const struct sockaddr *address);

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
