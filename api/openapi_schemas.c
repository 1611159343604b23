#include "api/openapi_schemas.h"

#include "api/custom.h"
#include "base/mem.h"

#include <string.h>

/* Where the folders of k8s.txt live in Kubernetes' names; the others are io.k8s.api's. */
static const struct {
    const char *folder, *prefix;
} openapi_prefixes[] = {
    { "meta/", "io.k8s.apimachinery.pkg.apis.meta." },
    { "apiextensions/", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions." },
    { "apiregistration/", "io.k8s.kube-aggregator.pkg.apis.apiregistration." },
};

/* Scalars that have a schema of their own. */
struct openapi_scalar {
    const char *name;
    const char *schema;
};

static const struct openapi_scalar openapi_scalars[] = {
    [SCHEMA_QUANTITY] = { "io.k8s.apimachinery.pkg.api.resource.Quantity",
                          "{\"description\":\"A number with a unit: 250m, 64Mi, 1e3.\","
                          "\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]}" },
    [SCHEMA_INT_OR_STRING] = { "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
                               "{\"description\":\"A number, or text such as 25% or a name.\","
                               "\"format\":\"int-or-string\",\"oneOf\":[{\"type\":\"integer\"},"
                               "{\"type\":\"string\"}]}" },
    [SCHEMA_TIME] = { "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
                      "{\"type\":\"string\",\"format\":\"date-time\"}" },
    [SCHEMA_MICROTIME] = { "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
                           "{\"type\":\"string\",\"format\":\"date-time\"}" },
    /* Of no type: as defaults and enumerations of schemas these are numbers and texts, too. */
    [SCHEMA_RAW] = { "io.k8s.apimachinery.pkg.runtime.RawExtension", "{}" },
};

static const char *const openapi_plain[] = {
    [SCHEMA_STRING] = "\"type\":\"string\"",
    [SCHEMA_DURATION] = "\"type\":\"string\"",
    [SCHEMA_BOOL] = "\"type\":\"boolean\"",
    [SCHEMA_INT32] = "\"type\":\"integer\",\"format\":\"int32\"",
    [SCHEMA_INT64] = "\"type\":\"integer\",\"format\":\"int64\"",
    [SCHEMA_DOUBLE] = "\"type\":\"number\",\"format\":\"double\"",
    [SCHEMA_BYTES] = "\"type\":\"string\",\"format\":\"byte\"",
    [SCHEMA_RAW] = NULL,
};

void openapi_schemas_init(struct openapi_schemas *s, const char *group, const char *version)
{
    *s = (struct openapi_schemas){ group, version, json_object(), json_array() };
}

void openapi_schemas_fini(struct openapi_schemas *s)
{
    json_decref(s->seen);
    json_decref(s->queue);
}

/* "io.metallb." of "metallb.io/...": folders with a dot are groups, written from the end. */
static void openapi_reversed(struct text *ret, const char *group, const char *end)
{
    while (end > group) {
        const char *dot = memrchr(group, '.', (size_t)(end - group));
        const char *label = dot != NULL ? dot + 1 : group;

        text_fmt(ret, "%.*s.", (int)(end - label), label);
        end = dot != NULL ? dot : group;
    }
}

void openapi_name(struct text *ret, const struct schema_type *type)
{
    const char *slash = strchr(type->name, '/');

    if (slash == NULL) { /* a custom kind's is whole */
        text_puts(ret, type->name);
        return;
    }
    if (memchr(type->name, '.', (size_t)(slash - type->name)) != NULL) {
        openapi_reversed(ret, type->name, slash);
        text_puts(ret, slash + 1);
        return;
    }
    for (size_t i = 0; i < sizeof(openapi_prefixes) / sizeof(openapi_prefixes[0]); i++) {
        if (str_starts(type->name, openapi_prefixes[i].folder)) {
            text_fmt(ret, "%s%s", openapi_prefixes[i].prefix, slash + 1);
            return;
        }
    }
    text_fmt(ret, "io.k8s.api.%.*s.%s", (int)(slash - type->name), type->name, slash + 1);
}

static void openapi_note(struct openapi_schemas *s, const char *name)
{
    if (json_object_get(s->seen, name) != NULL)
        return;
    json_object_set_new_nocheck(s->seen, name, json_true());
    json_array_append_new(s->queue, json_string(name));
}

void openapi_ref(struct openapi_schemas *s, struct text *ret, const struct schema_type *type)
{
    openapi_note(s, type->name);
    text_puts(ret, "{\"$ref\":\"#/components/schemas/");
    openapi_name(ret, type);
    text_puts(ret, "\"}");
}

/* --- fields --- */

static void openapi_enums(struct text *ret, const char *const *enums)
{
    text_puts(ret, ",\"enum\":[");
    for (size_t i = 0; enums[i] != NULL; i++)
        text_fmt(ret, "%s\"%s\"", i > 0 ? "," : "", enums[i]);
    text_putc(ret, ']');
}

/* A reference cannot stand beside other words about the field, hence allOf. */
static void openapi_value(struct openapi_schemas *s, struct text *ret, const struct schema_field *f)
{
    const char *plain = f->scalar < sizeof(openapi_plain) / sizeof(openapi_plain[0])
                            ? openapi_plain[f->scalar]
                            : NULL;

    if (f->scalar == SCHEMA_STRUCT) {
        text_puts(ret, "\"allOf\":[");
        openapi_ref(s, ret, f->type);
        text_putc(ret, ']');
    } else if (plain != NULL) {
        text_puts(ret, plain);
        if (f->enums != NULL)
            openapi_enums(ret, f->enums);
    } else {
        openapi_note(s, openapi_scalars[f->scalar].name);
        text_fmt(ret, "\"allOf\":[{\"$ref\":\"#/components/schemas/%s\"}]",
                 openapi_scalars[f->scalar].name);
    }
}

static void openapi_merge_rules(struct text *ret, const struct schema_field *f)
{
    static const char *const list_types[] = {
        [SCHEMA_ATOMIC] = "atomic",
        [SCHEMA_SET] = "set",
        [SCHEMA_LISTMAP] = "map",
        [SCHEMA_GRANULAR] = NULL,
    };

    if (list_types[f->list_type] != NULL)
        text_fmt(ret, ",\"x-kubernetes-list-type\":\"%s\"", list_types[f->list_type]);
    if (f->list_keys != NULL) {
        text_puts(ret, ",\"x-kubernetes-list-map-keys\":[");
        for (size_t i = 0; f->list_keys[i] != NULL; i++)
            text_fmt(ret, "%s\"%s\"", i > 0 ? "," : "", f->list_keys[i]);
        text_putc(ret, ']');
    }
    if (f->patch_key != NULL)
        text_fmt(ret, ",\"x-kubernetes-patch-merge-key\":\"%s\"", f->patch_key);
    if (f->patch_merge || f->patch_retain_keys)
        text_fmt(ret, ",\"x-kubernetes-patch-strategy\":\"%s%s%s\"", f->patch_merge ? "merge" : "",
                 f->patch_merge && f->patch_retain_keys ? "," : "",
                 f->patch_retain_keys ? "retainKeys" : "");
    if (f->map_atomic)
        text_puts(ret, ",\"x-kubernetes-map-type\":\"atomic\"");
}

static void openapi_field(struct openapi_schemas *s, struct text *ret, const struct schema_field *f)
{
    text_fmt(ret, "\"%s\":{", f->name);
    switch (f->shape) {
    case SCHEMA_ONE: openapi_value(s, ret, f); break;
    case SCHEMA_LIST:
        text_puts(ret, "\"type\":\"array\",\"items\":{");
        openapi_value(s, ret, f);
        text_putc(ret, '}');
        break;
    case SCHEMA_MAP:
        text_puts(ret, "\"type\":\"object\",\"additionalProperties\":{");
        openapi_value(s, ret, f);
        text_putc(ret, '}');
        break;
    case SCHEMA_MAP_OF_LISTS:
        text_puts(ret, "\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\","
                       "\"items\":{");
        openapi_value(s, ret, f);
        text_puts(ret, "}}");
        break;
    }
    openapi_merge_rules(ret, f);
    if (f->def != NULL)
        text_fmt(ret, ",\"default\":%s", f->def);
    text_putc(ret, '}');
}

/* --- types --- */

static void openapi_required(struct text *ret, const struct schema_type *type)
{
    bool some = false;

    for (size_t i = 0; i < type->n_fields; i++) {
        if (!type->fields[i].required)
            continue;
        text_fmt(ret, "%s\"%s\"", some ? "," : ",\"required\":[", type->fields[i].name);
        some = true;
    }
    if (some)
        text_putc(ret, ']');
}

/* The kinds a type is; those of any group version are said for the document's. */
static void openapi_kinds(const struct openapi_schemas *s, struct text *ret,
                          const struct schema_type *type)
{
    const struct schema_kind *k;
    bool some = false;

    for (size_t i = 0; (k = schema_kind_at(i)) != NULL; i++) {
        bool any = strcmp(k->version, "*") == 0;

        if (k->type != type || (!any && !schema_serves(k->group, k->version)))
            continue;
        text_fmt(ret, "%s{\"group\":\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}",
                 some ? "," : ",\"x-kubernetes-group-version-kind\":[", any ? s->group : k->group,
                 k->kind, any ? s->version : k->version);
        some = true;
    }
    if (some)
        text_putc(ret, ']');
}

static void openapi_type(struct openapi_schemas *s, struct text *ret,
                         const struct schema_type *type)
{
    const char *words = openapi_words(type->name);

    text_putc(ret, '"');
    openapi_name(ret, type);
    text_puts(ret, "\":{\"type\":\"object\"");
    if (words != NULL)
        text_fmt(ret, ",\"description\":\"%s\"", words);
    openapi_required(ret, type);
    if (type->n_fields > 0) {
        text_puts(ret, ",\"properties\":{");
        for (size_t i = 0; i < type->n_fields; i++) {
            text_puts(ret, i > 0 ? "," : "");
            openapi_field(s, ret, &type->fields[i]);
        }
        text_putc(ret, '}');
    }
    if (type->map_atomic)
        text_puts(ret, ",\"x-kubernetes-map-type\":\"atomic\"");
    if (type->open)
        text_puts(ret, ",\"x-kubernetes-preserve-unknown-fields\":true");
    openapi_kinds(s, ret, type);
    text_putc(ret, '}');
}

static void openapi_scalar(struct text *ret, const char *name)
{
    for (size_t i = 0; i < sizeof(openapi_scalars) / sizeof(openapi_scalars[0]); i++) {
        if (str_eq(openapi_scalars[i].name, name))
            text_fmt(ret, "\"%s\":%s", name, openapi_scalars[i].schema);
    }
}

/* --- custom kinds: the schema is its definition's --- */

static const struct schema_resource *openapi_custom_row(const struct openapi_schemas *s,
                                                        const char *name)
{
    const struct schema_resource *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++)
        if (r->custom != NULL && str_eq(r->type->name, name) && str_eq(r->group, s->group) &&
            str_eq(r->version, s->version))
            return r;
    return NULL;
}

static void openapi_custom(struct openapi_schemas *s, struct text *ret,
                           const struct schema_resource *r)
{
    static const struct {
        const char *name, *words;
    } texts[] = {
        { "apiVersion", "The group and version whose words this object is written in." },
        { "kind", "The kind of object this is." },
    };
    json_t *meta = json_pack(
        "{s:[{s:s}]}", "allOf", "$ref",
        "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    cleanup(json_decrefpp) json_t *schema = custom_openapi(r);
    json_t *properties = json_object_get(schema, "properties");

    if (schema == NULL)
        schema = json_pack("{s:s}", "type", "object");
    if (properties == NULL)
        json_object_set_new(schema, "properties", properties = json_object());
    for (size_t i = 0; i < N_ELEMENTS(texts); i++)
        json_object_set_new(
            properties, texts[i].name,
            json_pack("{s:s, s:s}", "type", "string", "description", texts[i].words));
    json_object_set_new(properties, "metadata", meta);
    openapi_note(s, "meta/v1.ObjectMeta");
    json_object_set_new(
        schema, "x-kubernetes-group-version-kind",
        json_pack("[{s:s, s:s, s:s}]", "group", r->group, "kind", r->kind, "version", r->version));
    text_fmt(ret, "\"%s\":", r->type->name);
    json_print_to(ret, schema);
}

void openapi_schemas_put(struct openapi_schemas *s, struct text *ret)
{
    /* The queue grows while it is read. */
    for (size_t i = 0; i < json_array_size(s->queue); i++) {
        const char *name = json_string_value(json_array_get(s->queue, i));
        const struct schema_type *type = schema_type(name);
        const struct schema_resource *custom = openapi_custom_row(s, name);

        text_puts(ret, i > 0 ? "," : "");
        if (type != NULL)
            openapi_type(s, ret, type);
        else if (custom != NULL)
            openapi_custom(s, ret, custom);
        else
            openapi_scalar(ret, name);
    }
}
