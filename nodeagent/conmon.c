#include "nodeagent/conmon.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define CONMON_SYNC_FD 3 /* in conmon; told by _OCI_SYNCPIPE */

/* The variable part of the command line: what the container wants of its standard streams. */
static void conmon_add_streams(const char **argv, const json_t *container)
{
    size_t n = 0;

    while (argv[n] != NULL)
        n++;
    if (json_bool(container, "tty", false))
        argv[n++] = "-t";
    if (json_bool(container, "stdin", false))
        argv[n++] = "-i";
    if (json_bool(container, "stdin", false) && !json_bool(container, "stdinOnce", false))
        argv[n++] = "--leave-stdin-open";
}

static int conmon_pipe(int *ret_ours, int *ret_theirs, struct err *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_errno(err, errno, "make a pipe");
    fcntl(fds[1], F_SETFL, 0);
    *ret_ours = fds[0];
    *ret_theirs = fds[1];
    return 0;
}

int conmon_run(struct child **ret, int *ret_sync, const struct runtime *rt,
               const struct conmon_spec *spec, child_done_fn done, void *arg, struct err *err)
{
    cleanup(freep) char *bundle = runtime_bundle(rt, spec->id, "");
    cleanup(freep) char *pidfile = runtime_bundle(rt, spec->id, "pidfile");
    cleanup(freep) char *conmon_pid = runtime_bundle(rt, spec->id, "conmon.pid");
    cleanup(freep) char *log = mem_fmt("k8s-file:%s", spec->log_path);
    cleanup(freep) char *exits = mem_fmt("%s/exits", runtime_run_dir(rt));
    const char *path = getenv("PATH");
    cleanup(freep) char *env_path = mem_fmt("PATH=%s",
                                            path == NULL ? "/usr/sbin:/usr/bin:/sbin:/bin" : path);
    /* clang-format off */
    const char *argv[32] = {
        runtime_conmon(rt), "--api-version", "1", "-c", spec->id, "-u", spec->id,
        "-r", runtime_runc(rt), "--runtime-arg", "--root", "--runtime-arg", runtime_runc_root(rt),
        "-b", bundle, "-p", pidfile, "-P", conmon_pid, "-l", log, "--exit-dir", exits,
        "--full-attach", "--no-sync-log",
    };
    /* clang-format on */
    const char *env[] = { env_path, "_OCI_SYNCPIPE=3", NULL };
    cleanup(closep) int theirs = -1;
    int ours = -1;
    int rc = conmon_pipe(&ours, &theirs, err);

    if (rc < 0)
        return rc;
    conmon_add_streams(argv, spec->container);
    const int fds[] = { theirs, CONMON_SYNC_FD, -1 };
    /* conmon notes an OOM in a file where it stands: not where the agent was started. */
    const struct child_spec child = { .argv = argv, .env = env, .pass_fds = fds, .cwd = bundle };

    *ret_sync = ours;
    *ret = child_run(runtime_loop(rt), &child, done, arg);
    return 0;
}

/* runc's error is a line of its log: time="..." level=error msg="..."; people want the inside. */
char *conmon_plain_message(const char *line)
{
    const char *msg = strstr(line, "msg=\"");
    struct text t = TEXT_EMPTY;

    if (msg == NULL)
        return mem_str(line);
    for (msg += strlen("msg=\""); *msg != '\0' && *msg != '"'; msg++) {
        msg += *msg == '\\' && msg[1] != '\0';
        text_putc(&t, *msg);
    }
    return text_take(&t);
}

int conmon_report(pid_t *ret_pid, const struct text *report, struct err *err)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(freep) char *why = NULL;
    int64_t pid;
    int rc = json_parse(&tree, text_str(report), report->len, NULL, err);

    if (rc < 0)
        return err_wrap(err, ERR_PROTOCOL, "conmon's report");
    pid = json_int(tree, "data", -1);
    if (pid > 0) {
        *ret_pid = (pid_t)pid;
        return 0;
    }
    why = conmon_plain_message(json_str_or(tree, "message", "runc create failed"));
    return err_set(err, ERR_INTERNAL, "%s", why);
}

bool conmon_reopen_log(const struct runtime *rt, const char *id)
{
    static const char reopen[] = "2 0 0\n"; /* conmon: ctrl.c, REOPEN_LOGS_EVENT */
    cleanup(freep) char *path = runtime_bundle(rt, id, "ctl");
    cleanup(closep) int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 && write(fd, reopen, sizeof(reopen) - 1) == (ssize_t)sizeof(reopen) - 1;
}
