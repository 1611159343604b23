/* loop: small vocabulary over libuv for owners of several handles.
 *
 * A `struct timer` is heap-held behind the pointer so that its owner can be freed in the
 * same callback that closes it: timer_close forgets the owner at once, the memory dies in
 * libuv's close callback.  Thread: the loop's.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct timer;
typedef void (*timer_fn)(void *arg);

struct timer *timer_new(uv_loop_t *loop, timer_fn fn, void *arg);
void timer_start(struct timer *t, int64_t delay_ms); /* one shot; re-arms when running */
void timer_stop(struct timer *t);
bool timer_active(const struct timer *t);
struct timer *timer_close(struct timer *t); /* NULL is fine; returns NULL */

/* Runs @fn(@arg) once, soon, from the loop and never from within this call. */
void loop_defer(uv_loop_t *loop, timer_fn fn, void *arg);

/* Calls @fn for SIGTERM and SIGINT; ignores SIGPIPE for the process. */
struct loop_signals;
int loop_signals_new(struct loop_signals **ret, uv_loop_t *loop, void (*fn)(void *arg, int signum),
                     void *arg, struct err *err);
struct loop_signals *loop_signals_close(struct loop_signals *s);

/* Runs until nothing is open, then uv_loop_close; asserts it returns 0 (no leaked handle). */
void loop_finish(uv_loop_t *loop);

#endif
