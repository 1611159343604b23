/* layer: api */
#include "api/openapi.h"
#include "api/openapi_schemas.h"
#include "api/openapi_v2.h"
#include "api/protobuf.h"
#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

static json_t *document(const char *path)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    json_t *tree = NULL;
    struct err err = ERR_EMPTY;

    CHECK(openapi_v3_document(&t, path));
    CHECK_INT(json_parse(&tree, t.data, t.len, NULL, &err), 0);
    return tree;
}

static json_t *member(json_t *tree, const char *one, const char *two)
{
    json_t *found = json_object_get(json_object_get(tree, one), two);

    CHECK(found != NULL);
    return found;
}

TEST(openapi, index_names_every_group_version_once)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL, *dups = json_array();
    struct err err = ERR_EMPTY;
    const char *url;

    openapi_v3_index(&t);
    CHECK(json_parse(&tree, t.data, t.len, dups, &err) == 0);
    CHECK_INT(json_array_size(dups), 0);
    url = json_str(member(tree, "paths", "apis/apps/v1"), "serverRelativeURL");
    CHECK(str_starts(url, "/openapi/v3/apis/apps/v1?hash="));
    member(tree, "paths", "api/v1");
    member(tree, "paths", "apis/autoscaling/v2");
    CHECK(!openapi_v3_document(&t, "apis/apps/v9"));
    CHECK(!openapi_v3_document(&t, ""));
}

/* What kubectl looks for before it sends anything. */
TEST(openapi, patch_of_every_kind_takes_field_validation)
{
    cleanup(json_decrefpp) json_t *tree = document("apis/apps/v1");
    json_t *path = member(tree, "paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    json_t *patch = json_object_get(path, "patch"), *parameters, *gvk;

    CHECK(patch != NULL);
    parameters = json_object_get(patch, "parameters");
    CHECK(json_find(parameters, "name", "fieldValidation") != NULL);
    CHECK(json_find(parameters, "name", "dryRun") != NULL);
    CHECK(json_find(parameters, "name", "fieldManager") != NULL);
    gvk = json_object_get(patch, "x-kubernetes-group-version-kind");
    CHECK_STR(json_str(gvk, "group"), "apps");
    CHECK_STR(json_str(gvk, "version"), "v1");
    CHECK_STR(json_str(gvk, "kind"), "Deployment");
    member(tree, "paths", "/apis/apps/v1/deployments");
    member(tree, "paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale");
}

TEST(openapi, schemas_carry_kinds_and_merge_rules)
{
    cleanup(json_decrefpp) json_t *tree = document("api/v1");
    json_t *schemas = json_at(tree, "components.schemas");
    json_t *pod = json_object_get(schemas, "io.k8s.api.core.v1.Pod");
    json_t *spec = json_object_get(schemas, "io.k8s.api.core.v1.PodSpec");
    json_t *containers = json_at(spec, "properties.containers");

    CHECK_STR(json_str(json_array_get(json_at(pod, "x-kubernetes-group-version-kind"), 0), "kind"),
              "Pod");
    CHECK_STR(json_str(containers, "x-kubernetes-list-type"), "map");
    CHECK_STR(json_str(containers, "x-kubernetes-patch-strategy"), "merge");
    CHECK_STR(json_str(containers, "x-kubernetes-patch-merge-key"), "name");
    CHECK_STR(json_str(json_at(spec, "properties.restartPolicy"), "default"), "Always");
    CHECK_STR(json_str(spec, "properties.priority.format"), "int32");
    CHECK_STR(json_string_value(json_array_get(json_at(spec, "required"), 0)), "containers");
}

static void check_refs_to(const json_t *tree, const json_t *schemas, const char *prefix)
{
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach (tree, i, value)
        check_refs_to(value, schemas, prefix);
    json_object_foreach ((json_t *)(uintptr_t)tree, key, value) {
        if (str_eq(key, "$ref") && json_is_string(value)) {
            CHECK(str_starts(json_string_value(value), prefix));
            CHECK(json_object_get(schemas, json_string_value(value) + strlen(prefix)) != NULL);
        }
        check_refs_to(value, schemas, prefix);
    }
}

TEST(openapi, documents_refer_only_to_what_they_hold)
{
    const struct schema_resource *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        cleanup(freep) char *path = r->group[0] != '\0'
                                        ? mem_fmt("apis/%s/%s", r->group, r->version)
                                        : mem_fmt("api/%s", r->version);
        cleanup(json_decrefpp) json_t *tree = document(path);

        check_refs_to(tree, json_at(tree, "components.schemas"), "#/components/schemas/");
    }
}

TEST(openapi, names_types_as_kubernetes_does)
{
    static const struct {
        const char *type, *name;
    } cases[] = {
        { "core/v1.Pod", "io.k8s.api.core.v1.Pod" },
        { "meta/v1.ObjectMeta", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" },
        { "apiextensions/v1.CustomResourceDefinition",
          "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition" },
        { "apiregistration/v1.APIService",
          "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        openapi_name(&t, schema_type(cases[i].type));
        CHECK_STR(text_str(&t), cases[i].name);
    }
}

/* Fields of a message by number; the last of each. */
struct message {
    struct protobuf_field fields[32];
    int counts[32];
};

static struct message message_of(struct protobuf_reader r)
{
    struct message ret = { .counts = { 0 } };
    struct protobuf_field f;
    struct err err = ERR_EMPTY;

    while (protobuf_next(&r, &f, &err) > 0) {
        CHECK(f.id < 32);
        ret.fields[f.id] = f;
        ret.counts[f.id]++;
    }
    CHECK_INT(err.code, 0);
    return ret;
}

static bool bytes_are(struct protobuf_reader r, const char *text)
{
    return protobuf_left(&r) == strlen(text) && memcmp(r.at, text, strlen(text)) == 0;
}

/* The value of the entry called @name among those with number @field. */
static struct message named(struct protobuf_reader r, unsigned field, const char *name)
{
    struct protobuf_field f;
    struct err err = ERR_EMPTY;

    while (protobuf_next(&r, &f, &err) > 0) {
        struct message entry = message_of(f.bytes);

        if (f.id == field && bytes_are(entry.fields[1].bytes, name))
            return message_of(entry.fields[2].bytes);
    }
    fail_msg("no %s", name);
    return (struct message){ .counts = { 0 } };
}

static json_t *second_version(void)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    json_t *tree = NULL;
    struct err err = ERR_EMPTY;

    openapi_v2_document(&t, false);
    CHECK_INT(json_parse(&tree, t.data, t.len, NULL, &err), 0);
    return tree;
}

TEST(openapi, second_version_refers_only_to_what_it_holds)
{
    cleanup(json_decrefpp) json_t *tree = second_version();
    json_t *definitions = json_object_get(tree, "definitions");
    cleanup(freep) char *text = json_print(tree, NULL);

    CHECK_STR(json_str(tree, "swagger"), "2.0");
    check_refs_to(tree, definitions, "#/definitions/");
    CHECK(strstr(text, "components/schemas") == NULL);
    CHECK(strstr(text, "\"requestBody\"") == NULL);
    CHECK_STR(
        json_str(json_object_get(definitions, "io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
                 "type"),
        "string");
}

TEST(openapi, second_version_has_the_operations_of_each_path)
{
    cleanup(json_decrefpp) json_t *tree = second_version();
    json_t *item = member(tree, "paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    json_t *patch = json_object_get(item, "patch"),
           *body = json_array_get(json_at(patch, "parameters"), 0);

    CHECK_STR(json_str(body, "in"), "body");
    CHECK_STR(json_str(json_find(json_at(patch, "parameters"), "name", "dryRun"), "type"),
              "string");
    CHECK_STR(json_str(json_find(json_at(item, "parameters"), "name", "namespace"), "in"), "path");
    CHECK_STR(json_str(json_object_get(json_at(item, "get.responses"), "200"), "schema.$ref"),
              "#/definitions/io.k8s.api.apps.v1.Deployment");
    CHECK_INT(json_array_size(json_at(patch, "consumes")), 3);
}

TEST(openapi, second_version_is_the_same_in_protobuf)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct message document, patch, spec, strategy;

    openapi_v2_document(&t, true);
    document = message_of(protobuf_read(t.data, t.len));
    CHECK(bytes_are(document.fields[1].bytes, "2.0"));
    patch = message_of(named(document.fields[8].bytes, 2,
                             "/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
                           .fields[8]
                           .bytes);
    CHECK(patch.counts[8] > 2);     /* parameters */
    CHECK_INT(patch.counts[13], 2); /* action, kind */
    spec = named(document.fields[9].bytes, 1, "io.k8s.api.apps.v1.DeploymentSpec");
    CHECK_INT(spec.counts[19], 2); /* required */
    strategy = named(spec.fields[25].bytes, 1, "strategy");
    CHECK(
        bytes_are(strategy.fields[1].bytes, "#/definitions/io.k8s.api.apps.v1.DeploymentStrategy"));
    CHECK_INT(strategy.counts[31], 1); /* x-kubernetes-patch-strategy */
}

/* What a definition says beyond v2 is left open, not refused by old clients. */
TEST(openapi, second_version_leaves_open_what_it_has_no_words_for)
{
    static const struct {
        const char *v3, *v2;
    } rows[] = {
        { "{'type':'string','nullable':true}", "{}" },
        { "{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},{'type':'string'}]}",
          "{'x-kubernetes-int-or-string':true}" },
        { "{'type':'object','properties':{'a':{'type':'string','default':'x'}}}",
          "{'type':'object','properties':{'a':{'type':'string'}}}" },
        { "{'type':'object','properties':{'a':{}},'x-kubernetes-preserve-unknown-fields':true}",
          "{'x-kubernetes-preserve-unknown-fields':true}" },
        { "{'type':'object','additionalProperties':{'type':'array','items':{'nullable':true,'type':"
          "'object'}}}",
          "{'type':'object','additionalProperties':{'type':'array','items':{}}}" },
        { "{'allOf':[{'$ref':'#/components/schemas/a.B'}],'description':'d'}",
          "{'description':'d','$ref':'#/definitions/a.B'}" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(json_decrefpp) json_t *tree = json_pack("{s:{s:{s:o}}}", "components", "schemas",
                                                        "x", quoted(rows[i].v3));
        cleanup(json_decrefpp) json_t *want = quoted(rows[i].v2);

        openapi_v2_turn(tree);
        CHECK(json_equal(json_at(tree, "definitions.x"), want));
    }
}

TEST(openapi, hashes_are_those_of_the_index)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    char hash[BITS_SHA256_HEX];

    openapi_v3_index(&t);
    CHECK(openapi_v3_hash(hash, "apis/apps/v1"));
    CHECK(strstr(text_str(&t), hash) != NULL);
    CHECK(!openapi_v3_hash(hash, "apis/apps/v9"));
}
