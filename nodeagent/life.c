#include "nodeagent/life.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/conmon.h"
#include "nodeagent/life_files.h"
#include "nodeagent/life_impl.h"

#include <assert.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIFE_DELETE_MS     60000
#define LIFE_EXIT_GRACE_MS 3000 /* the process is gone: so long may conmon take to say how */
#define LIFE_EXIT_RETRY_MS 50

#define MAY(s) (1u << (s))
static const unsigned life_next[] = {
    [LIFE_PREPARING] = MAY(LIFE_CREATING) | MAY(LIFE_EXITED),
    [LIFE_CREATING] = MAY(LIFE_RUNNING) | MAY(LIFE_EXITED),
    [LIFE_RUNNING] = MAY(LIFE_EXITED),
    [LIFE_EXITED] = MAY(LIFE_REMOVING),
    [LIFE_REMOVING] = MAY(LIFE_GONE),
    [LIFE_GONE] = 0,
};

void life_enter(struct life *l, enum life_state next)
{
    static const char *const names[] = { "preparing", "creating", "running",
                                         "exited",    "removing", "gone" };

    assert(life_next[l->state] & MAY(next));
    log_debug("container life", KV("container", "%.12s", l->spec.id),
              KV("state", "%s", names[next]));
    l->state = next;
}

/* --- memory --- */

void life_free_inputs(struct life *l)
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
void life_job_over(struct life *l)
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

void life_close_sync(struct life *l)
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

void life_check_exit(void *arg)
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

void life_failed(struct life *l, int rc, const struct err *err)
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

void life_running(struct life *l)
{
    l->timer = timer_close(l->timer);
    l->timer = timer_new(runtime_loop(l->rt), life_check_exit, l);
    if (l->gone_since_ms != 0)
        timer_start(l->timer, 0);
    life_enter(l, LIFE_RUNNING);
    l->started_ms = clock_wall_ms();
    l->listener.on_started(l->listener.arg, 0, NULL);
}

bool life_took_byte(struct life *l)
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

bool life_watch(struct life *l, pid_t pid)
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
        pod_view_shares_pid(l->spec.pod, l->spec.index))
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
