/* Running a checked tree: a walk with errors as values, so that && and || may absorb them
 * (cel-spec, "Evaluation"). */
#include "cel/cel_impl.h"

#include "base/mem.h"

#include <string.h>

struct cel_context {
    struct pool *pool; /* owned */
    uint64_t left;     /* budget */
    bool broke;        /* it did not suffice */
};

struct cel_frame { /* a macro's variable */
    const char *name;
    struct cel_value value;
    const struct cel_frame *up;
};

struct cel_eval {
    struct cel_context *c;
    const struct cel_value *vars;
    const struct cel_frame *frame;
};

static struct cel_value eval_node(struct cel_eval *e, const struct cel_node *n);

/* --- contexts --- */

struct cel_context *cel_context_new(uint64_t budget)
{
    struct cel_context *c = MEM_NEW(struct cel_context);

    c->pool = pool_new();
    c->left = budget;
    return c;
}

struct cel_context *cel_context_free(struct cel_context *c)
{
    if (c == NULL)
        return NULL;
    pool_free(c->pool);
    free(c);
    return NULL;
}

void cel_context_freep(struct cel_context **c)
{
    *c = cel_context_free(*c);
}

uint64_t cel_context_left(const struct cel_context *c)
{
    return c->left;
}

bool cel_charge(struct cel_context *c, uint64_t n)
{
    c->broke = c->broke || n > c->left;
    c->left -= c->broke ? 0 : n;
    return !c->broke;
}

void *cel_alloc(struct cel_context *c, size_t size)
{
    return pool_zero(c->pool, size);
}

/* --- variables and fields --- */

static struct cel_value eval_ident(struct cel_eval *e, const struct cel_node *n)
{
    if (n->slot >= 0)
        return e->vars[n->slot];
    for (const struct cel_frame *f = e->frame; f != NULL; f = f->up)
        if (str_eq(f->name, n->name))
            return f->value;
    return cel_error(e->c, "no such attribute: %s", n->name);
}

/* What a select or an index is made on: through an optional value to what is in it.
 * False: *ret is the answer already. */
static bool eval_through(struct cel_value *v, bool *ret_optional, struct cel_value *ret)
{
    *ret = *v;
    if (v->kind == CEL_ERROR)
        return false;
    if (v->kind != CEL_OPTIONAL)
        return true;
    *ret_optional = true;
    if (v->items == NULL)
        return false;
    *v = v->items[0];
    return true;
}

static struct cel_value eval_found(struct cel_eval *e, bool optional, bool found,
                                   struct cel_value v, const char *what, const char *key)
{
    if (!found)
        return optional ? cel_none() : cel_error(e->c, "%s: %.200s", what, key);
    return optional && v.kind != CEL_ERROR ? cel_some(e->c, v) : v;
}

static bool eval_has_fields(const struct cel_value *v)
{
    return v->kind == CEL_MAP || v->kind == CEL_OBJECT;
}

static struct cel_value eval_select(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value of = eval_node(e, n->args[0]), ret;
    bool optional = n->optional, found;

    if (!eval_through(&of, &optional, &ret))
        return ret;
    if (!eval_has_fields(&of))
        return cel_error(e->c, "no such key: %.200s", n->name);
    found = cel_field(e->c, &of, n->name, &ret);
    return eval_found(e, optional, found, ret, "no such key", n->name);
}

static struct cel_value eval_has(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value of = eval_node(e, n->args[0]), ret;
    bool optional = false;

    if (!eval_through(&of, &optional, &ret))
        return ret.kind == CEL_ERROR ? ret : cel_bool(false);
    if (!eval_has_fields(&of))
        return cel_error(e->c, "no such overload: has(_.%.200s)", n->name);
    return cel_bool(cel_field(e->c, &of, n->name, &ret));
}

static bool eval_as_index(const struct cel_value *v, uint64_t *ret)
{
    if (v->kind == CEL_DOUBLE && v->d >= 0 && v->d < 1e15 && v->d == (double)(uint64_t)v->d)
        *ret = (uint64_t)v->d;
    else if ((v->kind == CEL_INT && v->i >= 0) || v->kind == CEL_UINT)
        *ret = v->u;
    else
        return false;
    return true;
}

static struct cel_value eval_index(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value of = eval_node(e, n->args[0]), key = eval_node(e, n->args[1]), ret, shown;
    bool optional = n->optional, found;
    uint64_t i;

    if (!eval_through(&of, &optional, &ret))
        return ret;
    if (key.kind == CEL_ERROR)
        return key;
    if (of.kind == CEL_LIST &&
        (key.kind == CEL_INT || key.kind == CEL_UINT || key.kind == CEL_DOUBLE)) {
        found = eval_as_index(&key, &i) && i < cel_size(&of);
        if (found)
            ret = cel_item(e->c, &of, i);
        shown = cel_to_string(e->c, key);
        return eval_found(e, optional, found, ret, "index out of bounds", shown.s);
    }
    if (of.kind != CEL_MAP && (of.kind != CEL_OBJECT || key.kind != CEL_STRING))
        return cel_error(e->c, "no such overload: _[_]");
    found = of.kind == CEL_MAP ? cel_lookup(e->c, &of, &key, &ret)
                               : cel_field(e->c, &of, key.s, &ret);
    shown = cel_to_string(e->c, key);
    return eval_found(e, optional, found, ret, "no such key",
                      shown.kind == CEL_STRING ? shown.s : "");
}

/* --- calls --- */

/* Whether a value is what the letter at *sig says; the letter is passed over. */
static bool eval_letter_fits(const struct cel_value *v, const char **sig,
                             const struct cel_library *lib)
{
    static const char letters[] = "nbiudsytrTLMO";
    static const enum cel_kind kinds[] = { CEL_NULL,     CEL_BOOL,   CEL_INT,   CEL_UINT,
                                           CEL_DOUBLE,   CEL_STRING, CEL_BYTES, CEL_TIMESTAMP,
                                           CEL_DURATION, CEL_TYPE,   CEL_LIST,  CEL_MAP,
                                           CEL_OPTIONAL };
    char c = *(*sig)++;
    const char *at = strchr(letters, c);

    for (int inner = c == 'M' ? 2 : c == 'L' || c == 'O'; inner > 0; inner--)
        eval_letter_fits(v, sig, lib); /* what is inside is not looked at, only passed */
    if (c >= '0' && c <= '9')
        return v->kind == CEL_OPAQUE && v->type == lib->types[c - '0'];
    if (c == 'M' && v->kind == CEL_OBJECT && v->type != NULL)
        return true;
    return at == NULL || v->kind == kinds[at - letters];
}

static bool eval_fits(const struct cel_overload *o, const struct cel_value *args, size_t n)
{
    const char *sig = o->function->sig;

    for (size_t i = 0; i < n; i++)
        if (!eval_letter_fits(&args[i], &sig, o->library))
            return false;
    return true;
}

#define EVAL_ARGS_MAX 8

static struct cel_value eval_call(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value args[EVAL_ARGS_MAX];

    if (n->n_args > EVAL_ARGS_MAX)
        return cel_error(e->c, "no such overload: %s", n->name);
    for (size_t i = 0; i < n->n_args; i++) {
        args[i] = eval_node(e, n->args[i]);
        if (args[i].kind == CEL_ERROR)
            return args[i];
    }
    for (size_t i = 0; i < n->n_overloads; i++)
        if (eval_fits(&n->overloads[i], args, n->n_args))
            return n->overloads[i].function->call(e->c, args, n->n_args);
    return cel_error(e->c, "no such overload: %s", n->name);
}

/* --- logic --- */

/* The value that decides alone: false for &&, true for ||. */
static struct cel_value eval_logic(struct cel_eval *e, const struct cel_node *n)
{
    bool decides = n->op == CEL_OR;
    struct cel_value left = eval_node(e, n->args[0]), right;

    if (left.kind == CEL_BOOL && left.b == decides)
        return left;
    right = eval_node(e, n->args[1]);
    if (right.kind == CEL_BOOL && right.b == decides)
        return right;
    if (left.kind == CEL_ERROR)
        return left;
    if (right.kind == CEL_ERROR)
        return right;
    if (left.kind != CEL_BOOL || right.kind != CEL_BOOL)
        return cel_error(e->c, "no such overload: %s", n->name);
    return right;
}

static struct cel_value eval_cond(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value which = eval_node(e, n->args[0]);

    if (which.kind == CEL_BOOL)
        return eval_node(e, n->args[which.b ? 1 : 2]);
    return which.kind == CEL_ERROR ? which : cel_error(e->c, "no such overload: _?_:_");
}

/* --- literals --- */

/* False: with "?" there is nothing to add. */
static bool eval_maybe(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (!n->maybe || v->kind == CEL_ERROR)
        return true;
    if (v->kind != CEL_OPTIONAL) {
        *v = cel_error(e->c, "cannot initialize an optional element from a non-optional value");
        return true;
    }
    if (v->items == NULL)
        return false;
    *v = v->items[0];
    return true;
}

static struct cel_value eval_listing(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value *items = cel_alloc(e->c, (n->n_args + 1) * sizeof(*items));
    size_t len = 0;

    for (size_t i = 0; i < n->n_args; i++) {
        struct cel_value v = eval_node(e, n->args[i]);

        if (!eval_maybe(e, n->args[i], &v))
            continue;
        if (v.kind == CEL_ERROR)
            return v;
        items[len++] = v;
    }
    return cel_list(items, len);
}

static bool eval_is_key(const struct cel_value *v)
{
    return v->kind == CEL_STRING || v->kind == CEL_INT || v->kind == CEL_UINT ||
           v->kind == CEL_BOOL || v->kind == CEL_DOUBLE;
}

static struct cel_value eval_mapping(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_pair *pairs = cel_alloc(e->c, (n->n_args / 2 + 1) * sizeof(*pairs));
    struct cel_value map = { .kind = CEL_MAP, .pairs = pairs }, was;

    for (size_t i = 0; i + 1 < n->n_args; i += 2) {
        struct cel_value key = eval_node(e, n->args[i]);
        struct cel_value v = eval_node(e, n->args[i + 1]);

        if (!eval_maybe(e, n->args[i + 1], &v))
            continue;
        if (key.kind == CEL_ERROR || v.kind == CEL_ERROR)
            return key.kind == CEL_ERROR ? key : v;
        if (!eval_is_key(&key))
            return cel_error(e->c, "unsupported key type");
        if (cel_lookup(e->c, &map, &key, &was))
            return cel_error(e->c, "Failed with repeated key");
        pairs[map.n++] = (struct cel_pair){ key, v };
    }
    return map;
}

/* --- macros --- */

/* What a loop has gathered so far. */
struct cel_gather {
    struct cel_value result; /* of ALL, EXISTS; the first error that nothing absorbed yet */
    struct cel_value *items; /* of FILTER, MAP */
    size_t n;
};

/* all and exists: as if the bodies were joined by && and ||. */
static bool eval_quantify(struct cel_eval *e, const struct cel_node *n, struct cel_value body,
                          struct cel_gather *g)
{
    bool decides = n->loop == CEL_EXISTS;

    if (body.kind != CEL_BOOL && body.kind != CEL_ERROR)
        body = cel_error(e->c, "no such overload: %s", decides ? "_||_" : "_&&_");
    if (body.kind == CEL_BOOL && body.b == decides) {
        g->result = body;
        return false;
    }
    if (body.kind == CEL_ERROR && g->result.kind != CEL_ERROR)
        g->result = body;
    return true;
}

/* One round with the frame set.  False: the loop is over, the result stands. */
static bool eval_round(struct cel_eval *e, const struct cel_node *n, struct cel_value item,
                       struct cel_gather *g)
{
    struct cel_value body = eval_node(e, n->args[1]);

    if (n->loop == CEL_ALL || n->loop == CEL_EXISTS)
        return eval_quantify(e, n, body, g);
    if (n->loop == CEL_MAP_EACH && n->n_args == 2) {
        g->items[g->n++] = body;
    } else if (body.kind == CEL_BOOL && body.b) {
        g->items[g->n++] = n->loop == CEL_MAP_EACH ? eval_node(e, n->args[2]) : item;
    } else if (body.kind != CEL_BOOL) {
        g->result = body.kind == CEL_ERROR ? body : cel_error(e->c, "no such overload: _?_:_");
        return false;
    }
    if (g->n > 0 && g->items[g->n - 1].kind == CEL_ERROR) {
        g->result = g->items[g->n - 1];
        return false;
    }
    return true;
}

/* Each of @range under the name of @frame, until the answer is known. */
static void eval_rounds(struct cel_eval *e, const struct cel_node *n, const struct cel_value *range,
                        struct cel_frame *frame, struct cel_gather *g)
{
    size_t len = cel_size(range);

    e->frame = frame;
    for (size_t i = 0; i < len; i++) {
        frame->value = cel_item(e->c, range, i);
        if (!eval_round(e, n, frame->value, g))
            break;
    }
    e->frame = frame->up;
}

static struct cel_value eval_each(struct cel_eval *e, const struct cel_node *n,
                                  struct cel_value range)
{
    struct cel_gather g = { .result = cel_bool(n->loop == CEL_ALL) };
    struct cel_frame frame = { .name = n->name, .up = e->frame };
    size_t len = cel_size(&range);
    bool gathers = n->loop != CEL_ALL && n->loop != CEL_EXISTS;

    if (gathers)
        g.items = cel_charge(e->c, len) ? cel_alloc(e->c, (len + 1) * sizeof(*g.items)) : NULL;
    if (gathers && g.items == NULL)
        return cel_error(e->c, "out of budget");
    eval_rounds(e, n, &range, &frame, &g);
    if (!gathers || g.result.kind == CEL_ERROR)
        return g.result;
    return n->loop == CEL_EXISTS_ONE ? cel_bool(g.n == 1) : cel_list(g.items, g.n);
}

static struct cel_value eval_optional_map(struct cel_eval *e, const struct cel_node *n,
                                          struct cel_value opt)
{
    struct cel_frame frame = { .name = n->name, .up = e->frame };
    struct cel_value body;

    if (opt.kind != CEL_OPTIONAL)
        return cel_error(e->c, "no such overload: optMap");
    if (opt.items == NULL)
        return opt;
    frame.value = opt.items[0];
    e->frame = &frame;
    body = eval_node(e, n->args[1]);
    e->frame = frame.up;
    return n->loop == CEL_OPT_FLAT_MAP || body.kind == CEL_ERROR ? body : cel_some(e->c, body);
}

static struct cel_value eval_loop(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value range = eval_node(e, n->args[0]);

    if (range.kind == CEL_ERROR)
        return range;
    if (n->loop == CEL_OPT_MAP || n->loop == CEL_OPT_FLAT_MAP)
        return eval_optional_map(e, n, range);
    if (range.kind == CEL_MAP)
        range = cel_keys(e->c, &range);
    if (range.kind != CEL_LIST)
        return cel_error(e->c, "no such overload: a comprehension needs a list or a map");
    return eval_each(e, n, range);
}

static struct cel_value eval_bind(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_frame frame = { .name = n->name, .up = e->frame };
    struct cel_value ret;

    frame.value = eval_node(e, n->args[0]);
    if (frame.value.kind == CEL_ERROR)
        return frame.value;
    e->frame = &frame;
    ret = eval_node(e, n->args[1]);
    e->frame = frame.up;
    return ret;
}

/* --- all --- */

static struct cel_value eval_node(struct cel_eval *e, const struct cel_node *n)
{
    if (!cel_charge(e->c, 1))
        return cel_error(e->c, "out of budget");
    switch (n->op) {
    case CEL_CONST: return n->value;
    case CEL_IDENT: return eval_ident(e, n);
    case CEL_SELECT: return eval_select(e, n);
    case CEL_HAS: return eval_has(e, n);
    case CEL_INDEX: return eval_index(e, n);
    case CEL_CALL: return eval_call(e, n);
    case CEL_LISTING: return eval_listing(e, n);
    case CEL_MAPPING: return eval_mapping(e, n);
    case CEL_AND:
    case CEL_OR: return eval_logic(e, n);
    case CEL_COND: return eval_cond(e, n);
    case CEL_LOOP: return eval_loop(e, n);
    case CEL_BIND: return eval_bind(e, n);
    }
    return cel_error(e->c, "unknown expression");
}

int cel_run(struct cel_value *ret, const struct cel_program *p, struct cel_context *c,
            const struct cel_value *vars, struct err *err)
{
    struct cel_eval e = { .c = c, .vars = vars };
    uint64_t spare = c->left > CEL_COST_CALL ? c->left - CEL_COST_CALL : 0;

    c->left -= spare; /* one call gets no more than its share */
    *ret = eval_node(&e, p->root);
    c->left += spare;
    if (c->broke)
        return err_set(err, ERR_LIMIT, "operation cancelled: actual cost limit exceeded");
    if (ret->kind == CEL_ERROR)
        return err_set(err, ERR_INVALID, "%s", ret->s);
    return 0;
}
