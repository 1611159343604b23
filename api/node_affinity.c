#include "api/node_affinity.h"

#include "api/selector.h"
#include "base/mem.h"

struct node_affinity_term {
    struct selector *labels; /* owned; NULL = nothing is asked of labels */
    struct selector *fields; /* owned; the same for fields */
    bool nothing;
    bool named; /* some field says metadata.name In */
};

struct node_affinity {
    size_t n;
    struct node_affinity_term terms[];
};

/* Expressions over labels and over fields have one form. */
static struct selector *node_affinity_compile(const json_t *expressions, bool *ret_bad)
{
    cleanup(json_decrefpp) json_t *wrapped = json_object();
    struct selector *s = NULL;
    struct err err = ERR_EMPTY;

    if (json_array_size(expressions) == 0)
        return NULL;
    json_object_set(wrapped, "matchExpressions", (json_t *)(uintptr_t)expressions);
    if (selector_from_json(&s, wrapped, &err) < 0)
        *ret_bad = true;
    return s;
}

static bool node_affinity_is_named(const json_t *fields)
{
    const json_t *field;
    size_t i;

    json_array_foreach (fields, i, field)
        if (str_eq(json_str_or(field, "key", ""), "metadata.name") &&
            str_eq(json_str_or(field, "operator", ""), "In"))
            return true;
    return false;
}

struct node_affinity *node_affinity_new(const json_t *terms)
{
    size_t n = json_array_size(terms);
    struct node_affinity *a = mem_zero(sizeof(*a) + n * sizeof(a->terms[0]));

    a->n = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *term = json_array_get(terms, i);
        struct node_affinity_term *t = &a->terms[i];

        t->labels = node_affinity_compile(json_object_get(term, "matchExpressions"), &t->nothing);
        t->fields = node_affinity_compile(json_object_get(term, "matchFields"), &t->nothing);
        t->named = node_affinity_is_named(json_object_get(term, "matchFields"));
        if (!t->labels && !t->fields)
            t->nothing = true;
    }
    return a;
}

struct node_affinity *node_affinity_free(struct node_affinity *a)
{
    if (!a)
        return NULL;
    for (size_t i = 0; i < a->n; i++) {
        selector_free(a->terms[i].labels);
        selector_free(a->terms[i].fields);
    }
    free(a);
    return NULL;
}

static bool node_affinity_fields_match(const struct node_affinity_term *t,
                                       const struct object *node)
{
    cleanup(json_decrefpp) json_t *fields = NULL;

    if (!t->fields)
        return true;
    fields = json_object();
    json_object_set_new(fields, "metadata.name", json_string(node->name));
    return selector_matches_labels(t->fields, fields);
}

static bool node_affinity_term_matches(const struct node_affinity_term *t,
                                       const struct object *node)
{
    if (t->nothing || (t->labels && !selector_matches(t->labels, node)))
        return false;
    return node_affinity_fields_match(t, node);
}

bool node_affinity_matches(const struct node_affinity *a, const struct object *node)
{
    if (!a)
        return true;
    for (size_t i = 0; i < a->n; i++)
        if (node_affinity_term_matches(&a->terms[i], node))
            return true;
    return false;
}

bool node_affinity_names_others(const struct node_affinity *a, const struct object *node)
{
    if (!a || a->n == 0)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!a->terms[i].named || node_affinity_fields_match(&a->terms[i], node))
            return false;
    return true;
}
