#include "api/custom_schema.h"

#include "api/custom_cel.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define CUSTOM_RULES_MAX 32 /* of one node: there are fewer kinds */
/* What a node says because something below it does. */
#define CUSTOM_INHERITED (CUSTOM_DEFAULTS | CUSTOM_CEL)

struct custom_schema {
    struct pool *pool; /* owned */
    const struct custom_node *root;
    struct custom_cel **cels; /* owned, and each of them; what CUSTOM_RULE_CEL points to */
    size_t n_cels;
};

struct custom_compile {
    struct pool *pool;
    struct custom_schema *schema;
    json_t *names; /* set of texts seen -> their place in the pool; owned */
    unsigned n_nodes, depth;
    struct err *err;
};

static int custom_compile_node(struct custom_compile *c, struct custom_node *ret,
                               const json_t *schema);

/* Names recur; each is kept once. */
static const char *custom_compile_name(struct custom_compile *c, const char *s)
{
    json_t *seen = json_object_get(c->names, s);
    char *kept;

    if (seen != NULL)
        return (const char *)(uintptr_t)json_integer_value(seen);
    kept = pool_str(c->pool, s);
    json_object_set_new(c->names, s, json_integer((json_int_t)(uintptr_t)kept));
    return kept;
}

static struct custom_node *custom_compile_nodes(struct custom_compile *c, size_t n)
{
    c->n_nodes += (unsigned)n;
    if (n >= UINT16_MAX || c->n_nodes > CUSTOM_NODES_MAX) {
        err_set(c->err, ERR_LIMIT, "the schema has more than %d fields", CUSTOM_NODES_MAX);
        return NULL;
    }
    return pool_zero(c->pool, n * sizeof(struct custom_node));
}

/* --- rules --- */

static void custom_put_texts(struct custom_compile *c, struct custom_rule *rule, const json_t *list,
                             bool as_json)
{
    size_t n = json_array_size(list);
    const char **texts;

    if (n >= UINT16_MAX)
        n = UINT16_MAX - 1;
    texts = pool_zero(c->pool, (n + 1) * sizeof(*texts));
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);

        if (as_json) {
            cleanup(freep) char *printed = json_print_sorted(item, NULL);

            texts[i] = custom_compile_name(c, printed);
        } else {
            texts[i] = custom_compile_name(c, json_is_string(item) ? json_string_value(item) : "");
        }
    }
    rule->texts = texts;
    rule->n = (uint16_t)n;
}

static int custom_put_nodes(struct custom_compile *c, struct custom_rule *rule, const json_t *list)
{
    size_t n = json_is_array(list) ? json_array_size(list) : 1;
    struct custom_node *nodes = custom_compile_nodes(c, n);
    int rc = nodes != NULL ? 0 : c->err->code;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = custom_compile_node(c, &nodes[i],
                                 json_is_array(list) ? json_array_get(list, i) : list);
    rule->nodes = nodes;
    rule->n = (uint16_t)n;
    return rc;
}

enum custom_form {
    CUSTOM_TEXT,
    CUSTOM_TEXTS,
    CUSTOM_JSON,
    CUSTOM_JSONS,
    CUSTOM_REAL,
    CUSTOM_COUNT,
    CUSTOM_NODES,
    CUSTOM_EXPRESSIONS
};

static const struct custom_form_row {
    const char *key;
    enum custom_rule_kind kind;
    enum custom_form form;
} custom_forms[] = {
    { "required", CUSTOM_RULE_REQUIRED, CUSTOM_TEXTS },
    { "enum", CUSTOM_RULE_ENUM, CUSTOM_JSONS },
    { "format", CUSTOM_RULE_FORMAT, CUSTOM_TEXT },
    { "pattern", CUSTOM_RULE_PATTERN, CUSTOM_TEXT },
    { "default", CUSTOM_RULE_DEFAULT, CUSTOM_JSON },
    { "x-kubernetes-list-map-keys", CUSTOM_RULE_LIST_KEYS, CUSTOM_TEXTS },
    { "minimum", CUSTOM_RULE_MINIMUM, CUSTOM_REAL },
    { "maximum", CUSTOM_RULE_MAXIMUM, CUSTOM_REAL },
    { "multipleOf", CUSTOM_RULE_MULTIPLE_OF, CUSTOM_REAL },
    { "minLength", CUSTOM_RULE_MIN_LENGTH, CUSTOM_COUNT },
    { "maxLength", CUSTOM_RULE_MAX_LENGTH, CUSTOM_COUNT },
    { "minItems", CUSTOM_RULE_MIN_ITEMS, CUSTOM_COUNT },
    { "maxItems", CUSTOM_RULE_MAX_ITEMS, CUSTOM_COUNT },
    { "minProperties", CUSTOM_RULE_MIN_PROPERTIES, CUSTOM_COUNT },
    { "maxProperties", CUSTOM_RULE_MAX_PROPERTIES, CUSTOM_COUNT },
    { "allOf", CUSTOM_RULE_ALL_OF, CUSTOM_NODES },
    { "anyOf", CUSTOM_RULE_ANY_OF, CUSTOM_NODES },
    { "oneOf", CUSTOM_RULE_ONE_OF, CUSTOM_NODES },
    { "not", CUSTOM_RULE_NOT, CUSTOM_NODES },
    { "x-kubernetes-validations", CUSTOM_RULE_CEL, CUSTOM_EXPRESSIONS },
};

static int custom_put_rule(struct custom_compile *c, struct custom_rule *rule,
                           const struct custom_form_row *row, const json_t *value)
{
    *rule = (struct custom_rule){ .kind = (uint16_t)row->kind };
    switch (row->form) {
    case CUSTOM_TEXT:
        rule->text = custom_compile_name(c, json_is_string(value) ? json_string_value(value) : "");
        return 0;
    case CUSTOM_JSON: {
        cleanup(freep) char *printed = json_print(value, NULL);

        rule->text = custom_compile_name(c, printed);
        return 0;
    }
    case CUSTOM_TEXTS:
    case CUSTOM_JSONS: custom_put_texts(c, rule, value, row->form == CUSTOM_JSONS); return 0;
    case CUSTOM_REAL: rule->real = json_number_value(value); return 0;
    case CUSTOM_COUNT: rule->count = (int64_t)json_number_value(value); return 0;
    case CUSTOM_NODES: return custom_put_nodes(c, rule, value);
    case CUSTOM_EXPRESSIONS: return 0; /* custom_compile_cel, once the node stands */
    }
    return 0;
}

/* What an int-or-string says in anyOf it says already by being one. */
static bool custom_rule_is_idle(const struct custom_node *node, const struct custom_form_row *row,
                                const json_t *value)
{
    if (row->form == CUSTOM_NODES)
        return json_is_array(value) &&
               (json_array_size(value) == 0 ||
                ((node->flags & CUSTOM_INT_OR_STRING) != 0 && row->kind == CUSTOM_RULE_ANY_OF &&
                 json_array_size(value) == 2));
    return (row->form == CUSTOM_TEXTS || row->form == CUSTOM_JSONS ||
            row->form == CUSTOM_EXPRESSIONS) &&
           json_array_size(value) == 0;
}

/* Expressions read the types of all that is below, and the node's own format. */
static void custom_compile_cel(struct custom_compile *c, struct custom_node *node,
                               struct custom_rule *rule, const json_t *list)
{
    struct custom_schema *s = c->schema;
    struct custom_cel *cel = custom_cel_new(node, list, c->depth == 1, c->pool);

    s->cels = mem_grow(s->cels, s->n_cels + 1, sizeof(*s->cels));
    s->cels[s->n_cels++] = cel;
    rule->cel = cel;
    node->flags |= CUSTOM_CEL;
}

static int custom_compile_rules(struct custom_compile *c, struct custom_node *node,
                                const json_t *schema)
{
    struct custom_rule rules[CUSTOM_RULES_MAX];
    struct custom_rule *kept;
    size_t n = 0;

    for (size_t i = 0; i < N_ELEMENTS(custom_forms); i++) {
        const struct custom_form_row *row = &custom_forms[i];
        const json_t *value = json_object_get(schema, row->key);
        int rc;

        if (value == NULL || (json_is_null(value) && row->form != CUSTOM_JSON) ||
            custom_rule_is_idle(node, row, value))
            continue;
        rc = custom_put_rule(c, &rules[n++], row, value);
        if (rc < 0)
            return rc;
        if (row->kind == CUSTOM_RULE_DEFAULT)
            node->flags |= CUSTOM_DEFAULTS;
    }
    if (n == 0)
        return 0;
    kept = pool_zero(c->pool, (n + 1) * sizeof(*kept));
    memcpy(kept, rules, n * sizeof(*kept));
    node->rules = kept;
    if (kept[n - 1].kind == CUSTOM_RULE_CEL) /* the last in the table */
        custom_compile_cel(c, node, &kept[n - 1],
                           json_object_get(schema, "x-kubernetes-validations"));
    return 0;
}

/* --- structure --- */

static uint8_t custom_type_of(const json_t *schema)
{
    static const char *const names[] = {
        [CUSTOM_ANY] = "",
        [CUSTOM_OBJECT] = "object",
        [CUSTOM_ARRAY] = "array",
        [CUSTOM_STRING] = "string",
        [CUSTOM_INTEGER] = "integer",
        [CUSTOM_NUMBER] = "number",
        [CUSTOM_BOOLEAN] = "boolean",
    };
    const char *type = json_str_or(schema, "type", "");

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (str_eq(type, names[i]))
            return (uint8_t)i;
    return CUSTOM_ANY;
}

static uint16_t custom_flags_of(const json_t *schema)
{
    static const struct {
        const char *key;
        enum custom_flag flag;
    } rows[] = {
        { "nullable", CUSTOM_NULLABLE },
        { "x-kubernetes-preserve-unknown-fields", CUSTOM_PRESERVE },
        { "x-kubernetes-embedded-resource", CUSTOM_EMBEDDED },
        { "x-kubernetes-int-or-string", CUSTOM_INT_OR_STRING },
        { "additionalProperties", CUSTOM_OPEN },
        { "exclusiveMinimum", CUSTOM_EXCLUSIVE_MIN },
        { "exclusiveMaximum", CUSTOM_EXCLUSIVE_MAX },
    };
    const char *list = json_string_value(json_object_get(schema, "x-kubernetes-list-type"));
    unsigned flags = 0;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (json_is_true(json_object_get(schema, rows[i].key)))
            flags |= rows[i].flag;
    if (str_eq(list, "set"))
        flags |= CUSTOM_SET;
    if (str_eq(list, "map"))
        flags |= CUSTOM_MAP;
    if (str_eq(json_string_value(json_object_get(schema, "x-kubernetes-map-type")), "atomic"))
        flags |= CUSTOM_MAP_ATOMIC;
    return (uint16_t)flags;
}

static int custom_by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int custom_compile_children(struct custom_compile *c, struct custom_node *node,
                                   json_t *properties)
{
    size_t n = json_object_size(properties), i = 0;
    struct custom_node *children = n > 0 ? custom_compile_nodes(c, n) : NULL;
    cleanup(freep) const char **names = NULL;
    const char *key;
    json_t *value;

    if (n == 0 || children == NULL)
        return n == 0 ? 0 : c->err->code;
    names = (const char **)mem_array(n, sizeof(*names));
    json_object_foreach (properties, key, value)
        names[i++] = key;
    qsort(names, n, sizeof(*names), custom_by_name);
    for (i = 0; i < n; i++) {
        int rc = custom_compile_node(c, &children[i], json_object_get(properties, names[i]));

        if (rc < 0)
            return rc;
        children[i].name = custom_compile_name(c, names[i]);
        node->flags |= children[i].flags & CUSTOM_INHERITED;
    }
    node->children = children;
    node->n_children = (uint16_t)n;
    return 0;
}

static int custom_compile_items(struct custom_compile *c, struct custom_node *node,
                                const json_t *schema)
{
    const json_t *below = json_object_get(schema, "items");
    struct custom_node *items;
    int rc;

    if (!json_is_object(below))
        below = json_object_get(schema, "additionalProperties");
    if (!json_is_object(below))
        return 0;
    items = custom_compile_nodes(c, 1);
    rc = items != NULL ? custom_compile_node(c, items, below) : c->err->code;
    node->items = items;
    if (rc == 0)
        node->flags |= items->flags & CUSTOM_INHERITED;
    return rc;
}

static int custom_compile_node(struct custom_compile *c, struct custom_node *ret,
                               const json_t *schema)
{
    int rc;

    if (++c->depth > CUSTOM_DEPTH_MAX)
        return err_set(c->err, ERR_LIMIT, "the schema nests deeper than %d", CUSTOM_DEPTH_MAX);
    ret->type = custom_type_of(schema);
    ret->flags = custom_flags_of(schema);
    rc = custom_compile_children(c, ret, json_object_get(schema, "properties"));
    if (rc == 0)
        rc = custom_compile_items(c, ret, schema);
    if (rc == 0)
        rc = custom_compile_rules(c, ret, schema);
    c->depth--;
    return rc;
}

int custom_schema_new(struct custom_schema **ret, const json_t *openapi, struct err *err)
{
    cleanup(custom_schema_freep) struct custom_schema *s = MEM_NEW(struct custom_schema);
    cleanup(json_decrefpp) json_t *names = json_object();
    struct custom_compile c = { .schema = s, .names = names, .err = err };
    struct custom_node *root;
    int rc;

    c.pool = s->pool = pool_new();
    root = custom_compile_nodes(&c, 1);
    rc = custom_compile_node(&c, root, openapi);
    if (rc < 0)
        return rc;
    s->root = root;
    *ret = STEAL(s);
    return 0;
}

struct custom_schema *custom_schema_free(struct custom_schema *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < s->n_cels; i++)
        custom_cel_free(s->cels[i]);
    free(s->cels);
    pool_free(s->pool);
    free(s);
    return NULL;
}

void custom_schema_freep(struct custom_schema **s)
{
    *s = custom_schema_free(*s);
}

const struct custom_node *custom_schema_root(const struct custom_schema *s)
{
    return s->root;
}

size_t custom_schema_footprint(const struct custom_schema *s)
{
    size_t n = sizeof(*s) + pool_footprint(s->pool);

    for (size_t i = 0; i < s->n_cels; i++)
        n += custom_cel_footprint(s->cels[i]);
    return n;
}

const struct custom_node *custom_node_child(const struct custom_node *n, const char *name)
{
    size_t low = 0, high = n->n_children;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = strcmp(name, n->children[middle].name);

        if (c == 0)
            return &n->children[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct custom_rule *custom_node_rule(const struct custom_node *n, enum custom_rule_kind kind)
{
    for (const struct custom_rule *r = n->rules; r != NULL && r->kind != CUSTOM_RULE_END; r++)
        if (r->kind == kind)
            return r;
    return NULL;
}
