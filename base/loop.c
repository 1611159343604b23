#include "base/loop.h"

#include "base/mem.h"

#include <assert.h>
#include <signal.h>

struct timer {
    uv_timer_t handle;
    timer_fn fn; /* NULL once closed */
    void *arg;
};

static void timer_on_due(uv_timer_t *handle)
{
    struct timer *t = container_of(handle, struct timer, handle);

    if (t->fn != NULL)
        t->fn(t->arg);
}

static void timer_on_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)(void *)handle, struct timer, handle));
}

struct timer *timer_new(uv_loop_t *loop, timer_fn fn, void *arg)
{
    struct timer *t = MEM_NEW(struct timer);
    int rc;

    assert(fn != NULL);
    t->fn = fn;
    t->arg = arg;
    rc = uv_timer_init(loop, &t->handle);
    assert(rc == 0);
    (void)rc;
    return t;
}

/* libuv counts from the time the loop woke up, which a long callback leaves behind; what has
 * passed since is added, so that a timer is never early.  uv_update_time would do the same but
 * lets a timer that re-arms itself starve the rest of the loop. */
void timer_start(struct timer *t, int64_t delay_ms)
{
    uint64_t now = uv_hrtime() / 1000000;
    uint64_t seen = uv_now(t->handle.loop);
    uint64_t behind = now > seen ? now - seen : 0;

    assert(t->fn != NULL);
    uv_timer_start(&t->handle, timer_on_due, (delay_ms > 0 ? (uint64_t)delay_ms : 0) + behind, 0);
}

void timer_stop(struct timer *t)
{
    uv_timer_stop(&t->handle);
}

bool timer_active(const struct timer *t)
{
    return uv_is_active((const uv_handle_t *)&t->handle) != 0;
}

struct timer *timer_close(struct timer *t)
{
    if (t == NULL)
        return NULL;
    assert(t->fn != NULL);
    t->fn = NULL;
    uv_close((uv_handle_t *)&t->handle, timer_on_closed);
    return NULL;
}

struct loop_deferral {
    uv_idle_t handle;
    timer_fn fn;
    void *arg;
};

static void loop_deferral_on_closed(uv_handle_t *handle)
{
    struct loop_deferral *d = container_of((uv_idle_t *)(void *)handle, struct loop_deferral,
                                           handle);
    timer_fn fn = d->fn;
    void *arg = d->arg;

    free(d);
    fn(arg);
}

/* libuv starts idle handles last in first out and ends closed handles last in first out too;
 * passing through both keeps deferrals in the order they were asked for. */
static void loop_deferral_on_idle(uv_idle_t *handle)
{
    uv_close((uv_handle_t *)handle, loop_deferral_on_closed);
}

void loop_defer(uv_loop_t *loop, timer_fn fn, void *arg)
{
    struct loop_deferral *d = MEM_NEW(struct loop_deferral);

    assert(fn != NULL);
    d->fn = fn;
    d->arg = arg;
    uv_idle_init(loop, &d->handle);
    uv_idle_start(&d->handle, loop_deferral_on_idle);
}

static const int loop_signal_numbers[] = { SIGTERM, SIGINT };

struct loop_signals {
    uv_signal_t handles[N_ELEMENTS(loop_signal_numbers)];
    unsigned n_open;
    void (*fn)(void *arg, int signum); /* NULL once closed */
    void *arg;
};

static void loop_signals_on_signal(uv_signal_t *handle, int signum)
{
    struct loop_signals *s = handle->data;

    if (s->fn != NULL)
        s->fn(s->arg, signum);
}

static void loop_signals_on_closed(uv_handle_t *handle)
{
    struct loop_signals *s = handle->data;

    assert(s->n_open > 0);
    if (--s->n_open == 0)
        free(s);
}

struct loop_signals *loop_signals_close(struct loop_signals *s)
{
    unsigned n;

    if (s == NULL)
        return NULL;
    s->fn = NULL;
    n = s->n_open;
    for (unsigned i = 0; i < n; i++)
        uv_close((uv_handle_t *)&s->handles[i], loop_signals_on_closed);
    return NULL;
}

int loop_signals_new(struct loop_signals **ret, uv_loop_t *loop, void (*fn)(void *arg, int signum),
                     void *arg, struct err *err)
{
    struct loop_signals *s = MEM_NEW(struct loop_signals);

    assert(fn != NULL);
    signal(SIGPIPE, SIG_IGN);
    s->fn = fn;
    s->arg = arg;
    for (unsigned i = 0; i < N_ELEMENTS(loop_signal_numbers); i++) {
        int rc = uv_signal_init(loop, &s->handles[i]);

        if (rc == 0) {
            s->handles[i].data = s;
            s->n_open++;
            rc = uv_signal_start(&s->handles[i], loop_signals_on_signal, loop_signal_numbers[i]);
        }
        if (rc != 0) {
            if (s->n_open == 0)
                free(s);
            else
                loop_signals_close(s);
            return err_errno(err, rc, "watch signal %d", loop_signal_numbers[i]);
        }
    }
    *ret = s;
    return 0;
}

void loop_finish(uv_loop_t *loop)
{
    int rc;

    uv_run(loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(loop);
    assert(rc == 0);
    (void)rc;
}
