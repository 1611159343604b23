/* layer: base */
#include "base/http_server.h"
#include "base/http_tunnel.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A TLS server that echoes what comes after an upgrade, and refuses other paths. */
struct house {
    uv_loop_t loop;
    struct http_server *server;
    struct tls_dialer *dialer;
    struct tls_pair ca;
    int inside;  /* the server's end of an upgraded connection */
    int outside; /* the tunnel's */
    int status;
    struct text said; /* a refusal's body, or why it failed */
    struct text early;
    bool closed;
};

static void house_on_upgraded(void *arg, int fd, const void *early UNUSED, size_t len UNUSED)
{
    struct house *h = arg;

    h->inside = fd;
}

static void house_on_request(void *arg, struct http_exchange *x)
{
    struct house *h = arg;

    if (!str_eq(http_path(x), "/in")) {
        http_reply(x, 403, "text/plain", "not you", 7);
        return;
    }
    CHECK_STR(http_header(x, "X-Word"), "open");
    http_set_header(x, "X-Answer", http_peer(x)->verified ? http_peer(x)->cn : "nobody");
    http_upgrade(x, "echo", house_on_upgraded, h);
}

static void house_up(struct house *h, const char *name_in_certificate)
{
    const struct tls_spec server = { .cn = "server",
                                     .ips = (const char *const[]){ name_in_certificate, NULL },
                                     .is_server = true };
    const struct tls_spec client = { .cn = "me", .is_client = true };
    cleanup(tls_pair_fini) struct tls_pair own = TLS_PAIR_EMPTY, mine = TLS_PAIR_EMPTY;
    struct http_server_opts opts = { .address = "127.0.0.1",
                                     .on_request = house_on_request,
                                     .arg = h };
    struct err err = ERR_EMPTY;

    *h = (struct house){ .inside = -1, .outside = -1 };
    uv_loop_init(&h->loop);
    CHECK_INT(tls_ca_make(&h->ca, "ca", &err), 0);
    CHECK_INT(tls_issue(&own, &h->ca, &server, &err), 0);
    CHECK_INT(tls_issue(&mine, &h->ca, &client, &err), 0);
    CHECK_INT(tls_server_new(&opts.creds, &own, h->ca.cert_pem, &err), 0);
    CHECK_INT(http_server_new(&h->server, &h->loop, &opts, &err), 0);
    tls_server_unref(opts.creds);
    CHECK_INT(
        tls_dialer_new(&h->dialer, &h->loop, h->ca.cert_pem, mine.cert_pem, mine.key_pem, &err), 0);
}

static void house_on_closed(void *arg)
{
    struct house *h = arg;

    h->closed = true;
}

static void house_down(struct house *h)
{
    closep(&h->inside);
    closep(&h->outside);
    tls_dialer_close(h->dialer);
    http_server_close(h->server, house_on_closed, h);
    CHECK_SOON(&h->loop, h->closed, 5000);
    loop_finish(&h->loop);
    tls_pair_fini(&h->ca);
    text_fini(&h->said);
    text_fini(&h->early);
}

static void house_on_open(void *arg, const struct http_head *head, int fd, const void *early,
                          size_t len)
{
    struct house *h = arg;

    h->status = head->status;
    h->outside = fd;
    text_puts(&h->said, http_head_get(head, "X-Answer"));
    text_add(&h->early, early, len);
}

static void house_on_refused(void *arg, const struct http_head *head, const char *body, size_t len)
{
    struct house *h = arg;

    h->status = head->status;
    text_add(&h->said, body, len);
}

static void house_on_failed(void *arg, const struct err *err)
{
    struct house *h = arg;

    h->status = -1;
    text_puts(&h->said, err->text);
}

static struct http_tunnel *house_call(struct house *h, const char *target, uint16_t port)
{
    const struct http_header_pair headers[] = { { "Upgrade", "echo" }, { "X-Word", "open" } };
    const struct http_tunnel_spec spec = { .ip = "127.0.0.1",
                                           .port = port,
                                           .method = "GET",
                                           .target = target,
                                           .headers = headers,
                                           .n_headers = 2 };
    const struct http_tunnel_listener listener = { .on_open = house_on_open,
                                                   .on_refused = house_on_refused,
                                                   .on_failed = house_on_failed,
                                                   .arg = h };

    return http_tunnel(&h->loop, h->dialer, &spec, &listener);
}

/* Sends @n bytes from one end and counts what arrives at the other. */
static size_t house_carry(struct house *h, int from, int to, size_t n)
{
    static char block[65536];
    size_t sent = 0, got = 0;

    for (unsigned idle = 0; got < n && idle < 100000; idle++) {
        ssize_t w = sent < n ? write(from, block, n - sent < sizeof(block) ? n - sent : 65536) : 0;
        ssize_t r = read(to, block, sizeof(block));

        sent += w > 0 ? (size_t)w : 0;
        got += r > 0 ? (size_t)r : 0;
        uv_run(&h->loop, UV_RUN_NOWAIT);
    }
    return got;
}

TEST(http_tunnel, carries_bytes_both_ways_as_who_we_are)
{
    struct house h;

    house_up(&h, "127.0.0.1");
    house_call(&h, "/in?x=1", http_server_port(h.server));
    CHECK_SOON(&h.loop, h.status != 0 && h.inside >= 0, 5000);
    CHECK_INT(h.status, 101);
    CHECK_STR(text_str(&h.said), "me");
    CHECK_INT(house_carry(&h, h.outside, h.inside, 3000000), 3000000);
    CHECK_INT(house_carry(&h, h.inside, h.outside, 3000000), 3000000);
    house_down(&h);
}

TEST(http_tunnel, a_renewed_certificate_is_shown_and_what_is_open_goes_on)
{
    const struct tls_spec client = { .cn = "me again", .is_client = true };
    cleanup(tls_pair_fini) struct tls_pair mine = TLS_PAIR_EMPTY;
    struct err err = ERR_EMPTY;
    struct house h;
    int inside, outside;

    house_up(&h, "127.0.0.1");
    CHECK_INT(tls_issue(&mine, &h.ca, &client, &err), 0);
    house_call(&h, "/in", http_server_port(h.server));
    CHECK_SOON(&h.loop, h.status != 0 && h.inside >= 0, 5000);
    inside = h.inside;
    outside = h.outside;
    CHECK(tls_dialer_renew(h.dialer, "nonsense", mine.key_pem, &err) < 0);
    CHECK_INT(tls_dialer_renew(h.dialer, mine.cert_pem, mine.key_pem, &err), 0);
    h.status = 0;
    h.inside = h.outside = -1;
    text_clear(&h.said);
    house_call(&h, "/in", http_server_port(h.server));
    CHECK_SOON(&h.loop, h.status != 0 && h.inside >= 0, 5000);
    CHECK_STR(text_str(&h.said), "me again");
    CHECK_INT(house_carry(&h, outside, inside, 300000), 300000);
    CHECK_INT(house_carry(&h, h.outside, h.inside, 300000), 300000);
    close(inside);
    close(outside);
    house_down(&h);
}

/* The node's tickets and its answer often come in one piece. */
TEST(http_tunnel, no_answer_is_lost_however_it_comes)
{
    struct house h;

    house_up(&h, "127.0.0.1");
    for (unsigned i = 0; i < 50; i++) {
        h.status = 0;
        house_call(&h, "/in", http_server_port(h.server));
        CHECK_SOON(&h.loop, h.status != 0 && h.inside >= 0, 5000);
        CHECK_INT(h.status, 101);
        close(h.inside);
        close(h.outside);
        h.inside = h.outside = -1;
    }
    house_down(&h);
}

TEST(http_tunnel, a_refusal_is_told_with_its_words)
{
    struct house h;

    house_up(&h, "127.0.0.1");
    house_call(&h, "/out", http_server_port(h.server));
    CHECK_SOON(&h.loop, h.status != 0, 5000);
    CHECK_INT(h.status, 403);
    CHECK_STR(text_str(&h.said), "not you");
    house_down(&h);
}

TEST(http_tunnel, a_server_of_another_name_is_not_believed)
{
    struct house h;

    house_up(&h, "127.0.0.2");
    house_call(&h, "/in", http_server_port(h.server));
    CHECK_SOON(&h.loop, h.status != 0, 5000);
    CHECK_INT(h.status, -1);
    CHECK(strstr(text_str(&h.said), "certificate of 127.0.0.1") != NULL);
    CHECK_INT(h.inside, -1);
    house_down(&h);
}

TEST(http_tunnel, nobody_there_is_said_and_a_cancel_is_silent)
{
    struct house h;

    house_up(&h, "127.0.0.1");
    house_call(&h, "/in", 1);
    CHECK_SOON(&h.loop, h.status != 0, 5000);
    CHECK_INT(h.status, -1);
    h.status = 0;
    http_tunnel_cancel(house_call(&h, "/in", http_server_port(h.server)));
    uv_run(&h.loop, UV_RUN_NOWAIT);
    CHECK_INT(h.status, 0);
    house_down(&h);
}
