/* entry_timeouts: one deadline per connection, looked at a few times a second.
 *
 * Connections move their deadline at every event, which costs a store here and no heap of
 * timers; being late by one look is fine for network timeouts.  No connection, no timer.
 * Thread: loop.
 */
#ifndef NET_ENTRY_TIMEOUTS_H
#define NET_ENTRY_TIMEOUTS_H

#include "base/list.h"
#include "base/loop.h"

struct entry_timeout { /* embed; entry_timeout_init .. entry_timeout_fini */
    struct list link;
    int64_t due_ms; /* 0 = none */
    void (*fn)(struct entry_timeout *t);
};

struct entry_timeouts {
    uv_loop_t *loop; /* borrowed */
    struct timer *look;
    struct list list;
    int64_t every_ms;
};

void entry_timeouts_init(struct entry_timeouts *set, uv_loop_t *loop, int64_t every_ms);
void entry_timeouts_fini(struct entry_timeouts *set); /* none may be in it; idempotent */
int64_t entry_timeouts_now(const struct entry_timeouts *set);

/* @fn may end its own timeout and any other. */
void entry_timeout_init(struct entry_timeout *t, struct entry_timeouts *set,
                        void (*fn)(struct entry_timeout *t));
void entry_timeout_fini(struct entry_timeout *t); /* idempotent */

#endif
