#include "nodeagent/attach.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ATTACH_PACKET 8192 /* conmon reads no more at once */
#define ATTACH_BACKLOG \
    (1024 * 1024)       /* held for a slow client, so that conmon does not cut it off */
#define ATTACH_STDOUT 2 /* conmon: the first byte of a packet */
#define ATTACH_STDERR 3

struct attach {
    struct runtime *rt;
    uv_loop_t *loop;
    struct channels *client; /* NULL once gone or told */
    struct wire *socket;
    char *id;
    pid_t pid;
    bool is_held; /* the client's stdin */
    void (*on_done)(void *arg);
    void *arg;
};

static void attach_done(struct attach *a)
{
    void (*on_done)(void *arg) = a->on_done;
    void *arg = a->arg;

    wire_close(a->socket);
    runtime_release(a->rt);
    free(a->id);
    free(a);
    on_done(arg);
}

static void attach_finish(struct attach *a, const char *why)
{
    json_t *status = why == NULL
                         ? json_pack("{s:{}, s:s}", "metadata", "status", "Success")
                         : json_pack("{s:{}, s:s, s:s, s:s, s:i}", "metadata", "status", "Failure",
                                     "message", why, "reason", "InternalError", "code", 500);

    channels_finish(STEAL(a->client), status);
    attach_done(a);
}

/* --- from the container --- */

static void attach_on_packet(void *arg, unsigned char *data, size_t len)
{
    struct attach *a = arg;

    if (len < 1 || (data[0] != ATTACH_STDOUT && data[0] != ATTACH_STDERR))
        return;
    channels_write(a->client, data[0] == ATTACH_STDOUT ? CHANNEL_STDOUT : CHANNEL_STDERR, data + 1,
                   len - 1);
    if (channels_backlog(a->client) > ATTACH_BACKLOG)
        wire_hold(a->socket, true);
}

static void attach_on_socket_end(void *arg)
{
    struct attach *a = arg;
    bool is_alive = kill(a->pid, 0) == 0;

    attach_finish(a, is_alive && channels_backlog(a->client) > PEER_BACKLOG
                         ? "Internal error occurred: error attaching to container: the client is "
                           "too slow for the container's output"
                         : NULL);
}

static void attach_on_socket_drain(void *arg)
{
    struct attach *a = arg;

    if (a->is_held)
        channels_hold(a->client, false);
    a->is_held = false;
}

/* --- from the client --- */

static void attach_on_stdin(void *arg, const void *data, size_t len)
{
    struct attach *a = arg;

    wire_write(a->socket, data, len);
    if (wire_backlog(a->socket) > PEER_BACKLOG) {
        a->is_held = true;
        channels_hold(a->client, true);
    }
}

static void attach_on_stdin_end(void *arg)
{
    struct attach *a = arg;

    wire_end(a->socket); /* conmon closes a stdinOnce */
}

static void attach_on_resize(void *arg, unsigned width, unsigned height)
{
    struct attach *a = arg;
    cleanup(freep) char *path = runtime_bundle(a->rt, a->id, "ctl");
    cleanup(freep) char *line = mem_fmt("1 %u %u\n", height, width); /* conmon: ctrl.c */
    cleanup(closep) int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t ignored UNUSED;

    if (fd >= 0)
        ignored = write(fd, line, strlen(line));
}

static void attach_on_drain(void *arg)
{
    struct attach *a = arg;

    if (a->socket != NULL)
        wire_hold(a->socket, false);
}

static void attach_on_gone(void *arg)
{
    struct attach *a = arg;

    a->client = NULL;
    attach_done(a);
}

/* --- connecting --- */

static int attach_connect(const struct attach *a)
{
    cleanup(freep) char *bundle = runtime_bundle(a->rt, a->id, "");
    cleanup(closep) int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/attach", dir);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    closep(&fd);
    return -1;
}

static void attach_on_open(void *arg)
{
    struct attach *a = arg;
    const struct wire_listener listener = { .on_data = attach_on_packet,
                                            .on_end = attach_on_socket_end,
                                            .on_drain = attach_on_socket_drain,
                                            .arg = a };
    int fd = attach_connect(a);

    if (fd < 0) {
        attach_finish(a, "Internal error occurred: error attaching to container: its monitor does "
                         "not answer");
        return;
    }
    a->socket = wire_new(a->loop, fd, &listener, ATTACH_PACKET);
    channels_hold(a->client, false);
}

struct attach *attach_new(struct runtime *rt, struct peers *set, const char *container_id,
                          pid_t pid, const struct channels_opts *opts, void (*on_done)(void *arg),
                          void *arg)
{
    struct attach *a = MEM_NEW(struct attach);
    const struct channels_listener listener = { .on_open = attach_on_open,
                                                .on_stdin = attach_on_stdin,
                                                .on_stdin_end = attach_on_stdin_end,
                                                .on_resize = attach_on_resize,
                                                .on_drain = attach_on_drain,
                                                .on_gone = attach_on_gone,
                                                .arg = a };

    a->rt = rt;
    runtime_hold(rt);
    a->loop = set->loop;
    a->id = mem_str(container_id);
    a->pid = pid;
    a->on_done = on_done;
    a->arg = arg;
    a->client = channels_new(set, opts, &listener);
    return a;
}
