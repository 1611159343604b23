/* How a life begins: prepared, created by conmon and runc, started; or found after a restart. */
#include "nodeagent/life_impl.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/conmon.h"
#include "nodeagent/life_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LIFE_CREATE_MS 120000 /* conmon and runc create; long only on a starved node */

/* --- starting --- */

/* What `runc start` does, without another runc: init opens exec.fifo for writing, which blocks
 * until there is a reader, writes a byte and runs the program (runc/libcontainer,
 * container_linux.go).  It may not have come there yet when `runc create` has returned: the byte is
 * waited for. */

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

/* --- creating --- */

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
