/* layer: api */
#include "api/schema.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

TEST(schema, finds_resources_by_every_spelling)
{
    const struct schema_resource *r = schema_resource("apps", "v1", "deployments");

    CHECK(r != NULL);
    CHECK(schema_by_kind("apps", "v1", "Deployment") == r);
    CHECK(schema_by_api_version("apps/v1", "Deployment") == r);
    CHECK(schema_bucket("deployments.apps") == r);
    CHECK(schema_guess("deploy") == r);
    CHECK(schema_guess("deployment") == r);
    CHECK(schema_guess("Deployment") == r);
    CHECK(schema_guess("deployments.apps") == r);
    CHECK(schema_guess("deployments.batch") == NULL);
    CHECK(schema_resource("apps", "v2", "deployments") == NULL);
    CHECK(schema_resource("", "v1", "deployments") == NULL);
    CHECK(schema_by_api_version("v1", "Pod") == schema_resource("", "v1", "pods"));
    CHECK(schema_by_api_version("apps/", "Deployment") == NULL);
}

TEST(schema, two_versions_share_a_bucket_and_one_is_stored)
{
    const struct schema_resource *v1 = schema_resource("autoscaling", "v1",
                                                       "horizontalpodautoscalers");
    const struct schema_resource *v2 = schema_resource("autoscaling", "v2",
                                                       "horizontalpodautoscalers");
    const struct schema_resource *core = schema_resource("", "v1", "events");
    const struct schema_resource *events = schema_resource("events.k8s.io", "v1", "events");

    CHECK_STR(v1->bucket, v2->bucket);
    CHECK(schema_bucket(v1->bucket) == v2);
    CHECK(schema_guess("hpa") == v2);
    CHECK_STR(core->bucket, "events");
    CHECK_STR(events->bucket, "events");
    CHECK(schema_bucket("events") == core);
    CHECK(schema_guess("ev") == core);
}

TEST(schema, resources_are_in_order_and_whole)
{
    const struct schema_resource *before = NULL, *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        CHECK(r->type != NULL && r->verbs != 0);
        CHECK(r->short_names != NULL && r->categories != NULL);
        CHECK(schema_bucket(r->bucket) != NULL);
        CHECK(schema_resource(r->group, r->version, r->plural) == r);
        if (before != NULL) {
            int c = strcmp(before->group, r->group);

            CHECK(c < 0 || (c == 0 && strcmp(before->version, r->version) <= 0));
        }
        before = r;
    }
    CHECK(before != NULL);
}

TEST(schema, tells_fields_and_their_rules)
{
    const struct schema_type *pod = schema_type("core/v1.PodSpec");
    const struct schema_field *containers = schema_field(pod, "containers");
    const struct schema_field *f;

    CHECK(containers != NULL && containers->required && containers->patch_merge);
    CHECK(containers->shape == SCHEMA_LIST && containers->scalar == SCHEMA_STRUCT);
    CHECK(containers->list_type == SCHEMA_LISTMAP);
    CHECK_STR(containers->list_keys[0], "name");
    CHECK_STR(containers->patch_key, "name");
    CHECK(containers->type == schema_type("core/v1.Container"));
    CHECK_STR(schema_type_short(containers->type), "Container");
    CHECK(containers->proto[0] == 2 && containers->proto[1] == 0);
    CHECK(schema_field(pod, "container") == NULL);
    f = schema_field(pod, "restartPolicy");
    CHECK_STR(f->go, "v1.RestartPolicy");
    CHECK(f->enums != NULL && !f->keep_zero);
    f = schema_field(schema_type("apps/v1.DeploymentSpec"), "replicas");
    CHECK(f->scalar == SCHEMA_INT32 && f->keep_zero);
    f = schema_field(schema_type("admissionregistration/v1.NamedRuleWithOperations"), "apiGroups");
    CHECK(f->proto[0] == 2 && f->proto[1] == 2 && f->proto[2] == 1 && f->proto[3] == 0);
}

TEST(schema, subresources_name_the_kind_of_their_body)
{
    const struct schema_resource *pods = schema_resource("", "v1", "pods");
    const struct schema_sub *eviction = schema_sub(pods, "eviction");

    CHECK_STR(eviction->kind, "Eviction");
    CHECK_STR(eviction->group, "policy");
    CHECK(eviction->verbs == SCHEMA_MAY_CREATE);
    CHECK(schema_sub(pods, "scale") == NULL);
}

TEST(schema, knows_kinds_that_are_no_resource)
{
    CHECK(schema_type_by_kind("v1", "DeleteOptions") == schema_type("meta/v1.DeleteOptions"));
    CHECK(schema_type_by_kind("apps/v1", "DeleteOptions") == schema_type("meta/v1.DeleteOptions"));
    CHECK(schema_type_by_kind("autoscaling/v1", "Scale") == schema_type("autoscaling/v1.Scale"));
    CHECK(schema_type_by_kind("policy/v1beta1", "Eviction") == schema_type("policy/v1.Eviction"));
    CHECK(schema_type_by_kind("authentication.k8s.io/v1", "TokenRequest") != NULL);
    CHECK(schema_type_by_kind("v1", "Deployment") == NULL);
}

TEST(schema, writes_api_versions)
{
    char text[64];

    schema_api_version(text, sizeof(text), schema_resource("", "v1", "pods"));
    CHECK_STR(text, "v1");
    schema_api_version(text, sizeof(text), schema_resource("apps", "v1", "deployments"));
    CHECK_STR(text, "apps/v1");
}
