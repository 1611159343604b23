/* terminal: our own standard input as a stream on the loop, raw and with its size when it is a
 * terminal that a container gets.
 *
 * Owner: exec.  Thread: main.
 */
#ifndef CLIENT_TERMINAL_H
#define CLIENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct terminal;

struct terminal_listener {
    /* @len 0: its end.  False: no more for now, until terminal_go_on. */
    bool (*on_input)(void *arg, const void *data, size_t len);
    void (*on_size)(void *arg, unsigned width, unsigned height); /* at once, and at each change */
    void *arg;
};

/* @raw: keys as they are pressed; put back by terminal_restore, also when we are ended by a signal
 * that can be caught. */
struct terminal *terminal_new(uv_loop_t *loop, bool input, bool raw,
                              const struct terminal_listener *listener);
void terminal_go_on(struct terminal *t); /* NULL is fine */
void terminal_restore(struct terminal *t);
struct terminal *terminal_free(struct terminal *t);

#endif
