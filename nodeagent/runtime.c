#include "nodeagent/runtime.h"

#include "base/bits.h"
#include "base/child.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "nodeagent/host_info.h"
#include "nodeagent/life.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

struct runtime {
    uv_loop_t *loop;          /* borrowed */
    char *data_dir, *run_dir; /* owned */
    char *runc, *conmon;      /* owned: whole paths */
    char *runc_root;          /* owned */
    struct cgroup cgroup;
    struct runc_host host;
    struct map *lives;    /* id to struct life, borrowed */
    uv_fs_event_t *exits; /* owned; dies in its close callback */
    unsigned n_holders;   /* the owner and every life */
};

static void runtime_on_exit_file(uv_fs_event_t *handle, const char *name, int events UNUSED,
                                 int status)
{
    struct runtime *rt = handle->data;
    struct life *life;

    if (rt == NULL || status < 0 || name == NULL)
        return;
    life = map_get(rt->lives, name);
    if (life != NULL)
        life_on_exit_file(life);
}

static void runtime_on_watch_closed(uv_handle_t *handle)
{
    free(handle);
}

static int runtime_watch(struct runtime *rt, struct err *err)
{
    cleanup(freep) char *dir = mem_fmt("%s/exits", rt->run_dir);
    int rc;

    rt->exits = MEM_NEW(uv_fs_event_t);
    uv_fs_event_init(rt->loop, rt->exits);
    rt->exits->data = rt;
    rc = uv_fs_event_start(rt->exits, runtime_on_exit_file, dir, 0);
    if (rc < 0)
        return err_errno(err, rc, "watch %s", dir);
    /* Waiting for exits alone keeps no loop alive. */
    uv_unref((uv_handle_t *)rt->exits);
    return 0;
}

static int runtime_find(char **ret, const char *program, const char *package, struct err *err)
{
    const char *path = getenv("PATH");
    cleanup(strv_freep) char **dirs = str_split(
        path == NULL ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" : path, ':');

    for (char **dir = dirs; *dir != NULL; dir++) {
        cleanup(freep) char *whole = mem_fmt("%s/%s", *dir, program);

        if (access(whole, X_OK) == 0) {
            *ret = STEAL(whole);
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "%s is not installed (package %s)", program, package);
}

static int runtime_make_dirs(struct runtime *rt, struct err *err)
{
    static const char *const below_run[] = { "containers", "exits", "runc", "pods" };
    static const char *const below_data[] = { "containers", "pods" };
    int rc = 0;

    for (size_t i = 0; i < N_ELEMENTS(below_run) && rc == 0; i++) {
        cleanup(freep) char *dir = mem_fmt("%s/%s", rt->run_dir, below_run[i]);

        rc = file_mkdirs(dir, 0711, err);
    }
    for (size_t i = 0; i < N_ELEMENTS(below_data) && rc == 0; i++) {
        cleanup(freep) char *dir = mem_fmt("%s/%s", rt->data_dir, below_data[i]);

        rc = file_mkdirs(dir, 0711, err);
    }
    return rc;
}

int runtime_new(struct runtime **ret, uv_loop_t *loop, const struct runtime_opts *opts,
                struct err *err)
{
    struct runtime *rt = MEM_NEW(struct runtime);
    int rc;

    rt->n_holders = 1;
    rt->loop = loop;
    rt->data_dir = mem_str(opts->data_dir);
    rt->run_dir = mem_str(opts->run_dir);
    rt->runc_root = mem_fmt("%s/runc", opts->run_dir);
    rt->lives = map_new(NULL);
    cgroup_init(&rt->cgroup, opts->cgroup_root);
    host_info_limits(&rt->host);
    rt->host.cgroup_v2 = rt->cgroup.unified;
    rc = runtime_find(&rt->runc, "runc", "runc", err);
    if (rc == 0)
        rc = runtime_find(&rt->conmon, "conmon", "conmon", err);
    if (rc == 0)
        rc = runtime_make_dirs(rt, err);
    if (rc == 0)
        rc = runtime_watch(rt, err);
    if (rc < 0) {
        runtime_close(rt);
        return rc;
    }
    *ret = rt;
    return 0;
}

struct runtime *runtime_close(struct runtime *rt)
{
    if (rt == NULL)
        return NULL;
    if (rt->exits != NULL) {
        rt->exits->data = NULL;
        uv_close((uv_handle_t *)rt->exits, runtime_on_watch_closed);
        rt->exits = NULL;
    }
    runtime_release(rt);
    return NULL;
}

void runtime_hold(struct runtime *rt)
{
    rt->n_holders++;
}

void runtime_release(struct runtime *rt)
{
    assert(rt->n_holders > 0);
    if (--rt->n_holders > 0)
        return;
    json_decref(rt->host.devices);
    map_free(rt->lives);
    free(rt->data_dir);
    free(rt->run_dir);
    free(rt->runc);
    free(rt->conmon);
    free(rt->runc_root);
    free(rt);
}

uv_loop_t *runtime_loop(const struct runtime *rt)
{
    return rt->loop;
}
const char *runtime_runc(const struct runtime *rt)
{
    return rt->runc;
}
const char *runtime_runc_root(const struct runtime *rt)
{
    return rt->runc_root;
}
const char *runtime_conmon(const struct runtime *rt)
{
    return rt->conmon;
}
const char *runtime_run_dir(const struct runtime *rt)
{
    return rt->run_dir;
}
const char *runtime_data_dir(const struct runtime *rt)
{
    return rt->data_dir;
}
const struct cgroup *runtime_cgroup(const struct runtime *rt)
{
    return &rt->cgroup;
}
const struct runc_host *runtime_host(const struct runtime *rt)
{
    return &rt->host;
}

void runtime_make_id(char ret[65])
{
    unsigned char raw[32];

    bits_random(raw, sizeof(raw));
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(ret + 2 * i, 3, "%02x", raw[i]);
}

char *runtime_bundle(const struct runtime *rt, const char *id, const char *file)
{
    return mem_fmt("%s/containers/%s%s%s", rt->run_dir, id, file[0] == '\0' ? "" : "/", file);
}

char *runtime_store(const struct runtime *rt, const char *id, const char *file)
{
    return mem_fmt("%s/containers/%s%s%s", rt->data_dir, id, file[0] == '\0' ? "" : "/", file);
}

void runtime_add(struct runtime *rt, const char *id, struct life *life)
{
    map_put(rt->lives, id, life);
}

void runtime_remove(struct runtime *rt, const char *id, const struct life *life)
{
    if (map_get(rt->lives, id) == life)
        map_del(rt->lives, id);
}

/* --- leftovers of an earlier agent --- */

static bool runtime_keeps(const struct runtime *rt, const char *const *ids, const char *id)
{
    for (; *ids != NULL; ids++)
        if (str_eq(*ids, id))
            return true;
    return map_get(rt->lives, id) != NULL;
}

static void runtime_sweep_dir(struct runtime *rt, const char *dir, const char *const *ids)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || runtime_keeps(rt, ids, e->d_name))
            continue;
        log_info("container without a pod is removed", KV("container", "%s", e->d_name));
        life_destroy_sync(rt, e->d_name);
    }
    if (d != NULL)
        closedir(d);
}

void runtime_sweep(struct runtime *rt, const char *const *ids)
{
    cleanup(freep) char *bundles = mem_fmt("%s/containers", rt->run_dir);
    cleanup(freep) char *stores = mem_fmt("%s/containers", rt->data_dir);

    runtime_sweep_dir(rt, rt->runc_root, ids);
    runtime_sweep_dir(rt, bundles, ids);
    runtime_sweep_dir(rt, stores, ids);
}
