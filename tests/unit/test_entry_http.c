/* layer: net */
#include "base/bits.h"
#include "tests/unit/entry_fixture.h"

TEST(entry_http, each_request_of_a_connection_finds_its_own_backend)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    ASK(&c, &f, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(caller_has(&c, "X-Backend: a") && caller_has(&c, "GET /one HTTP/1.1"));
    ASK(&c, &f, "GET /two?x=%20 HTTP/1.1\r\nHost: B.example:8080\r\n\r\n");
    CHECK(caller_has(&c, "X-Backend: b") && caller_has(&c, "GET /two?x=%20 HTTP/1.1"));
    ASK(&c, &f, "GET /x HTTP/1.1\r\nHost: c.example\r\n\r\n");
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 404 Not Found\r\n"));
    ASK(&c, &f, "GET /x HTTP/1.1\r\nHost: none.example\r\n\r\n");
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 503 Service Unavailable\r\n"));
    ASK(&c, &f, "GET http://a.example/abs HTTP/1.1\r\nHost: b.example\r\n\r\n");
    CHECK(caller_has(&c, "X-Backend: a") &&
          caller_has(&c, "GET /abs HTTP/1.1\r\nHost: a.example\r\n"));
    CHECK_INT(f.worker->counters.n_accepted, 1);
    CHECK_INT(f.worker->counters.n_connects, 2);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, heads_lose_what_is_of_one_hop_and_gain_what_we_know)
{
    static const char *const present[] = {
        "X-Real-IP: 127.0.0.1\r\n",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Keep: yes\r\n",
        "X-Forwarded-Proto: http\r\n",
        "X-Forwarded-Port: 80\r\n",
        "X-Request-ID: mine\r\n",
        "X-Forwarded-Host: a.example\r\n",
        "X-Original-Forwarded-For: 6.6.6.6\r\n",
    };
    static const char *const absent[] = { "X-Hop",     "Keep-Alive", "evil",    "Proxy-Connection",
                                          "Upgrade: ", "TE: ",       "X-Secret" };
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    ASK(&c, &f,
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
        "Keep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: trailers\r\nX-Keep: yes\r\n"
        "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: evil\r\nX_Real_IP: evil\r\nProxy: evil\r\n"
        "X-Request-ID: mine\r\nX-Forwarded-Proto: evil\r\n\r\n");
    for (size_t i = 0; i < N_ELEMENTS(present); i++)
        if (!caller_has(&c, present[i]))
            test_failed(present[i], __FILE__, __LINE__);
    for (size_t i = 0; i < N_ELEMENTS(absent); i++)
        if (caller_has(&c, absent[i]))
            test_failed(absent[i], __FILE__, __LINE__);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, bodies_pass_in_either_framing)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    ASK(&c, &f, "POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello");
    CHECK(caller_has(&c, "Content-Length: 5\r\n\r\nhello"));
    ASK(&c, &f,
        "POST /p HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "3;a=b\r\nhel\r\n02\r\nlo\r\n0\r\nX-Trailer: evil\r\n\r\n");
    CHECK(caller_has(&c, "Transfer-Encoding: chunked\r\n\r\nhello") && !caller_has(&c, "evil"));
    /* In many pieces. */
    text_clear(&c.in);
    for (const char *p = "PUT /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc"; *p;
         p++) {
        char one[2] = { *p, '\0' };

        caller_send(&c, one);
        uv_run(&f.loop, UV_RUN_NOWAIT);
    }
    CHECK_SOON(&f.loop, caller_has(&c, "\r\n\r\nabc"), 5000);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, answers_pass_in_every_framing)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(&c, "GET /chunked HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, caller_has(&c, "0\r\n\r\n"), 5000);
    CHECK(
        caller_has(&c, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"));
    text_clear(&c.in);
    caller_send(&c, "GET /until-close HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, caller_has(&c, "\r\n\r\na\r\nto the end\r\n0\r\n\r\n"), 5000);
    text_clear(&c.in);
    caller_send(
        &c,
        "HEAD /x HTTP/1.1\r\nHost: a.example\r\n\r\nGET /304 HTTP/1.1\r\nHost: a.example\r\n\r\n"
        "GET /204 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, caller_has(&c, "HTTP/1.1 204 No Content\r\n\r\n"), 5000);
    CHECK(str_starts(c.in.data, "HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\nHTTP/1.1 304 "
                                "Not Modified\r\nContent-Length: 7\r\n\r\nHTTP/1.1 204"));
    text_clear(&c.in);
    caller_send(&c, "GET /hints HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, caller_has(&c, "GET /hints"), 5000);
    CHECK(str_starts(c.in.data, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n"));
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, old_clients_get_what_they_understand)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(&c, "GET /chunked HTTP/1.0\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, "Connection: close\r\n\r\nhello world"));
    caller_close(&c);

    caller_open(&c, &f);
    ASK(&c, &f, "GET /1 HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n");
    CHECK(caller_has(&c, "Connection: keep-alive\r\n"));
    ASK(&c, &f, "GET /2 HTTP/1.0\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, pipelined_requests_are_answered_in_order)
{
    struct entry_fixture f;
    struct caller c;
    const char *first, *second, *third;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(&c,
                "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\nPOST /2 HTTP/1.1\r\nHost: b.example\r\n"
                "Content-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nHost: c.example\r\n"
                "Connection: close\r\n\r\n");
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    first = strstr(c.in.data, "GET /1");
    second = strstr(c.in.data, "POST /2");
    third = strstr(c.in.data, "HTTP/1.1 404");
    CHECK(first != NULL && second > first && third > second);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, who_expects_is_asked_for_the_body)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(
        &c,
        "PUT /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    CHECK_SOON(&f.loop, caller_has(&c, "HTTP/1.1 100 Continue\r\n\r\n"), 5000);
    ASK(&c, &f, "abc");
    CHECK(caller_has(&c, "\r\n\r\nabc") && !caller_has(&c, "Expect"));
    /* Nobody to take it: no 100, and the connection ends. */
    text_clear(&c.in);
    caller_send(&c, "PUT /x HTTP/1.1\r\nHost: none.example\r\nContent-Length: 3\r\nExpect: "
                    "100-continue\r\n\r\n");
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(str_starts(c.in.data, "HTTP/1.1 503"));
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, an_upgrade_becomes_a_tunnel)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    /* Bytes behind the head belong to the tunnel. */
    caller_send(
        &c,
        "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nmo");
    CHECK_SOON(&f.loop, caller_has(&c, "hi:mo"), 5000);
    CHECK(caller_has(
        &c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"));
    caller_send(&c, "re\r\n\r\n");
    CHECK_SOON(&f.loop, caller_has(&c, "hi:more\r\n\r\n"), 5000);
    CHECK_INT(f.worker->n_splices, 1);
    CHECK_INT(f.worker->n_clients, 0);
    shutdown(c.fd, SHUT_WR);
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, ":bye"));
    CHECK_INT(f.worker->n_splices, 0);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, a_refused_upgrade_is_an_ordinary_request)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    ASK(&c, &f,
        "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    CHECK(caller_has(&c, "Connection: Upgrade\r\nUpgrade: echo\r\n"));
    ASK(&c, &f, "GET /y HTTP/1.1\r\nHost: b.example\r\n\r\n");
    CHECK(caller_has(&c, "X-Backend: b"));
    /* An upgrade that nobody asked for. */
    ASK(&c, &f, "GET /ws HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(caller_has(&c, "HTTP/1.1 502"));
    caller_close(&c);
    entry_fixture_down(&f);
}

/* --- refusals --- */

TEST(entry_http, what_two_servers_could_read_differently_is_refused)
{
    static const struct {
        const char *status, *request;
    } rows[] = {
        { "400", "GET / HTTP/1.1\r\n\r\n" },
        { "400", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n" },
        { "400", "GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n" },
        { "400", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n" },
        { "400", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nContent-Length: "
                 "3\r\n\r\nabc" },
        { "400", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nContent-Length: "
                 "4\r\n\r\nabc" },
        { "400", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3, 3\r\n\r\nabc" },
        { "400", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: +3\r\n\r\nabc" },
        { "400", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n0\r\n\r\n" },
        { "400", "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: "
                 "chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" },
        { "400", "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: "
                 "chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        { "400",
          "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        { "400", "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n" },
        { "400", "GET /../x HTTP/1.1\r\nHost: a.example\r\n\r\n" },
        { "400", "GET /%2e%2e/x HTTP/1.1\r\nHost: a.example\r\n\r\n" },
        { "400", "GET /%00 HTTP/1.1\r\nHost: a.example\r\n\r\n" },
        { "400", "GET /%zz HTTP/1.1\r\nHost: a.example\r\n\r\n" },
        { "400", "GET /x#y HTTP/1.1\r\nHost: a.example\r\n\r\n" },
        { "400", "GET x HTTP/1.1\r\nHost: a.example\r\n\r\n" },
        { "400", "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\001b\r\n\r\n" },
        { "400", "\026\003\001\002\r\n\r\n" },
        { "405", "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n" },
        { "405", "TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n" },
        { "417", "GET / HTTP/1.1\r\nHost: a.example\r\nExpect: more\r\n\r\n" },
        { "505", "GET / HTTP/2.0\r\nHost: a.example\r\n\r\n" },
    };
    struct entry_fixture f;

    entry_fixture_up(&f, NULL);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct caller c;

        caller_open(&c, &f);
        caller_send(&c, rows[i].request);
        CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
        if (!str_starts(text_str(&c.in), "HTTP/1.1 ") ||
            !str_starts(c.in.data + 9, rows[i].status) ||
            strstr(c.in.data + 9, "HTTP/1.1") != NULL) {
            print_error("%s\n-- was answered --\n%s\n", rows[i].request, text_str(&c.in));
            test_failed(rows[i].status, __FILE__, __LINE__);
        }
        caller_close(&c);
    }
    CHECK_INT(f.a.n_requests, 0);
    entry_fixture_down(&f);
}

TEST(entry_http, a_coding_that_we_do_not_know_is_not_implemented)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(
        &c,
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, "HTTP/1.1 501"));
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, heads_have_limits)
{
    struct entry_fixture f;
    struct caller c;
    cleanup(freep) char *filler = mem_zero(40001);
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    memset(filler, 'x', 40000);
    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    text_fmt(&t, "GET / HTTP/1.1\r\nHost: a.example\r\nX: %s\r\n\r\n", filler);
    caller_send(&c, t.data);
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, "HTTP/1.1 431"));
    caller_close(&c);

    caller_open(&c, &f);
    text_clear(&t);
    text_fmt(&t, "GET /%.20000s HTTP/1.1\r\nHost: a.example\r\n\r\n", filler);
    caller_send(&c, t.data);
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, "HTTP/1.1 414"));
    caller_close(&c);

    caller_open(&c, &f);
    text_clear(&t);
    text_puts(&t, "GET / HTTP/1.1\r\nHost: a.example\r\n");
    for (unsigned i = 0; i < 201; i++)
        text_fmt(&t, "A%u: 1\r\n", i);
    text_puts(&t, "\r\n");
    caller_send(&c, t.data);
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, "HTTP/1.1 431"));
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, a_body_over_the_ingress_limit_is_refused)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    fixture_ingress(&f, "a", "{\"nginx.ingress.kubernetes.io/proxy-body-size\":\"4\"}");
    fixture_swap(&f);
    caller_open(&c, &f);
    caller_send(&c, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello");
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, "HTTP/1.1 413"));
    caller_close(&c);
    caller_open(&c, &f);
    caller_send(&c, "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n");
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, "HTTP/1.1 413"));
    caller_close(&c);
    entry_fixture_down(&f);
}

/* --- annotations --- */

#define NGINX_ "nginx.ingress.kubernetes.io/"
#define ALICE  "Authorization: Basic YWxpY2U6czNjcmV0\r\n" /* alice:s3cret */

/* a.example with these annotations. */
static void up_with(struct entry_fixture *f, const char *annotations)
{
    entry_fixture_up(f, NULL);
    fixture_ingress(f, "a", annotations);
    fixture_swap(f);
}

static void give_users(struct entry_fixture *f, const char *file)
{
    cleanup(text_fini) struct text code = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *secret = NULL;

    bits_base64(&code, file, strlen(file));
    secret = json_pack("{s:{s:s}}", "data", "auth", text_str(&code));
    entry_auth_put(f->worker->auth, "ns/users", false, secret);
}

static void wait_for_requests(struct entry_fixture *f, uint64_t n)
{
    while (f->worker->counters.n_requests < n)
        uv_run(&f->loop, UV_RUN_ONCE);
}

TEST(entry_http, passwords_are_asked_for_and_bodies_wait_for_the_verdict)
{
    struct entry_fixture f;
    struct caller c;

    up_with(&f, "{\"" NGINX_ "auth-type\":\"basic\",\"" NGINX_ "auth-secret\":\"users\",\"" NGINX_
                "auth-realm\":\"the \\\"door\\\"\"}");
    caller_open(&c, &f);
    ASK(&c, &f, "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 503 ")); /* the Secret is not there */
    give_users(&f, "alice:$apr1$V4uKuiCT$eFwCH27Bauhz3SMG.icnt.\n");
    ASK(&c, &f, "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 401 Unauthorized\r\n"));
    CHECK(caller_has(&c, "WWW-Authenticate: Basic realm=\"the \\\"door\\\"\"\r\n"));
    /* alice:wrong */
    ASK(&c, &f,
        "POST /x HTTP/1.1\r\nHost: a.example\r\nAuthorization: Basic YWxpY2U6d3Jvbmc=\r\n"
        "Content-Length: 3\r\n\r\nabc");
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 401 "));
    ASK(&c, &f, "GET /x HTTP/1.1\r\nHost: a.example\r\nAuthorization: Basic Ym9iOnM=\r\n\r\n");
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 401 ")); /* there is no bob */
    for (unsigned i = 0; i < 2; i++) {
        ASK(&c, &f,
            "POST /x HTTP/1.1\r\nHost: a.example\r\n" ALICE "Content-Length: 7\r\n\r\nthebody");
        CHECK(str_starts(text_str(&c.in), "HTTP/1.1 200 ") && caller_has(&c, "thebody"));
        CHECK(!caller_has(&c, "Authorization")); /* that was for us */
    }
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, a_client_may_leave_before_its_password_is_compared)
{
    struct entry_fixture f;
    struct caller c;

    up_with(&f, "{\"" NGINX_ "auth-type\":\"basic\",\"" NGINX_ "auth-secret\":\"users\"}");
    give_users(&f, "alice:$2y$05$vcMn9QkGofHAit1Ctj48duAR4A0gVhk5f4eltMQUTtxm8KO04FqPG\n");
    caller_open(&c, &f);
    caller_send(&c, "GET /x HTTP/1.1\r\nHost: a.example\r\n" ALICE "\r\n");
    wait_for_requests(&f, 1);
    caller_close(&c);
    CHECK_SOON(&f.loop, f.worker->n_clients == 0, 5000);
    caller_open(&c, &f);
    ASK(&c, &f, "GET /x HTTP/1.1\r\nHost: a.example\r\n" ALICE "\r\n");
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 200 "));
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, annotations_change_what_backend_and_client_see)
{
    struct entry_fixture f;
    struct caller c;

    up_with(&f, "{\"" NGINX_ "rewrite-target\":\"/sub\",\"" NGINX_
                "upstream-vhost\":\"inner.example\",\"" NGINX_
                "x-forwarded-prefix\":\"/out\",\"" NGINX_ "enable-cors\":\"true\",\"" NGINX_
                "affinity\":\"cookie\",\"" NGINX_ "proxy-body-size\":\"4\"}");
    caller_open(&c, &f);
    ASK(&c, &f, "GET /x?y=1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(caller_has(&c, "GET /sub?y=1 HTTP/1.1\r\nHost: inner.example\r\n"));
    CHECK(caller_has(&c, "X-Forwarded-Prefix: /out\r\n"));
    CHECK(caller_has(&c, "X-Forwarded-Host: a.example\r\n"));
    CHECK(caller_has(&c, "Access-Control-Allow-Origin: *\r\n"));
    CHECK(caller_has(&c, "Set-Cookie: INGRESSCOOKIE=") && caller_has(&c, "; Path=/; HttpOnly\r\n"));
    text_clear(&c.in);
    caller_send(&c, "OPTIONS /x HTTP/1.1\r\nHost: a.example\r\nOrigin: http://b\r\n\r\n");
    CHECK_SOON(&f.loop, caller_has(&c, "\r\n\r\n"), 5000);
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin"));
    ASK(&c, &f, "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n12345");
    CHECK(caller_has(&c, "HTTP/1.1 413 "));
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_http, a_body_behind_the_last_head_is_not_lost)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(&c, "POST /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n"
                    "Content-Length: 7\r\n\r\n");
    wait_for_requests(&f, 1);
    caller_send(&c, "thebody");
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(str_starts(text_str(&c.in), "HTTP/1.1 200 ") && caller_has(&c, "thebody"));
    caller_close(&c);
    entry_fixture_down(&f);
}
