#include "nodeagent/image_unpack.h"

#include "base/mem.h"
#include "base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define UNPACK_BLOCK (64 * 1024)
#define UNPACK_FLAGS                                                                             \
    (ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL | \
     ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_UNLINK | ARCHIVE_EXTRACT_SECURE_NODOTDOT |          \
     ARCHIVE_EXTRACT_SECURE_SYMLINKS)

static void archive_entry_freep(struct archive_entry **e)
{
    archive_entry_free(*e);
}

static int unpack_fail(struct archive *a, struct err *err)
{
    int code = archive_errno(a) == ENOSPC ? ERR_NOSPACE : ERR_CORRUPT;

    return err_set(err, code, "%s",
                   archive_error_string(a) != NULL ? archive_error_string(a)
                                                   : "unknown archive error");
}

/* "./a//b/" -> "a/b", "." -> ""; false: it climbs out, or is no path at all. */
static bool unpack_clean(char *ret, size_t size, const char *path)
{
    size_t n = 0;

    while (path != NULL && *path != '\0') {
        size_t len;

        while (*path == '/')
            path++;
        len = strcspn(path, "/");
        if (len == 2 && strncmp(path, "..", 2) == 0)
            return false;
        if (len > 0 && !(len == 1 && *path == '.')) {
            if (n + len + 2 > size)
                return false;
            if (n > 0)
                ret[n++] = '/';
            memcpy(ret + n, path, len);
            n += len;
        }
        path += len;
    }
    ret[n] = '\0';
    return path != NULL;
}

/* Parents that the archive did not list, made by openat steps that follow no link. */
static int unpack_open_parent(int root, const char *path, struct err *err)
{
    cleanup(freep) char *copy = mem_str(path);
    char *last = strrchr(copy, '/');
    int dir = dup(root);
    char *save = NULL;

    if (last == NULL)
        return dir;
    *last = '\0';
    for (char *part = strtok_r(copy, "/", &save); part != NULL; part = strtok_r(NULL, "/", &save)) {
        int next;

        if (mkdirat(dir, part, 0755) < 0 && errno != EEXIST) {
            int rc = err_errno(err, errno, "make %s", path);

            close(dir);
            return rc;
        }
        next = openat(dir, part, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDONLY);
        close(dir);
        if (next < 0)
            return err_errno(err, errno, "open parent of %s", path);
        dir = next;
    }
    return dir;
}

static const char *unpack_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* 1: @path was a whiteout and is done. */
static int unpack_whiteout(int root, const char *path, struct err *err)
{
    const char *base = unpack_base(path);
    int dir, rc = 1;

    if (!str_starts(base, ".wh."))
        return 0;
    dir = unpack_open_parent(root, path, err);
    if (dir < 0)
        return dir;
    if (str_eq(base, ".wh..wh..opq")) {
        if (fsetxattr(dir, "trusted.overlay.opaque", "y", 1, 0) < 0)
            rc = err_errno(err, errno, "mark %s opaque", path);
    } else if (!str_starts(base, ".wh..wh.") &&
               mknodat(dir, base + 4, S_IFCHR | 0000, makedev(0, 0)) < 0 && errno != EEXIST) {
        rc = err_errno(err, errno, "white out %s", path);
    }
    close(dir);
    return rc;
}

static int unpack_data(struct archive *in, struct archive *out, uint64_t *size, struct err *err)
{
    const void *block;
    size_t len;
    la_int64_t offset;
    int rc;

    while ((rc = archive_read_data_block(in, &block, &len, &offset)) == ARCHIVE_OK) {
        if (archive_write_data_block(out, block, len, offset) < ARCHIVE_OK)
            return unpack_fail(out, err);
        *size += len;
    }
    return rc == ARCHIVE_EOF ? 0 : unpack_fail(in, err);
}

/* Capabilities belong to the image, users' attributes to its files.  What the kernel or overlayfs
 * believes ("trusted.overlay.redirect") is not an image's to say. */
static void unpack_keep_xattrs(struct archive_entry *entry)
{
    cleanup(archive_entry_freep) struct archive_entry *copy = archive_entry_clone(entry);
    const char *name;
    const void *value;
    size_t size;

    archive_entry_xattr_clear(entry);
    archive_entry_xattr_reset(copy);
    while (archive_entry_xattr_next(copy, &name, &value, &size) == ARCHIVE_OK)
        if (name != NULL && (str_eq(name, "security.capability") || str_starts(name, "user.")))
            archive_entry_xattr_add_entry(entry, name, value, size);
}

static int unpack_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
                        int root, uint64_t *size, struct err *err)
{
    char path[4096], link[4096];
    const char *hardlink = archive_entry_hardlink(entry);
    int rc;

    if (!unpack_clean(path, sizeof(path), archive_entry_pathname(entry)))
        return err_set(err, ERR_CORRUPT, "illegal path \"%.200s\"",
                       archive_entry_pathname(entry) != NULL ? archive_entry_pathname(entry) : "");
    if (path[0] == '\0')
        return 0; /* the root itself */
    rc = unpack_whiteout(root, path, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    archive_entry_set_pathname(entry, path);
    unpack_keep_xattrs(entry);
    if (hardlink != NULL) {
        if (!unpack_clean(link, sizeof(link), hardlink) || link[0] == '\0')
            return err_set(err, ERR_CORRUPT, "%s links to outside of the layer", path);
        archive_entry_set_hardlink(entry, link);
    }
    if (archive_write_header(out, entry) < ARCHIVE_WARN)
        return unpack_fail(out, err);
    rc = hardlink == NULL && archive_entry_size(entry) > 0 ? unpack_data(in, out, size, err) : 0;
    if (rc == 0 && archive_write_finish_entry(out) < ARCHIVE_WARN)
        return unpack_fail(out, err);
    return rc;
}

static int unpack_all(struct archive *in, struct archive *out, int root, uint64_t *size,
                      struct err *err)
{
    struct archive_entry *entry;
    int rc;

    while ((rc = archive_read_next_header(in, &entry)) >= ARCHIVE_WARN && rc != ARCHIVE_EOF) {
        int one = unpack_entry(in, out, entry, root, size, err);

        if (one < 0)
            return one;
    }
    return rc == ARCHIVE_EOF ? 0 : unpack_fail(in, err);
}

/* What images are packed with.  Not libarchive's "all": some of those run programs. */
static struct archive *unpack_reader(void)
{
    struct archive *in = archive_read_new();

    archive_read_support_filter_gzip(in);
    archive_read_support_filter_zstd(in);
    archive_read_support_filter_xz(in);
    archive_read_support_filter_bzip2(in);
    archive_read_support_format_tar(in);
    return in;
}

static int unpack_here(int packed, int root, uint64_t *size, struct err *err)
{
    struct archive *in = unpack_reader();
    struct archive *out = archive_write_disk_new();
    int rc = 0;

    archive_write_disk_set_options(out, UNPACK_FLAGS);
    if (archive_read_open_fd(in, packed, UNPACK_BLOCK) != ARCHIVE_OK)
        rc = unpack_fail(in, err);
    if (rc == 0)
        rc = unpack_all(in, out, root, size, err);
    if (archive_write_close(out) != ARCHIVE_OK && rc == 0)
        rc = unpack_fail(out, err);
    archive_read_free(in);
    archive_write_free(out);
    return rc;
}

/* libarchive writes below the current directory, makes missing parents by the umask and reads
 * names by the locale (those of pax headers are UTF-8): all three belong to the process. */
int image_unpack(const char *archive_path, const char *dir, uint64_t *ret_size, struct err *err)
{
    cleanup(closep) int before = open(".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    cleanup(closep) int packed = open(archive_path, O_RDONLY | O_CLOEXEC);
    cleanup(closep) int root = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    uint64_t size = 0;
    mode_t mask;
    int rc = 0;

    if (packed < 0)
        return err_errno(err, errno, "unpack layer: open %s", archive_path);
    if (root < 0 || fchdir(root) < 0)
        return err_errno(err, errno, "unpack layer: enter %s", dir);
    setlocale(LC_CTYPE, "C.UTF-8");
    mask = umask(022);
    rc = unpack_here(packed, root, &size, err);
    umask(mask);
    /* The files before the rename that makes the layer count. */
    if (rc == 0 && syncfs(root) < 0)
        rc = err_errno(err, errno, "write layer to disk");
    if (before >= 0 && fchdir(before) < 0 && rc == 0)
        rc = err_errno(err, errno, "leave %s", dir);
    if (rc < 0)
        return err_wrap(err, rc, "unpack layer");
    *ret_size = size;
    return 0;
}
