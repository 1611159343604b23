/* layer: api */
#include "api/address_range.h"
#include "tests/unit/server_fixture.h"

#define GROUPS "/apis/elbv2.k8s.aws/v1beta1/namespaces/default/targetgroupbindings"
#define POOLS  "/apis/metallb.io/v1beta1/namespaces/default/ipaddresspools"
#define NEW    "/apis/external-secrets.io/v1/namespaces/default/"
#define OLD    "/apis/external-secrets.io/v1beta1/namespaces/default/"

#define BINDING \
    "{'metadata':{'name':'g'},'spec':{'serviceRef':{'name':'s','port':80},'targetGroupARN':'a'}}"
#define SECRET                                                                       \
    "{'metadata':{'name':'e'},'spec':{'secretStoreRef':{'name':'s','kind':'Later'}," \
    "'data':[{'secretKey':'k','remoteRef':{'key':'r','later':{'x':[1,null]}}}],"     \
    "'target':{'later':true}}}"

static long long size(const char *text)
{
    struct address_range r;
    struct err err = ERR_EMPTY;

    return address_range_parse(&r, text, &err) < 0 ? -1 : (long long)r.last - r.first + 1;
}

TEST(foreign, ranges_of_addresses)
{
    struct address_range r;
    struct err err = ERR_EMPTY;
    char text[ADDRESS_TEXT_MAX];

    CHECK_INT(size("192.168.0.100-192.168.0.110"), 11);
    CHECK_INT(size("192.168.0.100 - 192.168.0.100"), 1);
    CHECK_INT(size("10.1.2.3/24"), 256);
    CHECK_INT(size("10.1.2.3/32"), 1);
    CHECK_INT(size("0.0.0.0/0"), 4294967296);
    CHECK_INT(address_range_parse(&r, "10.1.2.3/28", &err), 0);
    address_print(text, r.first);
    CHECK_STR(text, "10.1.2.0");
    CHECK_INT(size("10.0.0.2-10.0.0.1"), -1);
    CHECK_INT(size("10.0.0.0/33"), -1);
    CHECK_INT(size("10.0.0.0/"), -1);
    CHECK_INT(size("10.0.0.1"), -1);
    CHECK_INT(size("-"), -1);
    CHECK_INT(size(""), -1);
    CHECK_INT(size("1111111111111111111111.0.0.0/8"), -1);
    CHECK(address_range_parse(&r, "fc00::/7", &err) < 0);
    CHECK_STR(err.text, "\"fc00::/7\": only IPv4 addresses are served");
}

TEST(foreign, two_versions_are_one_object_and_keep_what_they_do_not_know)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(OLD "externalsecrets?fieldValidation=Strict", SECRET), 422);
    CHECK_INT(POST(OLD "externalsecrets?fieldValidation=Strict",
                   "{'metadata':{'name':'e'},'spec':{'secretStoreRef':{'name':'s'},"
                   "'data':[{'secretKey':'k','remoteRef':{'key':'r','later':{'x':[1]}}}],"
                   "'target':{'later':true}}}"),
              201);
    SAW_AT("apiVersion", "'external-secrets.io/v1beta1'");
    CHECK_INT(HTTP("GET", NEW "externalsecrets/e"), 200);
    SAW_AT("apiVersion", "'external-secrets.io/v1'");
    SAW_AT("spec.data.0.remoteRef.later.x.0", "1");
    SAW_AT("spec.data.0.remoteRef.conversionStrategy", "'Default'");
    SAW_AT("spec.target.later", "true");
    SAW_AT("spec.target.creationPolicy", "'Owner'");
    SAW_AT("spec.refreshInterval", "'1h'");
    SAW_AT("metadata.generation", "1");
    server_fixture_down(&f);
}

TEST(foreign, custom_kinds_have_no_strategic_patch)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(GROUPS, BINDING), 201);
    CHECK_INT(REQUEST(.method = "PATCH", .path = GROUPS "/g",
                      .type = "application/strategic-merge-patch+json", .body = "{}"),
              415);
    SAW_AT("message", "'the body of the request was in an unknown format - accepted media types "
                      "include: application/json-patch+json, application/merge-patch+json, "
                      "application/apply-patch+yaml'");
    CHECK_INT(REQUEST(.method = "PATCH", .path = GROUPS "/g/status",
                      .type = "application/strategic-merge-patch+json", .body = "{}"),
              415);
    CHECK_INT(REQUEST(.method = "PATCH", .path = GROUPS "/g",
                      .type = "application/merge-patch+json",
                      .body = "{'spec':{'serviceRef':{'port':81}}}"),
              200);
    SAW_AT("spec.serviceRef.port", "81");
    SAW_AT("metadata.generation", "2");
    CHECK_INT(REQUEST(.method = "POST", .path = GROUPS,
                      .type = "application/vnd.kubernetes.protobuf", .body = "k8s"),
              415);
    server_fixture_down(&f);
}

/* As an API server with their CustomResourceDefinitions would say it. */
TEST(foreign, wrong_types_are_invalid_as_those_of_custom_resources)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(POOLS, "{'metadata':{'name':'p'},'spec':{'addresses':'x'}}"), 422);
    SAW_AT("message",
           "'IPAddressPool.metallb.io \\'p\\' is invalid: spec.addresses: Invalid value: "
           "\\'string\\': spec.addresses in body must be of type array: \\'string\\''");
    CHECK_INT(POST(GROUPS, "{'metadata':{'name':'g'},'spec':{'targetGroupARN':7,'serviceRef':[]}}"),
              422);
    SAW_AT("details.causes.0.field", "'spec.targetGroupARN'");
    SAW_AT("details.causes.1.field", "'spec.serviceRef'");
    CHECK_INT(POST(NEW "secretstores", "{'metadata':{'name':'s'},'spec':7}"), 422);
    CHECK_INT(POST(NEW "secretstores", "{'metadata':7}"), 400);
    server_fixture_down(&f);
}

TEST(foreign, what_their_webhooks_refuse)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(GROUPS, "{'metadata':{'name':'g'},'spec':{'targetType':'lambda'}}"), 422);
    SAW_AT("message",
           "'TargetGroupBinding.elbv2.k8s.aws \\'g\\' is invalid: [spec.serviceRef.name: Required "
           "value, spec.targetType: Unsupported value: \\'lambda\\': supported values: "
           "\\'instance\\', \\'ip\\', spec.serviceRef.port: Required value, "
           "spec.targetGroupARN: Required value: TargetGroupBinding must specify either "
           "targetGroupARN or targetGroupName]'");
    CHECK_INT(POST(GROUPS, BINDING), 201);
    CHECK_INT(REQUEST(.method = "PATCH", .path = GROUPS "/g",
                      .type = "application/merge-patch+json",
                      .body = "{'spec':{'targetGroupARN':'b'}}"),
              422);
    CHECK_INT(POST(POOLS, "{'metadata':{'name':'p'},'spec':{'addresses':['10.0.0.0/40']}}"), 422);
    CHECK_INT(POST(POOLS, "{'metadata':{'name':'p'},'spec':{}}"), 422);
    CHECK_INT(POST(POOLS, "{'metadata':{'name':'p'},'spec':{'addresses':['10.0.0.0/30']}}"), 201);
    SAW_AT("spec.autoAssign", "true");
    SAW_AT("spec.avoidBuggyIPs", "false");
    CHECK_INT(POST(NEW "secretstores", "{'metadata':{'name':'s'},'spec':{'provider':{}}}"), 422);
    CHECK_INT(POST(NEW "secretstores",
                   "{'metadata':{'name':'s'},'spec':{'provider':{'vault':{'server':'x'}}}}"),
              201);
    SAW_AT("spec.provider.vault.server", "'x'");
    server_fixture_down(&f);
}
