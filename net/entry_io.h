/* entry_io: one non-blocking socket on the loop, and the bytes that it did not take yet.
 *
 * Small pieces are gathered and leave with the next flush, large ones go straight from where
 * they were read.  Whoever fills it looks at entry_io_waiting and stops reading the other side.
 * Errors are remembered, never thrown into a callback: the owner looks at @failed when it has
 * time.  Embed it; the owner's memory must last until on_closed.  Thread: loop.
 */
#ifndef NET_ENTRY_IO_H
#define NET_ENTRY_IO_H

#include "base/text.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

/* Above this much waiting for one side, the other side is not read. */
#define ENTRY_IO_HIGH (32 * 1024)

struct entry_io;
typedef void (*entry_io_fn)(struct entry_io *io, int events);

struct entry_io {
    uv_poll_t poll;
    int fd;          /* owned; -1 once closed or taken */
    int events;      /* being watched */
    int failed;      /* errno of the first failure, 0 */
    bool is_held;    /* not connected yet: nothing is written */
    struct text out; /* from @done on: not written yet */
    size_t done;
    uint64_t n_written;   /* bytes that the kernel took */
    entry_io_fn on_event; /* after an error: both events, so that a read or write meets it */
    void (*on_closed)(struct entry_io *io);
};

/* A TCP socket that is being connected; -1 with errno. */
int entry_io_connect(const struct sockaddr *to, socklen_t len);
/* Takes over @fd, a socket. */
void entry_io_init(struct entry_io *io, uv_loop_t *loop, int fd, entry_io_fn on_event);
/* UV_READABLE | UV_WRITABLE or 0; costs nothing when unchanged. */
void entry_io_watch(struct entry_io *io, int events);
/* As read(2), -1 with errno; remembers failures other than EAGAIN. */
ssize_t entry_io_read(struct entry_io *io, void *data, size_t len);
void entry_io_put(struct entry_io *io, const void *data, size_t len);
void entry_io_flush(struct entry_io *io);
size_t entry_io_waiting(const struct entry_io *io); /* bytes */
/* Stops and gives the socket away, what waits in @out stays for the caller to move. */
int entry_io_take(struct entry_io *io);
/* @on_closed may free the owner.  After entry_io_take too. */
void entry_io_close(struct entry_io *io, void (*on_closed)(struct entry_io *io));

#endif
