#include "api/validate_impl.h"

#include "api/quantity.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NOT_NEGATIVE    "must be greater than or equal to 0"
#define ANNOTATIONS_MAX (256 << 10)

struct validate_path validate_path(const char *fmt, ...)
{
    struct validate_path path;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path.s, sizeof(path.s), fmt, ap);
    va_end(ap);
    /* A path at the root begins with the member itself. */
    if (path.s[0] == '.')
        memmove(path.s, path.s + 1, strlen(path.s));
    return path;
}

static bool validate_is_empty(const json_t *v)
{
    if (v == NULL || json_is_null(v) || json_is_false(v))
        return true;
    if (json_is_string(v))
        return json_string_length(v) == 0;
    if (json_is_integer(v))
        return json_integer_value(v) == 0;
    if (json_is_object(v))
        return json_object_size(v) == 0;
    return json_is_array(v) && json_array_size(v) == 0;
}

/* --- one member ------------------------------------------------------------- */

void validate_value(struct field_errors *e, const json_t *value, const char *path,
                    validate_text_fn fn)
{
    const char *s = json_string_value(value);
    const char *problem = str_empty(s) ? NULL : fn(s);

    if (problem != NULL)
        field_invalid(e, path, value, "%s", problem);
}

void validate_text(struct field_errors *e, const json_t *object, const char *key, const char *path,
                   validate_text_fn fn)
{
    validate_value(e, json_object_get(object, key), AT("%s.%s", path, key), fn);
}

void validate_non_negative(struct field_errors *e, const json_t *object, const char *key,
                           const char *path)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_integer(v) && json_integer_value(v) < 0)
        field_invalid(e, AT("%s.%s", path, key), v, NOT_NEGATIVE);
}

void validate_positive(struct field_errors *e, const json_t *object, const char *key,
                       const char *path)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_integer(v) && json_integer_value(v) <= 0)
        field_invalid(e, AT("%s.%s", path, key), v, "must be greater than 0");
}

void validate_between(struct field_errors *e, const json_t *object, const char *key,
                      const char *path, int64_t low, int64_t high)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_integer(v) && (json_integer_value(v) < low || json_integer_value(v) > high))
        field_invalid(e, AT("%s.%s", path, key), v, "must be between %lld and %lld, inclusive",
                      (long long)low, (long long)high);
}

void validate_required(struct field_errors *e, const json_t *object, const char *key,
                       const char *path, const char *detail)
{
    if (validate_is_empty(json_object_get(object, key)))
        field_required(e, AT("%s.%s", path, key), detail);
}

void validate_one_of(struct field_errors *e, const json_t *object, const char *key,
                     const char *path, const char *const *allowed)
{
    const json_t *v = json_object_get(object, key);

    if (validate_is_empty(v))
        return;
    for (size_t i = 0; allowed[i] != NULL; i++) {
        if (str_eq(json_string_value(v), allowed[i]))
            return;
    }
    field_not_supported(e, AT("%s.%s", path, key), v, allowed);
}

void validate_port(struct field_errors *e, const json_t *port, const char *path)
{
    if (json_is_string(port)) {
        const char *problem = validate_port_name(json_string_value(port));

        if (problem != NULL)
            field_invalid(e, path, port, "%s", problem);
    } else if (json_integer_value(port) < 1 || json_integer_value(port) > 65535) {
        cleanup(json_decrefpp) json_t *zero = json_integer(json_integer_value(port));

        field_invalid(e, path, zero, "must be between 1 and 65535, inclusive");
    }
}

void validate_count_or_percent(struct field_errors *e, const json_t *value, const char *path)
{
    const char *s = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) < 0) {
        field_invalid(e, path, value, NOT_NEGATIVE);
    } else if (s != NULL) {
        size_t digits = strspn(s, "0123456789");

        if (digits == 0 || !str_eq(s + digits, "%"))
            field_invalid(e, path, value,
                          "a valid percent string must be a numeric string followed by an ending "
                          "'%%' (e.g. '1%%',  or '93%%', regex used for validation is "
                          "'[0-9]+%%')");
    }
}

void validate_quantity_not_negative(struct field_errors *e, const json_t *quantity,
                                    const char *path)
{
    struct quantity q;

    if (quantity_parse(json_string_value(quantity), &q) && q.nano < 0)
        field_invalid(e, path, quantity, NOT_NEGATIVE);
}

bool validate_same(const json_t *a, const json_t *b)
{
    if (validate_is_empty(a) || validate_is_empty(b))
        return validate_is_empty(a) && validate_is_empty(b);
    return json_equal(a, b);
}

void validate_immutable(struct field_errors *e, const json_t *now, const json_t *old,
                        const char *path)
{
    if (!validate_same(now, old))
        field_invalid(e, path, now, "field is immutable");
}

void validate_immutable_selector(struct field_errors *e, const json_t *now, const json_t *old,
                                 const char *path)
{
    cleanup(text_fini) struct text printed = TEXT_EMPTY;

    if (validate_same(now, old))
        return;
    field_errors_go_selector(&printed, now);
    field_invalid_printed(e, path, text_str(&printed), "field is immutable");
}

/* --- labels, annotations, selectors ----------------------------------------------- */

void validate_labels(struct field_errors *e, const json_t *map, const char *path)
{
    const char *key, *problem;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
        problem = validate_label_key(key);
        if (problem != NULL)
            field_invalid_str(e, path, key, "%s", problem);
        problem = validate_label_value(json_is_string(value) ? json_string_value(value) : "");
        if (problem != NULL)
            field_invalid(e, path, value, "%s", problem);
    }
}

void validate_annotations(struct field_errors *e, const json_t *map, const char *path)
{
    const char *key;
    json_t *value;
    size_t total = 0;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
        cleanup(freep) char *lower = mem_str(key);
        const char *problem;

        for (char *p = lower; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        problem = validate_label_key(lower);
        if (problem != NULL)
            field_invalid_str(e, path, key, "%s", problem);
        total += strlen(key) + json_string_length(value);
    }
    if (total > ANNOTATIONS_MAX)
        field_too_long(e, path, ANNOTATIONS_MAX);
}

static void validate_expression(struct field_errors *e, const json_t *x, const char *path)
{
    const char *op = json_str_or(x, "operator", "");
    size_t n = json_array_size(json_object_get(x, "values"));

    if (str_eq(op, "In") || str_eq(op, "NotIn")) {
        if (n == 0)
            field_required(e, AT("%s.values", path),
                           "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_eq(op, "Exists") || str_eq(op, "DoesNotExist")) {
        if (n > 0)
            field_forbidden(e, AT("%s.values", path),
                            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        field_invalid_str(e, AT("%s.operator", path), op, "not a valid selector operator");
    }
    validate_text(e, x, "key", path, validate_label_key);
}

void validate_label_selector(struct field_errors *e, const json_t *selector, const char *path)
{
    const json_t *x;
    size_t i;

    validate_labels(e, json_object_get(selector, "matchLabels"), AT("%s.matchLabels", path));
    json_array_foreach (json_object_get(selector, "matchExpressions"), i, x) {
        const json_t *value;
        size_t k;

        validate_expression(e, x, AT("%s.matchExpressions[%zu]", path, i));
        json_array_foreach (json_object_get(x, "values"), k, value)
            validate_value(e, value, AT("%s.matchExpressions[%zu].values[%zu]", path, i, k),
                           validate_label_value);
    }
}

/* --- node selectors: more operators, and fields -------------------------------------- */

static void validate_node_expression(struct field_errors *e, const json_t *x, const char *path)
{
    const char *op = json_str_or(x, "operator", "");
    size_t n = json_array_size(json_object_get(x, "values"));

    if (str_eq(op, "Gt") || str_eq(op, "Lt")) {
        if (n != 1)
            field_required(e, AT("%s.values", path),
                           "must be specified single value when `operator` is 'Lt' or 'Gt'");
        validate_text(e, x, "key", path, validate_label_key);
        return;
    }
    validate_expression(e, x, path);
}

static void validate_node_field(struct field_errors *e, const json_t *x, const char *path)
{
    const char *op = json_str_or(x, "operator", "");

    if ((str_eq(op, "In") || str_eq(op, "NotIn")) &&
        json_array_size(json_object_get(x, "values")) != 1)
        field_required(e, AT("%s.values", path),
                       "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                       "selector");
    else if (!str_eq(op, "In") && !str_eq(op, "NotIn"))
        field_invalid_str(e, AT("%s.operator", path), op, "not a valid selector operator");
    if (!str_eq(json_str(x, "key"), "metadata.name"))
        field_invalid(e, AT("%s.key", path), json_object_get(x, "key"),
                      "not a valid field selector key");
}

static void validate_node_term(struct field_errors *e, const json_t *term, const char *path)
{
    const json_t *x;
    size_t i;

    json_array_foreach (json_object_get(term, "matchExpressions"), i, x)
        validate_node_expression(e, x, AT("%s.matchExpressions[%zu]", path, i));
    json_array_foreach (json_object_get(term, "matchFields"), i, x)
        validate_node_field(e, x, AT("%s.matchFields[%zu]", path, i));
}

void validate_node_selector(struct field_errors *e, const json_t *selector, const char *path)
{
    const json_t *terms = json_object_get(selector, "nodeSelectorTerms"), *term;
    size_t i;

    if (selector == NULL)
        return;
    if (json_array_size(terms) == 0)
        field_required(e, AT("%s.nodeSelectorTerms", path),
                       "must have at least one node selector term");
    json_array_foreach (terms, i, term)
        validate_node_term(e, term, AT("%s.nodeSelectorTerms[%zu]", path, i));
}
