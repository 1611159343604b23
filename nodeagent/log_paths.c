#include "nodeagent/log_paths.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

char *log_paths_pod(const char *dir, const struct pod_view *pod)
{
    return mem_fmt("%s/pods/%s_%s_%s", dir, pod->ns, pod->name, pod->uid);
}

char *log_paths_container(const char *dir, const struct pod_view *pod, const char *container,
                          unsigned restarts)
{
    cleanup(freep) char *own = log_paths_pod(dir, pod);

    return mem_fmt("%s/%s/%u.log", own, container, restarts);
}

char *log_paths_link(const char *dir, const struct pod_view *pod, const char *container,
                     const char *id)
{
    return mem_fmt("%s/containers/%s_%s_%s-%s.log", dir, pod->name, pod->ns, container, id);
}

int log_paths_make_link(const char *link, const char *path, struct err *err)
{
    cleanup(freep) char *dir = mem_strn(link, (size_t)(strrchr(link, '/') - link));
    int rc = file_mkdirs(dir, 0755, err);

    if (rc < 0)
        return rc;
    if (symlink(path, link) == 0)
        return 0;
    if (errno == EEXIST && unlink(link) == 0 && symlink(path, link) == 0)
        return 0;
    return err_errno(err, errno, "make %s", link);
}

void log_paths_sweep(const char *dir)
{
    cleanup(freep) char *links = mem_fmt("%s/containers", dir);
    DIR *d = opendir(links);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        cleanup(freep) char *path = mem_fmt("%s/%s", links, e->d_name);

        /* access() follows the link. */
        if (e->d_type == DT_LNK && access(path, F_OK) < 0 && errno == ENOENT)
            unlink(path);
    }
    if (d != NULL)
        closedir(d);
}
