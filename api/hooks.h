/* hooks: the webhooks that configurations register, compiled, and which of them want to hear of
 * a request.
 *
 * A set is what all configurations of one stage say at one time, in the order of their names; it
 * is shared by the requests that began under it.  Deciding is pure; asking is registry_hooks.c.
 * Rules as in Kubernetes' generic webhook plugin.  Thread: loop.
 */
#ifndef API_HOOKS_H
#define API_HOOKS_H

#include "api/review_cel.h"
#include "api/schema.h"
#include "api/selector.h"
#include "base/json.h"
#include "storage/store.h"

#include <stdbool.h>

#define HOOKS_MUTATING   "mutatingwebhookconfigurations.admissionregistration.k8s.io"
#define HOOKS_VALIDATING "validatingwebhookconfigurations.admissionregistration.k8s.io"

enum hook_stage { HOOK_MUTATE, HOOK_VALIDATE, HOOK_STAGES };

struct hook {
    const char *name;                      /* borrowed from spec */
    const json_t *spec;                    /* borrowed from the set: one member of webhooks */
    struct selector *namespaces, *objects; /* owned */
    const char *review; /* "v1" or "v1beta1": how it is spoken to; NULL: unknown */
    bool is_broken;     /* its selectors cannot be read: it wants everything */
    bool ignores_failure, is_exact, may_repeat, is_free_of_effects;
    int64_t timeout_ms;
    struct review_conditions *conditions; /* owned: matchConditions */
};

struct hook_set {
    unsigned refs;
    enum hook_stage stage;
    json_t *configs; /* owned */
    struct hook *hooks;
    size_t n;
};

/* @spec (one member of webhooks, or what reads like it: rules, selectors, matchPolicy) is borrowed and
 * outlives @h. */
void hook_init(struct hook *h, const json_t *spec);
void hook_fini(struct hook *h);

/* NULL: there are none. */
struct hook_set *hook_set_load(const struct store *store, enum hook_stage stage);
struct hook_set *hook_set_ref(struct hook_set *s);
struct hook_set *hook_set_unref(struct hook_set *s); /* NULL is fine; returns NULL */

#define HOOK_ROWS_MAX 16 /* versions of one bucket */

/* What is asked; all borrowed. */
struct hook_subject {
    const char *operation; /* "CREATE", "UPDATE", "DELETE", "CONNECT" */
    const struct schema_resource *resource;
    const char *sub, *ns, *name;
    const json_t *object, *old;     /* in any version's words; NULL: there is none */
    const json_t *namespace_labels; /* of the namespace it lives in, may be NULL */
    bool has_namespace; /* false: cluster-scoped, selectors of namespaces do not count */
    /* Filled by hook_subject_rows. */
    const struct schema_resource *rows[HOOK_ROWS_MAX];
    size_t n_rows;
};

/* The other versions in which the same objects are served. */
void hook_subject_rows(struct hook_subject *s);
/* The version in which @h wants to hear of it; NULL: it does not. */
const struct schema_resource *hook_wants(const struct hook *h, const struct hook_subject *s);
/* Webhooks cannot watch over what registers webhooks. */
bool hook_is_exempt(const struct schema_resource *r);

#endif
