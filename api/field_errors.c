#include "api/field_errors.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A broken manifest may be wrong a thousand times over; nobody reads more than this. */
#define FIELD_ERRORS_MAX 100

enum field_errors_kind {
    FIELD_ERRORS_REQUIRED,
    FIELD_ERRORS_INVALID,
    FIELD_ERRORS_TYPE,
    FIELD_ERRORS_NOT_SUPPORTED,
    FIELD_ERRORS_FORBIDDEN,
    FIELD_ERRORS_DUPLICATE,
    FIELD_ERRORS_NOT_FOUND,
    FIELD_ERRORS_TOO_LONG,
    FIELD_ERRORS_TOO_MANY,
};

static const struct {
    const char *reason, *text;
} field_errors_kinds[] = {
    [FIELD_ERRORS_REQUIRED] = { "FieldValueRequired", "Required value" },
    [FIELD_ERRORS_INVALID] = { "FieldValueInvalid", "Invalid value" },
    [FIELD_ERRORS_TYPE] = { "FieldValueTypeInvalid", "Invalid value" },
    [FIELD_ERRORS_NOT_SUPPORTED] = { "FieldValueNotSupported", "Unsupported value" },
    [FIELD_ERRORS_FORBIDDEN] = { "FieldValueForbidden", "Forbidden" },
    [FIELD_ERRORS_DUPLICATE] = { "FieldValueDuplicate", "Duplicate value" },
    [FIELD_ERRORS_NOT_FOUND] = { "FieldValueNotFound", "Not found" },
    [FIELD_ERRORS_TOO_LONG] = { "FieldValueTooLong", "Too long" },
    [FIELD_ERRORS_TOO_MANY] = { "FieldValueTooMany", "Too many" },
};

void field_errors_fini(struct field_errors *e)
{
    json_decref(e->causes);
    e->causes = NULL;
    text_fini(&e->text);
    e->n = 0;
}

/* Go's %q, as far as names and values of manifests need it. */
static void field_errors_quote(struct text *ret, const char *s)
{
    text_putc(ret, '"');
    for (; *s != '\0'; s++) {
        switch (*s) {
        case '"':
        case '\\':
            text_putc(ret, '\\');
            text_putc(ret, *s);
            break;
        case '\n': text_puts(ret, "\\n"); break;
        case '\t': text_puts(ret, "\\t"); break;
        case '\r': text_puts(ret, "\\r"); break;
        default:
            if ((unsigned char)*s < 0x20 || *s == 0x7f)
                text_fmt(ret, "\\x%02x", (unsigned)(unsigned char)*s);
            else
                text_putc(ret, *s);
        }
    }
    text_putc(ret, '"');
}

static int field_errors_by_key(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* Keys of an object in bytewise order, NULL-terminated; the array is the caller's. */
static const char **field_errors_keys(const json_t *object)
{
    json_t *o = (json_t *)(uintptr_t)object;
    const char **keys = (const char **)mem_array(json_object_size(o) + 1, sizeof(*keys));
    const char *key;
    json_t *value;
    size_t n = 0;

    json_object_foreach (o, key, value) {
        (void)value;
        keys[n++] = key;
    }
    qsort(keys, n, sizeof(*keys), field_errors_by_key);
    return keys;
}

static bool field_errors_is_text_map(const json_t *value)
{
    json_t *o = (json_t *)(uintptr_t)value, *v;
    const char *key;

    if (json_object_size(value) == 0)
        return false;
    json_object_foreach (o, key, v) {
        if (!json_is_string(v))
            return false;
    }
    return true;
}

void field_errors_go_map(struct text *ret, const json_t *map)
{
    cleanup(freep) const char **keys = NULL;

    text_puts(ret, "map[string]string");
    if (!json_is_object(map)) {
        text_puts(ret, "(nil)");
        return;
    }
    keys = field_errors_keys(map);
    text_putc(ret, '{');
    for (size_t i = 0; keys[i] != NULL; i++) {
        const char *value = json_string_value(json_object_get(map, keys[i]));

        text_puts(ret, i > 0 ? ", " : "");
        field_errors_quote(ret, keys[i]);
        text_putc(ret, ':');
        field_errors_quote(ret, value != NULL ? value : "");
    }
    text_putc(ret, '}');
}

static void field_errors_go_expression(struct text *ret, const json_t *e)
{
    const json_t *values = json_object_get(e, "values"), *v;
    size_t i;

    text_puts(ret, "v1.LabelSelectorRequirement{Key:");
    field_errors_quote(ret, json_str_or(e, "key", ""));
    text_puts(ret, ", Operator:");
    field_errors_quote(ret, json_str_or(e, "operator", ""));
    text_puts(ret, ", Values:[]string");
    if (json_is_array(values)) {
        text_putc(ret, '{');
        json_array_foreach (values, i, v) {
            text_puts(ret, i > 0 ? ", " : "");
            field_errors_quote(ret, json_is_string(v) ? json_string_value(v) : "");
        }
        text_putc(ret, '}');
    } else {
        text_puts(ret, "(nil)");
    }
    text_putc(ret, '}');
}

void field_errors_go_selector(struct text *ret, const json_t *selector)
{
    const json_t *expressions = json_object_get(selector, "matchExpressions"), *e;
    size_t i;

    if (!json_is_object(selector)) {
        text_puts(ret, "\"null\"");
        return;
    }
    text_puts(ret, "v1.LabelSelector{MatchLabels:");
    field_errors_go_map(ret, json_object_get(selector, "matchLabels"));
    text_puts(ret, ", MatchExpressions:[]v1.LabelSelectorRequirement");
    if (json_is_array(expressions)) {
        text_putc(ret, '{');
        json_array_foreach (expressions, i, e) {
            text_puts(ret, i > 0 ? ", " : "");
            field_errors_go_expression(ret, e);
        }
        text_putc(ret, '}');
    } else {
        text_puts(ret, "(nil)");
    }
    text_putc(ret, '}');
}

static bool field_errors_is_text_list(const json_t *value)
{
    const json_t *v;
    size_t i;

    json_array_foreach (value, i, v) {
        if (!json_is_string(v))
            return false;
    }
    return json_array_size(value) > 0;
}

static void field_errors_go_list(struct text *ret, const json_t *list)
{
    const json_t *v;
    size_t i;

    text_puts(ret, "[]string{");
    json_array_foreach (list, i, v) {
        text_puts(ret, i > 0 ? ", " : "");
        field_errors_quote(ret, json_string_value(v));
    }
    text_putc(ret, '}');
}

static void field_errors_print_value(struct text *ret, const json_t *value)
{
    if (value == NULL || json_is_null(value))
        text_puts(ret, "\"null\""); /* what Go's printer makes of a nil pointer */
    else if (json_is_string(value))
        field_errors_quote(ret, json_string_value(value));
    else if (field_errors_is_text_map(value))
        field_errors_go_map(ret, value);
    else if (field_errors_is_text_list(value))
        field_errors_go_list(ret, value);
    else
        json_print_to(ret, value);
}

/* The same complaint from the tables and from a kind's rule counts once. */
static bool field_errors_has(const struct field_errors *e, const char *path, const char *message)
{
    const json_t *cause;
    size_t i;

    json_array_foreach (e->causes, i, cause) {
        if (str_eq(json_str(cause, "field"), path) && str_eq(json_str(cause, "message"), message))
            return true;
    }
    return false;
}

/* @printed is NULL for kinds without a value; @detail may be "" or NULL. */
static void field_errors_add(struct field_errors *e, enum field_errors_kind kind, const char *path,
                             const char *printed, const char *detail)
{
    cleanup(text_fini) struct text body = TEXT_EMPTY;
    json_t *cause;

    assert(path != NULL);
    if (e->n >= FIELD_ERRORS_MAX)
        return;
    text_puts(&body, field_errors_kinds[kind].text);
    if (printed != NULL)
        text_fmt(&body, ": %s", printed);
    if (!str_empty(detail))
        text_fmt(&body, ": %s", detail);
    if (field_errors_has(e, path, text_str(&body)))
        return;
    if (e->causes == NULL)
        e->causes = json_array();
    cause = json_object();
    json_object_set_new(cause, "reason", json_string(field_errors_kinds[kind].reason));
    json_object_set_new(cause, "message", json_string(text_str(&body)));
    json_object_set_new(cause, "field", json_string(path));
    json_array_append_new(e->causes, cause);
    if (e->n++ > 0)
        text_puts(&e->text, ", ");
    text_fmt(&e->text, "%s: %s", path, text_str(&body));
}

static void field_errors_add_value(struct field_errors *e, enum field_errors_kind kind,
                                   const char *path, const json_t *value, const char *detail)
{
    cleanup(text_fini) struct text printed = TEXT_EMPTY;

    field_errors_print_value(&printed, value);
    field_errors_add(e, kind, path, text_str(&printed), detail);
}

void field_required(struct field_errors *e, const char *path, const char *detail)
{
    field_errors_add(e, FIELD_ERRORS_REQUIRED, path, NULL, detail);
}

void field_invalid(struct field_errors *e, const char *path, const json_t *value, const char *fmt,
                   ...)
{
    cleanup(text_fini) struct text detail = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&detail, fmt, ap);
    va_end(ap);
    field_errors_add_value(e, FIELD_ERRORS_INVALID, path, value, text_str(&detail));
}

void field_invalid_str(struct field_errors *e, const char *path, const char *value, const char *fmt,
                       ...)
{
    cleanup(text_fini) struct text detail = TEXT_EMPTY;
    cleanup(text_fini) struct text printed = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&detail, fmt, ap);
    va_end(ap);
    field_errors_quote(&printed, value);
    field_errors_add(e, FIELD_ERRORS_INVALID, path, text_str(&printed), text_str(&detail));
}

void field_type_invalid(struct field_errors *e, const char *path, const char *have,
                        const char *want)
{
    cleanup(text_fini) struct text detail = TEXT_EMPTY;
    cleanup(text_fini) struct text printed = TEXT_EMPTY;

    text_fmt(&detail, "%s in body must be of type %s: \"%s\"", path, want, have);
    field_errors_quote(&printed, have);
    field_errors_add(e, FIELD_ERRORS_TYPE, path, text_str(&printed), text_str(&detail));
}

void field_invalid_printed(struct field_errors *e, const char *path, const char *printed,
                           const char *detail)
{
    field_errors_add(e, FIELD_ERRORS_INVALID, path, printed, detail);
}

void field_duplicate_printed(struct field_errors *e, const char *path, const char *printed)
{
    field_errors_add(e, FIELD_ERRORS_DUPLICATE, path, printed, NULL);
}

void field_not_supported(struct field_errors *e, const char *path, const json_t *value,
                         const char *const *allowed)
{
    cleanup(text_fini) struct text detail = TEXT_EMPTY;

    for (size_t i = 0; allowed[i] != NULL; i++) {
        text_puts(&detail, i == 0 ? "supported values: " : ", ");
        field_errors_quote(&detail, allowed[i]);
    }
    field_errors_add_value(e, FIELD_ERRORS_NOT_SUPPORTED, path, value, text_str(&detail));
}

void field_forbidden(struct field_errors *e, const char *path, const char *detail)
{
    field_errors_add(e, FIELD_ERRORS_FORBIDDEN, path, NULL, detail);
}

void field_duplicate(struct field_errors *e, const char *path, const json_t *value)
{
    field_errors_add_value(e, FIELD_ERRORS_DUPLICATE, path, value, NULL);
}

void field_not_found(struct field_errors *e, const char *path, const json_t *value)
{
    field_errors_add_value(e, FIELD_ERRORS_NOT_FOUND, path, value, NULL);
}

void field_too_long(struct field_errors *e, const char *path, int max)
{
    cleanup(text_fini) struct text detail = TEXT_EMPTY;

    text_fmt(&detail, "may not be more than %d bytes", max);
    field_errors_add(e, FIELD_ERRORS_TOO_LONG, path, NULL, text_str(&detail));
}

void field_too_many(struct field_errors *e, const char *path, int actual, int max)
{
    cleanup(text_fini) struct text detail = TEXT_EMPTY;
    cleanup(text_fini) struct text printed = TEXT_EMPTY;

    text_fmt(&detail, "must have at most %d items", max);
    text_fmt(&printed, "%d", actual);
    field_errors_add(e, FIELD_ERRORS_TOO_MANY, path, text_str(&printed), text_str(&detail));
}

void field_errors_text(const struct field_errors *e, struct text *ret)
{
    if (e->n > 1)
        text_putc(ret, '[');
    text_puts(ret, text_str(&e->text));
    if (e->n > 1)
        text_putc(ret, ']');
}
