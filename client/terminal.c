#include "client/terminal.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/wire.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

struct terminal {
    uv_loop_t *loop;
    struct terminal_listener listener;
    struct wire *wire;   /* pipes, sockets, terminals */
    struct timer *files; /* what a loop cannot wait for: files; read piece by piece */
    bool is_raw, ended;
    int flags; /* of standard input, before us */
    struct termios before;
    uv_signal_t *resized; /* dies in its close callback */
};

static void terminal_end(struct terminal *t)
{
    if (!t->ended)
        t->listener.on_input(t->listener.arg, NULL, 0);
    t->ended = true;
}

static void terminal_on_data(void *arg, unsigned char *data, size_t len)
{
    struct terminal *t = arg;

    if (!t->listener.on_input(t->listener.arg, data, len))
        wire_hold(t->wire, true);
}

static void terminal_on_end(void *arg)
{
    struct terminal *t = arg;

    t->wire = wire_close(t->wire);
    terminal_end(t);
}

static void terminal_on_file(void *arg)
{
    struct terminal *t = arg;
    char buffer[WIRE_READ_MAX];
    ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));

    if (n <= 0)
        terminal_end(t);
    else if (t->listener.on_input(t->listener.arg, buffer, (size_t)n))
        timer_start(t->files, 0);
}

static void terminal_tell_size(struct terminal *t)
{
    struct winsize size;

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        t->listener.on_size(t->listener.arg, size.ws_col, size.ws_row);
}

static void terminal_on_resized(uv_signal_t *signal, int number UNUSED)
{
    terminal_tell_size(signal->data);
}

static void terminal_make_raw(struct terminal *t)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &t->before) < 0)
        return;
    raw = t->before;
    cfmakeraw(&raw);
    t->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    t->resized = MEM_NEW(uv_signal_t);
    uv_signal_init(t->loop, t->resized);
    t->resized->data = t;
    uv_signal_start(t->resized, terminal_on_resized, SIGWINCH);
    terminal_tell_size(t);
}

struct terminal *terminal_new(uv_loop_t *loop, bool input, bool raw,
                              const struct terminal_listener *listener)
{
    struct terminal *t = MEM_NEW(struct terminal);
    struct wire_listener told = { .on_data = terminal_on_data,
                                  .on_end = terminal_on_end,
                                  .arg = t };
    struct stat st;

    t->loop = loop;
    t->listener = *listener;
    t->flags = fcntl(STDIN_FILENO, F_GETFL);
    if (raw)
        terminal_make_raw(t);
    if (!input)
        return t;
    if (fstat(STDIN_FILENO, &st) == 0 &&
        (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(STDIN_FILENO))) {
        t->wire = wire_new(loop, fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), &told, 0);
    } else {
        t->files = timer_new(loop, terminal_on_file, t);
        timer_start(t->files, 0);
    }
    return t;
}

void terminal_go_on(struct terminal *t)
{
    if (t == NULL || t->ended)
        return;
    if (t->wire != NULL)
        wire_hold(t->wire, false);
    if (t->files != NULL && !timer_active(t->files))
        timer_start(t->files, 0);
}

void terminal_restore(struct terminal *t)
{
    if (t == NULL)
        return;
    if (t->is_raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
    t->is_raw = false;
    if (t->flags >= 0) /* whoever has the same terminal expects it to block */
        fcntl(STDIN_FILENO, F_SETFL, t->flags);
}

static void terminal_on_closed(uv_handle_t *handle)
{
    free(handle);
}

struct terminal *terminal_free(struct terminal *t)
{
    if (t == NULL)
        return NULL;
    terminal_restore(t);
    wire_close(t->wire);
    timer_close(t->files);
    if (t->resized != NULL)
        uv_close((uv_handle_t *)t->resized, terminal_on_closed);
    free(t);
    return NULL;
}
