/* child: other programs.  argv arrays, never a shell; a deadline; stderr becomes the message.
 *
 * All descriptors of ours are CLOEXEC; the child gets stdin from @input (or /dev/null).
 * The end is the exit of the program itself: what it wrote until then is kept, and a daemon
 * that it leaves behind (and that still holds stdout) is not waited for.
 * Exit code other than 0 is ERR_INTERNAL "PROGRAM: <last lines of stderr>" (or ERR_TIMEOUT
 * after SIGKILL at the deadline; ERR_NOT_FOUND when the program is not installed).
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include "base/err.h"
#include "base/text.h"

#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct child_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* NULL = ours */
    const void *input;       /* copied; may be NULL */
    size_t input_len;
    int64_t deadline_ms; /* from now; 0 = 30,000; -1 = none (long-running companions) */
    size_t max_output;   /* stdout kept; 0 = 1 MiB; more is ERR_LIMIT */
    const int *pass_fds; /* NULL or pairs {ours, theirs}, ended by -1; ours is dup'ed at start;
                                 * theirs 1 or 2 replaces the pipe (a log file that outlives us) */
    const char *cwd;     /* where it starts; NULL = where we are */
    bool new_session;    /* setsid: the child outlives us by design (conmon, the entry proxy) */
};

struct child_result {
    int exit_code; /* -1: killed by @signal */
    int signal;
    const char *output; /* stdout, NUL-terminated, borrowed until the callback returns */
    size_t output_len;
    const char *errors; /* stderr tail, likewise */
};

struct child;
/* rc 0 only for exit code 0; @result is valid also on failure once the program ran. */
typedef void (*child_done_fn)(void *arg, int rc, const struct child_result *result,
                              const struct err *err);

/* @spec is copied.  @done is called exactly once, never from within this call. */
struct child *child_run(uv_loop_t *loop, const struct child_spec *spec, child_done_fn done,
                        void *arg);
/* SIGKILLs and forgets: @done is not called.  The pointer is dead after. */
void child_cancel(struct child *c);
/* Forgets without killing, for programs meant to outlive us: @done is not called, nobody waits
 * for the process, its pipes are closed.  The pointer is dead after. */
void child_leave(struct child *c);
/* Process id; 0 when it could not be started or has ended. */
pid_t child_pid(const struct child *c);

/* Blocking twin for start-up, worker threads and client verbs.  @ret_output may be NULL. */
int child_run_sync(const struct child_spec *spec, struct text *ret_output, int *ret_exit,
                   struct err *err);

#endif
