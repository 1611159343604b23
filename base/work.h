/* work: one blocking function on a worker thread, its answer back on the loop.
 *
 * @run sees only what @arg points to (private to the job until @done), and its own err.
 * @done is always called exactly once on the loop, also when canceled (rc ERR_CANCELED).
 */
#ifndef BASE_WORK_H
#define BASE_WORK_H

#include "base/err.h"

#include <uv.h>

typedef int (*work_run_fn)(void *arg, struct err *err);                 /* worker thread */
typedef void (*work_done_fn)(void *arg, int rc, const struct err *err); /* loop thread */

void work_submit(uv_loop_t *loop, work_run_fn run, work_done_fn done, void *arg);

#endif
