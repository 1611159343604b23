#include "nodeagent/disk_usage.h"

#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_USAGE_DEPTH_MAX 200 /* directories are open while their children are looked at */

static int64_t disk_usage_below(int dir, dev_t dev, unsigned depth)
{
    DIR *d = fdopendir(dir);
    struct dirent *e;
    int64_t sum = 0;

    if (d == NULL)
        close(dir);
    while (d != NULL && (e = readdir(d)) != NULL) {
        struct stat st;
        int sub;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
            continue;
        /* A file with several names counts a part for each. */
        sum += (int64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) ? 1 : (int64_t)st.st_nlink);
        if (!S_ISDIR(st.st_mode) || depth >= DISK_USAGE_DEPTH_MAX)
            continue;
        sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub >= 0)
            sum += disk_usage_below(sub, dev, depth + 1);
    }
    if (d != NULL)
        closedir(d);
    return sum;
}

int64_t disk_usage(const char *path)
{
    struct stat st;
    int fd;

    if (lstat(path, &st) < 0)
        return 0;
    if (!S_ISDIR(st.st_mode))
        return (int64_t)st.st_blocks * 512;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return (int64_t)st.st_blocks * 512 + (fd < 0 ? 0 : disk_usage_below(fd, st.st_dev, 0));
}

void pod_places_add(struct pod_places *p, char *path_steal, bool is_volume, size_t index)
{
    p->list = mem_grow(p->list, p->n + 1, sizeof(*p->list));
    p->list[p->n++] = (struct pod_place){ .path = path_steal,
                                          .is_volume = is_volume,
                                          .index = index };
}

void pod_places_fini(struct pod_places *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->list[i].path);
    free(p->list);
    *p = (struct pod_places){ .n = 0 };
}
