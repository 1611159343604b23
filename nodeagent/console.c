#include "nodeagent/console.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct console {
    uv_loop_t *loop;
    int fd;          /* listening; later runc's connection */
    uv_poll_t *poll; /* of it; dies in its close callback */
    void (*on_master)(void *arg, int fd);
    void *arg;
};

static void console_on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void console_stop(struct console *c)
{
    if (c->poll != NULL)
        uv_close((uv_handle_t *)STEAL(c->poll), console_on_poll_closed);
    closep(&c->fd);
    c->fd = -1;
}

static void console_watch(struct console *c, int fd, uv_poll_cb cb)
{
    c->fd = fd;
    c->poll = MEM_NEW(uv_poll_t);
    uv_poll_init(c->loop, c->poll, fd);
    c->poll->data = c;
    uv_poll_start(c->poll, UV_READABLE, cb);
}

static int console_receive(int fd)
{
    char name[256];
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = name, .iov_len = sizeof(name) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    struct cmsghdr *c;
    int master = -1;

    if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) < 0)
        return -1;
    c = CMSG_FIRSTHDR(&msg);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&master, CMSG_DATA(c), sizeof(int));
    return master;
}

static void console_on_message(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct console *c = poll->data;
    int master = console_receive(c->fd);

    console_stop(c);
    if (master >= 0)
        c->on_master(c->arg, master);
}

static void console_on_connection(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct console *c = poll->data;
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    console_stop(c);
    console_watch(c, fd, console_on_message);
}

static int console_listen(int *ret, const char *path, struct err *err)
{
    const char *name = strrchr(path, '/') + 1;
    cleanup(freep) char *dir = mem_strn(path, (size_t)(name - path));
    cleanup(closep) int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || dir_fd < 0) {
        closep(&fd);
        return err_errno(err, errno, "open %s", dir);
    }
    snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0) {
        int rc = err_errno(err, errno, "listen on %s", path);

        close(fd);
        return rc;
    }
    *ret = fd;
    return 0;
}

int console_new(struct console **ret, uv_loop_t *loop, const char *path,
                void (*on_master)(void *arg, int fd), void *arg, struct err *err)
{
    struct console *c;
    int fd = -1;
    int rc = console_listen(&fd, path, err);

    if (rc < 0)
        return rc;
    c = MEM_NEW(struct console);
    c->loop = loop;
    c->on_master = on_master;
    c->arg = arg;
    console_watch(c, fd, console_on_connection);
    *ret = c;
    return 0;
}

struct console *console_close(struct console *c)
{
    if (c == NULL)
        return NULL;
    console_stop(c);
    free(c);
    return NULL;
}
