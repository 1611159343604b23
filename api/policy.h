/* policy: ValidatingAdmissionPolicies and their bindings, compiled, and what they say to a request.
 *
 * A set is what all policies say at one time; it is made anew when one of them or a binding changes.
 * Judging is pure but for looking up parameters in the store.  Order and words are those of
 * k8s.io/apiserver/pkg/admission/plugin/policy/validating (dispatcher.go, validator.go).
 * Not there: status.typeChecking, the authorizer variable.  Thread: loop.
 */
#ifndef API_POLICY_H
#define API_POLICY_H

#include "api/hooks.h"
#include "api/review_cel.h"
#include "base/json.h"
#include "storage/store.h"

#define POLICY_BUCKET         "validatingadmissionpolicies.admissionregistration.k8s.io"
#define POLICY_BINDING_BUCKET "validatingadmissionpolicybindings.admissionregistration.k8s.io"

struct policy_set;

/* NULL: no policy is bound. */
struct policy_set *policy_set_load(const struct store *store);
struct policy_set *policy_set_free(struct policy_set *s); /* NULL is fine */

/* The facts of a request in the words of @row: borrowed until the next call. */
typedef void (*policy_facts_fn)(void *arg, const struct schema_resource *row,
                                struct review_facts *ret);

struct policy_verdict {
    json_t *causes;      /* owned: why not, a list of {message, reason}; NULL = admitted */
    json_t *warnings;    /* owned list of texts; NULL = none */
    json_t *annotations; /* owned map for the audit log; NULL = none */
};
void policy_verdict_fini(struct policy_verdict *v);

/* @facts is asked only for policies that match. */
void policy_set_judge(const struct policy_set *s, const struct store *store,
                      const struct hook_subject *subject, policy_facts_fn facts, void *arg,
                      struct policy_verdict *ret);

/* --- compiled for its author: validate_policy.c --- */

/* The environment of one policy, which its variables make larger one by one. */
struct policy_env;
struct policy_env *policy_env_new(bool has_params);
struct policy_env *policy_env_free(struct policy_env *e); /* NULL is fine */
const struct cel_env *policy_env_cel(const struct policy_env *e);
/* `variables.@name` is @text from here on.  @ret_wrong (may be NULL): why it does not compile, the
 * caller's; the name is then known as dyn. */
void policy_env_add(struct policy_env *e, const char *name, const char *text, char **ret_wrong);

#endif
