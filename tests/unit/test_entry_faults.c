/* layer: net */
#include "tests/unit/entry_fixture.h"

/* --- endpoints that fail --- */

TEST(entry_faults, a_refused_connection_goes_to_the_next_endpoint)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    backend_down(&f.a);
    caller_open(&c, &f);
    for (unsigned i = 0; i < 4; i++) {
        ASK(&c, &f, "POST /x HTTP/1.1\r\nHost: both.example\r\nContent-Length: 5\r\n\r\nhello");
        CHECK(caller_has(&c, "X-Backend: b") && caller_has(&c, "\r\n\r\nhello"));
    }
    /* Once was enough to know. */
    CHECK_INT(f.worker->counters.n_retries, 1);
    ASK(&c, &f, "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(caller_has(&c, "HTTP/1.1 502"));
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_faults, what_can_be_asked_twice_is_when_an_endpoint_dies)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    f.a.dies = 1;
    caller_open(&c, &f);
    ASK(&c, &f, "GET /1 HTTP/1.1\r\nHost: both.example\r\n\r\n");
    ASK(&c, &f, "GET /2 HTTP/1.1\r\nHost: both.example\r\n\r\n");
    CHECK(caller_has(&c, "HTTP/1.1 200 OK"));
    CHECK_INT(f.worker->counters.n_retries, 1);
    /* What may have been acted upon is not. */
    f.a.dies = f.b.dies = 1;
    ASK(&c, &f, "POST /3 HTTP/1.1\r\nHost: both.example\r\nContent-Length: 1\r\n\r\nx");
    CHECK(caller_has(&c, "HTTP/1.1 502"));
    CHECK_INT(f.worker->counters.n_retries, 1);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_faults, a_resting_connection_that_died_is_replaced)
{
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    ASK(&c, &f, "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    f.a.dies = 1; /* as the next request arrives */
    ASK(&c, &f, "GET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(caller_has(&c, "HTTP/1.1 200 OK") && caller_has(&c, "GET /2"));
    CHECK_INT(f.worker->counters.n_reused, 1);
    CHECK_INT(f.worker->counters.n_connects, 2);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_faults, a_broken_answer_does_not_look_whole)
{
    static const char *const paths[] = { "/half", "/half-chunked" };
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, NULL);
    for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
        cleanup(freep) char *request = mem_fmt("GET %s HTTP/1.1\r\nHost: a.example\r\n\r\n",
                                               paths[i]);

        caller_open(&c, &f);
        caller_send(&c, request);
        CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
        CHECK(str_ends(c.in.data, "hello") || str_ends(c.in.data, "5\r\nhello\r\n"));
        caller_close(&c);
    }
    caller_open(&c, &f);
    ASK(&c, &f, "GET /garbage HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(caller_has(&c, "HTTP/1.1 502"));
    ASK(&c, &f, "GET /extra HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(str_ends(c.in.data, "\r\n\r\nok"));
    ASK(&c, &f, "GET /after HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(caller_has(&c, "GET /after"));
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_faults, an_early_answer_reaches_a_client_that_still_sends)
{
    struct entry_fixture f;
    struct caller c;
    cleanup(freep) char *filler = mem_zero(100001);

    memset(filler, 'x', 100000);
    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(&c, "POST /early HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10000000\r\n\r\n");
    for (unsigned i = 0; i < 20; i++) {
        if (send(c.fd, filler, 100000, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            break;
        uv_run(&f.loop, UV_RUN_NOWAIT);
    }
    CHECK_SOON(&f.loop, caller_has(&c, "\r\n\r\nfull"), 5000);
    CHECK(caller_has(&c, "HTTP/1.1 413") && caller_has(&c, "Connection: close"));
    caller_close(&c);
    entry_fixture_down(&f);
}

/* --- time --- */

TEST(entry_faults, silence_ends_what_it_holds_up)
{
    struct entry_limits limits = { .header_ms = 60, .idle_ms = 120, .body_ms = 60, .read_ms = 60 };
    static const struct {
        const char *request, *answer;
    } rows[] = {
        { "GET / HT", "HTTP/1.1 408" },
        { "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 408" },
        { "GET /hang HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", "HTTP/1.1 504" },
    };
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, &limits);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        caller_open(&c, &f);
        caller_send(&c, rows[i].request);
        CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
        CHECK(caller_has(&c, rows[i].answer));
        caller_close(&c);
    }
    caller_open(&c, &f);
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK_INT(c.in.len, 0);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_faults, an_ingress_may_wait_longer)
{
    struct entry_limits limits = { .read_ms = 40 };
    struct entry_fixture f;
    struct caller c;

    entry_fixture_up(&f, &limits);
    fixture_ingress(&f, "a", "{\"nginx.ingress.kubernetes.io/proxy-read-timeout\":\"3600\"}");
    fixture_swap(&f);
    f.a.is_slow = 1;
    f.b.is_slow = 1;
    caller_open(&c, &f);
    ASK(&c, &f, "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    CHECK(caller_has(&c, "HTTP/1.1 504"));
    text_clear(&c.in);
    caller_send(&c, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    for (unsigned i = 0; i < 20; i++)
        test_turn(&f.loop, uv_hrtime() / 1000000 + 10);
    CHECK(!caller_has(&c, "HTTP"));
    f.a.is_slow = 0;
    CHECK_SOON(&f.loop, caller_has_answer(&c), 5000);
    CHECK(caller_has(&c, "HTTP/1.1 200 OK"));
    caller_close(&c);
    entry_fixture_down(&f);
}

/* --- flow --- */

static size_t waiting_for_clients(struct entry_fixture *f)
{
    size_t n = 0;

    LIST_EACH (at, &f->worker->clients) {
        struct entry_client *c = list_entry(at, struct entry_client, link);

        n += entry_io_waiting(&c->io) + c->in.len +
             (c->x.up != NULL ? entry_io_waiting(&c->x.up->io) : 0);
    }
    return n;
}

TEST(entry_faults, a_client_that_reads_slowly_holds_the_endpoint_back)
{
    struct entry_fixture f;
    struct caller c;
    size_t most = 0, n = 32 * 1024 * 1024, seen = 0;
    uint64_t until = uv_hrtime() / 1000000 + 20000;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(&c, "GET /big/33554432 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    for (unsigned i = 0; i < 100 || (most == 0 && i < 2000); i++) {
        test_turn(&f.loop, uv_hrtime() / 1000000 + 2);
        most = waiting_for_clients(&f) > most ? waiting_for_clients(&f) : most;
    }
    CHECK(most > 0 && most <= ENTRY_IO_HIGH + 64 * 1024 + 512);
    while (seen < n && uv_hrtime() / 1000000 < until) {
        test_turn(&f.loop, uv_hrtime() / 1000000 + 1000);
        caller_pull(&c);
        if (seen == 0)
            text_drop(&c.in, (size_t)(strstr(c.in.data, "\r\n\r\n") + 4 - c.in.data));
        for (; c.in.len >= 16; text_drop(&c.in, c.in.len / 16 * 16))
            for (size_t at = 0; at + 16 <= c.in.len; at += 16, seen += 16)
                CHECK(strtoul(c.in.data + at, NULL, 10) == n - seen);
    }
    CHECK_INT(seen, n);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_faults, an_endpoint_that_reads_slowly_holds_the_client_back)
{
    struct entry_fixture f;
    struct caller c;
    size_t most = 0, sent = 0, n = 16 * 1024 * 1024;
    cleanup(freep) char *filler = mem_zero(65536);

    memset(filler, 'y', 65536);
    entry_fixture_up(&f, NULL);
    f.a.is_slow = 1;
    caller_open(&c, &f);
    caller_send(&c, "PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 16777216\r\n\r\n");
    for (unsigned i = 0; i < 200 || (most == 0 && i < 2000); i++) {
        ssize_t took = send(c.fd, filler, 65536, MSG_NOSIGNAL);

        sent += took > 0 ? (size_t)took : 0;
        test_turn(&f.loop, uv_hrtime() / 1000000 + 2);
        most = waiting_for_clients(&f) > most ? waiting_for_clients(&f) : most;
    }
    CHECK(sent < n);
    CHECK(most > 0 && most <= ENTRY_IO_HIGH + 64 * 1024 + 512);
    f.a.is_slow = 0;
    while (sent < n) {
        ssize_t took = send(c.fd, filler, n - sent < 65536 ? n - sent : 65536, MSG_NOSIGNAL);

        sent += took > 0 ? (size_t)took : 0;
        test_turn(&f.loop, uv_hrtime() / 1000000 + 2);
    }
    CHECK_SOON(&f.loop, caller_has(&c, "PUT / HTTP/1.1"), 10000);
    CHECK_SOON(&f.loop, caller_has_answer(&c), 10000);
    CHECK(c.in.len > n);
    caller_close(&c);
    entry_fixture_down(&f);
}

TEST(entry_faults, a_client_that_leaves_takes_its_request_along)
{
    struct entry_fixture f;
    struct caller c;
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_send(&c, "GET /hang HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, f.a.n_requests == 1, 5000);
    setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    caller_close(&c);
    CHECK_SOON(&f.loop, f.worker->n_clients == 0, 5000);
    CHECK_INT(f.worker->n_upstreams, 0);
    entry_fixture_down(&f);
}

/* --- tables that change --- */

TEST(entry_faults, requests_under_way_end_on_the_endpoint_that_left)
{
    struct entry_fixture f;
    struct caller c, d;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_open(&d, &f);
    ASK(&d, &f, "GET /0 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    f.a.is_slow = 1;
    text_clear(&c.in);
    caller_send(&c, "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, f.a.n_requests == 2, 5000);
    fixture_service(&f, "a", (const struct backend *const[]){ &f.b, NULL });
    fixture_service(&f, "both", (const struct backend *const[]){ &f.b, NULL });
    fixture_swap(&f);
    ASK(&d, &f, "GET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(caller_has(&d, "X-Backend: b"));
    f.a.is_slow = 0;
    CHECK_SOON(&f.loop, caller_has_answer(&c), 5000);
    CHECK(caller_has(&c, "X-Backend: a"));
    /* Its connections do not rest any more. */
    CHECK_SOON(&f.loop, f.worker->n_upstreams == 1, 5000);
    caller_close(&c);
    caller_close(&d);
    entry_fixture_down(&f);
}

TEST(entry_faults, load_spreads_over_endpoints)
{
    struct entry_fixture f;
    struct caller c[4];

    entry_fixture_up(&f, NULL);
    f.a.is_slow = f.b.is_slow = 1;
    for (unsigned i = 0; i < 4; i++) {
        caller_open(&c[i], &f);
        caller_send(&c[i], "GET / HTTP/1.1\r\nHost: both.example\r\n\r\n");
    }
    CHECK_SOON(&f.loop, f.a.n_requests + f.b.n_requests == 4, 5000);
    CHECK_INT(f.a.n_requests, 2);
    f.a.is_slow = f.b.is_slow = 0;
    for (unsigned i = 0; i < 4; i++) {
        CHECK_SOON(&f.loop, caller_has_answer(&c[i]), 5000);
        caller_close(&c[i]);
    }
    entry_fixture_down(&f);
}

TEST(entry_faults, closing_lets_requests_end)
{
    struct entry_fixture f;
    struct caller c, d;

    entry_fixture_up(&f, NULL);
    caller_open(&c, &f);
    caller_open(&d, &f);
    ASK(&d, &f, "GET /0 HTTP/1.1\r\nHost: b.example\r\n\r\n");
    f.a.is_slow = 1;
    caller_send(&c, "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK_SOON(&f.loop, f.a.n_requests == 1, 5000);
    entry_worker_close(STEAL(f.worker), fixture_on_closed, &f.is_closed);
    CHECK_SOON(&f.loop, caller_is_at_end(&d), 5000);
    CHECK(!f.is_closed);
    f.a.is_slow = 0;
    CHECK_SOON(&f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, "Connection: close") && caller_has(&c, "GET /1"));
    caller_close(&c);
    caller_close(&d);
    entry_fixture_down(&f);
}
