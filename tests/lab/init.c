/* lab-init: process 1 of a lab host.
 *
 * A host of the lab is a set of namespaces that live exactly as long as this process: killing it is the
 * power cut.  It starts nothing and restarts nothing; it only takes in orphans (conmon daemonises) and
 * buries them, as every init must.  Signals other than SIGKILL do not reach it: the kernel drops what
 * process 1 of a pid namespace has no handler for (pid_namespaces(7)).
 */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t children;

    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        sigwaitinfo(&children, NULL); /* blocked above: one that came meanwhile is still pending */
    }
}
