/* layer: net */
#include "base/mem.h"
#include "base/text.h"
#include "net/entry_table.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <string.h>

/* --- objects in few words --- */

static void feed(struct entry_facts *f, const char *kind, const char *ns, const char *name,
                 const char *json)
{
    struct err err = ERR_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL;

    CHECK(json_parse(&tree, json, strlen(json), NULL, &err) == 0);
    json_put_str(tree, "metadata.namespace", ns);
    json_put_str(tree, "metadata.name", name);
    if (str_eq(kind, "ingress"))
        entry_facts_ingress(f, ns, name, tree);
    else if (str_eq(kind, "service"))
        entry_facts_service(f, ns, name, tree);
    else if (str_eq(kind, "slice"))
        entry_facts_slice(f, ns, name, tree);
    else
        entry_facts_class(f, name, tree);
}

static void feed_service(struct entry_facts *f, const char *name)
{
    cleanup(freep) char *slice = mem_fmt(
        "{\"metadata\":{\"labels\":{\"kubernetes.io/"
        "service-name\":\"%s\"}},\"addressType\":\"IPv4\","
        "\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":["
        "{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":true}},"
        "{\"addresses\":[\"10.0.0.2\"],\"conditions\":{\"ready\":false,\"serving\":true,"
        "\"terminating\":true}},{\"addresses\":[\"10.0.0.3\"],\"conditions\":{\"ready\":false}}]}",
        name);
    cleanup(freep) char *slice_name = mem_fmt("%s-1", name);

    feed(f, "service", "ns", name,
         "{\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":8080}]}}");
    feed(f, "slice", "ns", slice_name, slice);
}

static void feed_ingress(struct entry_facts *f, const char *name, const char *created,
                         const char *spec)
{
    cleanup(freep) char *json = mem_fmt("{\"metadata\":{\"creationTimestamp\":\"%s\"},\"spec\":%s}",
                                        created, spec);

    feed(f, "ingress", "ns", name, json);
}

#define PATH(type, path, service)                 \
    "{\"pathType\":\"" type "\",\"path\":\"" path \
    "\",\"backend\":{\"service\":{\"name\":\"" service "\",\"port\":{\"number\":80}}}}"
#define RULE(host, paths) "{\"host\":\"" host "\",\"http\":{\"paths\":[" paths "]}}"
#define OLD               "2026-01-01T00:00:00Z"
#define NEW               "2026-01-02T00:00:00Z"

static const char *backend(const struct entry_table *t, const char *host, const char *path)
{
    const struct entry_route *r = entry_table_find(t, host, path);

    return r != NULL ? r->backend->name : NULL;
}

/* --- tests --- */

TEST(entry_table, prefixes_match_by_element_and_the_longest_wins)
{
    struct entry_facts f;
    struct entry_table *t;

    entry_facts_init(&f);
    feed_ingress(
        &f, "a", OLD,
        "{\"rules\":[" RULE("a.example",
                            PATH("Prefix", "/", "root") "," PATH("Prefix", "/api", "api") "," PATH(
                                "Prefix", "/api/v1/", "v1")) "]}");
    t = entry_table_new(&f);
    CHECK_STR(backend(t, "a.example", "/"), "ns/root:80");
    CHECK_STR(backend(t, "a.example", "/apix"), "ns/root:80");
    CHECK_STR(backend(t, "a.example", "/api"), "ns/api:80");
    CHECK_STR(backend(t, "a.example", "/api/"), "ns/api:80");
    CHECK_STR(backend(t, "a.example", "/api/v10"), "ns/api:80");
    CHECK_STR(backend(t, "a.example", "/api/v1"), "ns/v1:80");
    CHECK_STR(backend(t, "a.example", "/api/v1/x/y"), "ns/v1:80");
    CHECK(backend(t, "b.example", "/") == NULL);
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, exact_comes_before_prefix_and_minds_the_slash)
{
    struct entry_facts f;
    struct entry_table *t;

    entry_facts_init(&f);
    feed_ingress(&f, "a", OLD,
                 "{\"rules\":[" RULE("a.example", PATH("Prefix", "/x", "prefix") "," PATH(
                                                      "Exact", "/x", "exact")) "]}");
    t = entry_table_new(&f);
    CHECK_STR(backend(t, "a.example", "/x"), "ns/exact:80");
    CHECK_STR(backend(t, "a.example", "/x/"), "ns/prefix:80");
    CHECK_STR(backend(t, "a.example", "/x/y"), "ns/prefix:80");
    CHECK(backend(t, "a.example", "/") == NULL);
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, a_wildcard_stands_for_one_label_and_yields_to_the_name)
{
    struct entry_facts f;
    struct entry_table *t;

    entry_facts_init(&f);
    feed_ingress(&f, "a", OLD,
                 "{\"rules\":[" RULE("*.example", PATH("Prefix", "/", "wild")) "," RULE(
                     "A.example", PATH("Prefix", "/", "named")) "]}");
    feed_ingress(&f, "b", OLD,
                 "{\"rules\":[{\"http\":{\"paths\":[" PATH("Prefix", "/", "any") "]}}]}");
    t = entry_table_new(&f);
    CHECK_STR(backend(t, "a.example", "/"), "ns/named:80");
    CHECK_STR(backend(t, "b.example", "/"), "ns/wild:80");
    CHECK_STR(backend(t, "b.c.example", "/"), "ns/any:80");
    CHECK_STR(backend(t, "example", "/"), "ns/any:80");
    CHECK_STR(backend(t, "", "/"), "ns/any:80");
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, the_older_ingress_keeps_a_path_and_the_other_is_told)
{
    struct entry_facts f;
    struct entry_table *t;
    const struct entry_warning *w;
    size_t n;

    entry_facts_init(&f);
    feed_ingress(&f, "b-new", NEW, "{\"rules\":[" RULE("", PATH("Prefix", "/", "new")) "]}");
    feed_ingress(&f, "z-old", OLD, "{\"rules\":[" RULE("", PATH("Prefix", "/", "old")) "]}");
    feed_ingress(&f, "a-old", OLD, "{\"rules\":[" RULE("", PATH("Prefix", "/", "other")) "]}");
    t = entry_table_new(&f);
    /* Of one second, the last name: as ingress-nginx. */
    CHECK_STR(backend(t, "x", "/"), "ns/old:80");
    w = entry_table_warnings(t, &n);
    CHECK_INT(n, 2);
    CHECK_STR(w[0].ingress->name, "a-old");
    CHECK_STR(w[1].ingress->name, "b-new");
    CHECK_STR(w[1].reason, "DuplicatePath");
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, default_backends_answer_what_no_rule_does)
{
    struct entry_facts f;
    struct entry_table *t;
    static const char fallback[] =
        "\"defaultBackend\":{\"service\":{\"name\":\"d\",\"port\":{\"number\":80}}}";
    cleanup(freep) char *with_rule = mem_fmt("{%s,\"rules\":[%s]}", fallback,
                                             RULE("a.example", PATH("Prefix", "/x", "x")));
    cleanup(freep) char *alone = mem_fmt("{%s}", fallback);

    entry_facts_init(&f);
    feed_ingress(&f, "a", OLD, with_rule);
    t = entry_table_new(&f);
    CHECK_STR(backend(t, "a.example", "/x"), "ns/x:80");
    CHECK_STR(backend(t, "a.example", "/y"), "ns/d:80");
    CHECK(backend(t, "b.example", "/y") == NULL);
    entry_table_unref(t);
    feed_ingress(&f, "b", OLD, alone);
    t = entry_table_new(&f);
    CHECK_STR(backend(t, "b.example", "/y"), "ns/d:80");
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, a_host_without_paths_is_claimed)
{
    struct entry_facts f;
    struct entry_table *t;

    entry_facts_init(&f);
    feed_ingress(&f, "a", OLD,
                 "{\"rules\":[{\"host\":\"a.example\"}," RULE("", PATH("Prefix", "/", "any")) "]}");
    t = entry_table_new(&f);
    CHECK(backend(t, "a.example", "/") == NULL);
    CHECK_STR(backend(t, "b.example", "/"), "ns/any:80");
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, only_ingresses_of_our_classes_count)
{
    static const struct {
        const char *class;
        bool ours;
    } rows[] = { { "nginx", true }, { "alb", true },      { "none", true },
                 { "mkube", true }, { "traefik", false }, { "edge", true } };
    struct entry_facts f;

    entry_facts_init(&f);
    feed(&f, "class", "", "edge", "{\"spec\":{\"controller\":\"k8s.io/ingress-nginx\"}}");
    feed(&f, "class", "", "traefik", "{\"spec\":{\"controller\":\"traefik.io/x\"}}");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *spec = mem_fmt("{\"ingressClassName\":\"%s\",\"rules\":[%s]}",
                                            rows[i].class, RULE("a", PATH("Prefix", "/", "x")));
        struct entry_table *t;

        feed_ingress(&f, "a", OLD, spec);
        t = entry_table_new(&f);
        CHECK((backend(t, "a", "/") != NULL) == rows[i].ours);
        entry_table_unref(t);
    }
    feed(&f, "ingress", "ns", "a",
         "{\"metadata\":{\"annotations\":{\"kubernetes.io/ingress.class\":"
         "\"other\"}},\"spec\":{}}");
    CHECK(!entry_facts_claims(&f, map_get(f.ingresses, "ns/a")));
    entry_facts_fini(&f);
}

TEST(entry_table, endpoints_are_the_ready_ones_else_those_ending)
{
    struct entry_facts f;
    struct entry_table *t;
    const struct entry_backend *b;

    entry_facts_init(&f);
    feed_service(&f, "web");
    feed_ingress(&f, "a", OLD, "{\"rules\":[" RULE("", PATH("Prefix", "/", "web")) "]}");
    t = entry_table_new(&f);
    b = entry_table_find(t, "", "/")->backend;
    CHECK_INT(b->n_endpoints, 1);
    CHECK_STR(entry_table_endpoint(t, b->endpoints[0])->name, "10.0.0.1:8080");
    CHECK_INT(ntohs(entry_table_endpoint(t, b->endpoints[0])->address.at.v4.sin_port), 8080);
    entry_table_unref(t);

    feed(&f, "slice", "ns", "web-1",
         "{\"metadata\":{\"labels\":{\"kubernetes.io/service-name\":\"web\"}},"
         "\"ports\":[{\"name\":\"http\",\"port\":8080}],\"endpoints\":[{\"addresses\":[\"10.0.0."
         "2\"],"
         "\"conditions\":{\"ready\":false,\"serving\":true,\"terminating\":true}}]}");
    t = entry_table_new(&f);
    b = entry_table_find(t, "", "/")->backend;
    CHECK_INT(b->n_endpoints, 1);
    CHECK_STR(entry_table_endpoint(t, b->endpoints[0])->name, "10.0.0.2:8080");
    entry_table_unref(t);

    entry_facts_slice(&f, "ns", "web-1", NULL);
    CHECK(entry_facts_slices(&f, "ns", "web") == NULL);
    t = entry_table_new(&f);
    CHECK_INT(entry_table_find(t, "", "/")->backend->n_endpoints, 0);
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, balancers_listen_oldest_first_and_know_their_endpoints)
{
    struct entry_facts f;
    struct entry_table *t;
    const struct entry_listen *l;
    size_t n;

    entry_facts_init(&f);
    feed_service(&f, "web");
    feed(&f, "service", "ns", "web",
         "{\"metadata\":{\"creationTimestamp\":\"" NEW "\"},\"spec\":{\"type\":\"LoadBalancer\","
         "\"ports\":[{\"name\":\"http\",\"port\":8081,\"protocol\":\"TCP\"}]}}");
    feed(&f, "service", "ns", "dns",
         "{\"metadata\":{\"creationTimestamp\":\"" OLD "\"},\"spec\":{\"type\":\"LoadBalancer\","
         "\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}]}}");
    t = entry_table_new(&f);
    l = entry_table_listens(t, &n);
    CHECK_INT(n, 2);
    CHECK_STR(l[0].service->name, "dns");
    CHECK(!l[0].is_tcp);
    CHECK_INT(l[1].port, 8081);
    CHECK_INT(l[1].backend->n_endpoints, 1);
    CHECK(entry_table_listen(t, "ns", "web", 8081) == &l[1]);
    CHECK(entry_table_listen(t, "ns", "web", 80) == NULL);
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, only_balancers_of_our_classes_listen)
{
    static const char *const classes[] = { "mkube.io/entry", "service.k8s.aws/nlb",
                                           "eks.amazonaws.com/nlb", "example.com/lb" };
    struct entry_facts f;
    struct entry_table *t;
    const struct entry_listen *l;
    size_t n;

    entry_facts_init(&f);
    for (size_t i = 0; i < N_ELEMENTS(classes); i++) {
        cleanup(freep) char *name = mem_fmt("s%zu", i);
        cleanup(freep) char *json = mem_fmt(
            "{\"metadata\":{\"creationTimestamp\":\"" OLD "\"},\"spec\":{"
            "\"type\":\"LoadBalancer\",\"loadBalancerClass\":\"%s\","
            "\"ports\":[{\"port\":%zu}]}}",
            classes[i], 8081 + i);

        feed(&f, "service", "ns", name, json);
    }
    t = entry_table_new(&f);
    l = entry_table_listens(t, &n);
    CHECK_INT(n, 3);
    for (size_t i = 0; i < n; i++)
        CHECK_INT(l[i].port, 8081 + i);
    entry_table_unref(t);
    entry_facts_fini(&f);
}

TEST(entry_table, annotations_set_limits_and_a_bad_value_is_told)
{
    struct entry_facts f;
    struct entry_table *t;
    const struct entry_policy *p;
    size_t n;

    entry_facts_init(&f);
    feed(&f, "ingress", "ns", "a",
         "{\"metadata\":{\"annotations\":{\"nginx.ingress.kubernetes.io/"
         "proxy-read-timeout\":\"3600\","
         "\"nginx.ingress.kubernetes.io/proxy-body-size\":\"8m\","
         "\"nginx.ingress.kubernetes.io/proxy-connect-timeout\":\"soon\",\"x/y\":\"z\"}},"
         "\"spec\":{\"rules\":[" RULE("", PATH("Prefix", "/", "web")) "]}}");
    t = entry_table_new(&f);
    p = entry_table_find(t, "", "/")->policy;
    CHECK_INT(p->read_ms, 3600000);
    CHECK_INT(p->max_body, 8 << 20);
    CHECK_INT(p->connect_ms, 0);
    CHECK_STR(entry_table_warnings(t, &n)[0].reason, "InvalidAnnotation");
    CHECK_INT(n, 1);
    entry_table_unref(t);
    entry_facts_fini(&f);
}
