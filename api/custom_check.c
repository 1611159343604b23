/* What a custom object's values break, in the words of kube-openapi's validator. */
#include "api/custom_tree.h"

#include "api/custom_cel.h"
#include "base/mem.h"
#include "base/pattern.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct custom_checking {
    struct field_errors *e; /* borrowed */
    struct text path;       /* owned */
    const json_t *value;    /* where we are; borrowed */
    const json_t *old;      /* what stood there before; NULL: nothing */
    struct cel_context
        *cel; /* the second walk, in which only expressions are looked at; else NULL */
};

static void custom_check_node(struct custom_checking *c, const struct custom_node *n);

/* --- where we are --- */

struct custom_place {
    size_t len;
    const json_t *value, *old;
};

static struct custom_place custom_go(struct custom_checking *c, const json_t *value,
                                     const json_t *old)
{
    struct custom_place up = { c->path.len, c->value, c->old };

    c->value = value;
    c->old = old;
    return up;
}

static void custom_back(struct custom_checking *c, struct custom_place up)
{
    c->path.len = up.len;
    if (c->path.data != NULL)
        c->path.data[up.len] = '\0';
    c->value = up.value;
    c->old = up.old;
}

static void custom_path_member(struct custom_checking *c, const char *name)
{
    text_fmt(&c->path, "%s%.256s", c->path.len > 0 ? "." : "", name);
}

static const char *custom_path(const struct custom_checking *c)
{
    return text_str(&c->path);
}

#define custom_invalid(c, ...) field_invalid((c)->e, custom_path(c), (c)->value, __VA_ARGS__)

/* --- types --- */

static bool custom_is_whole(const json_t *v)
{
    return json_is_integer(v) ||
           (json_is_real(v) && floor(json_real_value(v)) == json_real_value(v));
}

static bool custom_type_fits(const struct custom_node *n, const json_t *v)
{
    switch (n->type) {
    case CUSTOM_OBJECT: return json_is_object(v);
    case CUSTOM_ARRAY: return json_is_array(v);
    case CUSTOM_STRING: return json_is_string(v);
    case CUSTOM_INTEGER: return custom_is_whole(v);
    case CUSTOM_NUMBER: return json_is_number(v);
    case CUSTOM_BOOLEAN: return json_is_boolean(v);
    default: break;
    }
    return (n->flags & CUSTOM_INT_OR_STRING) == 0 || json_is_string(v) || custom_is_whole(v);
}

/* False: wrong, and told; what hangs on the node need not be looked at. */
static bool custom_check_type(struct custom_checking *c, const struct custom_node *n)
{
    static const char *const names[] = {
        [CUSTOM_ANY] = "integer,string", [CUSTOM_OBJECT] = "object",   [CUSTOM_ARRAY] = "array",
        [CUSTOM_STRING] = "string",      [CUSTOM_INTEGER] = "integer", [CUSTOM_NUMBER] = "number",
        [CUSTOM_BOOLEAN] = "boolean"
    };
    const char *have = json_type_name(c->value);

    if (custom_type_fits(n, c->value))
        return true;
    field_type_invalid(c->e, custom_path(c), have, names[n->type]);
    return false;
}

/* --- rules: each looks at values of its own type only --- */

typedef void (*custom_rule_fn)(struct custom_checking *c, const struct custom_node *n,
                               const struct custom_rule *r);

static void custom_rule_required(struct custom_checking *c, const struct custom_node *n,
                                 const struct custom_rule *r)
{
    (void)n;
    for (size_t i = 0; json_is_object(c->value) && i < r->n; i++) {
        struct custom_place up;

        if (json_object_get(c->value, r->texts[i]) != NULL)
            continue;
        up = custom_go(c, c->value, NULL);
        custom_path_member(c, r->texts[i]);
        field_required(c->e, custom_path(c), NULL);
        custom_back(c, up);
    }
}

static void custom_rule_enum(struct custom_checking *c, const struct custom_node *n,
                             const struct custom_rule *r)
{
    cleanup(freep) char *printed = json_print_sorted(c->value, NULL);
    cleanup(freep) const char **shown = NULL;
    cleanup(json_decrefpp) json_t *plain = json_array();

    (void)n;
    for (size_t i = 0; i < r->n; i++)
        if (str_eq(printed, r->texts[i]))
            return;
    shown = (const char **)mem_array((size_t)r->n + 1, sizeof(*shown));
    for (size_t i = 0; i < r->n; i++) {
        struct err err = ERR_EMPTY;
        json_t *value = NULL;

        json_parse(&value, r->texts[i], strlen(r->texts[i]), NULL, &err);
        json_array_append_new(plain, value);
        shown[i] = json_is_string(value) ? json_string_value(value) : r->texts[i];
    }
    field_not_supported(c->e, custom_path(c), c->value, shown);
}

static void custom_rule_format(struct custom_checking *c, const struct custom_node *n,
                               const struct custom_rule *r)
{
    (void)n;
    /* Of numbers v1.32 checks no format: 4-byte ASNs stand in int32 fields. */
    if (json_is_string(c->value) && !custom_format_holds(r->text, json_string_value(c->value)))
        custom_invalid(c, "%s in body must be of type %s: \"%.256s\"", custom_path(c), r->text,
                       json_string_value(c->value));
}

static void custom_rule_pattern(struct custom_checking *c, const struct custom_node *n,
                                const struct custom_rule *r)
{
    cleanup(pattern_freep) struct pattern *p = NULL;
    struct err err = ERR_EMPTY;

    (void)n;
    /* Compiled when needed: a schema may hold thousands of which few are ever met.  One that does
     * not compile was refused, or warned of, when the definition came. */
    if (!json_is_string(c->value) || pattern_new(&p, r->text, &err) < 0)
        return;
    if (!pattern_matches(p, json_string_value(c->value)))
        custom_invalid(c, "%s in body should match '%s'", custom_path(c), r->text);
}

/* As Go's %v. */
static const char *custom_real(char ret[40], double v)
{
    if (v == floor(v) && fabs(v) < 1e15)
        snprintf(ret, 40, "%.0f", v);
    else
        snprintf(ret, 40, "%.15g", v);
    return ret;
}

static void custom_rule_minimum(struct custom_checking *c, const struct custom_node *n,
                                const struct custom_rule *r)
{
    bool beyond = (n->flags & CUSTOM_EXCLUSIVE_MIN) != 0;
    double v = json_number_value(c->value);
    char shown[40];

    if (json_is_number(c->value) && (v < r->real || (beyond && v <= r->real)))
        custom_invalid(c, "%s in body should be greater than %s%s", custom_path(c),
                       beyond ? "" : "or equal to ", custom_real(shown, r->real));
}

static void custom_rule_maximum(struct custom_checking *c, const struct custom_node *n,
                                const struct custom_rule *r)
{
    bool beyond = (n->flags & CUSTOM_EXCLUSIVE_MAX) != 0;
    double v = json_number_value(c->value);
    char shown[40];

    if (json_is_number(c->value) && (v > r->real || (beyond && v >= r->real)))
        custom_invalid(c, "%s in body should be less than %s%s", custom_path(c),
                       beyond ? "" : "or equal to ", custom_real(shown, r->real));
}

static void custom_rule_multiple(struct custom_checking *c, const struct custom_node *n,
                                 const struct custom_rule *r)
{
    double times = json_number_value(c->value) / r->real;
    char shown[40];

    (void)n;
    if (json_is_number(c->value) && fabs(times - round(times)) > 1e-9)
        custom_invalid(c, "%s in body should be a multiple of %s", custom_path(c),
                       custom_real(shown, r->real));
}

/* Characters, not bytes. */
static int64_t custom_length(const json_t *text)
{
    int64_t n = 0;

    for (const char *s = json_string_value(text); *s != '\0'; s++)
        n += (*s & 0xc0) != 0x80;
    return n;
}

/* The six rules that count something. */
static void custom_rule_count(struct custom_checking *c, const struct custom_node *n,
                              const struct custom_rule *r)
{
    static const struct {
        json_type type;
        bool least;
        const char *what;
    } rows[] = {
        [CUSTOM_RULE_MIN_LENGTH] = { JSON_STRING, true, "chars long" },
        [CUSTOM_RULE_MAX_LENGTH] = { JSON_STRING, false, "chars long" },
        [CUSTOM_RULE_MIN_ITEMS] = { JSON_ARRAY, true, "items" },
        [CUSTOM_RULE_MAX_ITEMS] = { JSON_ARRAY, false, "items" },
        [CUSTOM_RULE_MIN_PROPERTIES] = { JSON_OBJECT, true, "properties" },
        [CUSTOM_RULE_MAX_PROPERTIES] = { JSON_OBJECT, false, "properties" },
    };
    json_type type = rows[r->kind].type;
    int64_t have;

    (void)n;
    if (json_typeof(c->value) != type)
        return;
    have = type == JSON_STRING ? custom_length(c->value)
                               : (int64_t)(json_array_size(c->value) + json_object_size(c->value));
    if (rows[r->kind].least ? have >= r->count : have <= r->count)
        return;
    if (rows[r->kind].least)
        custom_invalid(c, "%s in body should %s at least %lld %s", custom_path(c),
                       type == JSON_STRING ? "be" : "have", (long long)r->count,
                       rows[r->kind].what);
    else if (type == JSON_STRING)
        field_too_long(c->e, custom_path(c), (int)r->count);
    else
        field_too_many(c->e, custom_path(c), (int)have, (int)r->count);
}

/* --- alternatives --- */

/* What this alternative would complain of; the caller's. */
static struct field_errors custom_try(struct custom_checking *c, const struct custom_node *n)
{
    struct field_errors found = FIELD_ERRORS_EMPTY, *e = c->e;
    const json_t *old = c->old;

    c->e = &found;
    c->old = NULL;
    custom_check_node(c, n);
    c->e = e;
    c->old = old;
    return found;
}

static unsigned custom_count_fits(struct custom_checking *c, const struct custom_rule *r)
{
    unsigned fits = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct field_errors found = custom_try(c, &r->nodes[i]);

        fits += found.n == 0;
        field_errors_fini(&found);
    }
    return fits;
}

static void custom_rule_all(struct custom_checking *c, const struct custom_node *n,
                            const struct custom_rule *r)
{
    (void)n;
    for (size_t i = 0; i < r->n; i++)
        custom_check_node(c, &r->nodes[i]);
}

/* Errors of alternatives belong to no field: Kubernetes shows the path of nothing. */
static void custom_rule_any(struct custom_checking *c, const struct custom_node *n,
                            const struct custom_rule *r)
{
    (void)n;
    if (custom_count_fits(c, r) > 0)
        return;
    custom_check_node(c, &r->nodes[0]);
    field_invalid_str(c->e, "<nil>", "", "\"%s\" must validate at least one schema (anyOf)",
                      custom_path(c));
}

static void custom_rule_one(struct custom_checking *c, const struct custom_node *n,
                            const struct custom_rule *r)
{
    unsigned fits = custom_count_fits(c, r);
    char found[48] = "none valid";

    (void)n;
    if (fits == 1)
        return;
    if (fits > 1)
        snprintf(found, sizeof(found), "%u valid alternatives", fits);
    field_invalid_str(c->e, "<nil>", "",
                      "\"%s\" must validate one and only one schema (oneOf). Found %s",
                      custom_path(c), found);
}

static void custom_rule_not(struct custom_checking *c, const struct custom_node *n,
                            const struct custom_rule *r)
{
    (void)n;
    if (custom_count_fits(c, r) > 0)
        field_invalid_str(c->e, "<nil>", "", "\"%s\" must not validate the schema (not)",
                          custom_path(c));
}

static void custom_rule_cel(struct custom_checking *c, const struct custom_node *n,
                            const struct custom_rule *r)
{
    (void)n;
    custom_cel_check(c->e, custom_path(c), r->cel, c->cel, c->value, c->old);
}

static const custom_rule_fn custom_rules[] = {
    [CUSTOM_RULE_REQUIRED] = custom_rule_required,
    [CUSTOM_RULE_ENUM] = custom_rule_enum,
    [CUSTOM_RULE_FORMAT] = custom_rule_format,
    [CUSTOM_RULE_PATTERN] = custom_rule_pattern,
    [CUSTOM_RULE_MINIMUM] = custom_rule_minimum,
    [CUSTOM_RULE_MAXIMUM] = custom_rule_maximum,
    [CUSTOM_RULE_MULTIPLE_OF] = custom_rule_multiple,
    [CUSTOM_RULE_MIN_LENGTH] = custom_rule_count,
    [CUSTOM_RULE_MAX_LENGTH] = custom_rule_count,
    [CUSTOM_RULE_MIN_ITEMS] = custom_rule_count,
    [CUSTOM_RULE_MAX_ITEMS] = custom_rule_count,
    [CUSTOM_RULE_MIN_PROPERTIES] = custom_rule_count,
    [CUSTOM_RULE_MAX_PROPERTIES] = custom_rule_count,
    [CUSTOM_RULE_ALL_OF] = custom_rule_all,
    [CUSTOM_RULE_ANY_OF] = custom_rule_any,
    [CUSTOM_RULE_ONE_OF] = custom_rule_one,
    [CUSTOM_RULE_NOT] = custom_rule_not,
    [CUSTOM_RULE_CEL] = custom_rule_cel,
};

/* --- lists that are sets or maps --- */

static json_t *custom_list_key(const struct custom_node *n, const struct custom_rule *keys,
                               json_t *item)
{
    json_t *key;

    if ((n->flags & CUSTOM_SET) != 0)
        return json_incref(item);
    key = json_object();
    for (size_t i = 0; keys != NULL && i < keys->n; i++)
        if (json_object_get(item, keys->texts[i]) != NULL)
            json_object_set(key, keys->texts[i], json_object_get(item, keys->texts[i]));
    return key;
}

/* A new map: printed key -> the item's place; duplicates are told when @c. */
static json_t *custom_list_index(struct custom_checking *c, const struct custom_node *n,
                                 const json_t *list)
{
    const struct custom_rule *keys = custom_node_rule(n, CUSTOM_RULE_LIST_KEYS);
    json_t *index = json_object(), *item;
    size_t i;

    json_array_foreach (list, i, item) {
        cleanup(json_decrefpp) json_t *key = custom_list_key(n, keys, item);
        cleanup(freep) char *printed = json_print_sorted(key, NULL);
        cleanup(freep) char *at = NULL;

        if (json_object_get(index, printed) == NULL) {
            json_object_set(index, printed, item);
        } else if (c != NULL) {
            at = mem_fmt("%s[%zu]", custom_path(c), i);
            field_duplicate(c->e, at, key);
        }
    }
    return index;
}

/* --- walking --- */

static void custom_check_list(struct custom_checking *c, const struct custom_node *n)
{
    bool keyed = (n->flags & (CUSTOM_SET | CUSTOM_MAP)) != 0;
    cleanup(json_decrefpp)
        json_t *mine = keyed && c->cel == NULL ? custom_list_index(c, n, c->value) : NULL;
    cleanup(json_decrefpp)
        json_t *before = keyed && c->old != NULL ? custom_list_index(NULL, n, c->old) : NULL;
    const struct custom_rule *keys = custom_node_rule(n, CUSTOM_RULE_LIST_KEYS);
    json_t *item;
    size_t i;

    if (n->items == NULL)
        return;
    json_array_foreach (c->value, i, item) {
        struct custom_place up = { 0 };
        const json_t *old = NULL;

        if (before != NULL) {
            cleanup(json_decrefpp) json_t *key = custom_list_key(n, keys, item);
            cleanup(freep) char *printed = json_print_sorted(key, NULL);

            old = json_object_get(before, printed);
        }
        up = custom_go(c, item, old);
        text_fmt(&c->path, "[%zu]", i);
        custom_check_node(c, n->items);
        custom_back(c, up);
    }
}

/* An embedded resource says what it is. */
static void custom_check_embedded(struct custom_checking *c)
{
    static const char *const members[] = { "apiVersion", "kind" };

    for (size_t i = 0; i < N_ELEMENTS(members); i++) {
        struct custom_place up = custom_go(c, c->value, NULL);

        custom_path_member(c, members[i]);
        if (str_empty(json_string_value(json_object_get(c->value, members[i]))))
            field_required(c->e, custom_path(c), "must not be empty");
        custom_back(c, up);
    }
}

static void custom_check_object(struct custom_checking *c, const struct custom_node *n)
{
    const char *key;
    json_t *value;

    if ((n->flags & CUSTOM_EMBEDDED) != 0 && c->cel == NULL)
        custom_check_embedded(c);
    json_object_foreach ((json_t *)(uintptr_t)c->value, key, value) {
        const struct custom_node *child = custom_node_child(n, key);
        struct custom_place up;

        if (child == NULL)
            child = n->items;
        if (child == NULL)
            continue;
        up = custom_go(c, value, json_object_get(c->old, key));
        custom_path_member(c, key);
        custom_check_node(c, child);
        custom_back(c, up);
    }
}

static void custom_check_node(struct custom_checking *c, const struct custom_node *n)
{
    if (json_is_null(c->value) && (n->flags & CUSTOM_NULLABLE) != 0)
        return;
    if (c->old != NULL && json_equal(c->value, c->old))
        return;
    if (c->cel != NULL && (n->flags & CUSTOM_CEL) == 0)
        return;
    if (!custom_check_type(c, n))
        return;
    for (const struct custom_rule *r = n->rules; r != NULL && r->kind != CUSTOM_RULE_END; r++)
        if (custom_rules[r->kind] != NULL && (r->kind == CUSTOM_RULE_CEL) == (c->cel != NULL))
            custom_rules[r->kind](c, n, r);
    if (json_is_object(c->value))
        custom_check_object(c, n);
    if (json_is_array(c->value))
        custom_check_list(c, n);
}

/* What keeps expressions from being looked at: they could not be read in the types they were written
 * for, or would have too much to look at (hasBlockingErr of apiextensions-apiserver). */
static bool custom_blocks(const struct field_errors *e, size_t from)
{
    static const char *const reasons[] = { "FieldValueTypeInvalid", "FieldValueRequired",
                                           "FieldValueNotSupported", "FieldValueTooLong",
                                           "FieldValueTooMany" };

    for (size_t i = from; i < json_array_size(e->causes); i++)
        for (size_t k = 0; k < N_ELEMENTS(reasons); k++)
            if (str_eq(json_str(json_array_get(e->causes, i), "reason"), reasons[k]))
                return true;
    return false;
}

void custom_check(struct field_errors *ret, const struct custom_node *root, const json_t *tree,
                  const json_t *old)
{
    struct custom_checking c = { .e = ret, .path = TEXT_EMPTY, .value = tree, .old = old };
    cleanup(json_decrefpp) json_t *none = json_null();
    size_t before = json_array_size(ret->causes);

    custom_check_node(&c, root);
    if ((root->flags & CUSTOM_CEL) != 0 && custom_blocks(ret, before)) {
        field_invalid(ret, "<nil>", none,
                      "some validation rules were not checked because the object was invalid; "
                      "correct the existing errors to complete validation");
    } else if ((root->flags & CUSTOM_CEL) != 0) {
        c.cel = cel_context_new(CUSTOM_CEL_BUDGET);
        custom_check_node(&c, root);
        cel_context_free(c.cel);
    }
    text_fini(&c.path);
}
