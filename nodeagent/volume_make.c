#include "nodeagent/volume.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- ownership (fsGroup) --- */

#define VOLUME_RW_MASK  0660
#define VOLUME_DIR_MASK 02110 /* setgid, and x for those who may r */

/* False if @name could not be given to @group: it may have gone meanwhile, and the rest goes on. */
static bool volume_own_one(int dir, const char *name, const struct stat *st, int64_t group)
{
    mode_t mode = (st->st_mode & 07777) | VOLUME_RW_MASK;

    if (fchownat(dir, name, (uid_t)-1, (gid_t)group, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (S_ISLNK(st->st_mode))
        return true;
    if (S_ISDIR(st->st_mode))
        mode |= VOLUME_DIR_MASK;
    return fchmodat(dir, name, mode, 0) == 0;
}

static void volume_own_below(int dir, int64_t group)
{
    DIR *d = fdopendir(dir);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        struct stat st;
        int sub;

        if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        volume_own_one(dirfd(d), e->d_name, &st, group);
        if (!S_ISDIR(st.st_mode))
            continue;
        sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub >= 0)
            volume_own_below(sub, group);
    }
    if (d != NULL)
        closedir(d);
}

static int volume_own(const char *path, const struct volumes *all, struct err *err)
{
    int64_t group = all->fs_group;
    struct stat st;
    int fd;

    if (group < 0)
        return 0;
    if (stat(path, &st) < 0)
        return err_errno(err, errno, "look at %s", path);
    if (all->only_on_mismatch && st.st_gid == (gid_t)group && (st.st_mode & 02000) != 0)
        return 0;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    volume_own_one(AT_FDCWD, path, &st, group);
    volume_own_below(fd, group);
    return 0;
}

/* --- one maker per type --- */

static int volume_mkdir(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, 0700) == 0)
        return chmod(path, mode) < 0 ? err_errno(err, errno, "change the mode of %s", path) : 0;
    return errno == EEXIST ? 0 : err_errno(err, errno, "make %s", path);
}

static int volume_make_empty(const struct volume *v, const struct volumes *all, struct err *err)
{
    int rc = volume_mkdir(v->path, 0777, err);

    return rc < 0 ? rc : volume_own(v->path, all, err);
}

static int volume_make_memory(const struct volume *v, const struct volumes *all, struct err *err)
{
    cleanup(freep) char *options = v->size > 0 ? mem_fmt("mode=0777,size=%lld", (long long)v->size)
                                               : mem_str("mode=0777");
    cleanup(freep) char *parent = mem_fmt("%s/..", v->path);
    struct stat a, b;
    int rc = volume_mkdir(v->path, 0777, err);

    if (rc < 0)
        return rc;
    if (stat(v->path, &a) == 0 && stat(parent, &b) == 0 && a.st_dev != b.st_dev)
        return 0; /* stands from before */
    if (mount("tmpfs", v->path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return err_errno(err, errno, "mount a tmpfs at %s", v->path);
    return volume_own(v->path, all, err);
}

static int volume_touch(const char *path, struct err *err)
{
    cleanup(closep) int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

    return fd < 0 ? err_errno(err, errno, "make %s", path) : 0;
}

static const struct {
    const char *type;
    mode_t format; /* 0: a directory or file of any kind */
    bool make;
    const char *word; /* what it is not, in the kubelet's event */
} host_types[] = {
    { "", 0, false, "file or directory" },
    { "DirectoryOrCreate", S_IFDIR, true, "directory" },
    { "Directory", S_IFDIR, false, "directory" },
    { "FileOrCreate", S_IFREG, true, "file" },
    { "File", S_IFREG, false, "file" },
    { "Socket", S_IFSOCK, false, "socket file" },
    { "CharDevice", S_IFCHR, false, "character device" },
    { "BlockDevice", S_IFBLK, false, "block device" },
};

static int volume_make_host(const struct volume *v, const struct volumes *all UNUSED,
                            struct err *err)
{
    struct stat st;
    size_t i = 0;
    int rc = 0;

    while (i < N_ELEMENTS(host_types) && !str_eq(host_types[i].type, v->host_type))
        i++;
    if (i == N_ELEMENTS(host_types))
        return err_set(err, ERR_INVALID, "hostPath type \"%s\" is unknown", v->host_type);
    if (host_types[i].make && !file_exists(v->path))
        rc = host_types[i].format == S_IFDIR ? file_mkdirs(v->path, 0755, err)
                                             : volume_touch(v->path, err);
    /* Docker's old manner, kept by container runtimes: an absent path of no type is a directory. */
    if (v->host_type[0] == '\0' && !file_exists(v->path))
        rc = file_mkdirs(v->path, 0755, err);
    if (rc < 0)
        return rc;
    if (stat(v->path, &st) < 0 ||
        (host_types[i].format != 0 && (st.st_mode & S_IFMT) != host_types[i].format))
        return err_set(err, ERR_INVALID, "hostPath type check failed: %s is not a %s", v->path,
                       host_types[i].word);
    return 0;
}

static int volume_make_payload(const struct volume *v, const struct volumes *all, struct err *err)
{
    return payload_write(v->path, &v->payload, all->fs_group, err);
}

/* For whichever user the containers run as; there only with its mode, also after a power cut, and
 * the claim's data must not vanish with one because its directory did. */
static int volume_make_root(const char *path, const char *parent, struct err *err)
{
    cleanup(freep) char *made = mem_fmt("%s/.new-%s", parent, strrchr(path, '/') + 1);

    if (mkdir(made, 0700) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make %s", made);
    if (chmod(made, 0777) < 0 || rename(made, path) < 0)
        return err_errno(err, errno, "make %s", path);
    return file_sync_dir(parent, err);
}

static int volume_make_local(const struct volume *v, const struct volumes *all, struct err *err)
{
    int rc = 0;

    if (!file_exists(v->path)) {
        cleanup(freep) char *parent = mem_strn(v->path, (size_t)(strrchr(v->path, '/') - v->path));

        if (!v->may_make)
            return err_set(err, ERR_NOT_FOUND, "path \"%s\" does not exist", v->path);
        rc = file_mkdirs(parent, 0711, err);
        if (rc == 0)
            rc = volume_make_root(v->path, parent, err);
    }
    return rc < 0 ? rc : volume_own(v->path, all, err);
}

static int (*const volume_makers[])(const struct volume *v, const struct volumes *all,
                                    struct err *err) = {
    [VOLUME_EMPTY_DIR] = volume_make_empty, [VOLUME_MEMORY] = volume_make_memory,
    [VOLUME_HOST_PATH] = volume_make_host,  [VOLUME_PAYLOAD] = volume_make_payload,
    [VOLUME_LOCAL] = volume_make_local,
};

int volumes_make(const struct volumes *v, struct err *err)
{
    for (size_t i = 0; i < v->n; i++) {
        int rc = volume_makers[v->list[i].type](&v->list[i], v, err);

        if (rc < 0)
            return err_wrap(err, rc, "MountVolume.SetUp failed for volume \"%s\" ",
                            v->list[i].name);
    }
    return 0;
}

/* --- subPath --- */

static int volume_open_below(int root, const char *path, int flags)
{
    struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };

    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Makes the directories of @sub that are missing, each step below @root and as open as that: who
 * may write to the volume may write there. */
static void volume_make_below(int root, const char *sub)
{
    cleanup(freep) char *path = mem_str(sub);
    struct stat st;
    mode_t mode = fstat(root, &st) == 0 ? st.st_mode & 07777 : 0755;

    for (char *p = path; p != NULL;) {
        cleanup(closep) int parent = -1;
        char *slash = strchr(p, '/');

        if (slash != NULL)
            *slash = '\0';
        parent = p == path ? dup(root) : -1;
        if (p != path) {
            p[-1] = '\0';
            parent = volume_open_below(root, path, O_PATH | O_DIRECTORY);
            p[-1] = '/';
        }
        if (*p != '\0' && parent >= 0 && mkdirat(parent, p, 0750) == 0 &&
            fchmodat(parent, p, mode, 0) < 0)
            return;
        if (slash != NULL)
            *slash = '/';
        p = slash == NULL ? NULL : slash + 1;
    }
}

int volume_bind_sub(const char *root, const char *sub, const char *target, struct err *err)
{
    cleanup(closep) int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup(closep) int fd = -1;
    cleanup(freep) char *link = NULL;
    struct stat st;
    int rc;

    if (dir < 0)
        return err_errno(err, errno, "open %s", root);
    fd = volume_open_below(dir, sub, O_PATH);
    if (fd < 0 && errno == ENOENT) {
        volume_make_below(dir, sub);
        fd = volume_open_below(dir, sub, O_PATH);
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, errno, "failed to prepare subPath \"%s\"", sub);
    rc = S_ISDIR(st.st_mode) ? file_mkdirs(target, 0755, err) : volume_touch(target, err);
    link = mem_fmt("/proc/thread-self/fd/%d", fd);
    umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW); /* of the container's life before */
    if (rc == 0 && mount(link, target, NULL, MS_BIND | MS_REC, NULL) < 0)
        rc = err_errno(err, errno, "bind subPath \"%s\"", sub);
    return rc;
}
