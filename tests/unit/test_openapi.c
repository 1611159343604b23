/* layer: api */
#include "api/openapi.h"
#include "api/openapi_schemas.h"
#include "api/protobuf.h"
#include "base/mem.h"
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

static void check_refs(const json_t *tree, const json_t *schemas)
{
    static const char prefix[] = "#/components/schemas/";
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach (tree, i, value)
        check_refs(value, schemas);
    json_object_foreach ((json_t *)(uintptr_t)tree, key, value) {
        if (str_eq(key, "$ref") && json_is_string(value)) {
            CHECK(str_starts(json_string_value(value), prefix));
            CHECK(json_object_get(schemas, json_string_value(value) + strlen(prefix)) != NULL);
        }
        check_refs(value, schemas);
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

        check_refs(tree, json_at(tree, "components.schemas"));
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

TEST(openapi, second_version_is_wellformed_protobuf)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct protobuf_reader r, paths = { NULL, NULL };
    struct protobuf_field f;
    struct err err = ERR_EMPTY;
    int n = 0;

    openapi_v2_protobuf(&t);
    r = protobuf_read(t.data, t.len);
    while (protobuf_next(&r, &f, &err) > 0) {
        if (f.id == 8)
            paths = f.bytes;
        n++;
    }
    CHECK_INT(n, 4);
    CHECK_INT(err.code, 0);
    CHECK(protobuf_left(&paths) > 0);
    while (protobuf_next(&paths, &f, &err) > 0)
        CHECK_INT(f.id, 2);
    CHECK_INT(err.code, 0);
}
