/* A container's life is made ready: its environment, its mounts, the place of its log. */
#include "nodeagent/pod_worker_impl.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/work.h"
#include "nodeagent/log_paths.h"
#include "nodeagent/log_rotate.h"
#include "nodeagent/pid_ns.h"
#include "nodeagent/pod_record.h"
#include "nodeagent/pod_support.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct container_inputs { /* of a life about to begin */
    struct worker_container *container;
    struct env_list env;
    struct runc_mount *mounts;
    char **subs;
    size_t n;
    char *pid_dir; /* of the sandbox, to share its processes; NULL = they are not shared */
    char *pid_ns;  /* of the container whose processes an ephemeral one shall see; NULL = none */
    char *sub_dir; /* where subPaths are bound: <run>/pods/<uid>/sub-<container> */
};

static void container_inputs_free(struct container_inputs *in)
{
    env_list_fini(&in->env);
    for (size_t i = 0; i < in->n; i++) {
        if (in->mounts != NULL) {
            free(in->mounts[i].source);
            free(in->mounts[i].destination);
        }
        free(in->subs[i]);
    }
    free(in->mounts);
    free(in->subs);
    free(in->pid_dir);
    free(in->pid_ns);
    free(in->sub_dir);
    free(in);
}

static void container_mount_add(struct container_inputs *in, char *source, const char *destination,
                                bool read_only)
{
    bool is_taken = destination[0] != '/';

    for (size_t i = 0; i < in->n; i++)
        is_taken = is_taken || str_eq(in->mounts[i].destination, destination);
    if (is_taken) {
        free(source);
        return;
    }
    in->mounts[in->n++] = (struct runc_mount){ .source = source,
                                               .destination = mem_str(destination),
                                               .read_only = read_only };
}

/* The files of the pod's own, unless the pod mounts something else there. */
static void container_mount_own(struct worker_container *c, struct container_inputs *in,
                                const char *id)
{
    static const char *const files[] = { "hosts", "hostname", "resolv.conf" };
    struct pod_worker *w = c->worker;

    for (size_t i = 0; i < N_ELEMENTS(files); i++) {
        cleanup(freep) char *to = mem_fmt("/etc/%s", files[i]);

        container_mount_add(in, sandbox_etc(w->sandbox, files[i]), to, false);
    }
    container_mount_add(
        in, runtime_store(w->host->rt, id, "termination-log"),
        json_str_or(container_view(c)->spec, "terminationMessagePath", "/dev/termination-log"),
        false);
}

/* The link for log collectors goes with the log of life @id. */
static void container_unlink_log(const struct worker_container *c, const char *id)
{
    const struct pod_worker *w = c->worker;
    cleanup(freep) char *link = log_paths_link(w->host->log_dir, w->pod, container_view(c)->name,
                                               id);

    if (id[0] != '\0')
        unlink(link);
}

/* A new life begins: what there was becomes the one before. */
static void container_count(struct worker_container *c)
{
    struct container_facts *f = container_facts(c);
    struct pod_worker *w = c->worker;
    char before_id[CONTAINER_ID_MAX];

    snprintf(before_id, sizeof(before_id), "%s", f->last.id);
    if (f->end.id[0] != '\0') {
        free(f->last.message);
        f->last = f->end;
        f->end = (struct container_end){ .id = "" };
    }
    if (f->last.id[0] != '\0') {
        f->restarts++;
        if (c->last_log_path != NULL)
            log_rotate_remove(c->last_log_path);
        container_unlink_log(c, before_id);
        free(c->last_log_path);
        c->last_log_path = STEAL(c->log_path);
    }
    free(c->log_path);
    c->log_path = log_paths_container(w->host->log_dir, w->pod, container_view(c)->name,
                                      f->restarts);
}

/* Consumes @in. */
static void container_launch(struct worker_container *c, struct container_inputs *in)
{
    struct pod_worker *w = c->worker;
    struct container_facts *f = container_facts(c);
    struct life_listener listener = container_listener(c);
    cleanup(freep) char *record_path = pod_record_container(w->host->data_dir, w->pod->uid,
                                                            container_view(c)->name);
    cleanup(freep) char *record = NULL;
    cleanup(freep) char *log_link = NULL;
    cleanup(freep) char *pid_ns = in->pid_dir != NULL ? pid_ns_path(in->pid_dir)
                                                      : STEAL(in->pid_ns);
    struct life_spec spec;

    container_count(c);
    runtime_make_id(f->id);
    container_mount_own(c, in, f->id);
    log_link = log_paths_link(w->host->log_dir, w->pod, container_view(c)->name, f->id);
    record = pod_record_facts(f, c->log_path);
    spec = (struct life_spec){
        .id = f->id,
        .pod = w->pod,
        .index = c->index,
        .image = c->image,
        .env = in->env,
        .mounts = in->mounts,
        .n_mounts = in->n,
        .log_path = c->log_path,
        .log_link = log_link,
        .net_ns = sandbox_net_ns(w->sandbox),
        .uts_ns = sandbox_uts_ns(w->sandbox),
        .ipc_ns = sandbox_ipc_ns(w->sandbox),
        .shm = sandbox_shm(w->sandbox),
        .pid_ns = pid_ns,
        .hostname = sandbox_hostname(w->sandbox),
        .record_path = record_path,
        .record = record,
    };
    in->env = (struct env_list)ENV_LIST_EMPTY;
    in->mounts = NULL;
    free(c->image_name);
    c->image_name = mem_str(container_view(c)->image);
    container_enter(c, STAGE_CREATING);
    w->n_lives++;
    c->life = life_create(w->host->rt, &spec, &listener);
    container_inputs_free(in);
}

static int container_bind_run(void *arg, struct err *err)
{
    struct container_inputs *in = arg;

    if (in->pid_dir != NULL && pid_ns_ensure(in->pid_dir, err) < 0)
        return err->code;
    for (size_t i = 0; i < in->n; i++) {
        char *target;
        int rc;

        if (in->subs[i] == NULL)
            continue;
        if (file_mkdirs(in->sub_dir, 0711, err) < 0)
            return err->code;
        target = mem_fmt("%s/%zu", in->sub_dir, i);
        rc = volume_bind_sub(in->mounts[i].source, in->subs[i], target, err);
        free(in->mounts[i].source);
        in->mounts[i].source = target;
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void container_bind_done(void *arg, int rc, const struct err *err)
{
    struct container_inputs *in = arg;
    struct worker_container *c = in->container;
    struct pod_worker *w = c->worker;

    w->n_jobs--;
    if (w->is_left) {
        container_inputs_free(in);
        worker_job_over(w);
        return;
    }
    assert(c->stage == STAGE_BINDING);
    if (rc < 0) {
        container_config_error(c, err);
    } else if (container_facts(c)->is_stopping) {
        container_idle(c);
        container_forget_stop(c);
        worker_wake(w);
    } else {
        container_launch(c, in);
        return;
    }
    container_inputs_free(in);
}

static int container_make_env(struct worker_container *c, struct env_list *ret, struct err *err)
{
    struct pod_worker *w = c->worker;
    struct env_list services = ENV_LIST_EMPTY;
    struct pod_surroundings around;
    struct env_sources sources = {
        .find = pod_lookup_find, .arg = w->lookup, .around = &around, .services = &services
    };
    int rc;

    worker_surroundings(w, &around);
    w->host->service_env(w->host->arg, w->pod->ns,
                         json_bool(w->pod->spec, "enableServiceLinks", true), &services);
    rc = env_make(ret, w->pod, container_view(c), &sources, err);
    env_list_fini(&services);
    return rc;
}

/* An ephemeral container may name another whose processes it sees. */
static int container_find_target(const struct worker_container *c, char **ret_pid_ns,
                                 struct err *err)
{
    struct pod_worker *w = c->worker;
    const char *target = json_str(container_view(c)->spec, "targetContainerName");

    if (container_view(c)->kind != CONTAINER_EPHEMERAL)
        return 0;
    if (pod_support_container(w->pod, c->index, err) < 0)
        return err->code;
    if (str_empty(target) || w->pod->host_pid || w->pod->shares_pid)
        return 0;
    for (size_t i = 0; i < w->pod->n; i++) {
        const struct life *life = w->containers[i].life;

        if (!str_eq(w->pod->containers[i].name, target) || life == NULL ||
            w->facts[i].phase != CONTAINER_RUNNING || life_pid(life) <= 0)
            continue;
        *ret_pid_ns = mem_fmt("/proc/%d/ns/pid", (int)life_pid(life));
        return 0;
    }
    return err_set(err, ERR_UNAVAILABLE, "unable to find target container \"%s\"", target);
}

static void container_create(struct worker_container *c)
{
    struct pod_worker *w = c->worker;
    struct container_inputs *in = MEM_NEW(struct container_inputs);
    struct err err = ERR_EMPTY;
    bool has_subs = false;
    int rc = container_find_target(c, &in->pid_ns, &err);

    in->container = c;
    if (rc == 0)
        rc = container_make_env(c, &in->env, &err);
    if (rc == 0)
        rc = volume_mounts(&in->mounts, &in->subs, &in->n, w->pod, container_view(c), &w->volumes,
                           &in->env, &err);
    if (rc < 0) {
        container_inputs_free(in);
        container_config_error(c, &err);
        return;
    }
    for (size_t i = 0; i < in->n; i++)
        has_subs = has_subs || in->subs[i] != NULL;
    if (w->pod->shares_pid)
        in->pid_dir = mem_fmt("%s/pods/%s", w->host->run_dir, w->pod->uid);
    if (!has_subs && in->pid_dir == NULL) {
        container_launch(c, in);
        return;
    }
    in->sub_dir = mem_fmt("%s/pods/%s/sub-%s", w->host->run_dir, w->pod->uid,
                          container_view(c)->name);
    container_enter(c, STAGE_BINDING);
    w->n_jobs++;
    work_submit(w->host->loop, container_bind_run, container_bind_done, in);
}

void container_go_on(struct worker_container *c)
{
    if (c->stage == STAGE_PULLING && c->request == NULL)
        container_pull(c);
    else if (c->stage == STAGE_WAITING && worker_is_prepared(c->worker))
        container_create(c);
}

void container_pulled(struct worker_container *c)
{
    container_enter(c, STAGE_WAITING);
    container_go_on(c);
}
