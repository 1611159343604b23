/* The variables of one policy: names to programs, each of which may use those before it. */
#include "api/policy_impl.h"

#include "api/cel_kube.h"
#include "base/mem.h"
#include "base/text.h"

/* --- types --- */

static const struct policy_variable *policy_env_find(const struct policy_env *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(e->variables[i].name, name))
            return &e->variables[i];
    return NULL;
}

static const struct cel_type *policy_env_field(const struct cel_type *t, const char *name,
                                               const char **ret_key)
{
    const struct policy_variable *v = policy_env_find(t->arg, name);

    if (v == NULL)
        return NULL;
    *ret_key = v->name;
    return v->program != NULL ? cel_program_type(v->program) : CEL_TYPE_OF(CEL_DYN);
}

struct policy_env *policy_env_new(bool has_params)
{
    struct policy_env *e = MEM_NEW(struct policy_env);

    for (size_t i = 0; i < REVIEW_VARS; i++)
        e->vars[i] = review_cel_vars[i];
    e->type = (struct cel_type){
        .kind = CEL_OBJECT, .name = "kubernetes.variables", .field = policy_env_field, .arg = e
    };
    e->vars[REVIEW_VARIABLES].type = &e->type;
    e->cel = (struct cel_env){ .vars = e->vars,
                               .n_vars = has_params ? REVIEW_VARS : REVIEW_PARAMS,
                               .libraries = cel_kube_libraries };
    return e;
}

struct policy_env *policy_env_free(struct policy_env *e)
{
    if (e == NULL)
        return NULL;
    for (size_t i = 0; i < e->n; i++) {
        free(e->variables[i].name);
        free(e->variables[i].wrong);
        cel_program_free(e->variables[i].program);
    }
    free(e->variables);
    free(e);
    return NULL;
}

const struct cel_env *policy_env_cel(const struct policy_env *e)
{
    return &e->cel;
}

void policy_env_add(struct policy_env *e, const char *name, const char *text, char **ret_wrong)
{
    struct policy_variable v = { .name = mem_str(name) };
    struct err err = ERR_EMPTY;

    if (cel_compile(&v.program, text, &e->cel, &err) < 0)
        v.wrong = mem_fmt("compilation failed: %s", err.text);
    if (ret_wrong != NULL)
        *ret_wrong = mem_str(v.wrong);
    e->variables = mem_grow(e->variables, e->n + 1, sizeof(*e->variables));
    e->variables[e->n++] = v;
}

/* --- values: computed when first asked for, once per request --- */

static bool policy_run_field(struct cel_context *c, void *arg, const char *name,
                             struct cel_value *ret)
{
    struct policy_run *run = arg;
    const struct policy_variable *v = policy_env_find(run->env, name);
    struct err err = ERR_EMPTY;
    struct cel_value *known;

    if (v == NULL)
        return false;
    known = &run->known[v - run->env->variables];
    if (known->kind != CEL_PARAM) {
        *ret = *known;
        return true;
    }
    if (v->program == NULL)
        *known = cel_error(c, "%s", v->wrong);
    else if (cel_run(known, v->program, c, run->vars, &err) < 0)
        *known = cel_error(c, "%s", err.text);
    *ret = *known;
    return true;
}

void policy_run_init(struct policy_run *run, const struct policy_env *e, struct cel_context *c,
                     const struct review_facts *facts)
{
    static const struct cel_host host = { .field = policy_run_field };

    run->env = e;
    run->c = c;
    run->known = cel_alloc(c, (e->n + 1) * sizeof(*run->known));
    for (size_t i = 0; i < e->n; i++)
        run->known[i].kind = CEL_PARAM; /* in no value: not computed yet */
    review_cel_values(run->vars, c, facts);
    run->vars[REVIEW_VARIABLES] = cel_object(&host, run);
}
