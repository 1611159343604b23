#include "storage/past.h"

#include "base/loop.h"
#include "base/mem.h"

#include <stdlib.h>

#define PAST_TRIM_MIN (1U << 20) /* so many bytes are worth a walk over the heap */

struct past {
    struct store *store;
    struct timer *turn;
    int64_t turn_ms;
    uint64_t mark; /* the newest revision at the last turn */
};

static void past_on_turn(void *arg)
{
    struct past *p = arg;

    if (store_forget(p->store, p->mark) >= PAST_TRIM_MIN)
        mem_trim();
    p->mark = store_revision(p->store);
    timer_start(p->turn, p->turn_ms);
}

struct past *past_new(uv_loop_t *loop, struct store *store, int64_t turn_ms)
{
    struct past *p = MEM_NEW(struct past);

    p->store = store;
    p->turn_ms = turn_ms;
    p->mark = store_revision(store);
    p->turn = timer_new(loop, past_on_turn, p);
    timer_start(p->turn, turn_ms);
    return p;
}

struct past *past_close(struct past *p)
{
    if (p != NULL)
        timer_close(p->turn);
    free(p);
    return NULL;
}
