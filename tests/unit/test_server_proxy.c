/* layer: api */
#include "tests/unit/server_fixture.h"

#define PROXY_POD                                                                       \
    "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i','ports':[{" \
    "'containerPort':80}]}]}}"

/* What answers is behind an address that tests have not: tests/conformance/test_prx.py goes on. */
TEST(server_proxy, says_in_kubernetes_words_why_it_cannot)
{
    static struct server_fixture f;

    memset(&f, 0, sizeof(f));
    server_fixture_up(&f);
    CHECK_INT(HTTP("GET", "/api/v1/namespaces/default/pods/p/proxy/"), 404);
    SAW("pods \"p\" not found");
    CHECK_INT(
        REQUEST(.method = "POST", .path = "/api/v1/namespaces/default/pods", .body = PROXY_POD),
        201);
    CHECK_INT(HTTP("GET", "/api/v1/namespaces/default/pods/p/proxy/"), 400);
    SAW("address not allowed");
    CHECK_INT(HTTP("GET", "/api/v1/namespaces/default/pods/gopher:p:70/proxy/"), 400);
    CHECK_INT(REQUEST(.method = "POST", .path = "/api/v1/namespaces/default/services",
                      .body = "{'metadata':{'name':'s'},'spec':{'ports':[{'port':80}]}}"),
              201);
    CHECK_INT(HTTP("PUT", "/api/v1/namespaces/default/services/s/proxy/x/y?z"), 503);
    SAW_AT("reason", "'ServiceUnavailable'");
    SAW("no endpoints available for service \"s\"");
    CHECK_INT(HTTP("OPTIONS", "/api/v1/namespaces/default/services/s:81/proxy"), 503);
    SAW("no service port 81 found for service \"s\"");
    CHECK_INT(HTTP("GET", "/api/v1/nodes/n/proxy/healthz"), 404);
    server_fixture_down(&f);
}

TEST(server_proxy, needs_the_right_of_its_verb)
{
    static struct server_fixture f;
    struct http_client *bob;

    memset(&f, 0, sizeof(f));
    server_fixture_up(&f);
    bob = server_fixture_client(&f, "bob", NULL);
    CHECK_INT(REQUEST(.method = "POST",
                      .path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
                      .body = "{'metadata':{'name':'r'},'rules':[{'apiGroups':[''],'resources':["
                              "'services/proxy'],'resourceNames':['s:web'],'verbs':['get']}]}"),
              201);
    CHECK_INT(
        REQUEST(.method = "POST",
                .path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
                .body = "{'metadata':{'name':'r'},'roleRef':{'apiGroup':"
                        "'rbac.authorization.k8s.io','kind':'Role','name':'r'},'subjects':[{'kind':"
                        "'User','apiGroup':'rbac.authorization.k8s.io','name':'bob'}]}"),
        201);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/namespaces/default/services/s:web/proxy/x",
                      .client = bob),
              404);
    CHECK_INT(REQUEST(.method = "HEAD", .path = "/api/v1/namespaces/default/services/s:web/proxy/x",
                      .client = bob),
              404);
    CHECK_INT(REQUEST(.method = "POST", .path = "/api/v1/namespaces/default/services/s:web/proxy/x",
                      .client = bob),
              403);
    SAW("services \"s:web\" is forbidden: User \"bob\" cannot create resource "
        "\"services/proxy\" in API group \"\" in the namespace \"default\"");
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/namespaces/default/services/s/proxy/x",
                      .client = bob),
              403);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/nodes/n/proxy/pods", .client = f.worker),
              403);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/nodes/n/proxy/pods", .client = f.nobody),
              401);
    http_client_close(bob);
    server_fixture_down(&f);
}
