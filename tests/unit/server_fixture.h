/* server_fixture: the HTTP face over a registry in memory, on loopback, with clients.
 *
 *   server_fixture_up(&f);
 *   CHECK_INT(HTTP("GET", "/api/v1/pods"), 200);
 *   CHECK_AT("kind", "'PodList'");
 *
 * The answer lands in f.base (registry_fixture: CHECK_AT and friends), headers and raw text here.
 */
#ifndef TESTS_UNIT_SERVER_FIXTURE_H
#define TESTS_UNIT_SERVER_FIXTURE_H

#include "api/server.h"
#include "api/token.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/tls.h"
#include "tests/unit/registry_fixture.h"

struct server_fixture {
    struct registry_fixture base;
    uv_loop_t loop;
    struct server *server;
    struct metrics *metrics;
    uint16_t port;
    bool closed, stepping;
    struct tls_pair ca, own, node;
    struct http_client *admin, *nobody, *worker; /* worker: system:node:w1 */
    /* the last answer */
    int rc, status;
    bool done;
    struct text text;
    char content_type[128], etag[128], retry_after[16];
    char warnings[512];
};

static inline void server_fixture_step(void *arg)
{
    struct server_fixture *f = arg;

    f->stepping = false;
    if (f->base.m != NULL)
        backend_memory_step(f->base.m);
}

static inline void server_fixture_notify(void *arg)
{
    struct server_fixture *f = arg;

    if (f->stepping)
        return;
    f->stepping = true;
    loop_defer(&f->loop, server_fixture_step, f);
}

static inline struct tls_pair server_fixture_issue(struct server_fixture *f, const char *cn,
                                                   const char *org, bool server)
{
    struct tls_pair ret = TLS_PAIR_EMPTY;
    struct err err = ERR_EMPTY;
    const char *const orgs[] = { org, NULL };
    const char *const ips[] = { "127.0.0.1", NULL };
    const struct tls_spec spec = {
        .cn = cn, .orgs = orgs, .ips = ips, .is_server = server, .is_client = !server
    };

    CHECK_INT(tls_issue(&ret, &f->ca, &spec, &err), 0);
    return ret;
}

static inline struct http_client *server_fixture_client(struct server_fixture *f, const char *cn,
                                                        const char *org)
{
    struct http_client_opts opts = { .ca_pem = f->ca.cert_pem };
    struct tls_pair pair = TLS_PAIR_EMPTY;
    struct http_client *c = NULL;
    struct err err = ERR_EMPTY;

    if (cn != NULL) {
        pair = server_fixture_issue(f, cn, org, false);
        opts.cert_pem = pair.cert_pem;
        opts.key_pem = pair.key_pem;
    }
    CHECK_INT(http_client_new(&c, &f->loop, &opts, &err), 0);
    tls_pair_fini(&pair);
    return c;
}

static inline void server_fixture_listen(struct server_fixture *f)
{
    struct err err = ERR_EMPTY;
    const struct server_opts opts = {
        .registry = f->base.r,
        .metrics = f->metrics,
        .address = "127.0.0.1",
        .port = f->port,
        .advertise_ip = "127.0.0.1",
        .ca = &f->ca,
        .own = &f->own,
        .node_client = &f->node,
        .sa_key_pem = f->ca.key_pem,
        .cluster_cidr = "10.244.0.0/16",
        .service_cidr = "10.96.0.0/16",
        .dns_ip = "10.96.0.10",
        .domain = "cluster.local",
        .max_body = 1024 * 1024,
        .max_calls_of_user = 1,
    };

    f->closed = false;
    CHECK_INT(server_new(&f->server, &f->loop, &opts, &err), 0);
    f->port = server_port(f->server);
    registry_fixture_settle(&f->base); /* what a server writes when it starts */
    backend_memory_notify(f->base.m, server_fixture_notify, f);
}

static inline void server_fixture_up(struct server_fixture *f)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(uv_loop_init(&f->loop), 0);
    registry_fixture_up(&f->base);
    f->metrics = metrics_new();
    CHECK_INT(tls_ca_make(&f->ca, "mkube", &err), 0);
    f->own = server_fixture_issue(f, "server", NULL, true);
    f->node = server_fixture_issue(f, "system:server", NULL, false);
    server_fixture_listen(f);
    f->admin = server_fixture_client(f, "ann", "system:masters");
    f->nobody = server_fixture_client(f, NULL, NULL);
    f->worker = server_fixture_client(f, "system:node:w1", "system:nodes");
}

static inline void server_fixture_on_closed(void *arg)
{
    ((struct server_fixture *)arg)->closed = true;
}

static inline void server_fixture_stop(struct server_fixture *f)
{
    server_close(f->server, server_fixture_on_closed, f);
    CHECK_SOON(&f->loop, f->closed, 5000);
    backend_memory_notify(f->base.m, NULL, NULL);
    f->server = NULL;
}

/* A restart of the process: the store is opened anew from what was committed. */
static inline void server_fixture_restart(struct server_fixture *f)
{
    server_fixture_stop(f);
    registry_fixture_restart(&f->base);
    server_fixture_listen(f);
}

static inline void server_fixture_down(struct server_fixture *f)
{
    http_client_close(f->admin);
    http_client_close(f->nobody);
    http_client_close(f->worker);
    if (f->server != NULL)
        server_fixture_stop(f);
    loop_finish(&f->loop);
    registry_fixture_down(&f->base);
    f->metrics = metrics_free(f->metrics);
    tls_pair_fini(&f->ca);
    tls_pair_fini(&f->own);
    tls_pair_fini(&f->node);
    text_fini(&f->text);
}

/* --- one request --- */

static inline void server_fixture_on_done(void *arg, int rc, const struct http_head *head,
                                          const void *body, size_t len, const struct err *err)
{
    struct server_fixture *f = arg;
    struct err ignored = ERR_EMPTY;

    (void)err;
    f->done = true;
    f->rc = rc;
    f->status = head->status;
    text_clear(&f->text);
    text_add(&f->text, body != NULL ? body : "", len);
    snprintf(f->content_type, sizeof(f->content_type), "%s", head->content_type);
    snprintf(f->etag, sizeof(f->etag), "%s",
             http_head_get(head, "ETag") != NULL ? http_head_get(head, "ETag") : "");
    snprintf(f->retry_after, sizeof(f->retry_after), "%s",
             http_head_get(head, "Retry-After") != NULL ? http_head_get(head, "Retry-After") : "");
    f->warnings[0] = '\0';
    for (size_t i = 0; i < head->n_headers; i++)
        if (strcasecmp(head->headers[i].name, "Warning") == 0)
            snprintf(f->warnings + strlen(f->warnings), sizeof(f->warnings) - strlen(f->warnings),
                     "[%s]", head->headers[i].value);
    json_decref(f->base.body);
    f->base.body = NULL;
    if (len > 0)
        json_parse(&f->base.body, text_str(&f->text), f->text.len, NULL, &ignored);
}

struct request {
    const char *method, *path, *body; /* body with ' for " */
    const char *type;                 /* Content-Type; NULL = JSON */
    const char *accept;
    const char *header, *also;  /* "Name: value" */
    const char *raw;            /* body as it is */
    struct http_client *client; /* NULL = admin */
};

static inline int server_fixture_http(struct server_fixture *f, struct request r)
{
    cleanup(freep) char *url = mem_fmt("https://127.0.0.1:%u%s", f->port, r.path);
    cleanup(freep) char *type = mem_fmt("Content-Type: %s",
                                        r.type != NULL ? r.type : "application/json");
    cleanup(freep) char *accept = mem_fmt("Accept: %s",
                                          r.accept != NULL ? r.accept : "application/json");
    cleanup(freep) char *body = mem_str(r.body);
    const char *headers[] = { accept, type, r.header, r.also, NULL };
    const char *sent = r.raw != NULL ? r.raw : body;
    struct http_call_spec spec = { .method = r.method,
                                   .url = url,
                                   .headers = headers,
                                   .body = sent,
                                   .body_len = sent != NULL ? strlen(sent) : 0,
                                   .timeout_ms = 10000 };
    struct http_call_listener listener = { .on_done = server_fixture_on_done, .arg = f };

    for (char *s = body; s != NULL && *s != '\0'; s++)
        *s = *s == '\'' ? '"' : *s;
    f->done = false;
    http_call(r.client != NULL ? r.client : f->admin, &spec, &listener);
    CHECK_SOON(&f->loop, f->done, 10000);
    CHECK_INT(f->rc, 0);
    return f->status;
}

#define REQUEST(...)         server_fixture_http(&f, (struct request){ __VA_ARGS__ })
#define HTTP(method_, path_) REQUEST(.method = (method_), .path = (path_))
#define POST(path_, body_)   REQUEST(.method = "POST", .path = (path_), .body = (body_))

/* The macros of registry_fixture, for an answer over HTTP. */
#define SAW_AT(path, want) CHECK_STR(registry_fixture_print(&f.base, f.base.body, (path)), (want))
#define SAW(want)          CHECK_STR(json_str_or(f.base.body, "message", ""), (want))

/* --- a stream of lines --- */

struct stream {
    struct server_fixture *f;
    struct http_call *call;
    struct text text;
    bool done, paused;
    int rc, status;
    unsigned lines, taken;
};

static inline int stream_on_data(void *arg, const struct http_head *head, const void *data,
                                 size_t len)
{
    struct stream *s = arg;

    s->status = head->status;
    text_add(&s->text, data, len);
    for (size_t i = 0; i < len; i++)
        s->lines += ((const char *)data)[i] == '\n';
    return 0;
}

static inline void stream_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                                  size_t len, const struct err *err)
{
    struct stream *s = arg;

    (void)err;
    if (head->status >= 300)
        text_add(&s->text, body, len);
    s->done = true;
    s->rc = rc;
    s->status = head->status;
    s->call = NULL;
}

static inline void stream_open_as(struct stream *s, struct server_fixture *f,
                                  struct http_client *client, const char *path, const char *accept)
{
    cleanup(freep) char *url = mem_fmt("https://127.0.0.1:%u%s", f->port, path);
    cleanup(freep) char *header = mem_fmt("Accept: %s", accept);
    const char *headers[] = { header, NULL };
    struct http_call_spec spec = {
        .method = "GET", .url = url, .headers = headers, .timeout_ms = -1
    };
    struct http_call_listener listener = { .on_data = stream_on_data,
                                           .on_done = stream_on_done,
                                           .arg = s };

    *s = (struct stream){ .f = f };
    s->call = http_call(client, &spec, &listener);
}

static inline void stream_open(struct stream *s, struct server_fixture *f, const char *path)
{
    stream_open_as(s, f, f->admin, path, "application/json");
}

static inline void stream_close(struct stream *s)
{
    if (s->call != NULL)
        http_call_cancel(s->call);
    s->call = NULL;
    text_fini(&s->text);
}

/* The next line as a tree; the caller's.  Fails the test when none comes. */
static inline json_t *stream_next(struct stream *s)
{
    struct err err = ERR_EMPTY;
    json_t *event = NULL;
    const char *line, *end;

    CHECK_SOON(&s->f->loop, s->lines > s->taken, 5000);
    line = text_str(&s->text);
    end = strchr(line, '\n');
    CHECK_INT(json_parse(&event, line, (size_t)(end - line), NULL, &err), 0);
    text_drop(&s->text, (size_t)(end - line) + 1);
    s->taken++;
    return event;
}

/* "ADDED web", "BOOKMARK", "ERROR 410" */
static inline const char *stream_event(struct stream *s)
{
    static char text[256];
    cleanup(json_decrefpp) json_t *event = stream_next(s);
    const char *type = json_str_or(event, "type", "?");

    if (str_eq(type, "ERROR"))
        snprintf(text, sizeof(text), "ERROR %lld", (long long)json_int(event, "object.code", 0));
    else
        snprintf(text, sizeof(text), "%s%s%s", type, str_eq(type, "BOOKMARK") ? "" : " ",
                 json_str_or(event, "object.metadata.name", ""));
    return text;
}

#define CHECK_EVENT(s, want) CHECK_STR(stream_event(&(s)), (want))

/* A write past HTTP, settled. */
#define WRITE(...)   CHECK(registry_fixture_ask(&f.base, (struct ask){ __VA_ARGS__ }) < 300)
#define CREATED(...) WRITE(.verb = REGISTRY_CREATE, __VA_ARGS__)
#define MERGED(...)  WRITE(.verb = REGISTRY_PATCH, .patch = REGISTRY_MERGE_PATCH, __VA_ARGS__)
#define DELETED(...) WRITE(.verb = REGISTRY_DELETE, __VA_ARGS__)

#endif
