/* layer: base */
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- a server with a few habits, and raw clients beside the real one --- */

#define WEB_STREAMS 256

struct web {
    uv_loop_t loop;
    struct http_server *server;
    struct http_client *client;
    struct tls_pair ca;
    struct http_exchange *held;                 /* asked under /hold, not answered */
    struct http_exchange *streams[WEB_STREAMS]; /* opened under /stream */
    unsigned n_streams, n_gone, n_drained, n_requests, n_upgraded;
    struct text seen; /* what /args, /head ... noted */
    int upgraded;     /* descriptor of the last upgrade */
    char early[64];
    bool closed;
};

struct web_stream {
    struct web *w;
    unsigned index;
};

static void web_on_gone(void *arg)
{
    struct web_stream *s = arg;

    s->w->streams[s->index] = NULL;
    s->w->n_gone++;
    free(s);
}

static void web_on_drain(void *arg)
{
    struct web_stream *s = arg;

    s->w->n_drained++;
}

static void web_on_upgraded(void *arg, int fd, const void *early, size_t early_len)
{
    struct web *w = arg;

    w->n_upgraded++;
    w->upgraded = fd;
    snprintf(w->early, sizeof(w->early), "%.*s", (int)early_len, (const char *)early);
}

static void web_stream(struct web *w, struct http_exchange *x)
{
    struct web_stream *s = MEM_NEW(struct web_stream);
    const struct http_stream_listener listener = {
        .on_gone = web_on_gone,
        .on_drain = web_on_drain,
        .arg = s,
    };

    CHECK(w->n_streams < WEB_STREAMS);
    s->w = w;
    s->index = w->n_streams;
    w->streams[w->n_streams++] = x;
    http_stream(x, 200, "application/json", &listener);
}

static void web_args(struct web *w, struct http_exchange *x)
{
    const char *key, *value;
    size_t it = 0;

    while (http_query_each(x, &it, &key, &value))
        text_fmt(&w->seen, "[%s=%s]", key, value);
    http_reply(x, 200, "text/plain", text_str(&w->seen), w->seen.len);
}

static void web_who(struct http_exchange *x)
{
    const struct tls_peer *peer = http_peer(x);
    cleanup(freep) char *text = mem_fmt(
        "%s %s %s %s", http_remote(x), peer->verified ? peer->cn : "-",
        peer->verified && peer->orgs[0] != NULL ? peer->orgs[0] : "-",
        http_header(x, "x-mood") != NULL ? http_header(x, "x-mood") : "-");

    http_reply(x, 200, "text/plain", text, strlen(text));
}

static void web_big(struct http_exchange *x)
{
    size_t len = 1 << 20;
    char *body = malloc(len);

    for (size_t i = 0; i < len; i++)
        body[i] = "abcdefgh"[(i / 1000) % 8];
    http_reply_take(x, 200, "text/plain", body, len);
}

static void web_on_request(void *arg, struct http_exchange *x)
{
    struct web *w = arg;
    const char *path = http_path(x);
    const void *body;
    size_t len;

    w->n_requests++;
    body = http_body(x, &len);
    if (str_eq(path, "/hold"))
        w->held = x;
    else if (str_eq(path, "/stream"))
        web_stream(w, x);
    else if (str_eq(path, "/args"))
        web_args(w, x);
    else if (str_eq(path, "/who"))
        web_who(x);
    else if (str_eq(path, "/big"))
        web_big(x);
    else if (str_eq(path, "/echo"))
        http_reply(x, 200, "text/plain", body, len);
    else if (str_eq(path, "/upgrade"))
        http_upgrade(x, "SPDY/3.1", web_on_upgraded, w);
    else if (str_eq(path, "/warn")) {
        http_set_header(x, "Warning", "299 - \"one\"");
        http_set_header(x, "Warning", "299 - \"two\"");
        http_set_header(x, "X-Bad", "a\r\nb: c");
        http_reply(x, 201, "text/plain", "", 0);
    } else
        http_reply(x, 404, "text/plain", path, strlen(path));
}

static char *web_refusal(void *arg, int status)
{
    (void)arg;
    return mem_fmt("{\"code\":%d}", status);
}

static void web_on_closed(void *arg)
{
    struct web *w = arg;

    w->closed = true;
}

static void web_up_with(struct web *w, bool tls, struct http_server_opts opts)
{
    const struct tls_spec spec = {
        .cn = "web",
        .dns = (const char *const[]){ "localhost", NULL },
        .ips = (const char *const[]){ "127.0.0.1", NULL },
        .is_server = true,
    };
    const struct tls_spec me = {
        .cn = "alice",
        .orgs = (const char *const[]){ "ops", NULL },
        .is_client = true,
    };
    cleanup(tls_pair_fini) struct tls_pair own = TLS_PAIR_EMPTY, alice = TLS_PAIR_EMPTY;
    struct http_client_opts client = { .user_agent = "test" };
    struct tls_server *creds = NULL;
    struct err err = ERR_EMPTY;

    *w = (struct web){ .upgraded = -1 };
    uv_loop_init(&w->loop);
    if (tls) {
        CHECK_INT(tls_ca_make(&w->ca, "ca", &err), 0);
        CHECK_INT(tls_issue(&own, &w->ca, &spec, &err), 0);
        CHECK_INT(tls_issue(&alice, &w->ca, &me, &err), 0);
        CHECK_INT(tls_server_new(&creds, &own, w->ca.cert_pem, &err), 0);
        client.ca_pem = w->ca.cert_pem;
        client.cert_pem = alice.cert_pem;
        client.key_pem = alice.key_pem;
        client.max_per_host = 300;
    }
    opts.address = "127.0.0.1";
    opts.creds = creds;
    opts.on_request = web_on_request;
    opts.refusal_body = web_refusal;
    opts.arg = w;
    CHECK_INT(http_server_new(&w->server, &w->loop, &opts, &err), 0);
    tls_server_unref(creds);
    CHECK_INT(http_client_new(&w->client, &w->loop, &client, &err), 0);
}

static void web_up(struct web *w, bool tls)
{
    web_up_with(w, tls, (struct http_server_opts){ .port = 0 });
}

static void web_down(struct web *w)
{
    http_client_close(w->client);
    if (w->server != NULL)
        http_server_close(w->server, web_on_closed, w);
    loop_finish(&w->loop);
    CHECK(w->closed);
    CHECK_INT(w->n_gone, w->n_streams);
    if (w->upgraded >= 0)
        close(w->upgraded);
    text_fini(&w->seen);
    tls_pair_fini(&w->ca);
}

struct call {
    unsigned n_done;
    int rc, status;
    char *type, *body, *encoding;
    size_t len;
    struct text data;
    int stop; /* what on_data returns */
    unsigned warnings;
    struct err err;
};

static void call_fini(struct call *c)
{
    free(c->type);
    free(c->body);
    free(c->encoding);
    text_fini(&c->data);
}

static int call_on_data(void *arg, const struct http_head *head, const void *data, size_t len)
{
    struct call *c = arg;

    c->status = head->status;
    text_add(&c->data, data, len);
    return c->stop;
}

static void call_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                         size_t len, const struct err *err)
{
    struct call *c = arg;

    c->n_done++;
    c->rc = rc;
    c->err = *err;
    c->status = head->status;
    c->type = mem_str(head->content_type);
    c->encoding = mem_str(http_head_get(head, "content-encoding"));
    c->body = mem_strn(body, len);
    c->len = len;
    for (size_t i = 0; i < head->n_headers; i++)
        c->warnings += strcasecmp(head->headers[i].name, "warning") == 0;
}

static struct http_call *web_call(struct web *w, struct call *c, const char *path,
                                  struct http_call_spec spec, bool streamed)
{
    const struct http_call_listener listener = {
        .on_data = streamed ? call_on_data : NULL,
        .on_done = call_on_done,
        .arg = c,
    };
    cleanup(freep) char *url = mem_fmt("http%s://127.0.0.1:%u%s", w->ca.cert_pem ? "s" : "",
                                       http_server_port(w->server), path);

    spec.url = url;
    return http_call(w->client, &spec, &listener);
}

static void web_get(struct web *w, struct call *c, const char *path, struct http_call_spec spec)
{
    web_call(w, c, path, spec, false);
    CHECK_SOON(&w->loop, c->n_done == 1, 10000);
}

#define GET ((struct http_call_spec){ .method = "GET" })

static int web_connect(struct web *w)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons(http_server_port(w->server)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void web_send(int fd, const char *text)
{
    CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads into @t while the loop turns; true when the other end has closed. */
static bool web_recv(struct web *w, int fd, struct text *t)
{
    char buffer[65536];
    ssize_t n;

    uv_run(&w->loop, UV_RUN_NOWAIT);
    n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n > 0)
        text_add(t, buffer, (size_t)n);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static unsigned count(const char *s, const char *what)
{
    unsigned n = 0;

    while ((s = strstr(s, what)) != NULL) {
        n++;
        s += strlen(what);
    }
    return n;
}

#define CHECK_RECV(w, fd, t, cond)                    \
    do {                                              \
        uint64_t end_ = uv_hrtime() + 10000000000ULL; \
        while (!(cond) && uv_hrtime() < end_)         \
            web_recv((w), (fd), (t));                 \
        CHECK(cond);                                  \
    } while (0)
#define CHECK_END(w, fd, t)                                                \
    do {                                                                   \
        uint64_t end_ = uv_hrtime() + 10000000000ULL;                      \
        bool ended_ = false;                                               \
        while (!(ended_ = web_recv((w), (fd), (t))) && uv_hrtime() < end_) \
            ;                                                              \
        CHECK(ended_);                                                     \
    } while (0)

/* --- requests and answers --- */

static void web_answers(bool tls)
{
    cleanup(call_fini) struct call echo = { 0 }, none = { 0 }, warn = { 0 }, head = { 0 };
    struct web w;

    web_up(&w, tls);
    web_get(&w, &echo, "/echo",
            (struct http_call_spec){ .method = "POST", .body = "hello", .body_len = 5 });
    CHECK_INT(echo.rc, 0);
    CHECK_INT(echo.status, 200);
    CHECK_STR(echo.body, "hello");
    CHECK_STR(echo.type, "text/plain");
    web_get(&w, &none, "/a%2Fb?x", GET);
    CHECK_INT(none.status, 404);
    CHECK_STR(none.body, "/a%2Fb");
    web_get(&w, &warn, "/warn", GET);
    CHECK_INT(warn.status, 201);
    CHECK_INT(warn.warnings, 2);
    web_get(&w, &head, "/echo", (struct http_call_spec){ .method = "HEAD" });
    CHECK_INT(head.rc, 0);
    CHECK_INT(head.status, 200);
    CHECK_INT(head.len, 0);
    web_down(&w);
}

TEST(http_server, answers_over_plain_tcp)
{
    web_answers(false);
}
TEST(http_server, answers_over_tls)
{
    web_answers(true);
}

TEST(http_server, decodes_queries_in_order_with_repeats)
{
    cleanup(call_fini) struct call c = { 0 };
    struct web w;

    web_up(&w, false);
    web_get(&w, &c, "/args?command=ls&command=-l+%2Ftmp&flag&empty=&bad=%zz&nul=%00&eq=a=b", GET);
    CHECK_STR(c.body, "[command=ls][command=-l /tmp][flag=][empty=][eq=a=b]");
    web_down(&w);
}

TEST(http_server, knows_who_asks)
{
    cleanup(call_fini) struct call c = { 0 }, anonymous = { 0 };
    struct http_client *bare;
    struct http_client_opts opts = { .insecure = true };
    const char *const headers[] = { "X-Mood: good", NULL };
    struct err err = ERR_EMPTY;
    struct web w;

    web_up(&w, true);
    web_get(&w, &c, "/who", (struct http_call_spec){ .headers = headers });
    CHECK_STR(c.body, "127.0.0.1 alice ops good");
    CHECK_INT(http_client_new(&bare, &w.loop, &opts, &err), 0);
    http_client_close(w.client);
    w.client = bare;
    web_get(&w, &anonymous, "/who", GET);
    CHECK_STR(anonymous.body, "127.0.0.1 - - -");
    web_down(&w);
}

TEST(http_server, an_answer_may_come_later)
{
    cleanup(call_fini) struct call c = { 0 };
    struct web w;

    web_up(&w, true);
    web_call(&w, &c, "/hold", GET, false);
    CHECK_SOON(&w.loop, w.held != NULL, 5000);
    CHECK_INT(c.n_done, 0);
    http_reply(w.held, 202, "text/plain", "late", 4);
    CHECK_SOON(&w.loop, c.n_done == 1, 5000);
    CHECK_INT(c.status, 202);
    CHECK_STR(c.body, "late");
    web_down(&w);
}

TEST(http_server, an_answer_after_the_client_left_is_harmless)
{
    cleanup(call_fini) struct call c = { 0 }, next = { 0 };
    struct web w;

    web_up(&w, true);
    http_call_cancel(web_call(&w, &c, "/hold", GET, false));
    CHECK_INT(c.n_done, 0);
    {
        struct http_call *call = web_call(&w, &c, "/hold", GET, false);

        CHECK_SOON(&w.loop, w.held != NULL, 5000);
        http_call_cancel(call);
    }
    web_get(&w, &next, "/echo", GET);
    http_reply(w.held, 200, "text/plain", "late", 4);
    web_down(&w);
    CHECK_INT(c.n_done, 0);
}

TEST(http_server, an_answer_after_the_server_closed_is_harmless)
{
    cleanup(call_fini) struct call c = { 0 };
    struct web w;

    web_up(&w, true);
    web_call(&w, &c, "/hold", GET, false);
    CHECK_SOON(&w.loop, w.held != NULL, 5000);
    http_server_close(w.server, web_on_closed, &w);
    w.server = NULL;
    CHECK_SOON(&w.loop, w.closed && c.n_done == 1, 5000);
    CHECK_INT(c.rc, ERR_UNAVAILABLE);
    CHECK_STR(http_path(w.held), "/hold");
    CHECK(http_header(w.held, "host") == NULL);
    CHECK_STR(http_remote(w.held), "127.0.0.1");
    http_reply(w.held, 200, "text/plain", "late", 4);
    web_down(&w);
}

TEST(http_server, large_answers_are_zipped_for_those_who_accept)
{
    const char *const headers[] = { "Accept-Encoding: deflate, gzip;q=0.5", NULL };
    const char *const refusing[] = { "Accept-Encoding: gzip;q=0", NULL };
    cleanup(call_fini) struct call plain = { 0 }, zipped = { 0 }, refused = { 0 };
    struct web w;

    web_up(&w, true);
    web_get(&w, &plain, "/big", GET);
    CHECK(plain.encoding == NULL);
    CHECK_INT(plain.len, 1 << 20);
    web_get(&w, &zipped, "/big", (struct http_call_spec){ .headers = headers });
    CHECK_STR(zipped.encoding, "gzip");
    CHECK_INT(zipped.len, 1 << 20); /* the client has undone it */
    CHECK(memcmp(zipped.body, plain.body, plain.len) == 0);
    web_get(&w, &refused, "/big", (struct http_call_spec){ .headers = refusing });
    CHECK(refused.encoding == NULL);
    web_down(&w);
}

TEST(http_server, keeps_connections_and_serves_pipelined_requests_in_order)
{
    cleanup(text_fini) struct text got = TEXT_EMPTY;
    struct web w;
    int fd;

    web_up(&w, false);
    fd = web_connect(&w);
    web_send(fd, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
                 "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
                 "GET /three HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_RECV(&w, fd, &got, strstr(text_str(&got), "/three") != NULL);
    CHECK_INT(count(text_str(&got), "HTTP/1.1 "), 3);
    CHECK(strstr(text_str(&got), "/one") < strstr(text_str(&got), "body"));
    web_send(fd, "GET /four HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_RECV(&w, fd, &got, strstr(text_str(&got), "/four") != NULL);
    close(fd);
    web_down(&w);
}

TEST(http_server, says_continue_when_asked)
{
    cleanup(text_fini) struct text got = TEXT_EMPTY;
    struct web w;
    int fd;

    web_up(&w, false);
    fd = web_connect(&w);
    web_send(fd,
             "PUT /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    CHECK_RECV(&w, fd, &got, strstr(text_str(&got), "100 Continue") != NULL);
    web_send(fd, "wait");
    CHECK_RECV(&w, fd, &got, strstr(text_str(&got), "wait") != NULL);
    close(fd);
    web_down(&w);
}

/* --- limits --- */

static void web_refuses(bool tls, size_t len, bool claimed)
{
    cleanup(call_fini) struct call c = { 0 };
    cleanup(freep) char *body = calloc(1, len);
    const char *const chunked[] = { "Transfer-Encoding: chunked", NULL };
    struct web w;

    web_up_with(&w, tls, (struct http_server_opts){ .max_body = 100000 });
    web_get(
        &w, &c, "/echo",
        (struct http_call_spec){
            .method = "POST", .body = body, .body_len = len, .headers = claimed ? NULL : chunked });
    CHECK_INT(c.rc, 0);
    CHECK_INT(c.status, 413);
    CHECK_STR(c.body, "{\"code\":413}");
    CHECK_STR(c.type, "application/json");
    CHECK_INT(w.n_requests, 0);
    web_down(&w);
}

TEST(http_server, refuses_a_body_that_claims_too_much)
{
    web_refuses(true, 200000, true);
}
TEST(http_server, refuses_a_body_that_grows_too_large)
{
    web_refuses(true, 200000, false);
}
TEST(http_server, refuses_over_plain_tcp_too)
{
    web_refuses(false, 200000, true);
    web_refuses(false, 200000, false);
}
TEST(http_server, refusals_reach_a_client_that_sends_on_and_on)
{
    web_refuses(true, 8000000, true);
    web_refuses(false, 8000000, true);
    web_refuses(true, 8000000, false);
}

TEST(http_server, a_body_of_just_the_limit_passes)
{
    cleanup(call_fini) struct call c = { 0 }, chunked = { 0 };
    cleanup(freep) char *body = mem_zero(100000);
    const char *const headers[] = { "Transfer-Encoding: chunked", NULL };
    struct http_call_spec spec = { .method = "POST", .body = body, .body_len = 100000 };
    struct web w;

    memset(body, 'x', 100000);
    web_up_with(&w, true, (struct http_server_opts){ .max_body = 100000 });
    web_get(&w, &c, "/echo", spec);
    CHECK_INT(c.status, 200);
    CHECK_INT(c.len, 100000);
    spec.headers = headers;
    web_get(&w, &chunked, "/echo", spec);
    CHECK_INT(chunked.status, 200);
    CHECK_INT(chunked.len, 100000);
    web_down(&w);
}

static void web_ends_slow(const char *text)
{
    cleanup(text_fini) struct text got = TEXT_EMPTY;
    struct web w;
    int fd;

    web_up_with(&w, false, (struct http_server_opts){ .idle_ms = 60 });
    fd = web_connect(&w);
    web_send(fd, text);
    CHECK_END(&w, fd, &got);
    close(fd);
    web_down(&w);
}

TEST(http_server, silent_clients_are_ended)
{
    web_ends_slow("");
    web_ends_slow("GET /echo HT");
    web_ends_slow("GET /echo HTTP/1.1\r\nHost");
    web_ends_slow("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    web_ends_slow("GET /one HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void web_takes_turns(bool tls)
{
    cleanup(call_fini) struct call first = { 0 }, second = { 0 };
    struct http_call *call;
    struct web w;

    web_up_with(&w, tls, (struct http_server_opts){ .max_connections = 1 });
    call = web_call(&w, &first, "/stream", GET, true);
    CHECK_SOON(&w.loop, w.n_streams == 1, 5000);
    web_call(&w, &second, "/echo", (struct http_call_spec){ .connect_ms = 20000 }, false);
    for (int i = 0; i < 5; i++)
        test_turn(&w.loop, uv_hrtime() / 1000000 + 10);
    CHECK_INT(second.n_done, 0);
    http_call_cancel(call);
    CHECK_SOON(&w.loop, second.n_done == 1, 5000);
    CHECK_INT(second.status, 200);
    web_down(&w);
}

TEST(http_server, connections_beyond_the_limit_wait)
{
    web_takes_turns(true);
    web_takes_turns(false);
}

/* --- streams --- */

static void web_streams(bool tls)
{
    cleanup(call_fini) struct call c = { 0 };
    struct web w;

    web_up(&w, tls);
    web_call(&w, &c, "/stream", GET, true);
    CHECK_SOON(&w.loop, w.n_streams == 1, 5000);
    http_write(w.streams[0], "one\n", 4);
    CHECK_SOON(&w.loop, str_eq(text_str(&c.data), "one\n"), 5000);
    http_write(w.streams[0], "two\n", 4);
    http_write(w.streams[0], "three\n", 6);
    CHECK_SOON(&w.loop, str_eq(text_str(&c.data), "one\ntwo\nthree\n"), 5000);
    CHECK_INT(c.n_done, 0);
    http_end(w.streams[0]);
    CHECK_SOON(&w.loop, c.n_done == 1 && w.n_gone == 1, 5000);
    CHECK_INT(c.rc, 0);
    CHECK_INT(c.status, 200);
    web_down(&w);
}

TEST(http_server, streams_piece_by_piece)
{
    web_streams(false);
}
TEST(http_server, streams_piece_by_piece_over_tls)
{
    web_streams(true);
}

TEST(http_server, an_aborted_stream_is_an_error_to_the_client)
{
    cleanup(call_fini) struct call c = { 0 };
    struct web w;

    web_up(&w, true);
    web_call(&w, &c, "/stream", GET, true);
    CHECK_SOON(&w.loop, w.n_streams == 1, 5000);
    http_write(w.streams[0], "half", 4);
    CHECK_SOON(&w.loop, c.data.len == 4, 5000);
    http_abort(w.streams[0]);
    CHECK_SOON(&w.loop, c.n_done == 1 && w.n_gone == 1, 5000);
    CHECK(c.rc < 0);
    web_down(&w);
}

static void web_notices_leaving(bool tls, bool busy)
{
    cleanup(call_fini) struct call c = { 0 };
    cleanup(freep) char *block = mem_zero(100000);
    struct http_call *call;
    struct web w;

    web_up(&w, tls);
    call = web_call(&w, &c, "/stream", GET, true);
    CHECK_SOON(&w.loop, w.n_streams == 1, 5000);
    http_write(w.streams[0], "x", 1);
    CHECK_SOON(&w.loop, c.data.len == 1, 5000);
    if (busy)
        http_write(w.streams[0], block, 100000);
    http_call_cancel(call);
    CHECK_SOON(&w.loop, w.n_gone == 1, 5000);
    web_down(&w);
}

TEST(http_server, notices_that_the_client_of_a_stream_left)
{
    web_notices_leaving(true, false);
    web_notices_leaving(true, true);
    web_notices_leaving(false, false);
    web_notices_leaving(false, true);
}

TEST(http_server, tells_when_a_slow_reader_has_caught_up)
{
    cleanup(text_fini) struct text got = TEXT_EMPTY;
    cleanup(freep) char *block = mem_zero(1 << 20);
    struct web w;
    int fd;

    web_up(&w, false);
    fd = web_connect(&w);
    memset(block, 'x', 1 << 20);
    web_send(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_SOON(&w.loop, w.n_streams == 1, 5000);
    for (int i = 0; i < 16; i++)
        http_write(w.streams[0], block, 1 << 20);
    test_turn(&w.loop, uv_hrtime() / 1000000 + 20);
    CHECK_INT(w.n_drained, 0);
    CHECK(http_backlog(w.streams[0]) > 1 << 20);
    CHECK_RECV(&w, fd, &got, w.n_drained == 1);
    CHECK_INT(http_backlog(w.streams[0]), 0);
    http_end(w.streams[0]);
    CHECK_RECV(&w, fd, &got, str_ends(text_str(&got), "\r\n0\r\n\r\n"));
    CHECK(got.len > 16 << 20);
    close(fd);
    web_down(&w);
}

TEST(http_server, serves_200_streams_and_lets_all_go)
{
    static struct call calls[200];
    static struct http_call *running[200];
    struct web w;

    memset(calls, 0, sizeof(calls));
    web_up(&w, true);
    for (int i = 0; i < 200; i++)
        running[i] = web_call(&w, &calls[i], "/stream", GET, true);
    CHECK_SOON(&w.loop, w.n_streams == 200, 20000);
    for (int round = 1; round <= 3; round++) {
        unsigned n = 0;

        for (int i = 0; i < 200; i++)
            http_write(w.streams[i], "event\n", 6);
        while (n < 200) {
            test_turn(&w.loop, uv_hrtime() / 1000000 + 1000);
            for (n = 0; n < 200 && calls[n].data.len == (size_t)round * 6; n++)
                ;
        }
    }
    for (int i = 0; i < 100; i++)
        http_call_cancel(running[i]);
    CHECK_SOON(&w.loop, w.n_gone == 100, 10000);
    web_down(&w); /* the other half goes with the server */
    for (int i = 0; i < 200; i++)
        call_fini(&calls[i]);
}

/* --- upgrades --- */

TEST(http_server, upgrades_and_hands_over_the_bytes)
{
    cleanup(text_fini) struct text got = TEXT_EMPTY;
    char buffer[16];
    struct web w;
    int fd;

    web_up(&w, false);
    fd = web_connect(&w);
    web_send(fd, "POST /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                 "Content-Length: 0\r\n\r\nearly");
    CHECK_RECV(&w, fd, &got, w.n_upgraded == 1 && str_ends(text_str(&got), "\r\n\r\n"));
    CHECK(str_starts(text_str(&got), "HTTP/1.1 101 Switching Protocols\r\n"));
    CHECK(strstr(text_str(&got), "Upgrade: SPDY/3.1\r\n") != NULL);
    CHECK(strcasestr(text_str(&got), "Connection: Upgrade\r\n") != NULL);
    CHECK(w.upgraded >= 0);
    CHECK_STR(w.early, "early");
    test_turn(&w.loop, uv_hrtime() / 1000000 + 10); /* MHD has let go of its own copy */
    text_clear(&got);
    CHECK_INT(write(w.upgraded, "ping", 4), 4);
    CHECK_RECV(&w, fd, &got, got.len == 4);
    web_send(fd, "pong");
    CHECK_INT(read(w.upgraded, buffer, sizeof(buffer)), 4);
    CHECK(read(w.upgraded, buffer, sizeof(buffer)) < 0 && errno == EAGAIN);
    close(fd);
    CHECK_INT(read(w.upgraded, buffer, sizeof(buffer)), 0);
    web_down(&w);
}

/* GnuTLS by hand: http_client does not do upgrades. */
struct secure {
    gnutls_session_t session;
    gnutls_certificate_credentials_t cred;
    int fd;
};

static void secure_up(struct secure *c, struct web *w)
{
    uint64_t end = uv_hrtime() + 5000000000ULL;
    int rc;

    c->fd = web_connect(w);
    CHECK_INT(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
    gnutls_certificate_allocate_credentials(&c->cred);
    gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    gnutls_set_default_priority(c->session);
    gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->cred);
    gnutls_transport_set_int(c->session, c->fd);
    do {
        rc = gnutls_handshake(c->session);
        uv_run(&w->loop, UV_RUN_NOWAIT);
    } while (rc < 0 && !gnutls_error_is_fatal(rc) && uv_hrtime() < end);
    CHECK_INT(rc, 0);
}

static void secure_down(struct secure *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->cred);
    close(c->fd);
}

static ssize_t secure_recv(struct secure *c, struct web *w, void *data, size_t len)
{
    uint64_t end = uv_hrtime() + 5000000000ULL;
    ssize_t n;

    do {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        n = gnutls_record_recv(c->session, data, len);
    } while ((n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) && uv_hrtime() < end);
    return n;
}

TEST(http_server, upgrades_over_tls_and_echoes_a_megabyte)
{
    static const char request[] = "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                                  "Upgrade: SPDY/3.1\r\n\r\n";
    static char sent[1 << 20], got[1 << 20], buffer[65536];
    size_t n_sent = 0, n_back = 0, n_held = 0;
    struct secure c;
    struct web w;
    ssize_t n;

    web_up(&w, true);
    secure_up(&c, &w);
    CHECK_INT(gnutls_record_send(c.session, request, strlen(request)), strlen(request));
    n = secure_recv(&c, &w, buffer, sizeof(buffer));
    CHECK(n > 20 && memcmp(buffer, "HTTP/1.1 101", 12) == 0);
    CHECK(w.upgraded >= 0);
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i * 31 / 7);
    for (uint64_t end = uv_hrtime() + 10000000000ULL; n_back < sizeof(sent) && uv_hrtime() < end;) {
        size_t piece = sizeof(sent) - n_sent < 16384 ? sizeof(sent) - n_sent : 16384;

        n = piece > 0 ? gnutls_record_send(c.session, sent + n_sent, piece) : 0;
        n_sent += n > 0 ? (size_t)n : 0;
        uv_run(&w.loop, UV_RUN_NOWAIT);
        if (n_held == 0) {
            n = read(w.upgraded, buffer, sizeof(buffer));
            n_held = n > 0 ? (size_t)n : 0;
        }
        n = n_held > 0 ? write(w.upgraded, buffer, n_held) : 0;
        if (n > 0) {
            memmove(buffer, buffer + n, n_held - (size_t)n);
            n_held -= (size_t)n;
        }
        n = gnutls_record_recv(c.session, got + n_back, sizeof(got) - n_back);
        n_back += n > 0 ? (size_t)n : 0;
    }
    CHECK_INT(n_back, sizeof(sent));
    CHECK(memcmp(sent, got, sizeof(sent)) == 0);
    shutdown(w.upgraded, SHUT_WR);
    CHECK_INT(secure_recv(&c, &w, buffer, sizeof(buffer)), 0);
    secure_down(&c);
    web_down(&w);
}

TEST(http_server, closes_with_nothing_open)
{
    struct web w;

    web_up(&w, true);
    web_down(&w);
}

static int64_t cpu_ms(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000LL +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

TEST(http_server, half_a_handshake_costs_no_cpu)
{
    struct web w;
    int64_t before;
    int fd;

    web_up(&w, true);
    fd = web_connect(&w);
    CHECK_INT(send(fd, "\x16\x03\x01\x02\x00\x01", 6, 0), 6);
    test_turn(&w.loop, uv_hrtime() / 1000000 + 20);
    before = cpu_ms();
    for (uint64_t end = uv_hrtime() / 1000000 + 500; test_turn(&w.loop, end);)
        ;
    CHECK(cpu_ms() - before < 100);
    close(fd);
    web_down(&w);
}

TEST(http_server, waiting_connections_of_every_kind_cost_no_cpu)
{
    cleanup(call_fini) struct call held = { 0 }, idle = { 0 }, stream = { 0 };
    cleanup(freep) char *block = mem_zero(16 << 20);
    struct web w;
    int64_t before;
    int fd, half;

    web_up(&w, true);
    web_call(&w, &stream, "/stream", GET, true);
    web_call(&w, &held, "/hold", GET, false);
    web_get(&w, &idle, "/echo", GET);
    CHECK_SOON(&w.loop, w.held != NULL && w.n_streams == 1, 5000);
    before = cpu_ms();
    for (uint64_t end = uv_hrtime() / 1000000 + 300; test_turn(&w.loop, end);)
        ;
    CHECK(cpu_ms() - before < 60);
    http_reply(w.held, 200, NULL, "", 0);
    web_down(&w);

    web_up(&w, false); /* a reader that stops in the middle, a client that has stopped sending */
    fd = web_connect(&w);
    half = web_connect(&w);
    web_send(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    web_send(half, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_SOON(&w.loop, w.held != NULL && w.n_streams == 1, 5000);
    shutdown(half, SHUT_WR);
    http_write(w.streams[0], block, 16 << 20);
    for (uint64_t end = uv_hrtime() / 1000000 + 50; test_turn(&w.loop, end);)
        ;
    before = cpu_ms();
    for (uint64_t end = uv_hrtime() / 1000000 + 300; test_turn(&w.loop, end);)
        ;
    CHECK(cpu_ms() - before < 60);
    http_reply(w.held, 200, NULL, "", 0);
    web_down(&w);
    close(fd);
    close(half);
}

TEST(http_server, rubbish_in_place_of_tls_is_dropped)
{
    cleanup(text_fini) struct text got = TEXT_EMPTY;
    struct web w;
    int fd;

    web_up(&w, true);
    fd = web_connect(&w);
    web_send(fd, "GET / HTTP/1.1\r\n\r\n");
    CHECK_END(&w, fd, &got);
    close(fd);
    web_down(&w);
}
