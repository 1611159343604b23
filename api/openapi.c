#include "api/openapi.h"

#include "api/custom.h"
#include "api/openapi_schemas.h"
#include "base/bits.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* Goes into the hash beside the tables': raise it when the rendering changes. */
#define OPENAPI_FORM "1"

/* --- operations --- */

/* Query parameters, by what they are for. */
enum openapi_use { USE_WRITE = 1, USE_PATCH = 2, USE_LIST = 4, USE_DELETE = 8 };

static const struct {
    const char *name, *type;
    unsigned uses;
} openapi_parameters[] = {
    { "allowWatchBookmarks", "boolean", USE_LIST },
    { "continue", "string", USE_LIST },
    { "dryRun", "string", USE_WRITE | USE_PATCH | USE_DELETE },
    { "fieldManager", "string", USE_WRITE | USE_PATCH },
    { "fieldSelector", "string", USE_LIST },
    { "fieldValidation", "string", USE_WRITE | USE_PATCH },
    { "force", "boolean", USE_PATCH },
    { "gracePeriodSeconds", "integer", USE_DELETE },
    { "labelSelector", "string", USE_LIST },
    { "limit", "integer", USE_LIST },
    { "orphanDependents", "boolean", USE_DELETE },
    { "propagationPolicy", "string", USE_DELETE },
    { "resourceVersion", "string", USE_LIST },
    { "resourceVersionMatch", "string", USE_LIST },
    { "sendInitialEvents", "boolean", USE_LIST },
    { "timeoutSeconds", "integer", USE_LIST },
    { "watch", "boolean", USE_LIST },
};

enum openapi_body { BODY_NONE, BODY_KIND, BODY_PATCH, BODY_DELETE };

struct openapi_operation {
    unsigned verb;      /* SCHEMA_MAY_* that allows it */
    const char *method; /* in the document */
    const char *action; /* x-kubernetes-action */
    unsigned uses;
    enum openapi_body body;
};

static const struct openapi_operation openapi_on_collection[] = {
    { SCHEMA_MAY_LIST, "get", "list", USE_LIST, BODY_NONE },
    { SCHEMA_MAY_CREATE, "post", "post", USE_WRITE, BODY_KIND },
    { SCHEMA_MAY_DELETECOLLECTION, "delete", "deletecollection", USE_DELETE | USE_LIST,
      BODY_DELETE },
};

static const struct openapi_operation openapi_on_item[] = {
    { SCHEMA_MAY_GET, "get", "get", 0, BODY_NONE },
    { SCHEMA_MAY_UPDATE, "put", "put", USE_WRITE, BODY_KIND },
    { SCHEMA_MAY_PATCH, "patch", "patch", USE_PATCH, BODY_PATCH },
    { SCHEMA_MAY_DELETE, "delete", "delete", USE_DELETE, BODY_DELETE },
};

static const struct openapi_operation openapi_on_sub[] = {
    { SCHEMA_MAY_GET, "get", "get", 0, BODY_NONE },
    { SCHEMA_MAY_CREATE, "post", "post", USE_WRITE, BODY_KIND },
    { SCHEMA_MAY_UPDATE, "put", "put", USE_WRITE, BODY_KIND },
    { SCHEMA_MAY_PATCH, "patch", "patch", USE_PATCH, BODY_PATCH },
    { SCHEMA_MAY_DELETE, "delete", "delete", USE_DELETE, BODY_NONE },
};

/* What an operation is about: a resource or one of its subresources. */
struct openapi_subject {
    const char *group, *version, *kind;
    const struct schema_type *type; /* of the body; NULL when it has none (proxy, exec) */
    const struct schema_type *list; /* of the list, or NULL */
};

struct openapi_writer {
    struct openapi_schemas schemas;
    struct text *ret;
    const char *base; /* "/apis/apps/v1" */
    const char *comma;
    bool foreign; /* the resource at hand is as custom ones are */
};

static void openapi_put_parameters(struct text *ret, unsigned uses)
{
    const char *comma = "";

    text_puts(ret, "\"parameters\":[");
    for (size_t i = 0; i < N_ELEMENTS(openapi_parameters); i++) {
        if ((openapi_parameters[i].uses & uses) == 0)
            continue;
        text_fmt(ret, "%s{\"name\":\"%s\",\"in\":\"query\",\"schema\":{\"type\":\"%s\"}}", comma,
                 openapi_parameters[i].name, openapi_parameters[i].type);
        comma = ",";
    }
    text_puts(ret, "],");
}

static void openapi_put_body(struct openapi_writer *w, enum openapi_body body,
                             const struct schema_type *type)
{
    static const char *const patches[] = { "json-patch", "merge-patch", "strategic-merge-patch" };

    size_t n = w->foreign ? N_ELEMENTS(patches) - 1 : N_ELEMENTS(patches);

    if (body == BODY_DELETE)
        type = schema_type("meta/v1.DeleteOptions");
    if (body == BODY_NONE || (body != BODY_PATCH && type == NULL))
        return;
    text_puts(w->ret, "\"requestBody\":{\"content\":{");
    if (body != BODY_PATCH) {
        text_puts(w->ret, "\"*/*\":{\"schema\":");
        openapi_ref(&w->schemas, w->ret, type);
        text_putc(w->ret, '}');
    }
    for (size_t i = 0; body == BODY_PATCH && i < n; i++)
        text_fmt(w->ret, "%s\"application/%s+json\":{\"schema\":{\"type\":\"object\"}}",
                 i > 0 ? "," : "", patches[i]);
    text_puts(w->ret, "}},");
}

static void openapi_put_operation(struct openapi_writer *w, const struct openapi_operation *o,
                                  const struct openapi_subject *s)
{
    const struct schema_type *answer = o->verb == SCHEMA_MAY_LIST ? s->list : s->type;

    if (o->body == BODY_DELETE)
        answer = schema_type("meta/v1.Status");
    text_fmt(w->ret, "\"%s\":{", o->method);
    openapi_put_parameters(w->ret, o->uses);
    openapi_put_body(w, o->body, s->type);
    text_puts(w->ret, "\"responses\":{\"200\":{\"description\":\"OK\"");
    if (answer != NULL) {
        text_puts(w->ret, ",\"content\":{\"application/json\":{\"schema\":");
        openapi_ref(&w->schemas, w->ret, answer);
        text_puts(w->ret, "}}");
    }
    text_fmt(w->ret,
             "}},\"x-kubernetes-action\":\"%s\",\"x-kubernetes-group-version-kind\":{"
             "\"group\":\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}}",
             o->action, s->group, s->kind, s->version);
}

static void openapi_put_path_parameter(struct text *ret, const char *name, const char *comma)
{
    text_fmt(ret,
             "%s{\"name\":\"%s\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
             "\"string\"}}",
             comma, name);
}

/* One path with those of @operations that @verbs allow; nothing when there is none. */
static void openapi_put_path(struct openapi_writer *w, const char *path,
                             const struct openapi_operation *operations, size_t n, unsigned verbs,
                             const struct openapi_subject *s)
{
    bool in_namespace = strstr(path, "{namespace}") != NULL, named = strstr(path, "{name}") != NULL;
    bool some = false;

    for (size_t i = 0; i < n; i++) {
        if ((operations[i].verb & verbs) == 0)
            continue;
        if (some)
            text_putc(w->ret, ',');
        else
            text_fmt(w->ret, "%s\"%s%s\":{", w->comma, w->base, path);
        some = true;
        openapi_put_operation(w, &operations[i], s);
    }
    if (!some)
        return;
    w->comma = ",";
    text_puts(w->ret, ",\"parameters\":[");
    if (in_namespace)
        openapi_put_path_parameter(w->ret, "namespace", "");
    if (named)
        openapi_put_path_parameter(w->ret, "name", in_namespace ? "," : "");
    text_puts(w->ret, "]}");
}

/* --- paths of a resource --- */

static void openapi_put_subs(struct openapi_writer *w, const struct schema_resource *r,
                             const char *item)
{
    for (size_t i = 0; i < r->n_subs; i++) {
        const struct schema_sub *sub = &r->subs[i];
        bool own = sub->version[0] != '\0';
        struct openapi_subject s = { .group = own ? sub->group : r->group,
                                     .version = own ? sub->version : r->version,
                                     .kind = sub->kind };
        cleanup(freep) char *path = mem_fmt("%s/%s", item, sub->name);
        cleanup(freep) char *api_version = mem_fmt("%s%s%s", s.group, s.group[0] != '\0' ? "/" : "",
                                                   s.version);

        s.type = own ? schema_type_by_kind(api_version, s.kind) : r->type;
        openapi_put_path(w, path, openapi_on_sub, N_ELEMENTS(openapi_on_sub), sub->verbs, &s);
    }
}

static void openapi_put_resource(struct openapi_writer *w, const struct schema_resource *r)
{
    cleanup(freep) char *list = mem_fmt("%sList", r->type->name);
    cleanup(freep) char *everywhere = mem_fmt("/%s", r->plural);
    cleanup(freep) char *collection = mem_fmt(
        "%s/%s", r->namespaced ? "/namespaces/{namespace}" : "", r->plural);
    cleanup(freep) char *item = mem_fmt("%s/{name}", collection);
    struct openapi_subject s = { r->group, r->version, r->kind, r->type, schema_type(list) };

    w->foreign = r->foreign;
    openapi_put_path(w, collection, openapi_on_collection, N_ELEMENTS(openapi_on_collection),
                     r->verbs, &s);
    if (r->namespaced)
        openapi_put_path(w, everywhere, openapi_on_collection, 1, r->verbs, &s);
    openapi_put_path(w, item, openapi_on_item, N_ELEMENTS(openapi_on_item),
                     r->verbs & ~(unsigned)SCHEMA_MAY_CREATE, &s);
    openapi_put_subs(w, r, item);
}

/* --- documents --- */

static void openapi_group_version_path(char *ret, size_t size, const char *group,
                                       const char *version)
{
    if (group[0] == '\0')
        snprintf(ret, size, "api/%s", version);
    else
        snprintf(ret, size, "apis/%s/%s", group, version);
}

/* "A2F0..": of tables, definitions and rendering; the same until one of them changes. */
static void openapi_hash(char ret[BITS_SHA256_HEX], const char *path, size_t first)
{
    const struct schema_resource *start = schema_at(first), *r;
    cleanup(text_fini) struct text all = TEXT_EMPTY;

    text_fmt(&all, "%s %s %s", OPENAPI_FORM, schema_hash(), path);
    for (size_t i = first; (r = schema_at(i)) != NULL && str_eq(r->group, start->group) &&
                           str_eq(r->version, start->version);
         i++)
        if (r->custom != NULL)
            text_fmt(&all, " %s %llu", r->plural, (unsigned long long)custom_revision(r));
    bits_sha256_hex(ret, all.data, all.len);
}

/* The first resource of each group version. */
static bool openapi_starts_group_version(size_t i)
{
    const struct schema_resource *r = schema_at(i), *before = i > 0 ? schema_at(i - 1) : NULL;

    return before == NULL || strcmp(before->group, r->group) != 0 ||
           strcmp(before->version, r->version) != 0;
}

bool openapi_v3_next(char ret[OPENAPI_PATH_MAX], size_t *i)
{
    const struct schema_resource *r;

    for (; (r = schema_at(*i)) != NULL; (*i)++) {
        if (!openapi_starts_group_version(*i))
            continue;
        openapi_group_version_path(ret, OPENAPI_PATH_MAX, r->group, r->version);
        (*i)++;
        return true;
    }
    return false;
}

void openapi_v3_index(struct text *ret)
{
    char path[OPENAPI_PATH_MAX], hash[BITS_SHA256_HEX];
    const char *comma = "";

    text_puts(ret, "{\"paths\":{");
    for (size_t i = 0; openapi_v3_next(path, &i); comma = ",") {
        openapi_hash(hash, path, i - 1);
        text_fmt(ret, "%s\"%s\":{\"serverRelativeURL\":\"/openapi/v3/%s?hash=%s\"}", comma, path,
                 path, hash);
    }
    text_puts(ret, "}}\n");
}

bool openapi_v3_hash(char ret[BITS_SHA256_HEX], const char *path)
{
    char own[OPENAPI_PATH_MAX];

    for (size_t i = 0; openapi_v3_next(own, &i);) {
        if (strcmp(own, path) != 0)
            continue;
        openapi_hash(ret, path, i - 1);
        return true;
    }
    return false;
}

void openapi_v2_hash(char ret[BITS_SHA256_HEX])
{
    cleanup(text_fini) struct text all = TEXT_EMPTY;

    openapi_v3_index(&all);
    bits_sha256_hex(ret, all.data, all.len);
}

static void openapi_put_document(struct text *ret, const char *group, const char *version,
                                 const char *base)
{
    struct openapi_writer w = { .ret = ret, .base = base, .comma = "" };
    const struct schema_resource *r;

    openapi_schemas_init(&w.schemas, group, version);
    text_puts(ret, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":"
                   "\"v1.32.0\"},\"paths\":{");
    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        if (strcmp(r->group, group) == 0 && strcmp(r->version, version) == 0)
            openapi_put_resource(&w, r);
    }
    text_puts(ret, "},\"components\":{\"schemas\":{");
    openapi_schemas_put(&w.schemas, ret);
    text_puts(ret, "}}}\n");
    openapi_schemas_fini(&w.schemas);
}

bool openapi_v3_document(struct text *ret, const char *path)
{
    const struct schema_resource *r;
    char own[256], base[260];

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        openapi_group_version_path(own, sizeof(own), r->group, r->version);
        if (strcmp(own, path) != 0)
            continue;
        snprintf(base, sizeof(base), "/%s", own);
        openapi_put_document(ret, r->group, r->version, base);
        return true;
    }
    return false;
}
