/* wire: a descriptor on the loop (socket, pipe, pty): bytes in, bytes out, and who waits for whom.
 *
 * What is read is handed on at once and never kept; what cannot be written waits here, and its
 * owner stops producing while wire_backlog is high (the limit is the owner's) until on_drain.
 * Callbacks never fire from within a call, and each is the last thing that the wire does: it may
 * be closed in any of them.  Thread: loop.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct wire;

#define WIRE_READ_MAX 65536

struct wire_listener {
    /* Some bytes (of a packet socket: one packet); the callee may change them.  NULL: this
     * descriptor is only written to. */
    void (*on_data)(void *arg, unsigned char *data, size_t len);
    void (*on_end)(void *arg);   /* once: no more data comes (its end, or a failure) */
    void (*on_drain)(void *arg); /* all that waited is written, or will never be; may be NULL */
    /* The other end has gone altogether while wire_hold keeps us from reading; what it had sent
     * is not waited for.  NULL: such an end is seen when reading goes on. */
    void (*on_hangup)(void *arg);
    void *arg;
};

/* @fd is consumed and made non-blocking.
 * @packet_max: the most one write may hold, for packet sockets; 0 = no limit. */
struct wire *wire_new(uv_loop_t *loop, int fd, const struct wire_listener *listener,
                      size_t packet_max);
void wire_write(struct wire *w, const void *data, size_t len);
/* Bytes that wait.  0 also when nobody reads there any more: they are thrown away then. */
size_t wire_backlog(const struct wire *w);
/* Stops reading, or goes on. */
void wire_hold(struct wire *w, bool hold);
/* After the backlog: no more from us (sockets: half-closed; pipes: closed). */
void wire_end(struct wire *w);
/* Bytes that can be read now. */
size_t wire_waiting(const struct wire *w);
int wire_fd(const struct wire *w); /* -1 once wire_end has closed it */
struct wire *wire_close(
    struct wire *w); /* at once, without callbacks; NULL is fine; returns NULL */

#endif
