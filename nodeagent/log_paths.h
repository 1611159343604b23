/* log_paths: where container logs lie on a node, as log collectors expect it.
 *
 *   DIR/pods/<ns>_<pod>_<uid>/<container>/<restarts>.log     the log, in the CRI's format
 *   DIR/containers/<pod>_<ns>_<container>-<id>.log           a link to it
 *
 * DIR is /var/log: a collector mounts all of it, so that the links lead somewhere inside its container
 * too.  Paths are pure; linking and sweeping block for a few system calls.
 */
#ifndef NODEAGENT_LOG_PATHS_H
#define NODEAGENT_LOG_PATHS_H

#include "base/err.h"
#include "nodeagent/pod_view.h"

/* New strings. */
char *log_paths_pod(const char *dir, const struct pod_view *pod);
char *log_paths_container(const char *dir, const struct pod_view *pod, const char *container,
                          unsigned restarts);
char *log_paths_link(const char *dir, const struct pod_view *pod, const char *container,
                     const char *id);

/* Makes @link point to @path, with its directory; one that is there is replaced. */
int log_paths_make_link(const char *link, const char *path, struct err *err);
/* Removes the links of DIR/containers whose log is no more. */
void log_paths_sweep(const char *dir);

#endif
