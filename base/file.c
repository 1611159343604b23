#include "base/file.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_CHUNK 65536

/* --- whole files --- */

int file_read(struct text *ret, const char *path, size_t max, struct err *err)
{
    cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    cleanup(text_fini) struct text got = TEXT_EMPTY;
    char chunk[FILE_CHUNK];

    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "read %s", path);
        if (n == 0)
            break;
        if ((size_t)n > max - got.len)
            return err_set(err, ERR_LIMIT, "read %s: more than %zu bytes", path, max);
        text_add(&got, chunk, (size_t)n);
    }
    text_add(ret, text_str(&got), got.len);
    return 0;
}

static int file_write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int file_fill(int fd, const void *data, size_t len, mode_t mode, bool sync)
{
    int rc = file_write_all(fd, data, len);

    if (rc == 0 && fchmod(fd, mode) < 0)
        rc = -errno;
    if (rc == 0 && sync && fsync(fd) < 0)
        rc = -errno;
    return rc;
}

/* The directory part of @path, owned: "/a/b" gives "/a", "b" gives ".". */
static char *file_dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_str(".");
    return slash == path ? mem_str("/") : mem_strn(path, (size_t)(slash - path));
}

/* The temporary name starts with a dot: whoever lists the directory can tell it from a file. */
static char *file_temp_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t dir_len = slash ? (size_t)(slash - path) + 1 : 0;

    return mem_fmt("%.*s.%s.XXXXXX", (int)dir_len, path, path + dir_len);
}

static int file_replace(const char *path, const void *data, size_t len, mode_t mode, bool sync,
                        struct err *err)
{
    cleanup(freep) char *temp = file_temp_name(path);
    int fd = mkostemp(temp, O_CLOEXEC), rc;

    if (fd < 0)
        return err_errno(err, errno, "create %s", temp);
    rc = file_fill(fd, data, len, mode, sync);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(temp, path) < 0)
        rc = -errno;
    if (rc < 0) {
        unlink(temp);
        return err_errno(err, -rc, "write %s", path);
    }
    return 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    cleanup(freep) char *dir = file_dir_of(path);
    int rc = file_replace(path, data, len, mode, true, err);

    return rc < 0 ? rc : file_sync_dir(dir, err);
}

int file_write_fast(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    return file_replace(path, data, len, mode, false, err);
}

bool file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* --- directories --- */

int file_sync_dir(const char *path, struct err *err)
{
    cleanup(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    if (fsync(fd) < 0)
        return err_errno(err, errno, "sync %s", path);
    return 0;
}

int file_mkdirs(const char *path, mode_t mode, struct err *err)
{
    cleanup(freep) char *part = mem_str(path);
    struct stat st;

    for (char *p = part;; p++) {
        char saved = *p;

        if (saved != '/' && saved != '\0')
            continue;
        *p = '\0';
        if (p > part && mkdir(part, mode) < 0 && errno != EEXIST)
            return err_errno(err, errno, "make directory %s", part);
        *p = saved;
        if (saved == '\0')
            break;
    }
    if (stat(path, &st) < 0)
        return err_errno(err, errno, "make directory %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_errno(err, ENOTDIR, "make directory %s", path);
    return 0;
}

/* --- removing a tree ---
 *
 * Image layers may nest deeper than we may open files, so the walk holds one descriptor: it
 * goes down by name, up by "..", and checks on the way up that it came back to the directory
 * it left (someone may move things meanwhile).
 */

struct file_level {
    char *name; /* owned; of the directory below, in this one */
    dev_t dev;
    ino_t ino;
};

struct file_walk {
    const char *root;
    int fd; /* the directory we are in */
    struct file_level *levels;
    size_t n_levels;
    struct err *err;
};

static void file_walk_fini(struct file_walk *w)
{
    for (size_t i = 0; i < w->n_levels; i++)
        free(w->levels[i].name);
    free(w->levels);
    closep(&w->fd);
}

/* Opens a directory that is no link and no mount point; the negative errno otherwise. */
static int file_open_below(int dir, const char *name)
{
    struct statx st;

    if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &st) < 0)
        return -errno;
    if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return -EBUSY;
    dir = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return dir < 0 ? -errno : dir;
}

static int file_walk_down(struct file_walk *w, const char *name)
{
    int fd = file_open_below(w->fd, name);
    struct stat st;

    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return err_errno(w->err, -fd, "remove %s: %s", w->root, name);
    if (fstat(w->fd, &st) < 0) {
        close(fd);
        return err_errno(w->err, errno, "remove %s", w->root);
    }
    w->levels = mem_grow(w->levels, w->n_levels + 1, sizeof(*w->levels));
    w->levels[w->n_levels++] = (struct file_level){ .name = mem_str(name),
                                                    .dev = st.st_dev,
                                                    .ino = st.st_ino };
    close(w->fd);
    w->fd = fd;
    return 0;
}

static int file_walk_up(struct file_walk *w)
{
    struct file_level *level = &w->levels[w->n_levels - 1];
    cleanup(closep) int fd = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(w->err, errno, "remove %s", w->root);
    if (st.st_dev != level->dev || st.st_ino != level->ino)
        return err_set(w->err, ERR_IO, "remove %s: %s moved meanwhile", w->root, level->name);
    if (unlinkat(fd, level->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_errno(w->err, errno, "remove %s: %s", w->root, level->name);
    close(w->fd);
    w->fd = fd;
    fd = -1;
    free(level->name);
    w->n_levels--;
    return 0;
}

static void file_closedirp(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* Unlinks what is no directory; *ret_name is the first directory met (owned), or NULL. */
static int file_walk_sweep(struct file_walk *w, char **ret_name)
{
    int fd = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup(file_closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir)
        return err_errno(w->err, errno, "remove %s", w->root);
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(w->fd, entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR)
            return err_errno(w->err, errno, "remove %s: %s", w->root, entry->d_name);
        *ret_name = mem_str(entry->d_name);
        return 0;
    }
    *ret_name = NULL;
    return 0;
}

static int file_walk_empty(struct file_walk *w)
{
    for (;;) {
        cleanup(freep) char *name = NULL;
        int rc = file_walk_sweep(w, &name);

        if (rc < 0)
            return rc;
        if (!name && w->n_levels == 0)
            return 0;
        rc = name ? file_walk_down(w, name) : file_walk_up(w);
        if (rc < 0)
            return rc;
    }
}

int file_remove_tree(const char *path, struct err *err)
{
    cleanup(file_walk_fini) struct file_walk w = { .root = path, .fd = -1, .err = err };
    int rc;

    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return err_errno(err, errno, "remove %s", path);
    w.fd = file_open_below(AT_FDCWD, path);
    if (w.fd < 0)
        return err_errno(err, -w.fd, "remove %s", path);
    rc = file_walk_empty(&w);
    if (rc < 0)
        return rc;
    if (rmdir(path) < 0 && errno != ENOENT)
        return err_errno(err, errno, "remove %s", path);
    return 0;
}
