#include "nodeagent/cgroup.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUP_MOUNT  "/sys/fs/cgroup"
#define CGROUP_PERIOD "100000"

void cgroup_init(struct cgroup *cg, const char *root)
{
    *cg = (struct cgroup){ .unified = file_exists(CGROUP_MOUNT "/cgroup.controllers") };
    snprintf(cg->root, sizeof(cg->root), "%s", root == NULL ? "/mkube" : root);
}

static int cgroup_write(const char *dir, const char *file, const char *value, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", dir, file);
    cleanup(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        return err_errno(err, errno, "write \"%s\" to %s", value, path);
    return 0;
}

static int cgroup_mkdir(const char *path, struct err *err)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make %s", path);
    return 0;
}

/* --- version 1: a tree per controller, groups made only where we set something --- */

static int cgroup_make_v1(const struct cgroup *cg, const char *controller, const char *uid,
                          char **ret_dir, struct err *err)
{
    cleanup(freep) char *root = mem_fmt(CGROUP_MOUNT "/%s%s", controller, cg->root);
    cleanup(freep) char *dir = mem_fmt("%s/pod%s", root, uid);
    int rc = file_mkdirs(root, 0755, err);

    if (rc == 0)
        rc = cgroup_mkdir(dir, err);
    if (rc == 0)
        *ret_dir = STEAL(dir);
    return rc;
}

static int cgroup_limit_v1(const struct cgroup *cg, const char *uid, const struct cgroup_limits *l,
                           struct err *err)
{
    cleanup(freep) char *cpu = NULL;
    cleanup(freep) char *memory = NULL;
    cleanup(freep) char *shares = mem_fmt("%lld", (long long)l->cpu_shares);
    cleanup(freep) char *quota = mem_fmt("%lld", (long long)l->cpu_quota_us);
    cleanup(freep) char *bytes = mem_fmt("%lld", (long long)l->memory);
    int rc = cgroup_make_v1(cg, "cpu", uid, &cpu, err);

    if (rc == 0)
        rc = cgroup_write(cpu, "cpu.shares", shares, err);
    if (rc == 0 && l->cpu_quota_us > 0)
        rc = cgroup_write(cpu, "cpu.cfs_quota_us", quota, err);
    if (rc == 0)
        rc = cgroup_make_v1(cg, "memory", uid, &memory, err);
    if (rc == 0 && l->memory > 0)
        rc = cgroup_write(memory, "memory.limit_in_bytes", bytes, err);
    return rc;
}

/* --- version 2: one tree, controllers handed down level by level --- */

static void cgroup_hand_down(const char *dir)
{
    static const char *const controllers[] = { "+cpu", "+cpuset", "+memory",
                                               "+io",  "+pids",   "+hugetlb" };
    struct err ignored = ERR_EMPTY;

    /* One by one: a kernel without one of them refuses the whole line. */
    for (size_t i = 0; i < N_ELEMENTS(controllers); i++)
        cgroup_write(dir, "cgroup.subtree_control", controllers[i], &ignored);
}

/* As runc and systemd translate: [2, 262144] to [1, 10000]. */
static int64_t cgroup_weight(int64_t shares)
{
    return 1 + ((shares - 2) * 9999) / 262142;
}

static int cgroup_limit_v2(const struct cgroup *cg, const char *uid, const struct cgroup_limits *l,
                           struct err *err)
{
    cleanup(freep) char *root = mem_fmt(CGROUP_MOUNT "%s", cg->root);
    cleanup(freep) char *dir = mem_fmt("%s/pod%s", root, uid);
    cleanup(freep) char *weight = mem_fmt("%lld", (long long)cgroup_weight(l->cpu_shares));
    cleanup(freep) char *quota = mem_fmt("%lld " CGROUP_PERIOD, (long long)l->cpu_quota_us);
    cleanup(freep) char *bytes = mem_fmt("%lld", (long long)l->memory);
    int rc = file_mkdirs(root, 0755, err);

    cgroup_hand_down(CGROUP_MOUNT);
    cgroup_hand_down(root);
    if (rc == 0)
        rc = cgroup_mkdir(dir, err);
    if (rc < 0)
        return rc;
    cgroup_hand_down(dir);
    rc = cgroup_write(dir, "cpu.weight", weight, err);
    if (rc == 0 && l->cpu_quota_us > 0)
        rc = cgroup_write(dir, "cpu.max", quota, err);
    if (rc == 0 && l->memory > 0)
        rc = cgroup_write(dir, "memory.max", bytes, err);
    return rc;
}

int cgroup_make_pod(const struct cgroup *cg, const char *uid, const struct cgroup_limits *limits,
                    struct err *err)
{
    int rc = cg->unified ? cgroup_limit_v2(cg, uid, limits, err)
                         : cgroup_limit_v1(cg, uid, limits, err);

    return rc < 0 ? err_wrap(err, rc, "control group of the pod") : 0;
}

/* The pod's group and what a lost container left in it (runc removes its own otherwise). */
static void cgroup_rmdir(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        cleanup(freep) char *sub = mem_fmt("%s/%s", path, e->d_name);

        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            rmdir(sub);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

/* Below every hierarchy's mount point. */
static void cgroup_remove(const struct cgroup *cg, const char *below)
{
    DIR *dir = cg->unified ? NULL : opendir(CGROUP_MOUNT);
    cleanup(freep) char *unified = mem_fmt(CGROUP_MOUNT "%s%s", cg->root, below);
    struct dirent *e;

    if (cg->unified)
        cgroup_rmdir(unified);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        cleanup(freep) char *path = mem_fmt(CGROUP_MOUNT "/%s%s%s", e->d_name, cg->root, below);

        if (e->d_name[0] != '.')
            cgroup_rmdir(path);
    }
    if (dir != NULL)
        closedir(dir);
}

void cgroup_remove_pod(const struct cgroup *cg, const char *uid)
{
    cleanup(freep) char *below = mem_fmt("/pod%s", uid);

    cgroup_remove(cg, below);
}

void cgroup_remove_root(const struct cgroup *cg)
{
    cgroup_remove(cg, "");
}

char *cgroup_path(const struct cgroup *cg, const char *uid, const char *id)
{
    return mem_fmt("%s/pod%s/%s", cg->root, uid, id);
}

uint64_t cgroup_oom_kills(const struct cgroup *cg, const char *uid, const char *id)
{
    cleanup(freep) char *path = cg->unified
                                    ? mem_fmt(CGROUP_MOUNT "%s/pod%s/%s/memory.events", cg->root,
                                              uid, id)
                                    : mem_fmt(CGROUP_MOUNT "/memory%s/pod%s/%s/memory.oom_control",
                                              cg->root, uid, id);
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    const char *line;
    uint64_t n = 0;

    if (file_read(&text, path, 4096, &err) < 0)
        return 0;
    line = strstr(text_str(&text), "oom_kill ");
    return line != NULL && sscanf(line, "oom_kill %lu", &n) == 1 ? n : 0;
}
