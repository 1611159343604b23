#include "net/entry_timeouts.h"

#include "base/mem.h"

#include <assert.h>

int64_t entry_timeouts_now(const struct entry_timeouts *set)
{
    return (int64_t)uv_now(set->loop);
}

static void entry_timeouts_on_look(void *arg)
{
    struct entry_timeouts *set = arg;
    struct list due;

    list_init(&due);
    LIST_EACH_SAFE (at, &set->list) {
        struct entry_timeout *t = list_entry(at, struct entry_timeout, link);

        if (t->due_ms != 0 && t->due_ms <= entry_timeouts_now(set)) {
            list_del(&t->link);
            list_add_tail(&due, &t->link);
        }
    }
    while (!list_empty(&due)) {
        struct entry_timeout *t = list_entry(due.next, struct entry_timeout, link);

        list_del(&t->link);
        list_add_tail(&set->list, &t->link);
        t->due_ms = 0;
        t->fn(t);
    }
    if (!list_empty(&set->list))
        timer_start(set->look, set->every_ms);
}

void entry_timeouts_init(struct entry_timeouts *set, uv_loop_t *loop, int64_t every_ms)
{
    set->loop = loop;
    set->every_ms = every_ms;
    set->look = timer_new(loop, entry_timeouts_on_look, set);
    list_init(&set->list);
}

void entry_timeouts_fini(struct entry_timeouts *set)
{
    assert(set->look == NULL || list_empty(&set->list));
    set->look = timer_close(set->look);
}

void entry_timeout_init(struct entry_timeout *t, struct entry_timeouts *set,
                        void (*fn)(struct entry_timeout *t))
{
    t->due_ms = 0;
    t->fn = fn;
    list_init(&t->link);
    list_add_tail(&set->list, &t->link);
    if (!timer_active(set->look))
        timer_start(set->look, set->every_ms);
}

void entry_timeout_fini(struct entry_timeout *t)
{
    t->due_ms = 0;
    list_del(&t->link);
}
