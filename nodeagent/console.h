/* console: receives the terminal of a program that runc starts (--console-socket): runc connects
 * to a socket and sends the master's descriptor.  Owner: exec.  Thread: loop.
 */
#ifndef NODEAGENT_CONSOLE_H
#define NODEAGENT_CONSOLE_H

#include "base/err.h"

#include <uv.h>

struct console;
/* @path does not exist yet; it may be longer than an address can be, its last part must not.
 * @on_master: once, if at all; the descriptor is the callee's. */
int console_new(struct console **ret, uv_loop_t *loop, const char *path,
                void (*on_master)(void *arg, int fd), void *arg, struct err *err);
struct console *console_close(struct console *c); /* NULL is fine; returns NULL */

#endif
