/* plan: the writes a decision wants, in order.  Data only; the runner carries them out. */
#ifndef CONTROLPLANE_PLAN_H
#define CONTROLPLANE_PLAN_H

#include "base/json.h"
#include "storage/object.h"

#include <stdbool.h>
#include <stdint.h>

enum plan_verb {
    PLAN_CREATE, PLAN_UPDATE, PLAN_STATUS, PLAN_DELETE, PLAN_BIND, PLAN_FINALIZE, PLAN_EVENT,
};

struct plan_write {
    enum plan_verb verb;
    const char *bucket;         /* a literal */
    char *ns, *name;            /* owned */
    json_t *tree;               /* owned; create/update/status: new state; event: the Event */
    uint64_t expect;            /* revision it was computed from; 0 = any */
    char *uid;                  /* owned; delete: precondition, or NULL */
    int64_t grace_seconds;      /* delete; -1 = default */
    const char *propagation;    /* delete; NULL = Background */
    char *node;                 /* bind; owned */
};

struct plan {
    struct plan_write *writes;  /* owned */
    size_t n, cap;
    int64_t again_ms;           /* look at this key again in so many ms; -1 = only when something changes */
};
#define PLAN_EMPTY { .writes = NULL, .n = 0, .cap = 0, .again_ms = -1 }

void plan_fini(struct plan *p);
void plan_create(struct plan *p, const char *bucket, const char *ns, json_t *tree_steal);
/* Conditional on @base not having changed since. */
void plan_update(struct plan *p, const struct object *base, json_t *tree_steal);
void plan_status(struct plan *p, const struct object *base, json_t *tree_steal);
void plan_delete(struct plan *p, const struct object *o);                  /* by uid, default grace, Background */
void plan_delete_with(struct plan *p, const struct object *o, int64_t grace_seconds, const char *propagation);
void plan_bind(struct plan *p, const struct object *pod, const char *node);
/* The namespace /finalize subresource. */
void plan_finalize(struct plan *p, const struct object *base, json_t *tree_steal);
/* An Event about @regarding; repeated ones (same object, reason, message) are counted up by the runner. */
void plan_event(struct plan *p, const struct object *regarding, bool warning, const char *component,
                const char *reason, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* The sooner of several wins. */
void plan_again(struct plan *p, int64_t delay_ms);

#endif
