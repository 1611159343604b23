/* layer: base */
#include "base/loop.h"
#include "base/mem.h"
#include "base/relay.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The ends that a client and a server would hold. */
struct pair {
    uv_loop_t loop;
    struct relay *relay;
    int client, server;
    bool is_done;
};

static void pair_on_done(void *arg)
{
    struct pair *p = arg;

    p->is_done = true;
}

static void pair_up(struct pair *p)
{
    int c[2], s[2];
    struct relay_opts opts = {
        .server_early = "hello", .server_early_len = 5, .on_done = pair_on_done, .arg = p
    };

    signal(SIGPIPE, SIG_IGN);
    *p = (struct pair){ .is_done = false };
    uv_loop_init(&p->loop);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, c), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
    opts.client = c[0];
    opts.server = s[0];
    p->client = c[1];
    p->server = s[1];
    p->relay = relay_new(&p->loop, &opts);
}

static void pair_down(struct pair *p)
{
    if (!p->is_done)
        relay_close(p->relay);
    closep(&p->client);
    closep(&p->server);
    loop_finish(&p->loop);
}

static size_t pair_fill(struct pair *p, int fd)
{
    static char block[65536];
    size_t sum = 0;

    for (unsigned idle = 0; idle < 50; idle++) {
        ssize_t n = write(fd, block, sizeof(block));

        sum += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle;
        uv_run(&p->loop, UV_RUN_NOWAIT);
    }
    return sum;
}

static size_t pair_drain(struct pair *p, int fd)
{
    static char block[65536];
    size_t sum = 0;

    for (unsigned idle = 0; idle < 50; idle++) {
        ssize_t n = read(fd, block, sizeof(block));

        sum += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle;
        uv_run(&p->loop, UV_RUN_NOWAIT);
    }
    return sum;
}

TEST(relay, a_reader_that_waits_costs_no_memory_and_gets_all)
{
    struct pair p;
    size_t sent;

    pair_up(&p);
    CHECK_INT(pair_drain(&p, p.client), 5); /* early */
    sent = pair_fill(&p, p.server);
    CHECK(sent < 4 * 1024 * 1024); /* sockets' buffers and 64 KiB */
    CHECK_INT(pair_drain(&p, p.client), (long)sent);
    sent = pair_fill(&p, p.client);
    CHECK(sent < 4 * 1024 * 1024);
    CHECK_INT(pair_drain(&p, p.server), (long)sent);
    pair_down(&p);
}

TEST(relay, the_servers_last_words_reach_a_slow_client)
{
    struct pair p;
    size_t sent;

    pair_up(&p);
    sent = pair_fill(&p, p.server) + 5;
    close(p.server);
    p.server = -1;
    CHECK_INT(pair_drain(&p, p.client), (long)sent);
    CHECK_SOON(&p.loop, p.is_done, 1000);
    pair_down(&p);
}

TEST(relay, a_client_that_leaves_while_it_is_not_read_ends_it)
{
    struct pair p;

    pair_up(&p);
    pair_fill(&p, p.client);
    close(p.client);
    p.client = -1;
    CHECK_SOON(&p.loop, p.is_done, 1000);
    pair_down(&p);
}

TEST(relay, the_clients_end_is_passed_on_and_the_answer_back)
{
    struct pair p;
    char buffer[16];

    pair_up(&p);
    CHECK_INT(write(p.client, "bye", 3), 3);
    shutdown(p.client, SHUT_WR);
    CHECK_INT(pair_drain(&p, p.server), 3);
    CHECK_INT(read(p.server, buffer, sizeof(buffer)), 0);
    CHECK_INT(write(p.server, "late", 4), 4);
    close(p.server);
    p.server = -1;
    CHECK_SOON(&p.loop, p.is_done, 1000);
    CHECK_INT(read(p.client, buffer, sizeof(buffer)), 9);
    pair_down(&p);
}
