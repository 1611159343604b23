/* layer: api */
#include "api/route.h"

#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

/* "verb bucket ns name sub rest", "other", "unknown" or "bad" */
static const char *route_print(const char *method, const char *path, bool watch)
{
    static char text[2048];
    struct route r;

    if (!route_parse(&r, method, path, watch))
        return "bad";
    if (r.kind == ROUTE_OTHER)
        return "other";
    if (r.kind == ROUTE_UNKNOWN)
        return "unknown";
    CHECK(r.resource != NULL);
    CHECK((r.sub_row != NULL) == (r.sub[0] != '\0'));
    snprintf(text, sizeof(text), "%s %s ns=%s name=%s sub=%s rest=%s", r.verb, r.resource->bucket,
             r.ns, r.name, r.sub, r.rest);
    return text;
}

TEST(route, knows_resources_and_verbs)
{
    static const struct {
        const char *method, *path, *want;
    } rows[] = {
        { "GET", "/api/v1/pods", "list pods ns= name= sub= rest=" },
        { "HEAD", "/api/v1/pods", "list pods ns= name= sub= rest=" },
        { "GET", "/api/v1/pods/", "list pods ns= name= sub= rest=" },
        { "GET", "//api//v1///pods", "list pods ns= name= sub= rest=" },
        { "GET", "/api/v1/namespaces", "list namespaces ns= name= sub= rest=" },
        { "GET", "/api/v1/namespaces/a", "get namespaces ns= name=a sub= rest=" },
        { "PUT", "/api/v1/namespaces/a/finalize",
          "update namespaces ns= name=a sub=finalize rest=" },
        { "PATCH", "/api/v1/namespaces/a/status", "patch namespaces ns= name=a sub=status rest=" },
        { "GET", "/api/v1/namespaces/a/pods", "list pods ns=a name= sub= rest=" },
        { "POST", "/api/v1/namespaces/a/pods", "create pods ns=a name= sub= rest=" },
        { "DELETE", "/api/v1/namespaces/a/pods", "deletecollection pods ns=a name= sub= rest=" },
        { "GET", "/api/v1/namespaces/a/pods/b", "get pods ns=a name=b sub= rest=" },
        { "PUT", "/api/v1/namespaces/a/pods/b", "update pods ns=a name=b sub= rest=" },
        { "PATCH", "/api/v1/namespaces/a/pods/b", "patch pods ns=a name=b sub= rest=" },
        { "DELETE", "/api/v1/namespaces/a/pods/b", "delete pods ns=a name=b sub= rest=" },
        { "GET", "/api/v1/namespaces/a/pods/b/log", "get pods ns=a name=b sub=log rest=" },
        { "POST", "/api/v1/namespaces/a/pods/b/eviction",
          "create pods ns=a name=b sub=eviction rest=" },
        { "GET", "/api/v1/namespaces/a/pods/b/proxy/x/y%20z",
          "get pods ns=a name=b sub=proxy rest=/x/y%20z" },
        { "OPTIONS", "/api/v1/namespaces/a/services/https:b:web/proxy/",
          " services ns=a name=https:b:web sub=proxy rest=/" },
        { "GET", "/api/v1/nodes/n1:9100/proxy", "get nodes ns= name=n1:9100 sub=proxy rest=" },
        { "GET", "/api/v1/nodes/n1/proxy/1/2/3/4/5/6/7/8/9/10/11/12/13/14/%2f%ff/..",
          "get nodes ns= name=n1 sub=proxy rest=/1/2/3/4/5/6/7/8/9/10/11/12/13/14/%2f%ff/.." },
        { "GET", "/apis/apps/v1/deployments", "list deployments.apps ns= name= sub= rest=" },
        { "PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale",
          "patch deployments.apps ns=a name=b sub=scale rest=" },
        { "GET", "/api/v1/nodes/n1", "get nodes ns= name=n1 sub= rest=" },
        { "GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:x",
          "get clusterroles.rbac.authorization.k8s.io ns= name=system:x sub= rest=" },
        { "GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax",
          "get clusterroles.rbac.authorization.k8s.io ns= name=system:x sub= rest=" },
        { "BREW", "/api/v1/pods", " pods ns= name= sub= rest=" },

        { "GET", "/", "other" },
        { "GET", "/api", "other" },
        { "GET", "/api/v1", "other" },
        { "GET", "/apis/apps/v1", "other" },
        { "GET", "/version", "other" },
        { "GET", "/openapi/v3/apis/apps/v1", "other" },

        { "GET", "/api/v1/zebras", "unknown" },
        { "GET", "/api/v2/pods", "unknown" },
        { "GET", "/apis/apps/v1/pods", "unknown" },
        { "GET", "/apis/apps/v9/deployments", "unknown" },
        { "GET", "/api/v1/pods/b", "unknown" },             /* which namespace? */
        { "GET", "/api/v1/namespaces/a/nodes", "unknown" }, /* nodes have none */
        { "GET", "/api/v1/namespaces/a/zebras", "unknown" },
        { "GET", "/api/v1/namespaces/a/pods/b/brew", "unknown" },
        { "GET", "/api/v1/namespaces/a/pods/b/status/c/d/e", "unknown" },
        { "GET", "/api/v1/nodes/n1/spec", "unknown" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        CHECK_STR(route_print(rows[i].method, rows[i].path, false), rows[i].want);
}

TEST(route, watches_collections_only)
{
    CHECK_STR(route_print("GET", "/api/v1/pods", true), "watch pods ns= name= sub= rest=");
    CHECK_STR(route_print("GET", "/api/v1/namespaces/a/pods", true),
              "watch pods ns=a name= sub= rest=");
    CHECK_STR(route_print("GET", "/api/v1/namespaces/a/pods/b", true),
              "get pods ns=a name=b sub= rest=");
    CHECK_STR(route_print("GET", "/api/v1/namespaces/a/pods/b/log", true),
              "get pods ns=a name=b sub=log rest=");
    CHECK_STR(route_print("POST", "/api/v1/namespaces/a/pods", true),
              "create pods ns=a name= sub= rest=");
}

TEST(route, hostile_paths_are_refused)
{
    static const char *const rows[] = {
        "/api/v1/namespaces/a%2Fb/pods",  "/api/v1/namespaces/a%2fb",
        "/api/v1/namespaces/%00",         "/api/v1/namespaces/%",
        "/api/v1/namespaces/%4",          "/api/v1/namespaces/%zz",
        "/api/v1/namespaces/%4g",         "/api/v1/namespaces/a%",
        "/api/v1/namespaces/%ff",         "/api/v1/namespaces/%c3",
        "/api/v1/namespaces/%0a",         "/api/v1/namespaces/a%7fb",
        "/api/v1/namespaces/..",          "/api/v1/namespaces/.",
        "/api/v1/namespaces/%2e%2e/pods", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q",
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        CHECK_STR(route_print("GET", rows[i], false), "bad");
}

TEST(route, parts_have_a_limit)
{
    char path[2048] = "/api/v1/namespaces/";
    size_t len = strlen(path);

    memset(path + len, 'a', 253);
    CHECK(str_starts(route_print("GET", path, false), "get namespaces"));
    path[len + 253] = 'a';
    CHECK_STR(route_print("GET", path, false), "bad");
}
