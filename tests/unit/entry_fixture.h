/* A worker of the entry on a loop, endpoints that misbehave on request (threads with blocking
 * sockets), and clients that are looked at between two turns of the loop. */
#ifndef TESTS_UNIT_ENTRY_FIXTURE_H
#define TESTS_UNIT_ENTRY_FIXTURE_H

#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls_stream.h"
#include "net/entry_client.h"
#include "net/entry_table.h"
#include "net/entry_worker.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- endpoints --- */

#define BACKEND_MAX_CONNS 64

struct backend {
    const char *name;
    int fd;
    uint16_t port;
    pthread_t thread, conn_threads[BACKEND_MAX_CONNS];
    int conns[BACKEND_MAX_CONNS];
    atomic_int n_conns, n_requests, dies, is_slow;
};

struct backend_conn {
    struct backend *b;
    int fd;
    struct text in;
};

static inline bool backend_more(struct backend_conn *c)
{
    char buf[16384];
    ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

    if (n > 0)
        text_add(&c->in, buf, (size_t)n);
    return n > 0;
}

static inline bool backend_send(struct backend_conn *c, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static inline bool backend_say(struct backend_conn *c, const char *s)
{
    return backend_send(c, s, strlen(s));
}

/* Waits for @n bytes and moves them. */
static inline bool backend_take(struct backend_conn *c, size_t n, struct text *ret)
{
    while (c->in.len < n)
        if (!backend_more(c))
            return false;
    text_add(ret, c->in.data, n);
    text_drop(&c->in, n);
    return true;
}

static inline bool backend_take_until(struct backend_conn *c, const char *end, struct text *ret)
{
    const char *at;

    while ((at = c->in.len > 0 ? memmem(c->in.data, c->in.len, end, strlen(end)) : NULL) == NULL)
        if (!backend_more(c))
            return false;
    return backend_take(c, (size_t)(at - c->in.data) + strlen(end), ret);
}

static inline bool backend_take_body(struct backend_conn *c, const char *head, struct text *ret)
{
    const char *length = strcasestr(head, "\r\ncontent-length: ");

    if (length != NULL)
        return backend_take(c, strtoul(length + 18, NULL, 10), ret);
    while (strcasestr(head, "\r\ntransfer-encoding: chunked") != NULL) {
        cleanup(text_fini) struct text line = TEXT_EMPTY, end = TEXT_EMPTY;
        size_t n;

        if (!backend_take_until(c, "\r\n", &line))
            return false;
        n = strtoul(text_str(&line), NULL, 16);
        if (!backend_take(c, n, ret) || !backend_take(c, 2, &end))
            return false;
        if (n == 0)
            break;
    }
    return true;
}

static inline bool backend_big(struct backend_conn *c, size_t n)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    text_fmt(&t, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
    while (n >= 16) {
        text_fmt(&t, "%015zu\n", n);
        n -= 16;
        if (t.len > 60000) {
            if (!backend_send(c, t.data, t.len))
                return false;
            text_clear(&t);
        }
    }
    return backend_send(c, text_str(&t), t.len);
}

static inline bool backend_echo(struct backend_conn *c, const char *head, const struct text *body)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    text_fmt(&t,
             "HTTP/1.1 200 OK\r\nX-Backend: %s\r\nConnection: X-Secret\r\nX-Secret: 1\r\n"
             "Keep-Alive: timeout=100\r\nContent-Length: %zu\r\n\r\n",
             c->b->name, strlen(head) + body->len);
    text_puts(&t, head);
    text_add(&t, text_str(body), body->len);
    return backend_send(c, t.data, t.len);
}

/* What a path asks for; false: the connection ends. */
static inline bool backend_answer(struct backend_conn *c, const char *head)
{
    cleanup(text_fini) struct text body = TEXT_EMPTY;
    const char *path = strchr(head, ' ') + 1;

    if (str_starts(path, "/die") || (c->b->dies > 0 && c->b->dies-- > 0))
        return false;
    if (str_starts(path, "/early")) {
        backend_say(c, "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 4\r\n"
                       "Connection: close\r\n\r\nfull");
        shutdown(c->fd, SHUT_WR);
        while (backend_more(c))
            text_clear(&c->in);
        return false;
    }
    while (c->b->is_slow)
        usleep(1000);
    if (!backend_take_body(c, head, &body))
        return false;
    if (str_starts(path, "/hang"))
        return backend_more(c);
    if (str_starts(path, "/half-chunked"))
        return backend_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "5\r\nhello\r\n") &&
               false;
    if (str_starts(path, "/half"))
        return backend_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello") && false;
    if (str_starts(path, "/garbage"))
        return backend_say(c, "SSH-2.0-nonsense\r\n");
    if (str_starts(path, "/extra"))
        return backend_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                              "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    if (str_starts(path, "/chunked"))
        return backend_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n");
    if (str_starts(path, "/until-close"))
        return backend_say(c, "HTTP/1.0 200 OK\r\n\r\nto the end") && false;
    if (str_starts(path, "/ws")) {
        backend_say(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                       "Upgrade: echo\r\n\r\nhi:");
        do {
            backend_send(c, text_str(&c->in), c->in.len);
            text_clear(&c->in);
        } while (backend_more(c));
        return backend_say(c, ":bye") && false;
    }
    if (str_starts(path, "/204"))
        return backend_say(c, "HTTP/1.1 204 No Content\r\n\r\n");
    if (str_starts(path, "/304"))
        return backend_say(c, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
    if (str_starts(path, "/hints"))
        backend_say(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    if (str_starts(head, "HEAD"))
        return backend_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n");
    if (str_starts(path, "/big/"))
        return backend_big(c, strtoul(path + 5, NULL, 10));
    return backend_echo(c, head, &body);
}

static inline void *backend_serve(void *arg)
{
    struct backend_conn *c = arg;
    bool more = true;

    while (more) {
        cleanup(text_fini) struct text head = TEXT_EMPTY;

        more = backend_take_until(c, "\r\n\r\n", &head);
        if (more) {
            c->b->n_requests++;
            more = backend_answer(c, head.data);
        }
    }
    shutdown(c->fd, SHUT_RDWR);
    text_fini(&c->in);
    free(c);
    return NULL;
}

static inline void *backend_accept(void *arg)
{
    struct backend *b = arg;
    int fd;

    while ((fd = accept(b->fd, NULL, NULL)) >= 0 && b->n_conns < BACKEND_MAX_CONNS) {
        struct backend_conn *c = MEM_NEW(struct backend_conn);
        int i = b->n_conns;

        c->b = b;
        c->fd = b->conns[i] = fd;
        pthread_create(&b->conn_threads[i], NULL, backend_serve, c);
        b->n_conns++;
    }
    return NULL;
}

static inline void backend_up(struct backend *b, const char *name)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    memset(b, 0, sizeof(*b));
    b->name = name;
    b->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(b->fd, (struct sockaddr *)&at, len) == 0 && listen(b->fd, 64) == 0);
    getsockname(b->fd, (struct sockaddr *)&at, &len);
    b->port = ntohs(at.sin_port);
    pthread_create(&b->thread, NULL, backend_accept, b);
}

/* From here connections are refused and open ones end. */
static inline void backend_down(struct backend *b)
{
    if (b->fd < 0)
        return;
    b->is_slow = 0;
    shutdown(b->fd, SHUT_RDWR);
    pthread_join(b->thread, NULL);
    for (int i = 0; i < b->n_conns; i++) {
        shutdown(b->conns[i], SHUT_RDWR);
        pthread_join(b->conn_threads[i], NULL);
        close(b->conns[i]);
    }
    close(b->fd);
    b->fd = -1;
}

/* --- the entry --- */

struct entry_fixture {
    uv_loop_t loop;
    struct entry_facts facts;
    struct entry_worker *worker;
    struct tls_listener *listener;
    struct backend a, b;
    bool is_closed;
};

static inline void fixture_on_client(void *arg, int fd, const struct sockaddr *remote,
                                     socklen_t len UNUSED, const struct tls_peer *peer UNUSED)
{
    struct entry_fixture *f = arg;
    struct entry_arrival arrival = { .fd = fd, .remote = remote, .scheme = "http", .port = 80 };

    entry_worker_accept(f->worker, &arrival);
}

static inline void fixture_feed(struct entry_fixture *f, const char *kind, const char *name,
                                const char *json)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err err = ERR_EMPTY;

    CHECK(json_parse(&tree, json, strlen(json), NULL, &err) == 0);
    json_put_str(tree, "metadata.namespace", "ns");
    json_put_str(tree, "metadata.name", name);
    if (str_eq(kind, "ingress"))
        entry_facts_ingress(&f->facts, "ns", name, tree);
    else if (str_eq(kind, "service"))
        entry_facts_service(&f->facts, "ns", name, tree);
    else
        entry_facts_slice(&f->facts, "ns", name, tree);
}

/* Service @name with these endpoints (0 ends); under the given host. */
static inline void fixture_service(struct entry_fixture *f, const char *name,
                                   const struct backend *const *backends)
{
    cleanup(text_fini) struct text slice = TEXT_EMPTY;

    fixture_feed(f, "service", name, "{\"spec\":{\"ports\":[{\"port\":80}]}}");
    for (size_t i = 0; i < 4; i++) {
        cleanup(freep) char *slice_name = mem_fmt("%s-%zu", name, i);

        entry_facts_slice(&f->facts, "ns", slice_name, NULL);
    }
    for (size_t i = 0; backends[i] != NULL; i++) {
        cleanup(freep) char *slice_name = mem_fmt("%s-%zu", name, i);

        text_clear(&slice);
        text_fmt(&slice,
                 "{\"metadata\":{\"labels\":{\"kubernetes.io/service-name\":\"%s\"}},\"ports\":[{"
                 "\"port\":%u}],\"endpoints\":[{\"addresses\":[\"127.0.0.1\"]}]}",
                 name, backends[i]->port);
        fixture_feed(f, "slice", slice_name, text_str(&slice));
    }
}

static inline void fixture_ingress(struct entry_fixture *f, const char *service,
                                   const char *annotations)
{
    cleanup(freep) char *json = mem_fmt(
        "{\"metadata\":{\"annotations\":%s},\"spec\":{\"rules\":[{\"host\":\"%s.example\",\"http\":"
        "{"
        "\"paths\":[{\"path\":\"/\",\"pathType\":\"Prefix\",\"backend\":{\"service\":{"
        "\"name\":\"%s\",\"port\":{\"number\":80}}}}]}}]}}",
        annotations, service, service);

    fixture_feed(f, "ingress", service, json);
}

static inline void fixture_swap(struct entry_fixture *f)
{
    struct entry_table *t = entry_table_new(&f->facts);

    entry_worker_swap(f->worker, t);
    entry_table_unref(t);
}

/* a.example is endpoint a, b.example is b, both.example is both, none.example nobody. */
static inline void entry_fixture_up(struct entry_fixture *f, const struct entry_limits *limits)
{
    struct tls_listener_opts opts = { .address = "127.0.0.1",
                                      .on_connection = fixture_on_client,
                                      .arg = f };
    static const char *const names[] = { "a", "b", "both", "none" };
    struct err err = ERR_EMPTY;

    memset(f, 0, sizeof(*f));
    uv_loop_init(&f->loop);
    backend_up(&f->a, "a");
    backend_up(&f->b, "b");
    entry_facts_init(&f->facts);
    fixture_service(f, "a", (const struct backend *const[]){ &f->a, NULL });
    fixture_service(f, "b", (const struct backend *const[]){ &f->b, NULL });
    fixture_service(f, "both", (const struct backend *const[]){ &f->a, &f->b, NULL });
    fixture_service(f, "none", (const struct backend *const[]){ NULL });
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        fixture_ingress(f, names[i], "{}");
    f->worker = entry_worker_new(&f->loop, limits);
    fixture_swap(f);
    CHECK(tls_listener_new(&f->listener, &f->loop, &opts, &err) == 0);
}

static inline void fixture_on_closed(void *arg)
{
    *(bool *)arg = true;
}

static inline void entry_fixture_down(struct entry_fixture *f)
{
    tls_listener_close(f->listener, NULL, NULL);
    if (f->worker != NULL)
        entry_worker_close(f->worker, fixture_on_closed, &f->is_closed);
    CHECK_SOON(&f->loop, f->is_closed, 5000);
    loop_finish(&f->loop);
    entry_facts_fini(&f->facts);
    backend_down(&f->a);
    backend_down(&f->b);
}

/* --- clients --- */

struct caller {
    int fd;
    struct text in;
    bool eof;
};

static inline void caller_open(struct caller *c, struct entry_fixture *f)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(tls_listener_port(f->listener)) };

    *c = (struct caller){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    CHECK(connect(c->fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static inline void caller_close(struct caller *c)
{
    close(c->fd);
    text_fini(&c->in);
}

static inline void caller_send(struct caller *c, const char *s)
{
    CHECK(send(c->fd, s, strlen(s), MSG_NOSIGNAL) == (ssize_t)strlen(s));
}

static inline void caller_pull(struct caller *c)
{
    char buf[16384];
    ssize_t n;

    while ((n = recv(c->fd, buf, sizeof(buf), 0)) > 0)
        text_add(&c->in, buf, (size_t)n);
    c->eof = c->eof || n == 0 || (n < 0 && errno != EAGAIN);
}

static inline bool caller_has(struct caller *c, const char *what)
{
    caller_pull(c);
    return c->in.len > 0 && memmem(c->in.data, c->in.len, what, strlen(what)) != NULL;
}

static inline bool caller_is_at_end(struct caller *c)
{
    caller_pull(c);
    return c->eof;
}

/* A whole answer with Content-Length, or one that has no body. */
static inline bool caller_has_answer(struct caller *c)
{
    const char *end, *length;

    caller_pull(c);
    end = strstr(text_str(&c->in), "\r\n\r\n");
    length = strcasestr(text_str(&c->in), "\r\ncontent-length: ");
    if (end == NULL || length == NULL || length > end)
        return false;
    return c->in.len >= (size_t)(end - c->in.data) + 4 + strtoul(length + 18, NULL, 10);
}

#define ASK(c, f, request)                                  \
    do {                                                    \
        text_clear(&(c)->in);                               \
        caller_send((c), (request));                        \
        CHECK_SOON(&(f)->loop, caller_has_answer(c), 5000); \
    } while (0)

#endif
