/* OpenAPI v2 in protobuf, as kubectl asks for it.  Messages and numbers: gnostic's OpenAPIv2.proto. */
#include "api/openapi_v2.h"

#include "base/mem.h"

#include <string.h>

enum {
    DOCUMENT_SWAGGER = 1,
    DOCUMENT_INFO = 2,
    DOCUMENT_PATHS = 8,
    DOCUMENT_DEFINITIONS = 9,
    INFO_TITLE = 1,
    INFO_VERSION = 2,
    PATHS_PATH = 2,
    NAMED_NAME = 1, /* NamedPathItem, NamedAny, NamedSchema, NamedResponseValue */
    NAMED_VALUE = 2,
    PATH_ITEM_PARAMETERS = 9,
    OPERATION_PRODUCES = 6,
    OPERATION_CONSUMES = 7,
    OPERATION_PARAMETERS = 8,
    OPERATION_RESPONSES = 9,
    OPERATION_EXTENSION = 13,
    PARAMETERS_ITEM_PARAMETER = 1,
    PARAMETER_BODY = 1,
    PARAMETER_NON_BODY = 2,
    BODY_NAME = 2,
    BODY_IN = 3,
    BODY_REQUIRED = 4,
    BODY_SCHEMA = 5,
    NON_BODY_QUERY = 3,
    NON_BODY_PATH = 4,
    RESPONSES_CODE = 1,
    RESPONSE_VALUE_RESPONSE = 1,
    RESPONSE_DESCRIPTION = 1,
    RESPONSE_SCHEMA = 2,
    SCHEMA_ITEM_SCHEMA = 1,
    ANY_YAML = 2,
    SCHEMA_REQUIRED = 19,
    SCHEMA_ENUM = 20,
    SCHEMA_ADDITIONAL = 21,
    SCHEMA_TYPE = 22,
    SCHEMA_ITEMS = 23,
    SCHEMA_ALL_OF = 24,
    SCHEMA_PROPERTIES = 25,
    SCHEMA_EXTENSION = 31,
    ONLY =
        1, /* the one field of AdditionalPropertiesItem, TypeItem, ItemsItem, Properties, Definitions */
};

/* --- the wire (protobuf.dev, "Encoding") --- */

static void v2_varint(struct text *ret, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        text_putc(ret, (char)(0x80 | (n & 0x7f)));
    text_putc(ret, (char)n);
}

static void v2_bytes(struct text *ret, unsigned field, const void *data, size_t len)
{
    v2_varint(ret, field << 3 | 2);
    v2_varint(ret, len);
    text_add(ret, data, len);
}

static void v2_text(struct text *ret, unsigned field, const struct text *message)
{
    v2_bytes(ret, field, text_str(message), message->len);
}

static void v2_string(struct text *ret, unsigned field, const char *s)
{
    v2_bytes(ret, field, s, strlen(s));
}

static void v2_number(struct text *ret, unsigned field, uint64_t n)
{
    v2_varint(ret, field << 3);
    v2_varint(ret, n);
}

static void v2_double(struct text *ret, unsigned field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    v2_varint(ret, field << 3 | 1);
    for (int i = 0; i < 8; i++)
        text_putc(ret, (char)(bits >> (8 * i) & 0xff));
}

static void v2_strings(struct text *ret, unsigned field, const json_t *list)
{
    json_t *item;
    size_t i;

    json_array_foreach (list, i, item)
        v2_string(ret, field, json_string_value(item));
}

/* Puts what @inner holds into field @field of a new message in @inner. */
static void v2_wrap(struct text *inner, unsigned field)
{
    struct text outer = TEXT_EMPTY;

    v2_text(&outer, field, inner);
    text_fini(inner);
    *inner = outer;
}

static void v2_named(struct text *ret, unsigned field, const char *name, const struct text *value)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    v2_string(&t, NAMED_NAME, name);
    v2_text(&t, NAMED_VALUE, value);
    v2_text(ret, field, &t);
}

/* JSON is YAML. */
static void v2_any(struct text *ret, const json_t *value)
{
    cleanup(text_fini) struct text yaml = TEXT_EMPTY;

    json_print_to(&yaml, value);
    v2_text(ret, ANY_YAML, &yaml);
}

static void v2_extensions(struct text *ret, unsigned field, const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        cleanup(text_fini) struct text any = TEXT_EMPTY;

        if (!str_starts(key, "x-"))
            continue;
        v2_any(&any, value);
        v2_named(ret, field, key, &any);
    }
}

/* --- schemas --- */

enum v2_form { V2_STRING, V2_DOUBLE, V2_INT, V2_BOOL };

static const struct {
    const char *key;
    unsigned field;
    enum v2_form form;
} v2_members[] = {
    { "$ref", 1, V2_STRING },
    { "format", 2, V2_STRING },
    { "title", 3, V2_STRING },
    { "description", 4, V2_STRING },
    { "multipleOf", 6, V2_DOUBLE },
    { "maximum", 7, V2_DOUBLE },
    { "exclusiveMaximum", 8, V2_BOOL },
    { "minimum", 9, V2_DOUBLE },
    { "exclusiveMinimum", 10, V2_BOOL },
    { "maxLength", 11, V2_INT },
    { "minLength", 12, V2_INT },
    { "pattern", 13, V2_STRING },
    { "maxItems", 14, V2_INT },
    { "minItems", 15, V2_INT },
    { "uniqueItems", 16, V2_BOOL },
    { "maxProperties", 17, V2_INT },
    { "minProperties", 18, V2_INT },
};

static void v2_schema(struct text *ret, const json_t *schema);

static void v2_member(struct text *ret, unsigned field, enum v2_form form, const json_t *value)
{
    switch (form) {
    case V2_STRING:
        if (json_is_string(value))
            v2_string(ret, field, json_string_value(value));
        break;
    case V2_DOUBLE: v2_double(ret, field, json_number_value(value)); break;
    case V2_INT: v2_number(ret, field, (uint64_t)json_integer_value(value)); break;
    case V2_BOOL: v2_number(ret, field, json_is_true(value)); break;
    }
}

static void v2_properties(struct text *ret, const json_t *properties)
{
    cleanup(text_fini) struct text all = TEXT_EMPTY;
    const char *name;
    json_t *schema;

    json_object_foreach ((json_t *)(uintptr_t)properties, name, schema) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        v2_schema(&t, schema);
        v2_named(&all, ONLY, name, &t);
    }
    if (all.len > 0)
        v2_text(ret, SCHEMA_PROPERTIES, &all);
}

/* @schema as field @field, in as many messages as there are numbers before the closing 0. */
static void v2_inner(struct text *ret, const json_t *schema, const unsigned *fields)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (!json_is_object(schema))
        return;
    v2_schema(&t, schema);
    for (; fields[1] != 0; fields++)
        v2_wrap(&t, fields[0]);
    v2_text(ret, fields[0], &t);
}

static void v2_lists(struct text *ret, const json_t *schema)
{
    static const unsigned all_of[] = { SCHEMA_ALL_OF, 0 };
    json_t *item;
    size_t i;

    v2_strings(ret, SCHEMA_REQUIRED, json_object_get(schema, "required"));
    json_array_foreach (json_object_get(schema, "enum"), i, item) {
        cleanup(text_fini) struct text any = TEXT_EMPTY;

        v2_any(&any, item);
        v2_text(ret, SCHEMA_ENUM, &any);
    }
    json_array_foreach (json_object_get(schema, "allOf"), i, item)
        v2_inner(ret, item, all_of);
}

static void v2_schema(struct text *ret, const json_t *schema)
{
    static const unsigned additional[] = { ONLY, SCHEMA_ADDITIONAL, 0 };
    static const unsigned items[] = { ONLY, SCHEMA_ITEMS, 0 };
    const char *type = json_string_value(json_object_get(schema, "type"));

    for (size_t i = 0; i < N_ELEMENTS(v2_members); i++) {
        const json_t *value = json_object_get(schema, v2_members[i].key);

        if (value != NULL)
            v2_member(ret, v2_members[i].field, v2_members[i].form, value);
    }
    v2_lists(ret, schema);
    v2_inner(ret, json_object_get(schema, "additionalProperties"), additional);
    if (type != NULL) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        v2_string(&t, ONLY, type);
        v2_text(ret, SCHEMA_TYPE, &t);
    }
    v2_inner(ret, json_object_get(schema, "items"), items);
    v2_properties(ret, json_object_get(schema, "properties"));
    v2_extensions(ret, SCHEMA_EXTENSION, schema);
}

void openapi_v2_encode_definition(struct text *ret, const char *name, const json_t *schema)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    v2_schema(&t, schema);
    v2_named(ret, ONLY, name, &t);
}

/* --- operations --- */

static void v2_body(struct text *ret, const json_t *parameter)
{
    static const unsigned schema[] = { BODY_SCHEMA, 0 };

    v2_string(ret, BODY_NAME, json_str_or(parameter, "name", ""));
    v2_string(ret, BODY_IN, "body");
    v2_number(ret, BODY_REQUIRED, 1);
    v2_inner(ret, json_object_get(parameter, "schema"), schema);
    v2_wrap(ret, PARAMETER_BODY);
}

/* Query and path parameters differ by one number: the first may be empty, which takes the fifth. */
static void v2_non_body(struct text *ret, const json_t *parameter, bool in_path)
{
    if (in_path)
        v2_number(ret, 1, 1); /* required */
    v2_string(ret, 2, in_path ? "path" : "query");
    v2_string(ret, 4, json_str_or(parameter, "name", ""));
    v2_string(ret, in_path ? 5 : 6, json_str_or(parameter, "type", ""));
    v2_number(ret, in_path ? 19 : 20, 1); /* uniqueItems */
    v2_wrap(ret, in_path ? NON_BODY_PATH : NON_BODY_QUERY);
    v2_wrap(ret, PARAMETER_NON_BODY);
}

static void v2_parameters(struct text *ret, unsigned field, const json_t *list)
{
    json_t *parameter;
    size_t i;

    json_array_foreach (list, i, parameter) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;
        const char *in = json_str_or(parameter, "in", "");

        if (str_eq(in, "body"))
            v2_body(&t, parameter);
        else
            v2_non_body(&t, parameter, str_eq(in, "path"));
        v2_wrap(&t, PARAMETERS_ITEM_PARAMETER);
        v2_text(ret, field, &t);
    }
}

static void v2_responses(struct text *ret, const json_t *responses)
{
    static const unsigned schema[] = { SCHEMA_ITEM_SCHEMA, RESPONSE_SCHEMA, 0 };
    cleanup(text_fini) struct text all = TEXT_EMPTY;
    const char *code;
    json_t *response;

    json_object_foreach ((json_t *)(uintptr_t)responses, code, response) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        v2_string(&t, RESPONSE_DESCRIPTION, json_str_or(response, "description", ""));
        v2_inner(&t, json_object_get(response, "schema"), schema);
        v2_wrap(&t, RESPONSE_VALUE_RESPONSE);
        v2_named(&all, RESPONSES_CODE, code, &t);
    }
    v2_text(ret, OPERATION_RESPONSES, &all);
}

static void v2_operation(struct text *ret, unsigned field, const json_t *operation)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    v2_strings(&t, OPERATION_PRODUCES, json_object_get(operation, "produces"));
    v2_strings(&t, OPERATION_CONSUMES, json_object_get(operation, "consumes"));
    v2_parameters(&t, OPERATION_PARAMETERS, json_object_get(operation, "parameters"));
    v2_responses(&t, json_object_get(operation, "responses"));
    v2_extensions(&t, OPERATION_EXTENSION, operation);
    v2_text(ret, field, &t);
}

void openapi_v2_encode_path(struct text *ret, const char *name, const json_t *item)
{
    static const struct {
        const char *method;
        unsigned field;
    } methods[] = { { "get", 2 }, { "put", 3 }, { "post", 4 }, { "delete", 5 }, { "patch", 8 } };
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    for (size_t i = 0; i < N_ELEMENTS(methods); i++)
        if (json_object_get(item, methods[i].method) != NULL)
            v2_operation(&t, methods[i].field, json_object_get(item, methods[i].method));
    v2_parameters(&t, PATH_ITEM_PARAMETERS, json_object_get(item, "parameters"));
    v2_named(ret, PATHS_PATH, name, &t);
}

void openapi_v2_encode_document(struct text *ret, const struct text *paths,
                                const struct text *definitions)
{
    cleanup(text_fini) struct text info = TEXT_EMPTY;

    v2_string(&info, INFO_TITLE, "Kubernetes");
    v2_string(&info, INFO_VERSION, "v1.32.0");
    v2_string(ret, DOCUMENT_SWAGGER, "2.0");
    v2_text(ret, DOCUMENT_INFO, &info);
    v2_text(ret, DOCUMENT_PATHS, paths);
    v2_text(ret, DOCUMENT_DEFINITIONS, definitions);
}
