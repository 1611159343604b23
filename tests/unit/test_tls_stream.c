/* layer: base */
#include "base/loop.h"
#include "base/mem.h"
#include "base/tls_stream.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* One listener, one client made by hand, and the application's end of its connection. */
struct link {
    uv_loop_t loop;
    struct tls_listener *listener;
    struct tls_pair ca;
    int app; /* -1: none */
    unsigned n_conns;
    char remote[INET_ADDRSTRLEN];
    bool closed;

    int fd; /* the client */
    gnutls_session_t session;
    gnutls_certificate_credentials_t cred;
};

static void link_on_connection(void *arg, int fd, const struct sockaddr *remote,
                               socklen_t remote_len, const struct tls_peer *peer)
{
    struct link *l = arg;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)remote;

    CHECK(!peer->verified && remote_len == sizeof(*in));
    inet_ntop(AF_INET, &in->sin_addr, l->remote, sizeof(l->remote));
    CHECK_INT(l->app, -1);
    l->app = fd;
    l->n_conns++;
}

static void link_up(struct link *l, int64_t handshake_ms)
{
    const struct tls_spec spec = {
        .cn = "x",
        .ips = (const char *const[]){ "127.0.0.1", NULL },
        .is_server = true,
    };
    struct tls_listener_opts opts = {
        .address = "127.0.0.1",
        .handshake_ms = handshake_ms,
        .max_per_address = 2,
        .on_connection = link_on_connection,
        .arg = l,
    };
    cleanup(tls_pair_fini) struct tls_pair own = TLS_PAIR_EMPTY;
    struct sockaddr_in addr = { .sin_family = AF_INET };
    struct err err = ERR_EMPTY;

    *l = (struct link){ .app = -1 };
    uv_loop_init(&l->loop);
    CHECK_INT(tls_ca_make(&l->ca, "ca", &err), 0);
    CHECK_INT(tls_issue(&own, &l->ca, &spec, &err), 0);
    CHECK_INT(tls_server_new(&opts.creds, &own, NULL, &err), 0);
    CHECK_INT(tls_listener_new(&l->listener, &l->loop, &opts, &err), 0);
    tls_server_unref(opts.creds);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    addr.sin_port = htons(tls_listener_port(l->listener));
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(connect(l->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

/* Another client, which says nothing. */
static int link_connect(struct link *l)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_port = htons(tls_listener_port(l->listener));
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void link_turn(struct link *l)
{
    uv_run(&l->loop, UV_RUN_NOWAIT);
}

static void link_shake(struct link *l)
{
    uint64_t end = uv_hrtime() + 5000000000ULL;
    int rc;

    gnutls_certificate_allocate_credentials(&l->cred);
    gnutls_init(&l->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    gnutls_set_default_priority(l->session);
    gnutls_credentials_set(l->session, GNUTLS_CRD_CERTIFICATE, l->cred);
    gnutls_transport_set_int(l->session, l->fd);
    CHECK_INT(fcntl(l->fd, F_SETFL, O_NONBLOCK), 0);
    do {
        rc = gnutls_handshake(l->session);
        link_turn(l);
    } while (rc < 0 && !gnutls_error_is_fatal(rc) && uv_hrtime() < end);
    CHECK_INT(rc, 0);
    CHECK_SOON(&l->loop, l->app >= 0, 5000);
}

static void link_on_closed(void *arg)
{
    struct link *l = arg;

    l->closed = true;
}

static void link_down(struct link *l)
{
    if (l->session != NULL)
        gnutls_deinit(l->session);
    if (l->cred != NULL)
        gnutls_certificate_free_credentials(l->cred);
    closep(&l->fd);
    if (l->listener != NULL)
        tls_listener_close(l->listener, link_on_closed, l);
    loop_finish(&l->loop);
    CHECK(l->closed);
    closep(&l->app);
    tls_pair_fini(&l->ca);
}

/* > 0 bytes, 0 the end said properly, < 0 a GnuTLS code; waits for one of them. */
static ssize_t link_recv(struct link *l, void *data, size_t len)
{
    uint64_t end = uv_hrtime() + 5000000000ULL;
    ssize_t n;

    do {
        link_turn(l);
        n = gnutls_record_recv(l->session, data, len);
    } while ((n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) && uv_hrtime() < end);
    return n;
}

/* The same at the application's end; 0 its end. */
static ssize_t link_app_recv(struct link *l, void *data, size_t len)
{
    uint64_t end = uv_hrtime() + 5000000000ULL;
    ssize_t n;

    do {
        link_turn(l);
        n = recv(l->app, data, len, MSG_DONTWAIT);
    } while (n < 0 && errno == EAGAIN && uv_hrtime() < end);
    return n;
}

static void link_send(struct link *l, const char *text)
{
    CHECK_INT(gnutls_record_send(l->session, text, strlen(text)), strlen(text));
}

TEST(tls_stream, carries_bytes_both_ways)
{
    char buffer[16];
    struct link l;

    link_up(&l, 0);
    link_shake(&l);
    CHECK_STR(l.remote, "127.0.0.1");
    link_send(&l, "ping");
    CHECK_INT(link_app_recv(&l, buffer, sizeof(buffer)), 4);
    CHECK_INT(write(l.app, "pong!", 5), 5);
    CHECK_INT(link_recv(&l, buffer, sizeof(buffer)), 5);
    link_down(&l);
}

TEST(tls_stream, an_application_that_stopped_sending_still_hears)
{
    char buffer[16];
    struct link l;

    link_up(&l, 0);
    link_shake(&l);
    CHECK_INT(write(l.app, "last", 4), 4);
    shutdown(l.app, SHUT_WR);
    CHECK_INT(link_recv(&l, buffer, sizeof(buffer)), 4);
    CHECK_INT(link_recv(&l, buffer, sizeof(buffer)), 0);
    link_send(&l, "more");
    CHECK_INT(link_app_recv(&l, buffer, sizeof(buffer)), 4);
    /* Its full close is noticed although there is nothing to read or write. */
    closep(&l.app);
    l.app = -1;
    CHECK_SOON(&l.loop, recv(l.fd, buffer, 1, MSG_DONTWAIT | MSG_PEEK) == 0, 5000);
    link_down(&l);
}

TEST(tls_stream, the_clients_end_is_the_applications_eof)
{
    char buffer[16];
    struct link l;

    link_up(&l, 0);
    link_shake(&l);
    link_send(&l, "bye");
    CHECK_INT(gnutls_bye(l.session, GNUTLS_SHUT_WR), 0);
    CHECK_INT(link_app_recv(&l, buffer, sizeof(buffer)), 3);
    CHECK_INT(link_app_recv(&l, buffer, sizeof(buffer)), 0);
    CHECK_INT(write(l.app, "still", 5), 5);
    CHECK_INT(link_recv(&l, buffer, sizeof(buffer)), 5);
    link_down(&l);
}

TEST(tls_stream, a_client_may_leave_without_a_word)
{
    char buffer[16];
    struct link l;

    link_up(&l, 0);
    link_shake(&l);
    link_send(&l, "bye");
    shutdown(l.fd, SHUT_WR); /* no close_notify: GnuTLS sends nothing on such a session */
    CHECK_INT(link_app_recv(&l, buffer, sizeof(buffer)), 3);
    CHECK_INT(link_app_recv(&l, buffer, sizeof(buffer)), 0);
    link_down(&l);
}

TEST(tls_stream, a_reset_is_the_applications_eof)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    char buffer[16];
    struct link l;

    link_up(&l, 0);
    link_shake(&l);
    setsockopt(l.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(l.fd);
    l.fd = -1;
    CHECK_INT(link_app_recv(&l, buffer, sizeof(buffer)), 0);
    link_down(&l);
}

TEST(tls_stream, a_last_answer_arrives_although_nobody_read_the_question)
{
    char block[8192] = { 0 };
    char buffer[16];
    struct link l;
    ssize_t n;

    link_up(&l, 0);
    link_shake(&l);
    for (int i = 0; i < 10; i++) {
        CHECK(gnutls_record_send(l.session, block, sizeof(block)) > 0);
        link_turn(&l);
    }
    CHECK_INT(write(l.app, "no", 2), 2);
    closep(&l.app); /* with unread bytes */
    l.app = -1;
    do { /* the client goes on sending for a while */
        n = gnutls_record_send(l.session, block, sizeof(block));
        link_turn(&l);
    } while (n > 0 && gnutls_record_check_pending(l.session) == 0 &&
             recv(l.fd, buffer, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
    CHECK_INT(link_recv(&l, buffer, sizeof(buffer)), 2);
    CHECK_INT(link_recv(&l, buffer, sizeof(buffer)), 0);
    link_down(&l);
}

TEST(tls_stream, a_reader_that_stops_holds_the_writer_up)
{
    size_t sent = 0, received = 0;
    static char block[65536];
    struct link l;
    ssize_t n;

    link_up(&l, 0);
    link_shake(&l);
    for (int quiet = 0; quiet < 20;) {
        n = send(l.app, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        test_turn(&l.loop, uv_hrtime() / 1000000 + 1);
        CHECK(sent < 64u << 20);
    }
    CHECK(sent > sizeof(block));
    while (received < sent) {
        n = link_recv(&l, block, sizeof(block));
        CHECK(n > 0);
        received += (size_t)n;
    }
    CHECK_INT(received, sent);
    link_down(&l);
}

TEST(tls_stream, a_handshake_must_end_in_time)
{
    char buffer[16];
    struct link l;

    link_up(&l, 40);
    CHECK_INT(send(l.fd, "\x16\x03", 2, 0), 2);
    CHECK_SOON(&l.loop, recv(l.fd, buffer, 1, MSG_DONTWAIT) == 0, 5000);
    CHECK_INT(l.n_conns, 0);
    link_down(&l);
}

TEST(tls_stream, an_address_has_so_many_connections)
{
    char buffer[16];
    struct link l;
    int second, third;

    link_up(&l, 0);
    link_shake(&l);
    second = link_connect(&l);
    third = link_connect(&l);
    CHECK_SOON(&l.loop, recv(third, buffer, 1, MSG_DONTWAIT) == 0, 5000);
    close(third);
    CHECK_INT(recv(second, buffer, 1, MSG_DONTWAIT), -1); /* it waits */
    close(second);
    link_turn(&l);
    /* The place is free once its end was seen. */
    for (int tries = 0, fd = -1; tries < 100 && fd < 0; tries++) {
        fd = link_connect(&l);
        for (int i = 0; i < 10; i++)
            link_turn(&l);
        if (recv(fd, buffer, 1, MSG_DONTWAIT) != 0) {
            CHECK_INT(close(fd), 0);
            link_down(&l);
            return;
        }
        closep(&fd);
    }
    test_failed("the place of the second was never given to another", __FILE__, __LINE__);
}

TEST(tls_stream, closing_sends_what_was_written)
{
    char buffer[16];
    struct link l;

    link_up(&l, 0);
    link_shake(&l);
    CHECK_INT(write(l.app, "end", 3), 3);
    tls_listener_close(l.listener, link_on_closed, &l);
    l.listener = NULL;
    CHECK_INT(link_recv(&l, buffer, sizeof(buffer)), 3);
    CHECK_INT(link_recv(&l, buffer, sizeof(buffer)), 0);
    CHECK_INT(recv(l.app, buffer, sizeof(buffer), 0), 0);
    link_down(&l);
}

TEST(tls_stream, says_what_is_wrong_with_an_address)
{
    struct tls_listener_opts opts = { .address = "nowhere", .on_connection = link_on_connection };
    struct tls_listener *listener;
    struct err err = ERR_EMPTY;
    uv_loop_t loop;

    uv_loop_init(&loop);
    CHECK_INT(tls_listener_new(&listener, &loop, &opts, &err), ERR_INVALID);
    opts.address = "192.0.2.1";
    CHECK(tls_listener_new(&listener, &loop, &opts, &err) < 0);
    CHECK(strstr(err.text, "listen on 192.0.2.1") != NULL);
    loop_finish(&loop);
}
