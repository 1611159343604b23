#include "net/dns_forward.h"

#include "base/file.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORWARD_MAX           512
#define FORWARD_RESOLVERS_MAX 3
#define FORWARD_TRY_MS        2000
#define FORWARD_TRIES         4
#define FORWARD_REPLY_MAX     65537

struct dns_forward {
    uv_loop_t *loop;
    char *path, *own_ip;     /* owned */
    struct timespec read_at; /* mtime of what was read */
    struct sockaddr_in resolvers[FORWARD_RESOLVERS_MAX];
    unsigned n_resolvers, n_asks;
    struct list asks;
};

struct forward_ask {
    struct list link;
    struct dns_forward *f;
    uint8_t *query; /* owned; with a length prefix for TCP */
    size_t len;
    bool tcp;
    unsigned tries;
    int fd;
    uv_poll_t *poll; /* heap: dies in its own close callback */
    struct timer *timeout;
    uint8_t *reply; /* owned, TCP: what came so far */
    size_t got, sent;
    dns_forward_fn done;
    void *arg;
};

/* --- resolv.conf --- */

static void forward_read_line(struct dns_forward *f, const char *line)
{
    struct sockaddr_in *to = &f->resolvers[f->n_resolvers];
    char ip[64];

    if (f->n_resolvers == FORWARD_RESOLVERS_MAX || sscanf(line, "nameserver %63s", ip) != 1 ||
        str_eq(ip, f->own_ip) || inet_pton(AF_INET, ip, &to->sin_addr) != 1)
        return;
    to->sin_family = AF_INET;
    to->sin_port = htons(53);
    f->n_resolvers++;
}

/* Small local configuration: read again when its time stamp moved. */
static void forward_refresh(struct dns_forward *f)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    struct stat st;
    char **lines;

    if (stat(f->path, &st) < 0 ||
        (st.st_mtim.tv_sec == f->read_at.tv_sec && st.st_mtim.tv_nsec == f->read_at.tv_nsec))
        return;
    f->read_at = st.st_mtim;
    f->n_resolvers = 0;
    if (file_read(&t, f->path, 65536, &ignored) < 0)
        return;
    lines = str_split(text_str(&t), '\n');
    for (size_t i = 0; lines[i] != NULL; i++)
        forward_read_line(f, lines[i]);
    strv_free(lines);
}

/* --- one question --- */

static void forward_on_poll_closed(uv_handle_t *handle)
{
    close((int)(intptr_t)handle->data);
    free(handle);
}

static void forward_hang_up(struct forward_ask *a)
{
    if (a->poll != NULL) {
        a->poll->data = (void *)(intptr_t)a->fd;
        uv_close((uv_handle_t *)a->poll, forward_on_poll_closed);
    }
    a->poll = NULL;
    a->fd = -1;
}

static void forward_free(struct forward_ask *a)
{
    list_del(&a->link);
    a->f->n_asks--;
    forward_hang_up(a);
    timer_close(a->timeout);
    free(a->query);
    free(a->reply);
    free(a);
}

static void forward_end(struct forward_ask *a, const uint8_t *reply, size_t len)
{
    dns_forward_fn done = a->done;
    void *arg = a->arg;
    uint8_t *copy = reply != NULL ? mem_dup(reply, len) : NULL;

    forward_free(a);
    done(arg, copy, len);
    free(copy);
}

static void forward_try(struct forward_ask *a);

static void forward_on_timeout(void *arg)
{
    struct forward_ask *a = arg;

    forward_hang_up(a);
    if (++a->tries >= FORWARD_TRIES)
        forward_end(a, NULL, 0);
    else
        forward_try(a);
}

static void forward_retry_soon(struct forward_ask *a)
{
    forward_hang_up(a);
    timer_start(a->timeout, 0);
}

/* Id and question must be ours: the socket is connected, so the sender is who was asked. */
static bool forward_is_reply(const struct forward_ask *a, const uint8_t *reply, size_t len)
{
    const uint8_t *query = a->tcp ? a->query + 2 : a->query;

    return len >= 12 && reply[0] == query[0] && reply[1] == query[1] && (reply[2] & 0x80) != 0;
}

static void forward_read_udp(struct forward_ask *a)
{
    uint8_t reply[4096];
    ssize_t n = recv(a->fd, reply, sizeof(reply), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        forward_retry_soon(a);
    else if (forward_is_reply(a, reply, (size_t)n))
        forward_end(a, reply, (size_t)n);
}

static void forward_read_tcp(struct forward_ask *a)
{
    ssize_t n;
    size_t want;

    if (a->reply == NULL)
        a->reply = MEM_NEW_ARRAY(uint8_t, FORWARD_REPLY_MAX);
    n = recv(a->fd, a->reply + a->got, FORWARD_REPLY_MAX - a->got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        forward_retry_soon(a);
        return;
    }
    a->got += (size_t)n;
    want = a->got >= 2 ? (size_t)(a->reply[0] << 8 | a->reply[1]) + 2 : FORWARD_REPLY_MAX;
    if (a->got >= want && forward_is_reply(a, a->reply + 2, want - 2))
        forward_end(a, a->reply + 2, want - 2);
}

static void forward_on_poll(uv_poll_t *poll, int status, int events)
{
    struct forward_ask *a = poll->data;

    if (status < 0) {
        forward_retry_soon(a);
        return;
    }
    if ((events & UV_WRITABLE) != 0 && a->sent < a->len) {
        ssize_t n = send(a->fd, a->query + a->sent, a->len - a->sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            forward_retry_soon(a);
            return;
        }
        a->sent += n > 0 ? (size_t)n : 0;
        if (a->sent == a->len)
            uv_poll_start(a->poll, UV_READABLE, forward_on_poll);
    }
    if ((events & UV_READABLE) == 0)
        return;
    if (a->tcp)
        forward_read_tcp(a);
    else
        forward_read_udp(a);
}

static void forward_try(struct forward_ask *a)
{
    struct dns_forward *f = a->f;
    const struct sockaddr_in *to = &f->resolvers[a->tries % f->n_resolvers];
    int type = (a->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;

    a->sent = a->got = 0;
    timer_start(a->timeout, FORWARD_TRY_MS);
    a->fd = socket(AF_INET, type, 0);
    if (a->fd < 0)
        return; /* the timeout goes on to the next try */
    if (connect(a->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS) {
        close(a->fd);
        a->fd = -1;
        timer_start(a->timeout, 0);
        return;
    }
    a->poll = MEM_NEW(uv_poll_t);
    uv_poll_init(f->loop, a->poll, a->fd);
    a->poll->data = a;
    uv_poll_start(a->poll, UV_WRITABLE | UV_READABLE, forward_on_poll);
}

bool dns_forward_ask(struct dns_forward *f, const uint8_t *query, size_t len, bool tcp,
                     dns_forward_fn done, void *arg)
{
    struct forward_ask *a;
    size_t prefix = tcp ? 2 : 0;

    forward_refresh(f);
    if (f->n_resolvers == 0 || f->n_asks >= FORWARD_MAX || len > 65535)
        return false;
    a = MEM_NEW(struct forward_ask);
    a->f = f;
    a->fd = -1;
    a->tcp = tcp;
    a->len = len + prefix;
    a->query = MEM_NEW_ARRAY(uint8_t, a->len);
    memcpy(a->query + prefix, query, len);
    if (tcp) {
        a->query[0] = (uint8_t)(len >> 8);
        a->query[1] = (uint8_t)len;
    }
    a->done = done;
    a->arg = arg;
    a->timeout = timer_new(f->loop, forward_on_timeout, a);
    list_init(&a->link);
    list_add_tail(&f->asks, &a->link);
    f->n_asks++;
    forward_try(a);
    return true;
}

struct dns_forward *dns_forward_new(uv_loop_t *loop, const char *resolv_conf, const char *own_ip)
{
    struct dns_forward *f = MEM_NEW(struct dns_forward);

    f->loop = loop;
    f->path = mem_str(resolv_conf);
    f->own_ip = mem_str(own_ip);
    list_init(&f->asks);
    return f;
}

struct dns_forward *dns_forward_close(struct dns_forward *f)
{
    if (f == NULL)
        return NULL;
    while (!list_empty(&f->asks))
        forward_free(list_entry(f->asks.next, struct forward_ask, link));
    free(f->path);
    free(f->own_ip);
    free(f);
    return NULL;
}
