/* layer: base */
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Our own server as the other end; raw sockets where it is too well behaved. */
struct site {
    uv_loop_t loop;
    struct http_server *server;
    struct tls_pair ca;
    struct http_exchange *stream;
    unsigned n_requests;
    char who[64];
    bool closed;
};

static void site_on_gone(void *arg)
{
    struct site *s = arg;

    s->stream = NULL;
}

static void site_on_request(void *arg, struct http_exchange *x)
{
    struct site *s = arg;
    const struct http_stream_listener listener = { .on_gone = site_on_gone, .arg = s };
    const char *path = http_path(x);

    s->n_requests++;
    snprintf(s->who, sizeof(s->who), "%s", http_peer(x)->verified ? http_peer(x)->cn : "");
    if (str_eq(path, "/stream")) {
        s->stream = x;
        http_stream(x, 200, "text/plain", &listener);
        http_write(x, "first", 5);
    } else if (str_eq(path, "/moved")) {
        http_set_header(x, "Location", "/final");
        http_reply(x, 302, "text/plain", "over there", 10);
    } else if (str_eq(path, "/loop")) {
        http_set_header(x, "Location", "/loop");
        http_reply(x, 302, NULL, "", 0);
    } else if (str_eq(path, "/sick")) {
        http_reply(x, 500, "text/plain", "unwell", 6);
    } else {
        const void *body;
        size_t len;
        const char *type = http_header(x, "content-type");
        cleanup(freep) char *text = NULL;

        body = http_body(x, &len);
        text = mem_fmt("%s %s type=%s expect=%s body=%.*s", http_method(x), path,
                       type != NULL ? type : "-", http_header(x, "expect") ? "yes" : "no", (int)len,
                       (const char *)body);
        http_reply(x, 200, "text/plain", text, strlen(text));
    }
}

static void site_make(struct site *s, struct tls_pair *ret, const char *cn, bool is_server)
{
    const struct tls_spec spec = {
        .cn = cn,
        .dns = (const char *const[]){ "localhost", NULL },
        .is_server = is_server,
        .is_client = !is_server,
    };
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_issue(ret, &s->ca, &spec, &err), 0);
}

static void site_up(struct site *s, bool tls)
{
    cleanup(tls_pair_fini) struct tls_pair own = TLS_PAIR_EMPTY;
    struct http_server_opts opts = { .address = "127.0.0.1",
                                     .on_request = site_on_request,
                                     .arg = s };
    struct err err = ERR_EMPTY;

    *s = (struct site){ .n_requests = 0 };
    uv_loop_init(&s->loop);
    if (tls) {
        CHECK_INT(tls_ca_make(&s->ca, "ca", &err), 0);
        site_make(s, &own, "site", true);
        CHECK_INT(tls_server_new(&opts.creds, &own, s->ca.cert_pem, &err), 0);
    }
    CHECK_INT(http_server_new(&s->server, &s->loop, &opts, &err), 0);
    tls_server_unref(opts.creds);
}

static void site_on_closed(void *arg)
{
    struct site *s = arg;

    s->closed = true;
}

static void site_down(struct site *s)
{
    http_server_close(s->server, site_on_closed, s);
    loop_finish(&s->loop);
    CHECK(s->closed);
    tls_pair_fini(&s->ca);
}

static struct http_client *site_client(struct site *s, struct http_client_opts opts)
{
    struct http_client *c = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(http_client_new(&c, &s->loop, &opts, &err), 0);
    return c;
}

enum reaction { REACT_NOT, REACT_STOP, REACT_CANCEL, REACT_CLOSE };

struct call {
    struct http_client *client; /* for reactions */
    struct http_call *running;
    enum reaction on_data, on_done;
    unsigned n_done;
    int rc, status;
    char body[512];
    size_t len, n_data;
    struct err err;
};

static int call_react(struct call *c, enum reaction reaction)
{
    if (reaction == REACT_CANCEL)
        http_call_cancel(c->running);
    if (reaction == REACT_CLOSE)
        c->client = http_client_close(c->client);
    return reaction == REACT_STOP;
}

static int call_on_data(void *arg, const struct http_head *head, const void *data, size_t len)
{
    struct call *c = arg;

    (void)data;
    c->status = head->status;
    c->n_data += len;
    return call_react(c, c->on_data);
}

static void call_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                         size_t len, const struct err *err)
{
    struct call *c = arg;

    c->n_done++;
    c->rc = rc;
    c->err = *err;
    c->status = head->status;
    c->len = len;
    snprintf(c->body, sizeof(c->body), "%.*s", (int)len, (const char *)body);
    call_react(c, c->on_done);
}

static void call_start(struct call *c, struct http_client *client, const char *url,
                       struct http_call_spec spec)
{
    const struct http_call_listener listener = {
        .on_data = strstr(url, "/stream") != NULL ? call_on_data : NULL,
        .on_done = call_on_done,
        .arg = c,
    };

    spec.url = url;
    c->client = client;
    c->running = http_call(client, &spec, &listener);
    CHECK_INT(c->n_done, 0);
}

static char *site_url(struct site *s, const char *host, const char *path)
{
    return mem_fmt("http%s://%s:%u%s", s->ca.cert_pem != NULL ? "s" : "", host,
                   http_server_port(s->server), path);
}

static void site_call(struct site *s, struct http_client *client, struct call *c, const char *host,
                      const char *path, struct http_call_spec spec)
{
    cleanup(freep) char *url = site_url(s, host, path);

    call_start(c, client, url, spec);
    CHECK_SOON(&s->loop, c->n_done == 1, 10000);
}

#define SPEC(...) ((struct http_call_spec){ __VA_ARGS__ })

/* --- requests --- */

TEST(http_client, sends_methods_and_bodies_as_they_are)
{
    const char *const json[] = { "Content-Type: application/json", NULL };
    struct call get = { 0 }, put = { 0 }, post = { 0 }, del = { 0 };
    struct http_client *client;
    struct site s;

    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    site_call(&s, client, &get, "127.0.0.1", "/a?b=c", SPEC(.method = NULL));
    CHECK_STR(get.body, "GET /a type=- expect=no body=");
    site_call(&s, client, &put, "127.0.0.1", "/a",
              SPEC(.method = "PUT", .body = "{}", .body_len = 2, .headers = json));
    CHECK_STR(put.body, "PUT /a type=application/json expect=no body={}");
    site_call(&s, client, &post, "127.0.0.1", "/a", SPEC(.method = "POST"));
    CHECK_STR(post.body, "POST /a type=- expect=no body=");
    site_call(&s, client, &del, "127.0.0.1", "/a",
              SPEC(.method = "DELETE", .body = "x", .body_len = 1));
    CHECK_STR(del.body, "DELETE /a type=- expect=no body=x");
    http_client_close(client);
    site_down(&s);
}

TEST(http_client, an_answer_of_any_status_is_an_answer)
{
    struct call sick = { 0 }, moved = { 0 }, followed = { 0 }, looping = { 0 };
    struct http_client *client;
    struct site s;

    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    site_call(&s, client, &sick, "127.0.0.1", "/sick", SPEC(.fresh = true));
    CHECK_INT(sick.rc, 0);
    CHECK_INT(sick.status, 500);
    CHECK_STR(sick.body, "unwell");
    site_call(&s, client, &moved, "127.0.0.1", "/moved", SPEC(0));
    CHECK_INT(moved.status, 302);
    site_call(&s, client, &followed, "127.0.0.1", "/moved", SPEC(.max_redirects = 3));
    CHECK_INT(followed.status, 200);
    CHECK(str_starts(followed.body, "GET /final "));
    site_call(&s, client, &looping, "127.0.0.1", "/loop", SPEC(.max_redirects = 3));
    CHECK_INT(looping.rc, ERR_PROTOCOL);
    http_client_close(client);
    site_down(&s);
}

TEST(http_client, failures_have_codes_and_name_the_request)
{
    struct call refused = { 0 }, malformed = { 0 }, scheme = { 0 }, large = { 0 };
    struct http_client *client;
    struct site s;

    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    call_start(&refused, client, "http://127.0.0.1:1/x?token=secret", SPEC(0));
    call_start(&malformed, client, "http://[1/", SPEC(0));
    call_start(&scheme, client, "file:///etc/passwd", SPEC(0));
    CHECK_SOON(&s.loop, refused.n_done + malformed.n_done + scheme.n_done == 3, 5000);
    CHECK_INT(refused.rc, ERR_UNAVAILABLE);
    CHECK(str_starts(refused.err.text, "GET http://127.0.0.1:1/x: "));
    CHECK(strstr(refused.err.text, "secret") == NULL);
    CHECK_INT(refused.status, 0);
    CHECK_INT(malformed.rc, ERR_INVALID);
    CHECK_INT(scheme.rc, ERR_INVALID);
    site_call(&s, client, &large, "127.0.0.1", "/a", SPEC(.max_body = 10));
    CHECK_INT(large.rc, ERR_LIMIT);
    CHECK(large.len <= 10);
    http_client_close(client);
    site_down(&s);
}

/* --- time --- */

static int raw_listen(uint16_t *ret_port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(bind(fd, (struct sockaddr *)&addr, len), 0);
    CHECK_INT(listen(fd, 8), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

TEST(http_client, gives_up_at_the_deadline_and_on_silence)
{
    struct call late = { 0 }, mute = { 0 }, silent = { 0 };
    cleanup(freep) char *url = NULL;
    struct http_client *client;
    uint16_t port;
    struct site s;
    int fd = raw_listen(&port);

    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    url = mem_fmt("http://127.0.0.1:%u/", port);
    call_start(&late, client, url, SPEC(.timeout_ms = 40));
    call_start(&mute, client, url, SPEC(.timeout_ms = -1, .silence_ms = 40));
    CHECK_SOON(&s.loop, late.n_done == 1 && mute.n_done == 1, 5000);
    CHECK_INT(late.rc, ERR_TIMEOUT);
    CHECK_INT(mute.rc, ERR_TIMEOUT);
    CHECK(strstr(mute.err.text, "silent for 40 ms") != NULL);
    /* A stream that begins and then goes quiet. */
    site_call(&s, client, &silent, "127.0.0.1", "/stream",
              SPEC(.timeout_ms = -1, .silence_ms = 60));
    CHECK_INT(silent.rc, ERR_TIMEOUT);
    CHECK_INT(silent.n_data, 5);
    http_client_close(client);
    site_down(&s);
    close(fd);
}

TEST(http_client, a_connection_that_breaks_is_unavailable)
{
    struct call c = { 0 };
    cleanup(freep) char *url = NULL;
    struct http_client *client;
    uint16_t port;
    struct site s;
    int fd = raw_listen(&port), peer;

    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    url = mem_fmt("http://127.0.0.1:%u/", port);
    call_start(&c, client, url, SPEC(0));
    test_turn(&s.loop, uv_hrtime() / 1000000 + 20);
    peer = accept(fd, NULL, NULL);
    dprintf(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    close(peer);
    CHECK_SOON(&s.loop, c.n_done == 1, 5000);
    CHECK_INT(c.rc, ERR_UNAVAILABLE);
    http_client_close(client);
    site_down(&s);
    close(fd);
}

/* --- endings from within --- */

static void site_react(enum reaction on_data, enum reaction on_done, unsigned n_done, int rc)
{
    struct call c = { .on_data = on_data, .on_done = on_done }, other = { 0 };
    cleanup(freep) char *url = NULL;
    struct http_client *client;
    struct site s;

    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    url = site_url(&s, "127.0.0.1", "/stream");
    call_start(&c, client, url, SPEC(.timeout_ms = on_data == REACT_NOT ? 60 : 0));
    CHECK_SOON(&s.loop, c.n_data == 5 && c.n_done == n_done, 5000);
    CHECK_INT(c.rc, rc);
    if (on_data != REACT_CLOSE && on_done != REACT_CLOSE) {
        site_call(&s, client, &other, "127.0.0.1", "/a", SPEC(0));
        CHECK_INT(other.rc, 0);
        http_client_close(client);
    } else {
        CHECK(c.client == NULL);
    }
    CHECK_SOON(&s.loop, s.stream == NULL, 5000);
    site_down(&s);
}

TEST(http_client, a_reader_may_stop_cancel_or_close)
{
    site_react(REACT_STOP, REACT_NOT, 1, ERR_CANCELED);
    site_react(REACT_CANCEL, REACT_NOT, 0, 0);
    site_react(REACT_CLOSE, REACT_NOT, 1, ERR_CANCELED);
    site_react(REACT_NOT, REACT_CANCEL, 1, ERR_TIMEOUT);
    site_react(REACT_NOT, REACT_CLOSE, 1, ERR_TIMEOUT);
    site_react(REACT_STOP, REACT_CLOSE, 1, ERR_CANCELED);
}

TEST(http_client, a_paused_reader_holds_its_source_back)
{
    enum { PIECE = 1024 * 1024, PIECES = 32 };
    cleanup(freep) char *piece = MEM_NEW_ARRAY(char, PIECE);
    cleanup(freep) char *url = NULL;
    struct call c = { 0 };
    struct http_client *client;
    struct site s;

    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    url = site_url(&s, "127.0.0.1", "/stream");
    call_start(&c, client, url, SPEC(.timeout_ms = -1));
    CHECK_SOON(&s.loop, c.n_data == 5, 5000);
    http_call_pause(c.running);
    memset(piece, 'x', PIECE);
    for (int i = 0; i < PIECES; i++)
        http_write(s.stream, piece, PIECE);
    http_end(s.stream);
    test_turn(&s.loop, uv_hrtime() / 1000000 + 50);
    CHECK_INT(c.n_data, 5);
    CHECK_INT(c.n_done, 0);
    http_call_resume(c.running);
    http_call_resume(c.running); /* twice is once */
    CHECK_SOON(&s.loop, c.n_done == 1, 20000);
    CHECK_INT(c.rc, 0);
    CHECK_INT(c.n_data, 5 + (size_t)PIECE * PIECES);
    http_client_close(client);
    site_down(&s);
}

TEST(http_client, close_ends_all_running_calls)
{
    struct call calls[3] = { { 0 } };
    cleanup(freep) char *url = NULL;
    struct http_client *client;
    struct site s;

    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    url = site_url(&s, "127.0.0.1", "/stream");
    for (int i = 0; i < 3; i++)
        call_start(&calls[i], client, url, SPEC(.timeout_ms = -1, .silence_ms = 10000));
    client = http_client_close(client);
    CHECK(client == NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(calls[i].n_done, 1);
        CHECK_INT(calls[i].rc, ERR_CANCELED);
    }
    site_down(&s);
}

/* --- whom it believes, and as whom it comes --- */

TEST(http_client, believes_only_its_ca_and_the_right_name)
{
    cleanup(tls_pair_fini) struct tls_pair other = TLS_PAIR_EMPTY;
    struct call good = { 0 }, wrong_name = { 0 }, again = { 0 }, stranger = { 0 }, system = { 0 };
    struct call blind = { 0 };
    struct http_client *ours, *theirs, *systems, *insecure;
    struct err err = ERR_EMPTY;
    struct site s;

    site_up(&s, true);
    CHECK_INT(tls_ca_make(&other, "other", &err), 0);
    ours = site_client(&s, (struct http_client_opts){ .ca_pem = s.ca.cert_pem });
    theirs = site_client(&s, (struct http_client_opts){ .ca_pem = other.cert_pem });
    systems = site_client(&s, (struct http_client_opts){ 0 });
    insecure = site_client(&s, (struct http_client_opts){ .insecure = true });
    site_call(&s, ours, &good, "localhost", "/a", SPEC(0));
    CHECK_INT(good.rc, 0);
    site_call(&s, ours, &wrong_name, "127.0.0.1", "/a", SPEC(0));
    CHECK_INT(wrong_name.rc, ERR_PROTOCOL);
    site_call(&s, ours, &again, "127.0.0.1", "/a", SPEC(0));
    CHECK_INT(again.rc, ERR_PROTOCOL);
    site_call(&s, theirs, &stranger, "localhost", "/a", SPEC(0));
    CHECK_INT(stranger.rc, ERR_PROTOCOL);
    CHECK(strstr(stranger.err.text, "certificate of localhost") != NULL);
    site_call(&s, systems, &system, "localhost", "/a", SPEC(0));
    CHECK_INT(system.rc, ERR_PROTOCOL);
    CHECK_INT(s.n_requests, 1); /* not a byte of the others' requests came through */
    site_call(&s, insecure, &blind, "127.0.0.1", "/a", SPEC(0));
    CHECK_INT(blind.rc, 0);
    http_client_close(ours);
    http_client_close(theirs);
    http_client_close(systems);
    http_client_close(insecure);
    site_down(&s);
}

TEST(http_client, shows_its_certificate_and_the_new_one_after_renewal)
{
    cleanup(tls_pair_fini) struct tls_pair old = TLS_PAIR_EMPTY, new = TLS_PAIR_EMPTY;
    struct call first = { 0 }, second = { 0 }, third = { 0 };
    struct http_client_opts opts;
    struct http_client *client;
    struct site s;

    site_up(&s, true);
    site_make(&s, &old, "old", false);
    site_make(&s, &new, "new", false);
    opts = (struct http_client_opts){
        .ca_pem = s.ca.cert_pem,
        .cert_pem = old.cert_pem,
        .key_pem = old.key_pem,
    };
    client = site_client(&s, opts);
    site_call(&s, client, &first, "localhost", "/a", SPEC(0));
    CHECK_STR(s.who, "old");
    site_call(&s, client, &third, "localhost", "/a", SPEC(.fresh = true)); /* resumed session */
    CHECK_STR(s.who, "old");
    opts.cert_pem = new.cert_pem;
    opts.key_pem = new.key_pem;
    http_client_renew(client, &opts);
    site_call(&s, client, &second, "localhost", "/a", SPEC(0));
    CHECK_STR(s.who, "new");
    http_client_close(client);
    site_down(&s);
}

TEST(http_client, refuses_broken_certificates_at_birth)
{
    struct http_client_opts no_key = { .cert_pem = "x" }, no_ca = { .ca_pem = "x" };
    struct http_client *client = NULL;
    struct err err = ERR_EMPTY;
    uv_loop_t loop;

    uv_loop_init(&loop);
    CHECK_INT(http_client_new(&client, &loop, &no_key, &err), ERR_INVALID);
    CHECK_INT(http_client_new(&client, &loop, &no_ca, &err), ERR_INVALID);
    CHECK(client == NULL);
    loop_finish(&loop);
}

TEST(http_client, connects_to_a_unix_socket)
{
    const char *path = test_path("api.sock");
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct call c = { 0 };
    struct http_client *client;
    char buffer[512];
    struct site s;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

    strcpy(addr.sun_path, path);
    CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    CHECK_INT(listen(fd, 1), 0);
    site_up(&s, false);
    client = site_client(&s, (struct http_client_opts){ 0 });
    call_start(&c, client, "http://runtime/info", SPEC(.unix_socket = path));
    test_turn(&s.loop, uv_hrtime() / 1000000 + 20);
    peer = accept(fd, NULL, NULL);
    CHECK(read(peer, buffer, sizeof(buffer)) > 0);
    CHECK(strncmp(buffer, "GET /info HTTP/1.1\r\nHost: runtime\r\n", 35) == 0);
    dprintf(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    CHECK_SOON(&s.loop, c.n_done == 1, 5000);
    CHECK_STR(c.body, "ok");
    http_client_close(client);
    site_down(&s);
    close(peer);
    close(fd);
}
