#include "api/audit_log.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Lines that may wait: some seconds of a busy server. */
#define AUDIT_LOG_PENDING_MAX (4u << 20)
/* A line waits so long for others, unless there are many: one write for all of them. */
#define AUDIT_LOG_WAIT_MS     100
#define AUDIT_LOG_WAIT_BYTES  (64u << 10)
#define AUDIT_LOG_KEEP        (64u << 10) /* of a buffer that was large once */
#define AUDIT_LOG_FILES_MAX   1000
#define AUDIT_LOG_DAY_S       (24 * 3600)

struct audit_log {
    uv_loop_t *loop;
    char *path, *dir, *stem, *ext; /* path = dir/stem + ext */
    struct audit_log_opts opts;
    struct timer *timer;
    struct text pending;
    uint64_t n_pending;
    bool busy, closing;
    struct audit_log_stats stats;
    /* The worker's while busy, else the loop's. */
    int fd;
    uint64_t size;
    struct text batch;
    uint64_t n_batch;
};

static bool audit_log_is_stdout(const struct audit_log *l)
{
    return str_eq(l->path, "-");
}

/* --- files, on the worker --- */

static int audit_log_open(struct audit_log *l, struct err *err)
{
    struct stat st;

    if (audit_log_is_stdout(l)) {
        l->fd = STDOUT_FILENO;
        return 0;
    }
    l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (l->fd < 0 || fstat(l->fd, &st) < 0)
        return err_errno(err, errno, "%s", l->path);
    l->size = (uint64_t)st.st_size;
    return 0;
}

static void audit_log_close_file(struct audit_log *l)
{
    if (l->fd >= 0 && !audit_log_is_stdout(l))
        close(l->fd);
    l->fd = -1;
}

/* Whether @name is one of our older files: stem-TIME and the extension. */
static bool audit_log_is_backup(const struct audit_log *l, const char *name)
{
    size_t stem = strlen(l->stem);

    return str_starts(name, l->stem) && name[stem] == '-' && str_ends(name, l->ext) &&
           strlen(name) > stem + strlen(l->ext) + 1;
}

static int audit_log_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)b, *(const char *const *)a); /* the newest first */
}

static bool audit_log_is_old(const struct audit_log *l, const char *path)
{
    struct stat st;

    return l->opts.max_days > 0 && stat(path, &st) == 0 &&
           st.st_mtime + (time_t)l->opts.max_days * AUDIT_LOG_DAY_S < time(NULL);
}

static void audit_log_prune(const struct audit_log *l)
{
    DIR *dir = opendir(l->dir);
    char *names[AUDIT_LOG_FILES_MAX];
    struct dirent *e;
    size_t n = 0;

    while (dir != NULL && n < N_ELEMENTS(names) && (e = readdir(dir)) != NULL)
        if (audit_log_is_backup(l, e->d_name))
            names[n++] = mem_str(e->d_name);
    if (dir != NULL)
        closedir(dir);
    qsort(names, n, sizeof(names[0]), audit_log_compare);
    for (size_t i = 0; i < n; i++) {
        cleanup(freep) char *path = mem_fmt("%s/%s", l->dir, names[i]);

        if ((l->opts.max_backups > 0 && i >= l->opts.max_backups) || audit_log_is_old(l, path))
            unlink(path);
        free(names[i]);
    }
}

/* The same form of names as Kubernetes' (lumberjack): audit-2026-01-02T15-04-05.000.log */
static void audit_log_rotate(struct audit_log *l)
{
    int64_t now_ms = clock_wall_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    cleanup(freep) char *to = NULL;
    char when[32];
    struct tm tm;

    audit_log_close_file(l);
    gmtime_r(&now_s, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H-%M-%S", &tm);
    to = mem_fmt("%s/%s-%s.%03d%s", l->dir, l->stem, when, (int)(now_ms % 1000), l->ext);
    rename(l->path, to);
    audit_log_prune(l);
}

/* All of it; what did not fit whole is taken back, so that no half line stays. */
static int audit_log_write(struct audit_log *l, const char *data, size_t len, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = write(l->fd, data + done, len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int why = errno;

            if (done > 0 && !audit_log_is_stdout(l) && ftruncate(l->fd, (off_t)l->size) < 0)
                log_debug("audit log not cut", KV("path", "%s", l->path));
            return err_errno(err, why, "%s", l->path);
        }
        done += (size_t)n;
    }
    l->size += len;
    return 0;
}

static int audit_log_on_run(void *arg, struct err *err)
{
    struct audit_log *l = arg;
    int rc = 0;

    if (l->fd >= 0 && l->opts.max_bytes > 0 && l->size > 0 && !audit_log_is_stdout(l) &&
        l->size + l->batch.len > l->opts.max_bytes)
        audit_log_rotate(l);
    if (l->fd < 0)
        rc = audit_log_open(l, err);
    if (rc == 0)
        rc = audit_log_write(l, l->batch.data, l->batch.len, err);
    if (rc < 0)
        audit_log_close_file(l); /* opened anew: it may have been moved */
    return rc;
}

/* --- the loop's side --- */

static void audit_log_free(struct audit_log *l)
{
    audit_log_close_file(l);
    text_fini(&l->pending);
    text_fini(&l->batch);
    free(l->path);
    free(l->dir);
    free(l->stem);
    free(l->ext);
    free(l);
}

static void audit_log_pump(struct audit_log *l);

/* Said when it begins to fail and when it is over, not for every line. */
static void audit_log_tell(struct audit_log *l, int rc, const struct err *err)
{
    if (rc < 0 && !l->stats.failing)
        log_warn("audit log cannot be written: events are dropped and counted", KV_ERR(err));
    else if (rc == 0 && l->stats.failing)
        log_info("audit log is written again",
                 KV("dropped", "%llu", (unsigned long long)l->stats.dropped));
    l->stats.failing = rc < 0;
}

static void audit_log_on_done(void *arg, int rc, const struct err *err)
{
    struct audit_log *l = arg;

    if (rc < 0)
        l->stats.dropped += l->n_batch;
    else
        l->stats.written += l->n_batch;
    audit_log_tell(l, rc, err);
    if (l->batch.cap > AUDIT_LOG_KEEP)
        text_fini(&l->batch);
    else
        text_clear(&l->batch);
    l->busy = false;
    if (l->closing && l->pending.len == 0)
        audit_log_free(l);
    else if (l->closing || l->pending.len >= AUDIT_LOG_WAIT_BYTES)
        audit_log_pump(l);
    else if (l->pending.len > 0)
        timer_start(l->timer, AUDIT_LOG_WAIT_MS);
}

static void audit_log_on_time(void *arg)
{
    audit_log_pump(arg);
}

static void audit_log_pump(struct audit_log *l)
{
    struct text empty = l->batch;

    if (l->busy || l->pending.len == 0)
        return;
    l->busy = true;
    l->batch = l->pending;
    l->n_batch = l->n_pending;
    l->pending = empty;
    l->n_pending = 0;
    work_submit(l->loop, audit_log_on_run, audit_log_on_done, l);
}

void audit_log_add(struct audit_log *l, const char *line, size_t len)
{
    if (l->pending.len + len + 1 > AUDIT_LOG_PENDING_MAX) {
        l->stats.dropped++;
        return;
    }
    text_add(&l->pending, line, len);
    text_putc(&l->pending, '\n');
    l->n_pending++;
    if (l->pending.len >= AUDIT_LOG_WAIT_BYTES)
        audit_log_pump(l);
    else if (!l->busy && !timer_active(l->timer))
        timer_start(l->timer, AUDIT_LOG_WAIT_MS);
}

struct audit_log_stats audit_log_stats(const struct audit_log *l)
{
    return l->stats;
}

static void audit_log_split_path(struct audit_log *l)
{
    const char *slash = strrchr(l->path, '/');
    const char *name = slash != NULL ? slash + 1 : l->path;
    const char *dot = strrchr(name, '.');

    l->dir = slash == NULL ? mem_str(".") : mem_strn(l->path, (size_t)(slash - l->path));
    l->stem = dot != NULL && dot != name ? mem_strn(name, (size_t)(dot - name)) : mem_str(name);
    l->ext = mem_str(dot != NULL && dot != name ? dot : "");
}

int audit_log_new(struct audit_log **ret, uv_loop_t *loop, const struct audit_log_opts *opts,
                  struct err *err)
{
    struct audit_log *l = MEM_NEW(struct audit_log);
    int rc = 0;

    l->loop = loop;
    l->opts = *opts;
    l->path = mem_str(opts->path);
    l->fd = -1;
    audit_log_split_path(l);
    if (!audit_log_is_stdout(l))
        rc = file_mkdirs(l->dir, 0700, err);
    if (rc == 0)
        rc = audit_log_open(l, err);
    if (rc == ERR_NOSPACE) /* as when it fills later: the API goes on */
        rc = 0;
    if (rc < 0) {
        audit_log_free(l);
        return rc;
    }
    l->timer = timer_new(loop, audit_log_on_time, l);
    *ret = l;
    return 0;
}

struct audit_log *audit_log_close(struct audit_log *l)
{
    if (l == NULL)
        return NULL;
    l->closing = true;
    l->timer = timer_close(l->timer);
    if (!l->busy && l->pending.len == 0)
        audit_log_free(l);
    else
        audit_log_pump(l);
    return NULL;
}
