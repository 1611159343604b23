/* why_nodes: what keeps each node from taking a pod, by the scheduler's rules.  Pure. */
#ifndef CLIENT_WHY_NODES_H
#define CLIENT_WHY_NODES_H

#include "client/why.h"

enum why_obstacle {
    WHY_NODE_CORDONED = 1,
    WHY_NODE_AWAY = 2, /* not ready */
    WHY_NODE_TAINT = 4,
    WHY_NODE_SELECTOR = 8,  /* spec.nodeSelector */
    WHY_NODE_AFFINITY = 16, /* required node affinity */
    WHY_NODE_ROOM = 32,     /* cpu, memory, other resources */
    WHY_NODE_VOLUME = 64,   /* a bound volume lives elsewhere */
    WHY_NODE_PORT = 128,    /* a host port is taken */
};

struct why_node {
    const json_t *node; /* borrowed */
    unsigned obstacles; /* enum why_obstacle */
    char *taint;        /* owned: "key=value:Effect" that is not tolerated */
    char *room;         /* owned: "cpu: asks for 40, free 1500m" */
    char *lacking;      /* owned: "cpu" */
    char *free;         /* owned: what of it is free: "1500m" */
    char *volume;       /* owned: the claim whose volume lives elsewhere */
    char *port;         /* owned */
};

struct why_nodes {
    struct why_node *nodes; /* owned */
    size_t n;
    unsigned all; /* obstacles of any */
};

void why_nodes_look(struct why_nodes *ret, const struct why_world *w, const json_t *pod);
void why_nodes_fini(struct why_nodes *n);
/* The node with the fewest obstacles, the first of equals; NULL when there are no nodes. */
const struct why_node *why_nodes_best(const struct why_nodes *n);
/* "worker1: cpu: asks for 4, free 1; worker2: cordoned" */
void why_nodes_print(struct text *ret, const struct why_nodes *n);

#endif
