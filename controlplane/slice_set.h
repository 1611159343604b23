/* slice_set: the EndpointSlices of one owner, brought to what they should hold with as few
 * writes as possible: an endpoint stays in its slice.  Pure. */
#ifndef CONTROLPLANE_SLICE_SET_H
#define CONTROLPLANE_SLICE_SET_H

#include "controlplane/controller.h"

#define SLICE_SET_MAX_ENDPOINTS 100

/* Endpoints of one family that serve the same ports. */
struct slice_group {
    const char *family; /* borrowed: "IPv4" or "IPv6" */
    json_t *ports;      /* owned */
    json_t *endpoints;  /* owned array, in the order wanted of new ones */
};

struct slice_set {
    const struct object *owner;
    const char *kind; /* of the owner, of v1 */
    const char *service;
    const char *manager;
    json_t *labels;             /* owned; the two that say service and manager are added */
    struct slice_group *groups; /* owned */
    size_t n_groups;
};

/* @labels_steal may be NULL. */
void slice_set_init(struct slice_set *ret, const struct object *owner, const char *kind,
                    const char *manager, json_t *labels_steal);
void slice_set_fini(struct slice_set *s);

/* The group of this family and ports, made if there is none yet; both are consumed. */
void slice_set_add(struct slice_set *s, const char *family, json_t *ports_steal,
                   json_t *endpoint_steal);
/* An empty slice stands for having none. */
void slice_set_add_empty(struct slice_set *s, const char *family);

void slice_set_plan(struct plan *ret, struct view *v, struct slice_set *s);

#endif
