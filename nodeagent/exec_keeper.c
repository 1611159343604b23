#include "nodeagent/exec_keeper.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEEPER_FAILED 1

extern char **environ;

/* runc with the program's streams as its own, and no signal of ours held back or ignored. */
static pid_t keeper_spawn(char **argv)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    pid_t pid = -1;
    int rc;

    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&actions, KEEPER_STDIN + i, i);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawnp(&pid, argv[0], &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc == 0 ? pid : -1;
}

static int keeper_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* True: @pid has ended (or was never ours).  What else runc leaves behind is reaped besides, but
 * only when @others: before we know the program's pid, it must not be mistaken for that. */
static bool keeper_reap(pid_t pid, bool others, int *ret_code)
{
    int status;
    pid_t p = waitpid(pid, &status, WNOHANG);

    if (p == pid)
        *ret_code = keeper_code(status);
    else if (p == 0 && others)
        while ((p = waitpid(-1, &status, WNOHANG)) > 0)
            if (p == pid) {
                *ret_code = keeper_code(status);
                return true;
            }
    return p == pid || (p < 0 && errno == ECHILD);
}

struct keeper {
    sigset_t signals; /* SIGCHLD, SIGTERM; blocked */
    bool is_ending;
    time_t kill_at; /* monotonic seconds */
};

static time_t keeper_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Waits until @pid, our child, has ended.  @program is who is told to end, 0 = nobody yet. */
static int keeper_wait(struct keeper *k, pid_t pid, pid_t program)
{
    const struct timespec second = { .tv_sec = 1 };
    int code = KEEPER_FAILED;

    while (!keeper_reap(pid, program > 0, &code)) {
        int signum = sigtimedwait(&k->signals, NULL, &second);

        if (signum == SIGTERM && !k->is_ending) {
            k->is_ending = true;
            k->kill_at = keeper_now() + KEEPER_GRACE_S;
            if (program > 0)
                kill(-program, SIGTERM);
        }
        if (k->is_ending && program > 0 && keeper_now() >= k->kill_at &&
            kill(-program, SIGKILL) < 0)
            kill(program, SIGKILL);
    }
    return code;
}

static pid_t keeper_read_pid(const char *pid_file)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    int64_t pid;

    if (file_read(&t, pid_file, 32, &ignored) < 0 || !str_i64(text_str(&t), &pid) || pid <= 1)
        return -1;
    return (pid_t)pid;
}

int exec_keeper(const char *pid_file, char **argv)
{
    struct keeper k = { .is_ending = false };
    pid_t pid;

    for (int fd = KEEPER_REPORT; fd <= KEEPER_STDIN + 2; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    sigemptyset(&k.signals);
    sigaddset(&k.signals, SIGCHLD);
    sigaddset(&k.signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &k.signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid = keeper_spawn(argv);
    for (int i = 0; i < 3; i++)
        close(KEEPER_STDIN + i); /* the program's ends: with it they must end */
    if (pid < 0 || keeper_wait(&k, pid, 0) != 0)
        return KEEPER_FAILED;
    pid = keeper_read_pid(pid_file);
    if (pid < 0)
        return KEEPER_FAILED;
    /* Nobody reads: the agent has gone before it could be seen to go. */
    if (k.is_ending || write(KEEPER_REPORT, "1", 1) != 1)
        kill(getpid(), SIGTERM);
    k.is_ending = false;
    close(KEEPER_REPORT);
    return keeper_wait(&k, pid, pid);
}
