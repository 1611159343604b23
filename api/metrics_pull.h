/* metrics_pull: asks the nodes what they use (/metrics/resource), while somebody wants to know.
 *
 * Wanted by every HorizontalPodAutoscaler in the store, and for some minutes by whoever asked
 * metrics.k8s.io; otherwise it does nothing at all and forgets what it knew.  The first two
 * rounds follow each other quickly, because a rate needs both.
 * Owner: server.  Thread: loop.
 */
#ifndef API_METRICS_PULL_H
#define API_METRICS_PULL_H

#include "api/metrics.h"
#include "base/http_client.h"
#include "storage/store.h"

struct metrics_pull;

/* All are borrowed; @nodes shows the server's client certificate. */
struct metrics_pull *metrics_pull_new(uv_loop_t *loop, struct store *store,
                                      struct http_client *nodes, struct metrics *metrics);
/* Somebody asks: calls @fn(@arg) exactly once, now or as soon as the first rates are known, but
 * within seconds, also when no node answers or the puller is closed. */
void metrics_pull_want(struct metrics_pull *p, void (*fn)(void *arg), void *arg);
/* Calls all who wait; returns NULL. */
struct metrics_pull *metrics_pull_close(struct metrics_pull *p);

#endif
