#include "base/linger.h"

#include "base/loop.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS        2000
/* Beyond these, a connection is reset: lingering is a courtesy. */
#define LINGER_MAX       256
#define LINGER_MAX_BYTES (64u * 1024 * 1024)

struct linger_socket {
    struct list link;
    struct lingers *set; /* borrowed */
    uv_poll_t poll;
    struct timer *timer;
    int fd;
    size_t n_bytes;
};

static void linger_on_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)(void *)handle, struct linger_socket, poll));
}

static void linger_close(struct linger_socket *l)
{
    list_del(&l->link);
    l->set->n--;
    l->timer = timer_close(l->timer);
    uv_close((uv_handle_t *)&l->poll, linger_on_closed);
    close(l->fd);
}

static void linger_on_timeout(void *arg)
{
    linger_close(arg);
}

static void linger_on_readable(uv_poll_t *poll, int status, int events UNUSED)
{
    struct linger_socket *l = container_of(poll, struct linger_socket, poll);
    char waste[16384];
    ssize_t n = status < 0 ? 0 : read(l->fd, waste, sizeof(waste));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    l->n_bytes += n > 0 ? (size_t)n : 0;
    if (n <= 0 || l->n_bytes > LINGER_MAX_BYTES)
        linger_close(l);
}

void lingers_init(struct lingers *set, uv_loop_t *loop)
{
    set->loop = loop;
    set->n = 0;
    list_init(&set->list);
}

void lingers_add(struct lingers *set, int fd)
{
    struct linger_socket *l;

    if (set->n >= LINGER_MAX || shutdown(fd, SHUT_WR) < 0) {
        close(fd);
        return;
    }
    l = MEM_NEW(struct linger_socket);
    if (uv_poll_init(set->loop, &l->poll, fd) != 0) {
        free(l);
        close(fd);
        return;
    }
    l->set = set;
    l->fd = fd;
    l->timer = timer_new(set->loop, linger_on_timeout, l);
    timer_start(l->timer, LINGER_MS);
    uv_poll_start(&l->poll, UV_READABLE, linger_on_readable);
    list_add_tail(&set->list, &l->link);
    set->n++;
}

void lingers_stop(struct lingers *set)
{
    while (!list_empty(&set->list))
        linger_close(list_entry(set->list.next, struct linger_socket, link));
    assert(set->n == 0);
}
