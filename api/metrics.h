/* metrics: what nodes and containers use: the two newest samples of each node, in memory only.
 *
 * Filled by whoever asks the nodes (metrics_pull; the simulator), read by metrics.k8s.io and by
 * the autoscaler.  A rate is the difference of two cumulative readings; a container that
 * was started between two samples is measured from its start, as metrics-server does
 * (pkg/storage).  Reads no clock.  Thread: loop.
 */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_ROWS_MAX       16384 /* of one node's sample; more is ERR_LIMIT */
#define METRICS_CONTAINERS_MAX 64    /* of a pod, as on the nodes */
#define METRICS_PERIOD_MS      15000 /* between samples while somebody wants to know */

struct metrics;
struct metrics_sample; /* what one node told at once */

/* One reading.  What was not told is -1. */
struct metrics_reading {
    const char *ns, *pod, *container; /* all "" for the node itself */
    int64_t cpu_ns;                   /* cumulative */
    int64_t memory;                   /* working set, bytes */
    int64_t at_ms, start_ms;          /* wall clock of the node; of the reading, of the container */
};

struct metrics_sample *metrics_sample_new(void);
struct metrics_sample *metrics_sample_free(struct metrics_sample *s);
/* Adds to what is known of (ns, pod, container); ERR_LIMIT when there are too many. */
int metrics_sample_add(struct metrics_sample *s, const struct metrics_reading *r, struct err *err);
/* From the text of /metrics/resource (metrics_text.c); unknown series are skipped. */
int metrics_sample_parse(struct metrics_sample **ret, const char *data, size_t len,
                         struct err *err);

struct metrics *metrics_new(void);
struct metrics *metrics_free(struct metrics *m);
void metrics_put(struct metrics *m, const char *node, struct metrics_sample *sample_steal);
void metrics_forget(struct metrics *m, const char *node);
void metrics_clear(struct metrics *m);
/* Forgets nodes for which @keep says no. */
void metrics_sweep(struct metrics *m, bool (*keep)(void *arg, const char *node), void *arg);

struct metrics_usage {
    const char *name; /* of the container, borrowed; "" for a node */
    int64_t cpu_nano; /* nanocores */
    int64_t memory;   /* bytes */
};

struct metrics_pod {
    size_t n;
    struct metrics_usage containers[METRICS_CONTAINERS_MAX]; /* by name */
    int64_t at_ms, window_ms;
};

/* False: nothing is known yet.  A pod is known when all its containers are. */
bool metrics_node(const struct metrics *m, const char *node, struct metrics_usage *ret,
                  int64_t *ret_at_ms, int64_t *ret_window_ms);
bool metrics_pod(const struct metrics *m, const char *node, const char *ns, const char *pod,
                 struct metrics_pod *ret);

#endif
