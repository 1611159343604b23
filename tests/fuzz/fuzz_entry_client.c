/* layer: net */
#include "base/loop.h"
#include "base/mem.h"
#include "net/entry_table.h"
#include "net/entry_worker.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MAX_CONNS 8

struct fuzz {
    uv_loop_t loop;
    struct entry_worker *worker;
    int listener, conns[FUZZ_MAX_CONNS];
    unsigned n_conns;
    bool is_closed;
};

static int fuzz_listen(uint16_t *ret_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 64) < 0)
        abort();
    getsockname(fd, (struct sockaddr *)&at, &len);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* Every host and path has one endpoint: ours. */
static struct entry_table *fuzz_table(uint16_t port)
{
    cleanup(json_decrefpp)
        json_t *ingress = json_pack("{s:{}, s:{s:{s:{s:s, s:{s:i}}}}}", "metadata", "spec",
                                    "defaultBackend", "service", "name", "s", "port", "number", 80);
    cleanup(json_decrefpp) json_t *service = json_pack("{s:{}, s:{s:[{s:i}]}}", "metadata", "spec",
                                                       "ports", "port", 80);
    cleanup(json_decrefpp) json_t *slice = json_pack(
        "{s:{s:{s:s}}, s:[{s:i}], s:[{s:[s]}]}", "metadata", "labels", "kubernetes.io/service-name",
        "s", "ports", "port", (int)port, "endpoints", "addresses", "127.0.0.1");
    struct entry_facts facts;
    struct entry_table *t;

    entry_facts_init(&facts);
    entry_facts_ingress(&facts, "", "i", ingress);
    entry_facts_service(&facts, "", "s", service);
    entry_facts_slice(&facts, "", "l", slice);
    t = entry_table_new(&facts);
    entry_facts_fini(&facts);
    return t;
}

static void fuzz_turn(struct fuzz *f)
{
    for (unsigned i = 0; i < 4; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void fuzz_on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void fuzz_send(int fd, const uint8_t *data, size_t size)
{
    ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    (void)n; /* as much as fits */
}

static void fuzz_drain(int fd)
{
    char waste[65536];

    while (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
        ;
}

/* The endpoint says the same to every request. */
static void fuzz_answer(struct fuzz *f, const uint8_t *data, size_t size)
{
    int fd;

    while (f->n_conns < FUZZ_MAX_CONNS && (fd = accept(f->listener, NULL, NULL)) >= 0)
        f->conns[f->n_conns++] = fd;
    for (unsigned i = 0; i < f->n_conns; i++) {
        fuzz_drain(f->conns[i]);
        fuzz_send(f->conns[i], data, size);
    }
}

/* First byte: where the client's bytes end and the endpoint's begin. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_in remote = { .sin_family = AF_INET };
    struct entry_limits limits = { .close_ms = 1 };
    struct fuzz f = { .n_conns = 0 };
    struct entry_arrival arrival = { .remote = (struct sockaddr *)&remote,
                                     .scheme = "http",
                                     .port = 80 };
    struct entry_table *table;
    size_t split = size > 0 ? (size - 1) * data[0] / 255 : 0;
    uint16_t port;
    int pair[2];

    if (size == 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    uv_loop_init(&f.loop);
    f.listener = fuzz_listen(&port);
    f.worker = entry_worker_new(&f.loop, &limits);
    table = fuzz_table(port);
    entry_worker_swap(f.worker, table);
    entry_table_unref(table);
    arrival.fd = pair[1];
    entry_worker_accept(f.worker, &arrival);
    fuzz_send(pair[0], data + 1, split / 2);
    fuzz_turn(&f);
    fuzz_send(pair[0], data + 1 + split / 2, split - split / 2);
    for (unsigned i = 0; i < 3; i++) {
        fuzz_turn(&f);
        fuzz_answer(&f, data + 1 + split, size - 1 - split);
        fuzz_turn(&f);
        fuzz_drain(pair[0]);
    }
    for (unsigned i = 0; i < f.n_conns; i++)
        close(f.conns[i]);
    fuzz_turn(&f);
    close(pair[0]);
    fuzz_turn(&f);
    entry_worker_close(f.worker, fuzz_on_closed, &f.is_closed);
    while (!f.is_closed)
        uv_run(&f.loop, UV_RUN_ONCE);
    loop_finish(&f.loop);
    close(f.listener);
    return 0;
}
