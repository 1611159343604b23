/* child_proc: one running program with its pipes; what child_run and child_run_sync share.
 *
 * posix_spawn (no copy of our page tables) and a pidfd.  Owner: child.c only.  The owner
 * watches @pidfd, @out and @err, calls child_proc_read when they are readable and
 * child_proc_reap when the pidfd is.
 */
#ifndef BASE_CHILD_PROC_H
#define BASE_CHILD_PROC_H

#include "base/child.h"

#include <stdbool.h>

struct child_proc {
    char *name; /* owned; argv[0] */
    pid_t pid;  /* 0 once reaped */
    int pidfd;
    int out, err; /* our ends, non-blocking; -1 after EOF */
    struct text output;
    struct text errors; /* only the tail */
    size_t max_output;
    int64_t deadline_ms; /* from start; -1 none */
    bool is_over_limit, is_timed_out;
    int wait_status;
};

/* On failure nothing is left behind, but fini is still allowed. */
int child_proc_start(struct child_proc *p, const struct child_spec *spec, struct err *err);
void child_proc_fini(struct child_proc *p);

/* Takes what is there from @fd, which is p->out or p->err.  False: EOF or failure, watch no
 * more.  Kills the program when the output passes its limit. */
bool child_proc_read(struct child_proc *p, int fd);
void child_proc_kill(struct child_proc *p);
/* The program has ended: takes its status and the rest of its output.  It never waits for
 * EOF: a daemon that it left behind may hold the pipes for ever. */
void child_proc_reap(struct child_proc *p);
/* After reap: what to report.  @ret borrows from @p. */
int child_proc_verdict(struct child_proc *p, struct child_result *ret, struct err *err);

#endif
