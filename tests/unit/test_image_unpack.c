/* layer: nodeagent */
#include "nodeagent/image_unpack.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

struct member {
    const char *path;
    mode_t type, mode; /* 0 = a file of 0644 */
    const char *text;  /* contents, or where a link leads */
    bool hard;
    const char *xattr;
};

static void pack(const char *path, const struct member *list, size_t n, bool gzip)
{
    struct archive *a = archive_write_new();

    archive_write_set_format_pax(a);
    if (gzip)
        archive_write_add_filter_gzip(a);
    CHECK_INT(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        const struct member *m = &list[i];
        struct archive_entry *e = archive_entry_new();
        const char *text = m->text != NULL ? m->text : "";
        mode_t type = m->type != 0 ? m->type : S_IFREG;

        archive_entry_set_pathname_utf8(e, m->path);
        archive_entry_set_filetype(e, type);
        archive_entry_set_perm(e, m->mode != 0 ? m->mode : type == S_IFDIR ? 0755 : 0644);
        if (type == S_IFLNK)
            archive_entry_set_symlink(e, text);
        else if (m->hard)
            archive_entry_set_hardlink(e, text);
        else if (type == S_IFREG)
            archive_entry_set_size(e, (la_int64_t)strlen(text));
        if (m->xattr != NULL)
            archive_entry_xattr_add_entry(e, m->xattr, "/etc", 4);
        CHECK(archive_write_header(a, e) >= ARCHIVE_WARN);
        if (type == S_IFREG && !m->hard)
            archive_write_data(a, text, strlen(text));
        archive_entry_free(e);
    }
    archive_write_close(a);
    archive_write_free(a);
}

struct unpacked {
    char dir[512], outside[512];
    int rc;
    uint64_t size;
    struct err err;
};

static void unpack(struct unpacked *u, const struct member *list, size_t n)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    memset(u, 0, sizeof(*u));
    snprintf(u->dir, sizeof(u->dir), "%s", test_path("layer"));
    snprintf(u->outside, sizeof(u->outside), "%s", test_path("outside"));
    CHECK_INT(file_remove_tree(u->dir, &u->err), 0);
    CHECK_INT(mkdir(u->dir, 0755), 0);
    pack(test_path("layer.tar"), list, n, false);
    setlocale(LC_CTYPE, "C"); /* as every program starts */
    u->rc = image_unpack(test_path("layer.tar"), u->dir, &u->size, &u->err);
}
#define UNPACK(u, ...)                                 \
    do {                                               \
        const struct member list_[] = { __VA_ARGS__ }; \
                                                       \
        unpack(&(u), list_, N_ELEMENTS(list_));        \
    } while (0)

/* The text of DIR/@name, "" when it is not there; borrowed until the next. */
static const char *content(const struct unpacked *u, const char *name)
{
    static char text[256];
    cleanup(freep) char *path = mem_fmt("%s/%s", u->dir, name);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (file_read(&t, path, sizeof(text) - 1, &err) < 0)
        return "";
    snprintf(text, sizeof(text), "%s", text_str(&t));
    return text;
}

static struct stat status(const struct unpacked *u, const char *name)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", u->dir, name);
    struct stat st = { 0 };

    lstat(path, &st);
    return st;
}

TEST(image_unpack, files_links_and_directories)
{
    struct unpacked u;

    UNPACK(u, { .path = "./", .type = S_IFDIR }, { .path = "etc/", .type = S_IFDIR, .mode = 0750 },
           { .path = "etc/passwd", .text = "root", .mode = 0640 },
           { .path = "/abs/file", .text = "abs" }, { .path = ".//odd/./file", .text = "odd" },
           { .path = "link", .type = S_IFLNK, .text = "/etc/passwd" },
           { .path = "hard", .text = "./etc/passwd", .hard = true },
           { .path = "tool", .text = "x", .mode = 04755 });
    CHECK_INT(u.rc, 0);
    CHECK_INT(u.size, 4 + 3 + 3 + 1);
    CHECK_STR(content(&u, "etc/passwd"), "root");
    CHECK_STR(content(&u, "hard"), "root");
    CHECK_STR(content(&u, "abs/file"), "abs");
    CHECK_STR(content(&u, "odd/file"), "odd");
    CHECK_INT(status(&u, "etc").st_mode & 07777, 0750);
    CHECK_INT(status(&u, "etc/passwd").st_mode & 07777, 0640);
    CHECK_INT(status(&u, "tool").st_mode & 07777, 04755);
    CHECK(S_ISLNK(status(&u, "link").st_mode));
    CHECK_INT(status(&u, "etc/passwd").st_nlink, 2);
    /* Parents that nobody listed are nobody's to write. */
    CHECK_INT(status(&u, "abs").st_mode & 07777, 0755);
}

TEST(image_unpack, names_are_utf8_whatever_the_locale)
{
    struct unpacked u;

    UNPACK(u, { .path = "f\xc5\x91tan\xc3\xbas.crt", .text = "x" },
           { .path = "l", .type = S_IFLNK, .text = "f\xc5\x91tan\xc3\xbas.crt" });
    CHECK_STR(u.err.text, "");
    CHECK_INT(u.rc, 0);
    CHECK_STR(content(&u, "f\xc5\x91tan\xc3\xbas.crt"), "x");
    CHECK_STR(content(&u, "l"), "x");
}

TEST(image_unpack, compressed_archives_too)
{
    const struct member list[] = { { .path = "a", .text = "x" } };
    uint64_t size;
    struct err err = ERR_EMPTY;

    CHECK_INT(mkdir(test_path("layer"), 0755), 0);
    pack(test_path("layer.tgz"), list, 1, true);
    CHECK_INT(image_unpack(test_path("layer.tgz"), test_path("layer"), &size, &err), 0);
    CHECK_INT(size, 1);
}

TEST(image_unpack, leaves_directory_and_umask_as_they_were)
{
    struct unpacked u;
    char before[4096], after[4096];
    mode_t mask = umask(027);

    CHECK(getcwd(before, sizeof(before)) != NULL);
    UNPACK(u, { .path = "a", .text = "x" });
    CHECK_INT(umask(mask), 027);
    CHECK(getcwd(after, sizeof(after)) != NULL);
    CHECK_STR(after, before);
}

/* --- whiteouts --- */

TEST(image_unpack, whiteouts_become_overlayfs_own)
{
    struct unpacked u;
    cleanup(freep) char *dir = NULL;
    char value[8] = "";

    if (geteuid() != 0)
        skip();
    UNPACK(u, { .path = "dir/.wh.gone" }, { .path = "deep/er/.wh.gone" },
           { .path = "dir/.wh..wh..opq" }, { .path = "dir/.wh..wh.plnk" }, { .path = ".wh.top" });
    CHECK_STR(u.err.text, "");
    CHECK_INT(u.rc, 0);
    CHECK(S_ISCHR(status(&u, "dir/gone").st_mode));
    CHECK_INT(status(&u, "dir/gone").st_rdev, makedev(0, 0));
    CHECK(S_ISCHR(status(&u, "deep/er/gone").st_mode));
    CHECK(S_ISCHR(status(&u, "top").st_mode));
    CHECK_INT(status(&u, "dir/.wh.gone").st_mode, 0);
    CHECK_INT(status(&u, "dir/.wh..wh..opq").st_mode, 0);
    dir = mem_fmt("%s/dir", u.dir);
    CHECK_INT(getxattr(dir, "trusted.overlay.opaque", value, sizeof(value)), 1);
    CHECK_STR(value, "y");
}

TEST(image_unpack, a_whiteout_names_only_what_is_beside_it)
{
    struct unpacked u;

    UNPACK(u, { .path = "a/.wh..." }, { .path = "a/.wh.." }, { .path = "a/.wh." });
    CHECK(u.rc < 0);
}

/* --- hostile archives --- */

static bool outside_is_clean(const struct unpacked *u)
{
    return !file_exists(u->outside) && !file_exists(test_path("evil"));
}

TEST(image_unpack, climbing_paths_are_refused)
{
    static const char *const paths[] = { "../evil", "a/../../evil",      "./../evil",     "a/..",
                                         "..",      "a/b/../../../evil", "../.wh.outside" };
    struct unpacked u;

    for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
        UNPACK(u, { .path = paths[i], .text = "x" });
        CHECK_INT(u.rc, ERR_CORRUPT);
        CHECK(strstr(u.err.text, "illegal path") != NULL);
        CHECK(outside_is_clean(&u));
    }
}

TEST(image_unpack, links_do_not_lead_writes_outside)
{
    struct unpacked u;
    cleanup(freep) char *target = mem_str(test_path(""));

    /* Through an absolute link, a climbing link, a chain, a file link, a whiteout. */
    UNPACK(u, { .path = "esc", .type = S_IFLNK, .text = target },
           { .path = "esc/evil", .text = "x" });
    CHECK(outside_is_clean(&u));
    UNPACK(u, { .path = "esc", .type = S_IFLNK, .text = ".." },
           { .path = "esc/evil", .text = "x" });
    CHECK(outside_is_clean(&u));
    UNPACK(u, { .path = "a", .type = S_IFLNK, .text = ".." },
           { .path = "b", .type = S_IFLNK, .text = "a" }, { .path = "b/evil", .text = "x" });
    CHECK(outside_is_clean(&u));
    UNPACK(u, { .path = "f", .type = S_IFLNK, .text = "../evil" }, { .path = "f", .text = "x" });
    CHECK(outside_is_clean(&u));
    UNPACK(u, { .path = "esc", .type = S_IFLNK, .text = ".." }, { .path = "esc/.wh.evil" });
    CHECK(u.rc < 0);
    CHECK(outside_is_clean(&u));
    UNPACK(u, { .path = "esc", .type = S_IFLNK, .text = ".." }, { .path = "esc/.wh..wh..opq" });
    CHECK(u.rc < 0);
    UNPACK(u, { .path = "esc", .type = S_IFLNK, .text = ".." },
           { .path = "esc/d/", .type = S_IFDIR, .mode = 0777 });
    CHECK(!file_exists(test_path("d")));
}

TEST(image_unpack, hard_links_stay_inside)
{
    struct unpacked u;
    struct err err = ERR_EMPTY;

    CHECK_INT(file_write_fast(test_path("secret"), "s", 1, 0600, &err), 0);
    UNPACK(u, { .path = "h", .text = "../secret", .hard = true });
    CHECK_INT(u.rc, ERR_CORRUPT);
    UNPACK(u, { .path = "h", .text = ".", .hard = true });
    CHECK(u.rc < 0);
    UNPACK(u, { .path = "esc", .type = S_IFLNK, .text = ".." },
           { .path = "h", .text = "esc/secret", .hard = true });
    CHECK_STR(content(&u, "h"), "");
    {
        cleanup(freep) char *absolute = mem_fmt("%s", test_path("secret"));

        UNPACK(u, { .path = "h", .text = absolute, .hard = true });
        CHECK_STR(content(&u, "h"), "");
    }
}

TEST(image_unpack, attributes_of_the_kernel_are_not_the_image_s)
{
    struct unpacked u;
    cleanup(freep) char *dir = NULL;
    char value[16];

    if (geteuid() != 0)
        skip();
    UNPACK(u, { .path = "d/", .type = S_IFDIR, .xattr = "trusted.overlay.redirect" },
           { .path = "f", .text = "x", .xattr = "user.note" });
    CHECK_INT(u.rc, 0);
    dir = mem_fmt("%s/d", u.dir);
    CHECK(getxattr(dir, "trusted.overlay.redirect", value, sizeof(value)) < 0);
}

TEST(image_unpack, broken_archives_are_errors)
{
    const struct member list[] = { { .path = "a", .text = "some text that is cut" },
                                   { .path = "b", .text = "more" } };
    cleanup(text_fini) struct text whole = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    uint64_t size;

    pack(test_path("layer.tar"), list, N_ELEMENTS(list), true);
    CHECK_INT(file_read(&whole, test_path("layer.tar"), 1 << 20, &err), 0);
    CHECK_INT(mkdir(test_path("layer"), 0755), 0);
    for (size_t cut = 1; cut < whole.len; cut += whole.len / 16 + 1) {
        CHECK_INT(file_write_fast(test_path("cut.tar"), whole.data, cut, 0600, &err), 0);
        CHECK(image_unpack(test_path("cut.tar"), test_path("layer"), &size, &err) < 0);
    }
    CHECK_INT(file_write_fast(test_path("cut.tar"), "no archive at all", 17, 0600, &err), 0);
    CHECK(image_unpack(test_path("cut.tar"), test_path("layer"), &size, &err) < 0);
    CHECK_INT(image_unpack(test_path("none.tar"), test_path("layer"), &size, &err), ERR_NOT_FOUND);
    CHECK_INT(image_unpack(test_path("layer.tar"), test_path("nowhere"), &size, &err),
              ERR_NOT_FOUND);
}
