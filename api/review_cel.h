/* review_cel: what expressions about a request see, and conditions made of them.
 *
 * matchConditions of webhooks and everything in admission policies are written over the same
 * variables: the object, the one before, and the request.  Objects are dyn, as Kubernetes evaluates
 * them; the request's fields are known, so that a wrong one is found when the expression is written.
 * Source: k8s.io/apiserver/pkg/admission/plugin/cel (compile.go, condition.go) and
 * plugin/webhook/matchconditions.  The authorizer variable is not there.  Pure.  Thread: any.
 */
#ifndef API_REVIEW_CEL_H
#define API_REVIEW_CEL_H

#include "base/err.h"
#include "cel/cel.h"

#define REVIEW_CEL_BUDGET 1000000 /* of one request, for all conditions of one webhook or policy */

/* In the order of environments; a shorter one has the first few. */
enum review_var {
    REVIEW_OBJECT,
    REVIEW_OLD,
    REVIEW_REQUEST,
    REVIEW_NAMESPACE, /* policies: the namespace object */
    REVIEW_VARIABLES, /* policies: values by name */
    REVIEW_PARAMS,    /* policies that have a kind of parameters */
    REVIEW_VARS,
};
#define REVIEW_OF_WEBHOOKS 3 /* how many variables conditions of webhooks have */

extern const struct cel_env review_cel_webhooks;
/* The name and type of each; REVIEW_VARIABLES is for the policy to say. */
extern const struct cel_var review_cel_vars[REVIEW_VARS];

struct review_facts { /* borrowed; NULL: null */
    const json_t *object, *old, *request, *ns, *params;
};
/* All REVIEW_VARS; that of REVIEW_VARIABLES is null. */
void review_cel_values(struct cel_value ret[REVIEW_VARS], struct cel_context *c,
                       const struct review_facts *f);

/* An expression's text to a program that gives @want (or dyn). @ret_wrong: why not, the caller's. */
struct cel_program *review_cel_compile(const char *text, const struct cel_env *env,
                                       enum cel_kind want, char **ret_wrong);

/* --- conditions: [{name, expression}] that must all hold --- */

struct review_conditions;

/* @list, borrowed during the call; @env outlives the result. NULL: there are none. */
struct review_conditions *review_conditions_new(const json_t *list, const struct cel_env *env);
struct review_conditions *review_conditions_free(struct review_conditions *r); /* NULL is fine */
/* 1: all hold (NULL @r too); 0: one does not, whatever else failed; ERR_INVALID: it cannot be
 * told, @err in Kubernetes' words. */
int review_conditions_hold(const struct review_conditions *r, struct cel_context *c,
                           const struct cel_value *vars, struct err *err);
#endif
