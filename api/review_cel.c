#include "api/review_cel.h"

#include "api/cel_kube.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* --- the request's type --- */

struct review_field {
    const char *name;
    const struct cel_type *type;
};

/* An OBJECT type whose arg is a list of fields that ends with a NULL name. */
static const struct cel_type *review_field_of(const struct cel_type *t, const char *name,
                                              const char **ret_key)
{
    for (const struct review_field *f = t->arg; f->name != NULL; f++)
        if (str_eq(f->name, name)) {
            *ret_key = f->name;
            return f->type;
        }
    return NULL;
}

#define REVIEW_TYPE(var, label, fields_)                                            \
    static const struct cel_type var = {                                            \
        .kind = CEL_OBJECT, .name = label, .field = review_field_of, .arg = fields_ \
    }

/* clang-format off */
static const struct cel_type review_strings = { .kind = CEL_LIST, .elem = &cel_types[CEL_STRING] };
static const struct cel_type review_extra = { .kind = CEL_MAP, .key = &cel_types[CEL_STRING],
                                              .elem = &review_strings };
static const struct review_field review_gvk_fields[] = {
    { "group", &cel_types[CEL_STRING] }, { "version", &cel_types[CEL_STRING] },
    { "kind", &cel_types[CEL_STRING] },  { NULL, NULL } };
REVIEW_TYPE(review_gvk, "kubernetes.GroupVersionKind", review_gvk_fields);
static const struct review_field review_gvr_fields[] = {
    { "group", &cel_types[CEL_STRING] },    { "version", &cel_types[CEL_STRING] },
    { "resource", &cel_types[CEL_STRING] }, { NULL, NULL } };
REVIEW_TYPE(review_gvr, "kubernetes.GroupVersionResource", review_gvr_fields);
static const struct review_field review_user_fields[] = {
    { "username", &cel_types[CEL_STRING] }, { "uid", &cel_types[CEL_STRING] },
    { "groups", &review_strings },          { "extra", &review_extra }, { NULL, NULL } };
REVIEW_TYPE(review_user, "kubernetes.UserInfo", review_user_fields);
static const struct review_field review_request_fields[] = {
    { "kind", &review_gvk }, { "resource", &review_gvr }, { "subResource", &cel_types[CEL_STRING] },
    { "requestKind", &review_gvk }, { "requestResource", &review_gvr },
    { "requestSubResource", &cel_types[CEL_STRING] }, { "name", &cel_types[CEL_STRING] },
    { "namespace", &cel_types[CEL_STRING] }, { "operation", &cel_types[CEL_STRING] },
    { "userInfo", &review_user }, { "dryRun", &cel_types[CEL_BOOL] },
    { "options", &cel_types[CEL_DYN] }, { NULL, NULL } };
REVIEW_TYPE(review_request, "kubernetes.AdmissionRequest", review_request_fields);

const struct cel_var review_cel_vars[REVIEW_VARS] = {
    [REVIEW_OBJECT] = { "object", &cel_types[CEL_DYN] },
    [REVIEW_OLD] = { "oldObject", &cel_types[CEL_DYN] },
    [REVIEW_REQUEST] = { "request", &review_request },
    [REVIEW_NAMESPACE] = { "namespaceObject", &cel_types[CEL_DYN] },
    [REVIEW_VARIABLES] = { "variables", &cel_types[CEL_DYN] },
    [REVIEW_PARAMS] = { "params", &cel_types[CEL_DYN] },
};
/* clang-format on */

const struct cel_env review_cel_webhooks = { .vars = review_cel_vars,
                                             .n_vars = REVIEW_OF_WEBHOOKS,
                                             .libraries = cel_kube_libraries };

void review_cel_values(struct cel_value ret[REVIEW_VARS], struct cel_context *c,
                       const struct review_facts *f)
{
    const json_t *trees[REVIEW_VARS] = { [REVIEW_OBJECT] = f->object,
                                         [REVIEW_OLD] = f->old,
                                         [REVIEW_REQUEST] = f->request,
                                         [REVIEW_NAMESPACE] = f->ns,
                                         [REVIEW_PARAMS] = f->params };

    for (size_t i = 0; i < REVIEW_VARS; i++)
        ret[i] = trees[i] != NULL ? cel_tree(c, trees[i], review_cel_vars[i].type) : cel_null();
}

/* --- one expression --- */

struct cel_program *review_cel_compile(const char *text, const struct cel_env *env,
                                       enum cel_kind want, char **ret_wrong)
{
    struct cel_program *p = NULL;
    struct err err = ERR_EMPTY;
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (cel_compile(&p, text, env, &err) < 0) {
        *ret_wrong = mem_fmt("compilation failed: %s", err.text);
        return NULL;
    }
    if (cel_program_type(p)->kind == want || cel_program_type(p)->kind == CEL_DYN)
        return p;
    *ret_wrong = mem_fmt("must evaluate to %s", want == CEL_BOOL ? "bool" : "string");
    return cel_program_free(p);
}

/* --- conditions --- */

struct review_condition {
    char *text;                  /* owned */
    struct cel_program *program; /* owned; NULL: it does not compile */
    char *wrong;                 /* why not; owned */
};

struct review_conditions {
    struct review_condition *list; /* owned */
    size_t n;
};

struct review_conditions *review_conditions_new(const json_t *list, const struct cel_env *env)
{
    struct review_conditions *r;
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return NULL;
    r = MEM_NEW(struct review_conditions);
    r->n = json_array_size(list);
    r->list = MEM_NEW_ARRAY(struct review_condition, r->n);
    json_array_foreach (list, i, item) {
        struct review_condition *k = &r->list[i];

        k->text = mem_str(json_str_or(item, "expression", ""));
        k->program = review_cel_compile(k->text, env, CEL_BOOL, &k->wrong);
    }
    return r;
}

struct review_conditions *review_conditions_free(struct review_conditions *r)
{
    if (r == NULL)
        return NULL;
    for (size_t i = 0; i < r->n; i++) {
        free(r->list[i].text);
        cel_program_free(r->list[i].program);
        free(r->list[i].wrong);
    }
    free(r->list);
    free(r);
    return NULL;
}

/* 1, 0, or an error added to @t. */
static int review_condition_holds(const struct review_condition *k, struct cel_context *c,
                                  const struct cel_value *vars, struct text *t)
{
    struct err err = ERR_EMPTY;
    struct cel_value v;

    if (k->program == NULL)
        err_set(&err, ERR_INVALID, "compilation error: %s", k->wrong);
    else if (cel_run(&v, k->program, c, vars, &err) == 0 && v.kind == CEL_BOOL)
        return v.b;
    text_fmt(t, "%sexpression '%s' resulted in error: %s", t->len > 0 ? ", " : "", k->text,
             err.code != 0 ? err.text : "it did not evaluate to a bool");
    return ERR_INVALID;
}

int review_conditions_hold(const struct review_conditions *r, struct cel_context *c,
                           const struct cel_value *vars, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    size_t wrong = 0;

    for (size_t i = 0; r != NULL && i < r->n; i++) {
        int rc = review_condition_holds(&r->list[i], c, vars, &t);

        if (rc == 0)
            return 0;
        wrong += rc < 0;
    }
    if (wrong == 0)
        return 1;
    return err_set(err, ERR_INVALID, wrong > 1 ? "[%s]" : "%s", text_str(&t));
}
