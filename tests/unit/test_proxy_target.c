/* layer: api */
#include "api/proxy_target.h"
#include "tests/unit/registry_fixture.h"

static const char *target_of(struct registry_fixture *f, const char *bucket, const char *name)
{
    static char kept[1200];
    struct proxy_target t;
    struct err err = ERR_EMPTY;

    if (proxy_target(&t, f->s, bucket, str_eq(bucket, "nodes") ? "" : "default", name, 0, &err) < 0)
        snprintf(kept, sizeof(kept), "%d %s", err_http(err.code), err.text);
    else
        snprintf(kept, sizeof(kept), "%s://%s:%u%s", t.is_tls ? "https" : "http", t.ip, t.port,
                 t.is_node_api ? " node" : "");
    return kept;
}

#define IS(bucket, name, want) CHECK_STR(target_of(&f, bucket, name), want)
#define STATUS(b, n, text) \
    CHECK_INT(MERGE(.bucket = b, .sub = "status", .name = n, .body = "{'status':" text "}"), 200)

TEST(proxy_target, a_pod_by_its_first_port_or_any)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(
        CREATE(.bucket = "pods",
               .body = "{'metadata':{'name':'a'},'spec':{'containers':[{'name':'x','image':'i'},"
                       "{'name':'y','image':'i','ports':[{'containerPort':81},"
                       "{'containerPort':82}]}]}}"),
        201);
    IS("pods", "a", "400 address not allowed");
    STATUS("pods", "a", "{'podIP':'10.1.2.3'}");
    IS("pods", "a", "http://10.1.2.3:81");
    IS("pods", "a:9000", "http://10.1.2.3:9000");
    IS("pods", "https:a:9000", "https://10.1.2.3:9000");
    IS("pods", "https:a:", "https://10.1.2.3:81");
    IS("pods", "http:a:", "http://10.1.2.3:81");
    IS("pods", "ftp:a:1", "400 invalid pod request \"ftp:a:1\"");
    IS("pods", "https::1", "400 invalid pod request \"https::1\"");
    IS("pods", "a:b:c:d", "400 invalid pod request \"a:b:c:d\"");
    IS("pods", "a:web", "400 invalid pod request \":a:web\"");
    IS("pods", "a:0", "400 invalid pod request \":a:0\"");
    IS("pods", "a:65536", "400 invalid pod request \":a:65536\"");
    IS("pods", "none", "404 pods \"none\" not found");
    STATUS("pods", "a", "{'podIP':'127.0.0.1'}");
    IS("pods", "a", "400 address not allowed");
    STATUS("pods", "a", "{'podIP':'169.254.169.254'}");
    IS("pods", "a", "400 address not allowed");
    registry_fixture_down(&f);
}

TEST(proxy_target, a_service_by_name_or_number_of_its_port)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "services",
                     .body = "{'metadata':{'name':'s'},'spec':{'ports':[{'name':'web','port':80,"
                             "'targetPort':8080},{'name':'tls','port':443}]}}"),
              201);
    IS("services", "s:web", "503 no endpoints available for service \"s\"");
    CHECK_INT(
        CREATE(.bucket = "endpointslices.discovery.k8s.io",
               .body = "{'metadata':{'name':'s-1','labels':{'kubernetes.io/service-name':'s'}},"
                       "'addressType':'IPv4','ports':[{'name':'web','port':8080},"
                       "{'name':'tls','port':8443}],'endpoints':[{'addresses':['10.1.2.3'],"
                       "'conditions':{'ready':true}}]}"),
        201);
    IS("services", "s:web", "http://10.1.2.3:8080");
    IS("services", "s:80", "http://10.1.2.3:8080");
    IS("services", "https:s:443", "https://10.1.2.3:8443");
    IS("services", "https:s:tls", "https://10.1.2.3:8443");
    IS("services", "s", "503 no endpoints available for service \"s\"");
    IS("services", "s:81", "503 no service port 81 found for service \"s\"");
    IS("services", "none:81", "404 services \"none\" not found");
    registry_fixture_down(&f);
}

TEST(proxy_target, a_node_s_own_api_and_its_other_ports)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "nodes", .ns = "", .body = "{'metadata':{'name':'n'}}"), 201);
    CHECK_INT(
        MERGE(.bucket = "nodes", .ns = "", .sub = "status", .name = "n",
              .body = "{'status':{'addresses':[{'type':'InternalIP','address':'10.9.0.1'}]}}"),
        200);
    IS("nodes", "n", "https://10.9.0.1:10250 node");
    IS("nodes", "http:n:10250", "https://10.9.0.1:10250 node");
    IS("nodes", "n:9100", "http://10.9.0.1:9100");
    IS("nodes", "https:n:9100", "https://10.9.0.1:9100");
    IS("nodes", "m", "404 nodes \"m\" not found");
    registry_fixture_down(&f);
}
