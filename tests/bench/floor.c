/* floor: the least that starting a pod with runc and conmon costs on this host.
 *
 * Exactly these steps, one behind the other, and nothing around them: an overlay mount; a pinned
 * network namespace with a veth pair on a bridge, address and route; conmon with `runc create`, until
 * its sync pipe tells the process' id; `runc start`.  Prints a line of milliseconds for each pod:
 * overlay network create start total.  With JOBS > 1, so many go on at once, and the last line is the
 * time for all of them.  Ends what it started.
 *
 * usage: floor DIR LOWER CONFIG N JOBS
 *   DIR     an empty directory on the node's disk
 *   LOWER   lowerdir= of the overlay
 *   CONFIG  config.json with the word NETNS where the path of the namespace goes
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#define BRIDGE  "floor0"
#define N_STEPS 4

extern char **environ;

struct floor {
    const char *dir, *lower;
    char *config;
};

static double floor_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static char *floor_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *floor_fmt(const char *fmt, ...)
{
    va_list ap;
    char *s;

    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        errx(1, "no memory");
    va_end(ap);
    return s;
}

/* Runs @argv to its end, @input (may be NULL) on its standard input. */
static void floor_run(const char *const *argv, const char *input, bool must)
{
    posix_spawn_file_actions_t actions;
    int pipe_fds[2] = { -1, -1 }, status;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    if (input != NULL) {
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
            err(1, "pipe");
        posix_spawn_file_actions_adddup2(&actions, pipe_fds[0], 0);
    }
    if (!must)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(void *)argv, environ) != 0)
        err(1, "%s", argv[0]);
    posix_spawn_file_actions_destroy(&actions);
    if (input != NULL) {
        close(pipe_fds[0]);
        if (write(pipe_fds[1], input, strlen(input)) < 0)
            err(1, "%s", argv[0]);
        close(pipe_fds[1]);
    }
    if (waitpid(pid, &status, 0) < 0 || (must && status != 0))
        errx(1, "%s %s: status %d", argv[0], argv[1], status);
}

static void floor_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        err(1, "%s", path);
}

/* --- the steps --- */

static void floor_overlay(const struct floor *f, const char *pod)
{
    const char *const below[] = { "", "/upper", "/work", "/rootfs" };
    char *options = floor_fmt("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", f->lower, pod, pod);
    char *rootfs = floor_fmt("%s/rootfs", pod);

    for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
        char *dir = floor_fmt("%s%s", pod, below[i]);

        if (mkdir(dir, 0755) < 0)
            err(1, "mkdir %s", dir);
        free(dir);
    }
    if (mount("overlay", rootfs, "overlay", 0, options) < 0)
        err(1, "overlay on %s", rootfs);
    free(rootfs);
    free(options);
}

static void floor_join_bridge(const char *veth)
{
    struct ifreq request = { .ifr_ifindex = (int)if_nametoindex(veth) };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    strcpy(request.ifr_name, BRIDGE);
    if (ioctl(fd, SIOCBRADDIF, &request) < 0)
        err(1, "%s into " BRIDGE, veth);
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", veth);
    request.ifr_flags = IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        err(1, "%s up", veth);
    close(fd);
}

/* A child makes the namespace and turns into `ip` in it; our pid names the one where the peer goes. */
static void floor_network(const char *pod, int index)
{
    char *pin = floor_fmt("%s/netns", pod), *veth = floor_fmt("floor%d", index + 1);
    char *lines = floor_fmt("link add eth0 type veth peer name %s netns %d\nlink set lo up\n"
                            "link set eth0 up\naddr add 10.99.0.%d/24 dev eth0\n"
                            "route add default via 10.99.0.1\n",
                            veth, getpid(), index + 2);
    int fds[2], status;

    floor_write(pin, "");
    if (pipe2(fds, O_CLOEXEC) < 0)
        err(1, "pipe");
    if (fork() == 0) {
        dup2(fds[0], 0);
        if (unshare(CLONE_NEWNET) < 0 || mount("/proc/self/ns/net", pin, NULL, MS_BIND, NULL) < 0)
            err(1, "network namespace");
        execlp("ip", "ip", "-batch", "-", NULL);
        err(1, "ip");
    }
    close(fds[0]);
    if (write(fds[1], lines, strlen(lines)) < 0)
        err(1, "ip");
    close(fds[1]);
    if (wait(&status) < 0 || status != 0)
        errx(1, "ip: status %d", status);
    floor_join_bridge(veth);
    free(lines);
    free(veth);
    free(pin);
}

static void floor_put_config(const struct floor *f, const char *pod)
{
    const char *at = strstr(f->config, "NETNS");
    char *path = floor_fmt("%s/config.json", pod);
    char *text;

    if (at == NULL)
        errx(1, "config.json names no NETNS");
    text = floor_fmt("%.*s%s/netns%s", (int)(at - f->config), f->config, pod, at + strlen("NETNS"));
    floor_write(path, text);
    free(text);
    free(path);
}

/* conmon leaves the container's output to its log and tells the pid when `runc create` is through. */
static void floor_create(const struct floor *f, const char *pod, const char *id)
{
    char *root = floor_fmt("%s/runc", f->dir), *log = floor_fmt("k8s-file:%s/log", pod);
    char *pidfile = floor_fmt("%s/pid", pod), *own = floor_fmt("%s/conmon.pid", pod);
    const char *const argv[] = { "conmon",
                                 "--api-version",
                                 "1",
                                 "-c",
                                 id,
                                 "-u",
                                 id,
                                 "-r",
                                 "/usr/sbin/runc",
                                 "-b",
                                 pod,
                                 "-p",
                                 pidfile,
                                 "-P",
                                 own,
                                 "-l",
                                 log,
                                 "--full-attach",
                                 "--no-sync-log",
                                 "--runtime-arg",
                                 "--root",
                                 "--runtime-arg",
                                 root,
                                 NULL };
    posix_spawn_file_actions_t actions;
    char report[256] = "",
         *env[] = { "_OCI_SYNCPIPE=3", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
    int fds[2];
    pid_t pid;

    floor_put_config(f, pod);
    if (pipe2(fds, O_CLOEXEC) < 0)
        err(1, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 3);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (posix_spawnp(&pid, "conmon", &actions, NULL, (char *const *)(void *)argv, env) != 0)
        err(1, "conmon");
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (read(fds[0], report, sizeof(report) - 1) <= 0 || strstr(report, "\"data\": -") != NULL)
        errx(1, "conmon: %s", report);
    close(fds[0]);
    waitpid(pid, NULL, 0);
    free(own);
    free(pidfile);
    free(log);
    free(root);
}

static void floor_runc(const struct floor *f, const char *verb, const char *id, bool must)
{
    char *root = floor_fmt("%s/runc", f->dir);
    const char *const argv[] = { "runc", "--root", root, verb, id, NULL };

    floor_run(argv, NULL, must);
    free(root);
}

/* --- one pod, and its end --- */

static void floor_pod(const struct floor *f, int index)
{
    char *pod = floor_fmt("%s/pod%d", f->dir, index), *id = floor_fmt("floor%d", index);
    double at[N_STEPS + 1];

    at[0] = floor_now_ms();
    floor_overlay(f, pod);
    at[1] = floor_now_ms();
    floor_network(pod, index);
    at[2] = floor_now_ms();
    floor_create(f, pod, id);
    at[3] = floor_now_ms();
    floor_runc(f, "start", id, true);
    at[4] = floor_now_ms();
    for (int i = 0; i < N_STEPS; i++)
        printf("%.3f ", at[i + 1] - at[i]);
    printf("%.3f\n", at[N_STEPS] - at[0]);
    fflush(stdout);
    free(id);
    free(pod);
}

/* A container's state outlives its process for a moment: conmon has to bury it. */
static void floor_end(const struct floor *f, int index)
{
    char *pod = floor_fmt("%s/pod%d", f->dir, index), *id = floor_fmt("floor%d", index);
    char *path = floor_fmt("%s/pid", pod);
    FILE *pidfile = fopen(path, "re");
    int pid = 0;

    if (pidfile != NULL && fscanf(pidfile, "%d", &pid) == 1 && pid > 1)
        kill(pid, SIGKILL);
    if (pidfile != NULL)
        fclose(pidfile);
    for (int i = 0; pid > 1 && i < 200 && kill(pid, 0) == 0; i++)
        usleep(5000);
    floor_runc(f, "delete", id, false);
    free(path);
    path = floor_fmt("%s/netns", pod);
    umount2(path, MNT_DETACH);
    free(path);
    path = floor_fmt("%s/rootfs", pod);
    umount2(path, MNT_DETACH);
    free(path);
    free(id);
    free(pod);
}

static void floor_bridge(bool up)
{
    static const char *const ip[] = { "ip", "-batch", "-", NULL };

    floor_run(ip,
              up ? "link add " BRIDGE " type bridge\naddr add 10.99.0.1/24 dev " BRIDGE
                   "\nlink set " BRIDGE " up\n"
                 : "link del " BRIDGE "\n",
              up);
}

/* So many at once, each in a process of its own. */
static bool floor_at_once(const struct floor *f, int n, int jobs)
{
    bool good = true;
    int status;

    for (int i = 0; i < n + jobs; i++) {
        if (i >= jobs || i >= n) {
            if (wait(&status) > 0)
                good = good && status == 0;
        }
        if (i < n && fork() == 0) {
            floor_pod(f, i);
            _exit(0);
        }
    }
    while (wait(&status) > 0)
        good = good && status == 0;
    return good;
}

static char *floor_read(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "re");

    if (file == NULL)
        err(1, "%s", path);
    if (fread(text, 1, sizeof(text) - 1, file) == 0)
        errx(1, "%s is empty", path);
    fclose(file);
    return text;
}

int main(int argc, char **argv)
{
    struct floor f;
    bool good = true;
    double start;
    int n, jobs;

    if (argc != 6)
        errx(2, "usage: floor DIR LOWER CONFIG N JOBS");
    f = (struct floor){ .dir = argv[1], .lower = argv[2], .config = floor_read(argv[3]) };
    n = atoi(argv[4]);
    jobs = atoi(argv[5]);
    if (n < 1 || n > 200 || jobs < 1)
        errx(2, "1 to 200 pods");
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    floor_bridge(true);
    start = floor_now_ms();
    if (jobs > 1)
        good = floor_at_once(&f, n, jobs);
    for (int i = 0; jobs == 1 && i < n; i++) {
        floor_pod(&f, i);
        floor_end(&f, i);
    }
    printf("%.3f\n", floor_now_ms() - start);
    for (int i = 0; jobs > 1 && i < n; i++)
        floor_end(&f, i);
    floor_bridge(false);
    return good ? 0 : 1;
}
