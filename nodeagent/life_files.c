#include "nodeagent/life_files.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "nodeagent/log_line.h"
#include "nodeagent/log_paths.h"
#include "nodeagent/runc_spec.h"
#include "nodeagent/user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIFE_PASSWD_MAX (1 << 20)
#define LIFE_LOG_TAIL   (8 * 1024)
#define LIFE_LOG_LINES  80 /* and 2 KiB of text: the kubelet's fall-back message */
#define LIFE_LOG_TEXT   2048

static int life_mkdir(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make %s", path);
    return 0;
}

/* upper and work lie on the data disk: what a container writes is bounded by it, not by memory. */
static int life_mount_overlay(const struct life_job *job, const char *rootfs, struct err *err)
{
    const struct runtime *rt = job->rt;
    const char *id = job->spec->id;
    cleanup(freep) char *upper = runtime_store(rt, id, "upper");
    cleanup(freep) char *work = runtime_store(rt, id, "work");
    cleanup(freep) char *empty = runtime_store(rt, id, "empty");
    cleanup(text_fini) struct text options = TEXT_EMPTY;
    const char *const *dirs = job->spec->image->layer_dirs;
    int rc = life_mkdir(upper, 0755, err);

    if (rc == 0)
        rc = life_mkdir(work, 0700, err);
    if (rc < 0)
        return rc;
    text_puts(&options, "lowerdir=");
    if (dirs[0] == NULL) { /* an image without layers: "FROM scratch" */
        rc = life_mkdir(empty, 0755, err);
        text_puts(&options, empty);
    }
    for (size_t i = 0; dirs[i] != NULL; i++)
        text_fmt(&options, "%s%s", i == 0 ? "" : ":", dirs[i]);
    text_fmt(&options, ",upperdir=%s,workdir=%s", upper, work);
    if (rc < 0)
        return rc;
    if (options.len >= (size_t)sysconf(_SC_PAGESIZE))
        return err_set(err, ERR_LIMIT, "image %s has too many layers to mount",
                       job->spec->image->ref);
    if (mount("overlay", rootfs, "overlay", 0, text_str(&options)) < 0)
        return err_errno(err, errno, "mount the root file system of %s", job->spec->image->ref);
    return 0;
}

/* A file inside the root file system; links are resolved as the container itself would see
 * them and cannot lead out of it (openat2(2), RESOLVE_IN_ROOT). */
static char *life_read_inside(const char *rootfs, const char *path)
{
    struct open_how how = { .flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
    cleanup(closep) int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup(closep) int fd = root < 0 ? -1
                                      : (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    struct text t = TEXT_EMPTY;
    struct stat st;
    char buffer[4096];
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return text_take(&t);
    while (t.len < LIFE_PASSWD_MAX && (n = read(fd, buffer, sizeof(buffer))) > 0)
        text_add(&t, buffer, (size_t)n);
    return text_take(&t);
}

static int life_decide_user(struct user *ret, const struct life_job *job, const char *rootfs,
                            struct err *err)
{
    const struct life_spec *s = job->spec;
    cleanup(freep) char *passwd = life_read_inside(rootfs, "/etc/passwd");
    cleanup(freep) char *group = life_read_inside(rootfs, "/etc/group");
    const struct container_view *c = &s->pod->containers[s->index];
    struct err why = ERR_EMPTY;
    int rc = user_decide(ret, json_str(s->image->config, "config.User"), passwd, group,
                         json_at(s->pod->spec, "securityContext"),
                         json_at(c->spec, "securityContext"), &why);

    if (rc == ERR_FORBIDDEN)
        return err_set(err, ERR_INVALID, "%s (pod: \"%s_%s(%s)\", container: %s)", why.text,
                       s->pod->name, s->pod->ns, s->pod->uid, c->name);
    if (rc < 0)
        *err = why;
    return rc;
}

static int life_write_config(const struct life_job *job, const char *rootfs, struct err *err)
{
    const struct life_spec *s = job->spec;
    cleanup(freep) char *path = runtime_bundle(job->rt, s->id, "config.json");
    cleanup(freep) char *cgroup = cgroup_path(runtime_cgroup(job->rt), s->pod->uid, s->id);
    cleanup(json_decrefpp) json_t *config = NULL;
    cleanup(freep) char *text = NULL;
    struct user user;
    struct runc_spec_input in = {
        .pod = s->pod,
        .container = &s->pod->containers[s->index],
        .image_config = s->image->config,
        .env = &s->env,
        .user = &user,
        .mounts = s->mounts,
        .n_mounts = s->n_mounts,
        .rootfs = rootfs,
        .cgroup = cgroup,
        .net_ns = s->net_ns,
        .uts_ns = s->uts_ns,
        .ipc_ns = s->ipc_ns,
        .pid_ns = s->pid_ns,
        .hostname = s->hostname,
        .shm = s->shm,
        .host = runtime_host(job->rt),
    };
    size_t len;
    int rc = life_decide_user(&user, job, rootfs, err);

    if (rc == 0)
        rc = runc_spec_make(&config, &in, err);
    if (rc < 0)
        return rc;
    text = json_print(config, &len);
    return file_write_fast(path, text, len, 0600, err);
}

/* An empty file that the container may write whoever it runs as. */
static int life_touch(const char *path, mode_t mode, struct err *err)
{
    cleanup(closep) int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode);

    if (fd < 0 || fchmod(fd, mode) < 0)
        return err_errno(err, errno, "make %s", path);
    return 0;
}

int life_files_prepare(const struct life_job *job, struct err *err)
{
    const struct life_spec *s = job->spec;
    cleanup(freep) char *bundle = runtime_bundle(job->rt, s->id, "");
    cleanup(freep) char *rootfs = runtime_bundle(job->rt, s->id, "rootfs");
    cleanup(freep) char *store = runtime_store(job->rt, s->id, "");
    cleanup(freep) char *termination = runtime_store(job->rt, s->id, "termination-log");
    cleanup(freep) char *log_dir = mem_strn(s->log_path,
                                            (size_t)(strrchr(s->log_path, '/') - s->log_path));
    int rc = file_write_fast(s->record_path, s->record, strlen(s->record), 0600, err);

    if (rc == 0)
        rc = life_mkdir(bundle, 0711, err);
    if (rc == 0)
        rc = life_mkdir(rootfs, 0755, err);
    if (rc == 0)
        rc = life_mkdir(store, 0711, err);
    if (rc == 0)
        rc = file_mkdirs(log_dir, 0755, err);
    if (rc == 0 && s->log_link != NULL)
        rc = log_paths_make_link(s->log_link, s->log_path, err);
    if (rc == 0)
        rc = life_touch(termination, 0666, err);
    if (rc == 0)
        rc = life_mount_overlay(job, rootfs, err);
    if (rc == 0)
        rc = life_write_config(job, rootfs, err);
    return rc;
}

/* Is @id an argument of process @pid? */
static bool life_is_maker(const char *pid, const char *id)
{
    cleanup(freep) char *path = mem_fmt("/proc/%s/cmdline", pid);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;

    return file_read(&t, path, 65536, &ignored) == 0 && t.len > 0 &&
           memmem(t.data, t.len, id, strlen(id) + 1) != NULL;
}

bool life_files_is_unstarted(const struct runtime *rt, const char *id)
{
    cleanup(freep) char *fifo = mem_fmt("%s/%s/exec.fifo", runtime_runc_root(rt), id);

    return file_exists(fifo);
}

void life_files_kill_makers(const struct runtime *rt, const char *id)
{
    cleanup(freep) char *state = mem_fmt("%s/%s/state.json", runtime_runc_root(rt), id);
    DIR *dir = file_exists(state) ? NULL : opendir("/proc");
    struct dirent *e;
    int64_t pid;

    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (str_i64(e->d_name, &pid) && pid > 1 && pid != getpid() && life_is_maker(e->d_name, id))
            kill((pid_t)pid, SIGKILL);
    if (dir != NULL)
        closedir(dir);
}

int life_files_remove(const struct runtime *rt, const char *id, struct err *err)
{
    cleanup(freep) char *bundle = runtime_bundle(rt, id, "");
    cleanup(freep) char *rootfs = runtime_bundle(rt, id, "rootfs");
    cleanup(freep) char *store = runtime_store(rt, id, "");
    cleanup(freep) char *exit_file = mem_fmt("%s/exits/%s", runtime_run_dir(rt), id);
    int rc;

    if (umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
        return err_errno(err, errno, "unmount %s", rootfs);
    rc = file_remove_tree(store, err);
    if (rc == 0)
        rc = file_remove_tree(bundle, err);
    unlink(exit_file);
    return rc;
}

bool life_files_exit(const struct runtime *rt, const char *id, int *ret_code, int64_t *ret_ms)
{
    cleanup(freep) char *path = mem_fmt("%s/exits/%s", runtime_run_dir(rt), id);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    struct stat st;
    int64_t code;

    if (file_read(&t, path, 64, &ignored) < 0 || stat(path, &st) < 0)
        return false;
    while (t.len > 0 && (t.data[t.len - 1] == '\n' || t.data[t.len - 1] == ' '))
        t.data[--t.len] = '\0';
    if (!str_i64(text_str(&t), &code))
        return false;
    *ret_code = (int)code;
    *ret_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return true;
}

/* Field 22 of /proc/PID/stat: start in clock ticks since boot (proc(5)). */
static int64_t life_process_start_ms(pid_t pid)
{
    cleanup(freep) char *path = mem_fmt("/proc/%d/stat", pid);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    const char *p;
    unsigned long long ticks;

    if (file_read(&t, path, 4096, &ignored) < 0 || (p = strrchr(text_str(&t), ')')) == NULL)
        return -1;
    if (sscanf(p + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &ticks) != 1)
        return -1;
    return clock_wall_ms() - clock_mono_ms() +
           (int64_t)(ticks * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}

pid_t life_files_pid(const struct runtime *rt, const char *id, int64_t *ret_started_ms)
{
    cleanup(freep) char *path = runtime_bundle(rt, id, "pidfile");
    cleanup(freep) char *comm_path = NULL;
    cleanup(freep) char *cgroup_file = NULL;
    cleanup(text_fini) struct text pid_text = TEXT_EMPTY, comm = TEXT_EMPTY, cgroup = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    int64_t pid = 0;

    if (file_read(&pid_text, path, 32, &ignored) < 0 || !str_i64(text_str(&pid_text), &pid) ||
        pid <= 1)
        return 0;
    comm_path = mem_fmt("/proc/%d/comm", (int)pid);
    cgroup_file = mem_fmt("/proc/%d/cgroup", (int)pid);
    /* The number may belong to somebody else by now: only a process in this container's own
     * control group is ours. */
    if (file_read(&comm, comm_path, 64, &ignored) < 0 ||
        file_read(&cgroup, cgroup_file, 16384, &ignored) < 0 ||
        strstr(text_str(&cgroup), id) == NULL)
        return 0;
    if (str_starts(text_str(&comm), "runc:[") && life_files_is_unstarted(rt, id))
        return 0; /* created, never started */
    *ret_started_ms = life_process_start_ms((pid_t)pid);
    return *ret_started_ms < 0 ? 0 : (pid_t)pid;
}

/* The last lines of the log without their time stamps. */
static void life_log_tail(struct text *ret, const char *log_path)
{
    cleanup(closep) int fd = open(log_path, O_RDONLY | O_CLOEXEC);
    cleanup(freep) char *data = mem_zero(LIFE_LOG_TAIL + 1);
    cleanup(text_fini) struct text all = TEXT_EMPTY;
    struct stat st;
    ssize_t n;
    size_t from;

    if (fd < 0 || fstat(fd, &st) < 0)
        return;
    n = pread(fd, data, LIFE_LOG_TAIL, st.st_size > LIFE_LOG_TAIL ? st.st_size - LIFE_LOG_TAIL : 0);
    if (n <= 0)
        return;
    for (char *line = data, *end; (end = memchr(line, '\n', (size_t)(data + n - line))) != NULL;
         line = end + 1) {
        struct log_line parsed;

        /* The first may be cut in the middle; then it does not parse. */
        if (log_line_parse(&parsed, line, (size_t)(end - line)) && parsed.text_len > 0)
            text_add(&all, parsed.text, parsed.text_len);
        if (parsed.is_whole)
            text_putc(&all, '\n');
    }
    from = all.len > LIFE_LOG_TEXT ? all.len - LIFE_LOG_TEXT : 0;
    for (size_t i = all.len, lines = 0; i > from; i--) {
        if (all.data[i - 1] == '\n' && ++lines > LIFE_LOG_LINES) {
            from = i;
            break;
        }
    }
    text_add(ret, all.data + from, all.len - from);
}

void life_files_message(struct text *ret, const struct runtime *rt, const char *id,
                        const struct container_view *c, int exit_code, const char *log_path)
{
    cleanup(freep) char *path = runtime_store(rt, id, "termination-log");
    char buffer[LIFE_MESSAGE_MAX];
    cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? 0 : read(fd, buffer, sizeof(buffer));

    if (n > 0)
        text_add(ret, buffer, (size_t)n);
    else if (exit_code != 0 &&
             str_eq(json_str(c->spec, "terminationMessagePolicy"), "FallbackToLogsOnError"))
        life_log_tail(ret, log_path);
}
