#include "nodeagent/life.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/conmon.h"
#include "nodeagent/life_files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define LIFE_CREATE_MS     120000 /* conmon and runc create; long only on a starved node */
#define LIFE_DELETE_MS     60000
#define LIFE_EXIT_GRACE_MS 3000 /* the process is gone: so long may conmon take to say how */
#define LIFE_EXIT_RETRY_MS 50

enum life_state {
    LIFE_PREPARING,
    LIFE_CREATING,
    LIFE_RUNNING,
    LIFE_EXITED,
    LIFE_REMOVING,
    LIFE_GONE
};

#define MAY(s) (1u << (s))
static const unsigned life_next[] = {
    [LIFE_PREPARING] = MAY(LIFE_CREATING) | MAY(LIFE_EXITED),
    [LIFE_CREATING] = MAY(LIFE_RUNNING) | MAY(LIFE_EXITED),
    [LIFE_RUNNING] = MAY(LIFE_EXITED),
    [LIFE_EXITED] = MAY(LIFE_REMOVING),
    [LIFE_REMOVING] = MAY(LIFE_GONE),
    [LIFE_GONE] = 0,
};

struct life {
    struct runtime *rt;    /* borrowed */
    struct life_spec spec; /* owned copies; env, mounts, record freed after preparing */
    struct life_listener listener;
    enum life_state state;
    bool is_left;    /* no callbacks; memory goes when the jobs are done */
    unsigned n_jobs; /* work and handles that still point here */

    int sync_fd; /* -1 when closed */
    uv_poll_t sync;
    bool sync_open;
    struct text report;    /* conmon's JSON line */
    struct child *child;   /* conmon's first process, or runc delete; NULL when over */
    struct child *starter; /* runc start, where the FIFO is not to be found */

    int start_fd; /* runc's FIFO, while we wait for init to come to it */
    uv_poll_t start;
    bool start_open;

    int pidfd;
    uv_poll_t exit;
    bool exit_open;
    struct timer *timer;   /* limit of creation; later retries of the exit file */
    int64_t gone_since_ms; /* monotonic; 0 = the process is not known to be gone */

    pid_t pid;
    int64_t started_ms;
};

static void life_enter(struct life *l, enum life_state next)
{
    static const char *const names[] = { "preparing", "creating", "running",
                                         "exited",    "removing", "gone" };

    assert(life_next[l->state] & MAY(next));
    log_debug("container life", KV("container", "%.12s", l->spec.id),
              KV("state", "%s", names[next]));
    l->state = next;
}

/* --- memory --- */

static void life_free_inputs(struct life *l)
{
    struct life_spec *s = &l->spec;

    env_list_fini(&s->env);
    for (size_t i = 0; i < s->n_mounts; i++) {
        free(s->mounts[i].source);
        free(s->mounts[i].destination);
    }
    free(s->mounts);
    s->mounts = NULL;
    s->n_mounts = 0;
    free((void *)(uintptr_t)s->record);
    s->record = NULL;
    s->image = image_unref(s->image);
}

static void life_free(struct life *l)
{
    const char *strings[] = { l->spec.id,          l->spec.log_path, l->spec.net_ns,
                              l->spec.uts_ns,      l->spec.ipc_ns,   l->spec.shm,
                              l->spec.record_path, l->spec.hostname, l->spec.log_link,
                              l->spec.pid_ns };

    assert(l->n_jobs == 0 && !l->sync_open && !l->start_open && !l->exit_open);
    runtime_remove(l->rt, l->spec.id, l);
    life_free_inputs(l);
    for (size_t i = 0; i < N_ELEMENTS(strings); i++)
        free((void *)(uintptr_t)strings[i]);
    pod_view_unref(l->spec.pod);
    text_fini(&l->report);
    runtime_release(l->rt);
    free(l);
}

/* The last job has ended: tell, and go. */
static void life_job_over(struct life *l)
{
    struct life_listener listener = l->listener;
    bool tell = !l->is_left;

    assert(l->n_jobs > 0);
    if (--l->n_jobs > 0 || (!l->is_left && l->state != LIFE_GONE))
        return;
    life_free(l);
    if (tell)
        listener.on_gone(listener.arg);
}

static void life_on_sync_closed(uv_handle_t *handle)
{
    struct life *l = container_of((uv_poll_t *)handle, struct life, sync);

    life_job_over(l);
}

static void life_on_exit_closed(uv_handle_t *handle)
{
    struct life *l = container_of((uv_poll_t *)handle, struct life, exit);

    life_job_over(l);
}

static void life_close_sync(struct life *l)
{
    if (!l->sync_open)
        return;
    l->sync_open = false;
    uv_close((uv_handle_t *)&l->sync, life_on_sync_closed);
    closep(&l->sync_fd);
    l->sync_fd = -1;
}

static void life_on_start_closed(uv_handle_t *handle)
{
    struct life *l = container_of((uv_poll_t *)handle, struct life, start);

    life_job_over(l);
}

static void life_close_start(struct life *l)
{
    if (!l->start_open)
        return;
    l->start_open = false;
    uv_close((uv_handle_t *)&l->start, life_on_start_closed);
    closep(&l->start_fd);
    l->start_fd = -1;
}

static void life_close_exit(struct life *l)
{
    if (!l->exit_open)
        return;
    l->exit_open = false;
    uv_close((uv_handle_t *)&l->exit, life_on_exit_closed);
    closep(&l->pidfd);
    l->pidfd = -1;
}

/* Everything that could still call back, except work on threads. */
static void life_close_handles(struct life *l)
{
    l->timer = timer_close(l->timer);
    life_close_sync(l);
    life_close_start(l);
    life_close_exit(l);
}

/* --- the end of the process --- */

static void life_exited(struct life *l, int code, bool unknown, int64_t finished_ms)
{
    const struct container_view *c = &l->spec.pod->containers[l->spec.index];
    cleanup(text_fini) struct text message = TEXT_EMPTY;
    struct life_exit end = {
        .exit_code = code,
        .unknown = unknown,
        .started_ms = l->started_ms,
        .finished_ms = finished_ms,
    };

    life_close_handles(l);
    life_enter(l, LIFE_EXITED);
    l->pid = 0;
    end.oom_killed = code != 0 &&
                     cgroup_oom_kills(runtime_cgroup(l->rt), l->spec.pod->uid, l->spec.id) > 0;
    life_files_message(&message, l->rt, l->spec.id, c, code, l->spec.log_path);
    end.message = text_str(&message);
    l->listener.on_exited(l->listener.arg, &end);
}

/* Looks for the exit file; tries again for a while once the process is known to be gone. */
static void life_check_exit(void *arg)
{
    struct life *l = arg;
    int64_t ms;
    int code;

    if (l->state != LIFE_RUNNING)
        return;
    if (life_files_exit(l->rt, l->spec.id, &code, &ms))
        life_exited(l, code, false, ms);
    else if (l->gone_since_ms != 0 && clock_mono_ms() - l->gone_since_ms >= LIFE_EXIT_GRACE_MS)
        life_exited(l, 137, true, clock_wall_ms());
    else if (l->gone_since_ms != 0)
        timer_start(l->timer, LIFE_EXIT_RETRY_MS);
}

void life_on_exit_file(struct life *l)
{
    life_check_exit(l);
}

static void life_failed(struct life *l, int rc, const struct err *err)
{
    life_close_handles(l);
    if (l->child != NULL) {
        child_cancel(STEAL(l->child));
        l->n_jobs--;
    }
    if (l->starter != NULL) {
        child_cancel(STEAL(l->starter));
        l->n_jobs--;
    }
    life_enter(l, LIFE_EXITED);
    l->listener.on_started(l->listener.arg, rc, err);
}

static void life_running(struct life *l)
{
    l->timer = timer_close(l->timer);
    l->timer = timer_new(runtime_loop(l->rt), life_check_exit, l);
    if (l->gone_since_ms != 0)
        timer_start(l->timer, 0);
    life_enter(l, LIFE_RUNNING);
    l->started_ms = clock_wall_ms();
    l->listener.on_started(l->listener.arg, 0, NULL);
}

/* init has written its byte: from now on the program runs (or ran). */
static bool life_took_byte(struct life *l)
{
    cleanup(freep) char *path = mem_fmt("%s/%s/exec.fifo", runtime_runc_root(l->rt), l->spec.id);
    char byte;

    if (!l->start_open || read(l->start_fd, &byte, 1) != 1)
        return false;
    life_close_start(l);
    unlink(path); /* to runc its presence means "created" */
    return true;
}

static void life_on_process_end(uv_poll_t *handle, int status UNUSED, int events UNUSED)
{
    struct life *l = container_of(handle, struct life, exit);
    struct err err = ERR_EMPTY;

    uv_poll_stop(handle);
    l->gone_since_ms = clock_mono_ms();
    if (l->state == LIFE_CREATING && life_took_byte(l)) {
        life_running(l); /* a short life: its end came together with its beginning */
        return;
    }
    if (l->state == LIFE_CREATING) {
        err_set(&err, ERR_INTERNAL, "the container's process ended before it was started");
        life_failed(l, ERR_INTERNAL, &err);
        return;
    }
    life_check_exit(l);
}

/* Watches process @pid.  False: it is gone already. */
static bool life_watch(struct life *l, pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd < 0)
        return false;
    l->pid = pid;
    l->pidfd = fd;
    l->exit_open = true;
    l->n_jobs++;
    uv_poll_init(runtime_loop(l->rt), &l->exit, fd);
    uv_poll_start(&l->exit, UV_READABLE, life_on_process_end);
    return true;
}

/* --- creation --- */

/* --- what `runc start` does, without another runc: init opens exec.fifo for writing, which
 * blocks until there is a reader, writes a byte and runs the program (runc/libcontainer,
 * container_linux.go).  It may not have come there yet when `runc create` has returned: the byte is
 * waited for. --- */

static void life_on_fifo(uv_poll_t *handle, int status UNUSED, int events UNUSED)
{
    struct life *l = container_of(handle, struct life, start);

    /* Without a byte there is no writer yet; if init dies, its pidfd says so. */
    if (life_took_byte(l))
        life_running(l);
}

static void life_on_runc_start(void *arg, int rc, const struct child_result *result UNUSED,
                               const struct err *err)
{
    struct life *l = arg;

    l->starter = NULL;
    if (l->state == LIFE_CREATING && rc < 0)
        life_failed(l, rc, err);
    else if (l->state == LIFE_CREATING)
        life_running(l);
    life_job_over(l);
}

static void life_start(struct life *l)
{
    cleanup(freep) char *path = mem_fmt("%s/%s/exec.fifo", runtime_runc_root(l->rt), l->spec.id);
    const char *argv[] = { runtime_runc(l->rt), "--root", runtime_runc_root(l->rt), "start",
                           l->spec.id,          NULL };
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) { /* another runc than we know */
        l->n_jobs++;
        l->starter = child_run(runtime_loop(l->rt), &(struct child_spec){ .argv = argv },
                               life_on_runc_start, l);
        return;
    }
    l->start_fd = fd;
    l->start_open = true;
    l->n_jobs++;
    uv_poll_init(runtime_loop(l->rt), &l->start, fd);
    uv_poll_start(&l->start, UV_READABLE, life_on_fifo);
}

/* conmon has said what became of `runc create`. */
static void life_on_report(struct life *l)
{
    struct err err = ERR_EMPTY;
    pid_t pid = 0;
    int rc = conmon_report(&pid, &l->report, &err);

    life_close_sync(l);
    if (rc == 0 && !life_watch(l, pid))
        rc = err_set(&err, ERR_INTERNAL, "the container's process ended before it was started");
    if (rc < 0)
        life_failed(l, rc, &err);
    else
        life_start(l);
}

static void life_on_sync(uv_poll_t *handle, int status, int events UNUSED)
{
    struct life *l = container_of(handle, struct life, sync);
    char buffer[4096];
    ssize_t n = status < 0 ? 0 : read(l->sync_fd, buffer, sizeof(buffer));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        text_add(&l->report, buffer, (size_t)n);
    if (n > 0 && l->report.len < CONMON_REPORT_MAX && strchr(l->report.data, '\n') == NULL)
        return;
    life_on_report(l);
}

static void life_on_create_timeout(void *arg)
{
    struct life *l = arg;
    struct err err = ERR_EMPTY;

    err_set(&err, ERR_TIMEOUT, "runc create took longer than %d s", LIFE_CREATE_MS / 1000);
    life_failed(l, ERR_TIMEOUT, &err);
}

static void life_on_conmon(void *arg, int rc, const struct child_result *result UNUSED,
                           const struct err *err)
{
    struct life *l = arg;

    l->child = NULL;
    /* It has forked its second half and ended: that one reports.  If it could not, there is nobody
     * to report. */
    if (rc < 0 && l->state == LIFE_CREATING)
        life_failed(l, rc, err);
    life_job_over(l);
}

static int life_spawn(struct life *l, struct err *err)
{
    const struct conmon_spec spec = {
        .id = l->spec.id,
        .log_path = l->spec.log_path,
        .container = l->spec.pod->containers[l->spec.index].spec,
    };
    int rc = conmon_run(&l->child, &l->sync_fd, l->rt, &spec, life_on_conmon, l, err);

    if (rc < 0)
        return rc;
    l->sync_open = true;
    l->n_jobs += 2; /* the pipe and the program */
    uv_poll_init(runtime_loop(l->rt), &l->sync, l->sync_fd);
    uv_poll_start(&l->sync, UV_READABLE | UV_DISCONNECT, life_on_sync);
    return 0;
}

static int life_prepare_run(void *arg, struct err *err)
{
    struct life *l = arg;

    return life_files_prepare(&(struct life_job){ .rt = l->rt, .spec = &l->spec }, err);
}

static void life_prepare_done(void *arg, int rc, const struct err *err)
{
    struct life *l = arg;
    struct err spawn_err = ERR_EMPTY;

    life_free_inputs(l);
    if (l->is_left) {
        life_job_over(l);
        return;
    }
    if (rc == 0) {
        life_enter(l, LIFE_CREATING);
        l->timer = timer_new(runtime_loop(l->rt), life_on_create_timeout, l);
        timer_start(l->timer, LIFE_CREATE_MS);
        err = &spawn_err;
        rc = life_spawn(l, &spawn_err);
    }
    if (rc < 0)
        life_failed(l, rc, err);
    life_job_over(l);
}

static struct life *life_new(struct runtime *rt, const struct life_spec *spec,
                             const struct life_listener *listener)
{
    struct life *l = MEM_NEW(struct life);

    l->rt = rt;
    l->listener = *listener;
    l->spec = *spec;
    l->spec.id = mem_str(spec->id);
    l->spec.pod = pod_view_ref(spec->pod);
    l->spec.image = spec->image == NULL ? NULL : image_ref(spec->image);
    l->spec.log_path = mem_str(spec->log_path);
    l->spec.net_ns = mem_str(spec->net_ns);
    l->spec.uts_ns = mem_str(spec->uts_ns);
    l->spec.ipc_ns = mem_str(spec->ipc_ns);
    l->spec.shm = mem_str(spec->shm);
    l->spec.pid_ns = mem_str(spec->pid_ns);
    l->spec.log_link = mem_str(spec->log_link);
    l->spec.hostname = mem_str(spec->hostname);
    l->spec.record_path = mem_str(spec->record_path);
    l->spec.record = mem_str(spec->record);
    l->sync_fd = l->start_fd = l->pidfd = -1;
    runtime_hold(rt);
    runtime_add(rt, spec->id, l);
    return l;
}

struct life *life_create(struct runtime *rt, struct life_spec *spec,
                         const struct life_listener *listener)
{
    struct life *l = life_new(rt, spec, listener);

    spec->env = (struct env_list)ENV_LIST_EMPTY;
    spec->mounts = NULL;
    spec->n_mounts = 0;
    l->n_jobs++;
    work_submit(runtime_loop(rt), life_prepare_run, life_prepare_done, l);
    return l;
}

/* --- adoption --- */

enum life_found life_adopt(struct life **ret, struct runtime *rt, const char *id,
                           struct pod_view *pod, size_t index, const char *log_path,
                           const struct life_listener *listener)
{
    struct life *l = life_new(
        rt, &(struct life_spec){ .id = id, .pod = pod, .index = index, .log_path = log_path },
        listener);
    int64_t started_ms = 0, ms;
    pid_t pid = life_files_pid(rt, id, &started_ms);
    int code;
    bool has_code = life_files_exit(rt, id, &code, &ms);

    *ret = l;
    /* An end without a beginning: runc's init lost the agent that was letting it run. */
    if (has_code && life_files_is_unstarted(rt, id))
        has_code = false;
    if (!has_code && pid == 0)
        life_files_kill_makers(rt, id);
    if (!has_code && (pid == 0 || !life_watch(l, pid))) {
        l->state = LIFE_EXITED;
        return LIFE_FOUND_NOTHING;
    }
    l->state = LIFE_RUNNING;
    l->started_ms = started_ms;
    l->timer = timer_new(runtime_loop(rt), life_check_exit, l);
    if (!has_code)
        return LIFE_FOUND_RUNNING;
    timer_start(l->timer, 0);
    return LIFE_FOUND_EXITED;
}

/* --- use --- */

const char *life_id(const struct life *l)
{
    return l->spec.id;
}

pid_t life_pid(const struct life *l)
{
    return l->pid;
}

int64_t life_started_ms(const struct life *l)
{
    return l->started_ms;
}

void life_signal(struct life *l, int signum)
{
    if (l->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, l->pidfd, signum, NULL, 0);
}

void life_reopen_log(struct life *l)
{
    if (!conmon_reopen_log(l->rt, l->spec.id))
        log_warn("log could not be reopened", KV("container", "%s", l->spec.id));
}

/* --- removal --- */

static int life_remove_run(void *arg, struct err *err)
{
    struct life *l = arg;

    return life_files_remove(l->rt, l->spec.id, err);
}

static void life_remove_done(void *arg, int rc, const struct err *err)
{
    struct life *l = arg;

    if (rc < 0)
        log_warn("container left traces", KV("container", "%s", l->spec.id), KV_ERR(err));
    life_enter(l, LIFE_GONE);
    life_job_over(l);
}

static void life_on_deleted(void *arg, int rc, const struct child_result *result UNUSED,
                            const struct err *err)
{
    struct life *l = arg;

    l->child = NULL;
    if (rc < 0)
        log_warn("runc delete failed", KV("container", "%s", l->spec.id), KV_ERR(err));
    if (l->is_left)
        life_job_over(l);
    else
        work_submit(runtime_loop(l->rt), life_remove_run, life_remove_done, l);
}

void life_remove(struct life *l)
{
    cleanup(freep) char *state = mem_fmt("%s/%s", runtime_runc_root(l->rt), l->spec.id);
    int64_t started_ms;
    const char *argv[8] = { runtime_runc(l->rt), "--root", runtime_runc_root(l->rt), "delete" };
    size_t n = 4;

    assert(l->state == LIFE_EXITED);
    life_enter(l, LIFE_REMOVING);
    l->n_jobs++;
    if (!file_exists(state)) {
        work_submit(runtime_loop(l->rt), life_remove_run, life_remove_done, l);
        return;
    }
    /* Without -f: that polls every 100 ms.  It is for what may still have a process only. */
    if (life_files_pid(l->rt, l->spec.id, &started_ms) != 0 || l->started_ms == 0 ||
        l->spec.pod->host_pid || l->spec.pod->shares_pid)
        argv[n++] = "-f";
    argv[n++] = l->spec.id;
    l->child = child_run(runtime_loop(l->rt),
                         &(struct child_spec){ .argv = argv, .deadline_ms = LIFE_DELETE_MS },
                         life_on_deleted, l);
}

void life_leave(struct life *l)
{
    l->is_left = true;
    runtime_remove(l->rt, l->spec.id, l);
    l->n_jobs++;
    life_close_handles(l);
    if (l->child != NULL) {
        child_leave(STEAL(l->child));
        l->n_jobs--;
    }
    if (l->starter != NULL) {
        child_leave(STEAL(l->starter));
        l->n_jobs--;
    }
    life_job_over(l);
}

void life_destroy_sync(struct runtime *rt, const char *id)
{
    cleanup(freep) char *state = mem_fmt("%s/%s", runtime_runc_root(rt), id);
    const char *argv[] = {
        runtime_runc(rt), "--root", runtime_runc_root(rt), "delete", "-f", id, NULL
    };
    struct err err = ERR_EMPTY;
    int rc = 0;

    life_files_kill_makers(rt, id);
    if (file_exists(state))
        rc = child_run_sync(&(struct child_spec){ .argv = argv, .deadline_ms = LIFE_DELETE_MS },
                            NULL, NULL, &err);
    if (rc == 0)
        rc = life_files_remove(rt, id, &err);
    if (rc < 0)
        log_warn("leftover container stays", KV("container", "%s", id), KV_ERR(&err));
}
