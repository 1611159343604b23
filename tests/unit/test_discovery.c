/* layer: api */
#include "api/openapi.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

static json_t *parsed(struct text *t)
{
    json_t *tree = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(json_parse(&tree, t->data, t->len, NULL, &err), 0);
    text_fini(t);
    return tree;
}

static json_t *legacy(const char *path)
{
    struct text t = TEXT_EMPTY;

    CHECK(discovery_legacy(&t, path, "10.0.0.1:6443"));
    return parsed(&t);
}

static json_t *aggregated(const char *path)
{
    struct text t = TEXT_EMPTY;

    CHECK(discovery_aggregated(&t, path, "v2"));
    return parsed(&t);
}

static void check_print(const json_t *tree, const char *want)
{
    cleanup(freep) char *have = json_print(tree, NULL);

    CHECK_STR(have, want);
}

TEST(discovery, tells_the_core_versions)
{
    cleanup(json_decrefpp) json_t *tree = legacy("api");

    check_print(tree, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],"
                      "\"serverAddressByClientCIDRs\":[{\"clientCIDR\":\"0.0.0.0/0\","
                      "\"serverAddress\":\"10.0.0.1:6443\"}]}");
}

TEST(discovery, prefers_the_newer_version_of_a_group)
{
    cleanup(json_decrefpp) json_t *tree = legacy("apis/autoscaling");

    check_print(tree, "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"autoscaling\","
                      "\"versions\":[{\"groupVersion\":\"autoscaling/v2\",\"version\":\"v2\"},{"
                      "\"groupVersion\":\"autoscaling/v1\",\"version\":\"v1\"}],"
                      "\"preferredVersion\":{\"groupVersion\":\"autoscaling/v2\",\"version\":"
                      "\"v2\"}}");
}

TEST(discovery, every_group_serves_its_versions)
{
    cleanup(json_decrefpp) json_t *groups = legacy("apis");
    size_t i, j;
    json_t *group, *version;

    CHECK(json_array_size(json_at(groups, "groups")) >= 15);
    json_array_foreach (json_at(groups, "groups"), i, group) {
        CHECK(json_str(group, "name")[0] != '\0');
        CHECK(json_find(json_at(group, "versions"), "groupVersion",
                        json_str(group, "preferredVersion.groupVersion")) != NULL);
        json_array_foreach (json_at(group, "versions"), j, version) {
            const char *gv = json_str(version, "groupVersion");
            cleanup(freep) char *path = mem_fmt("apis/%s", gv);
            cleanup(json_decrefpp) json_t *list = legacy(path);

            CHECK_STR(json_str(list, "groupVersion"), gv);
            CHECK(json_array_size(json_at(list, "resources")) > 0);
        }
    }
}

TEST(discovery, lists_resources_with_their_subresources)
{
    cleanup(json_decrefpp) json_t *tree = legacy("api/v1");
    json_t *resources = json_at(tree, "resources");

    check_print(json_find(resources, "name", "pods/eviction"),
                "{\"name\":\"pods/eviction\",\"singularName\":\"\",\"namespaced\":true,\"group\":"
                "\"policy\",\"version\":\"v1\",\"kind\":\"Eviction\",\"verbs\":[\"create\"]}");
    check_print(json_find(resources, "name", "serviceaccounts/token"),
                "{\"name\":\"serviceaccounts/token\",\"singularName\":\"\",\"namespaced\":true,"
                "\"group\":\"authentication.k8s.io\",\"version\":\"v1\",\"kind\":\"TokenRequest\","
                "\"verbs\":[\"create\"]}");
    check_print(json_find(resources, "name", "pods/status"),
                "{\"name\":\"pods/status\",\"singularName\":\"\",\"namespaced\":true,\"kind\":"
                "\"Pod\",\"verbs\":[\"get\",\"patch\",\"update\"]}");
    check_print(json_find(resources, "name", "pods"),
                "{\"name\":\"pods\",\"singularName\":\"pod\",\"namespaced\":true,\"kind\":\"Pod\","
                "\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\","
                "\"update\",\"watch\"],\"shortNames\":[\"po\"],\"categories\":[\"all\"]}");
}

TEST(discovery, aggregates_all_groups_in_one_document)
{
    cleanup(json_decrefpp) json_t *tree = aggregated("apis");
    json_t *apps = NULL, *item, *deployments;
    size_t i;

    CHECK_STR(json_str(tree, "kind"), "APIGroupDiscoveryList");
    CHECK_STR(json_str(tree, "apiVersion"), "apidiscovery.k8s.io/v2");
    json_array_foreach (json_at(tree, "items"), i, item) {
        CHECK(json_str(item, "metadata.name") != NULL);
        if (str_eq(json_str(item, "metadata.name"), "apps"))
            apps = json_array_get(json_at(item, "versions"), 0);
    }
    CHECK_STR(json_str(apps, "freshness"), "Current");
    deployments = json_find(json_at(apps, "resources"), "resource", "deployments");
    check_print(
        deployments,
        "{\"resource\":\"deployments\",\"responseKind\":{\"group\":\"apps\",\"version\":"
        "\"v1\",\"kind\":\"Deployment\"},\"scope\":\"Namespaced\",\"singularResource\":"
        "\"deployment\",\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\","
        "\"list\",\"patch\",\"update\",\"watch\"],\"shortNames\":[\"deploy\"],"
        "\"categories\":[\"all\"],\"subresources\":[{\"subresource\":\"scale\","
        "\"responseKind\":{\"group\":\"autoscaling\",\"version\":\"v1\",\"kind\":\"Scale\"},"
        "\"verbs\":[\"get\",\"patch\",\"update\"]},{\"subresource\":\"status\","
        "\"responseKind\":{\"group\":\"apps\",\"version\":\"v1\",\"kind\":\"Deployment\"},"
        "\"verbs\":[\"get\",\"patch\",\"update\"]}]}");
}

TEST(discovery, aggregates_core_alone)
{
    cleanup(json_decrefpp) json_t *tree = aggregated("api");

    CHECK_INT(json_array_size(json_at(tree, "items")), 1);
    CHECK(json_at(json_array_get(json_at(tree, "items"), 0), "metadata.name") == NULL);
}

TEST(discovery, refuses_unknown_paths)
{
    struct text t = TEXT_EMPTY;

    CHECK(!discovery_legacy(&t, "apis/nothing", ""));
    CHECK(!discovery_legacy(&t, "apis/apps/v9", ""));
    CHECK(!discovery_legacy(&t, "apis//v1", ""));
    CHECK(!discovery_legacy(&t, "api/v2", ""));
    CHECK(!discovery_legacy(&t, "other", ""));
    CHECK(!discovery_aggregated(&t, "apis/apps", "v2"));
    text_fini(&t);
}
