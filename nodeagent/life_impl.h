/* life_impl: what the files of a life share.  Private to nodeagent/life.c and life_create.c. */
#ifndef NODEAGENT_LIFE_IMPL_H
#define NODEAGENT_LIFE_IMPL_H

#include "base/child.h"
#include "base/loop.h"
#include "base/text.h"
#include "nodeagent/life.h"

enum life_state {
    LIFE_PREPARING,
    LIFE_CREATING,
    LIFE_RUNNING,
    LIFE_EXITED,
    LIFE_REMOVING,
    LIFE_GONE
};

struct life {
    struct runtime *rt;    /* borrowed */
    struct life_spec spec; /* owned copies; env, mounts, record freed after preparing */
    struct life_listener listener;
    enum life_state state;
    bool is_left;    /* no callbacks; memory goes when the jobs are done */
    unsigned n_jobs; /* work and handles that still point here */

    int sync_fd; /* -1 when closed */
    uv_poll_t sync;
    bool sync_open;
    struct text report;    /* conmon's JSON line */
    struct child *child;   /* conmon's first process, or runc delete; NULL when over */
    struct child *starter; /* runc start, where the FIFO is not to be found */

    int start_fd; /* runc's FIFO, while we wait for init to come to it */
    uv_poll_t start;
    bool start_open;

    int pidfd;
    uv_poll_t exit;
    bool exit_open;
    struct timer *timer;   /* limit of creation; later retries of the exit file */
    int64_t gone_since_ms; /* monotonic; 0 = the process is not known to be gone */

    pid_t pid;
    int64_t started_ms;
};

/* --- life.c --- */
void life_enter(struct life *l, enum life_state next);
/* What only preparing needs. */
void life_free_inputs(struct life *l);
/* One less of n_jobs; after the last one @l may be gone. */
void life_job_over(struct life *l);
void life_close_sync(struct life *l);
/* The container never ran: tells, after closing everything. */
void life_failed(struct life *l, int rc, const struct err *err);
void life_running(struct life *l);
/* init has written its byte to runc's FIFO: from now on the program runs (or ran). */
bool life_took_byte(struct life *l);
/* Watches process @pid.  False: it is gone already. */
bool life_watch(struct life *l, pid_t pid);
/* Looks for the exit file; tries again for a while once the process is known to be gone. */
void life_check_exit(void *life);

#endif
