#include "client/template.h"

#include "base/mem.h"
#include "client/print.h"

#include <string.h>

enum template_op { TEMPLATE_TEXT, TEMPLATE_PATH, TEMPLATE_RANGE, TEMPLATE_END };

struct template_node {
    enum template_op op;
    char *text;            /* TEXT; owned */
    struct jsonpath *path; /* PATH, RANGE; owned; NULL: the value itself */
    bool from_root;        /* "$.x" */
    size_t end;            /* RANGE: the node of its end */
};

struct template
{
    struct template_node *nodes; /* owned */
    size_t n;
};

struct template *template_free(struct template *t)
{
    if (t == NULL)
        return NULL;
    for (size_t i = 0; i < t->n; i++) {
        free(t->nodes[i].text);
        jsonpath_free(t->nodes[i].path);
    }
    free(t->nodes);
    free(t);
    return NULL;
}

/* --- reading --- */

static struct template_node *template_add(struct template *t, enum template_op op)
{
    t->nodes = mem_grow(t->nodes, t->n + 1, sizeof(*t->nodes));
    t->nodes[t->n] = (struct template_node){ .op = op };
    return &t->nodes[t->n++];
}

/* "\n" and its like, as in Go's strings. */
static char template_escape(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
}

static void template_add_text(struct template *t, const char *from, size_t len, bool escapes)
{
    struct text out = TEXT_EMPTY;

    for (size_t i = 0; i < len; i++) {
        bool escaped = escapes && from[i] == '\\' && i + 1 < len;

        text_putc(&out, escaped ? template_escape(from[++i]) : from[i]);
    }
    template_add(t, TEMPLATE_TEXT)->text = text_take(&out);
}

static int template_node_path(struct template_node *n, const char *path, struct err *err)
{
    n->from_root = path[0] == '$';
    if (path[0] == '$' || path[0] == '@')
        path++;
    if (path[0] == '\0' || str_eq(path, "."))
        return 0;
    if (path[0] == '.' || path[0] == '[')
        return jsonpath_new(&n->path, path, err);
    return template_path(&n->path, path, err);
}

/* @expr: what stands between the braces. */
static int template_expression(struct template *t, char *expr, struct err *err)
{
    size_t len;

    while (*expr == ' ')
        expr++;
    for (len = strlen(expr); len > 0 && expr[len - 1] == ' ';)
        expr[--len] = '\0';
    if (len == 0)
        return 0;
    if (len >= 2 && (expr[0] == '"' || expr[0] == '\'') && expr[len - 1] == expr[0]) {
        template_add_text(t, expr + 1, len - 2, true);
        return 0;
    }
    if (str_eq(expr, "end")) {
        template_add(t, TEMPLATE_END);
        return 0;
    }
    if (str_starts(expr, "range "))
        return template_node_path(template_add(t, TEMPLATE_RANGE), expr + strspn(expr + 6, " ") + 6,
                                  err);
    return template_node_path(template_add(t, TEMPLATE_PATH), expr, err);
}

/* The brace that closes what begins at @s; braces in quotes do not count. */
static const char *template_close(const char *s)
{
    char quote = '\0';

    for (; *s != '\0'; s++) {
        if (quote != '\0') {
            if (*s == '\\' && s[1] != '\0')
                s++;
            else if (*s == quote)
                quote = '\0';
        } else if (*s == '"' || *s == '\'') {
            quote = *s;
        } else if (*s == '}') {
            return s;
        }
    }
    return NULL;
}

/* Tells each range where it ends. */
static int template_pair(struct template *t, struct err *err)
{
    size_t open[TEMPLATE_MAX_DEPTH], depth = 0;

    for (size_t i = 0; i < t->n; i++) {
        if (t->nodes[i].op == TEMPLATE_RANGE) {
            if (depth == TEMPLATE_MAX_DEPTH)
                return err_set(err, ERR_INVALID, "more than %d ranges in each other",
                               TEMPLATE_MAX_DEPTH);
            open[depth++] = i;
        } else if (t->nodes[i].op == TEMPLATE_END) {
            if (depth == 0)
                return err_set(err, ERR_INVALID, "not in range, nothing to end");
            t->nodes[open[--depth]].end = i;
        }
    }
    return depth > 0 ? err_set(err, ERR_INVALID, "unterminated range") : 0;
}

int template_new(struct template **ret, const char *text, struct err *err)
{
    struct template *t = MEM_NEW(struct template);
    int rc = 0;

    while (*text != '\0' && rc == 0) {
        const char *brace = strchr(text, '{'), *end;
        size_t len = brace != NULL ? (size_t)(brace - text) : strlen(text);
        cleanup(freep) char *expr = NULL;

        if (len > 0) {
            template_add_text(t, text, len, false);
            text += len;
            continue;
        }
        end = template_close(text + 1);
        if (end == NULL) {
            rc = err_set(err, ERR_INVALID, "unclosed action");
            break;
        }
        expr = mem_strn(text + 1, (size_t)(end - text - 1));
        rc = template_expression(t, expr, err);
        text = end + 1;
    }
    if (rc == 0)
        rc = template_pair(t, err);
    if (rc < 0)
        template_free(t);
    else
        *ret = t;
    return rc;
}

int template_path(struct jsonpath **ret, const char *text, struct err *err)
{
    cleanup(freep) char *path = NULL;
    size_t len = strlen(text);

    if (len >= 2 && text[0] == '{' && text[len - 1] == '}') {
        text++;
        len -= 2;
    }
    while (len > 0 && *text == '$') {
        text++;
        len--;
    }
    path = mem_fmt("%s%.*s", *text == '.' || *text == '[' ? "" : ".", (int)len, text);
    return jsonpath_new(ret, path, err);
}

/* --- printing --- */

void template_value(struct text *ret, const json_t *value)
{
    if (json_is_string(value))
        text_puts(ret, json_string_value(value));
    else if (value != NULL && !json_is_null(value))
        json_print_to(ret, value);
}

static void template_go_map(struct text *ret, const json_t *map)
{
    cleanup(freep) const char **keys = json_keys(map);

    text_puts(ret, "map[");
    for (size_t i = 0; keys[i] != NULL; i++) {
        text_fmt(ret, "%s%s:", i > 0 ? " " : "", keys[i]);
        template_go_value(ret, json_object_get(map, keys[i]));
    }
    text_putc(ret, ']');
}

void template_go_value(struct text *ret, const json_t *value)
{
    const json_t *item;
    size_t i;

    if (json_is_object(value)) {
        template_go_map(ret, value);
    } else if (json_is_array(value)) {
        text_putc(ret, '[');
        json_array_foreach (value, i, item) {
            text_puts(ret, i > 0 ? " " : "");
            template_go_value(ret, item);
        }
        text_putc(ret, ']');
    } else if (json_is_null(value)) {
        text_puts(ret, "<nil>");
    } else {
        template_value(ret, value);
    }
}

struct template_run {
    const struct template *template;
    const json_t *root;
    struct text *out;
    size_t from, to; /* RANGE: the nodes of its body */
    bool some;       /* PATH: one value was printed */
};

static void template_nodes(const struct template_run *run, size_t from, size_t to,
                           const json_t *here);

static int template_on_value(void *arg, json_t *found)
{
    struct template_run *run = arg;

    if (run->some)
        text_putc(run->out, ' ');
    run->some = true;
    template_value(run->out, found);
    return 0;
}

static int template_on_item(void *arg, json_t *found)
{
    const struct template_run *run = arg;

    template_nodes(run, run->from, run->to, found);
    return 0;
}

static void template_each(const struct template_node *n, const struct template_run *run,
                          const json_t *here, jsonpath_fn fn)
{
    const json_t *from = n->from_root ? run->root : here;

    if (n->path != NULL)
        jsonpath_each(n->path, from, fn, (void *)(uintptr_t)run);
    else
        fn((void *)(uintptr_t)run, (json_t *)(uintptr_t)from);
}

static void template_nodes(const struct template_run *run, size_t from, size_t to,
                           const json_t *here)
{
    for (size_t i = from; i < to; i++) {
        const struct template_node *n = &run->template->nodes[i];
        struct template_run own = *run;

        own.some = false;
        own.from = i + 1;
        own.to = n->end;
        switch (n->op) {
        case TEMPLATE_TEXT: text_puts(run->out, n->text); break;
        case TEMPLATE_PATH: template_each(n, &own, here, template_on_value); break;
        case TEMPLATE_RANGE:
            template_each(n, &own, here, template_on_item);
            i = n->end;
            break;
        case TEMPLATE_END: break;
        }
    }
}

void template_print(struct text *ret, const struct template *t, const json_t *tree)
{
    struct template_run run = { .template = t, .root = tree, .out = ret };

    template_nodes(&run, 0, t->n, tree);
}
