#include "net/entry_io.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/socket.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* From this size on a copy costs more than a second iovec. */
#define ENTRY_IO_LARGE 2048
/* Buffers above this are given back once they are empty. */
#define ENTRY_IO_KEEP  8192

static void entry_io_on_poll(uv_poll_t *poll, int status, int events)
{
    struct entry_io *io = container_of(poll, struct entry_io, poll);

    if (io->fd < 0)
        return;
    if (status < 0) {
        /* libuv has stopped watching.  What came before the error can still be read (a backend
         * that answers and resets), and reading or writing tells what is wrong. */
        io->events = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    io->on_event(io, events);
}

int entry_io_connect(const struct sockaddr *to, socklen_t len)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    socket_no_delay(fd);
    if (connect(fd, to, len) < 0 && errno != EINPROGRESS) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

void entry_io_init(struct entry_io *io, uv_loop_t *loop, int fd, entry_io_fn on_event)
{
    int rc = uv_poll_init(loop, &io->poll, fd);

    if (rc < 0) { /* as little to be expected as being out of memory */
        log_error("a socket cannot be watched", KV("err", "%s", uv_strerror(rc)));
        abort();
    }
    io->fd = fd;
    io->events = 0;
    io->failed = 0;
    io->is_held = false;
    io->out = (struct text)TEXT_EMPTY;
    io->done = 0;
    io->n_written = 0;
    io->on_event = on_event;
    io->on_closed = NULL;
}

/* libuv forgets and adds the descriptor anew at each start: worth not doing for nothing. */
void entry_io_watch(struct entry_io *io, int events)
{
    if (io->failed != 0)
        events = 0;
    if (events == io->events || io->fd < 0)
        return;
    io->events = events;
    if (events != 0)
        uv_poll_start(&io->poll, events, entry_io_on_poll);
    else
        uv_poll_stop(&io->poll);
}

ssize_t entry_io_read(struct entry_io *io, void *data, size_t len)
{
    ssize_t n;

    do
        n = recv(io->fd, data, len, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && io->failed == 0)
        io->failed = errno;
    return n;
}

size_t entry_io_waiting(const struct entry_io *io)
{
    return io->out.len - io->done;
}

static void entry_io_emptied(struct entry_io *io)
{
    io->done = 0;
    if (io->out.cap > ENTRY_IO_KEEP)
        text_fini(&io->out);
    else
        text_clear(&io->out);
}

/* What waits, then @data; the kernel's share of @data, or -1. */
static ssize_t entry_io_write(struct entry_io *io, const void *data, size_t len)
{
    size_t waiting = entry_io_waiting(io);
    struct iovec v[2] = { { .iov_base = io->out.data + io->done, .iov_len = waiting },
                          { .iov_base = (void *)(uintptr_t)data, .iov_len = len } };
    struct msghdr msg = { .msg_iov = waiting > 0 ? v : v + 1,
                          .msg_iovlen = (size_t)(waiting > 0) + (len > 0) };
    size_t taken;
    ssize_t n;

    do
        n = sendmsg(io->fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno != EAGAIN)
            io->failed = errno;
        return errno == EAGAIN ? 0 : -1;
    }
    io->n_written += (uint64_t)n;
    taken = (size_t)n < waiting ? (size_t)n : waiting;
    io->done += taken;
    if (entry_io_waiting(io) == 0)
        entry_io_emptied(io);
    return (ssize_t)((size_t)n - taken);
}

/* After a failure too: whoever tries elsewhere takes along what was not sent. */
void entry_io_put(struct entry_io *io, const void *data, size_t len)
{
    ssize_t n = 0;

    if (len >= ENTRY_IO_LARGE && io->failed == 0 && !io->is_held)
        n = entry_io_write(io, data, len);
    if (n < 0)
        n = 0;
    if (io->done > ENTRY_IO_HIGH) {
        text_drop(&io->out, io->done);
        io->done = 0;
    }
    text_add(&io->out, (const char *)data + n, len - (size_t)n);
}

void entry_io_flush(struct entry_io *io)
{
    if (io->failed == 0 && !io->is_held && entry_io_waiting(io) > 0)
        entry_io_write(io, NULL, 0);
}

static void entry_io_on_closed(uv_handle_t *handle)
{
    struct entry_io *io = container_of((uv_poll_t *)(void *)handle, struct entry_io, poll);

    text_fini(&io->out);
    io->on_closed(io);
}

int entry_io_take(struct entry_io *io)
{
    int fd = io->fd;

    assert(fd >= 0);
    uv_poll_stop(&io->poll);
    io->events = 0;
    io->fd = -1;
    return fd;
}

void entry_io_close(struct entry_io *io, void (*on_closed)(struct entry_io *io))
{
    int fd = io->fd;

    assert(io->on_closed == NULL);
    io->on_closed = on_closed;
    io->fd = -1;
    uv_close((uv_handle_t *)&io->poll, entry_io_on_closed);
    closep(&fd);
}
