/* lab-init: process 1 of a lab host.
 *
 * A host of the lab is a set of namespaces that live exactly as long as this process: killing it is the
 * power cut.  It starts nothing and restarts nothing; it only takes in orphans (conmon daemonises) and
 * buries them, as every init must.  Signals other than SIGKILL do not reach it: the kernel drops what
 * process 1 of a pid namespace has no handler for (pid_namespaces(7)).
 *
 * usage: lab-init [root]    "root": first makes the current directory, a mount point, the root of all mounts
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "lab-init: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

/* The old root goes with all that is mounted below it.  Entering our own mount namespace first takes us to its
 * root, should we be in a chroot: from there alone pivot_root(2) works, and only then do those who enter the
 * namespace of a container (runc exec) arrive in the container. */
static void init_take_root(void)
{
    int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int own = open("proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

    must(setns(own, CLONE_NEWNS), "enter the mount namespace");
    must(fchdir(root), "return to the new root");
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "drop the old root");
    must(chdir("/"), "enter the new root");
    close(own);
    close(root);
}

/* Says that all is well, to whoever waits for the end of our output, and falls silent. */
static void init_report(void)
{
    int null;

    must((int)write(STDOUT_FILENO, "booted\n", 7), "report");
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    must(null, "/dev/null");
    for (int fd = 0; fd < 3; fd++)
        must(dup2(null, fd), "/dev/null");
    close(null);
}

int main(int argc, char **argv)
{
    sigset_t children;

    if (argc == 2 && strcmp(argv[1], "root") == 0)
        init_take_root();
    init_report();
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        sigwaitinfo(&children, NULL); /* blocked above: one that came meanwhile is still pending */
    }
}
