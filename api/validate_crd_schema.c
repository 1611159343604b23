/* Structural schemas (apiextensions-apiserver/pkg/apiserver/schema/validation.go): what an
 * openAPIV3Schema must say, and may not, so that objects can be pruned and filled by it. */
#include "api/validate_impl.h"

#include "api/custom_tree.h"
#include "base/mem.h"
#include "base/pattern.h"

#include <string.h>

enum structural_level { STRUCTURAL_ROOT, STRUCTURAL_ITEM, STRUCTURAL_FIELD };

/* Texts of unbounded length: schemas nest deeper than a validate_path holds. */
struct structural {
    struct field_errors *e;
    struct text path; /* owned */
    unsigned depth;
};

static void structural_node(struct structural *s, const json_t *schema,
                            enum structural_level level);

static size_t structural_enter(struct structural *s, const char *member, const char *key, size_t i)
{
    size_t len = s->path.len;

    text_fmt(&s->path, ".%s", member);
    if (key != NULL)
        text_fmt(&s->path, "[%.256s]", key);
    else if (i != SIZE_MAX)
        text_fmt(&s->path, "[%zu]", i);
    return len;
}

static void structural_leave(struct structural *s, size_t len)
{
    s->path.len = len;
    s->path.data[len] = '\0';
}

static const char *structural_text(const json_t *schema, const char *key)
{
    const char *text = json_string_value(json_object_get(schema, key));

    return text != NULL ? text : "";
}

static bool structural_is(const json_t *schema, const char *key)
{
    return json_is_true(json_object_get(schema, key));
}

static void structural_required(struct structural *s, const char *member, const char *detail)
{
    size_t len = structural_enter(s, member, NULL, SIZE_MAX);

    field_required(s->e, text_str(&s->path), detail);
    structural_leave(s, len);
}

static void structural_invalid(struct structural *s, const char *member, const json_t *value,
                               const char *detail)
{
    size_t len = structural_enter(s, member, NULL, SIZE_MAX);

    field_invalid(s->e, text_str(&s->path), value, "%s", detail);
    structural_leave(s, len);
}

static void structural_forbidden(struct structural *s, const char *member, const char *detail)
{
    size_t len = structural_enter(s, member, NULL, SIZE_MAX);

    field_forbidden(s->e, text_str(&s->path), detail);
    structural_leave(s, len);
}

/* --- types --- */

static void structural_type(struct structural *s, const json_t *schema, enum structural_level level)
{
    static const char *const known[] = { "array",  "boolean", "integer", "number",
                                         "object", "string",  NULL };
    static const char *const missing[] = {
        [STRUCTURAL_ROOT] = "must not be empty at the root",
        [STRUCTURAL_ITEM] = "must not be empty for specified array items",
        [STRUCTURAL_FIELD] = "must not be empty for specified object fields",
    };
    const json_t *value = json_object_get(schema, "type");
    const char *type = structural_text(schema, "type");
    bool int_or_string = structural_is(schema, "x-kubernetes-int-or-string");
    bool open = structural_is(schema, "x-kubernetes-preserve-unknown-fields");
    bool found = *type == '\0';
    size_t len;

    for (size_t i = 0; known[i] != NULL; i++)
        found = found || str_eq(type, known[i]);
    if (!found) {
        len = structural_enter(s, "type", NULL, SIZE_MAX);
        field_not_supported(s->e, text_str(&s->path), value, known);
        structural_leave(s, len);
    } else if (level == STRUCTURAL_ROOT && *type != '\0' && !str_eq(type, "object")) {
        structural_invalid(s, "type", value, "must be object at the root");
    } else if (*type == '\0' && (level == STRUCTURAL_ROOT || (!int_or_string && !open))) {
        structural_required(s, "type", missing[level]);
    }
    if (int_or_string && *type != '\0')
        structural_invalid(s, "type", value, "must be empty if x-kubernetes-int-or-string is true");
    if (structural_is(schema, "x-kubernetes-embedded-resource") && !str_eq(type, "object"))
        structural_invalid(s, "type", value != NULL ? value : schema,
                           "must be object if x-kubernetes-embedded-resource is true");
    if (str_eq(type, "array") && json_object_get(schema, "items") == NULL)
        structural_required(s, "items", "must be specified");
}

/* --- what may not stand there --- */

static void structural_exclusions(struct structural *s, const json_t *schema)
{
    static const char *const banned[] = { "$ref", "definitions",       "dependencies",
                                          "id",   "patternProperties", "additionalItems" };
    const json_t *additional = json_object_get(schema, "additionalProperties");

    for (size_t i = 0; i < N_ELEMENTS(banned); i++)
        if (json_object_get(schema, banned[i]) != NULL)
            structural_forbidden(s, banned[i],
                                 str_eq(banned[i], "$ref") ? "$ref is not supported"
                                                           : "not supported");
    if (structural_is(schema, "uniqueItems"))
        structural_forbidden(s, "uniqueItems",
                             "uniqueItems cannot be set to true since the "
                             "runtime complexity becomes quadratic");
    if (json_is_false(additional))
        structural_forbidden(s, "additionalProperties",
                             "additionalProperties cannot be set to false");
    else if (additional != NULL && json_object_size(json_object_get(schema, "properties")) > 0)
        structural_forbidden(s, "additionalProperties",
                             "additionalProperties and properties are mutual exclusive");
    if (json_is_array(json_object_get(schema, "items")))
        structural_forbidden(s, "items", "items must be a schema object and not an array");
    if (json_is_false(json_object_get(schema, "x-kubernetes-preserve-unknown-fields")))
        structural_invalid(s, "x-kubernetes-preserve-unknown-fields",
                           json_object_get(schema, "x-kubernetes-preserve-unknown-fields"),
                           "must be true or undefined");
}

static void structural_pattern(struct structural *s, const json_t *schema)
{
    const json_t *text = json_object_get(schema, "pattern");
    struct pattern *p = NULL;
    struct err err = ERR_EMPTY;
    size_t len;

    /* Classes of Unicode are Go's, and not ours: accepted with a warning (api/crd.c). */
    if (text == NULL || pattern_new(&p, json_string_value(text), &err) == 0 ||
        strstr(json_string_value(text), "\\p") != NULL ||
        strstr(json_string_value(text), "\\P") != NULL) {
        pattern_free(p);
        return;
    }
    len = structural_enter(s, "pattern", NULL, SIZE_MAX);
    field_invalid(s->e, text_str(&s->path), text,
                  "must be a valid regular expression, but isn't: %s", err.text);
    structural_leave(s, len);
}

/* --- lists --- */

static void structural_list_keys(struct structural *s, const json_t *schema)
{
    const json_t *items = json_object_get(schema, "items"), *key;
    const json_t *keys = json_object_get(schema, "x-kubernetes-list-map-keys");
    size_t i, len;

    if (json_array_size(keys) == 0)
        structural_required(s, "x-kubernetes-list-map-keys",
                            "must not be empty if x-kubernetes-list-type is map");
    json_array_foreach (keys, i, key) {
        const char *name = json_string_value(key);
        const json_t *property = json_object_get(json_object_get(items, "properties"), name);

        if (property == NULL) {
            len = structural_enter(s, "x-kubernetes-list-map-keys", NULL, i);
            field_invalid(s->e, text_str(&s->path), key,
                          "must be the name of an existing property");
            structural_leave(s, len);
        } else if (json_object_get(property, "default") == NULL &&
                   !json_has_str(json_object_get(items, "required"), name)) {
            len = structural_enter(s, "items.properties", name, SIZE_MAX);
            structural_required(s, "default",
                                "this property is in x-kubernetes-list-map-keys, so it must have "
                                "a default or be a required property");
            structural_leave(s, len);
        }
    }
}

static void structural_lists(struct structural *s, const json_t *schema)
{
    static const char *const known[] = { "atomic", "map", "set", NULL };
    const json_t *value = json_object_get(schema, "x-kubernetes-list-type");
    const char *type = structural_text(schema, "x-kubernetes-list-type");
    bool found = false;
    size_t len;

    if (value != NULL && !str_eq(structural_text(schema, "type"), "array"))
        structural_invalid(s, "type",
                           json_object_get(schema, "type") != NULL ? json_object_get(schema, "type")
                                                                   : value,
                           "must be array if x-kubernetes-list-type is specified");
    for (size_t i = 0; value != NULL && known[i] != NULL; i++)
        found = found || str_eq(type, known[i]);
    if (value != NULL && !found) {
        len = structural_enter(s, "x-kubernetes-list-type", NULL, SIZE_MAX);
        field_not_supported(s->e, text_str(&s->path), value, known);
        structural_leave(s, len);
    }
    if (str_eq(type, "map"))
        structural_list_keys(s, schema);
    else if (json_object_get(schema, "x-kubernetes-list-map-keys") != NULL)
        structural_invalid(s, "x-kubernetes-list-type", value != NULL ? value : schema,
                           "must be map if x-kubernetes-list-map-keys is non-empty");
}

/* --- defaults: they must be what they will be checked as --- */

static void structural_default(struct structural *s, const json_t *schema)
{
    cleanup(json_decrefpp) json_t *value = json_deep_copy(json_object_get(schema, "default"));
    cleanup(json_decrefpp) json_t *problems = json_array();
    cleanup(custom_schema_freep) struct custom_schema *compiled = NULL;
    struct field_errors found = FIELD_ERRORS_EMPTY;
    struct err err = ERR_EMPTY;
    size_t len;

    if (value == NULL || custom_schema_new(&compiled, schema, &err) < 0)
        return;
    custom_prune(value, custom_schema_root(compiled), problems);
    custom_check(&found, custom_schema_root(compiled), value, NULL);
    len = structural_enter(s, "default", NULL, SIZE_MAX);
    if (json_array_size(problems) > 0)
        field_invalid(s->e, text_str(&s->path), json_object_get(schema, "default"),
                      "must not have unknown fields");
    if (found.n > 0)
        field_invalid(s->e, text_str(&s->path), json_object_get(schema, "default"), "%s",
                      text_str(&found.text) + (str_starts(text_str(&found.text), ": ") ? 2 : 0));
    structural_leave(s, len);
    field_errors_fini(&found);
}

/* --- alternatives say nothing about structure --- */

static void structural_value_only(struct structural *s, const json_t *schema, bool int_or_string)
{
    static const char *const banned[] = { "type",
                                          "additionalProperties",
                                          "default",
                                          "nullable",
                                          "title",
                                          "description",
                                          "x-kubernetes-preserve-unknown-fields",
                                          "x-kubernetes-embedded-resource",
                                          "x-kubernetes-int-or-string",
                                          "x-kubernetes-list-type",
                                          "x-kubernetes-list-map-keys",
                                          "x-kubernetes-validations" };

    for (size_t i = int_or_string ? 1 : 0; i < N_ELEMENTS(banned); i++)
        if (json_object_get(schema, banned[i]) != NULL)
            structural_forbidden(s, banned[i],
                                 i < 4 ? "must be empty to be structural"
                                       : "must be undefined to be structural");
    structural_pattern(s, schema);
}

static void structural_alternatives(struct structural *s, const json_t *schema)
{
    static const char *const lists[] = { "allOf", "anyOf", "oneOf" };
    bool int_or_string = structural_is(schema, "x-kubernetes-int-or-string");
    const json_t *item;
    size_t i, len;

    for (size_t k = 0; k < N_ELEMENTS(lists); k++)
        json_array_foreach (json_object_get(schema, lists[k]), i, item) {
            len = structural_enter(s, lists[k], NULL, i);
            /* anyOf: [integer, string], also one level down in allOf. */
            structural_value_only(s, item, int_or_string && k <= 1);
            structural_leave(s, len);
        }
    item = json_object_get(schema, "not");
    if (item != NULL) {
        len = structural_enter(s, "not", NULL, SIZE_MAX);
        structural_value_only(s, item, false);
        structural_leave(s, len);
    }
}

/* --- walking --- */

static void structural_below(struct structural *s, const json_t *schema)
{
    static const struct {
        const char *member;
        enum structural_level level;
    } ones[] = { { "items", STRUCTURAL_ITEM }, { "additionalProperties", STRUCTURAL_FIELD } };
    const char *key;
    json_t *child;
    size_t len;

    json_object_foreach (json_object_get(schema, "properties"), key, child) {
        len = structural_enter(s, "properties", key, SIZE_MAX);
        structural_node(s, child, STRUCTURAL_FIELD);
        structural_leave(s, len);
    }
    for (size_t i = 0; i < N_ELEMENTS(ones); i++) {
        child = json_object_get(schema, ones[i].member);
        if (!json_is_object(child))
            continue;
        len = structural_enter(s, ones[i].member, NULL, SIZE_MAX);
        structural_node(s, child, ones[i].level);
        structural_leave(s, len);
    }
}

static void structural_node(struct structural *s, const json_t *schema, enum structural_level level)
{
    if (s->depth >= CUSTOM_DEPTH_MAX)
        return; /* told by its limit */
    s->depth++;
    structural_type(s, schema, level);
    structural_exclusions(s, schema);
    structural_pattern(s, schema);
    structural_lists(s, schema);
    structural_alternatives(s, schema);
    if (level != STRUCTURAL_ROOT)
        structural_default(s, schema);
    structural_below(s, schema);
    s->depth--;
}

void validate_structural(struct field_errors *e, const json_t *schema, const char *path)
{
    struct structural s = { .e = e, .path = TEXT_EMPTY };

    text_puts(&s.path, path);
    structural_node(&s, schema, STRUCTURAL_ROOT);
    text_fini(&s.path);
}
