/* channel: numbered streams of bytes to a pod over one WebSocket (exec, attach, port-forward).
 *
 * The first byte of each message is its channel (Kubernetes' v4 and v5.channel.k8s.io).
 * Thread: main, on the session's loop.
 */
#ifndef CLIENT_CHANNEL_H
#define CLIENT_CHANNEL_H

#include "client/session.h"

#define CHANNEL_V5 "v5.channel.k8s.io"
#define CHANNEL_V4 "v4.channel.k8s.io"

#define CHANNEL_BACKLOG_MAX (256 * 1024) /* who sends stops here until on_drain */

struct channel;

struct channel_listener {
    void (*on_data)(void *arg, unsigned channel, const void *data, size_t len);
    void (*on_drain)(void *arg); /* may be NULL */
    /* Once, last; the channel is gone.  @err->code 0: the other side has ended it. */
    void (*on_end)(void *arg, const struct err *err);
    void *arg;
};

/* @path with its query.  What is sent before the other side has answered waits. */
int channel_new(struct channel **ret, struct session *s, const char *path, const char *protocol,
                const struct channel_listener *listener, struct err *err);
void channel_send(struct channel *c, unsigned channel, const void *data, size_t len);
/* v5: no more comes on this one. */
void channel_finish(struct channel *c, unsigned channel);
size_t channel_backlog(const struct channel *c);
void channel_close(struct channel *c); /* at once, without callbacks; NULL is fine */

#endif
