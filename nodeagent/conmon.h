/* conmon: the program that watches one container for us (conmon 2.1): called, understood, told.
 *
 * It forks, makes the container with runc, keeps its standard streams, writes its log and, at the
 * end, its exit code.  It outlives the agent.  Owner: life.c.  Thread: loop.
 */
#ifndef NODEAGENT_CONMON_H
#define NODEAGENT_CONMON_H

#include "base/child.h"
#include "base/json.h"
#include "nodeagent/runtime.h"

struct conmon_spec {
    const char *id, *log_path;
    const json_t *container; /* for tty and stdin */
};

/* Begins `runc create` under conmon.  @ret_sync: the pipe on which it reports (the caller's,
 * non-blocking).  @done is the end of its first process; a success there says nothing yet. */
int conmon_run(struct child **ret, int *ret_sync, const struct runtime *rt,
               const struct conmon_spec *spec, child_done_fn done, void *arg, struct err *err);

#define CONMON_REPORT_MAX 65536
/* The report, one line of JSON: the container's process, or ERR_INTERNAL with runc's words. */
int conmon_report(pid_t *ret_pid, const struct text *report, struct err *err);

/* runc's error out of a line of its log; a new string. */
char *conmon_plain_message(const char *line);

/* The log file was moved away: go on in a new one.  False: nobody listens. */
bool conmon_reopen_log(const struct runtime *rt, const char *id);

#endif
