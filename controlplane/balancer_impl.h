/* balancer_impl: the parts of the controller of load balancer addresses.  Only for balancer*.c.
 *
 * balancer.c what is written; balancer_pool.c who gets which address, as MetalLB decides it;
 * balancer_announce.c which node answers for it.  All pure.
 */
#ifndef CONTROLPLANE_BALANCER_IMPL_H
#define CONTROLPLANE_BALANCER_IMPL_H

#include "api/address_range.h"
#include "base/err.h"
#include "controlplane/controllers.h"

#define BALANCER_NAME      "metallb-controller"
#define BALANCER_POOLS     "ipaddresspools.metallb.io"
#define BALANCER_ADVERTS   "l2advertisements.metallb.io"
#define BALANCER_SLICES    "endpointslices.discovery.k8s.io"
/* What is known of a Service's address, beside its status (net/announce.h reads the last two). */
#define BALANCER_FROM_POOL "metallb.io/ip-allocated-from-pool"
#define BALANCER_NODE      "mkube.io/announced-by"
#define BALANCER_DEVICES   "mkube.io/announced-on"

struct balancer_pool {
    const struct object *object;
    const json_t *tree;
    struct address_range *ranges; /* owned */
    size_t n_ranges;
    bool is_auto, avoids_buggy;
    int64_t priority; /* lower is better; 0: last */
    int64_t assigned; /* addresses given out */
    uint64_t size;
};

struct balancer_service {
    const struct object *object;
    const json_t *tree;
    const char *created;
    const char *shown;                /* address in status, or NULL */
    const char *from;                 /* pool noted, or NULL */
    const char *share;                /* sharing key, "" = none */
    uint32_t address;                 /* decided */
    const struct balancer_pool *pool; /* of it; NULL: it has none */
    struct err err;                   /* why not */
};

struct balancer {
    struct view *view;
    struct balancer_pool *pools; /* owned, the best first */
    size_t n_pools;
    struct balancer_service *services; /* owned: those that are ours, oldest first */
    size_t n_services;
};

/* Is @o one of those that @selectors (LabelSelectors; an empty list admits nobody) choose? */
bool balancer_matches(const json_t *selectors, const struct object *o);

void balancer_read(struct balancer *ret, struct view *v);
void balancer_fini(struct balancer *b);
/* Gives each Service its address: who has one that it may have keeps it. */
void balancer_allocate(struct balancer *b);

struct balancer_place {
    const char *node; /* borrowed; NULL: nobody */
    char *devices;    /* owned: "eth0,eth1", "" = all */
    const char *why;  /* nobody: why */
};
/* Who answers for the address of @s, now @before (a node's name, or NULL). */
struct balancer_place balancer_place(struct view *v, const struct balancer_service *s,
                                     const char *before);

#endif
