/* openapi_v2: one document of all group versions, made of their v3 documents, for clients from before v3: kubectl up
 * to 1.26 checks manifests, explains kinds and merges with it.
 *
 * v2 knows less: what it has no words for (oneOf, nullable, values of any type) is left open, so that an old
 * client refuses nothing that the server takes (apiextensions-apiserver, schema/kubeopenapi, says the same).
 */
#include "api/openapi_v2.h"

#include "api/openapi.h"
#include "api/schema.h"
#include "base/mem.h"

#include <string.h>

/* --- schemas --- */

static void openapi_v2_schema(json_t *schema);

static void openapi_v2_refer(json_t *schema)
{
    static const char prefix[] = "#/components/schemas/";
    json_t *all = json_object_get(schema, "allOf");
    const char *ref = json_string_value(json_object_get(json_array_get(all, 0), "$ref"));

    if (ref == NULL)
        ref = json_string_value(json_object_get(schema, "$ref"));
    if (ref != NULL && str_starts(ref, prefix)) {
        cleanup(freep) char *own = mem_fmt("#/definitions/%s", ref + strlen(prefix));

        json_object_set_new(schema, "$ref", json_string(own));
        json_object_del(schema, "allOf");
    }
}

/* Takes away what says of a value's form more than v2 can. */
static void openapi_v2_open(json_t *schema)
{
    static const char *const always[] = { "oneOf", "anyOf", "not", "nullable", "default" };
    static const char *const form[] = { "type", "items", "properties", "required" };

    if (json_is_true(json_object_get(schema, "x-kubernetes-int-or-string")))
        json_object_del(schema, "type");
    for (size_t i = 0; i < N_ELEMENTS(form); i++)
        if (json_is_true(json_object_get(schema, "nullable")) ||
            json_is_true(json_object_get(schema, "x-kubernetes-preserve-unknown-fields")))
            json_object_del(schema, form[i]);
    for (size_t i = 0; i < N_ELEMENTS(always); i++)
        json_object_del(schema, always[i]);
}

static void openapi_v2_schema(json_t *schema)
{
    json_t *additional = json_object_get(schema, "additionalProperties"), *item;
    const char *key;
    size_t i;

    if (!json_is_object(schema))
        return;
    openapi_v2_refer(schema);
    openapi_v2_open(schema);
    json_object_foreach (json_object_get(schema, "properties"), key, item)
        openapi_v2_schema(item);
    json_array_foreach (json_object_get(schema, "allOf"), i, item)
        openapi_v2_schema(item);
    openapi_v2_schema(json_object_get(schema, "items"));
    if (json_is_true(additional) || json_is_false(additional))
        json_object_del(schema, "additionalProperties");
    else
        openapi_v2_schema(additional);
}

/* Text that may look like a number: the v3 document says so with oneOf. */
static void openapi_v2_scalars(json_t *definitions)
{
    static const char *const names[] = { "io.k8s.apimachinery.pkg.api.resource.Quantity",
                                         "io.k8s.apimachinery.pkg.util.intstr.IntOrString" };

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (json_object_get(definitions, names[i]) != NULL)
            json_object_set_new(json_object_get(definitions, names[i]), "type",
                                json_string("string"));
}

/* --- operations --- */

static void openapi_v2_parameters(json_t *owner)
{
    json_t *list = json_object_get(owner, "parameters"), *parameter;
    size_t i;

    json_array_foreach (list, i, parameter) {
        json_object_set(parameter, "type", json_at(parameter, "schema.type"));
        json_object_set_new(parameter, "uniqueItems", json_true());
        json_object_del(parameter, "schema");
    }
}

static void openapi_v2_body(json_t *operation)
{
    json_t *content = json_at(operation, "requestBody.content"), *value, *consumes, *body;
    const char *type;

    if (content == NULL)
        return;
    consumes = json_array();
    body = json_pack("{s:s, s:s, s:b}", "in", "body", "name", "body", "required", 1);
    json_object_foreach (content, type, value) {
        json_array_append_new(consumes, json_string(type));
        if (json_object_get(body, "schema") == NULL)
            json_object_set(body, "schema", json_object_get(value, "schema"));
    }
    openapi_v2_schema(json_object_get(body, "schema"));
    json_array_insert_new(json_object_get(operation, "parameters"), 0, body);
    json_object_set_new(operation, "consumes", consumes);
    json_object_del(operation, "requestBody");
}

static void openapi_v2_operation(json_t *operation)
{
    json_t *response;
    const char *code;

    openapi_v2_parameters(operation);
    openapi_v2_body(operation);
    json_object_set_new(operation, "produces", json_pack("[s]", "application/json"));
    json_object_foreach (json_object_get(operation, "responses"), code, response) {
        json_t *content = json_object_get(json_object_get(response, "content"), "application/json");
        json_t *schema = json_object_get(content, "schema");

        openapi_v2_schema(schema);
        if (schema != NULL)
            json_object_set(response, "schema", schema);
        json_object_del(response, "content");
    }
}

static void openapi_v2_path(json_t *item)
{
    static const char *const methods[] = { "get", "put", "post", "delete", "patch" };

    openapi_v2_parameters(item);
    for (size_t i = 0; i < N_ELEMENTS(methods); i++)
        if (json_object_get(item, methods[i]) != NULL)
            openapi_v2_operation(json_object_get(item, methods[i]));
}

void openapi_v2_turn(json_t *document)
{
    json_t *definitions = json_at(document, "components.schemas"), *item;
    const char *name;

    json_object_foreach (definitions, name, item)
        openapi_v2_schema(item);
    openapi_v2_scalars(definitions);
    json_object_foreach (json_object_get(document, "paths"), name, item)
        openapi_v2_path(item);
    json_object_set(document, "definitions", definitions);
    json_object_del(document, "components");
}

/* --- all of it --- */

struct openapi_v2 {
    struct text paths, definitions;
    json_t *seen; /* names of definitions; owned */
    bool protobuf;
};

static void openapi_v2_put(struct text *ret, const char *name, const json_t *value)
{
    text_fmt(ret, "%s\"%s\":", ret->len > 0 ? "," : "", name);
    json_print_to(ret, value);
}

static void openapi_v2_add(struct openapi_v2 *all, const json_t *document)
{
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get(document, "paths"), name, value) {
        if (all->protobuf)
            openapi_v2_encode_path(&all->paths, name, value);
        else
            openapi_v2_put(&all->paths, name, value);
    }
    json_object_foreach (json_object_get(document, "definitions"), name, value) {
        if (json_object_get(all->seen, name) != NULL)
            continue;
        json_object_set_new(all->seen, name, json_true());
        if (all->protobuf)
            openapi_v2_encode_definition(&all->definitions, name, value);
        else
            openapi_v2_put(&all->definitions, name, value);
    }
}

/* Group version by group version: their trees together would be large. */
static void openapi_v2_gather(struct openapi_v2 *all)
{
    char path[OPENAPI_PATH_MAX];

    for (size_t i = 0; openapi_v3_next(path, &i);) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;
        cleanup(json_decrefpp) json_t *document = NULL;
        struct err err = ERR_EMPTY;

        if (!openapi_v3_document(&t, path) || json_parse(&document, t.data, t.len, NULL, &err) < 0)
            continue; /* a kind that went away this instant */
        openapi_v2_turn(document);
        openapi_v2_add(all, document);
    }
}

void openapi_v2_document(struct text *ret, bool protobuf)
{
    struct openapi_v2 all = { TEXT_EMPTY, TEXT_EMPTY, json_object(), protobuf };

    openapi_v2_gather(&all);
    if (protobuf)
        openapi_v2_encode_document(ret, &all.paths, &all.definitions);
    else
        text_fmt(ret,
                 "{\"swagger\":\"2.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.32.0\"},"
                 "\"paths\":{%s},\"definitions\":{%s}}\n",
                 text_str(&all.paths), text_str(&all.definitions));
    text_fini(&all.paths);
    text_fini(&all.definitions);
    json_decref(all.seen);
    mem_trim();
}
