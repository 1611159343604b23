/* spdy_conn: a peer that speaks SPDY/3.1: its streams, pings and goodbyes.
 *
 * Which streams there may be is the owner's decision: each is answered by accept or refuse.
 * Owner: channels, port_forward.  Thread: loop.
 */
#ifndef NODEAGENT_SPDY_CONN_H
#define NODEAGENT_SPDY_CONN_H

#include "base/spdy.h"
#include "nodeagent/peer.h"

struct spdy_conn;

struct spdy_conn_listener {
    void (*on_stream)(void *arg, const struct spdy_frame *syn); /* borrowed */
    void (*on_data)(void *arg, uint32_t stream, const unsigned char *data, size_t len);
    void (*on_fin)(void *arg, uint32_t stream, bool is_reset); /* no more from there */
    void (*on_drain)(void *arg);
    void (*on_gone)(void *arg); /* once; only spdy_conn_close is left to do */
    void *arg;
};

struct spdy_conn *spdy_conn_new(struct peers *set, const struct peer_opts *opts,
                                const struct spdy_conn_listener *listener);
void spdy_conn_accept(struct spdy_conn *c, uint32_t stream);
void spdy_conn_refuse(struct spdy_conn *c, uint32_t stream, enum spdy_reset why);
void spdy_conn_write(struct spdy_conn *c, uint32_t stream, const void *data, size_t len);
void spdy_conn_fin(struct spdy_conn *c, uint32_t stream);
size_t spdy_conn_backlog(const struct spdy_conn *c);
void spdy_conn_hold(struct spdy_conn *c, bool hold);
void spdy_conn_finish(struct spdy_conn *c); /* as peer_finish */
void spdy_conn_close(struct spdy_conn *c);

#endif
