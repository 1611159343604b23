#include "api/selector.h"

#include "api/validate.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum selector_op {
    SELECTOR_EQUALS,
    SELECTOR_DOUBLE_EQUALS,
    SELECTOR_NOT_EQUALS,
    SELECTOR_IN,
    SELECTOR_NOT_IN,
    SELECTOR_EXISTS,
    SELECTOR_NOT_EXISTS,
    SELECTOR_GREATER,
    SELECTOR_LESS,
};

struct selector_requirement {
    char *key; /* owned */
    enum selector_op op;
    char **values; /* owned, sorted, unique */
    size_t n_values;
};

struct selector {
    bool nothing;
    struct selector_requirement *requirements; /* owned, sorted by key; all must hold */
    size_t n_requirements;
};

struct selector *selector_free(struct selector *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < s->n_requirements; i++) {
        struct selector_requirement *r = &s->requirements[i];

        for (size_t k = 0; k < r->n_values; k++)
            free(r->values[k]);
        free(r->values);
        free(r->key);
    }
    free(s->requirements);
    free(s);
    return NULL;
}

void selector_freep(struct selector **s)
{
    *s = selector_free(*s);
}

/* --- making ------------------------------------------------------------- */

static struct selector_requirement *selector_add(struct selector *s, const char *key,
                                                 enum selector_op op)
{
    size_t at = s->n_requirements;

    s->requirements = mem_grow(s->requirements, s->n_requirements + 1, sizeof(*s->requirements));
    while (at > 0 && strcmp(s->requirements[at - 1].key, key) > 0)
        at--;
    memmove(&s->requirements[at + 1], &s->requirements[at],
            (s->n_requirements - at) * sizeof(*s->requirements));
    s->requirements[at] = (struct selector_requirement){ .key = mem_str(key), .op = op };
    s->n_requirements++;
    return &s->requirements[at];
}

static void selector_add_value(struct selector_requirement *r, const char *value)
{
    size_t at = 0;

    while (at < r->n_values && strcmp(r->values[at], value) < 0)
        at++;
    if (at < r->n_values && strcmp(r->values[at], value) == 0)
        return;
    r->values = mem_grow(r->values, r->n_values + 1, sizeof(*r->values));
    memmove(&r->values[at + 1], &r->values[at], (r->n_values - at) * sizeof(*r->values));
    r->values[at] = mem_str(value);
    r->n_values++;
}

static bool selector_int(const char *s, int64_t *ret)
{
    char *end;
    long long v;

    if (*s != '+' && *s != '-' && (*s < '0' || *s > '9'))
        return false;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret = v;
    return true;
}

/* Words of apimachinery's labels.NewRequirement. */
static int selector_check(const struct selector_requirement *r, struct err *err)
{
    int64_t unused;

    if ((r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN) && r->n_values == 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "values: Invalid value: []: for 'in', 'notin' "
                       "operators, values set can't be empty");
    for (size_t i = 0; i < r->n_values; i++) {
        const char *problem = validate_label_value(r->values[i]);

        if ((r->op == SELECTOR_GREATER || r->op == SELECTOR_LESS) &&
            !selector_int(r->values[i], &unused))
            return err_set(err, ERR_BAD_REQUEST,
                           "values[%zu]: Invalid value: \"%s\": for 'Gt', "
                           "'Lt' operators, the value must be an integer",
                           i, r->values[i]);
        if (problem != NULL)
            return err_set(err, ERR_BAD_REQUEST, "values[%zu][%s]: Invalid value: \"%s\": %s", i,
                           r->key, r->values[i], problem);
    }
    return 0;
}

/* --- text: the lexer and parser of apimachinery's labels package --------- */

enum selector_token {
    SELECTOR_T_END,
    SELECTOR_T_IDENTIFIER,
    SELECTOR_T_EQUALS,
    SELECTOR_T_DOUBLE_EQUALS,
    SELECTOR_T_NOT_EQUALS,
    SELECTOR_T_IN,
    SELECTOR_T_NOT_IN,
    SELECTOR_T_NOT,
    SELECTOR_T_GREATER,
    SELECTOR_T_LESS,
    SELECTOR_T_COMMA,
    SELECTOR_T_OPEN,
    SELECTOR_T_CLOSE,
};

static const struct {
    const char *text;
    enum selector_token token;
} selector_symbols[] = {
    /* longest first */
    { "==", SELECTOR_T_DOUBLE_EQUALS }, { "!=", SELECTOR_T_NOT_EQUALS },
    { "=", SELECTOR_T_EQUALS },         { "!", SELECTOR_T_NOT },
    { ">", SELECTOR_T_GREATER },        { "<", SELECTOR_T_LESS },
    { ",", SELECTOR_T_COMMA },          { "(", SELECTOR_T_OPEN },
    { ")", SELECTOR_T_CLOSE },
};

static const char selector_blank[] = " \t\r\n";

struct selector_parser {
    const char *rest;
    enum selector_token token; /* the one ahead */
    struct text word;          /* its text; owned */
};

static void selector_scan(struct selector_parser *p)
{
    const char *s = p->rest + strspn(p->rest, selector_blank);
    size_t len = strcspn(s, "=!(),>< \t\r\n");

    text_clear(&p->word);
    if (len > 0) {
        text_add(&p->word, s, len);
        p->token = SELECTOR_T_IDENTIFIER;
        if (str_eq(text_str(&p->word), "in"))
            p->token = SELECTOR_T_IN;
        else if (str_eq(text_str(&p->word), "notin"))
            p->token = SELECTOR_T_NOT_IN;
        p->rest = s + len;
        return;
    }
    p->token = SELECTOR_T_END;
    for (size_t i = 0; *s != '\0' && i < N_ELEMENTS(selector_symbols); i++) {
        if (str_starts(s, selector_symbols[i].text)) {
            text_puts(&p->word, selector_symbols[i].text);
            p->token = selector_symbols[i].token;
            break;
        }
    }
    p->rest = s + p->word.len;
}

/* The token ahead where a key or value may stand: there "in" and "notin" are plain words. */
static enum selector_token selector_ahead(const struct selector_parser *p)
{
    if (p->token == SELECTOR_T_IN || p->token == SELECTOR_T_NOT_IN)
        return SELECTOR_T_IDENTIFIER;
    return p->token;
}

static int selector_expected(const struct selector_parser *p, const char *what, struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "found '%s', expected: %s", text_str(&p->word), what);
}

static int selector_parse_operator(struct selector_parser *p, enum selector_op *ret,
                                   struct err *err)
{
    static const int ops[] = {
        [SELECTOR_T_EQUALS] = SELECTOR_EQUALS + 1,
        [SELECTOR_T_DOUBLE_EQUALS] = SELECTOR_DOUBLE_EQUALS + 1,
        [SELECTOR_T_NOT_EQUALS] = SELECTOR_NOT_EQUALS + 1,
        [SELECTOR_T_IN] = SELECTOR_IN + 1,
        [SELECTOR_T_NOT_IN] = SELECTOR_NOT_IN + 1,
        [SELECTOR_T_GREATER] = SELECTOR_GREATER + 1,
        [SELECTOR_T_LESS] = SELECTOR_LESS + 1,
        [SELECTOR_T_CLOSE] = 0,
    };

    if (ops[p->token] == 0)
        return selector_expected(p, "in, notin, =, ==, !=, gt, lt", err);
    *ret = (enum selector_op)(ops[p->token] - 1);
    selector_scan(p);
    return 0;
}

/* "(a,b,)": an empty place between commas is the empty value. */
static int selector_parse_set(struct selector_parser *p, struct selector_requirement *r,
                              struct err *err)
{
    bool wants_value = true;

    if (p->token != SELECTOR_T_OPEN)
        return selector_expected(p, "'('", err);
    selector_scan(p);
    if (p->token == SELECTOR_T_CLOSE) {
        selector_scan(p);
        return 0;
    }
    for (;; selector_scan(p)) {
        if (selector_ahead(p) == SELECTOR_T_IDENTIFIER && wants_value) {
            selector_add_value(r, text_str(&p->word));
            wants_value = false;
        } else if (p->token == SELECTOR_T_COMMA) {
            if (wants_value)
                selector_add_value(r, "");
            wants_value = true;
        } else if (p->token == SELECTOR_T_CLOSE) {
            if (wants_value)
                selector_add_value(r, "");
            selector_scan(p);
            return 0;
        } else {
            return selector_expected(p, wants_value ? "',', ')' or identifier" : "',' or ')'", err);
        }
    }
}

static int selector_parse_values(struct selector_parser *p, struct selector_requirement *r,
                                 struct err *err)
{
    if (r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN)
        return selector_parse_set(p, r, err);
    if (p->token == SELECTOR_T_END || p->token == SELECTOR_T_COMMA) {
        selector_add_value(r, "");
        return 0;
    }
    if (selector_ahead(p) != SELECTOR_T_IDENTIFIER)
        return selector_expected(p, "identifier", err);
    selector_add_value(r, text_str(&p->word));
    selector_scan(p);
    return 0;
}

static int selector_parse_requirement(struct selector_parser *p, struct selector *s,
                                      struct err *err)
{
    cleanup(freep) char *key = NULL;
    struct selector_requirement *r;
    enum selector_op op = SELECTOR_EXISTS;
    const char *problem;
    int rc;

    if (p->token == SELECTOR_T_NOT) {
        op = SELECTOR_NOT_EXISTS;
        selector_scan(p);
    }
    if (selector_ahead(p) != SELECTOR_T_IDENTIFIER)
        return selector_expected(p, "identifier", err);
    key = mem_str(text_str(&p->word));
    problem = validate_label_key(key);
    if (problem != NULL) /* "<nil>" is what Kubernetes prints for its missing path */
        return err_set(err, ERR_BAD_REQUEST, "<nil>: Invalid value: \"%s\": %s", key, problem);
    selector_scan(p);
    if (op == SELECTOR_NOT_EXISTS || p->token == SELECTOR_T_END || p->token == SELECTOR_T_COMMA) {
        selector_add(s, key, op);
        return 0;
    }
    rc = selector_parse_operator(p, &op, err);
    if (rc < 0)
        return rc;
    r = selector_add(s, key, op);
    rc = selector_parse_values(p, r, err);
    return rc < 0 ? rc : selector_check(r, err);
}

static int selector_parse_all(struct selector_parser *p, struct selector *s, struct err *err)
{
    int rc;

    selector_scan(p);
    while (p->token != SELECTOR_T_END) {
        if (selector_ahead(p) != SELECTOR_T_IDENTIFIER && p->token != SELECTOR_T_NOT)
            return selector_expected(p, "!, identifier, or 'end of string'", err);
        rc = selector_parse_requirement(p, s, err);
        if (rc < 0)
            return err_wrap(err, rc, "unable to parse requirement");
        if (p->token == SELECTOR_T_END)
            return 0;
        if (p->token != SELECTOR_T_COMMA)
            return selector_expected(p, "',' or 'end of string'", err);
        selector_scan(p);
        if (selector_ahead(p) != SELECTOR_T_IDENTIFIER && p->token != SELECTOR_T_NOT)
            return selector_expected(p, "identifier after ','", err);
    }
    return 0;
}

int selector_parse(struct selector **ret, const char *text, struct err *err)
{
    cleanup(selector_freep) struct selector *s = MEM_NEW(struct selector);
    struct selector_parser p = { .rest = text != NULL ? text : "", .word = TEXT_EMPTY };
    int rc;

    rc = selector_parse_all(&p, s, err);
    text_fini(&p.word);
    if (rc < 0)
        return rc;
    *ret = STEAL(s);
    return 0;
}

/* --- from trees ---------------------------------------------------------- */

static int selector_from_expression(struct selector *s, const json_t *e, struct err *err)
{
    static const struct {
        const char *name;
        enum selector_op op;
        bool values;
    } ops[] = {
        { "In", SELECTOR_IN, true },
        { "NotIn", SELECTOR_NOT_IN, true },
        { "Exists", SELECTOR_EXISTS, false },
        { "DoesNotExist", SELECTOR_NOT_EXISTS, false },
        /* Only node selectors have these; harmless elsewhere, validation refuses them. */
        { "Gt", SELECTOR_GREATER, true },
        { "Lt", SELECTOR_LESS, true },
    };
    const char *key = json_str_or(e, "key", ""), *name = json_str_or(e, "operator", "");
    const json_t *values = json_object_get(e, "values"), *v;
    const char *problem = validate_label_key(key);
    struct selector_requirement *r;
    size_t i, op = 0;

    while (op < N_ELEMENTS(ops) && !str_eq(ops[op].name, name))
        op++;
    if (op == N_ELEMENTS(ops))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not a valid label selector operator", name);
    if (problem != NULL)
        return err_set(err, ERR_BAD_REQUEST, "key: Invalid value: \"%s\": %s", key, problem);
    if (!ops[op].values && json_array_size(values) > 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "values: Invalid value: values set must be empty "
                       "for exists and does not exist");
    r = selector_add(s, key, ops[op].op);
    json_array_foreach (values, i, v)
        selector_add_value(r, json_string_value(v) != NULL ? json_string_value(v) : "");
    return selector_check(r, err);
}

static void selector_add_map(struct selector *s, const json_t *map)
{
    void *it = json_object_iter((json_t *)(uintptr_t)map);

    for (; it != NULL; it = json_object_iter_next((json_t *)(uintptr_t)map, it)) {
        const char *value = json_string_value(json_object_iter_value(it));

        selector_add_value(selector_add(s, json_object_iter_key(it), SELECTOR_EQUALS),
                           value != NULL ? value : "");
    }
}

int selector_from_json(struct selector **ret, const json_t *label_selector, struct err *err)
{
    cleanup(selector_freep) struct selector *s = MEM_NEW(struct selector);
    const json_t *e;
    size_t i;
    int rc;

    s->nothing = !json_is_object(label_selector);
    selector_add_map(s, json_object_get(label_selector, "matchLabels"));
    json_array_foreach (json_object_get(label_selector, "matchExpressions"), i, e) {
        rc = selector_from_expression(s, e, err);
        if (rc < 0)
            return rc;
    }
    *ret = STEAL(s);
    return 0;
}

struct selector *selector_from_map(const json_t *map)
{
    struct selector *s = MEM_NEW(struct selector);

    s->nothing = json_object_size(map) == 0;
    selector_add_map(s, map);
    return s;
}

/* --- using ---------------------------------------------------------------- */

bool selector_is_everything(const struct selector *s)
{
    return s == NULL || (!s->nothing && s->n_requirements == 0);
}

static bool selector_has_value(const struct selector_requirement *r, const char *value)
{
    for (size_t i = 0; i < r->n_values; i++) {
        if (strcmp(r->values[i], value) == 0)
            return true;
    }
    return false;
}

static bool selector_compares(const struct selector_requirement *r, const char *value)
{
    int64_t have, bound;

    assert(r->n_values == 1);
    if (!selector_int(value, &have) || !selector_int(r->values[0], &bound))
        return false;
    return r->op == SELECTOR_GREATER ? have > bound : have < bound;
}

/* @value is NULL when the label is absent. */
static bool selector_holds(const struct selector_requirement *r, const char *value)
{
    switch (r->op) {
    case SELECTOR_EQUALS:
    case SELECTOR_DOUBLE_EQUALS:
    case SELECTOR_IN: return value != NULL && selector_has_value(r, value);
    case SELECTOR_NOT_EQUALS:
    case SELECTOR_NOT_IN: return value == NULL || !selector_has_value(r, value);
    case SELECTOR_EXISTS: return value != NULL;
    case SELECTOR_NOT_EXISTS: return value == NULL;
    case SELECTOR_GREATER:
    case SELECTOR_LESS: return value != NULL && selector_compares(r, value);
    }
    return false;
}

bool selector_matches(const struct selector *s, const struct object *o)
{
    if (s == NULL)
        return true;
    if (s->nothing)
        return false;
    for (size_t i = 0; i < s->n_requirements; i++) {
        if (!selector_holds(&s->requirements[i], object_label(o, s->requirements[i].key)))
            return false;
    }
    return true;
}

bool selector_matches_labels(const struct selector *s, const json_t *labels)
{
    if (s == NULL)
        return true;
    if (s->nothing)
        return false;
    for (size_t i = 0; i < s->n_requirements; i++) {
        const json_t *value = json_object_get(labels, s->requirements[i].key);

        if (!selector_holds(&s->requirements[i], json_string_value(value)))
            return false;
    }
    return true;
}

void selector_print(const struct selector *s, struct text *ret)
{
    static const char *const infix[] = {
        [SELECTOR_EQUALS] = "=",    [SELECTOR_DOUBLE_EQUALS] = "==", [SELECTOR_NOT_EQUALS] = "!=",
        [SELECTOR_IN] = " in (",    [SELECTOR_NOT_IN] = " notin (",  [SELECTOR_EXISTS] = "",
        [SELECTOR_NOT_EXISTS] = "", [SELECTOR_GREATER] = ">",        [SELECTOR_LESS] = "<",
    };

    for (size_t i = 0; s != NULL && i < s->n_requirements; i++) {
        const struct selector_requirement *r = &s->requirements[i];

        text_puts(ret, i > 0 ? "," : "");
        text_puts(ret, r->op == SELECTOR_NOT_EXISTS ? "!" : "");
        text_puts(ret, r->key);
        text_puts(ret, infix[r->op]);
        for (size_t k = 0; k < r->n_values; k++) {
            text_puts(ret, k > 0 ? "," : "");
            text_puts(ret, r->values[k]);
        }
        if (r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN)
            text_putc(ret, ')');
    }
}
