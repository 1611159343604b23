/* relay: carries bytes between a client and a server, both ways, until one of them has gone.
 *
 * At most 64 KiB wait in each direction; who is too fast is not read from.  When the server ends,
 * the client still gets all it said; when the client ends, the server is told (half-close) and has
 * RELAY_LAST_MS to say its last.  No limit on silence.  Thread: loop.
 */
#ifndef BASE_RELAY_H
#define BASE_RELAY_H

#include <stddef.h>
#include <uv.h>

#define RELAY_LAST_MS 30000

struct relay;

struct relay_opts {
    int client, server; /* consumed */
    /* Read from them before; borrowed. */
    const void *client_early, *server_early;
    size_t client_early_len, server_early_len;
    void (*on_done)(void *arg); /* the relay is gone */
    void *arg;
};
struct relay *relay_new(uv_loop_t *loop, const struct relay_opts *opts);
void relay_close(struct relay *r); /* at once; on_done is not called */

#endif
