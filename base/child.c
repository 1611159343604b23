#include "base/child.h"

#include "base/child_proc.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

struct child {
    uv_loop_t *loop;    /* borrowed */
    child_done_fn done; /* NULL once told or forgotten */
    void *arg;
    struct child_proc proc;
    uv_poll_t out, err, exit;
    struct timer *deadline; /* also carries the news of a failed start */
    unsigned n_open;        /* poll handles */
    struct err start_err;
};

static void child_on_poll_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;

    assert(c->n_open > 0);
    if (--c->n_open > 0)
        return;
    child_proc_fini(&c->proc);
    free(c);
}

/* Ends all that is open; the memory dies with the last handle. */
static void child_close(struct child *c)
{
    c->deadline = timer_close(c->deadline);
    if (c->n_open == 0) {
        child_proc_fini(&c->proc);
        free(c);
        return;
    }
    assert(c->n_open == 3);
    uv_close((uv_handle_t *)&c->out, child_on_poll_closed);
    uv_close((uv_handle_t *)&c->err, child_on_poll_closed);
    uv_close((uv_handle_t *)&c->exit, child_on_poll_closed);
}

static void child_on_output(uv_poll_t *handle, int status, int events UNUSED)
{
    struct child *c = handle->data;
    int fd = handle == &c->out ? c->proc.out : c->proc.err;

    if (status < 0 || !child_proc_read(&c->proc, fd))
        uv_poll_stop(handle);
}

static void child_on_exit(uv_poll_t *handle, int status UNUSED, int events UNUSED)
{
    struct child *c = handle->data;
    child_done_fn done = STEAL(c->done);
    struct child_result result;
    struct err err = ERR_EMPTY;
    int rc;

    child_proc_reap(&c->proc);
    rc = child_proc_verdict(&c->proc, &result, &err);
    if (done != NULL)
        done(c->arg, rc, &result, &err);
    child_close(c);
}

static void child_on_deadline(void *arg)
{
    struct child *c = arg;

    c->proc.is_timed_out = true;
    child_proc_kill(&c->proc);
}

static void child_on_start_failed(void *arg)
{
    static const struct child_result nothing = { .exit_code = -1, .output = "", .errors = "" };
    struct child *c = arg;
    child_done_fn done = STEAL(c->done);

    done(c->arg, c->start_err.code, &nothing, &c->start_err);
    child_close(c);
}

static void child_watch(struct child *c, uv_poll_t *poll, int fd, uv_poll_cb cb)
{
    int rc = uv_poll_init(c->loop, poll, fd);

    assert(rc == 0);
    (void)rc;
    poll->data = c;
    c->n_open++;
    uv_poll_start(poll, UV_READABLE | UV_DISCONNECT, cb);
}

struct child *child_run(uv_loop_t *loop, const struct child_spec *spec, child_done_fn done,
                        void *arg)
{
    struct child *c = MEM_NEW(struct child);

    assert(done != NULL);
    c->loop = loop;
    c->done = done;
    c->arg = arg;
    if (child_proc_start(&c->proc, spec, &c->start_err) < 0) {
        c->deadline = timer_new(loop, child_on_start_failed, c);
        timer_start(c->deadline, 0);
        return c;
    }
    child_watch(c, &c->out, c->proc.out, child_on_output);
    child_watch(c, &c->err, c->proc.err, child_on_output);
    child_watch(c, &c->exit, c->proc.pidfd, child_on_exit);
    if (c->proc.deadline_ms > 0) {
        c->deadline = timer_new(loop, child_on_deadline, c);
        timer_start(c->deadline, c->proc.deadline_ms);
    }
    return c;
}

pid_t child_pid(const struct child *c)
{
    return c->proc.pid;
}

void child_cancel(struct child *c)
{
    /* From within done the ending is already under way. */
    if (c->done == NULL)
        return;
    c->done = NULL;
    if (c->proc.pid == 0)
        child_close(c);
    else
        child_proc_kill(&c->proc); /* child_on_exit reaps and frees */
}

void child_leave(struct child *c)
{
    assert(c->done != NULL);
    c->done = NULL;
    child_close(c);
}

/* Milliseconds for poll(2). */
static int child_wait_ms(const struct child_proc *p, int64_t started_ms)
{
    int64_t left = started_ms + p->deadline_ms - clock_mono_ms();

    if (p->deadline_ms < 0 || p->is_timed_out)
        return -1;
    return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void child_wait(struct child_proc *p)
{
    struct pollfd fds[] = {
        { .fd = p->pidfd, .events = POLLIN },
        { .fd = p->out, .events = POLLIN },
        { .fd = p->err, .events = POLLIN },
    };
    int64_t started_ms = clock_mono_ms();

    while ((fds[0].revents & POLLIN) == 0) {
        int wait_ms = child_wait_ms(p, started_ms);
        int n = poll(fds, N_ELEMENTS(fds), wait_ms);

        if (n == 0 && child_wait_ms(p, started_ms) == 0) {
            p->is_timed_out = true;
            child_proc_kill(p);
        }
        for (unsigned i = 1; n > 0 && i < N_ELEMENTS(fds); i++) {
            if (fds[i].revents != 0 && !child_proc_read(p, fds[i].fd))
                fds[i].fd = -1; /* poll passes over it */
        }
    }
}

int child_run_sync(const struct child_spec *spec, struct text *ret_output, int *ret_exit,
                   struct err *err)
{
    struct child_proc proc;
    struct child_result result = { .exit_code = -1 };
    int rc = child_proc_start(&proc, spec, err);

    if (rc == 0) {
        child_wait(&proc);
        child_proc_reap(&proc);
        rc = child_proc_verdict(&proc, &result, err);
        if (ret_output != NULL)
            text_add(ret_output, result.output, result.output_len);
    }
    if (ret_exit != NULL)
        *ret_exit = result.exit_code;
    child_proc_fini(&proc);
    return rc;
}
