/* Text to a program: reading, checking, reporting. */
#include "cel/cel_impl.h"

#include "base/mem.h"

#include <string.h>

static int cel_build(struct cel_program *p, struct cel_report *r)
{
    p->root = cel_parse(p->text, p->pool, r);
    if (p->root != NULL)
        cel_check(p, r);
    return r->n > 0 ? ERR_INVALID : 0;
}

int cel_compile(struct cel_program **ret, const char *text, const struct cel_env *env,
                struct err *err)
{
    cleanup(cel_program_freep) struct cel_program *p = NULL;
    struct cel_report r = { .source = text };
    int rc;

    if (strlen(text) > CEL_TEXT_MAX)
        return err_set(err, ERR_INVALID, "expression code point size exceeds limit: limit: %d",
                       CEL_TEXT_MAX);
    p = MEM_NEW(struct cel_program);
    p->pool = pool_new();
    p->text = pool_str(p->pool, text);
    p->env = env;
    rc = cel_build(p, &r);
    if (rc < 0)
        err_set(err, rc, "%s", text_str(&r.text));
    text_fini(&r.text);
    if (rc == 0)
        *ret = STEAL(p);
    return rc;
}

struct cel_program *cel_program_free(struct cel_program *p)
{
    if (p == NULL)
        return NULL;
    pool_free(p->pool);
    free(p);
    return NULL;
}

void cel_program_freep(struct cel_program **p)
{
    *p = cel_program_free(*p);
}

const struct cel_type *cel_program_type(const struct cel_program *p)
{
    return p->root->type;
}

static bool cel_node_uses(const struct cel_program *p, const struct cel_node *n, const char *var)
{
    if (n->op == CEL_IDENT && n->slot >= 0 && str_eq(p->env->vars[n->slot].name, var))
        return true;
    for (size_t i = 0; i < n->n_args; i++)
        if (cel_node_uses(p, n->args[i], var))
            return true;
    return false;
}

bool cel_program_uses(const struct cel_program *p, const char *var)
{
    return cel_node_uses(p, p->root, var);
}
