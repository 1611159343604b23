/* Words to a tree (cel-spec, "Syntax"): one function for each level of precedence, macros made
 * into nodes of their own on the way. */
#include "cel/cel_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct cel_parser {
    struct cel_lexer lexer;
    struct cel_token token; /* the next one */
    const char *text;
    struct pool *pool;
    struct cel_report *report;
    int depth;
    bool failed;
};

static struct cel_node *parse_expr(struct cel_parser *p);

/* --- words --- */

static void parse_next(struct cel_parser *p)
{
    p->token = cel_lex(&p->lexer);
    p->failed = p->failed || p->token.kind == CEL_TOKEN_WRONG;
}

static bool parse_sees(const struct cel_parser *p, const char *op)
{
    return p->token.kind == CEL_TOKEN_OP && strlen(op) == p->token.len &&
           strncmp(p->text + p->token.at, op, p->token.len) == 0;
}

static bool parse_take(struct cel_parser *p, const char *op)
{
    if (p->failed || !parse_sees(p, op))
        return false;
    parse_next(p);
    return true;
}

static struct cel_node *parse_fail(struct cel_parser *p, size_t at, const char *what)
{
    if (!p->failed)
        cel_report_add(p->report, at, "%s", what);
    p->failed = true;
    return NULL;
}

static struct cel_node *parse_unexpected(struct cel_parser *p, const char *expected)
{
    char what[160];
    bool end = p->token.kind == CEL_TOKEN_END;

    snprintf(what, sizeof(what), "Syntax error: mismatched input '%.*s' expecting %s",
             end ? 5 : (int)(p->token.len < 40 ? p->token.len : 40),
             end ? "<EOF>" : p->text + p->token.at, expected);
    return parse_fail(p, p->token.at, what);
}

static bool parse_expect(struct cel_parser *p, const char *op)
{
    char shown[8];

    if (parse_take(p, op))
        return true;
    snprintf(shown, sizeof(shown), "'%s'", op);
    parse_unexpected(p, shown);
    return false;
}

/* --- nodes --- */

static struct cel_node *parse_node(struct cel_parser *p, enum cel_op op, size_t at)
{
    struct cel_node *n = pool_zero(p->pool, sizeof(*n));

    n->op = op;
    n->at = (uint32_t)at;
    n->slot = -1;
    return n;
}

static void parse_adopt(struct cel_parser *p, struct cel_node *n, struct cel_node *arg)
{
    struct cel_node **args;

    if (arg == NULL)
        return;                               /* failed, and told */
    if ((n->n_args & (n->n_args - 1)) == 0) { /* full at every power of two */
        args = pool_zero(p->pool, (n->n_args > 0 ? 2 * n->n_args : 1) * sizeof(struct cel_node *));
        if (n->n_args > 0)
            memcpy((void *)args, (const void *)n->args, n->n_args * sizeof(struct cel_node *));
        n->args = args;
    }
    n->args[n->n_args++] = arg;
}

static struct cel_node *parse_call(struct cel_parser *p, const char *name, size_t at,
                                   struct cel_node *a, struct cel_node *b)
{
    struct cel_node *n = parse_node(p, CEL_CALL, at);

    n->name = name;
    parse_adopt(p, n, a);
    parse_adopt(p, n, b);
    return n;
}

static const char *parse_name(struct cel_parser *p, const struct cel_token *t)
{
    char *name = pool_zero(p->pool, t->len + 1);

    memcpy(name, p->text + t->at, t->len);
    return name;
}

/* --- macros --- */

struct cel_macro {
    const char *name;
    enum cel_loop loop;
    size_t args; /* receiver not counted */
};

static const struct cel_macro cel_macros[] = {
    { "all", CEL_ALL, 2 },
    { "exists", CEL_EXISTS, 2 },
    { "exists_one", CEL_EXISTS_ONE, 2 },
    { "filter", CEL_FILTER, 2 },
    { "map", CEL_MAP_EACH, 2 },
    { "map", CEL_MAP_EACH, 3 },
    { "optMap", CEL_OPT_MAP, 2 },
    { "optFlatMap", CEL_OPT_FLAT_MAP, 2 },
};

static struct cel_node *parse_has(struct cel_parser *p, struct cel_node *call)
{
    struct cel_node *arg = call->n_args == 1 ? call->args[0] : NULL;

    if (arg == NULL || arg->op != CEL_SELECT || arg->optional)
        return parse_fail(p, call->at, "invalid argument to has() macro");
    arg->op = CEL_HAS;
    return arg;
}

/* receiver.macro(name, body...) */
static struct cel_node *parse_loop(struct cel_parser *p, struct cel_node *call,
                                   const struct cel_macro *m)
{
    struct cel_node *n = parse_node(p, CEL_LOOP, call->at);
    const struct cel_node *var = call->args[1];

    if (var->op != CEL_IDENT)
        return parse_fail(p, var->at, "argument must be a simple name");
    n->loop = m->loop;
    n->name = var->name;
    parse_adopt(p, n, call->args[0]);
    for (size_t i = 2; i < call->n_args; i++)
        parse_adopt(p, n, call->args[i]);
    return n;
}

static struct cel_node *parse_bind(struct cel_parser *p, struct cel_node *call)
{
    struct cel_node *n = parse_node(p, CEL_BIND, call->at);

    if (call->args[1]->op != CEL_IDENT)
        return parse_fail(p, call->args[1]->at,
                          "cel.bind() variable names must be simple identifiers");
    n->name = call->args[1]->name;
    parse_adopt(p, n, call->args[2]);
    parse_adopt(p, n, call->args[3]);
    return n;
}

static struct cel_node *parse_macro(struct cel_parser *p, struct cel_node *call)
{
    if (p->failed)
        return NULL;
    if (!call->method)
        return str_eq(call->name, "has") ? parse_has(p, call) : call;
    if (str_eq(call->name, "bind") && call->n_args == 4 && call->args[0]->op == CEL_IDENT &&
        str_eq(call->args[0]->name, "cel"))
        return parse_bind(p, call);
    for (size_t i = 0; i < N_ELEMENTS(cel_macros); i++)
        if (str_eq(call->name, cel_macros[i].name) && call->n_args == cel_macros[i].args + 1)
            return parse_loop(p, call, &cel_macros[i]);
    return call;
}

/* --- from the inside out --- */

/* Behind "(": arguments up to and with ")". */
static void parse_args(struct cel_parser *p, struct cel_node *call)
{
    while (!p->failed && !parse_sees(p, ")")) {
        parse_adopt(p, call, parse_expr(p));
        if (!parse_take(p, ","))
            break;
    }
    parse_expect(p, ")");
}

/* Behind "[" or "{": with "?" the element may be an optional without a value. */
static struct cel_node *parse_element(struct cel_parser *p, bool maybe)
{
    struct cel_node *n = parse_expr(p);

    if (n != NULL)
        n->maybe = maybe;
    return n;
}

static struct cel_node *parse_listing(struct cel_parser *p, size_t at)
{
    struct cel_node *n = parse_node(p, CEL_LISTING, at);

    while (!p->failed && !parse_sees(p, "]")) {
        bool maybe = parse_take(p, "?");

        parse_adopt(p, n, parse_element(p, maybe));
        if (!parse_take(p, ","))
            break;
    }
    parse_expect(p, "]");
    return n;
}

static struct cel_node *parse_mapping(struct cel_parser *p, size_t at)
{
    struct cel_node *n = parse_node(p, CEL_MAPPING, at);

    while (!p->failed && !parse_sees(p, "}")) {
        bool maybe = parse_take(p, "?");

        parse_adopt(p, n, parse_expr(p));
        parse_expect(p, ":");
        if (!p->failed)
            parse_adopt(p, n, parse_element(p, maybe));
        if (!parse_take(p, ","))
            break;
    }
    parse_expect(p, "}");
    return n;
}

static struct cel_node *parse_word(struct cel_parser *p)
{
    static const char *const reserved[] = { "as",   "break",    "const",     "continue", "else",
                                            "for",  "function", "if",        "import",   "let",
                                            "loop", "package",  "namespace", "return",   "var",
                                            "void", "while",    "in" };
    struct cel_token t = p->token;
    const char *name = parse_name(p, &t);
    struct cel_node *n = parse_node(p, CEL_IDENT, t.at);

    parse_next(p);
    n->name = name;
    if (str_eq(name, "true") || str_eq(name, "false") || str_eq(name, "null")) {
        n->op = CEL_CONST;
        n->value = name[0] == 'n' ? cel_null() : cel_bool(name[0] == 't');
        return n;
    }
    for (size_t i = 0; i < N_ELEMENTS(reserved); i++)
        if (str_eq(name, reserved[i])) {
            char what[64];

            snprintf(what, sizeof(what), "reserved identifier: %s", name);
            return parse_fail(p, t.at, what);
        }
    if (parse_sees(p, "(")) {
        n->op = CEL_CALL;
        n->at = p->token.at;
        parse_next(p);
        parse_args(p, n);
        return parse_macro(p, n);
    }
    return n;
}

static struct cel_node *parse_primary(struct cel_parser *p)
{
    struct cel_token t = p->token;
    struct cel_node *n;

    if (p->failed)
        return NULL;
    if (parse_take(p, "(")) {
        n = parse_expr(p);
        parse_expect(p, ")");
        return n;
    }
    if (parse_take(p, "["))
        return parse_listing(p, t.at);
    if (parse_take(p, "{"))
        return parse_mapping(p, t.at);
    if (t.kind == CEL_TOKEN_LITERAL) {
        n = parse_node(p, CEL_CONST, t.at);
        n->value = t.value;
        parse_next(p);
        if (t.value.kind == CEL_INT && t.value.i == INT64_MIN)
            return parse_fail(p, t.at, "Syntax error: invalid int literal");
        return n;
    }
    parse_take(p, "."); /* names of the root: there is no container that they could hide in */
    if (p->token.kind == CEL_TOKEN_IDENT)
        return parse_word(p);
    return parse_unexpected(p, "an expression");
}

/* Behind the dot: a field, or a method. */
static struct cel_node *parse_member(struct cel_parser *p, struct cel_node *left, size_t at)
{
    bool optional = parse_take(p, "?");
    struct cel_token t = p->token;
    struct cel_node *n;

    if (t.kind != CEL_TOKEN_IDENT)
        return parse_unexpected(p, "IDENTIFIER");
    n = parse_node(p, CEL_SELECT, at);
    n->name = parse_name(p, &t);
    n->optional = optional;
    parse_adopt(p, n, left);
    parse_next(p);
    if (optional || !parse_sees(p, "("))
        return n;
    n->op = CEL_CALL;
    n->method = true;
    n->at = p->token.at;
    parse_next(p);
    parse_args(p, n);
    return parse_macro(p, n);
}

static struct cel_node *parse_index(struct cel_parser *p, struct cel_node *left, size_t at)
{
    struct cel_node *n = parse_node(p, CEL_INDEX, at);

    n->optional = parse_take(p, "?");
    parse_adopt(p, n, left);
    parse_adopt(p, n, parse_expr(p));
    parse_expect(p, "]");
    return n;
}

static struct cel_node *parse_postfix(struct cel_parser *p)
{
    struct cel_node *n = parse_primary(p);
    int links = 0;

    while (!p->failed) {
        size_t at = p->token.at;

        if (parse_take(p, "."))
            n = parse_member(p, n, at);
        else if (parse_take(p, "["))
            n = parse_index(p, n, at);
        else if (parse_sees(p, "{"))
            return parse_fail(p, at, "Syntax error: messages cannot be constructed here");
        else
            return n;
        /* A chain is walked as deep as it is long. */
        if (++links > CEL_DEPTH_MAX)
            return parse_fail(p, at, "expression recursion limit exceeded");
    }
    return NULL;
}

/* "-" before a number belongs to it: only so the least int can be written. */
static struct cel_node *parse_negative(struct cel_parser *p, size_t at)
{
    struct cel_node *n = parse_node(p, CEL_CONST, at);

    n->value = p->token.value;
    if (n->value.kind == CEL_INT)
        n->value.i = (int64_t)(0 - (uint64_t)n->value.i);
    else
        n->value.d = -n->value.d;
    /* What follows (".size()") binds tighter than a minus, but a number has nothing to follow. */
    parse_next(p);
    return n;
}

static struct cel_node *parse_unary(struct cel_parser *p)
{
    size_t at = p->token.at;
    struct cel_node *n = NULL;

    if (++p->depth > CEL_DEPTH_MAX) {
        n = parse_fail(p, at, "expression recursion limit exceeded");
    } else if (parse_take(p, "!")) {
        n = parse_call(p, "!_", at, parse_unary(p), NULL);
    } else if (parse_take(p, "-")) {
        if (p->token.kind == CEL_TOKEN_LITERAL &&
            (p->token.value.kind == CEL_INT || p->token.value.kind == CEL_DOUBLE))
            n = parse_negative(p, at);
        else
            n = parse_call(p, "-_", at, parse_unary(p), NULL);
    } else {
        n = parse_postfix(p);
    }
    p->depth--;
    return p->failed ? NULL : n;
}

/* --- operators between two --- */

struct cel_binary {
    const char *text, *name;
    int level; /* higher binds tighter */
    enum cel_op op;
};

static const struct cel_binary cel_binaries[] = {
    { "||", NULL, 1, CEL_OR },     { "&&", NULL, 2, CEL_AND },    { "<", "_<_", 3, CEL_CALL },
    { "<=", "_<=_", 3, CEL_CALL }, { ">", "_>_", 3, CEL_CALL },   { ">=", "_>=_", 3, CEL_CALL },
    { "==", "_==_", 3, CEL_CALL }, { "!=", "_!=_", 3, CEL_CALL }, { "in", "@in", 3, CEL_CALL },
    { "+", "_+_", 4, CEL_CALL },   { "-", "_-_", 4, CEL_CALL },   { "*", "_*_", 5, CEL_CALL },
    { "/", "_/_", 5, CEL_CALL },   { "%", "_%_", 5, CEL_CALL },
};

static const struct cel_binary *parse_binary_here(const struct cel_parser *p)
{
    const struct cel_token *t = &p->token;

    if (t->kind != CEL_TOKEN_OP && t->kind != CEL_TOKEN_IDENT)
        return NULL;
    for (size_t i = 0; i < N_ELEMENTS(cel_binaries); i++)
        if (strlen(cel_binaries[i].text) == t->len &&
            strncmp(cel_binaries[i].text, p->text + t->at, t->len) == 0)
            return &cel_binaries[i];
    return NULL;
}

/* Precedence climbing: operators of at least @level. */
static struct cel_node *parse_binary(struct cel_parser *p, int level)
{
    struct cel_node *left = parse_unary(p), *right, *n;
    const struct cel_binary *b;
    int links = 0;

    while (!p->failed && (b = parse_binary_here(p)) != NULL && b->level >= level) {
        size_t at = p->token.at;

        parse_next(p);
        right = parse_binary(p, b->level + 1);
        n = parse_call(p, b->name, at, left, right);
        n->op = b->op;
        left = n;
        if (++links > CEL_DEPTH_MAX)
            return parse_fail(p, at, "expression recursion limit exceeded");
    }
    return p->failed ? NULL : left;
}

static struct cel_node *parse_expr(struct cel_parser *p)
{
    struct cel_node *n, *whole;
    size_t at;

    if (++p->depth > CEL_DEPTH_MAX)
        return parse_fail(p, p->token.at, "expression recursion limit exceeded");
    n = parse_binary(p, 1);
    at = p->token.at;
    if (!p->failed && parse_take(p, "?")) {
        whole = parse_node(p, CEL_COND, at);
        parse_adopt(p, whole, n);
        parse_adopt(p, whole, parse_binary(p, 1));
        parse_expect(p, ":");
        parse_adopt(p, whole, p->failed ? NULL : parse_expr(p));
        n = whole;
    }
    p->depth--;
    return p->failed ? NULL : n;
}

struct cel_node *cel_parse(const char *text, struct pool *pool, struct cel_report *r)
{
    struct cel_parser p = { .lexer = { .text = text, .pool = pool, .report = r },
                            .text = text,
                            .pool = pool,
                            .report = r };
    struct cel_node *n;

    parse_next(&p);
    n = parse_expr(&p);
    if (!p.failed && p.token.kind != CEL_TOKEN_END)
        return parse_unexpected(&p, "<EOF>");
    return p.failed ? NULL : n;
}
