/* peer: a client that has left HTTP (exec, attach, port-forward): its bytes, plain or as the
 * payload of WebSocket messages; pings are answered, a goodbye is waited for.
 *
 * All peers of a node are counted and ended together.  Owner: spdy_conn, channels, port_forward.
 * Thread: loop.
 */
#ifndef NODEAGENT_PEER_H
#define NODEAGENT_PEER_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define PEER_BACKLOG   (64 * 1024) /* producers stop above it */
#define PEER_LINGER_MS 10000       /* how long the other end may take to say goodbye */

struct peers { /* embed; peers_init .. peers_close_all */
    uv_loop_t *loop;
    struct list list;
    unsigned n;
};
void peers_init(struct peers *set, uv_loop_t *loop);
void peers_close_all(struct peers *set); /* on_gone fires for each that has an owner */

struct peer;
struct peer_listener {
    /* Payload, as it comes; @first, @last: of a message (plain bytes have no messages). */
    void (*on_data)(void *arg, unsigned char *data, size_t len, bool first, bool last);
    void (*on_drain)(void *arg);
    void (*on_gone)(void *arg); /* once; only peer_close is left to do */
    void *arg;
};

struct peer_opts {
    int fd;                     /* consumed */
    bool is_websocket, is_text; /* is_text: our messages are TEXT */
    const void *early;          /* what it sent already; copied */
    size_t early_len;
};
/* Callbacks never fire from within. */
struct peer *peer_new(struct peers *set, const struct peer_opts *opts,
                      const struct peer_listener *listener);
/* One message made of two parts (either may be empty). */
void peer_send(struct peer *p, const void *head, size_t head_len, const void *data, size_t len);
size_t peer_backlog(const struct peer *p);
void peer_hold(struct peer *p, bool hold);
/* Nothing more from us: it flushes, waits for the other's goodbye and goes by itself, without
 * callbacks.  The pointer is dead after. */
void peer_finish(struct peer *p);
void peer_close(struct peer *p); /* at once, without callbacks */

#endif
