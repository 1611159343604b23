#include "net/entry_worker.h"

#include "base/bits.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/entry_client.h"
#include "net/entry_splice.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

/* Looks at deadlines: at most this often, and often enough for the shortest of them. */
#define ENTRY_WORKER_LOOK_MS 500

static void entry_worker_limit(int64_t *limit, int64_t otherwise)
{
    if (*limit == 0)
        *limit = otherwise;
}

static void entry_worker_set_limits(struct entry_limits *l)
{
    entry_worker_limit(&l->header_ms, 30000);
    entry_worker_limit(&l->idle_ms, 75000);
    entry_worker_limit(&l->body_ms, 60000);
    entry_worker_limit(&l->connect_ms, 5000);
    entry_worker_limit(&l->read_ms, 60000);
    entry_worker_limit(&l->rest_ms, 30000);
    entry_worker_limit(&l->tunnel_ms, 60000);
    entry_worker_limit(&l->close_ms, 30000);
    if (l->max_clients == 0)
        l->max_clients = 4096;
}

static int64_t entry_worker_look_ms(const struct entry_limits *l)
{
    const int64_t all[] = { l->header_ms, l->idle_ms, l->body_ms,  l->connect_ms,
                            l->read_ms,   l->rest_ms, l->tunnel_ms };
    int64_t least = ENTRY_WORKER_LOOK_MS;

    for (size_t i = 0; i < N_ELEMENTS(all); i++)
        least = all[i] / 4 < least ? all[i] / 4 : least;
    return least > 5 ? least : 5;
}

struct entry_worker *entry_worker_new(uv_loop_t *loop, const struct entry_limits *limits)
{
    struct entry_worker *w = MEM_NEW(struct entry_worker);

    w->loop = loop;
    if (limits != NULL)
        w->limits = *limits;
    entry_worker_set_limits(&w->limits);
    entry_peers_init(&w->peers);
    entry_timeouts_init(&w->timeouts, loop, entry_worker_look_ms(&w->limits));
    lingers_init(&w->lingers, loop);
    w->auth = entry_auth_new(loop);
    list_init(&w->clients);
    list_init(&w->splices);
    bits_random(w->random, sizeof(w->random));
    return w;
}

void entry_worker_swap(struct entry_worker *w, struct entry_table *table)
{
    entry_peers_swap(&w->peers, table);
}

bool entry_worker_is_full(const struct entry_worker *w)
{
    return w->n_clients + w->n_splices >= w->limits.max_clients;
}

void entry_worker_accept(struct entry_worker *w, const struct entry_arrival *arrival)
{
    if (w->closing)
        close(arrival->fd);
    else
        entry_client_new(w, arrival);
}

/* splitmix64: fast, and no two alike. */
static uint64_t entry_worker_mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t entry_worker_random(struct entry_worker *w)
{
    return entry_worker_mix(&w->random[0]);
}

void entry_worker_id(struct entry_worker *w, char ret[ENTRY_WORKER_ID_MAX])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned half = 0; half < 2; half++) {
        uint64_t r = entry_worker_mix(&w->random[half]);

        for (unsigned i = 0; i < 16; i++, r >>= 4)
            ret[half * 16 + i] = digits[r & 15];
    }
    ret[ENTRY_WORKER_ID_MAX - 1] = '\0';
}

/* --- end --- */

static void entry_worker_on_gone(void *arg)
{
    struct entry_worker *w = arg;
    void (*on_closed)(void *arg) = w->on_closed;
    void *closed_arg = w->arg;

    entry_peers_fini(&w->peers);
    entry_auth_close(w->auth);
    assert(w->n_upstreams == 0);
    entry_timeouts_fini(&w->timeouts);
    lingers_stop(&w->lingers);
    free(w);
    on_closed(closed_arg);
}

void entry_worker_left(struct entry_worker *w)
{
    if (!w->closing) {
        if (w->on_room != NULL)
            w->on_room(w->arg);
        return;
    }
    if (w->n_clients == 0 && w->n_splices == 0 && w->close_timer != NULL) {
        w->close_timer = timer_close(w->close_timer);
        /* The one that left is still on the stack. */
        loop_defer(w->loop, entry_worker_on_gone, w);
    }
}

static void entry_worker_on_late(void *arg)
{
    struct entry_worker *w = arg;

    /* The last to go frees the timer, and only later the worker. */
    entry_splice_close_all(w);
    while (!list_empty(&w->clients))
        entry_client_close(list_entry(w->clients.next, struct entry_client, link));
}

void entry_worker_close(struct entry_worker *w, void (*on_closed)(void *arg), void *arg)
{
    assert(!w->closing);
    w->closing = true;
    w->on_closed = on_closed;
    w->arg = arg;
    w->close_timer = timer_new(w->loop, entry_worker_on_late, w);
    timer_start(w->close_timer, w->limits.close_ms);
    LIST_EACH_SAFE (at, &w->clients) {
        struct entry_client *c = list_entry(at, struct entry_client, link);

        if (entry_client_is_idle(c))
            entry_client_close(c);
    }
    entry_worker_left(w);
}
