#include "nodeagent/log_cursor.h"

#include "base/clock.h"
#include "base/mem.h"
#include "nodeagent/log_line.h"
#include "nodeagent/log_rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_CHUNK    (256 * 1024)
#define LOG_LINE_MAX (64 * 1024) /* conmon cuts at 8 KiB; a longer line is not ours */

struct log_cursor {
    char *path;
    struct log_query query;
    int fd;   /* of the file being read; -1 = to be opened */
    int part; /* LOG_ROTATE_OLD ... 0: which file it was when opened */
    ino_t inode;
    struct text rest; /* an unfinished line */
    int64_t skip;     /* whole lines still to be passed over */
    int64_t left;     /* bytes still to be given; -1 = no limit */
    bool since_reached;
    bool middle; /* the line before was partial: no new time stamp */
};

static char *log_part_path(const struct log_cursor *c, int part)
{
    return part == 0 ? mem_str(c->path) : mem_fmt("%s.%d", c->path, part);
}

/* Opens @part or the next newer one that is there; false: not even the newest. */
static bool log_cursor_open(struct log_cursor *c, int part)
{
    for (; part >= 0; part--) {
        cleanup(freep) char *path = log_part_path(c, part);
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) < 0) {
            closep(&fd);
            continue;
        }
        closep(&c->fd);
        c->fd = fd;
        c->part = part;
        c->inode = st.st_ino;
        return true;
    }
    return false;
}

/* The file now read may have been renamed meanwhile: which part is it? -1: it is gone. */
static int log_cursor_part_now(const struct log_cursor *c)
{
    for (int part = 0; part <= LOG_ROTATE_OLD; part++) {
        cleanup(freep) char *path = log_part_path(c, part);
        struct stat st;

        if (stat(path, &st) == 0 && st.st_ino == c->inode)
            return part;
    }
    return -1;
}

/* How many whole lines there are (that the time does not exclude), for a tail. */
static int log_cursor_count(struct log_cursor *c, int64_t *ret, struct err *err)
{
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    struct log_query asked = c->query;
    int64_t n = 0;
    int rc;

    c->query = (struct log_query){ .tail_lines = -1,
                                   .since_ms = asked.since_ms,
                                   .limit_bytes = -1 };
    c->left = -1;
    do {
        text_clear(&out);
        rc = log_cursor_read(c, &out, err);
        for (size_t i = 0; i < out.len; i++)
            n += out.data[i] == '\n';
    } while (rc == LOG_MORE);
    c->query = asked;
    *ret = n;
    return rc < 0 ? rc : 0;
}

static void log_cursor_rewind(struct log_cursor *c)
{
    text_clear(&c->rest);
    c->since_reached = c->query.since_ms == 0;
    c->middle = false;
    c->left = c->query.limit_bytes;
    log_cursor_open(c, LOG_ROTATE_OLD);
}

int log_cursor_new(struct log_cursor **ret, const char *path, const struct log_query *q,
                   struct err *err)
{
    struct log_cursor *c = MEM_NEW(struct log_cursor);
    int64_t n;
    int rc = 0;

    c->path = mem_str(path);
    c->query = *q;
    c->fd = -1;
    log_cursor_rewind(c);
    if (c->fd < 0) {
        rc = err_set(err, ERR_NOT_FOUND, "log file of the container is not there");
    } else if (q->tail_lines >= 0) {
        rc = log_cursor_count(c, &n, err);
        c->skip = n > q->tail_lines ? n - q->tail_lines : 0;
        log_cursor_rewind(c);
    }
    if (rc < 0) {
        log_cursor_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

struct log_cursor *log_cursor_free(struct log_cursor *c)
{
    if (c == NULL)
        return NULL;
    closep(&c->fd);
    text_fini(&c->rest);
    free(c->path);
    free(c);
    return NULL;
}

static bool log_cursor_too_old(struct log_cursor *c, const struct log_line *l)
{
    cleanup(freep) char *time = NULL;
    int64_t ms;

    if (c->since_reached)
        return false;
    time = mem_strn(l->time, l->time_len);
    if (clock_parse(time, &ms) && ms < c->query.since_ms)
        return true;
    c->since_reached = true;
    return false;
}

static void log_cursor_put(struct log_cursor *c, struct text *ret, const char *data, size_t len)
{
    if (c->left >= 0 && (int64_t)len > c->left)
        len = (size_t)c->left;
    if (c->left >= 0)
        c->left -= (int64_t)len;
    text_add(ret, data, len);
}

/* UTC is "Z" to clients; conmon writes it as an offset. */
static void log_cursor_time(struct log_cursor *c, struct text *ret, const struct log_line *l)
{
    static const char utc[] = "+00:00";
    const size_t n = sizeof(utc) - 1;
    bool is_utc = l->time_len > n && memcmp(l->time + l->time_len - n, utc, n) == 0;

    log_cursor_put(c, ret, l->time, is_utc ? l->time_len - n : l->time_len);
    log_cursor_put(c, ret, is_utc ? "Z " : " ", is_utc ? 2 : 1);
}

static void log_cursor_line(struct log_cursor *c, struct text *ret, const char *line, size_t len)
{
    struct log_line l;

    if (!log_line_parse(&l, line, len) || log_cursor_too_old(c, &l))
        return;
    if (c->skip > 0) {
        c->skip -= l.is_whole;
        return;
    }
    if (c->query.timestamps && !c->middle) {
        log_cursor_time(c, ret, &l);
    }
    log_cursor_put(c, ret, l.text, l.text_len);
    if (l.is_whole)
        log_cursor_put(c, ret, "\n", 1);
    c->middle = !l.is_whole;
}

static void log_cursor_take(struct log_cursor *c, struct text *ret)
{
    const char *p = text_str(&c->rest), *end = p + c->rest.len, *nl;

    while (c->left != 0 && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        log_cursor_line(c, ret, p, (size_t)(nl - p));
        p = nl + 1;
    }
    text_drop(&c->rest, (size_t)(p - text_str(&c->rest)));
    if (c->rest.len > LOG_LINE_MAX)
        text_clear(&c->rest);
}

int log_cursor_read(struct log_cursor *c, struct text *ret, struct err *err)
{
    cleanup(freep) char *buffer = mem_zero(LOG_CHUNK);
    ssize_t n = read(c->fd, buffer, LOG_CHUNK);
    int part;

    if (n < 0)
        return err_errno(err, errno, "read %s", c->path);
    if (n > 0) {
        text_add(&c->rest, buffer, (size_t)n);
        log_cursor_take(c, ret);
        return c->left == 0 ? LOG_LIMIT : LOG_MORE;
    }
    part = log_cursor_part_now(c);
    if (part == 0)
        return LOG_AT_END;
    /* An older file, read to its end: on with the next newer one.  Gone: with the oldest. */
    return log_cursor_open(c, part < 0 ? LOG_ROTATE_OLD : part - 1) ? LOG_MORE : LOG_AT_END;
}
