/* entry: the single entry point: HTTP(S) by host and path from Ingress objects, TCP ports of
 * LoadBalancer Services.  Runs as its own process (`mkube entry`), outlives the API server.
 *
 * Requests of one keep-alive connection are routed one by one; upgrades become tunnels.
 * The routing table is immutable and swapped whole (entry_table.h); backends are endpoints from EndpointSlices,
 * tried in turn when a connect fails.  Publishes its address into Ingress and Service status.
 */
#ifndef NET_ENTRY_H
#define NET_ENTRY_H

#include "api/client.h"
#include "base/err.h"

struct entry;

struct entry_opts {
    struct client *client;          /* borrowed */
    const char *address;            /* bind address, "0.0.0.0" */
    const char *publish_ip;         /* what status shows */
    const char *data_dir;           /* for certificates of our own making; NULL: none is kept */
    uint16_t http_port, https_port; /* 80, 443 */
};
int entry_new(struct entry **ret, uv_loop_t *loop, const struct entry_opts *opts, struct err *err);
/* Stops accepting, lets requests under way end (30 s at most), then @on_closed. */
void entry_close(struct entry *e, void (*on_closed)(void *arg), void *arg);
#endif
