/* openapi_v2: the little of OpenAPI v2 that old clients cannot do without, as protobuf.
 *
 * kubectl 1.20 reads it before apply and diff: for a kind that supports dry runs it wants a path
 * whose PATCH carries the kind and a query parameter `dryRun`.  No definitions: it then leaves
 * validation to the server.  Messages and numbers: gnostic's OpenAPIv2.proto.
 */
#include "api/openapi.h"

#include "api/schema.h"
#include "base/mem.h"

#include <string.h>

/* Field numbers, by the message they belong to. */
enum {
    DOCUMENT_SWAGGER = 1,
    DOCUMENT_INFO = 2,
    DOCUMENT_PATHS = 8,
    DOCUMENT_DEFINITIONS = 9,
    INFO_TITLE = 1,
    INFO_VERSION = 2,
    PATHS_PATH = 2,
    NAMED_NAME = 1, /* NamedPathItem, NamedAny */
    NAMED_VALUE = 2,
    PATH_ITEM_PATCH = 8,
    OPERATION_PARAMETERS = 8,
    OPERATION_EXTENSION = 13,
    PARAMETERS_ITEM_PARAMETER = 1,
    PARAMETER_NON_BODY = 2,
    NON_BODY_QUERY = 3,
    QUERY_IN = 2,
    QUERY_NAME = 4,
    QUERY_TYPE = 6,
    ANY_YAML = 2,
};

/* A field of bytes: tag, length, data (protobuf.dev, "Encoding"). */
static void openapi_v2_bytes(struct text *ret, unsigned field, const void *data, size_t len)
{
    size_t left = len;

    text_putc(ret, (char)(field << 3 | 2)); /* all numbers here are below 16 */
    for (; left >= 0x80; left >>= 7)
        text_putc(ret, (char)(0x80 | (left & 0x7f)));
    text_putc(ret, (char)left);
    text_add(ret, data, len);
}

static void openapi_v2_string(struct text *ret, unsigned field, const char *s)
{
    openapi_v2_bytes(ret, field, s, strlen(s));
}

/* Puts what @inner holds into field @field of a new message in @inner. */
static void openapi_v2_wrap(struct text *inner, unsigned field)
{
    struct text outer = TEXT_EMPTY;

    openapi_v2_bytes(&outer, field, text_str(inner), inner->len);
    text_fini(inner);
    *inner = outer;
}

static void openapi_v2_query_parameter(struct text *operation, const char *name)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    openapi_v2_string(&t, QUERY_IN, "query");
    openapi_v2_string(&t, QUERY_NAME, name);
    openapi_v2_string(&t, QUERY_TYPE, "string");
    openapi_v2_wrap(&t, NON_BODY_QUERY);
    openapi_v2_wrap(&t, PARAMETER_NON_BODY);
    openapi_v2_wrap(&t, PARAMETERS_ITEM_PARAMETER);
    openapi_v2_bytes(operation, OPERATION_PARAMETERS, t.data, t.len);
}

static void openapi_v2_kind(struct text *operation, const struct schema_resource *r)
{
    cleanup(freep) char *yaml = mem_fmt("group: \"%s\"\nkind: %s\nversion: %s\n", r->group, r->kind,
                                        r->version);
    cleanup(text_fini) struct text t = TEXT_EMPTY, any = TEXT_EMPTY;

    openapi_v2_string(&any, ANY_YAML, yaml);
    openapi_v2_string(&t, NAMED_NAME, "x-kubernetes-group-version-kind");
    openapi_v2_bytes(&t, NAMED_VALUE, any.data, any.len);
    openapi_v2_bytes(operation, OPERATION_EXTENSION, t.data, t.len);
}

static void openapi_v2_path(struct text *paths, const struct schema_resource *r)
{
    cleanup(freep) char *path = mem_fmt("/api%s%s/%s%s/%s/{name}", r->group[0] != '\0' ? "s/" : "",
                                        r->group, r->version,
                                        r->namespaced ? "/namespaces/{namespace}" : "", r->plural);
    cleanup(text_fini) struct text item = TEXT_EMPTY, t = TEXT_EMPTY;

    openapi_v2_query_parameter(&item, "dryRun");
    openapi_v2_query_parameter(&item, "fieldValidation");
    openapi_v2_kind(&item, r);
    openapi_v2_wrap(&item, PATH_ITEM_PATCH);
    openapi_v2_string(&t, NAMED_NAME, path);
    openapi_v2_bytes(&t, NAMED_VALUE, item.data, item.len);
    openapi_v2_bytes(paths, PATHS_PATH, t.data, t.len);
}

void openapi_v2_protobuf(struct text *ret)
{
    cleanup(text_fini) struct text info = TEXT_EMPTY, paths = TEXT_EMPTY;
    const struct schema_resource *r;

    openapi_v2_string(&info, INFO_TITLE, "Kubernetes");
    openapi_v2_string(&info, INFO_VERSION, "v1.32.0");
    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        if ((r->verbs & SCHEMA_MAY_PATCH) != 0)
            openapi_v2_path(&paths, r);
    }
    openapi_v2_string(ret, DOCUMENT_SWAGGER, "2.0");
    openapi_v2_bytes(ret, DOCUMENT_INFO, info.data, info.len);
    openapi_v2_bytes(ret, DOCUMENT_PATHS, paths.data, paths.len);
    openapi_v2_bytes(ret, DOCUMENT_DEFINITIONS, "", 0);
}
