/* channels: the five streams of exec and attach over one peer, whichever protocol it speaks.
 *
 * WebSocket: (v4., v5.)channel.k8s.io, the first byte of a message is its channel; v5 can close
 * stdin.  SPDY: one stream for each, named by its header "streamtype".  How it ended is said last,
 * on the error channel: a Status since v4, words before.  (Kubernetes: k8s.io/apimachinery
 * pkg/util/remotecommand, k8s.io/kubelet pkg/cri/streaming/remotecommand.)
 * Owner: exec, attach.  Thread: loop.
 */
#ifndef NODEAGENT_CHANNELS_H
#define NODEAGENT_CHANNELS_H

#include "base/json.h"
#include "nodeagent/peer.h"

enum channel { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_ERROR, CHANNEL_RESIZE };
#define CHANNEL_COUNT 5

/* The first of @offered (comma-separated, in the client's order) that we speak, as it is said back;
 * NULL: none.  "" offered is the oldest for WebSockets. */
const char *channels_choose(bool is_websocket, const char *offered);

struct channels_listener {
    void (*on_open)(void *arg); /* all streams are there */
    void (*on_stdin)(void *arg, const void *data, size_t len);
    void (*on_stdin_end)(void *arg);
    void (*on_resize)(void *arg, unsigned width, unsigned height);
    void (*on_drain)(void *arg);
    void (*on_gone)(void *arg); /* the client left; the channels are gone */
    void *arg;
};

struct channels_opts {
    struct peer_opts peer;
    const char *protocol; /* from channels_choose */
    bool has_stdin, has_stdout, has_stderr, is_tty;
};

struct channels;
/* Callbacks never fire from within. */
struct channels *channels_new(struct peers *set, const struct channels_opts *opts,
                              const struct channels_listener *listener);
void channels_write(struct channels *c, enum channel to, const void *data, size_t len);
size_t channels_backlog(const struct channels *c);
void channels_hold(struct channels *c, bool hold); /* stdin is not read on */
/* Ends all: @status_steal is a metav1.Status.  The pointer is dead after. */
void channels_finish(struct channels *c, json_t *status_steal);
/* The client shall see a broken connection: the node's program ends. */
void channels_close(struct channels *c);

#endif
