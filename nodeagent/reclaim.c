#include "nodeagent/reclaim.h"

#include "api/informer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/work.h"

#include <assert.h>
#include <string.h>

#define RECLAIM_NODE      "mkube.io/node"
#define RECLAIM_FINALIZER "mkube.io/local-volume"
#define RECLAIM_RETRY_MS  5000

struct reclaim {
    uv_loop_t *loop;
    struct client *client; /* borrowed */
    char *node_name, *data_dir;
    struct informer *volumes;
    struct map *jobs; /* name to struct reclaim_job */
    bool is_closed;
    unsigned n_running; /* on worker threads */
};

/* One volume on its way out. */
struct reclaim_job {
    struct reclaim *owner;
    char *name, *uid;
    char *path; /* NULL = nothing to remove */
    bool is_running, is_removed;
    struct err err;
    struct client_call *call;
    struct timer *retry;
};

/* --- what to do --- */

/* The one name below @data_dir/volumes that @path is; NULL: it is something else. */
static const char *reclaim_dir(const char *path, const char *data_dir)
{
    cleanup(freep) char *root = mem_fmt("%s/volumes/", data_dir);
    const char *name = path != NULL && str_starts(path, root) ? path + strlen(root) : NULL;

    return name == NULL || name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL ? NULL
                                                                                          : name;
}

enum reclaim_step reclaim_plan(const char **ret_dir, const json_t *volume, const char *node_name,
                               const char *data_dir)
{
    const json_t *annotations = json_at(volume, "metadata.annotations");
    const json_t *finalizers = json_at(volume, "metadata.finalizers");
    const char *node = json_string_value(json_object_get(annotations, RECLAIM_NODE));

    *ret_dir = NULL;
    if (!str_eq(node, node_name) || json_str(volume, "metadata.deletionTimestamp") == NULL ||
        json_array_size(finalizers) != 1 ||
        !str_eq(json_string_value(json_array_get(finalizers, 0)), RECLAIM_FINALIZER))
        return RECLAIM_NOTHING;
    *ret_dir = reclaim_dir(json_str(volume, "spec.local.path"), data_dir);
    /* Elsewhere this node makes no directories, so it has none to remove either. */
    return *ret_dir == NULL ? RECLAIM_RELEASE : RECLAIM_REMOVE;
}

/* --- doing it --- */

static void reclaim_step(void *arg);

static void reclaim_job_free(void *value)
{
    struct reclaim_job *j = value;

    if (j->call != NULL)
        client_call_cancel(j->call);
    timer_close(j->retry);
    free(j->name);
    free(j->uid);
    free(j->path);
    free(j);
}

static void reclaim_free(struct reclaim *r)
{
    map_free(r->jobs);
    free(r->node_name);
    free(r->data_dir);
    free(r);
}

static void reclaim_on_released(void *arg, int rc, int status, const json_t *body UNUSED,
                                const struct err *err)
{
    struct reclaim_job *j = arg;

    j->call = NULL;
    if (rc == 0 || status == 404) {
        log_info("volume is reclaimed", KV("volume", "%s", j->name));
        reclaim_job_free(map_take(j->owner->jobs, j->name));
        return;
    }
    log_warn("volume is not released", KV("volume", "%s", j->name), KV_ERR(err));
    timer_start(j->retry, RECLAIM_RETRY_MS);
}

/* Only of that very volume, and only while nobody else has come to hold it. */
static void reclaim_release(struct reclaim_job *j)
{
    cleanup(freep) char *path = mem_fmt("/api/v1/persistentvolumes/%s", j->name);
    cleanup(json_decrefpp) json_t *patch = json_pack(
        "[{s:s, s:s, s:s}, {s:s, s:s, s:[s]}, {s:s, s:s}]", "op", "test", "path", "/metadata/uid",
        "value", j->uid, "op", "test", "path", "/metadata/finalizers", "value", RECLAIM_FINALIZER,
        "op", "remove", "path", "/metadata/finalizers");

    assert(j->call == NULL);
    j->call = client_call(j->owner->client, "PATCH", path, "application/json-patch+json", patch,
                          reclaim_on_released, j);
}

static int reclaim_run(void *arg, struct err *err)
{
    const struct reclaim_job *j = arg;

    return file_remove_tree(j->path, err);
}

static void reclaim_done(void *arg, int rc, const struct err *err)
{
    struct reclaim_job *j = arg;
    struct reclaim *r = j->owner;

    r->n_running--;
    j->is_running = false;
    if (r->is_closed) {
        if (r->n_running == 0)
            reclaim_free(r);
        return;
    }
    if (rc < 0) {
        log_warn("data of a deleted volume is not removed", KV("volume", "%s", j->name),
                 KV("path", "%s", j->path), KV_ERR(err));
        timer_start(j->retry, RECLAIM_RETRY_MS);
        return;
    }
    j->is_removed = true;
    reclaim_step(j);
}

static void reclaim_step(void *arg)
{
    struct reclaim_job *j = arg;

    if (j->is_running || j->call != NULL)
        return;
    timer_stop(j->retry);
    if (j->path == NULL || j->is_removed) {
        reclaim_release(j);
        return;
    }
    j->is_running = true;
    j->owner->n_running++;
    work_submit(j->owner->loop, reclaim_run, reclaim_done, j);
}

/* --- following --- */

static void reclaim_begin(struct reclaim *r, const struct object *o, const char *dir)
{
    struct reclaim_job *j = MEM_NEW(struct reclaim_job);

    j->owner = r;
    j->name = mem_str(o->name);
    j->uid = mem_str(o->uid);
    j->path = dir == NULL ? NULL : mem_fmt("%s/volumes/%s", r->data_dir, dir);
    j->retry = timer_new(r->loop, reclaim_step, j);
    map_put(r->jobs, o->name, j);
    reclaim_step(j);
}

static void reclaim_on_change(void *arg, const struct object *object,
                              const struct object *before UNUSED)
{
    struct reclaim *r = arg;
    cleanup(json_decrefpp) json_t *tree = NULL;
    const char *dir = NULL;

    /* A volume that went without us is told to a job by the answer to its patch. */
    if (object == NULL || !object->deleting || map_get(r->jobs, object->name) != NULL)
        return;
    tree = object_tree(object);
    if (reclaim_plan(&dir, tree, r->node_name, r->data_dir) != RECLAIM_NOTHING)
        reclaim_begin(r, object, dir);
}

int reclaim_new(struct reclaim **ret, uv_loop_t *loop, struct client *client, const char *node_name,
                const char *data_dir, struct err *err)
{
    struct reclaim *r = MEM_NEW(struct reclaim);
    struct informer_opts opts = { .client = client, .bucket = "persistentvolumes" };
    struct informer_listener listener = { .on_change = reclaim_on_change, .arg = r };
    int rc = informer_new(&r->volumes, loop, &opts, err);

    if (rc < 0) {
        free(r);
        return rc;
    }
    r->loop = loop;
    r->client = client;
    r->node_name = mem_str(node_name);
    r->data_dir = mem_str(data_dir);
    r->jobs = map_new(reclaim_job_free);
    informer_listen(r->volumes, &listener);
    informer_start(r->volumes);
    *ret = r;
    return 0;
}

struct reclaim *reclaim_close(struct reclaim *r)
{
    const char *name;
    void *value;

    if (r == NULL)
        return NULL;
    r->volumes = informer_close(r->volumes);
    r->is_closed = true;
    for (size_t it = 0; map_each(r->jobs, &it, &name, &value);) {
        struct reclaim_job *j = value;

        if (j->call != NULL)
            client_call_cancel(STEAL(j->call));
        timer_stop(j->retry);
    }
    if (r->n_running == 0)
        reclaim_free(r);
    return NULL;
}
