#include "nodeagent/pod_dial.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/socket.h"
#include "base/work.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POD_DIAL_FAMILIES 2

struct pod_dial {
    uv_loop_t *loop;
    char *net_ns;
    uint16_t port;
    int fds[POD_DIAL_FAMILIES]; /* IPv4, IPv6; -1: not possible there */
    int next;                   /* family to try */
    char why[256];              /* of IPv4 */
    uv_poll_t *poll;            /* dies in its close callback */
    struct timer *timer;
    bool is_busy, is_canceled; /* on the worker thread */
    void (*done)(void *arg, int fd, const struct err *err);
    void *arg;
};

static void pod_dial_on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void pod_dial_stop_poll(struct pod_dial *d)
{
    if (d->poll != NULL)
        uv_close((uv_handle_t *)STEAL(d->poll), pod_dial_on_poll_closed);
}

static void pod_dial_free(struct pod_dial *d)
{
    pod_dial_stop_poll(d);
    timer_close(d->timer);
    for (int i = 0; i < POD_DIAL_FAMILIES; i++)
        closep(&d->fds[i]);
    free(d->net_ns);
    free(d);
}

void pod_dial_cancel(struct pod_dial *d)
{
    d->is_canceled = true;
    if (!d->is_busy)
        pod_dial_free(d);
}

static void pod_dial_tell(struct pod_dial *d, int fd, const struct err *err)
{
    void (*done)(void *arg, int fd, const struct err *err) = d->done;
    void *arg = d->arg;

    pod_dial_free(d);
    done(arg, fd, err);
}

/* --- on the loop: connecting --- */

static void pod_dial_try(struct pod_dial *d);

static void pod_dial_failed(struct pod_dial *d, int error)
{
    struct err err = ERR_EMPTY;
    cleanup(freep) char *words = mem_str(strerror(error));

    words[0] = (char)tolower((unsigned char)words[0]); /* as Go says it */
    pod_dial_stop_poll(d);
    if (d->next == 0) {
        snprintf(d->why, sizeof(d->why), "IPv4: dial tcp4 127.0.0.1:%u: connect: %s", d->port,
                 words);
        d->next = 1;
        pod_dial_try(d);
        return;
    }
    err_set(&err, ERR_UNAVAILABLE,
            "failed to connect to localhost:%u inside namespace \"%s\", %s IPv6 dial tcp6 "
            "[::1]:%u: connect: %s",
            d->port, d->net_ns != NULL ? d->net_ns : "host", d->why, d->port, words);
    pod_dial_tell(d, -1, &err);
}

static void pod_dial_on_writable(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct pod_dial *d = poll->data;
    int fd = d->fds[d->next], error = 0;
    socklen_t len = sizeof(error);

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        pod_dial_failed(d, error);
        return;
    }
    socket_no_delay(fd);
    d->fds[d->next] = -1;
    pod_dial_stop_poll(d);
    pod_dial_tell(d, fd, NULL);
}

static void pod_dial_on_timeout(void *arg)
{
    struct pod_dial *d = arg;

    d->next = 1;
    pod_dial_failed(d, ETIMEDOUT);
}

static void pod_dial_try(struct pod_dial *d)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET,
                              .sin_port = htons(d->port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons(d->port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = d->fds[d->next];
    int rc = d->next == 0 ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
                          : connect(fd, (struct sockaddr *)&v6, sizeof(v6));

    if (rc < 0 && errno != EINPROGRESS) {
        pod_dial_failed(d, errno);
        return;
    }
    d->poll = MEM_NEW(uv_poll_t);
    uv_poll_init(d->loop, d->poll, fd);
    d->poll->data = d;
    uv_poll_start(d->poll, UV_WRITABLE, pod_dial_on_writable);
}

/* --- on a worker thread: the sockets belong to the namespace they were made in --- */

static int pod_dial_open(struct pod_dial *d, struct err *err)
{
    static const int families[POD_DIAL_FAMILIES] = { AF_INET, AF_INET6 };

    for (int i = 0; i < POD_DIAL_FAMILIES; i++)
        d->fds[i] = socket(families[i], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return d->fds[0] < 0 ? err_errno(err, errno, "socket") : 0;
}

static int pod_dial_run(void *arg, struct err *err)
{
    struct pod_dial *d = arg;
    cleanup(closep) int home = -1;
    cleanup(closep) int there = -1;
    int rc;

    if (d->net_ns == NULL)
        return pod_dial_open(d, err);
    home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    there = open(d->net_ns, O_RDONLY | O_CLOEXEC);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
        return err_errno(err, errno, "enter network namespace \"%s\"", d->net_ns);
    rc = pod_dial_open(d, err);
    if (setns(home, CLONE_NEWNET) < 0)
        abort(); /* a worker thread in the wrong namespace would corrupt everything after */
    return rc;
}

static void pod_dial_on_opened(void *arg, int rc, const struct err *err)
{
    struct pod_dial *d = arg;

    d->is_busy = false;
    if (d->is_canceled)
        pod_dial_free(d);
    else if (rc < 0)
        pod_dial_tell(d, -1, err);
    else {
        timer_start(d->timer, POD_DIAL_MS);
        pod_dial_try(d);
    }
}

struct pod_dial *pod_dial(uv_loop_t *loop, const char *net_ns, uint16_t port,
                          void (*done)(void *arg, int fd, const struct err *err), void *arg)
{
    struct pod_dial *d = MEM_NEW(struct pod_dial);

    d->loop = loop;
    d->net_ns = mem_str(net_ns);
    d->port = port;
    d->fds[0] = d->fds[1] = -1;
    d->timer = timer_new(loop, pod_dial_on_timeout, d);
    d->done = done;
    d->arg = arg;
    d->is_busy = true;
    work_submit(loop, pod_dial_run, pod_dial_on_opened, d);
    return d;
}
