/* queue: the keys a controller has to look at: each at most once, now or at a time.
 *
 * A key is ready (in order of rank, then of arrival), waiting for its time, or busy (taken out until
 * queue_finish).  Adding a waiting key makes it ready; adding a busy one makes it ready again
 * when it is finished.  Owner: runner.  Thread: loop.
 */
#ifndef CONTROLPLANE_QUEUE_H
#define CONTROLPLANE_QUEUE_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue_item {    /* only its names and failures are for others */
    char *ns;          /* owned */
    const char *name;  /* within key */
    unsigned failures; /* in a row; the runner's */
    char *key;         /* owned; "ns/name" */
    struct list ready;
    enum { QUEUE_READY, QUEUE_WAITING, QUEUE_BUSY } state;
    bool again; /* added while busy */
    int64_t rank;
    int64_t due_ms;
    size_t heap_index;
};

struct queue *queue_new(void);
struct queue *queue_free(struct queue *q);

void queue_add(struct queue *q, const char *ns, const char *name);
/* Before all that are ready with a lower rank; queue_add leaves the rank as it is, 0 at first. */
void queue_add_ranked(struct queue *q, const char *ns, const char *name, int64_t rank);

/* The next key that is ready or due by @now_ms, now busy; NULL when there is none. */
struct queue_item *queue_pop(struct queue *q, int64_t now_ms);
/* @item is busy; it becomes ready when it was added meanwhile, else waits until @due_ms
 * (-1 = is forgotten; item is gone). */
void queue_finish(struct queue *q, struct queue_item *item, int64_t due_ms);

/* When the next waiting key is due; -1 = none waits.  Ready ones do not count. */
int64_t queue_next_due(const struct queue *q);
bool queue_is_ready(const struct queue *q, int64_t now_ms);
size_t queue_len(const struct queue *q); /* ready, waiting and busy */

#endif
