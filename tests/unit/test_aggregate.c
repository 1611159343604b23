/* layer: api */
#include "api/aggregate.h"
#include "base/bits.h"
#include "base/http_server.h"
#include "tests/unit/server_fixture.h"

/* The API that somebody else serves. */
struct other {
    struct http_server *http;
    struct tls_pair own;
    bool ill, closed;
    char user[64], group[64], extra[64], path[256], body[256];
    unsigned n_probes;
};

static void other_note(char ret[64], struct http_exchange *x, const char *name)
{
    snprintf(ret, 64, "%s", http_header(x, name) != NULL ? http_header(x, name) : "");
}

static void other_on_request(void *arg, struct http_exchange *x)
{
    static const char document[] =
        "{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"flowers\",\"kind\":\"Flower\","
        "\"namespaced\":true,\"verbs\":[\"get\"]},{\"name\":\"flowers/status\",\"kind\":\"Flower\","
        "\"verbs\":[\"get\"]}]}";
    struct other *o = arg;
    size_t len;
    const char *body = http_body(x, &len);

    if (str_eq(http_path(x), "/apis/flowers.example.com/v1")) {
        o->n_probes++;
        http_reply(x, o->ill ? 503 : 200, "application/json", document, strlen(document));
        return;
    }
    other_note(o->user, x, "X-Remote-User");
    other_note(o->group, x, "X-Remote-Group");
    other_note(o->extra, x, "X-Remote-Extra-authentication.kubernetes.io%2Fcredential-id");
    snprintf(o->path, sizeof(o->path), "%s", http_path(x));
    snprintf(o->body, sizeof(o->body), "%.*s", (int)len, body);
    http_set_header(x, "X-Other", "yes");
    http_reply(x, str_ends(o->path, "/none") ? 404 : 200, "application/json", "{\"ok\":true}", 11);
}

static void other_up(struct other *o, struct server_fixture *f)
{
    const char *const names[] = { "flowers.default.svc", NULL };
    const struct tls_spec spec = { .cn = names[0], .dns = names, .is_server = true };
    struct http_server_opts opts = { .address = "127.0.0.1",
                                     .on_request = other_on_request,
                                     .arg = o };
    cleanup(text_fini) struct text ca = TEXT_EMPTY;
    cleanup(freep) char *slice = NULL;
    cleanup(freep) char *api = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_issue(&o->own, &f->ca, &spec, &err), 0);
    CHECK_INT(tls_server_new(&opts.creds, &o->own, NULL, &err), 0);
    CHECK_INT(http_server_new(&o->http, &f->loop, &opts, &err), 0);
    tls_server_unref(opts.creds);
    bits_base64(&ca, f->ca.cert_pem, strlen(f->ca.cert_pem));
    slice = mem_fmt("{'metadata':{'name':'f-1','labels':{'kubernetes.io/service-name':'flowers'}},"
                    "'addressType':'IPv4','ports':[{'name':'','port':%u}],"
                    "'endpoints':[{'addresses':['127.0.0.1'],'conditions':{'ready':true}}]}",
                    http_server_port(o->http));
    api = mem_fmt("{'metadata':{'name':'v1.flowers.example.com'},'spec':{'group':"
                  "'flowers.example.com','version':'v1','groupPriorityMinimum':10,"
                  "'versionPriority':10,'caBundle':'%s','service':{'namespace':'default','name':"
                  "'flowers'}}}",
                  text_str(&ca));
    CHECK_INT(
        registry_fixture_ask(&f->base, (struct ask){ .bucket = "services",
                                                     .body = "{'metadata':{'name':'flowers'},"
                                                             "'spec':{'ports':[{'port':443}]}}" }),
        201);
    CHECK_INT(registry_fixture_ask(
                  &f->base, (struct ask){ .bucket = AGGREGATE_BUCKET, .ns = "", .body = api }),
              201);
    CHECK_INT(
        registry_fixture_ask(
            &f->base, (struct ask){ .bucket = "endpointslices.discovery.k8s.io", .body = slice }),
        201);
}

static void other_on_closed(void *arg)
{
    ((struct other *)arg)->closed = true;
}

static void other_down(struct other *o, struct server_fixture *f)
{
    http_server_close(o->http, other_on_closed, o);
    CHECK_SOON(&f->loop, o->closed, 5000);
    tls_pair_fini(&o->own);
}

static const char *other_reason(struct server_fixture *f)
{
    static char reason[64];
    const struct object *o = store_get(f->base.s, AGGREGATE_BUCKET, "", "v1.flowers.example.com");
    cleanup(json_decrefpp) json_t *tree = object_tree(o);
    const json_t *condition = json_array_get(json_at(tree, "status.conditions"), 0);

    snprintf(reason, sizeof(reason), "%s", json_str_or(condition, "reason", ""));
    return reason;
}

TEST(aggregate, an_api_of_others_is_found_and_passed_on_to)
{
    struct server_fixture f = { 0 };
    struct other o = { 0 };

    server_fixture_up(&f);
    other_up(&o, &f);
    CHECK_SOON(&f.loop, str_eq(other_reason(&f), "Passed"), 12000);
    CHECK_INT(HTTP("GET", "/apis/flowers.example.com"), 200);
    SAW_AT("preferredVersion.groupVersion", "'flowers.example.com/v1'");
    CHECK_INT(HTTP("GET", "/apis/flowers.example.com/v1/namespaces/a/flowers/rose?x=1"), 200);
    SAW_AT("ok", "true");
    CHECK_STR(o.user, "ann");
    CHECK_STR(o.group, "system:masters");
    CHECK(str_starts(o.extra, "X509SHA256="));
    CHECK_STR(o.path, "/apis/flowers.example.com/v1/namespaces/a/flowers/rose");
    CHECK_INT(POST("/apis/flowers.example.com/v1/namespaces/a/flowers", "{'a':1}"), 200);
    CHECK_STR(o.body, "{\"a\":1}");
    CHECK_INT(HTTP("GET", "/apis/flowers.example.com/v1/namespaces/a/flowers/none"), 404);
    server_fixture_stop(&f);
    other_down(&o, &f);
    server_fixture_down(&f);
}

TEST(aggregate, an_ill_one_is_told_and_answers_503)
{
    struct server_fixture f = { 0 };
    struct other o = { .ill = true };

    server_fixture_up(&f);
    other_up(&o, &f);
    CHECK_SOON(&f.loop, str_eq(other_reason(&f), "FailedDiscoveryCheck"), 12000);
    CHECK_INT(HTTP("GET", "/apis/flowers.example.com/v1/flowers"), 503);
    CHECK_INT(HTTP("GET", "/apis/apps/v1/deployments"), 200);
    server_fixture_stop(&f);
    other_down(&o, &f);
    server_fixture_down(&f);
}

TEST(aggregate, whom_it_shall_believe_stands_in_a_configmap)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK(registry_fixture_get(&f.base, "configmaps", "kube-system",
                               "extension-apiserver-authentication"));
    CHECK_STR(registry_fixture_print(&f.base, f.base.body, "data.requestheader-allowed-names"),
              "'[\\'front-proxy-client\\']'");
    server_fixture_down(&f);
}
