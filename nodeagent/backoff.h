/* backoff: how long to wait before trying the same thing again.
 *
 * Pure.  Kubernetes' rule for containers and image pulls alike: 10 s doubling to 5 min, from
 * scratch after 10 min without need.  The first restart of a container is at once (the kubelet
 * starts to count with it), the first retry of a pull is not.
 */
#ifndef NODEAGENT_BACKOFF_H
#define NODEAGENT_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_FIRST_MS 10000
#define BACKOFF_MAX_MS   300000
#define BACKOFF_RESET_MS 600000

struct backoff {
    int64_t delay_ms;    /* of the try now waited for; 0 = at once */
    int64_t retry_at_ms; /* monotonic; 0 = no need to wait */
    bool has_failed;
};

/* The container ran from @started to @ended (same clock as @retry_at_ms) and will be restarted. */
void backoff_exited(struct backoff *b, int64_t started_ms, int64_t ended_ms);
/* A pull (or anything without a running time) failed at @now. */
void backoff_failed(struct backoff *b, int64_t now_ms);
void backoff_clear(struct backoff *b);

#endif
