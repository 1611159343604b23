/* layer: base */
#include "base/loop.h"
#include "tests/lib/test.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct loop_trace {
    uv_loop_t loop;
    struct timer *timer;
    char text[16];
    unsigned n;
};

static void loop_trace_up(struct loop_trace *t)
{
    *t = (struct loop_trace){ .n = 0 };
    CHECK(uv_loop_init(&t->loop) == 0);
}

static void loop_trace_on_timer(void *arg)
{
    struct loop_trace *t = arg;

    t->text[t->n++] = 't';
}

static void loop_trace_on_last_timer(void *arg)
{
    struct loop_trace *t = arg;

    t->n++;
    t->timer = timer_close(t->timer);
}

TEST(loop, a_timer_fires_once_and_not_early)
{
    struct loop_trace t;
    uint64_t started;

    loop_trace_up(&t);
    t.timer = timer_new(&t.loop, loop_trace_on_timer, &t);
    usleep(5000); /* the loop's own idea of now is behind */
    started = uv_hrtime();
    timer_start(t.timer, 10);
    CHECK(timer_active(t.timer));
    CHECK_SOON(&t.loop, t.n == 1, 2000);
    CHECK(uv_hrtime() - started >= 9 * 1000000);
    CHECK(!timer_active(t.timer));
    t.timer = timer_close(t.timer);
    loop_finish(&t.loop);
    CHECK_INT(t.n, 1);
}

TEST(loop, a_timer_may_be_closed_in_its_own_callback)
{
    struct loop_trace t;

    loop_trace_up(&t);
    t.timer = timer_new(&t.loop, loop_trace_on_last_timer, &t);
    timer_start(t.timer, 0);
    loop_finish(&t.loop);
    CHECK_INT(t.n, 1);
    CHECK(t.timer == NULL);
    CHECK(timer_close(NULL) == NULL);
}

TEST(loop, a_stopped_timer_is_silent)
{
    struct loop_trace t;

    loop_trace_up(&t);
    t.timer = timer_new(&t.loop, loop_trace_on_timer, &t);
    timer_start(t.timer, 1);
    timer_stop(t.timer);
    CHECK(!timer_active(t.timer));
    timer_close(t.timer);
    loop_finish(&t.loop);
    CHECK_INT(t.n, 0);
}

static void loop_trace_a(void *arg)
{
    struct loop_trace *t = arg;

    t->text[t->n++] = 'a';
}

static void loop_trace_c(void *arg)
{
    struct loop_trace *t = arg;

    t->text[t->n++] = 'c';
}

static void loop_trace_b(void *arg)
{
    struct loop_trace *t = arg;

    t->text[t->n++] = 'b';
    loop_defer(&t->loop, loop_trace_a, t);
}

TEST(loop, deferrals_run_later_in_order)
{
    struct loop_trace t;

    loop_trace_up(&t);
    loop_defer(&t.loop, loop_trace_a, &t);
    loop_defer(&t.loop, loop_trace_b, &t);
    loop_defer(&t.loop, loop_trace_c, &t);
    CHECK_INT(t.n, 0);
    loop_finish(&t.loop);
    CHECK_STR(t.text, "abca");
}

static void loop_trace_on_signal(void *arg, int signum)
{
    struct loop_trace *t = arg;

    CHECK_INT(signum, SIGTERM);
    t->n++;
}

TEST(loop, signals_are_told_and_sigpipe_is_ignored)
{
    struct loop_signals *signals;
    struct err err = ERR_EMPTY;
    struct loop_trace t;

    loop_trace_up(&t);
    CHECK(loop_signals_new(&signals, &t.loop, loop_trace_on_signal, &t, &err) == 0);
    raise(SIGPIPE);
    raise(SIGTERM);
    CHECK_SOON(&t.loop, t.n == 1, 2000);
    loop_signals_close(signals);
    loop_finish(&t.loop);
}
