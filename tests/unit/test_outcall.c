/* layer: api */
#include "api/outcall.h"

#include "base/bits.h"
#include "base/http_server.h"
#include "base/loop.h"
#include "base/tls.h"
#include "tests/unit/registry_fixture.h"

/* A webhook's server on loopback that behaves as the test wants. */
enum peer_mood { PEER_ANSWERS, PEER_SILENT, PEER_BREAKS, PEER_HUGE, PEER_FAILS };

struct peer_fixture {
    struct registry_fixture base;
    uv_loop_t loop;
    struct tls_pair ca, own;
    struct http_server *http;
    struct http_exchange *kept; /* PEER_SILENT */
    enum peer_mood mood;
    char asked[4096], path[256];
    struct outcall *out;
    /* the last answer */
    bool done, closed;
    int rc, status;
    struct text text;
    struct err err;
    unsigned n_done;
};

static void peer_on_gone(void *arg)
{
    (void)arg;
}

static void peer_on_request(void *arg, struct http_exchange *x)
{
    struct peer_fixture *f = arg;
    struct http_stream_listener listener = { .on_gone = peer_on_gone, .arg = f };
    size_t len;
    const char *body = http_body(x, &len);

    snprintf(f->asked, sizeof(f->asked), "%.*s", (int)len, body);
    snprintf(f->path, sizeof(f->path), "%s", http_path(x));
    if (f->mood == PEER_ANSWERS) {
        http_reply(x, 200, "application/json", "{\"ok\":1}", 8);
    } else if (f->mood == PEER_FAILS) {
        http_reply(x, 500, "text/plain", "oops", 4);
    } else if (f->mood == PEER_SILENT) {
        f->kept = x;
    } else if (f->mood == PEER_HUGE) {
        char *huge = mem_zero(OUTCALL_ANSWER_MAX + 1);

        memset(huge, 'x', OUTCALL_ANSWER_MAX + 1);
        http_reply_take(x, 200, "application/json", huge, OUTCALL_ANSWER_MAX + 1);
    } else {
        http_stream(x, 200, "application/json", &listener);
        http_write(x, "{\"ok", 4);
        http_abort(x);
    }
}

static void peer_listen(struct peer_fixture *f, const char *name)
{
    const char *const names[] = { name, NULL }, *const ips[] = { "127.0.0.1", NULL };
    const struct tls_spec spec = { .cn = name, .dns = names, .ips = ips, .is_server = true };
    struct http_server_opts opts = { .address = "127.0.0.1",
                                     .on_request = peer_on_request,
                                     .arg = f };
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_issue(&f->own, &f->ca, &spec, &err), 0);
    CHECK_INT(tls_server_new(&opts.creds, &f->own, NULL, &err), 0);
    CHECK_INT(http_server_new(&f->http, &f->loop, &opts, &err), 0);
    tls_server_unref(opts.creds);
}

/* A Service `hook` in `default` whose port 443 is the peer's. */
static void peer_serve(struct peer_fixture *f)
{
    cleanup(freep) char *slice = mem_fmt(
        "{'metadata':{'name':'hook-1','labels':{'kubernetes.io/service-name':'hook'}},"
        "'addressType':'IPv4','ports':[{'name':'https','port':%u}],"
        "'endpoints':[{'addresses':['127.0.0.9'],'conditions':{'ready':false}},"
        "{'addresses':['127.0.0.1'],'conditions':{'ready':true}}]}",
        http_server_port(f->http));

    CHECK_INT(registry_fixture_ask(
                  &f->base, (struct ask){ .bucket = "services",
                                          .body = "{'metadata':{'name':'hook'},'spec':{'ports':"
                                                  "[{'name':'https','port':443}]}}" }),
              201);
    CHECK_INT(
        registry_fixture_ask(
            &f->base, (struct ask){ .bucket = "endpointslices.discovery.k8s.io", .body = slice }),
        201);
}

static void peer_up(struct peer_fixture *f, const char *name)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(uv_loop_init(&f->loop), 0);
    registry_fixture_up(&f->base);
    CHECK_INT(tls_ca_make(&f->ca, "hooks", &err), 0);
    peer_listen(f, name);
    peer_serve(f);
    f->out = outcall_new(&f->loop, f->base.s);
}

static void peer_on_closed(void *arg)
{
    ((struct peer_fixture *)arg)->closed = true;
}

static void peer_down(struct peer_fixture *f)
{
    outcall_close(f->out);
    if (f->kept != NULL)
        http_reply(f->kept, 200, "text/plain", "", 0);
    http_server_close(f->http, peer_on_closed, f);
    CHECK_SOON(&f->loop, f->closed, 5000);
    loop_finish(&f->loop);
    registry_fixture_down(&f->base);
    tls_pair_fini(&f->ca);
    tls_pair_fini(&f->own);
    text_fini(&f->text);
}

static void peer_on_done(void *arg, int rc, int http, const char *body, size_t len,
                         const struct err *err)
{
    struct peer_fixture *f = arg;

    f->done = true;
    f->n_done++;
    f->rc = rc;
    f->status = http;
    text_clear(&f->text);
    text_add(&f->text, body, len);
    f->err = rc < 0 ? *err : (struct err)ERR_EMPTY;
}

static void peer_post(struct peer_fixture *f, const char *config, bool trusted, int64_t timeout_ms)
{
    const struct registry_outcall way = outcall_of_registry(f->out);
    cleanup(json_decrefpp) json_t *tree = quoted(config);
    cleanup(text_fini) struct text ca = TEXT_EMPTY;
    struct registry_post post = {
        .client_config = tree, .body = "{\"question\":1}", .len = 14, .timeout_ms = timeout_ms
    };

    bits_base64(&ca, f->ca.cert_pem, strlen(f->ca.cert_pem));
    if (trusted)
        json_put_str(tree, "caBundle", text_str(&ca));
    f->done = false;
    way.post(way.arg, &post, peer_on_done, f);
    CHECK(!f->done); /* never from within */
}

static int peer_ask(struct peer_fixture *f, const char *config, bool trusted)
{
    peer_post(f, config, trusted, 1500);
    CHECK_SOON(&f->loop, f->done, 8000);
    return f->rc;
}

#define SERVICE "{'service':{'namespace':'default','name':'hook','path':'/validate'}}"
#define AT_URL  "Post \"https://hook.default.svc:443/validate?timeout=2s\": "

TEST(outcall, a_service_is_asked_at_a_ready_endpoint_under_its_name)
{
    struct peer_fixture f = { 0 };

    peer_up(&f, "hook.default.svc");
    CHECK_INT(peer_ask(&f, SERVICE, true), 0);
    CHECK_INT(f.status, 200);
    CHECK_STR(text_str(&f.text), "{\"ok\":1}");
    CHECK_STR(f.asked, "{\"question\":1}");
    CHECK_STR(f.path, "/validate");
    f.mood = PEER_FAILS;
    CHECK_INT(peer_ask(&f, SERVICE, true), 0);
    CHECK_INT(f.status, 500);
    peer_down(&f);
}

TEST(outcall, who_is_not_trusted_hears_nothing)
{
    struct peer_fixture f = { 0 };

    peer_up(&f, "hook.default.svc");
    CHECK(peer_ask(&f, SERVICE, false) < 0); /* the system's authorities did not sign it */
    CHECK(str_starts(f.err.text, AT_URL));
    CHECK_STR(f.asked, "");
    peer_down(&f);
}

TEST(outcall, another_name_in_the_certificate_is_another_server)
{
    struct peer_fixture f = { 0 };

    peer_up(&f, "other.default.svc");
    CHECK(peer_ask(&f, SERVICE, true) < 0);
    CHECK_STR(f.asked, "");
    peer_down(&f);
}

TEST(outcall, faults_of_the_other_end_are_told_and_bounded)
{
    struct peer_fixture f = { 0 };

    peer_up(&f, "hook.default.svc");
    f.mood = PEER_SILENT;
    CHECK_INT(peer_ask(&f, SERVICE, true), ERR_TIMEOUT);
    CHECK_STR(f.err.text, AT_URL "context deadline exceeded");
    f.mood = PEER_BREAKS;
    CHECK(peer_ask(&f, SERVICE, true) < 0);
    CHECK(str_starts(f.err.text, AT_URL));
    f.mood = PEER_HUGE;
    CHECK_INT(peer_ask(&f, SERVICE, true), ERR_LIMIT);
    peer_down(&f);
}

TEST(outcall, a_service_without_endpoints_is_told_in_kubernetes_words)
{
    struct peer_fixture f = { 0 };

    peer_up(&f, "hook.default.svc");
    CHECK(peer_ask(&f, "{'service':{'namespace':'default','name':'none'}}", true) < 0);
    CHECK_STR(f.err.text,
              "Post \"https://none.default.svc:443/?timeout=2s\": service \"none\" not found");
    CHECK(peer_ask(&f, "{'service':{'namespace':'default','name':'hook','port':99}}", true) < 0);
    CHECK_STR(f.err.text, "Post \"https://hook.default.svc:99/?timeout=2s\": no service port 99 "
                          "found for service \"hook\"");
    CHECK_INT(
        registry_fixture_ask(&f.base, (struct ask){ .verb = REGISTRY_DELETE,
                                                    .bucket = "endpointslices.discovery.k8s.io",
                                                    .name = "hook-1" }),
        200);
    CHECK(peer_ask(&f, SERVICE, true) < 0);
    CHECK_STR(f.err.text, AT_URL "no endpoints available for service \"hook\"");
    peer_down(&f);
}

TEST(outcall, the_end_answers_what_is_under_way)
{
    struct peer_fixture f = { 0 };

    peer_up(&f, "hook.default.svc");
    f.mood = PEER_SILENT;
    peer_post(&f, SERVICE, true, 30000);
    CHECK_SOON(&f.loop, f.kept != NULL, 5000);
    peer_post(&f, "{'service':{'namespace':'default','name':'none'}}", true, 30000);
    f.out = outcall_close(f.out);
    CHECK_INT(f.n_done, 2);
    CHECK(f.rc < 0);
    peer_down(&f);
}

TEST(outcall, a_url_is_asked_where_it_says)
{
    struct peer_fixture f = { 0 };
    cleanup(freep) char *config = NULL;

    peer_up(&f, "hook.default.svc");
    config = mem_fmt("{'url':'https://127.0.0.1:%u/path'}", http_server_port(f.http));
    CHECK_INT(peer_ask(&f, config, true), 0);
    CHECK_STR(f.path, "/path");
    peer_down(&f);
}
