#include "base/work.h"

#include "base/mem.h"

#include <assert.h>

struct work {
    uv_work_t req;
    work_run_fn run;
    work_done_fn done;
    void *arg;
    struct err err; /* the worker's until done */
    int rc;
};

static void work_on_run(uv_work_t *req)
{
    struct work *w = container_of(req, struct work, req);

    w->rc = w->run(w->arg, &w->err);
}

static void work_on_done(uv_work_t *req, int status)
{
    cleanup(freep) struct work *w = container_of(req, struct work, req);

    if (status != 0)
        w->rc = err_set(&w->err, ERR_CANCELED, "canceled before it began");
    w->done(w->arg, w->rc, &w->err);
}

void work_submit(uv_loop_t *loop, work_run_fn run, work_done_fn done, void *arg)
{
    struct work *w = MEM_NEW(struct work);
    int rc;

    assert(run != NULL && done != NULL);
    w->run = run;
    w->done = done;
    w->arg = arg;
    rc = uv_queue_work(loop, &w->req, work_on_run, work_on_done);
    assert(rc == 0);
    (void)rc;
}
