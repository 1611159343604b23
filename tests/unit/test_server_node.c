/* layer: api */
#include "base/http_server.h"
#include "tests/unit/server_fixture.h"

#include <time.h>

#define PODS "/api/v1/namespaces/default/pods"

/* --- joining --- */

struct joiner {
    struct server_fixture f;
    struct token_join token;
    char *header, *key, *request; /* owned */
};

static void joiner_up(struct joiner *j, int64_t expires_ms)
{
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *secret = NULL;
    cleanup(freep) char *body = NULL;
    struct err err = ERR_EMPTY;
    const struct tls_spec spec = { .cn = "system:admin", .is_client = true }; /* we shall see */

    memset(j, 0, sizeof(*j));
    server_fixture_up(&j->f);
    token_join_random(&j->token,
                      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    token_join_print(&text, &j->token);
    secret = token_join_secret(&j->token, expires_ms);
    body = json_print(secret, NULL);
    CHECK_INT(
        registry_fixture_ask(
            &j->f.base, (struct ask){ .bucket = "secrets", .ns = "kube-system", .body = body }),
        201);
    j->header = mem_fmt("Authorization: Bearer %s", text_str(&text));
    CHECK_INT(tls_csr_make(&j->key, &j->request, &spec, &err), 0);
}

static void joiner_down(struct joiner *j)
{
    free(j->header);
    free(j->key);
    free(j->request);
    server_fixture_down(&j->f);
}

static char *join_body(const struct joiner *j, const char *node)
{
    cleanup(json_decrefpp)
        json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "nodeName", node, "ip", "127.0.0.1",
                                 "clientRequest", j->request, "servingRequest", j->request);

    return json_print(body, NULL);
}

static int join_as(struct joiner *j, const char *node)
{
    cleanup(freep) char *body = join_body(j, node);

    return server_fixture_http(&j->f, (struct request){ .method = "POST",
                                                        .raw = body,
                                                        .path = "/mkube/v1/join",
                                                        .header = j->header,
                                                        .client = j->f.nobody });
}

static int64_t in_an_hour(void)
{
    return (int64_t)time(NULL) * 1000 + 3600000;
}

TEST(server_node, a_token_becomes_certificates)
{
    struct joiner j;
    struct server_fixture *f = &j.f;
    struct http_client_opts opts;
    struct http_client *worker = NULL;
    struct err err = ERR_EMPTY;

    joiner_up(&j, in_an_hour());
    CHECK_INT(join_as(&j, "w7"), 200);
    CHECK_STR(json_str(f->base.body, "clusterDNS"), "10.96.0.10");
    CHECK_STR(json_str(f->base.body, "clusterDomain"), "cluster.local");
    CHECK_STR(json_str(f->base.body, "clusterCIDR"), "10.244.0.0/16");
    opts = (struct http_client_opts){
        .ca_pem = json_str(f->base.body, "ca"),
        .cert_pem = json_str(f->base.body, "clientCertificate"),
        .key_pem = j.key,
    };
    CHECK_INT(http_client_new(&worker, &f->loop, &opts, &err), 0);
    /* The name is the one it joined with, whatever the request said. */
    CHECK_INT(server_fixture_http(f, (struct request){ .method = "POST",
                                                       .path = "/api/v1/nodes",
                                                       .body = "{'metadata':{'name':'w7'}}",
                                                       .client = worker }),
              201);
    http_client_close(worker);
    joiner_down(&j);
}

TEST(server_node, a_token_works_once)
{
    struct joiner j;

    joiner_up(&j, in_an_hour());
    CHECK_INT(join_as(&j, "w7"), 200);
    CHECK_INT(join_as(&j, "w8"), 401);
    joiner_down(&j);
}

struct race {
    struct server_fixture *f;
    unsigned n;
    int status[4];
};

static void race_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                         size_t len, const struct err *err)
{
    struct race *r = arg;

    (void)rc, (void)body, (void)len, (void)err;
    r->status[r->n++] = head->status;
}

TEST(server_node, of_many_that_join_at_once_one_wins)
{
    struct joiner j;
    struct race r = { 0 };
    cleanup(freep) char *body = NULL;
    cleanup(freep) char *url = NULL;
    int won = 0;

    joiner_up(&j, in_an_hour());
    body = join_body(&j, "w7");
    url = mem_fmt("https://127.0.0.1:%u/mkube/v1/join", j.f.port);
    for (size_t i = 0; i < N_ELEMENTS(r.status); i++) {
        const char *headers[] = { j.header, "Content-Type: application/json", NULL };
        struct http_call_spec spec = { .method = "POST",
                                       .url = url,
                                       .headers = headers,
                                       .body = body,
                                       .body_len = strlen(body),
                                       .fresh = true };
        struct http_call_listener listener = { .on_done = race_on_done, .arg = &r };

        http_call(j.f.nobody, &spec, &listener);
    }
    CHECK_SOON(&j.f.loop, r.n == N_ELEMENTS(r.status), 10000);
    for (size_t i = 0; i < N_ELEMENTS(r.status); i++)
        won += r.status[i] == 200;
    CHECK_INT(won, 1);
    joiner_down(&j);
}

/* Used up on the disk first: what fails there hands out nothing. */
TEST(server_node, no_certificate_before_the_token_s_end_is_stored)
{
    struct joiner j;

    joiner_up(&j, in_an_hour());
    backend_memory_fail(j.f.base.m, 1, 1, ERR_IO);
    CHECK_INT(join_as(&j, "w7"), 500);
    CHECK(json_str(j.f.base.body, "clientCertificate") == NULL);
    CHECK_INT(join_as(&j, "w7"), 200);
    joiner_down(&j);
}

TEST(server_node, bad_joins_are_refused_and_keep_the_token)
{
    struct joiner j;
    struct server_fixture *f = &j.f;

    joiner_up(&j, in_an_hour());
    CHECK_INT(join_as(&j, "Not A Name"), 422);
    CHECK_INT(join_as(&j, "../x"), 422);
    CHECK_INT(join_as(&j, "kubernetes"), 422);
    CHECK_INT(join_as(&j, "kubernetes.default.svc"), 422);
    CHECK_INT(join_as(&j, "localhost"), 422);
    CHECK_INT(server_fixture_http(f, (struct request){ .method = "POST",
                                                       .path = "/mkube/v1/join",
                                                       .body = "{'nodeName':'w7'}",
                                                       .header = j.header,
                                                       .client = f->nobody }),
              400);
    CHECK_INT(server_fixture_http(f, (struct request){ .method = "POST",
                                                       .path = "/mkube/v1/join",
                                                       .body = "[]",
                                                       .header = j.header,
                                                       .client = f->nobody }),
              422);
    CHECK_INT(server_fixture_http(f, (struct request){ .method = "POST",
                                                       .path = "/mkube/v1/join",
                                                       .body = "{}",
                                                       .client = f->nobody }),
              401);
    CHECK_INT(server_fixture_http(
                  f, (struct request){ .method = "POST", .path = "/mkube/v1/join", .body = "{}" }),
              403);
    /* A join token opens nothing else. */
    CHECK_INT(server_fixture_http(f, (struct request){ .method = "GET",
                                                       .path = "/api/v1/secrets",
                                                       .header = j.header,
                                                       .client = f->nobody }),
              403);
    CHECK_INT(join_as(&j, "w7"), 200);
    joiner_down(&j);
}

TEST(server_node, an_old_token_is_refused)
{
    struct joiner j;

    joiner_up(&j, (int64_t)time(NULL) * 1000 - 1000);
    CHECK_INT(join_as(&j, "w7"), 401);
    joiner_down(&j);
}

/* --- TokenRequest --- */

#define TOKENS "/api/v1/namespaces/default/serviceaccounts/default/token"

static char *bearer(struct server_fixture *f)
{
    return mem_fmt("Authorization: Bearer %s", json_str(f->base.body, "status.token"));
}

TEST(server_node, tokens_let_accounts_in)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *header = NULL;

    server_fixture_up(&f);
    CHECK_INT(POST(TOKENS, "{'spec':{'expirationSeconds':3600}}"), 201);
    SAW_AT("kind", "'TokenRequest'");
    SAW_AT("spec.expirationSeconds", "3600");
    SAW_AT("spec.audiences", "['https://kubernetes.default.svc.cluster.local']");
    CHECK(json_str(f.base.body, "status.expirationTimestamp") != NULL);
    header = bearer(&f);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api", .client = f.nobody, .header = header), 200);
    CHECK_INT(REQUEST(.method = "GET", .path = PODS, .client = f.nobody, .header = header), 403);
    SAW("pods is forbidden: User \"system:serviceaccount:default:default\" cannot list resource "
        "\"pods\" in API group \"\" in the namespace \"default\"");
    DELETED(.bucket = "serviceaccounts", .name = "default");
    CHECK_INT(REQUEST(.method = "GET", .path = "/api", .client = f.nobody, .header = header), 401);
    /* One of the same name is another one. */
    CREATED(.bucket = "serviceaccounts", .body = "{'metadata':{'name':'default'}}");
    CHECK_INT(REQUEST(.method = "GET", .path = "/api", .client = f.nobody, .header = header), 401);
    server_fixture_down(&f);
}

TEST(server_node, a_token_for_another_door_opens_not_ours)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *header = NULL;

    server_fixture_up(&f);
    CHECK_INT(POST(TOKENS, "{'spec':{'audiences':['vault']}}"), 201);
    header = bearer(&f);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api", .client = f.nobody, .header = header), 401);
    server_fixture_down(&f);
}

TEST(server_node, a_bound_token_dies_with_its_pod)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *header = NULL;

    server_fixture_up(&f);
    CREATED(.bucket = "pods", .body = POD("p", ""));
    CHECK_INT(POST(TOKENS, "{'spec':{'boundObjectRef':{'kind':'Pod','apiVersion':'v1',"
                           "'name':'p'}}}"),
              201);
    header = bearer(&f);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api", .client = f.nobody, .header = header), 200);
    DELETED(.bucket = "pods", .name = "p");
    CHECK_INT(REQUEST(.method = "GET", .path = "/api", .client = f.nobody, .header = header), 401);
    server_fixture_down(&f);
}

TEST(server_node, wrong_token_requests_are_refused)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CREATED(.bucket = "serviceaccounts", .body = "{'metadata':{'name':'bob'}}");
    CREATED(.bucket = "pods", .body = POD("p", ",'serviceAccountName':'bob'"));
    CHECK_INT(POST("/api/v1/namespaces/default/serviceaccounts/none/token", "{'spec':{}}"), 404);
    CHECK_INT(POST(TOKENS, "{'spec':{'expirationSeconds':5}}"), 422);
    CHECK_INT(POST(TOKENS, "{'spec':{'expirationSeconds':'x'}}"), 400);
    CHECK_INT(POST(TOKENS, "{'spec':{'audiences':[5]}}"), 400);
    CHECK_INT(POST(TOKENS, "{'spec':{'boundObjectRef':{'kind':'Pod','name':'none'}}}"), 404);
    CHECK_INT(POST(TOKENS, "{'spec':{'boundObjectRef':{'kind':'Moon','name':'x'}}}"), 400);
    CHECK_INT(POST(TOKENS, "{'spec':{'boundObjectRef':{'kind':'Pod','name':'p'}}}"), 400);
    CHECK_INT(POST("/api/v1/namespaces/default/serviceaccounts/bob/token",
                   "{'spec':{'boundObjectRef':{'kind':'Pod','name':'p','uid':'old'}}}"),
              409);
    server_fixture_down(&f);
}

TEST(server_node, a_node_asks_for_its_own_pods_only)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CREATED(.bucket = "serviceaccounts", .body = "{'metadata':{'name':'admin'}}");
    CREATED(.bucket = "pods", .body = POD("mine", ",'nodeName':'w1'"));
    CREATED(.bucket = "pods", .body = POD("other", ",'nodeName':'w2'"));
    CHECK_INT(REQUEST(.method = "POST", .path = TOKENS, .client = f.worker,
                      .body = "{'spec':{'boundObjectRef':{'kind':'Pod','name':'mine'}}}"),
              201);
    CHECK_INT(REQUEST(.method = "POST", .path = TOKENS, .client = f.worker,
                      .body = "{'spec':{'boundObjectRef':{'kind':'Pod','name':'other'}}}"),
              403);
    CHECK_INT(REQUEST(.method = "POST", .path = TOKENS, .client = f.worker, .body = "{'spec':{}}"),
              403);
    CHECK_INT(REQUEST(.method = "POST", .client = f.worker,
                      .path = "/api/v1/namespaces/default/serviceaccounts/admin/token",
                      .body = "{'spec':{'boundObjectRef':{'kind':'Pod','name':'mine'}}}"),
              403);
    server_fixture_down(&f);
}

/* --- logs --- */

struct kubelet {
    struct http_server *server;
    struct tls_server *creds;
    struct http_exchange *following;
    bool closed, gone;
    char path[512], since[128];
    char peer[64];
};

static void kubelet_on_gone(void *arg)
{
    struct kubelet *k = arg;

    k->following = NULL;
    k->gone = true;
}

static void kubelet_on_request(void *arg, struct http_exchange *x)
{
    struct kubelet *k = arg;
    const char *since = http_query(x, "sinceTime");
    struct http_stream_listener listener = { .on_gone = kubelet_on_gone, .arg = k };

    snprintf(k->path, sizeof(k->path), "%s", http_path(x));
    snprintf(k->since, sizeof(k->since), "%s", since != NULL ? since : "");
    snprintf(k->peer, sizeof(k->peer), "%s", http_peer(x)->verified ? http_peer(x)->cn : "-");
    if (strstr(k->path, "/empty/") != NULL) {
        http_reply(x, 200, "text/plain", "", 0);
    } else if (strstr(k->path, "/broken/") != NULL) {
        http_reply(x, 400, "text/plain", "no such log", strlen("no such log"));
    } else if (http_query(x, "follow") != NULL) {
        k->following = x;
        http_stream(x, 200, "text/plain", &listener);
        http_write(x, "first\n", 6);
    } else {
        http_reply(x, 200, "text/plain", "hello\n", 6);
    }
}

static void kubelet_on_closed(void *arg)
{
    ((struct kubelet *)arg)->closed = true;
}

static void kubelet_up(struct kubelet *k, struct server_fixture *f)
{
    struct tls_pair pair = server_fixture_issue(f, "system:node:w1", "system:nodes", true);
    struct http_server_opts opts = { .address = "127.0.0.1",
                                     .on_request = kubelet_on_request,
                                     .arg = k };
    struct err err = ERR_EMPTY;
    cleanup(freep) char *node = NULL;

    memset(k, 0, sizeof(*k));
    CHECK_INT(tls_server_new(&k->creds, &pair, f->ca.cert_pem, &err), 0);
    opts.creds = k->creds;
    CHECK_INT(http_server_new(&k->server, &f->loop, &opts, &err), 0);
    tls_pair_fini(&pair);
    node = mem_fmt("{'metadata':{'name':'w1'},'status':{'addresses':[{'type':'InternalIP',"
                   "'address':'127.0.0.1'}],'daemonEndpoints':{'kubeletEndpoint':{'Port':%u}}}}",
                   http_server_port(k->server));
    CHECK_INT(registry_fixture_ask(&f->base, (struct ask){ .bucket = "nodes", .body = node }), 201);
}

static void kubelet_down(struct kubelet *k, struct server_fixture *f)
{
    http_server_close(k->server, kubelet_on_closed, k);
    CHECK_SOON(&f->loop, k->closed, 5000);
    tls_server_unref(k->creds);
}

TEST(server_node, logs_come_through_from_the_node)
{
    struct server_fixture f = { 0 };
    struct kubelet k;

    server_fixture_up(&f);
    kubelet_up(&k, &f);
    CREATED(.bucket = "pods", .body = POD("p", ",'nodeName':'w1'"));
    CREATED(.bucket = "pods", .body = POD("empty", ",'nodeName':'w1'"));
    CREATED(.bucket = "pods", .body = POD("broken", ",'nodeName':'w1'"));
    CHECK_INT(HTTP("GET", PODS "/p/log?sinceTime=2026-01-02T03%3A04%3A05%2B01%3A00"), 200);
    CHECK_STR(text_str(&f.text), "hello\n");
    CHECK_STR(f.content_type, "text/plain");
    CHECK_STR(k.path, "/containerLogs/default/p/c");
    CHECK_STR(k.since, "2026-01-02T03:04:05+01:00");
    CHECK_STR(k.peer, "system:server");
    CHECK_INT(HTTP("GET", PODS "/empty/log"), 200);
    CHECK_INT(f.text.len, 0);
    CHECK_INT(HTTP("GET", PODS "/broken/log"), 400);
    SAW("no such log");
    kubelet_down(&k, &f);
    CHECK_INT(HTTP("GET", PODS "/p/log"), 500);
    CHECK(str_starts(json_str(f.base.body, "message"), "cannot reach the pod's node:"));
    server_fixture_down(&f);
}

TEST(server_node, logs_are_refused_with_a_reason)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CREATED(.bucket = "pods", .body = POD("p", ""));
    CREATED(.bucket = "pods", .body = POD("lost", ",'nodeName':'nowhere'"));
    CREATED(.bucket = "pods",
            .body = "{'metadata':{'name':'two'},'spec':{'containers':[{'name':'a','image':'i'},"
                    "{'name':'b','image':'i'}]}}");
    CHECK_INT(HTTP("GET", PODS "/none/log"), 404);
    CHECK_INT(HTTP("GET", PODS "/p/log"), 400);
    SAW("pod p does not have a host assigned");
    CHECK_INT(HTTP("GET", PODS "/two/log"), 400);
    SAW("a container name must be specified for pod two, choose one of: [a b]");
    CHECK_INT(HTTP("GET", PODS "/two/log?container=z"), 400);
    SAW("container z is not valid for pod two");
    CHECK_INT(HTTP("GET", PODS "/lost/log"), 500);
    SAW("the address of node nowhere is not known");
    server_fixture_down(&f);
}

TEST(server_node, a_followed_log_ends_with_its_reader_or_its_node)
{
    struct server_fixture f = { 0 };
    struct kubelet k;
    struct stream s;

    server_fixture_up(&f);
    kubelet_up(&k, &f);
    CREATED(.bucket = "pods", .body = POD("p", ",'nodeName':'w1'"));
    stream_open(&s, &f, PODS "/p/log?follow=true");
    CHECK_SOON(&f.loop, s.lines == 1, 5000);
    http_write(k.following, "second\n", 7);
    CHECK_SOON(&f.loop, s.lines == 2, 5000);
    CHECK_STR(text_str(&s.text), "first\nsecond\n");
    stream_close(&s);
    CHECK_SOON(&f.loop, k.gone, 5000);

    stream_open(&s, &f, PODS "/p/log?follow=true");
    CHECK_SOON(&f.loop, s.lines == 1, 5000);
    http_end(k.following);
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.rc, 0);
    stream_close(&s);

    stream_open(&s, &f, PODS "/p/log?follow=true");
    CHECK_SOON(&f.loop, s.lines == 1, 5000);
    http_abort(k.following); /* the node broke off: the reader must not take it for the end */
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK(s.rc < 0);
    stream_close(&s);
    kubelet_down(&k, &f);
    server_fixture_down(&f);
}

TEST(server_node, the_server_may_end_while_logs_flow)
{
    struct server_fixture f = { 0 };
    struct kubelet k;
    struct stream s;

    server_fixture_up(&f);
    kubelet_up(&k, &f);
    CREATED(.bucket = "pods", .body = POD("p", ",'nodeName':'w1'"));
    stream_open(&s, &f, PODS "/p/log?follow=true");
    CHECK_SOON(&f.loop, s.lines == 1, 5000);
    server_fixture_stop(&f);
    CHECK_SOON(&f.loop, s.done, 5000);
    stream_close(&s);
    kubelet_down(&k, &f);
    server_fixture_down(&f);
}
