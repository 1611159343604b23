#include "base/wire.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire {
    uv_poll_t poll;
    int fd; /* -1: closed */
    int events;
    struct wire_listener listener;
    struct text out;
    size_t out_done, packet_max;
    bool is_held, is_ended; /* reading: stopped, over */
    bool is_out_over;       /* writing: nobody reads, or we said so */
    bool wants_end;
    bool owes_drain;
    bool is_poll_gone, is_closed; /* the memory goes with the latter of both */
};

static void wire_on_event(uv_poll_t *poll, int status, int events);

static void wire_watch(struct wire *w)
{
    int want = 0;

    if (w->fd < 0)
        return;
    if (!w->is_ended && !w->is_held)
        want |= UV_READABLE;
    if (!w->is_ended && w->is_held && w->listener.on_hangup != NULL)
        want |= UV_DISCONNECT;
    if (wire_backlog(w) > 0)
        want |= UV_WRITABLE;
    if (want == w->events)
        return;
    w->events = want;
    if (want == 0)
        uv_poll_stop(&w->poll);
    else
        uv_poll_start(&w->poll, want, wire_on_event);
}

static void wire_on_poll_closed(uv_handle_t *handle)
{
    struct wire *w = container_of((uv_poll_t *)(void *)handle, struct wire, poll);

    w->is_poll_gone = true;
    if (w->is_closed)
        free(w);
}

/* The handle goes with its descriptor: libuv forgets the number when the handle is closed, and by
 * then it must not be somebody else's. */
static void wire_close_fd(struct wire *w)
{
    if (w->fd < 0)
        return;
    uv_close((uv_handle_t *)&w->poll, wire_on_poll_closed);
    close(w->fd);
    w->fd = -1;
}

/* --- writing --- */

static void wire_drop_out(struct wire *w)
{
    text_fini(&w->out);
    w->out_done = 0;
}

static void wire_out_over(struct wire *w)
{
    wire_drop_out(w);
    w->is_out_over = true;
}

/* Bytes written, which may be none; a failure ends writing. */
static size_t wire_put(struct wire *w, const char *data, size_t len)
{
    size_t done = 0;

    while (done < len) {
        size_t part = len - done;
        ssize_t n;

        if (w->packet_max > 0 && part > w->packet_max)
            part = w->packet_max;
        n = write(w->fd, data + done, part); /* SIGPIPE is ignored everywhere */
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            wire_out_over(w);
            return len;
        }
    }
    return done;
}

static void wire_say_end(struct wire *w)
{
    w->is_out_over = true;
    if (shutdown(w->fd, SHUT_WR) < 0 && errno == ENOTSOCK && w->listener.on_data == NULL)
        wire_close_fd(w);
}

void wire_write(struct wire *w, const void *data, size_t len)
{
    size_t done = 0;

    assert(!w->wants_end);
    if (w->is_out_over || w->fd < 0)
        return;
    if (wire_backlog(w) == 0)
        done = wire_put(w, data, len);
    if (done == len)
        return;
    text_add(&w->out, (const char *)data + done, len - done);
    w->owes_drain = true;
    wire_watch(w);
}

size_t wire_backlog(const struct wire *w)
{
    return w->out.len - w->out_done;
}

void wire_end(struct wire *w)
{
    if (w->wants_end || w->fd < 0)
        return;
    w->wants_end = true;
    if (wire_backlog(w) == 0)
        wire_say_end(w);
}

/* True: all is out. */
static bool wire_flush(struct wire *w)
{
    w->out_done += wire_put(w, w->out.data + w->out_done, wire_backlog(w));
    if (w->is_out_over)
        w->out_done = 0;
    if (wire_backlog(w) > 0)
        return false;
    wire_drop_out(w);
    if (w->wants_end)
        wire_say_end(w);
    return true;
}

/* --- reading --- */

static void wire_ended(struct wire *w)
{
    w->is_ended = true;
    wire_watch(w);
    if (w->listener.on_end != NULL)
        w->listener.on_end(w->listener.arg);
}

/* @must: something is wrong with the descriptor, so "nothing now" is the end. */
static void wire_read(struct wire *w, bool must)
{
    unsigned char buffer[WIRE_READ_MAX];
    ssize_t n;

    do {
        n = read(w->fd, buffer, sizeof(buffer));
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        w->listener.on_data(w->listener.arg, buffer, (size_t)n);
    else if (n == 0 || errno != EAGAIN || must)
        wire_ended(w);
}

/* libuv stops watching after an error (EPOLLERR); what was sent before can still be read. */
static void wire_on_error(struct wire *w)
{
    bool owes = wire_backlog(w) > 0;

    w->events = 0;
    if (owes || w->listener.on_data == NULL)
        wire_out_over(w);
    if (!w->is_ended && w->is_held && w->listener.on_hangup != NULL) {
        w->listener.on_hangup(w->listener.arg);
        return;
    }
    if (owes) {
        w->owes_drain = false;
        wire_watch(w); /* comes again for the reading side */
        if (w->listener.on_drain != NULL)
            w->listener.on_drain(w->listener.arg);
        return;
    }
    wire_watch(w);
    if (!w->is_ended && !w->is_held)
        wire_read(w, true);
}

static void wire_on_event(uv_poll_t *poll, int status, int events)
{
    struct wire *w = container_of(poll, struct wire, poll);

    if (status < 0) {
        wire_on_error(w);
        return;
    }
    if ((events & UV_WRITABLE) != 0 && wire_backlog(w) > 0 && wire_flush(w)) {
        bool tell = w->owes_drain && w->listener.on_drain != NULL;

        w->owes_drain = false;
        wire_watch(w);
        if (tell) {
            w->listener.on_drain(w->listener.arg); /* what can be read is told again */
            return;
        }
    }
    if ((events & UV_DISCONNECT) != 0 && w->is_held && w->listener.on_hangup != NULL) {
        w->listener.on_hangup(w->listener.arg);
        return;
    }
    if ((events & UV_READABLE) != 0 && !w->is_ended && !w->is_held && w->fd >= 0)
        wire_read(w, false);
}

void wire_hold(struct wire *w, bool hold)
{
    w->is_held = hold;
    wire_watch(w);
}

size_t wire_waiting(const struct wire *w)
{
    int n = 0;

    if (w->fd < 0 || w->is_ended || ioctl(w->fd, FIONREAD, &n) < 0 || n < 0)
        return 0;
    return (size_t)n;
}

int wire_fd(const struct wire *w)
{
    return w->fd;
}

/* --- life --- */

struct wire *wire_new(uv_loop_t *loop, int fd, const struct wire_listener *listener,
                      size_t packet_max)
{
    struct wire *w = MEM_NEW(struct wire);
    int rc;

    fcntl(fd, F_SETFL, O_NONBLOCK | (fcntl(fd, F_GETFL) & ~O_ACCMODE));
    w->fd = fd;
    w->listener = *listener;
    w->packet_max = packet_max;
    w->is_ended = listener->on_data == NULL;
    rc = uv_poll_init(loop, &w->poll, fd);
    assert(rc == 0); /* sockets, pipes and ptys can be watched */
    (void)rc;
    wire_watch(w);
    return w;
}

struct wire *wire_close(struct wire *w)
{
    if (w == NULL)
        return NULL;
    w->is_closed = true;
    wire_close_fd(w);
    wire_drop_out(w);
    if (w->is_poll_gone)
        free(w);
    return NULL;
}
