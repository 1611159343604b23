#include "api/jsonpath.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define JSONPATH_STEPS_MAX 32
#define JSONPATH_TEXT_MAX  1024
#define JSONPATH_INDEX_MAX 1000000000L

enum jsonpath_kind { JSONPATH_FIELD, JSONPATH_RANGE, JSONPATH_ALL, JSONPATH_FILTER };

struct jsonpath_step {
    enum jsonpath_kind kind;
    char *name;            /* FIELD; owned */
    long from, to;         /* RANGE; negative counts from the end */
    bool from_set, to_set; /* RANGE */
    struct jsonpath *left; /* FILTER: what is compared; owned */
    char op[3];            /* FILTER: "==" ...; "" = it is there */
    json_t *right;         /* FILTER; owned */
};

struct jsonpath {
    struct jsonpath_step *steps; /* owned */
    size_t n;
};

struct jsonpath *jsonpath_free(struct jsonpath *p)
{
    if (p == NULL)
        return NULL;
    for (size_t i = 0; i < p->n; i++) {
        free(p->steps[i].name);
        jsonpath_free(p->steps[i].left);
        json_decref(p->steps[i].right);
    }
    free(p->steps);
    free(p);
    return NULL;
}

static void jsonpath_freep(struct jsonpath **p)
{
    *p = jsonpath_free(*p);
}

/* --- reading --- */

static int jsonpath_parse(struct jsonpath **ret, const char **at, const char *ends,
                          struct err *err);

static struct jsonpath_step *jsonpath_add(struct jsonpath *p, enum jsonpath_kind kind)
{
    p->steps = mem_grow(p->steps, p->n + 1, sizeof(*p->steps));
    p->steps[p->n] = (struct jsonpath_step){ .kind = kind };
    return &p->steps[p->n++];
}

/* A name up to what ends it; a backslash takes the next character as it is. */
static int jsonpath_name(struct jsonpath *p, const char **at, const char *ends, struct err *err)
{
    struct text name = TEXT_EMPTY;

    while (**at != '\0' && strchr(ends, **at) == NULL) {
        if (**at == '\\' && (*at)[1] != '\0')
            (*at)++;
        text_putc(&name, *(*at)++);
    }
    if (name.len == 0) {
        text_fini(&name);
        return err_set(err, ERR_INVALID, "a name is missing at \"%s\"", *at);
    }
    if (str_eq(text_str(&name), "*"))
        jsonpath_add(p, JSONPATH_ALL);
    else
        jsonpath_add(p, JSONPATH_FIELD)->name = mem_str(text_str(&name));
    text_fini(&name);
    return 0;
}

/* 'text', "text", number, true, false */
static int jsonpath_literal(json_t **ret, const char **at, struct err *err)
{
    const char *start = *at, *end;
    char quote = *start;

    if (quote == '\'' || quote == '"') {
        end = strchr(start + 1, quote);
        if (end == NULL)
            return err_set(err, ERR_INVALID, "unterminated quoted string");
        *ret = json_stringn(start + 1, (size_t)(end - start - 1));
        *at = end + 1;
        return *ret != NULL ? 0 : err_set(err, ERR_INVALID, "text that is not UTF-8");
    }
    end = start + strcspn(start, " )");
    *at = end;
    return json_parse(ret, start, (size_t)(end - start), NULL, err);
}

static void jsonpath_blanks(const char **at)
{
    while (**at == ' ')
        (*at)++;
}

/* Behind "[?(" : "@.type=="Ready")]" */
static int jsonpath_filter(struct jsonpath *p, const char **at, struct err *err)
{
    static const char *const ops[] = { "==", "!=", "<=", ">=", "<", ">" };
    struct jsonpath_step *step = jsonpath_add(p, JSONPATH_FILTER);
    int rc;

    jsonpath_blanks(at);
    if (*(*at)++ != '@')
        return err_set(err, ERR_INVALID, "a filter must begin with @");
    rc = jsonpath_parse(&step->left, at, " =!<>)", err);
    if (rc < 0)
        return rc;
    jsonpath_blanks(at);
    for (size_t i = 0; i < N_ELEMENTS(ops) && step->op[0] == '\0'; i++)
        if (str_starts(*at, ops[i])) {
            memcpy(step->op, ops[i], strlen(ops[i]));
            *at += strlen(ops[i]);
        }
    jsonpath_blanks(at);
    if (step->op[0] != '\0')
        rc = jsonpath_literal(&step->right, at, err);
    jsonpath_blanks(at);
    if (rc == 0 && !str_starts(*at, ")]"))
        return err_set(err, ERR_INVALID, "unterminated filter");
    *at += rc == 0 ? 2 : 0;
    return rc;
}

/* No list is longer than JSONPATH_INDEX_MAX: what lies beyond it is as good as there. */
static long jsonpath_index(const char *at, char **ret_end)
{
    long n = strtol(at, ret_end, 10);

    if (n > JSONPATH_INDEX_MAX)
        return JSONPATH_INDEX_MAX;
    return n < -JSONPATH_INDEX_MAX ? -JSONPATH_INDEX_MAX : n;
}

/* "0", "-1", "1:3", ":2", "-1:" up to ']' */
static int jsonpath_range(struct jsonpath *p, const char **at, struct err *err)
{
    struct jsonpath_step *step = jsonpath_add(p, JSONPATH_RANGE);
    char *end;

    step->from = jsonpath_index(*at, &end);
    step->from_set = end != *at;
    step->to = step->from == -1 ? 0 : step->from + 1; /* 0 with to_set false: to the end */
    step->to_set = step->from_set && step->from != -1;
    *at = end;
    if (**at == ':') {
        (*at)++;
        step->to = jsonpath_index(*at, &end);
        step->to_set = end != *at;
        *at = end;
    } else if (!step->from_set) {
        return err_set(err, ERR_INVALID, "unrecognized character in bracket at \"%s\"", *at);
    }
    if (*(*at)++ != ']')
        return err_set(err, ERR_INVALID, "unterminated array");
    return 0;
}

static int jsonpath_bracket(struct jsonpath *p, const char **at, struct err *err)
{
    char quote = **at;
    int rc;

    if (str_starts(*at, "?(")) {
        *at += 2;
        return jsonpath_filter(p, at, err);
    }
    if (str_starts(*at, "*]")) {
        *at += 2;
        jsonpath_add(p, JSONPATH_ALL);
        return 0;
    }
    if (quote != '\'' && quote != '"')
        return jsonpath_range(p, at, err);
    (*at)++;
    rc = jsonpath_name(p, at, quote == '"' ? "\"" : "'", err);
    if (rc == 0 && ((*at)[0] != quote || (*at)[1] != ']'))
        return err_set(err, ERR_INVALID, "unterminated array");
    *at += rc == 0 ? 2 : 0;
    return rc;
}

/* Steps until one of @ends or the end of the text. */
static int jsonpath_parse(struct jsonpath **ret, const char **at, const char *ends, struct err *err)
{
    cleanup(jsonpath_freep) struct jsonpath *p = MEM_NEW(struct jsonpath);
    int rc = 0;

    while (rc == 0 && **at != '\0' && strchr(ends, **at) == NULL) {
        char c = *(*at)++;

        if (p->n == JSONPATH_STEPS_MAX)
            rc = err_set(err, ERR_INVALID, "more than %d steps", JSONPATH_STEPS_MAX);
        else if (c == '.' && **at == '.')
            rc = err_set(err, ERR_INVALID, "recursive descent is not served by mkube");
        else if (c == '.' && **at == '[')
            continue; /* ".[0]" is "[0]" */
        else if (c == '.')
            rc = jsonpath_name(p, at, ".[ =!<>)'\"", err);
        else if (c == '[')
            rc = jsonpath_bracket(p, at, err);
        else
            rc = err_set(err, ERR_INVALID, "unexpected character %c", c);
    }
    if (rc == 0)
        *ret = STEAL(p);
    return rc;
}

int jsonpath_new(struct jsonpath **ret, const char *text, struct err *err)
{
    struct jsonpath *p = NULL;
    int rc;

    if (*text != '.' && *text != '[')
        return err_set(err, ERR_INVALID, "a path begins with a dot");
    if (strlen(text) > JSONPATH_TEXT_MAX) /* filters nest */
        return err_set(err, ERR_INVALID, "more than %d characters", JSONPATH_TEXT_MAX);
    rc = jsonpath_parse(&p, &text, "", err);
    if (rc == 0)
        *ret = p;
    return rc;
}

/* --- finding --- */

struct jsonpath_visit { /* who hears of what is found */
    jsonpath_fn fn;
    void *arg;
};

/* Non-zero: the visitor has enough. */
static int jsonpath_walk(const struct jsonpath *p, size_t i, const json_t *at,
                         const struct jsonpath_visit *v);

static int jsonpath_take(void *arg, json_t *found)
{
    *(json_t **)arg = found;
    return 1;
}

static json_t *jsonpath_first(const struct jsonpath *p, const json_t *tree)
{
    json_t *found = NULL;
    struct jsonpath_visit v = { .fn = jsonpath_take, .arg = &found };

    jsonpath_walk(p, 0, tree, &v);
    return found;
}

/* -1, 0, 1; 2 = cannot be compared */
static int jsonpath_compare(const json_t *a, const json_t *b)
{
    double x, y;

    if (json_is_string(a) && json_is_string(b)) {
        int c = strcmp(json_string_value(a), json_string_value(b));

        return c < 0 ? -1 : c > 0;
    }
    if (!json_is_number(a) || !json_is_number(b))
        return json_equal(a, b) ? 0 : 2;
    x = json_number_value(a);
    y = json_number_value(b);
    return x < y ? -1 : x > y;
}

static bool jsonpath_accepts(const struct jsonpath_step *s, const json_t *item)
{
    const json_t *have = jsonpath_first(s->left, item);
    int c;

    if (have == NULL || s->op[0] == '\0')
        return have != NULL;
    c = jsonpath_compare(have, s->right);
    if (str_eq(s->op, "!="))
        return c != 0;
    if (c == 2)
        return false;
    return (c == 0 && s->op[1] == '=') || (c < 0 && s->op[0] == '<') || (c > 0 && s->op[0] == '>');
}

static int jsonpath_in_list(const struct jsonpath *p, size_t i, const json_t *list,
                            const struct jsonpath_visit *v)
{
    const struct jsonpath_step *s = &p->steps[i];
    long n = (long)json_array_size(list), from = 0, to = n;
    int rc = 0;

    if (s->kind == JSONPATH_RANGE) {
        from = s->from_set ? s->from + (s->from < 0 ? n : 0) : 0;
        to = s->to_set ? s->to + (s->to < 0 || (s->to == 0 && s->from < 0) ? n : 0) : n;
    }
    for (long k = from < 0 ? 0 : from; k < to && k < n && rc == 0; k++) {
        json_t *item = json_array_get(list, (size_t)k);

        if (s->kind != JSONPATH_FILTER || jsonpath_accepts(s, item))
            rc = jsonpath_walk(p, i + 1, item, v);
    }
    return rc;
}

static int jsonpath_in_map(const struct jsonpath *p, size_t i, const json_t *map,
                           const struct jsonpath_visit *v)
{
    const char *key;
    json_t *value;
    int rc = 0;

    if (p->steps[i].kind != JSONPATH_ALL)
        return 0;
    json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
        rc = jsonpath_walk(p, i + 1, value, v);
        if (rc != 0)
            break;
    }
    return rc;
}

static int jsonpath_walk(const struct jsonpath *p, size_t i, const json_t *at,
                         const struct jsonpath_visit *v)
{
    if (at == NULL)
        return 0;
    if (i == p->n)
        return v->fn(v->arg, (json_t *)(uintptr_t)at);
    if (p->steps[i].kind == JSONPATH_FIELD)
        return jsonpath_walk(p, i + 1, json_object_get(at, p->steps[i].name), v);
    return json_is_array(at) ? jsonpath_in_list(p, i, at, v) : jsonpath_in_map(p, i, at, v);
}

json_t *jsonpath_find(const struct jsonpath *p, const json_t *tree)
{
    json_t *found = jsonpath_first(p, tree);

    return json_is_null(found) ? NULL : found;
}

void jsonpath_each(const struct jsonpath *p, const json_t *tree, jsonpath_fn fn, void *arg)
{
    struct jsonpath_visit v = { .fn = fn, .arg = arg };

    jsonpath_walk(p, 0, tree, &v);
}
