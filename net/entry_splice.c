#include "net/entry_splice.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/socket.h"
#include "net/entry_io.h"

#include <assert.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct entry_splice;

struct entry_splice_side {
    struct entry_splice *splice;
    struct entry_io io; /* what waits here is for this side */
    bool eof;           /* it sends no more ... */
    bool is_told;       /* it was told that the other sends no more */
};

struct entry_splice {
    struct list link;
    struct entry_worker *worker; /* borrowed */
    struct entry_peer *peer;     /* ref */
    struct entry_timeout timeout;
    struct entry_splice_side sides[2]; /* client, server */
    int64_t idle_ms;
    unsigned n_handles;
};

static void entry_splice_on_closed(struct entry_io *io)
{
    struct entry_splice_side *side = container_of(io, struct entry_splice_side, io);

    assert(side->splice->n_handles > 0);
    if (--side->splice->n_handles == 0)
        free(side->splice);
}

static void entry_splice_close(struct entry_splice *s)
{
    struct entry_worker *w = s->worker;

    list_del(&s->link);
    entry_timeout_fini(&s->timeout);
    s->peer->n_busy--;
    s->peer = entry_peer_unref(s->peer);
    for (unsigned i = 0; i < 2; i++)
        entry_io_close(&s->sides[i].io, entry_splice_on_closed);
    w->n_splices--;
    entry_worker_left(w);
}

void entry_splice_close_all(struct entry_worker *w)
{
    while (!list_empty(&w->splices))
        entry_splice_close(list_entry(w->splices.next, struct entry_splice, link));
}

static void entry_splice_read(struct entry_splice_side *from, struct entry_splice_side *to)
{
    struct entry_worker *w = from->splice->worker;
    ssize_t n = entry_io_read(&from->io, w->scratch, sizeof(w->scratch));

    if (n > 0)
        entry_io_put(&to->io, w->scratch, (size_t)n);
    from->eof = from->eof || n == 0;
}

/* Flushes, passes an end on, and watches for what can go on. */
static void entry_splice_settle(struct entry_splice *s)
{
    for (unsigned i = 0; i < 2; i++) {
        struct entry_splice_side *to = &s->sides[i], *from = &s->sides[1 - i];

        entry_io_flush(&to->io);
        if (from->eof && !to->is_told && entry_io_waiting(&to->io) == 0) {
            to->is_told = true;
            shutdown(to->io.fd, SHUT_WR);
        }
    }
    if (s->sides[0].io.failed != 0 || s->sides[1].io.failed != 0 ||
        (s->sides[0].is_told && s->sides[1].is_told)) {
        entry_splice_close(s);
        return;
    }
    if (s->idle_ms > 0)
        s->timeout.due_ms = entry_timeouts_now(&s->worker->timeouts) + s->idle_ms;
    for (unsigned i = 0; i < 2; i++) {
        struct entry_io *io = &s->sides[i].io, *other = &s->sides[1 - i].io;
        bool reads = !s->sides[i].eof && entry_io_waiting(other) == 0;

        entry_io_watch(io,
                       (reads ? UV_READABLE : 0) | (entry_io_waiting(io) > 0 ? UV_WRITABLE : 0));
    }
}

static void entry_splice_on_event(struct entry_io *io, int events)
{
    struct entry_splice_side *side = container_of(io, struct entry_splice_side, io);
    struct entry_splice *s = side->splice;
    struct entry_splice_side *other = &s->sides[side == &s->sides[0]];

    if ((events & UV_READABLE) && !side->eof && entry_io_waiting(&other->io) == 0)
        entry_splice_read(side, other);
    entry_splice_settle(s);
}

static void entry_splice_on_timeout(struct entry_timeout *t)
{
    entry_splice_close(container_of(t, struct entry_splice, timeout));
}

void entry_splice_new(struct entry_worker *w, struct entry_splice_opts *opts)
{
    struct entry_splice *s = MEM_NEW(struct entry_splice);
    int fds[2] = { opts->client, opts->server };
    struct text *first[2] = { &opts->to_client, &opts->to_server };

    s->worker = w;
    s->peer = opts->peer;
    s->idle_ms = opts->idle_ms;
    for (unsigned i = 0; i < 2; i++) {
        struct entry_splice_side *side = &s->sides[i];

        side->splice = s;
        socket_keep_alive(fds[i]);
        entry_io_init(&side->io, w->loop, fds[i], entry_splice_on_event);
        side->io.out = *first[i];
        *first[i] = (struct text)TEXT_EMPTY;
        s->n_handles++;
    }
    s->peer->n_busy++;
    list_add_tail(&w->splices, &s->link);
    w->n_splices++;
    entry_timeout_init(&s->timeout, &w->timeouts, entry_splice_on_timeout);
    entry_splice_settle(s);
}
