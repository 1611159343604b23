/* Names, types and overloads of an expression, before it ever runs (cel-spec, "Gradual type
 * checking"): what is dyn is left to the run. */
#include "cel/cel_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct cel_scope { /* of a macro's variable */
    const char *name;
    const struct cel_type *type;
    const struct cel_scope *up;
};

struct cel_checker {
    struct pool *pool;
    const struct cel_env *env;
    struct cel_report *report;
    const struct cel_scope *scope;
};

static const struct cel_type *check_node(struct cel_checker *c, struct cel_node *n);

const struct cel_library *cel_library_at(const struct cel_env *env, size_t i)
{
    static const struct cel_library *const standard[] = { &cel_lib_core,   &cel_lib_convert,
                                                          &cel_lib_time,   &cel_lib_strings,
                                                          &cel_lib_format, &cel_lib_regex,
                                                          &cel_lib_lists,  &cel_lib_optional };

    if (i < N_ELEMENTS(standard))
        return standard[i];
    return env->libraries != NULL ? env->libraries[i - N_ELEMENTS(standard)] : NULL;
}

static const struct cel_type *check_dyn(void)
{
    return CEL_TYPE_OF(CEL_DYN);
}

/* --- names --- */

static int check_variable(const struct cel_checker *c, const char *name)
{
    for (size_t i = 0; i < c->env->n_vars; i++)
        if (str_eq(c->env->vars[i].name, name))
            return (int)i;
    return -1;
}

static bool check_is_bound(const struct cel_checker *c, const char *name)
{
    for (const struct cel_scope *s = c->scope; s != NULL; s = s->up)
        if (str_eq(s->name, name))
            return true;
    return check_variable(c, name) >= 0;
}

static const struct cel_type *check_ident(struct cel_checker *c, struct cel_node *n)
{
    const struct cel_type *type;

    for (const struct cel_scope *s = c->scope; s != NULL; s = s->up)
        if (str_eq(s->name, n->name))
            return s->type;
    n->slot = check_variable(c, n->name);
    if (n->slot >= 0)
        return c->env->vars[n->slot].type;
    type = cel_type_named(n->name);
    if (type != NULL) {
        n->op = CEL_CONST;
        n->value = (struct cel_value){ .kind = CEL_TYPE, .as = type };
        return CEL_TYPE_OF(CEL_TYPE);
    }
    cel_report_add(c->report, n->at, "undeclared reference to '%s' (in container '')", n->name);
    return check_dyn();
}

/* --- fields --- */

static const struct cel_type *check_field(struct cel_checker *c, struct cel_node *n,
                                          const struct cel_type *of)
{
    cleanup(text_fini) struct text shown = TEXT_EMPTY;
    const struct cel_type *type;
    const char *key;

    switch (of->kind) {
    case CEL_DYN: return of;
    case CEL_MAP: return of->elem;
    case CEL_OPTIONAL: n->optional = true; return check_field(c, n, of->elem);
    case CEL_OBJECT:
        type = of->field != NULL ? of->field(of, n->name, &key) : check_dyn();
        if (type == NULL)
            cel_report_add(c->report, n->at, "undefined field '%s'", n->name);
        return type != NULL ? type : check_dyn();
    default: break;
    }
    cel_type_print(&shown, of);
    cel_report_add(c->report, n->at, "type '%s' does not support field selection",
                   text_str(&shown));
    return check_dyn();
}

static const struct cel_type *check_optional(struct cel_checker *c, const struct cel_node *n,
                                             const struct cel_type *type)
{
    if (!n->optional)
        return type;
    return type->kind == CEL_OPTIONAL ? type : cel_type_optional(c->pool, type);
}

static const struct cel_type *check_select(struct cel_checker *c, struct cel_node *n)
{
    const struct cel_type *of = check_node(c, n->args[0]);
    const struct cel_type *type = check_field(c, n, of);

    return n->op == CEL_HAS ? CEL_TYPE_OF(CEL_BOOL) : check_optional(c, n, type);
}

/* --- calls --- */

static void check_refuse(struct cel_checker *c, const struct cel_node *n)
{
    cleanup(text_fini) struct text shown = TEXT_EMPTY;
    size_t first = n->method ? 1 : 0;

    if (n->method) {
        cel_type_print(&shown, n->args[0]->type);
        text_putc(&shown, '.');
    }
    text_putc(&shown, '(');
    for (size_t i = first; i < n->n_args; i++) {
        text_puts(&shown, i > first ? ", " : "");
        cel_type_print(&shown, n->args[i]->type);
    }
    text_putc(&shown, ')');
    cel_report_add(c->report, n->at, "found no matching overload for '%s' applied to '%s'",
                   n->op == CEL_COND ? "_?_:_" : n->name, text_str(&shown));
}

/* The result's type; NULL: the arguments do not fit. */
static const struct cel_type *check_overload(struct cel_checker *c, const struct cel_node *n,
                                             const struct cel_function *f,
                                             const struct cel_library *lib)
{
    struct cel_binding binding = { 0 };
    const char *sig = f->sig;

    for (size_t i = 0; i < n->n_args; i++)
        if (*sig == ':' ||
            !cel_type_fits(&binding, cel_type_read(c->pool, &sig, lib), n->args[i]->type))
            return NULL;
    if (*sig++ != ':')
        return NULL;
    return cel_type_filled(c->pool, &binding, cel_type_read(c->pool, &sig, lib));
}

static void check_add_overload(struct cel_checker *c, struct cel_node *n, struct cel_overload o)
{
    struct cel_overload *wider = pool_zero(c->pool, (n->n_overloads + 1) * sizeof(*wider));

    if (n->n_overloads > 0)
        memcpy(wider, n->overloads, n->n_overloads * sizeof(*wider));
    wider[n->n_overloads++] = o;
    n->overloads = wider;
}

/* Every overload that may fit is kept: with dyn among the arguments the run decides. */
static const struct cel_type *check_overloads(struct cel_checker *c, struct cel_node *n)
{
    const struct cel_library *lib;
    const struct cel_type *result = NULL, *type;
    bool named = false;

    for (size_t l = 0; (lib = cel_library_at(c->env, l)) != NULL; l++)
        for (size_t i = 0; i < lib->n; i++) {
            const struct cel_function *f = &lib->functions[i];

            if (f->method != n->method || !str_eq(f->name, n->name))
                continue;
            named = true;
            type = check_overload(c, n, f, lib);
            if (type == NULL)
                continue;
            check_add_overload(c, n, (struct cel_overload){ f, lib });
            result = result == NULL || cel_type_same(result, type) ? type : check_dyn();
        }
    if (result != NULL)
        return result;
    if (named)
        check_refuse(c, n);
    else
        cel_report_add(c->report, n->at, "undeclared reference to '%s' (in container '')", n->name);
    return check_dyn();
}

/* `sets.contains(a, b)` is read as a method of a variable `sets`: without one it is a function with a
 * long name. */
static void check_qualify(struct cel_checker *c, struct cel_node *n)
{
    const struct cel_node *left = n->method ? n->args[0] : NULL;
    const struct cel_library *lib;
    char name[80];

    if (left == NULL || left->op != CEL_IDENT || check_is_bound(c, left->name))
        return;
    snprintf(name, sizeof(name), "%.32s.%.32s", left->name, n->name);
    for (size_t l = 0; (lib = cel_library_at(c->env, l)) != NULL; l++)
        for (size_t i = 0; i < lib->n; i++)
            if (!lib->functions[i].method && str_eq(lib->functions[i].name, name)) {
                n->method = false;
                n->name = lib->functions[i].name;
                n->args++;
                n->n_args--;
                return;
            }
}

static const struct cel_type *check_call(struct cel_checker *c, struct cel_node *n)
{
    check_qualify(c, n);
    /* The one list that is no list of equals. */
    if (n->method && n->n_args == 2 && str_eq(n->name, "format"))
        n->args[1]->mixed = true;
    for (size_t i = 0; i < n->n_args; i++)
        check_node(c, n->args[i]);
    return check_overloads(c, n);
}

static const struct cel_type *check_index(struct cel_checker *c, struct cel_node *n)
{
    const struct cel_type *of = check_node(c, n->args[0]);
    struct cel_binding binding = { 0 };

    check_node(c, n->args[1]);
    if (of->kind == CEL_OPTIONAL) {
        n->optional = true;
        of = of->elem;
    }
    if (of->kind == CEL_DYN)
        return check_optional(c, n, of);
    if ((of->kind == CEL_LIST && cel_type_fits(&binding, CEL_TYPE_OF(CEL_INT), n->args[1]->type)) ||
        (of->kind == CEL_MAP && cel_type_fits(&binding, of->key, n->args[1]->type)))
        return check_optional(c, n, of->elem);
    n->name = n->optional ? "_[?_]" : "_[_]";
    check_refuse(c, n);
    return check_dyn();
}

/* --- logic --- */

static void check_bool(struct cel_checker *c, struct cel_node *n)
{
    const struct cel_type *type = check_node(c, n);
    cleanup(text_fini) struct text shown = TEXT_EMPTY;

    if (type->kind == CEL_BOOL || type->kind == CEL_DYN)
        return;
    cel_type_print(&shown, type);
    cel_report_add(c->report, n->at, "expected type 'bool' but found '%s'", text_str(&shown));
}

static const struct cel_type *check_logic(struct cel_checker *c, struct cel_node *n)
{
    n->name = n->op == CEL_AND ? "_&&_" : "_||_";
    for (size_t i = 0; i < 2; i++)
        check_bool(c, n->args[i]);
    return CEL_TYPE_OF(CEL_BOOL);
}

static const struct cel_type *check_cond(struct cel_checker *c, struct cel_node *n)
{
    struct cel_binding binding = { 0 };
    static const struct cel_type any = { .kind = CEL_PARAM, .name = "A" };

    for (size_t i = 0; i < 3; i++)
        check_node(c, n->args[i]);
    if ((n->args[0]->type->kind == CEL_BOOL || n->args[0]->type->kind == CEL_DYN) &&
        cel_type_fits(&binding, &any, n->args[1]->type) &&
        cel_type_fits(&binding, &any, n->args[2]->type))
        return binding.of[0];
    check_refuse(c, n);
    return check_dyn();
}

/* --- literals --- */

/* One more member: all of a literal are of one type, as Kubernetes' environments want it. */
static const struct cel_type *check_member(struct cel_checker *c, const struct cel_node *n,
                                           const struct cel_type *so_far)
{
    cleanup(text_fini) struct text want = TEXT_EMPTY, have = TEXT_EMPTY;
    const struct cel_type *type = n->type;
    struct cel_binding binding = { 0 };

    if (n->maybe && type->kind == CEL_OPTIONAL)
        type = type->elem;
    if (so_far == NULL)
        return type;
    if (cel_type_fits(&binding, so_far, type))
        return so_far->kind == CEL_DYN ? so_far : type->kind == CEL_DYN ? type : so_far;
    cel_type_print(&want, so_far);
    cel_type_print(&have, type);
    cel_report_add(c->report, n->at, "expected type '%s' but found '%s'", text_str(&want),
                   text_str(&have));
    return check_dyn();
}

static const struct cel_type *check_literal(struct cel_checker *c, struct cel_node *n)
{
    const struct cel_type *of[2] = { NULL, NULL }; /* keys and values; a list has values only */

    for (size_t i = 0; i < n->n_args; i++) {
        size_t which = n->op == CEL_LISTING ? 1 : i % 2;

        check_node(c, n->args[i]);
        of[which] = n->mixed ? check_dyn() : check_member(c, n->args[i], of[which]);
    }
    for (size_t i = 0; i < 2; i++)
        if (of[i] == NULL)
            of[i] = check_dyn();
    return n->op == CEL_LISTING ? cel_type_list(c->pool, of[1])
                                : cel_type_map(c->pool, of[0], of[1]);
}

/* --- macros --- */

/* The type of a macro's variable. */
static const struct cel_type *check_range(struct cel_checker *c, const struct cel_node *n)
{
    const struct cel_type *range = n->args[0]->type;
    bool optional = n->loop == CEL_OPT_MAP || n->loop == CEL_OPT_FLAT_MAP;
    cleanup(text_fini) struct text shown = TEXT_EMPTY;

    if (range->kind == CEL_DYN)
        return range;
    if (optional ? range->kind == CEL_OPTIONAL : range->kind == CEL_LIST)
        return range->elem;
    if (!optional && range->kind == CEL_MAP)
        return range->key;
    cel_type_print(&shown, range);
    cel_report_add(c->report, n->args[0]->at,
                   optional ? "expression of type '%s' is no optional value"
                            : "expression of type '%s' cannot be range of a comprehension "
                              "(must be list, map, or dynamic)",
                   text_str(&shown));
    return check_dyn();
}

static const struct cel_type *check_loop_result(struct cel_checker *c, const struct cel_node *n,
                                                const struct cel_type *item)
{
    const struct cel_type *body = n->args[n->n_args - 1]->type;

    switch (n->loop) {
    case CEL_FILTER: return cel_type_list(c->pool, item);
    case CEL_MAP_EACH: return cel_type_list(c->pool, body);
    case CEL_OPT_MAP: return cel_type_optional(c->pool, body);
    case CEL_OPT_FLAT_MAP: return body;
    default: return CEL_TYPE_OF(CEL_BOOL);
    }
}

static const struct cel_type *check_loop(struct cel_checker *c, struct cel_node *n)
{
    struct cel_scope scope = { .name = n->name, .up = c->scope };

    check_node(c, n->args[0]);
    scope.type = check_range(c, n);
    c->scope = &scope;
    for (size_t i = 1; i < n->n_args; i++) {
        bool result = i == n->n_args - 1 && n->loop >= CEL_MAP_EACH;

        if (result)
            check_node(c, n->args[i]);
        else
            check_bool(c, n->args[i]);
    }
    c->scope = scope.up;
    return check_loop_result(c, n, scope.type);
}

static const struct cel_type *check_bind(struct cel_checker *c, struct cel_node *n)
{
    struct cel_scope scope = { .name = n->name, .up = c->scope };
    const struct cel_type *type;

    scope.type = check_node(c, n->args[0]);
    c->scope = &scope;
    type = check_node(c, n->args[1]);
    c->scope = scope.up;
    return type;
}

/* --- all --- */

static const struct cel_type *check_const(const struct cel_node *n)
{
    return CEL_TYPE_OF(n->value.kind);
}

static const struct cel_type *check_typed(struct cel_checker *c, struct cel_node *n)
{
    switch (n->op) {
    case CEL_CONST: return check_const(n);
    case CEL_IDENT: return check_ident(c, n);
    case CEL_SELECT:
    case CEL_HAS: return check_select(c, n);
    case CEL_INDEX: return check_index(c, n);
    case CEL_CALL: return check_call(c, n);
    case CEL_LISTING:
    case CEL_MAPPING: return check_literal(c, n);
    case CEL_AND:
    case CEL_OR: return check_logic(c, n);
    case CEL_COND: return check_cond(c, n);
    case CEL_LOOP: return check_loop(c, n);
    case CEL_BIND: return check_bind(c, n);
    }
    return check_dyn();
}

static const struct cel_type *check_node(struct cel_checker *c, struct cel_node *n)
{
    n->type = check_typed(c, n);
    return n->type;
}

void cel_check(struct cel_program *p, struct cel_report *r)
{
    struct cel_checker c = { .pool = p->pool, .env = p->env, .report = r };

    check_node(&c, p->root);
}
