/* layer: api */
#include "tests/unit/server_fixture.h"

#define AUTHZ "/apis/authorization.k8s.io/v1/"
#define AUTHN "/apis/authentication.k8s.io/v1/"

static void give_bob_pods(struct server_fixture *f)
{
    CHECK_INT(
        registry_fixture_ask(
            &f->base, (struct ask){ .bucket = "roles.rbac.authorization.k8s.io",
                                    .body = "{'metadata':{'name':'r'},'rules':[{'verbs':['get'],"
                                            "'apiGroups':[''],'resources':['pods']}]}" }),
        201);
    CHECK_INT(
        registry_fixture_ask(
            &f->base, (struct ask){ .bucket = "rolebindings.rbac.authorization.k8s.io",
                                    .body = "{'metadata':{'name':'r'},'subjects':[{'kind':'User',"
                                            "'name':'bob','apiGroup':'rbac.authorization.k8s.io'}],"
                                            "'roleRef':{'kind':'Role','name':'r','apiGroup':"
                                            "'rbac.authorization.k8s.io'}}" }),
        201);
}

TEST(server_review, tells_what_i_may)
{
    struct server_fixture f = { 0 };
    struct http_client *bob;
    static const struct {
        const char *attributes, *why; /* NULL: no */
    } rows[] = {
        { "'resourceAttributes':{'verb':'get','resource':'pods','namespace':'default'}",
          "RBAC: allowed by RoleBinding \"r/default\" of Role \"r\" to User \"bob\"" },
        { "'resourceAttributes':{'verb':'list','resource':'pods','namespace':'default'}", NULL },
        { "'resourceAttributes':{'verb':'get','resource':'pods','namespace':'other'}", NULL },
        { "'resourceAttributes':{'verb':'get','resource':'pods'}", NULL },
        { "'resourceAttributes':{'verb':'get','resource':'pods','subresource':'log',"
          "'namespace':'default'}",
          NULL },
        { "'nonResourceAttributes':{'verb':'get','path':'/healthz'}", "" },
        { "'nonResourceAttributes':{'verb':'get','path':'/metrics'}", NULL },
    };

    server_fixture_up(&f);
    give_bob_pods(&f);
    bob = server_fixture_client(&f, "bob", "people");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *body = mem_fmt("{'spec':{%s}}", rows[i].attributes);

        CHECK_INT(REQUEST(.method = "POST", .path = AUTHZ "selfsubjectaccessreviews", .body = body,
                          .client = bob),
                  201);
        SAW_AT("kind", "'SelfSubjectAccessReview'");
        SAW_AT("status.allowed", rows[i].why != NULL ? "true" : "false");
        CHECK_STR(json_str_or(f.base.body, "status.reason", ""),
                  rows[i].why != NULL ? rows[i].why : "");
    }
    CHECK_INT(REQUEST(.method = "POST", .path = AUTHZ "selfsubjectaccessreviews",
                      .body = "{'spec':{}}", .client = bob),
              422);
    CHECK_INT(REQUEST(.method = "POST", .path = AUTHZ "selfsubjectaccessreviews",
                      .body = "{'spec':{'resourceAttributes':5}}", .client = bob),
              400);
    CHECK_INT(REQUEST(.method = "POST", .path = AUTHZ "selfsubjectaccessreviews", .client = bob),
              400);
    CHECK_INT(REQUEST(.method = "POST", .path = AUTHZ "selfsubjectaccessreviews", .raw = "{}",
                      .client = f.nobody),
              401);
    CHECK_INT(HTTP("GET", AUTHZ "selfsubjectaccessreviews"), 405);
    http_client_close(bob);
    server_fixture_down(&f);
}

TEST(server_review, tells_admins_what_others_may)
{
    struct server_fixture f = { 0 };
    struct http_client *bob;
#define GET_PODS(ns) "'resourceAttributes':{'verb':'get','resource':'pods','namespace':'" ns "'}"

    server_fixture_up(&f);
    give_bob_pods(&f);
    bob = server_fixture_client(&f, "bob", "people");
    CHECK_INT(POST(AUTHZ "subjectaccessreviews", "{'spec':{'user':'bob'," GET_PODS("default") "}}"),
              201);
    SAW_AT("status.allowed", "true");
    CHECK_INT(POST(AUTHZ "subjectaccessreviews", "{'spec':{'user':'eve'," GET_PODS("default") "}}"),
              201);
    SAW_AT("status.allowed", "false");
    CHECK_INT(POST(AUTHZ "subjectaccessreviews",
                   "{'spec':{'user':'eve','groups':['system:masters']," GET_PODS("default") "}}"),
              201);
    SAW_AT("status.allowed", "true");
    CHECK_INT(POST(AUTHZ "subjectaccessreviews", "{'spec':{" GET_PODS("default") "}}"), 422);
    CHECK_INT(POST(AUTHZ "namespaces/default/localsubjectaccessreviews",
                   "{'spec':{'user':'bob'," GET_PODS("default") "}}"),
              201);
    SAW_AT("status.allowed", "true");
    CHECK_INT(POST(AUTHZ "namespaces/default/localsubjectaccessreviews",
                   "{'spec':{'user':'bob'," GET_PODS("other") "}}"),
              422);
    CHECK_INT(REQUEST(.method = "POST", .path = AUTHZ "subjectaccessreviews", .client = bob,
                      .body = "{'spec':{'user':'eve'," GET_PODS("default") "}}"),
              403);
    http_client_close(bob);
    server_fixture_down(&f);
}

/* What charts bind is there, and means what it says. */
TEST(server_review, the_usual_roles_are_there)
{
    struct server_fixture f = { 0 };
    static const struct {
        const char *role, *verb, *group, *resource, *sub;
        bool allowed;
    } rows[] = {
        { "view", "list", "apps", "deployments", "", true },
        { "view", "get", "", "pods", "log", true },
        { "view", "get", "", "secrets", "", false },
        { "view", "create", "", "pods", "", false },
        { "edit", "create", "", "pods", "exec", true },
        { "edit", "patch", "apps", "deployments", "scale", true },
        { "edit", "create", "rbac.authorization.k8s.io", "roles", "", false },
        { "edit", "update", "", "resourcequotas", "", false },
        { "admin", "create", "rbac.authorization.k8s.io", "roles", "", true },
        { "admin", "delete", "", "nodes", "", false },
        { "cluster-admin", "delete", "zebra.io", "zebras", "", true },
    };

    server_fixture_up(&f);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *binding = mem_fmt(
            "{'metadata':{'name':'b%zu'},'subjects':[{'kind':'User','name':'u%zu',"
            "'apiGroup':'rbac.authorization.k8s.io'}],'roleRef':{'kind':'ClusterRole',"
            "'name':'%s','apiGroup':'rbac.authorization.k8s.io'}}",
            i, i, rows[i].role);
        cleanup(freep) char *body = mem_fmt(
            "{'spec':{'user':'u%zu','resourceAttributes':{'verb':'%s','group':'%s',"
            "'resource':'%s','subresource':'%s','namespace':'default'}}}",
            i, rows[i].verb, rows[i].group, rows[i].resource, rows[i].sub);

        CREATED(.bucket = "rolebindings.rbac.authorization.k8s.io", .body = binding);
        CHECK_INT(POST(AUTHZ "subjectaccessreviews", body), 201);
        CHECK_INT(json_bool(f.base.body, "status.allowed", !rows[i].allowed), rows[i].allowed);
    }
    server_fixture_down(&f);
}

TEST(server_review, lists_my_rules)
{
    struct server_fixture f = { 0 };
    struct http_client *bob;

    server_fixture_up(&f);
    give_bob_pods(&f);
    bob = server_fixture_client(&f, "bob", "people");
    CHECK_INT(REQUEST(.method = "POST", .path = AUTHZ "selfsubjectrulesreviews", .client = bob,
                      .body = "{'spec':{'namespace':'default'}}"),
              201);
    SAW_AT("status.incomplete", "false");
    SAW_AT("status.resourceRules.2", "{'apiGroups':[''],'resources':['pods'],'verbs':['get']}");
    CHECK_INT(REQUEST(.method = "POST", .path = AUTHZ "selfsubjectrulesreviews", .client = bob,
                      .body = "{'spec':{'namespace':'other'}}"),
              201);
    SAW_AT("status.resourceRules.2", "");
    CHECK_INT(POST(AUTHZ "selfsubjectrulesreviews", "{'spec':{'namespace':'other'}}"), 201);
    SAW_AT("status.resourceRules.0", "{'apiGroups':['*'],'resources':['*'],'verbs':['*']}");
    http_client_close(bob);
    server_fixture_down(&f);
}

TEST(server_review, tells_by_which_binding)
{
    struct server_fixture f = { 0 };
    static const char *const ask = AUTHZ "subjectaccessreviews";

    server_fixture_up(&f);
    CHECK_INT(POST(ask, "{'spec':{'user':'x','groups':['system:authenticated'],"
                        "'nonResourceAttributes':{'verb':'get','path':'/api'}}}"),
              201);
    SAW_AT("status.allowed", "true");
    CHECK_STR(json_str(f.base.body, "status.reason"),
              "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole "
              "\"system:discovery\" to Group \"system:authenticated\"");
    CHECK_INT(POST(ask, "{'spec':{'user':'system:serviceaccount:kube-system:cronjob-controller',"
                        "'resourceAttributes':{'verb':'create','group':'batch','resource':'jobs',"
                        "'namespace':'default'}}}"),
              201);
    CHECK_STR(json_str(f.base.body, "status.reason"),
              "RBAC: allowed by ClusterRoleBinding \"system:controller:cronjob-controller\" of "
              "ClusterRole \"system:controller:cronjob-controller\" to ServiceAccount "
              "\"cronjob-controller/kube-system\"");
    CHECK_INT(POST(ask, "{'spec':{'user':'ann','groups':['system:masters'],"
                        "'nonResourceAttributes':{'verb':'get','path':'/api'}}}"),
              201);
    SAW_AT("status", "{'allowed':true}");
    server_fixture_down(&f);
}

TEST(server_review, tells_who_i_am)
{
    struct server_fixture f = { 0 };
    const char *id;

    server_fixture_up(&f);
    CHECK_INT(POST(AUTHN "selfsubjectreviews", "{}"), 201);
    SAW_AT("status.userInfo.username", "'ann'");
    SAW_AT("status.userInfo.groups", "['system:masters','system:authenticated']");
    id = json_string_value(
        json_array_get(json_object_get(json_at(f.base.body, "status.userInfo.extra"),
                                       "authentication.kubernetes.io/credential-id"),
                       0));
    CHECK(str_starts(id, "X509SHA256=") && strlen(id) == strlen("X509SHA256=") + 64);
    CHECK_INT(REQUEST(.method = "POST", .path = AUTHN "selfsubjectreviews", .body = "{}",
                      .header = "Impersonate-User: eve",
                      .also = "Impersonate-Extra-Acme.com%2FScopes: all, of them"),
              201);
    SAW_AT("status.userInfo",
           "{'extra':{'acme.com/scopes':['all, of them']},'groups':['system:authenticated'],"
           "'username':'eve'}");
    server_fixture_down(&f);
}

TEST(server_review, tells_whose_a_token_is)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *own = NULL;
    cleanup(freep) char *foreign = NULL;
    cleanup(freep) char *asked = NULL;
#define TOKENS "/api/v1/namespaces/default/serviceaccounts/default/token"

    server_fixture_up(&f);
    CHECK_INT(POST(TOKENS, "{'spec':{}}"), 201);
    own = mem_fmt("{'spec':{'token':'%s'}}", json_str(f.base.body, "status.token"));
    CHECK_INT(POST(TOKENS, "{'spec':{'audiences':['vault','other']}}"), 201);
    foreign = mem_fmt("{'spec':{'token':'%s'}}", json_str(f.base.body, "status.token"));
    asked = mem_fmt("{'spec':{'token':'%s','audiences':['x','vault']}}",
                    json_str(f.base.body, "status.token"));
    CHECK_INT(POST(AUTHN "tokenreviews", own), 201);
    SAW_AT("status.authenticated", "true");
    SAW_AT("status.user.username", "'system:serviceaccount:default:default'");
    SAW_AT("status.audiences", "['https://kubernetes.default.svc.cluster.local']");
    SAW_AT("spec.token", "");
    CHECK_INT(POST(AUTHN "tokenreviews", foreign), 201);
    SAW_AT("status.authenticated", "");
    SAW_AT("status.error", "'the token is meant for another audience'");
    CHECK_INT(POST(AUTHN "tokenreviews", asked), 201);
    SAW_AT("status.authenticated", "true");
    SAW_AT("status.audiences", "['vault']");
    CHECK_INT(POST(AUTHN "tokenreviews", "{'spec':{'token':'x.y.z'}}"), 201);
    SAW_AT("status.authenticated", "");
    server_fixture_down(&f);
}
