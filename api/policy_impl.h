/* policy_impl: what policy.c and policy_env.c share.  Private to api/policy*.c. */
#ifndef API_POLICY_IMPL_H
#define API_POLICY_IMPL_H

#include "api/policy.h"

struct policy_variable {
    char *name;                  /* owned */
    struct cel_program *program; /* owned; NULL: it does not compile */
    char *wrong;                 /* why not; owned */
};

struct policy_env {
    struct cel_env cel;
    struct cel_var vars[REVIEW_VARS];
    struct cel_type type; /* of `variables` */
    struct policy_variable *variables;
    size_t n;
};

/* One policy over one request and one object of parameters. */
struct policy_run {
    const struct policy_env *env;
    struct cel_context *c;
    struct cel_value vars[REVIEW_VARS];
    struct cel_value *known; /* of each variable; CEL_PARAM: not computed yet */
};

/* @run lives as long as @c does. */
void policy_run_init(struct policy_run *run, const struct policy_env *e, struct cel_context *c,
                     const struct review_facts *facts);

#endif
