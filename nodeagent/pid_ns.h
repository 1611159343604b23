/* pid_ns: the process namespace that the containers of a pod share (shareProcessNamespace).
 *
 *   <run_dir>/pods/<uid>/pid       the namespace, pinned by a bind mount
 *   <run_dir>/pods/<uid>/pid.1     the number of its first process, `mkube pause`
 *
 * Other namespaces live as long as a mount holds them; this one dies with its first process, which
 * therefore is one of ours, that does nothing but bury orphans.  Should it be killed, the kernel ends all
 * processes of the pod, and the next container that starts finds a new one.
 *
 * Blocking; any thread, also for one pod at a time.
 */
#ifndef NODEAGENT_PID_NS_H
#define NODEAGENT_PID_NS_H

#include "base/err.h"

/* @pod_dir: <run_dir>/pods/<uid>.  The path, new. */
char *pid_ns_path(const char *pod_dir);
/* Makes it unless it stands. */
int pid_ns_ensure(const char *pod_dir, struct err *err);
/* Ends its first process, and with it all others; nothing when there is none.  The mount stays. */
void pid_ns_end(const char *pod_dir);

/* What `mkube pause PATH` does: makes the namespace, pins it, leaves its first process behind. */
int pid_ns_pause(const char *path, struct err *err);

#endif
