#include "nodeagent/payload.h"

#include "base/bits.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAYLOAD_FILE_MAX (4 << 20)

/* Rights the group of the volume gets on what it may only read (kubelet: SetVolumeOwnership). */
static mode_t payload_file_mode(const struct payload_file *f, int64_t fs_group)
{
    return fs_group < 0 ? f->mode : f->mode | 0440;
}

static bool payload_file_same(const char *data_dir, const struct payload_file *f, int64_t fs_group)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", data_dir, f->path);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & 07777) == payload_file_mode(f, fs_group) &&
           file_read(&t, path, PAYLOAD_FILE_MAX, &ignored) == 0 && t.len == f->len &&
           memcmp(text_str(&t), f->data, f->len) == 0;
}

static size_t payload_count(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, e->d_name);

        if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
            continue;
        n += e->d_type == DT_DIR ? payload_count(path) : 1;
    }
    if (d != NULL)
        closedir(d);
    return n;
}

static bool payload_same(const char *dir, const struct payload *p, int64_t fs_group)
{
    cleanup(freep) char *data = mem_fmt("%s/..data", dir);

    if (!file_exists(data) || payload_count(data) != p->n)
        return false;
    for (size_t i = 0; i < p->n; i++)
        if (!payload_file_same(data, &p->files[i], fs_group))
            return false;
    return true;
}

static int payload_chown(const char *path, int64_t uid, int64_t gid, struct err *err)
{
    if ((uid >= 0 || gid >= 0) &&
        lchown(path, uid < 0 ? (uid_t)-1 : (uid_t)uid, gid < 0 ? (gid_t)-1 : (gid_t)gid) < 0)
        return err_errno(err, errno, "change the owner of %s", path);
    return 0;
}

/* A directory of the volume: 0755, with the group when there is one. */
static int payload_mkdir(const char *path, int64_t fs_group, struct err *err)
{
    mode_t mode = fs_group < 0 ? 0755 : 02775;

    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make %s", path);
    if (payload_chown(path, -1, fs_group, err) < 0)
        return err->code;
    return chmod(path, mode) < 0 ? err_errno(err, errno, "change the mode of %s", path) : 0;
}

static int payload_write_file(const char *stage, const struct payload_file *f, int64_t fs_group,
                              struct err *err)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", stage, f->path);
    cleanup(closep) int fd = -1;

    for (char *p = path + strlen(stage) + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
        *p = '\0';
        if (payload_mkdir(path, fs_group, err) < 0)
            return err->code;
    }
    fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, errno, "make %s", path);
    for (size_t done = 0; done < f->len;) {
        ssize_t n = write(fd, f->data + done, f->len - done);

        if (n < 0)
            return err_errno(err, errno, "write %s", path);
        done += (size_t)n;
    }
    if (payload_chown(path, f->uid, fs_group, err) < 0)
        return err->code;
    if (fchmod(fd, payload_file_mode(f, fs_group)) < 0)
        return err_errno(err, errno, "change the mode of %s", path);
    return 0;
}

/* The first part of a path: what the visible links are named after. */
static char *payload_top(const char *path)
{
    return mem_strn(path, strcspn(path, "/"));
}

static int payload_link(const char *dir, const struct payload *p, struct err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        cleanup(freep) char *top = payload_top(p->files[i].path);
        cleanup(freep) char *link = mem_fmt("%s/%s", dir, top);
        cleanup(freep) char *target = mem_fmt("..data/%s", top);

        if (symlink(target, link) < 0 && errno != EEXIST)
            return err_errno(err, errno, "make %s", link);
    }
    return 0;
}

/* Links whose file is no more, and stages of earlier times. */
static void payload_clean(const char *dir, const struct payload *p, const char *stage)
{
    DIR *d = opendir(dir);
    struct err ignored = ERR_EMPTY;
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, e->d_name);
        bool keep = str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
                    str_eq(e->d_name, "..data") || str_eq(e->d_name, stage);

        for (size_t i = 0; i < p->n && !keep; i++) {
            cleanup(freep) char *top = payload_top(p->files[i].path);

            keep = str_eq(top, e->d_name);
        }
        for (size_t i = 0; i < p->n_dirs && !keep; i++) {
            cleanup(freep) char *top = payload_top(p->dirs[i]);

            keep = str_eq(top, e->d_name);
        }
        if (!keep)
            file_remove_tree(path, &ignored);
    }
    if (d != NULL)
        closedir(d);
}

int payload_write(const char *dir, const struct payload *p, int64_t fs_group, struct err *err)
{
    unsigned char raw[6];
    char stage[32];
    cleanup(freep) char *stage_path = NULL;
    cleanup(freep) char *new_link = mem_fmt("%s/..data_tmp", dir);
    cleanup(freep) char *data = mem_fmt("%s/..data", dir);
    int rc = payload_mkdir(dir, fs_group, err);

    for (size_t i = 0; i < p->n_dirs && rc == 0; i++) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, p->dirs[i]);

        rc = file_mkdirs(path, 0755, err);
    }
    if (rc < 0 || payload_same(dir, p, fs_group))
        return rc;
    bits_random(raw, sizeof(raw));
    snprintf(stage, sizeof(stage), "..%02x%02x%02x%02x%02x%02x", raw[0], raw[1], raw[2], raw[3],
             raw[4], raw[5]);
    stage_path = mem_fmt("%s/%s", dir, stage);
    rc = payload_mkdir(stage_path, fs_group, err);
    for (size_t i = 0; i < p->n && rc == 0; i++)
        rc = payload_write_file(stage_path, &p->files[i], fs_group, err);
    if (rc < 0)
        return rc;
    unlink(new_link);
    if (symlink(stage, new_link) < 0 || rename(new_link, data) < 0)
        return err_errno(err, errno, "switch %s", data);
    rc = payload_link(dir, p, err);
    payload_clean(dir, p, stage);
    return rc;
}
