#include "api/custom_cel.h"

#include "api/cel_kube.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define CUSTOM_CEL_MESSAGE_MAX 5120 /* of a messageExpression's result (MaxEvaluatedMessage...) */

struct custom_cel_rule {
    json_t *said;                /* the rule as the definition has it; owned */
    struct cel_program *program; /* owned; NULL: it does not compile */
    struct cel_program *message; /* owned; NULL: none, or it does not compile */
    char *wrong, *wrong_message; /* why not; owned */
    bool transition;             /* it names oldSelf */
    bool optional_old;           /* oldSelf is an optional value, and always there */
};

struct custom_cel {
    struct cel_env env, optional_env;
    struct cel_var vars[2], optional_vars[2];
    const struct custom_node *node;
    struct custom_cel_rule *rules; /* owned */
    size_t n;
    size_t text; /* bytes of all rules */
};

/* --- types --- */

struct custom_cel_object { /* in the pool */
    struct pool *pool;
    const struct custom_node *node;
    const struct cel_type **fields; /* of the node's children; NULL: not made yet */
    bool resource;                  /* with apiVersion, kind and metadata */
};

static const struct cel_type *custom_cel_type(struct pool *pool, const struct custom_node *n,
                                              bool root);

/* Words that no field of an expression can be called, so they come as `__word__`. */
static bool custom_cel_is_keyword(const char *s, size_t n)
{
    static const char *const words[] = { "true",     "false",     "null",     "in",   "as",
                                         "break",    "const",     "continue", "else", "for",
                                         "function", "if",        "import",   "let",  "loop",
                                         "package",  "namespace", "return" };

    for (size_t i = 0; i < N_ELEMENTS(words); i++)
        if (strlen(words[i]) == n && strncmp(words[i], s, n) == 0)
            return true;
    return false;
}

/* `a__dash__b` is the field `a-b` (common.Unescape). */
static void custom_cel_unescape(struct text *ret, const char *name)
{
    static const struct {
        const char *escaped, *plain;
    } rows[] = {
        { "__underscores__", "__" }, { "__dot__", "." }, { "__dash__", "-" }, { "__slash__", "/" }
    };
    size_t len = strlen(name);

    if (len > 4 && str_starts(name, "__") && str_ends(name, "__") &&
        custom_cel_is_keyword(name + 2, len - 4)) {
        text_add(ret, name + 2, len - 4);
        return;
    }
    while (*name != '\0') {
        size_t i = 0;

        while (i < N_ELEMENTS(rows) && !str_starts(name, rows[i].escaped))
            i++;
        if (i < N_ELEMENTS(rows)) {
            text_puts(ret, rows[i].plain);
            name += strlen(rows[i].escaped);
        } else {
            text_putc(ret, *name++);
        }
    }
}

static const struct cel_type *custom_cel_field_of_meta(UNUSED const struct cel_type *t,
                                                       const char *name, const char **ret_key)
{
    *ret_key = name;
    return str_eq(name, "name") || str_eq(name, "generateName") ? CEL_TYPE_OF(CEL_STRING) : NULL;
}

static const struct cel_type *custom_cel_field_of_resource(const char *name, const char **ret_key)
{
    static const struct cel_type meta = { .kind = CEL_OBJECT,
                                          .name = "object",
                                          .field = custom_cel_field_of_meta };

    *ret_key = name;
    if (str_eq(name, "apiVersion") || str_eq(name, "kind"))
        return CEL_TYPE_OF(CEL_STRING);
    return str_eq(name, "metadata") ? &meta : NULL;
}

static const struct cel_type *custom_cel_field(const struct cel_type *t, const char *name,
                                               const char **ret_key)
{
    const struct custom_cel_object *o = t->arg;
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    const struct cel_type *type = o->resource ? custom_cel_field_of_resource(name, ret_key) : NULL;
    const struct custom_node *child;
    const struct cel_type **place;

    if (type != NULL)
        return type;
    custom_cel_unescape(&plain, name);
    child = custom_node_child(o->node, text_str(&plain));
    if (child == NULL)
        return NULL;
    place = &o->fields[child - o->node->children];
    if (*place == NULL)
        *place = custom_cel_type(o->pool, child, false);
    *ret_key = child->name;
    return *place;
}

static const struct cel_type *custom_cel_object_type(struct pool *pool, const struct custom_node *n,
                                                     bool resource)
{
    struct custom_cel_object *o = pool_zero(pool, sizeof(*o));
    struct cel_type *t = pool_zero(pool, sizeof(*t));

    o->pool = pool;
    o->node = n;
    o->fields = pool_zero(pool, (n->n_children + 1u) * sizeof(const struct cel_type *));
    o->resource = resource;
    *t = (struct cel_type){
        .kind = CEL_OBJECT, .name = "object", .field = custom_cel_field, .arg = o
    };
    return t;
}

static const struct cel_type *custom_cel_text_type(const struct custom_node *n)
{
    const struct custom_rule *format = custom_node_rule(n, CUSTOM_RULE_FORMAT);
    const char *name = format != NULL ? format->text : "";

    if (str_eq(name, "date-time") || str_eq(name, "date"))
        return CEL_TYPE_OF(CEL_TIMESTAMP);
    if (str_eq(name, "duration"))
        return CEL_TYPE_OF(CEL_DURATION);
    return CEL_TYPE_OF(str_eq(name, "byte") ? CEL_BYTES : CEL_STRING);
}

static const struct cel_type *custom_cel_container(struct pool *pool, enum cel_kind kind,
                                                   const struct custom_node *n)
{
    struct cel_type *t = pool_zero(pool, sizeof(*t));

    *t = (struct cel_type){ .kind = kind,
                            .elem = n->items != NULL ? custom_cel_type(pool, n->items, false)
                                                     : CEL_TYPE_OF(CEL_DYN),
                            .key = kind == CEL_MAP ? CEL_TYPE_OF(CEL_STRING) : NULL,
                            .unordered = (n->flags & (CUSTOM_SET | CUSTOM_MAP)) != 0 };
    return t;
}

static const struct cel_type *custom_cel_type(struct pool *pool, const struct custom_node *n,
                                              bool root)
{
    bool resource = root || (n->flags & CUSTOM_EMBEDDED) != 0;

    switch (n->type) {
    case CUSTOM_OBJECT:
        if (n->items != NULL || (n->flags & CUSTOM_OPEN) != 0)
            return custom_cel_container(pool, CEL_MAP, n);
        /* Members that no schema knows can be anything. */
        if (n->n_children == 0 && !resource && (n->flags & CUSTOM_PRESERVE) != 0)
            return CEL_TYPE_OF(CEL_DYN);
        return custom_cel_object_type(pool, n, resource);
    case CUSTOM_ARRAY: return custom_cel_container(pool, CEL_LIST, n);
    case CUSTOM_STRING: return custom_cel_text_type(n);
    case CUSTOM_INTEGER: return CEL_TYPE_OF(CEL_INT);
    case CUSTOM_NUMBER: return CEL_TYPE_OF(CEL_DOUBLE);
    case CUSTOM_BOOLEAN: return CEL_TYPE_OF(CEL_BOOL);
    default: return CEL_TYPE_OF(CEL_DYN);
    }
}

/* --- compiling --- */

static const char *custom_cel_said(const struct custom_cel_rule *r, const char *key)
{
    return json_str_or(r->said, key, "");
}

static char *custom_cel_compile(struct cel_program **ret, const char *text,
                                const struct cel_env *env, enum cel_kind want, const char *must)
{
    struct err err = ERR_EMPTY;

    if (cel_compile(ret, text, env, &err) < 0)
        return mem_fmt("compilation failed: %s", err.text);
    if (cel_program_type(*ret)->kind == want || cel_program_type(*ret)->kind == CEL_DYN)
        return NULL;
    *ret = cel_program_free(*ret);
    return mem_str(must);
}

static void custom_cel_compile_rule(struct custom_cel *cel, struct custom_cel_rule *r)
{
    const struct cel_env *env;
    const char *message = custom_cel_said(r, "messageExpression");

    r->optional_old = json_bool(r->said, "optionalOldSelf", false);
    env = r->optional_old ? &cel->optional_env : &cel->env;
    r->wrong = custom_cel_compile(&r->program, custom_cel_said(r, "rule"), env, CEL_BOOL,
                                  "cel expression must evaluate to a bool");
    r->transition = r->program != NULL && cel_program_uses(r->program, "oldSelf");
    if (message[0] != '\0')
        r->wrong_message = custom_cel_compile(&r->message, message, env, CEL_STRING,
                                              "messageExpression must evaluate to a string");
    cel->text += strlen(custom_cel_said(r, "rule")) + strlen(message);
}

static void custom_cel_environment(struct cel_env *env, struct cel_var vars[2],
                                   const struct cel_type *self, const struct cel_type *old)
{
    vars[0] = (struct cel_var){ "self", self };
    vars[1] = (struct cel_var){ "oldSelf", old };
    *env = (struct cel_env){ .vars = vars, .n_vars = 2, .libraries = cel_kube_libraries };
}

struct custom_cel *custom_cel_new(const struct custom_node *node, const json_t *rules, bool root,
                                  struct pool *pool)
{
    struct custom_cel *cel = MEM_NEW(struct custom_cel);
    const struct cel_type *self = custom_cel_type(pool, node, root);
    struct cel_type *optional = pool_zero(pool, sizeof(*optional));

    *optional = (struct cel_type){ .kind = CEL_OPTIONAL, .elem = self };
    custom_cel_environment(&cel->env, cel->vars, self, self);
    custom_cel_environment(&cel->optional_env, cel->optional_vars, self, optional);
    cel->node = node;
    cel->n = json_array_size(rules);
    cel->rules = MEM_NEW_ARRAY(struct custom_cel_rule, cel->n + 1);
    for (size_t i = 0; i < cel->n; i++) {
        cel->rules[i].said = json_deep_copy(json_array_get(rules, i));
        custom_cel_compile_rule(cel, &cel->rules[i]);
    }
    return cel;
}

struct custom_cel *custom_cel_free(struct custom_cel *cel)
{
    if (cel == NULL)
        return NULL;
    for (size_t i = 0; i < cel->n; i++) {
        json_decref(cel->rules[i].said);
        cel_program_free(cel->rules[i].program);
        cel_program_free(cel->rules[i].message);
        free(cel->rules[i].wrong);
        free(cel->rules[i].wrong_message);
    }
    free(cel->rules);
    free(cel);
    return NULL;
}

/* Nodes are an order of magnitude larger than the text they come from. */
size_t custom_cel_footprint(const struct custom_cel *cel)
{
    return sizeof(*cel) + cel->n * sizeof(*cel->rules) + cel->text * 16;
}

/* --- checking --- */

struct custom_cel_check {
    struct field_errors *e;
    const char *path;
    const char *type; /* what stands for the value in messages */
    struct cel_context *c;
    struct cel_value vars[2], optional_vars[2];
    bool has_old;
};

static void custom_cel_fail(const struct custom_cel_check *k, const char *path, const char *reason,
                            const char *detail)
{
    cleanup(json_decrefpp) json_t *type = json_string(k->type);

    if (str_eq(reason, "FieldValueForbidden"))
        field_forbidden(k->e, path, detail);
    else if (str_eq(reason, "FieldValueRequired"))
        field_required(k->e, path, detail);
    else if (str_eq(reason, "FieldValueDuplicate"))
        field_duplicate(k->e, path, type);
    else
        field_invalid_str(k->e, path, k->type, "%s", detail);
}

/* The rule's own words for an error that is not a plain false. */
static const char *custom_cel_words(const struct custom_cel_rule *r)
{
    const char *message = custom_cel_said(r, "message");

    return message[0] != '\0' ? message : custom_cel_said(r, "rule");
}

static void custom_cel_broke(const struct custom_cel_check *k, const struct custom_cel_rule *r,
                             const struct err *err)
{
    cleanup(freep) char *detail = NULL;

    if (err->code == ERR_LIMIT)
        detail = mem_fmt("'%s': no further validation rules will be run due to call cost exceeds "
                         "limit for rule: %s",
                         err->text, custom_cel_words(r));
    else if (str_starts(err->text, "no such overload"))
        detail = mem_fmt("'%s': call arguments did not match a supported operator, function or "
                         "macro signature for rule: %s",
                         err->text, custom_cel_words(r));
    else
        detail = mem_fmt("%s evaluating rule: %s", err->text, custom_cel_words(r));
    custom_cel_fail(k, k->path, "", detail);
}

/* What messageExpression says; NULL: nothing usable, and message stands.  The caller's. */
static char *custom_cel_message(const struct custom_cel_check *k, const struct custom_cel_rule *r)
{
    const struct cel_value *vars = r->optional_old ? k->optional_vars : k->vars;
    struct err err = ERR_EMPTY;
    struct cel_value v;
    const char *from, *to;

    if (r->message == NULL || (cel_program_uses(r->message, "oldSelf") && !k->has_old) ||
        cel_run(&v, r->message, k->c, vars, &err) < 0 || v.kind != CEL_STRING)
        return NULL;
    for (from = v.s; isspace((unsigned char)*from);)
        from++;
    for (to = v.s + v.n; to > from && isspace((unsigned char)to[-1]);)
        to--;
    if (from == to || memchr(from, '\n', (size_t)(to - from)) != NULL)
        return NULL;
    if (to - from > CUSTOM_CEL_MESSAGE_MAX)
        to = from + CUSTOM_CEL_MESSAGE_MAX;
    return mem_strn(from, (size_t)(to - from));
}

static void custom_cel_refuse(const struct custom_cel_check *k, const struct custom_cel_rule *r)
{
    const char *below = custom_cel_said(r, "fieldPath");
    bool root = str_eq(k->path, "<nil>");
    cleanup(freep) char *path = below[0] == '\0'
                                    ? mem_str(k->path)
                                    : mem_fmt("%s%s", root ? "" : k->path,
                                              root && *below == '.' ? below + 1 : below);
    cleanup(freep) char *detail = custom_cel_message(k, r);
    const char *message = custom_cel_said(r, "message");

    if (detail == NULL)
        detail = message[0] != '\0' ? mem_str(message)
                                    : mem_fmt("failed rule: %s", custom_cel_said(r, "rule"));
    custom_cel_fail(k, path, custom_cel_said(r, "reason"), detail);
}

/* False: out of budget, nothing more is run. */
static bool custom_cel_apply(const struct custom_cel_check *k, const struct custom_cel_rule *r)
{
    struct err err = ERR_EMPTY;
    struct cel_value v;
    int rc;

    if (r->program == NULL) {
        cleanup(freep) char *detail = mem_fmt("rule compile error: %s", r->wrong);

        custom_cel_fail(k, k->path, "", detail);
        return true;
    }
    if (r->transition && !k->has_old && !r->optional_old)
        return true;
    rc = cel_run(&v, r->program, k->c, r->optional_old ? k->optional_vars : k->vars, &err);
    if (rc < 0)
        custom_cel_broke(k, r, &err);
    else if (v.kind != CEL_BOOL || !v.b)
        custom_cel_refuse(k, r);
    return rc != ERR_LIMIT;
}

static const char *custom_cel_type_word(const struct custom_node *n)
{
    static const char *const names[] = {
        [CUSTOM_ANY] = "",           [CUSTOM_OBJECT] = "object",   [CUSTOM_ARRAY] = "array",
        [CUSTOM_STRING] = "string",  [CUSTOM_INTEGER] = "integer", [CUSTOM_NUMBER] = "number",
        [CUSTOM_BOOLEAN] = "boolean"
    };

    return names[n->type];
}

void custom_cel_check(struct field_errors *e, const char *path, const struct custom_cel *cel,
                      struct cel_context *c, const json_t *value, const json_t *old)
{
    const struct cel_type *self = cel->vars[0].type;
    struct custom_cel_check k = { .e = e,
                                  .path = path[0] != '\0' ? path : "<nil>",
                                  .type = custom_cel_type_word(cel->node),
                                  .c = c,
                                  .has_old = old != NULL && !json_is_null(old) };

    k.vars[0] = k.optional_vars[0] = cel_tree(c, value, self);
    k.vars[1] = k.has_old ? cel_tree(c, old, self) : cel_null();
    k.optional_vars[1] = k.has_old ? cel_some(c, k.vars[1]) : cel_none();
    for (size_t i = 0; i < cel->n; i++)
        if (!custom_cel_apply(&k, &cel->rules[i]))
            return;
}

/* --- what a definition is told --- */

static void custom_cel_go_text(struct text *t, const json_t *rule, const char *key,
                               const char *name)
{
    cleanup(json_decrefpp) json_t *value = json_string(json_str_or(rule, key, ""));
    cleanup(freep) char *quoted = json_dumps(value, JSON_ENCODE_ANY);

    text_fmt(t, "%s:%s, ", name, quoted);
}

/* As Go's %#v of the rule. */
static void custom_cel_print(struct text *t, const json_t *rule)
{
    text_puts(t, "apiextensions.ValidationRule{");
    custom_cel_go_text(t, rule, "rule", "Rule");
    custom_cel_go_text(t, rule, "message", "Message");
    custom_cel_go_text(t, rule, "messageExpression", "MessageExpression");
    text_puts(t, "Reason:(*apiextensions.FieldValueErrorReason)(nil), ");
    custom_cel_go_text(t, rule, "fieldPath", "FieldPath");
    text_puts(t, "OptionalOldSelf:(*bool)(nil)}");
}

static void custom_cel_report_text(struct field_errors *e, const char *path,
                                   const struct custom_cel_rule *r, const char *key,
                                   const char *detail)
{
    cleanup(freep) char *at = mem_fmt("%s.%s", path, key);
    cleanup(text_fini) struct text shown = TEXT_EMPTY;

    custom_cel_print(&shown, r->said);
    field_invalid_printed(e, at, text_str(&shown), detail);
}

static void custom_cel_report_words(struct field_errors *e, const char *path,
                                    const struct custom_cel_rule *r)
{
    static const char *const reasons[] = { "FieldValueDuplicate", "FieldValueForbidden",
                                           "FieldValueInvalid", "FieldValueRequired", NULL };
    const json_t *reason = json_object_get(r->said, "reason");
    cleanup(freep) char *at = mem_fmt("%s.reason", path);
    bool known = reason == NULL;

    for (size_t i = 0; reasons[i] != NULL; i++)
        known = known || str_eq(json_string_value(reason), reasons[i]);
    if (!known)
        field_not_supported(e, at, reason, reasons);
    if (strchr(custom_cel_said(r, "message"), '\n') != NULL)
        custom_cel_report_text(e, path, r, "message", "message must not contain line breaks");
    else if (strchr(custom_cel_said(r, "rule"), '\n') != NULL &&
             custom_cel_said(r, "message")[0] == '\0')
        custom_cel_report_text(e, path, r, "message",
                               "message must be specified if rule contains line breaks");
    if (r->optional_old && r->program != NULL && !r->transition)
        custom_cel_report_text(e, path, r, "optionalOldSelf",
                               "may not be set to true if oldSelf is not used in rule");
}

void custom_cel_report(struct field_errors *e, const char *path, const struct custom_cel *cel)
{
    for (size_t i = 0; i < cel->n; i++) {
        const struct custom_cel_rule *r = &cel->rules[i];
        cleanup(freep) char *at = mem_fmt("%s[%zu]", path, i);

        if (custom_cel_said(r, "rule")[0] == '\0') {
            cleanup(freep) char *rule = mem_fmt("%s.rule", at);

            field_required(e, rule, "rule is not specified");
            continue;
        }
        custom_cel_report_words(e, at, r);
        if (r->wrong != NULL)
            custom_cel_report_text(e, at, r, "rule", r->wrong);
        if (r->wrong_message != NULL)
            custom_cel_report_text(e, at, r, "messageExpression", r->wrong_message);
    }
}
