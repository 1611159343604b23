/* exec_process: the program of an exec, as runc is told of it, and its end, as the client is.
 *
 * Pure but for reading runc's log.  Thread: any.
 */
#ifndef NODEAGENT_EXEC_PROCESS_H
#define NODEAGENT_EXEC_PROCESS_H

#include "base/err.h"
#include "base/json.h"

/* The container's own process (of its config.json) with these arguments. */
json_t *exec_process(const json_t *config, const char *const *argv, bool is_tty);
/* metav1.Status of an end. */
json_t *exec_process_status(int exit_code);
/* The same of a program that never began: @why is runc's. */
json_t *exec_process_failure(const char *container_id, const char *why);
/* The last error in a log of runc; returns its code. */
int exec_process_read_log(const char *path, struct err *err);

#endif
