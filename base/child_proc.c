#include "base/child_proc.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CHILD_PROC_DEADLINE_MS  30000
#define CHILD_PROC_MAX_OUTPUT   (1024 * 1024)
#define CHILD_PROC_ERRORS_TAIL  8192
#define CHILD_PROC_MESSAGE_TAIL 600
#define CHILD_PROC_MAX_PASS_FDS 16

extern char **environ;

/* The child's ends and everything else that only lives during the spawn. */
struct child_proc_launch {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int in, out, err;                    /* the child's ends */
    int passed[CHILD_PROC_MAX_PASS_FDS]; /* high duplicates */
    unsigned n_passed;
};

static void child_proc_launch_init(struct child_proc_launch *l)
{
    l->in = l->out = l->err = -1;
    l->n_passed = 0;
    posix_spawn_file_actions_init(&l->actions);
    posix_spawnattr_init(&l->attr);
}

static void child_proc_launch_fini(struct child_proc_launch *l)
{
    closep(&l->in);
    closep(&l->out);
    closep(&l->err);
    for (unsigned i = 0; i < l->n_passed; i++)
        close(l->passed[i]);
    posix_spawn_file_actions_destroy(&l->actions);
    posix_spawnattr_destroy(&l->attr);
}

static int child_proc_write_all(int fd, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)data + done, len - done);

        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Input is a memory file: nothing to pump, no SIGPIPE when the program does not read it. */
static int child_proc_open_input(int *ret_fd, const struct child_spec *spec, struct err *err)
{
    cleanup(closep) int fd = -1;

    if (spec->input == NULL) {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return err_errno(err, errno, "open /dev/null");
    } else {
        fd = memfd_create("input", MFD_CLOEXEC);
        if (fd < 0 || child_proc_write_all(fd, spec->input, spec->input_len) < 0 ||
            lseek(fd, 0, SEEK_SET) < 0)
            return err_errno(err, errno, "keep %zu bytes of input", spec->input_len);
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int child_proc_open_pipe(int *ret_ours, int *ret_theirs, struct err *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(err, errno, "make a pipe");
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    *ret_ours = fds[0];
    *ret_theirs = fds[1];
    return 0;
}

/* Every descriptor is first duplicated above all target numbers, so that no dup2 of the list
 * can overwrite the source of a later one. */
static int child_proc_pass_fds(struct child_proc_launch *l, const int *pairs, struct err *err)
{
    int above = 3;

    if (pairs == NULL)
        return 0;
    for (const int *p = pairs; *p != -1; p += 2)
        above = p[1] >= above ? p[1] + 1 : above;
    for (const int *p = pairs; *p != -1; p += 2) {
        int fd;

        assert(l->n_passed < CHILD_PROC_MAX_PASS_FDS);
        fd = fcntl(p[0], F_DUPFD_CLOEXEC, above);
        if (fd < 0)
            return err_errno(err, errno, "duplicate descriptor %d", p[0]);
        l->passed[l->n_passed++] = fd;
        posix_spawn_file_actions_adddup2(&l->actions, fd, p[1]);
    }
    return 0;
}

/* The program starts with all signals unblocked and at their defaults; we ignore SIGPIPE. */
static void child_proc_set_attr(struct child_proc_launch *l, const struct child_spec *spec)
{
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t all, none;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&l->attr, &all);
    posix_spawnattr_setsigmask(&l->attr, &none);
    if (spec->new_session)
        flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setflags(&l->attr, flags);
}

static int child_proc_launch(struct child_proc *p, struct child_proc_launch *l,
                             const struct child_spec *spec, struct err *err)
{
    /* POSIX declares these arrays without const but does not write to them. */
    char *const *argv = (char *const *)(uintptr_t)spec->argv;
    char *const *env = spec->env != NULL ? (char *const *)(uintptr_t)spec->env : environ;
    int rc;

    rc = child_proc_open_input(&l->in, spec, err);
    if (rc == 0)
        rc = child_proc_open_pipe(&p->out, &l->out, err);
    if (rc == 0)
        rc = child_proc_open_pipe(&p->err, &l->err, err);
    if (rc < 0)
        return rc;
    posix_spawn_file_actions_adddup2(&l->actions, l->in, 0);
    posix_spawn_file_actions_adddup2(&l->actions, l->out, 1);
    posix_spawn_file_actions_adddup2(&l->actions, l->err, 2);
    if (spec->cwd != NULL)
        posix_spawn_file_actions_addchdir_np(&l->actions, spec->cwd);
    rc = child_proc_pass_fds(l, spec->pass_fds, err);
    if (rc < 0)
        return rc;
    child_proc_set_attr(l, spec);
    rc = posix_spawnp(&p->pid, p->name, &l->actions, &l->attr, argv, env);
    if (rc != 0) {
        p->pid = 0;
        return err_errno(err, rc, "start %s", p->name);
    }
    /* Nobody but us waits for this pid, so it cannot have been reused yet. */
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (p->pidfd >= 0)
        return 0;
    rc = err_errno(err, errno, "watch process %d", (int)p->pid);
    kill(p->pid, SIGKILL);
    waitpid(p->pid, &p->wait_status, 0);
    p->pid = 0;
    return rc;
}

int child_proc_start(struct child_proc *p, const struct child_spec *spec, struct err *err)
{
    struct child_proc_launch l;
    int rc;

    assert(spec->argv != NULL && spec->argv[0] != NULL);
    assert(spec->deadline_ms >= -1);
    *p = (struct child_proc){ .name = mem_str(spec->argv[0]), .pidfd = -1, .out = -1, .err = -1 };
    p->max_output = spec->max_output != 0 ? spec->max_output : CHILD_PROC_MAX_OUTPUT;
    p->deadline_ms = spec->deadline_ms != 0 ? spec->deadline_ms : CHILD_PROC_DEADLINE_MS;
    child_proc_launch_init(&l);
    rc = child_proc_launch(p, &l, spec, err);
    child_proc_launch_fini(&l);
    return rc;
}

static void child_proc_close(int *fd)
{
    closep(fd);
    *fd = -1;
}

void child_proc_fini(struct child_proc *p)
{
    child_proc_close(&p->out);
    child_proc_close(&p->err);
    child_proc_close(&p->pidfd);
    text_fini(&p->output);
    text_fini(&p->errors);
    free(STEAL(p->name));
}

static void child_proc_keep(struct child_proc *p, int fd, const char *data, size_t len)
{
    if (fd == p->err) {
        text_add(&p->errors, data, len);
        if (p->errors.len > CHILD_PROC_ERRORS_TAIL)
            text_drop(&p->errors, p->errors.len - CHILD_PROC_ERRORS_TAIL);
        return;
    }
    if (p->is_over_limit)
        return;
    if (p->output.len + len > p->max_output) {
        p->is_over_limit = true;
        child_proc_kill(p);
        return;
    }
    text_add(&p->output, data, len);
}

bool child_proc_read(struct child_proc *p, int fd)
{
    char buffer[16384];

    assert(fd >= 0 && (fd == p->out || fd == p->err));
    for (unsigned turn = 0; turn < 16; turn++) {
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n > 0)
            child_proc_keep(p, fd, buffer, (size_t)n);
        else if (n < 0 && errno == EAGAIN)
            return true;
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

void child_proc_kill(struct child_proc *p)
{
    if (p->pid != 0)
        kill(p->pid, SIGKILL);
}

static void child_proc_drain(struct child_proc *p, int fd)
{
    /* A pipe holds 64 KiB unless enlarged; a writer left behind cannot keep us here for ever. */
    for (unsigned turn = 0; fd >= 0 && turn < 8; turn++) {
        if (!child_proc_read(p, fd))
            return;
    }
}

void child_proc_reap(struct child_proc *p)
{
    pid_t pid;

    assert(p->pid != 0);
    do {
        pid = waitpid(p->pid, &p->wait_status, 0);
    } while (pid < 0 && errno == EINTR);
    p->pid = 0;
    child_proc_drain(p, p->out);
    child_proc_drain(p, p->err);
}

/* The last lines of stderr on one line. */
static void child_proc_message(const struct child_proc *p, struct text *ret)
{
    const char *s = text_str(&p->errors);
    size_t len = p->errors.len;

    while (len > 0 && (s[len - 1] == '\n' || s[len - 1] == '\r'))
        len--;
    if (len > CHILD_PROC_MESSAGE_TAIL) {
        const char *from = s + len - CHILD_PROC_MESSAGE_TAIL;
        const char *line = memchr(from, '\n', CHILD_PROC_MESSAGE_TAIL);

        from = line != NULL ? line + 1 : from;
        len -= (size_t)(from - s);
        s = from;
    }
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\n')
            text_puts(ret, "; ");
        else if ((unsigned char)s[i] >= ' ')
            text_putc(ret, s[i]);
    }
}

int child_proc_verdict(struct child_proc *p, struct child_result *ret, struct err *err)
{
    cleanup(text_fini) struct text message = TEXT_EMPTY;

    assert(p->pid == 0);
    ret->signal = WIFSIGNALED(p->wait_status) ? WTERMSIG(p->wait_status) : 0;
    ret->exit_code = WIFEXITED(p->wait_status) ? WEXITSTATUS(p->wait_status) : -1;
    ret->output = text_str(&p->output);
    ret->output_len = p->output.len;
    ret->errors = text_str(&p->errors);
    if (p->is_over_limit)
        return err_set(err, ERR_LIMIT, "%s: more than %zu bytes of output", p->name, p->max_output);
    if (p->is_timed_out)
        return err_set(err, ERR_TIMEOUT, "%s: not finished after %lld ms", p->name,
                       (long long)p->deadline_ms);
    if (ret->exit_code == 0)
        return 0;
    child_proc_message(p, &message);
    if (message.len > 0)
        return err_set(err, ERR_INTERNAL, "%s: %s", p->name, text_str(&message));
    if (ret->exit_code > 0)
        return err_set(err, ERR_INTERNAL, "%s: exit code %d", p->name, ret->exit_code);
    return err_set(err, ERR_INTERNAL, "%s: killed by signal %d", p->name, ret->signal);
}
