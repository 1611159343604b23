/* plan: the writes a decision wants, in order.  Data only; the runner carries them out.
 *
 * The runner submits the writes of one plan one after another and stops at the first that is
 * refused: what follows was decided in the belief that it would succeed.  (A delete of what is
 * gone already is a success; an Event is never waited for and never stops anything.)
 */
#ifndef CONTROLPLANE_PLAN_H
#define CONTROLPLANE_PLAN_H

#include "base/json.h"
#include "storage/object.h"

#include <stdbool.h>
#include <stdint.h>

enum plan_verb {
    PLAN_CREATE,
    PLAN_UPDATE,
    PLAN_STATUS,
    PLAN_DELETE,
    PLAN_BIND,
    PLAN_FINALIZE,
    PLAN_SCALE,
    PLAN_APPROVAL,
    PLAN_EVENT,
};

struct plan_write {
    enum plan_verb verb;
    char *bucket, *ns, *name; /* owned; name "" for a create with generateName */
    json_t *tree;    /* owned; create/update/status: new state; event: the Event; scale: a Scale */
    uint64_t expect; /* revision it was computed from; 0 = any */
    char *uid;       /* owned; delete: precondition, or NULL */
    int64_t grace_seconds;   /* delete; -1 = default */
    const char *propagation; /* delete; NULL = Background */
    char *node;              /* bind; owned */
    /* Owned Events, or NULL.  "{name}" in their message becomes the name of what was
     * written, "{error}" the refusal's message. */
    json_t *on_success, *on_failure;
};

struct plan {
    struct plan_write *writes; /* owned */
    size_t n, cap;
    int64_t again_ms; /* look at this key again in so many ms; -1 = only when something changes */
};
#define PLAN_EMPTY                                       \
    {                                                    \
        .writes = NULL, .n = 0, .cap = 0, .again_ms = -1 \
    }

void plan_fini(struct plan *p);
void plan_create(struct plan *p, const char *bucket, const char *ns, json_t *tree_steal);
/* Conditional on @base not having changed since. */
void plan_update(struct plan *p, const struct object *base, json_t *tree_steal);
void plan_status(struct plan *p, const struct object *base, json_t *tree_steal);
void plan_delete(struct plan *p, const struct object *o); /* by uid, default grace, Background */
void plan_delete_with(struct plan *p, const struct object *o, int64_t grace_seconds,
                      const char *propagation);
void plan_bind(struct plan *p, const struct object *pod, const char *node);
/* The namespace /finalize subresource. */
void plan_finalize(struct plan *p, const struct object *base, json_t *tree_steal);
/* The approval subresource of a CertificateSigningRequest. */
void plan_approval(struct plan *p, const struct object *base, json_t *tree_steal);
/* The scale subresource of @base, whatever happened to the rest of it meanwhile (its status moves
 * with every pod). */
void plan_scale(struct plan *p, const struct object *base, int64_t replicas);
/* An Event about @regarding; repeated ones (same object, reason, message) are counted up by the runner. */
void plan_event(struct plan *p, const struct object *regarding, bool warning, const char *component,
                const char *reason, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* The same, when the last write of @p has been carried out, or was refused (then a Warning).
 * See plan_write.on_success for what may stand in the message. */
void plan_on_success(struct plan *p, const struct object *regarding, const char *component,
                     const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void plan_on_failure(struct plan *p, const struct object *regarding, const char *component,
                     const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The sooner of several wins. */
void plan_again(struct plan *p, int64_t delay_ms);

#endif
