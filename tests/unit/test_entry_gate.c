/* layer: net */
#include "base/mem.h"
#include "base/text.h"
#include "net/entry_cors.h"
#include "net/entry_gate.h"
#include "net/entry_sticky.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <http_parser.h>
#include <string.h>

/* --- an Ingress and a request in few words --- */

#define N "nginx.ingress.kubernetes.io/"
#define A "alb.ingress.kubernetes.io/"

struct world {
    struct entry_facts facts;
    struct entry_table *table;
    struct entry_head head;
    struct entry_request request;
    struct text fields;
    unsigned status;
    const struct entry_route *route;
};

static json_t *parsed(const char *json)
{
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    if (json_parse(&tree, json, strlen(json), NULL, &err) < 0)
        test_failed(json, __FILE__, __LINE__);
    return tree;
}

/* @paths: "TYPE PATH TYPE PATH ..." of host a.example; @rest: more of the spec. */
static void add(struct world *w, const char *name, const char *annotations, const char *paths,
                const char *rest)
{
    cleanup(text_fini) struct text list = TEXT_EMPTY;
    cleanup(strv_freep) char **words = str_split(paths, ' ');
    cleanup(freep) char *json = NULL;
    cleanup(json_decrefpp) json_t *tree = NULL;

    for (size_t i = 0; words[i] != NULL && words[i + 1] != NULL; i += 2)
        text_fmt(&list,
                 "%s{\"pathType\":\"%s\",\"path\":\"%s\",\"backend\":{\"service\":{\"name\":"
                 "\"s%zu\",\"port\":{\"number\":80}}}}",
                 i > 0 ? "," : "", words[i], words[i + 1], i / 2);
    json = mem_fmt("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"ns\",\"creationTimestamp\":\"\","
                   "\"annotations\":{%s}},\"spec\":{%s\"rules\":[{\"host\":\"a.example\",\"http\":{"
                   "\"paths\":[%s]}}]}}",
                   name, annotations, rest, text_str(&list));
    tree = parsed(json);
    entry_facts_ingress(&w->facts, "ns", name, tree);
}

static void up(struct world *w, const char *annotations, const char *paths, const char *rest)
{
    memset(w, 0, sizeof(*w));
    entry_facts_init(&w->facts);
    add(w, "i", annotations, paths, rest);
    w->table = entry_table_new(&w->facts);
}

static void down(struct world *w)
{
    entry_table_unref(w->table);
    entry_facts_fini(&w->facts);
    entry_head_fini(&w->head);
    entry_request_fini(&w->request);
    text_fini(&w->fields);
}

/* @lines: "name: value" separated by '|'. */
static enum entry_verdict ask(struct world *w, const char *method, const char *target,
                              const char *lines, bool is_tls)
{
    struct sockaddr_in from = { .sin_family = AF_INET };
    struct entry_line line = { .method = method, .major = 1, .minor = 1 };
    struct entry_visit v = { .request = &w->request,
                             .head = &w->head,
                             .remote = (const struct sockaddr *)&from,
                             .is_tls = is_tls };
    cleanup(freep) char *all = mem_fmt("host: a.example|%s", lines);
    cleanup(strv_freep) char **list = str_split(all, '|');

    inet_pton(AF_INET, "10.1.2.3", &from.sin_addr);
    entry_head_clear(&w->head);
    text_clear(&w->fields);
    w->status = 0;
    entry_head_target(&w->head, target, strlen(target));
    for (size_t i = 0; list[i] != NULL && list[i][0] != '\0'; i++) {
        char *colon = strchr(list[i], ':');

        entry_head_name(&w->head, list[i], (size_t)(colon - list[i]));
        entry_head_value(&w->head, colon + 2, strlen(colon + 2));
    }
    CHECK(entry_head_end(&w->head));
    CHECK_INT(entry_request_read(&w->request, &w->head, &line), 0);
    w->route = entry_table_find(w->table, w->request.host, text_str(&w->request.path));
    if (w->route == NULL) {
        w->status = 404;
        return ENTRY_ANSWERED;
    }
    return entry_gate_decide(w->route, &v, &w->status, &w->fields);
}

/* --- redirects and who may enter --- */

TEST(entry_gate, answers_come_before_a_backend_is_asked)
{
#define TLS "\"tls\":[{\"hosts\":[\"a.example\"]}],"
#define ALB "\"ingressClassName\":\"alb\","
    static const struct {
        const char *annotations, *rest, *method, *target, *lines;
        bool is_tls;
        unsigned status; /* 0: passes */
        const char *location;
    } rows[] = {
        { "", "", "GET", "/", "", false, 0, NULL },
        /* TLS */
        { "", TLS, "GET", "/x?y=1", "", false, 308, "https://a.example/x?y=1" },
        { "", TLS, "GET", "/x", "", true, 0, NULL },
        { "\"" N "ssl-redirect\":\"false\"", TLS, "GET", "/x", "", false, 0, NULL },
        { "\"" N "force-ssl-redirect\":\"true\"", "", "GET", "/x", "", false, 308,
          "https://a.example/x" },
        { "\"" A "listen-ports\":\"[{\\\"HTTP\\\": 80}, {\\\"HTTPS\\\": 443}]\",\"" A
          "ssl-redirect\":\"443\"",
          ALB, "GET", "/x?q", "", false, 301, "https://a.example:443/x?q" },
        { "\"" A "listen-ports\":\"[{\\\"HTTP\\\": 80}, {\\\"HTTPS\\\": 443}]\"", ALB TLS, "GET",
          "/x", "", false, 0, NULL },
        { "\"" A "ssl-redirect\":\"443\"", ALB, "GET", "/x", "", false, 0, NULL },
        { "\"" N "force-ssl-redirect\":\"true\"", ALB, "GET", "/x", "", false, 0, NULL },
        /* elsewhere */
        { "\"" N "app-root\":\"/app\"", "", "GET", "/", "", false, 302, "http://a.example/app" },
        { "\"" N "app-root\":\"/app\"", "", "GET", "/x", "", false, 0, NULL },
        { "\"" N "permanent-redirect\":\"https://b.example$request_uri\"", "", "GET", "/x?y", "",
          false, 301, "https://b.example/x?y" },
        { "\"" N "permanent-redirect\":\"https://b.example\",\"" N
          "permanent-redirect-code\":\"308\"",
          "", "GET", "/", "", false, 308, "https://b.example" },
        { "\"" N "permanent-redirect\":\"https://b.example\",\"" N
          "permanent-redirect-code\":\"200\"",
          "", "GET", "/", "", false, 301, "https://b.example" },
        { "\"" N "temporal-redirect\":\"https://c.example\",\"" N
          "permanent-redirect\":\"https://b.example\"",
          "", "GET", "/", "", false, 302, "https://c.example" },
        /* who */
        { "\"" N "whitelist-source-range\":\"10.0.0.0/8, 192.168.0.1\"", "", "GET", "/", "", false,
          0, NULL },
        { "\"" N "whitelist-source-range\":\"192.168.0.0/16\"", "", "GET", "/", "", false, 403,
          NULL },
        { "\"" N "whitelist-source-range\":\"192.168.0.0/16\",\"" N
          "allowlist-source-range\":\"10.1.2.3\"",
          "", "GET", "/", "", false, 0, NULL },
        { "\"" N "whitelist-source-range\":\"office\"", "", "GET", "/", "", false, 503, NULL },
        { "\"" N "denylist-source-range\":\"10.1.0.0/16\"", "", "GET", "/", "", false, 403, NULL },
        { "\"" N "auth-type\":\"digest\",\"" N "auth-secret\":\"s\"", "", "GET", "/", "", false,
          503, NULL },
        { "\"" N "auth-type\":\"basic\",\"" N "auth-secret\":\"other/s\"", "", "GET", "/", "",
          false, 503, NULL },
        { "\"" N "auth-url\":\"http://auth\"", "", "GET", "/", "", false, 503, NULL },
        { "\"" N "configuration-snippet\":\"deny all;\"", "", "GET", "/", "", false, 0, NULL },
        /* a preflight is answered for those who need no credentials */
        { "\"" N "enable-cors\":\"true\"", "", "OPTIONS", "/", "origin: http://x", false, 204,
          NULL },
        { "\"" N "enable-cors\":\"true\"", TLS, "OPTIONS", "/", "origin: http://x", false, 204,
          NULL },
        { "\"" N "cors-allow-origin\":\"*\"", "", "OPTIONS", "/", "origin: http://x", false, 0,
          NULL },
        { "\"" N "enable-cors\":\"true\",\"" N "cors-allow-origin\":\"https://y\"", "", "OPTIONS",
          "/", "origin: http://x", false, 0, NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *row = mem_fmt("row %zu: %s", i, rows[i].annotations);
        struct world w;
        enum entry_verdict verdict;

        up(&w, rows[i].annotations, "Prefix /", rows[i].rest);
        verdict = ask(&w, rows[i].method, rows[i].target, rows[i].lines, rows[i].is_tls);
        if ((verdict == ENTRY_PASSES) != (rows[i].status == 0) || w.status != rows[i].status)
            test_failed(row, __FILE__, __LINE__);
        if (rows[i].location != NULL) {
            cleanup(freep) char *line = mem_fmt("Location: %s\r\n", rows[i].location);

            CHECK_STR(text_str(&w.fields), line);
        }
        down(&w);
    }
}

TEST(entry_gate, www_leads_to_the_bare_host_and_back)
{
    struct world w;

    up(&w, "\"" N "from-to-www-redirect\":\"true\"", "Prefix /", "");
    w.route = entry_table_find(w.table, "www.a.example", "/x");
    CHECK(w.route != NULL);
    CHECK_STR(w.route->moved, "a.example");
    CHECK(ask(&w, "GET", "/x", "", false) == ENTRY_PASSES);
    down(&w);
}

/* --- CORS --- */

TEST(entry_gate, cors_fields_are_those_of_ingress_nginx)
{
    struct world w;

    up(&w, "\"" N "enable-cors\":\"true\"", "Prefix /", "");
    CHECK(ask(&w, "GET", "/", "", false) == ENTRY_PASSES);
    CHECK_STR(text_str(&w.fields),
              "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n"
              "Access-Control-Allow-Methods: GET, PUT, POST, DELETE, PATCH, OPTIONS\r\n"
              "Access-Control-Allow-Headers: DNT,Keep-Alive,User-Agent,X-Requested-With,"
              "If-Modified-Since,Cache-Control,Content-Type,Range,Authorization\r\n"
              "Access-Control-Max-Age: 1728000\r\n");
    down(&w);
    up(&w,
       "\"" N "enable-cors\":\"true\",\"" N "cors-allow-origin\":\"https://x.example\",\"" N
       "cors-allow-methods\":\"GET\",\"" N "cors-allow-headers\":\"A\",\"" N
       "cors-expose-headers\":\"B\",\"" N "cors-allow-credentials\":\"false\",\"" N
       "cors-max-age\":\"5\"",
       "Prefix /", "");
    CHECK(ask(&w, "GET", "/", "origin: https://x.example", false) == ENTRY_PASSES);
    CHECK_STR(text_str(&w.fields),
              "Access-Control-Allow-Origin: https://x.example\r\nAccess-Control-Allow-Methods: "
              "GET\r\nAccess-Control-Allow-Headers: A\r\nAccess-Control-Max-Age: 5\r\n"
              "Access-Control-Expose-Headers: B\r\n");
    down(&w);
}

TEST(entry_gate, origins_are_compared_with_patterns)
{
    static const struct {
        const char *origins, *origin;
        bool allowed;
    } rows[] = {
        { "*", "", true },
        { "*", "http://x", true },
        { "https://a.example", "https://a.example", true },
        { "https://a.example", "HTTPS://A.example", true },
        { "https://a.example", "http://a.example", false },
        { "https://a.example", "https://a.example:8080", false },
        { "https://a.example", "", false },
        { "https://*.a.example", "https://x-1.a.example", true },
        { "https://*.a.example", "https://a.example", false },
        { "https://*.a.example", "https://x.y.a.example", false },
        { "https://*.a.example", "https://.a.example", false },
        { "https://b.example , https://*.a.example:80", "https://x.a.example:80", true },
        { "https://b.example,https://c.example", "https://c.example", true },
        { ",", "https://c.example", false },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct entry_cors c = { .is_on = true, .origins = rows[i].origins };

        if (entry_cors_allows(&c, rows[i].origin, strlen(rows[i].origin)) != rows[i].allowed)
            test_failed(rows[i].origin, __FILE__, __LINE__);
    }
}

/* --- paths and rewriting --- */

TEST(entry_gate, requests_find_and_lose_their_prefixes_as_with_ingress_nginx)
{
#define REWRITE(to) "\"" N "rewrite-target\":\"" to "\""
#define REGEX       "\"" N "use-regex\":\"true\""
#define FREE        "ImplementationSpecific "
    static const char erp[] = FREE "/api/employees(/|$)(.*) Prefix /ws Prefix /";
    static const struct {
        const char *annotations, *paths, *target;
        int service; /* number; -1: 404 */
        const char *asked;
    } rows[] = {
        /* seed 001: every path of the Ingress is rewritten, those without groups to "/" */
        { REWRITE("/$2"), erp, "/api/employees/7?x=1", 0, "/7?x=1" },
        { REWRITE("/$2"), erp, "/api/employees", 0, "/" },
        { REWRITE("/$2"), erp, "/API/Employees/7", 0, "/7" },
        { REWRITE("/$2"), erp, "/api/employeesx", 2, "/" },
        { REWRITE("/$2"), erp, "/ws?id=1", 1, "/?id=1" },
        { REWRITE("/$2"), erp, "/wsx", 1, "/" },
        { REWRITE("/$2"), erp, "/logo.png", 2, "/" },
        { REWRITE("/$2"), erp, "/api/employees/a%20b%3f%25", 0, "/a%20b%3F%25" },
        /* seed 003: a path that is its own target is left alone */
        { REWRITE("/"), "Prefix /", "/logo.png", 0, NULL },
        { REWRITE("/"), "Prefix /x Prefix /", "/x/y", 0, "/" },
        { REWRITE("/"), "Prefix /x Prefix /", "/y", 1, NULL },
        { REWRITE("/b/$1?a=$2"), FREE "/x/(.*)/(.*)", "/x/1/2?c=3", 0, "/b/1?a=2&c=3" },
        { REWRITE("/b?"), FREE "/x", "/x?c=3", 0, "/b" },
        { REWRITE("$1"), FREE "/x/(.*)", "/x/y", 0, "/y" },
        { REWRITE("/$10"), FREE "/x/(.*)", "/x/y", 0, "/y0" },
        /* regular expressions: the longest path first, case does not matter, types neither */
        { REGEX, FREE "/a/.* " FREE "/a/b/c", "/a/b/c", 1, NULL },
        { REGEX, FREE "/a/.* " FREE "/a/b/c", "/A/x", 0, NULL },
        { REGEX, FREE "/a/[0-9]+$", "/a/12", 0, NULL },
        { REGEX, FREE "/a/[0-9]+$", "/a/12x", -1, NULL },
        { REGEX, "Exact /foo", "/foobar", 0, NULL },
        { REGEX, FREE "/(", "/(", -1, NULL },
        /* without: bytes, elements, or all of it */
        { "", FREE "/foo", "/foobar", 0, NULL },
        { "", "Prefix /foo", "/foobar", -1, NULL },
        { "", "Prefix /foo", "/foo/bar", 0, NULL },
        { "", "Prefix /foo", "/FOO", -1, NULL },
        { "", "Exact /foo", "/foo/", -1, NULL },
        { "", FREE "/foo Prefix /foo", "/foo", 1, NULL },
        { "", FREE "/foo Prefix /foo", "/foo/x", 1, NULL },
        { "", FREE "/foo Prefix /foo", "/foox", 0, NULL },
        { "", FREE "/foo/ba Prefix /foo", "/foo/bar", 0, NULL },
        { "", FREE "/a.c", "/abc", -1, NULL },
        { "", FREE "/*", "/abc", 0, NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *row = mem_fmt("row %zu: %s", i, rows[i].target);
        cleanup(freep) char *name = mem_fmt("ns/s%d:80", rows[i].service);
        cleanup(text_fini) struct text asked = TEXT_EMPTY;
        struct entry_visit v;
        struct world w;

        up(&w, rows[i].annotations, rows[i].paths, "");
        ask(&w, "GET", rows[i].target, "", false);
        v = (struct entry_visit){ .request = &w.request, .head = &w.head };
        if ((w.route == NULL) != (rows[i].service < 0) ||
            (w.route != NULL && !str_eq(w.route->backend->name, name)))
            test_failed(row, __FILE__, __LINE__);
        if (w.route != NULL &&
            (entry_gate_rewrite(w.route, &v, &asked) != (rows[i].asked != NULL) ||
             !str_eq(text_str(&asked), rows[i].asked != NULL ? rows[i].asked : "")))
            test_failed(row, __FILE__, __LINE__);
        down(&w);
    }
}

TEST(entry_gate, one_expression_makes_all_paths_of_its_host_expressions)
{
    struct world w;

    up(&w, "", "Prefix /foo Exact /bar", "");
    add(&w, "other", REGEX, FREE "/x[0-9]", "");
    entry_table_unref(w.table);
    w.table = entry_table_new(&w.facts);
    CHECK_STR(entry_table_find(w.table, "a.example", "/FOObar")->backend->name, "ns/s0:80");
    CHECK_STR(entry_table_find(w.table, "a.example", "/bar/x")->backend->name, "ns/s1:80");
    CHECK(entry_table_find(w.table, "a.example", "/y") == NULL);
    down(&w);
}

TEST(entry_gate, patterns_of_alb_are_exact_but_for_their_wildcards)
{
    static const struct {
        const char *path;
        int service;
    } rows[] = { { "/a", 0 },   { "/a/x", -1 }, { "/b/x", 1 }, { "/b", -1 },
                 { "/c1d", 2 }, { "/cd", -1 },  { "/e/f", 3 }, { "/ex", -1 } };
    struct world w;

    up(&w, "", FREE "/a " FREE "/b/* " FREE "/c?d* Prefix /e", ALB);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const struct entry_route *r = entry_table_find(w.table, "a.example", rows[i].path);
        cleanup(freep) char *name = mem_fmt("ns/s%d:80", rows[i].service);

        if ((r == NULL) != (rows[i].service < 0) || (r != NULL && !str_eq(r->backend->name, name)))
            test_failed(rows[i].path, __FILE__, __LINE__);
    }
    down(&w);
}

TEST(entry_gate, a_hostile_expression_gives_up)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct world w;

    up(&w, REGEX, FREE "/(a+)+$", "");
    text_puts(&path, "/");
    for (unsigned i = 0; i < 8000; i++)
        text_putc(&path, 'a');
    CHECK(entry_table_find(w.table, "a.example", text_str(&path)) != NULL);
    text_puts(&path, "!");
    CHECK(entry_table_find(w.table, "a.example", text_str(&path)) == NULL);
    down(&w);
}

/* --- shares and cookies --- */

TEST(entry_gate, a_canary_takes_its_share_and_those_who_ask)
{
    static const struct {
        const char *lines;
        uint64_t random;
        bool canary;
    } rows[] = {
        { "", 29, true },
        { "", 30, false },
        { "x-canary: always", 99, true },
        { "x-canary: never", 0, false },
        { "x-canary: maybe", 0, true },
        { "cookie: a=b; try=always", 99, true },
        { "cookie: try=never", 0, false },
    };
    struct world w;

    up(&w, "", "Prefix /", "");
    add(&w, "canary",
        "\"" N "canary\":\"true\",\"" N "canary-weight\":\"30\",\"" N
        "canary-by-header\":\"X-Canary\",\"" N "canary-by-cookie\":\"try\"",
        "Prefix /", "");
    entry_table_unref(w.table);
    w.table = entry_table_new(&w.facts);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CHECK(ask(&w, "GET", "/", rows[i].lines, false) == ENTRY_PASSES);
        CHECK(w.route->canary != NULL);
        if (entry_gate_is_canary(w.route, &w.head, rows[i].random) != rows[i].canary)
            test_failed(rows[i].lines, __FILE__, __LINE__);
    }
    down(&w);
}

TEST(entry_gate, a_cookie_names_an_endpoint)
{
    cleanup(text_fini) struct text line = TEXT_EMPTY;
    struct world w;

    up(&w,
       "\"" N "affinity\":\"cookie\",\"" N "session-cookie-name\":\"route\",\"" N
       "session-cookie-max-age\":\"60\",\"" N "session-cookie-samesite\":\"Lax\"",
       "Prefix /", "");
    ask(&w, "GET", "/", "cookie: x=1; route=00000000deadbeef; y=2", false);
    CHECK(entry_sticky_read(&w.route->policy->sticky, &w.head) == 0xdeadbeef);
    entry_sticky_print(&line, &w.route->policy->sticky, 0xdeadbeef, "/p", true, 0);
    CHECK_STR(text_str(&line), "Set-Cookie: route=00000000deadbeef; Expires=Thu, 01 Jan 1970 "
                               "00:01:00 GMT; Max-Age=60; Path=/p; Secure; HttpOnly; "
                               "SameSite=Lax\r\n");
    ask(&w, "GET", "/", "cookie: route=elsewhere", false);
    CHECK(entry_sticky_read(&w.route->policy->sticky, &w.head) == 0);
    down(&w);
    up(&w,
       "\"" A "target-group-attributes\":\"stickiness.enabled=true,stickiness.lb_cookie.duration_"
       "seconds=86400\"",
       "Prefix /", ALB);
    ask(&w, "GET", "/", "", false);
    CHECK_STR(w.route->policy->sticky.cookie, "AWSALB");
    CHECK_INT(w.route->policy->sticky.max_age_s, 86400);
    down(&w);
}

TEST(entry_gate, what_is_not_done_is_told)
{
    static const struct {
        const char *annotations, *reason;
    } rows[] = {
        { "\"" N "configuration-snippet\":\"x\"", "UnsupportedAnnotation" },
        { "\"" N "limit-rps\":\"5\"", "UnsupportedAnnotation" },
        { "\"" N "backend-protocol\":\"HTTPS\"", "UnsupportedAnnotation" },
        { "\"" N "backend-protocol\":\"HTTP\"", NULL },
        { "\"" N "enable-cors\":\"perhaps\"", "InvalidAnnotation" },
        { "\"" N "proxy-buffering\":\"on\",\"" N "websocket-services\":\"x\",\"x/y\":\"z\"", NULL },
        { "\"" N "upstream-vhost\":\"a\\r\\nX: y\"", "InvalidAnnotation" },
        { "\"" N "app-root\":\"/a\\nb\"", "InvalidAnnotation" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const struct entry_warning *warnings;
        struct world w;
        size_t n;

        up(&w, rows[i].annotations, "Prefix /", "");
        warnings = entry_table_warnings(w.table, &n);
        if ((n > 0) != (rows[i].reason != NULL) ||
            (n > 0 && !str_eq(warnings[0].reason, rows[i].reason)))
            test_failed(rows[i].annotations, __FILE__, __LINE__);
        down(&w);
    }
}
