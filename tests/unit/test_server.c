/* layer: api */
#include "api/impersonate.h"
#include "tests/unit/server_fixture.h"

#define PODS  "/api/v1/namespaces/default/pods"
#define MAPS  "/api/v1/namespaces/default/configmaps"
#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
#define META  "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#define METAS "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

/* --- who may --- */

TEST(server, strangers_are_asked_who_they_are)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .client = f.nobody), 401);
    SAW_AT("reason", "'Unauthorized'");
    SAW_AT("kind", "'Status'");
    CHECK_INT(REQUEST(.method = "GET", .path = "/", .client = f.nobody), 401);
    CHECK_INT(REQUEST(.method = "GET", .path = "/healthz", .client = f.nobody), 200);
    CHECK_STR(text_str(&f.text), "ok");
    CHECK_INT(REQUEST(.method = "GET", .path = "/version", .client = f.nobody), 200);
    SAW_AT("major", "'1'");
    CHECK_INT(REQUEST(.method = "GET", .path = "/cacerts", .client = f.nobody), 200);
    CHECK(str_starts(text_str(&f.text), "-----BEGIN CERTIFICATE-----"));
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .client = f.nobody,
                      .header = "Authorization: Bearer nonsense"),
              401);
    CHECK_INT(REQUEST(.method = "GET", .path = "/healthz", .client = f.nobody,
                      .header = "Authorization: Basic YTpi"),
              401);
    server_fixture_down(&f);
}

TEST(server, the_unprivileged_are_told_what_they_may_not)
{
    struct server_fixture f = { 0 };
    struct http_client *bob;

    server_fixture_up(&f);
    bob = server_fixture_client(&f, "bob", "people");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .client = bob), 403);
    SAW("pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the "
        "namespace \"default\"");
    SAW_AT("reason", "'Forbidden'");
    CHECK_INT(REQUEST(.method = "DELETE", .path = "/apis/apps/v1/namespaces/a/deployments/web",
                      .client = bob),
              403);
    SAW("deployments.apps \"web\" is forbidden: User \"bob\" cannot delete resource "
        "\"deployments\" in API group \"apps\" in the namespace \"a\"");
    CHECK_INT(REQUEST(.method = "GET", .path = "/metrics", .client = bob), 403);
    SAW("forbidden: User \"bob\" cannot get path \"/metrics\"");
    CHECK_INT(REQUEST(.method = "GET", .path = "/apis", .client = bob), 200);
    http_client_close(bob);
    server_fixture_down(&f);
}

TEST(server, roles_give_what_they_say)
{
    struct server_fixture f = { 0 };
    struct http_client *bob;

    server_fixture_up(&f);
    bob = server_fixture_client(&f, "bob", "people");
    CREATED(.bucket = "roles.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'r'},'rules':[{'verbs':['get','list'],'apiGroups':[''],"
                    "'resources':['pods','pods/log']},{'verbs':['get'],'apiGroups':[''],"
                    "'resources':['configmaps'],'resourceNames':['mine']}]}");
    CREATED(.bucket = "rolebindings.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'b'},'subjects':[{'kind':'Group','name':'people',"
                    "'apiGroup':'rbac.authorization.k8s.io'}],'roleRef':{'kind':'Role','name':'r',"
                    "'apiGroup':'rbac.authorization.k8s.io'}}");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .client = bob), 200);
    CHECK_INT(REQUEST(.method = "GET", .path = PODS "?watch=true&timeoutSeconds=1", .client = bob),
              403);
    CHECK_INT(REQUEST(.method = "POST", .path = PODS, .body = POD("p", ""), .client = bob), 403);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/pods", .client = bob), 403);
    CHECK_INT(
        REQUEST(.method = "GET", .path = "/api/v1/namespaces/kube-system/pods", .client = bob),
        403);
    CHECK_INT(REQUEST(.method = "GET", .path = MAPS "/mine", .client = bob), 404);
    CHECK_INT(REQUEST(.method = "GET", .path = MAPS "/other", .client = bob), 403);
    CHECK_INT(REQUEST(.method = "GET", .path = MAPS, .client = bob), 403);
    CHECK_INT(REQUEST(.method = "GET", .path = PODS "/p/log", .client = bob), 404);
    CHECK_INT(REQUEST(.method = "GET", .path = PODS "/p/status", .client = bob), 403);
    CREATED(.bucket = "clusterroles.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'all'},'rules':[{'verbs':['*'],'apiGroups':['*'],"
                    "'resources':['*']},{'verbs':['get'],'nonResourceURLs':['/met*']}]}");
    CREATED(.bucket = "clusterrolebindings.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'all'},'subjects':[{'kind':'User','name':'bob',"
                    "'apiGroup':'rbac.authorization.k8s.io'}],'roleRef':{'kind':'ClusterRole',"
                    "'name':'all','apiGroup':'rbac.authorization.k8s.io'}}");
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/pods", .client = bob), 200);
    CHECK_INT(REQUEST(.method = "GET", .path = "/metrics", .client = bob), 200);
    http_client_close(bob);
    server_fixture_down(&f);
}

TEST(server, an_account_without_a_namespace_is_one_of_its_binding_s)
{
    struct server_fixture f = { 0 };
    static const char *const as = "Impersonate-User: system:serviceaccount:default:operator";

    server_fixture_up(&f);
    CREATED(.bucket = "clusterroles.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'r'},'rules':[{'verbs':['list'],'apiGroups':[''],"
                    "'resources':['pods']}]}");
    CREATED(.bucket = "rolebindings.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'b'},'subjects':[{'kind':'ServiceAccount',"
                    "'name':'operator'}],'roleRef':{'kind':'ClusterRole','name':'r',"
                    "'apiGroup':'rbac.authorization.k8s.io'}}");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .header = as), 200);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/pods", .header = as), 403);
    CHECK_INT(REQUEST(.method = "GET", .path = PODS,
                      .header = "Impersonate-User: system:serviceaccount:other:operator"),
              403);
    server_fixture_down(&f);
}

TEST(server, acting_as_another_needs_the_right)
{
    struct server_fixture f = { 0 };
    struct http_client *bob;

    server_fixture_up(&f);
    bob = server_fixture_client(&f, "bob", "people");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .header = "Impersonate-User: eve"), 403);
    SAW("pods is forbidden: User \"eve\" cannot list resource \"pods\" in API group \"\" in the "
        "namespace \"default\"");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .header = "Impersonate-Group: people"), 500);
    CHECK_INT(
        REQUEST(.method = "GET", .path = PODS, .client = bob, .header = "Impersonate-User: eve"),
        403);
    SAW("users \"eve\" is forbidden: User \"bob\" cannot impersonate resource \"users\" in API "
        "group \"\" at the cluster scope");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .client = bob,
                      .header = "Impersonate-User: system:serviceaccount:a:b"),
              403);
    SAW("serviceaccounts \"b\" is forbidden: User \"bob\" cannot impersonate resource "
        "\"serviceaccounts\" in API group \"\" in the namespace \"a\"");
    CREATED(.bucket = "clusterroles.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'as'},'rules':[{'verbs':['impersonate'],'apiGroups':[''],"
                    "'resources':['users'],'resourceNames':['eve']}]}");
    CREATED(.bucket = "clusterrolebindings.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'as'},'subjects':[{'kind':'User','name':'bob',"
                    "'apiGroup':'rbac.authorization.k8s.io'}],'roleRef':{'kind':'ClusterRole',"
                    "'name':'as','apiGroup':'rbac.authorization.k8s.io'}}");
    CHECK_INT(
        REQUEST(.method = "GET", .path = "/apis", .client = bob, .header = "Impersonate-User: eve"),
        200);
    CHECK_INT(REQUEST(.method = "GET", .path = "/apis", .client = bob,
                      .header = "Impersonate-User: root"),
              403);
    http_client_close(bob);
    server_fixture_down(&f);
}

/* What is asked for besides the user is checked as well: the fixture sends one header at a time. */
static int become(struct auth_user *u, struct server_fixture *f, const char *groups,
                  const char *extra, const char *value)
{
    cleanup(json_decrefpp) json_t *extras = json_object();
    const struct impersonate_wish wish = {
        .user = "eve", .groups = groups, .uid = "", .extra = extras
    };
    struct err err = ERR_EMPTY;

    auth_make_user(u, "bob", NULL);
    if (extra != NULL)
        impersonate_add_extra(extras, extra, value);
    return impersonate(u, registry_rbac(f->base.r), &wish, &err);
}

TEST(server, nobody_takes_a_group_along_unasked)
{
    struct server_fixture f = { 0 };
    struct auth_user u;

    server_fixture_up(&f);
    CREATED(.bucket = "clusterroles.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'as'},'rules':[{'verbs':['impersonate'],'apiGroups':[''],"
                    "'resources':['users']},{'verbs':['impersonate'],'apiGroups':[''],"
                    "'resources':['groups'],'resourceNames':['people']},{'verbs':['impersonate'],"
                    "'apiGroups':['authentication.k8s.io'],'resources':['userextras/acme.com/x'],"
                    "'resourceNames':['v']}]}");
    CREATED(.bucket = "clusterrolebindings.rbac.authorization.k8s.io",
            .body = "{'metadata':{'name':'as'},'subjects':[{'kind':'User','name':'bob',"
                    "'apiGroup':'rbac.authorization.k8s.io'}],'roleRef':{'kind':'ClusterRole',"
                    "'name':'as','apiGroup':'rbac.authorization.k8s.io'}}");
    CHECK_INT(become(&u, &f, "people", NULL, NULL), 0);
    CHECK_STR(u.name, "eve");
    CHECK(auth_in_group(&u, "people") && auth_in_group(&u, "system:authenticated"));
    auth_user_fini(&u);
    CHECK_INT(become(&u, &f, "people, system:masters", NULL, NULL), ERR_FORBIDDEN);
    CHECK_STR(u.name, "bob");
    auth_user_fini(&u);
    CHECK_INT(become(&u, &f, "", "scopes", "v"), ERR_FORBIDDEN);
    auth_user_fini(&u);
    CHECK_INT(become(&u, &f, "", "Acme.com%2FX", "w"), ERR_FORBIDDEN);
    auth_user_fini(&u);
    CHECK_INT(become(&u, &f, "", "Acme.com%2FX", "v"), 0);
    CHECK_STR(json_string_value(json_array_get(json_object_get(u.extra, "acme.com/x"), 0)), "v");
    auth_user_fini(&u);
    server_fixture_down(&f);
}

TEST(server, a_node_touches_only_its_own)
{
    struct server_fixture f = { 0 };
    static const char *const merge = "application/merge-patch+json";

    server_fixture_up(&f);
    CREATED(.bucket = "nodes", .body = "{'metadata':{'name':'w2'}}");
    CREATED(.bucket = "pods", .body = POD("mine", ",'nodeName':'w1'"));
    CREATED(.bucket = "pods", .body = POD("other", ",'nodeName':'w2'"));
    CHECK_INT(REQUEST(.method = "POST", .path = "/api/v1/nodes", .client = f.worker,
                      .body = "{'metadata':{'name':'w1'},'status':{'capacity':{'cpu':'1'}}}"),
              201);
    CHECK_INT(REQUEST(.method = "POST", .path = "/api/v1/nodes", .client = f.worker,
                      .body = "{'metadata':{'name':'w3'}}"),
              403);
    CHECK_INT(REQUEST(.method = "PATCH", .path = "/api/v1/nodes/w1/status", .client = f.worker,
                      .type = merge, .body = "{'status':{'capacity':{'cpu':'2'}}}"),
              200);
    CHECK_INT(REQUEST(.method = "PATCH", .path = "/api/v1/nodes/w2/status", .client = f.worker,
                      .type = merge, .body = "{}"),
              403);
    CHECK_INT(REQUEST(.method = "DELETE", .path = "/api/v1/nodes/w1", .client = f.worker), 403);
    CHECK_INT(REQUEST(.method = "PATCH", .path = PODS "/mine/status", .client = f.worker,
                      .type = merge, .body = "{'status':{'phase':'Running'}}"),
              200);
    CHECK_INT(REQUEST(.method = "PATCH", .path = PODS "/other/status", .client = f.worker,
                      .type = merge, .body = "{'status':{'phase':'Running'}}"),
              403);
    CHECK_INT(REQUEST(.method = "PATCH", .path = PODS "/mine", .client = f.worker, .type = merge,
                      .body = "{}"),
              403);
    CHECK_INT(REQUEST(.method = "DELETE", .path = PODS "/other", .client = f.worker), 403);
    CHECK_INT(REQUEST(.method = "DELETE", .path = PODS, .client = f.worker), 403);
    CHECK_INT(
        REQUEST(.method = "DELETE", .path = PODS "/mine?gracePeriodSeconds=0", .client = f.worker),
        200);
    CHECK_INT(
        REQUEST(.method = "POST", .path = MAPS, .client = f.worker, .body = CONFIG("a", "{}")),
        403);
    CHECK_INT(REQUEST(.method = "POST", .client = f.worker,
                      .path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
                      .body = "{'metadata':{'name':'w2'}}"),
              403);
    CHECK_INT(REQUEST(.method = "POST", .client = f.worker,
                      .path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
                      .body = "{'metadata':{'name':'w1'}}"),
              201);
    server_fixture_down(&f);
}

/* --- forms of refusal --- */

TEST(server, refusals_have_kubernetes_forms)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *big = NULL;

    server_fixture_up(&f);
    CHECK_INT(HTTP("GET", PODS "/x"), 404);
    SAW("pods \"x\" not found");
    CHECK_INT(HTTP("GET", "/api/v1/zebras"), 404);
    SAW("the server could not find the requested resource");
    CHECK_INT(HTTP("GET", "/nowhere"), 404);
    CHECK_INT(HTTP("GET", "/apis/zebra.io/v1/zebras"), 404);
    CHECK_INT(HTTP("PATCH", PODS), 405);
    CHECK_INT(HTTP("POST", "/version"), 405);
    CHECK_INT(HTTP("GET", PODS "/x/binding"), 405);
    CHECK_INT(HTTP("POST", PODS), 400);
    CHECK_INT(REQUEST(.method = "POST", .path = PODS, .raw = "{"), 400);
    SAW_AT("reason", "'BadRequest'");
    CHECK_INT(REQUEST(.method = "POST", .path = PODS, .raw = "{}", .type = "text/plain"), 415);
    CHECK_INT(REQUEST(.method = "PATCH", .path = PODS "/x", .raw = "{}"), 415);
    CHECK_INT(REQUEST(.method = "POST", .path = PODS, .raw = "{}",
                      .type = "application/merge-patch+json"),
              415);
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .accept = "image/png"), 406);
    SAW_AT("reason", "'NotAcceptable'");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .accept = "image/png, */*;q=0.1"), 200);
    CHECK_INT(HTTP("GET", "/api/v1/namespaces/%2e%2e/pods"), 400);
    CHECK_INT(HTTP("GET", PODS "/%ff"), 400);
    CHECK_INT(HTTP("GET", PODS "?labelSelector=a%20in%20x"), 400);
    CHECK_INT(HTTP("GET", PODS "?fieldSelector=spec.color=red"), 400);
    SAW("field label not supported: spec.color");
    CHECK_INT(HTTP("GET", PODS "?limit=many"), 400);
    CHECK_INT(HTTP("GET", PODS "?continue=%21%21"), 400);
    CHECK_INT(HTTP("GET", PODS "?resourceVersion=x"), 400);
    CHECK_INT(POST(PODS "?dryRun=Some", POD("p", "")), 422);
    CHECK_INT(POST(PODS "?fieldValidation=Maybe", POD("p", "")), 422);
    CHECK_INT(HTTP("DELETE", PODS "/x?gracePeriodSeconds=soon"), 400);
    big = MEM_NEW_ARRAY(char, 1024 * 1024 + 2);
    memset(big, ' ', 1024 * 1024 + 1);
    CHECK_INT(REQUEST(.method = "POST", .path = PODS, .raw = big), 413);
    SAW_AT("reason", "'RequestEntityTooLarge'");
    server_fixture_down(&f);
}

TEST(server, a_user_has_so_many_calls_at_a_time)
{
    static const char node[] = "{\"metadata\":{\"name\":\"w1\"}}";
    struct server_fixture f = { 0 };
    struct stream s;
    struct http_call_listener listener = { .on_done = stream_on_done, .arg = &s };
    struct http_call_spec spec = {
        .method = "POST", .body = node, .body_len = sizeof(node) - 1, .timeout_ms = 5000
    };
    const char *headers[] = { "Content-Type: application/json", NULL };
    cleanup(freep) char *url = NULL;

    server_fixture_up(&f);
    f.stepping = true; /* the disk is slow */
    url = mem_fmt("https://127.0.0.1:%u/api/v1/nodes", f.port);
    spec.url = url;
    spec.headers = headers;
    s = (struct stream){ .f = &f };
    s.call = http_call(f.worker, &spec, &listener);
    CHECK_SOON(&f.loop, store_latest(f.base.s, "nodes", "", "w1") != NULL, 5000);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/nodes/w1", .client = f.worker), 429);
    SAW("Too many requests, please try again later.");
    SAW_AT("reason", "'TooManyRequests'");
    CHECK_STR(f.retry_after, "1");
    CHECK_INT(HTTP("GET", PODS), 200); /* others are not meant */
    server_fixture_step(&f);
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.status, 201);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/nodes/w1", .client = f.worker), 200);
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server, limits_of_memory_are_said)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    backend_memory_fail(f.base.m, 1, 1, ERR_NOSPACE);
    CHECK_INT(POST(MAPS, CONFIG("a", "{}")), 507);
    CHECK_INT(POST(MAPS, CONFIG("a", "{}")), 201);
    server_fixture_down(&f);
}

/* --- writes --- */

TEST(server, writes_travel)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(MAPS, CONFIG("a", "{'x':'1'}")), 201);
    SAW_AT("data", "{'x':'1'}");
    CHECK_STR(f.content_type, "application/json");
    CHECK_INT(REQUEST(.method = "PUT", .path = MAPS "/a", .body = CONFIG("a", "{'x':'2'}")), 200);
    CHECK_INT(REQUEST(.method = "PATCH", .path = MAPS "/a", .body = "{'data':{'y':'3'}}",
                      .type = "application/strategic-merge-patch+json"),
              200);
    SAW_AT("data", "{'x':'2','y':'3'}");
    CHECK_INT(REQUEST(.method = "PATCH", .path = MAPS "/a",
                      .body = "[{'op':'remove','path':'/data/y'}]",
                      .type = "application/json-patch+json"),
              200);
    SAW_AT("data", "{'x':'2'}");
    CHECK_INT(POST(MAPS "?dryRun=All", CONFIG("b", "{}")), 201);
    CHECK_INT(HTTP("GET", MAPS "/b"), 404);
    CHECK_INT(REQUEST(.method = "POST", .path = MAPS, .type = "application/yaml",
                      .raw = "metadata: {name: yam}\ndata:\n  k: v\n"),
              201);
    CHECK_INT(REQUEST(.method = "POST", .path = MAPS, .type = "application/yaml",
                      .raw = "metadata: {name: z}\n---\nmetadata: {name: q}\n"),
              400);
    CHECK_INT(REQUEST(.method = "DELETE", .path = MAPS "/a",
                      .body = "{'propagationPolicy':'Background'}"),
              200);
    SAW_AT("status", "'Success'");
    CHECK_INT(HTTP("GET", MAPS "/a"), 404);
    server_fixture_down(&f);
}

TEST(server, warnings_are_headers)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(REQUEST(.method = "POST", .path = MAPS "?fieldValidation=Warn",
                      .raw = "{\"metadata\":{\"name\":\"a\"},\"dta\":1,\"data\":{},\"data\":{}}"),
              201);
    CHECK_STR(f.warnings, "[299 - \"unknown field \\\"dta\\\"\"][299 - \"duplicate field "
                          "\\\"data\\\"\"]");
    CHECK_INT(REQUEST(.method = "POST", .path = MAPS "?fieldValidation=Strict",
                      .raw = "{\"metadata\":{\"name\":\"b\"},\"dta\":1}"),
              400);
    SAW("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: "
        "unknown field \"dta\"");
    server_fixture_down(&f);
}

TEST(server, scale_and_status_are_reached)
{
    struct server_fixture f = { 0 };
#define WEB "/apis/apps/v1/namespaces/default/deployments/web"

    server_fixture_up(&f);
    CREATED(.bucket = "deployments.apps", .body = DEPLOYMENT("web", ""));
    CHECK_INT(HTTP("GET", WEB "/scale"), 200);
    SAW_AT("kind", "'Scale'");
    SAW_AT("spec.replicas", "1");
    CHECK_INT(REQUEST(.method = "PATCH", .path = WEB "/scale", .body = "{'spec':{'replicas':4}}",
                      .type = "application/merge-patch+json"),
              200);
    SAW_AT("spec.replicas", "4");
    CHECK_INT(HTTP("GET", WEB "/status"), 200);
    SAW_AT("kind", "'Deployment'");
    SAW_AT("spec.replicas", "4");
    CHECK_INT(HTTP("GET", "/apis/apps/v1/namespaces/default/deployments/none/scale"), 404);
    server_fixture_down(&f);
}

TEST(server, eviction_refused_says_when_to_try_again)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CREATED(.bucket = "pods",
            .body = "{'metadata':{'name':'p','labels':{'a':'b'}},'spec':{'nodeName':'n',"
                    "'containers':[{'name':'c','image':'i'}]}}");
    MERGED(.bucket = "pods", .sub = "status", .name = "p",
           .body =
               "{'status':{'phase':'Running','conditions':[{'type':'Ready','status':'True'}]}}");
    CREATED(.bucket = "poddisruptionbudgets.policy",
            .body = "{'metadata':{'name':'b'},'spec':{'minAvailable':1,'selector':{'matchLabels':"
                    "{'a':'b'}}}}");
    CHECK_INT(POST(PODS "/p/eviction", "{'apiVersion':'policy/v1','kind':'Eviction',"
                                       "'metadata':{'name':'p'}}"),
              429);
    CHECK_STR(f.retry_after, "10");
    server_fixture_down(&f);
}

TEST(server, delete_collection_takes_what_the_selectors_choose)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CREATED(.body = "{'metadata':{'name':'a','labels':{'x':'1'}}}");
    CREATED(.body = "{'metadata':{'name':'b','labels':{'x':'2'}}}");
    CREATED(.body = "{'metadata':{'name':'c','labels':{'x':'1'},'finalizers':['a.b/c']}}");
    CREATED(.ns = "kube-system", .body = "{'metadata':{'name':'d','labels':{'x':'1'}}}");
    CHECK_INT(HTTP("DELETE", MAPS "?labelSelector=x%3D1&dryRun=All"), 200);
    CHECK_INT(HTTP("GET", MAPS "/a"), 200);
    CHECK_INT(HTTP("DELETE", MAPS "?labelSelector=x%3D1"), 200);
    CHECK_INT(HTTP("GET", MAPS "/a"), 404);
    CHECK_INT(HTTP("GET", MAPS "/b"), 200);
    CHECK_INT(HTTP("GET", MAPS "/c"), 200);
    SAW_AT("metadata.deletionGracePeriodSeconds", "0");
    CHECK_INT(HTTP("GET", "/api/v1/namespaces/kube-system/configmaps/d"), 200);
    CHECK_INT(HTTP("DELETE", MAPS "?labelSelector=x%20in"), 400);
    CHECK_INT(HTTP("DELETE", MAPS "?labelSelector=x%3Dnone"), 200);
    server_fixture_down(&f);
}

/* --- lists --- */

static void make_maps(struct server_fixture *f, int n)
{
    for (int i = 0; i < n; i++) {
        cleanup(freep) char *body = mem_fmt("{'metadata':{'name':'m%02d','labels':{'odd':'%d'}}}",
                                            i, i % 2);

        CHECK_INT(registry_fixture_ask(&f->base, (struct ask){ .body = body }), 201);
    }
}

TEST(server, lists_show_all_with_one_version)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(HTTP("GET", PODS), 200);
    SAW_AT("kind", "'PodList'");
    SAW_AT("apiVersion", "'v1'");
    SAW_AT("items", "[]");
    CHECK(json_str(f.base.body, "metadata.resourceVersion") != NULL);
    make_maps(&f, 3);
    CHECK_INT(HTTP("GET", MAPS "?labelSelector=odd%3D0"), 200);
    CHECK_INT(json_array_size(json_at(f.base.body, "items")), 2);
    CHECK_INT(HTTP("GET", MAPS "?fieldSelector=metadata.name%3Dm01"), 200);
    SAW_AT("items.0.metadata.name", "'m01'");
    CHECK_INT(json_array_size(json_at(f.base.body, "items")), 1);
    CHECK_INT(HTTP("GET", "/api/v1/configmaps"), 200);
    CHECK(json_array_size(json_at(f.base.body, "items")) > 3); /* every namespace has one */
    CHECK_INT(HTTP("GET", MAPS "?resourceVersion=0&resourceVersionMatch=NotOlderThan"), 200);
    CHECK_INT(HTTP("GET", MAPS "?resourceVersion=1&resourceVersionMatch=Exact"), 200);
    SAW_AT("items", "[]"); /* there was nothing then */
    SAW_AT("metadata.resourceVersion", "'1'");
    CHECK_INT(HTTP("GET", MAPS "?resourceVersion=999999"), 504);
    SAW_AT("details.retryAfterSeconds", "1");
    CHECK_INT(HTTP("GET", MAPS "?resourceVersionMatch=Exact"), 422);
    CHECK_INT(HTTP("GET", MAPS "?resourceVersion=0&resourceVersionMatch=Exact"), 422);
    CHECK_INT(HTTP("GET", MAPS "?resourceVersion=1&resourceVersionMatch=Sideways"), 422);
    server_fixture_down(&f);
}

TEST(server, pages_are_followed_to_the_end)
{
    struct server_fixture f = { 0 };
    cleanup(text_fini) struct text seen = TEXT_EMPTY;
    cleanup(freep) char *token = mem_str("");
    cleanup(freep) char *revision = NULL;
    int pages = 0;

    server_fixture_up(&f);
    make_maps(&f, 6); /* and kube-root-ca.crt */
    do {
        cleanup(freep) char *path = mem_fmt(MAPS "?limit=3&continue=%s", token);
        size_t i;
        json_t *item;

        CHECK_INT(HTTP("GET", path), 200);
        json_array_foreach (json_at(f.base.body, "items"), i, item)
            text_fmt(&seen, " %s", json_str(item, "metadata.name"));
        if (pages == 0)
            SAW_AT("metadata.remainingItemCount", "4");
        if (revision == NULL)
            revision = mem_str(json_str(f.base.body, "metadata.resourceVersion"));
        CHECK_STR(json_str(f.base.body, "metadata.resourceVersion"), revision);
        if (json_str(f.base.body, "metadata.continue") == NULL)
            SAW_AT("metadata.remainingItemCount", "");
        free(token);
        token = mem_str(json_str_or(f.base.body, "metadata.continue", ""));
        CREATED(.ns = "kube-system", .body = "{'metadata':{'generateName':'noise-'}}");
        pages++;
    } while (token[0] != '\0');
    CHECK_INT(pages, 3);
    CHECK_STR(text_str(&seen), " kube-root-ca.crt m00 m01 m02 m03 m04 m05");
    CHECK_INT(HTTP("GET", MAPS "?limit=1&labelSelector=odd%3D0"), 200);
    SAW_AT("metadata.remainingItemCount", "");
    CHECK(json_str(f.base.body, "metadata.continue") != NULL);
    CHECK_INT(HTTP("GET", MAPS "?limit=7"), 200);
    SAW_AT("metadata.continue", "");
    /* "999999 9000000000000 -1 default m00": a page of a future that was lost */
    CHECK_INT(HTTP("GET", MAPS "?limit=1&continue=OTk5OTk5IDkwMDAwMDAwMDAwMDAgLTEgZGVmYXVsdCBtMDA"),
              410);
    server_fixture_down(&f);
}

TEST(server, tables_and_metadata_are_other_views)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CREATED(.bucket = "pods", .body = POD("p", ""));
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .accept = TABLE), 200);
    SAW_AT("kind", "'Table'");
    SAW_AT("columnDefinitions.0.name", "'Name'");
    SAW_AT("rows.0.cells.0", "'p'");
    SAW_AT("rows.0.object.kind", "'PartialObjectMetadata'");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS "/p?includeObject=Object", .accept = TABLE),
              200);
    SAW_AT("kind", "'Table'");
    SAW_AT("rows.0.object.kind", "'Pod'");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS "?includeObject=None", .accept = TABLE), 200);
    SAW_AT("rows.0.object", "null");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS "?includeObject=Half", .accept = TABLE), 400);
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .accept = METAS), 200);
    SAW_AT("kind", "'PartialObjectMetadataList'");
    SAW_AT("items.0.kind", "'PartialObjectMetadata'");
    SAW_AT("items.0.metadata.name", "'p'");
    SAW_AT("items.0.spec", "");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS "/p", .accept = META), 200);
    SAW_AT("kind", "'PartialObjectMetadata'");
    SAW_AT("apiVersion", "'meta.k8s.io/v1'");
    SAW_AT("spec", "");
    CHECK_INT(REQUEST(.method = "GET", .path = PODS,
                      .accept = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"),
              406);
    /* Errors are Statuses in any form. */
    CHECK_INT(REQUEST(.method = "GET", .path = PODS "/none", .accept = TABLE), 404);
    SAW_AT("kind", "'Status'");
    server_fixture_down(&f);
}

/* --- discovery --- */

TEST(server, discovery_is_served_and_tagged)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *tag = NULL;

    server_fixture_up(&f);
    CHECK_INT(HTTP("GET", "/api"), 200);
    SAW_AT("kind", "'APIVersions'");
    CHECK_INT(HTTP("GET", "/apis"), 200);
    SAW_AT("kind", "'APIGroupList'");
    CHECK_INT(HTTP("GET", "/api/v1"), 200);
    SAW_AT("kind", "'APIResourceList'");
    tag = mem_fmt("If-None-Match: %s", f.etag);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1", .header = tag), 304);
    CHECK_INT(HTTP("GET", "/apis/apps/v1"), 200);
    CHECK_INT(HTTP("GET", "/apis/apps"), 200);
    SAW_AT("kind", "'APIGroup'");
    CHECK_INT(HTTP("GET", "/apis/zebra.io"), 404);
    CHECK_INT(REQUEST(.method = "GET", .path = "/apis",
                      .accept = "application/json;g=apidiscovery.k8s.io;v=v2;"
                                "as=APIGroupDiscoveryList,application/json"),
              200);
    SAW_AT("kind", "'APIGroupDiscoveryList'");
    CHECK_STR(f.content_type, "application/json;g=apidiscovery.k8s.io;v=v2;"
                              "as=APIGroupDiscoveryList");
    CHECK_INT(HTTP("GET", "/openapi/v3"), 200);
    CHECK(json_at(f.base.body, "paths") != NULL);
    CHECK_INT(HTTP("GET", "/openapi/v3/apis/apps/v1"), 200);
    SAW_AT("openapi", "'3.0.0'");
    CHECK_INT(HTTP("GET", "/openapi/v3/apis/zebra/v1"), 404);
    CHECK_INT(HTTP("GET", "/openapi/v2"), 200);
    CHECK_INT(HTTP("GET", "/"), 200);
    CHECK(json_at(f.base.body, "paths") != NULL);
    server_fixture_down(&f);
}
