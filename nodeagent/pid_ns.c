#include "nodeagent/pid_ns.h"

#include "base/child.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PID_NS_MS 10000

char *pid_ns_path(const char *pod_dir)
{
    return mem_fmt("%s/pid", pod_dir);
}

/* Its first process, while that is alive and still the one: numbers are used again.  0: none. */
static pid_t pid_ns_first(const char *path)
{
    cleanup(freep) char *file = mem_fmt("%s.1", path), *own = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    struct stat a, b;
    int64_t pid;

    if (file_read(&t, file, 32, &ignored) < 0 || !str_i64(text_str(&t), &pid) || pid <= 1)
        return 0;
    own = mem_fmt("/proc/%lld/ns/pid", (long long)pid);
    return stat(path, &a) == 0 && stat(own, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev
               ? (pid_t)pid
               : 0;
}

int pid_ns_ensure(const char *pod_dir, struct err *err)
{
    cleanup(freep) char *path = pid_ns_path(pod_dir), *lock_path = mem_fmt("%s.lock", path);
    cleanup(closep) int lock = open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    const char *argv[] = { "/proc/self/exe", "pause", path, NULL };
    int rc = 0;

    /* The containers of a pod start beside each other. */
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return err_errno(err, errno, "lock %s", lock_path);
    if (pid_ns_first(path) == 0) {
        umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
        rc = child_run_sync(&(struct child_spec){ .argv = argv, .deadline_ms = PID_NS_MS }, NULL,
                            NULL, err);
    }
    return rc < 0 ? err_wrap(err, rc, "process namespace of the pod") : 0;
}

void pid_ns_end(const char *pod_dir)
{
    cleanup(freep) char *path = pid_ns_path(pod_dir);
    pid_t pid = pid_ns_first(path);

    if (pid > 0)
        kill(pid, SIGKILL);
}

/* --- mkube pause --- */

static void pid_ns_on_signal(int signum)
{
    if (signum == SIGCHLD)
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    else
        _exit(0);
}

/* The first process.  It begins when its maker says that the namespace is pinned, and goes when that
 * one ends without having said so. */
static void __attribute__((noreturn)) pid_ns_live(int go)
{
    struct sigaction action = { .sa_handler = pid_ns_on_signal };
    char byte;

    sigemptyset(&action.sa_mask);
    sigaction(SIGCHLD, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    prctl(PR_SET_NAME, "pause");
    if (read(go, &byte, 1) != 1)
        _exit(1);
    setsid();
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    close(go);
    for (;;)
        pause();
}

static int pid_ns_pin(const char *path, pid_t pid, struct err *err)
{
    cleanup(freep) char *own = mem_fmt("/proc/%d/ns/pid", pid), *file = mem_fmt("%s.1", path);
    cleanup(freep) char *number = mem_fmt("%d", pid);
    cleanup(closep) int fd = open(path, O_CREAT | O_RDONLY | O_CLOEXEC, 0444);

    if (fd < 0)
        return err_errno(err, errno, "make %s", path);
    if (mount(own, path, NULL, MS_BIND, NULL) < 0)
        return err_errno(err, errno, "pin %s", path);
    return file_write_fast(file, number, strlen(number), 0600, err);
}

int pid_ns_pause(const char *path, struct err *err)
{
    int go[2], rc;
    pid_t pid;

    if (unshare(CLONE_NEWPID) < 0 || pipe2(go, O_CLOEXEC) < 0)
        return err_errno(err, errno, "make a process namespace");
    pid = fork();
    if (pid < 0)
        return err_errno(err, errno, "start a process");
    if (pid == 0) {
        close(go[1]);
        pid_ns_live(go[0]);
    }
    rc = pid_ns_pin(path, pid, err);
    if (rc == 0 && write(go[1], "", 1) != 1)
        rc = err_errno(err, errno, "begin the process namespace");
    return rc;
}
