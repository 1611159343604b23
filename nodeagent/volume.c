#include "nodeagent/volume.h"

#include "api/quantity.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void volumes_fini(struct volumes *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->list[i].name);
        free(v->list[i].path);
        free(v->list[i].host_type);
        payload_fini(&v->list[i].payload);
    }
    free(v->list);
    *v = (struct volumes)VOLUMES_EMPTY;
}

char *volume_claim(const struct pod_view *pod, const json_t *volume)
{
    const char *name = json_str(volume, "persistentVolumeClaim.claimName");

    if (name != NULL)
        return mem_str(name);
    if (json_at(volume, "ephemeral") != NULL)
        return mem_fmt("%s-%s", pod->name, json_str_or(volume, "name", ""));
    return NULL;
}

/* --- one planner per type --- */

static int volume_plan_empty(struct volume *v, const struct pod_view *pod UNUSED,
                             const json_t *volume, const struct volume_context *ctx,
                             struct err *err)
{
    const char *medium = json_str_or(volume, "emptyDir.medium", "");

    if (medium[0] != '\0' && !str_eq(medium, "Memory"))
        return err_set(err, ERR_INVALID, "emptyDir medium \"%s\" is not supported on this node",
                       medium);
    v->type = medium[0] == '\0' ? VOLUME_EMPTY_DIR : VOLUME_MEMORY;
    v->size = quantity_text_value(json_str(volume, "emptyDir.sizeLimit"), 0);
    v->path = mem_fmt("%s/volumes/%s", ctx->data_dir, v->name);
    return 0;
}

static int volume_plan_host(struct volume *v, const struct pod_view *pod UNUSED,
                            const json_t *volume, const struct volume_context *ctx UNUSED,
                            struct err *err)
{
    v->type = VOLUME_HOST_PATH;
    v->path = mem_str(json_str_or(volume, "hostPath.path", ""));
    v->host_type = mem_str(json_str_or(volume, "hostPath.type", ""));
    if (v->path[0] != '/')
        return err_set(err, ERR_INVALID, "hostPath \"%s\" is not an absolute path", v->path);
    return 0;
}

static int volume_plan_payload(struct volume *v, const struct pod_view *pod, const json_t *volume,
                               const struct volume_context *ctx, struct err *err)
{
    v->type = VOLUME_PAYLOAD;
    v->path = mem_fmt("%s/volumes/%s", ctx->run_dir, v->name);
    return payload_make(&v->payload, pod, volume, ctx->sources, err);
}

static int volume_plan_claim(struct volume *v, const struct pod_view *pod, const json_t *volume,
                             const struct volume_context *ctx, struct err *err)
{
    cleanup(freep) char *claim = volume_claim(pod, volume);
    const json_t *pv = ctx->claim(ctx->arg, claim, err);
    const char *path = json_str(pv, "spec.local.path");
    const char *host = json_str(pv, "spec.hostPath.path");

    if (pv == NULL)
        return err->code;
    if (path == NULL && host == NULL)
        return err_set(err, ERR_INVALID, "persistent volume %s is of a type this node cannot mount",
                       json_str_or(pv, "metadata.name", ""));
    v->type = path != NULL ? VOLUME_LOCAL : VOLUME_HOST_PATH;
    v->path = mem_str(path != NULL ? path : host);
    v->host_type = mem_str(json_str_or(pv, "spec.hostPath.type", ""));
    v->may_make = str_starts(v->path, ctx->node_data_dir) && strstr(v->path, "/../") == NULL &&
                  v->path[strlen(ctx->node_data_dir)] == '/';
    v->read_only = json_bool(volume, "persistentVolumeClaim.readOnly", false);
    return 0;
}

static const struct volume_row {
    const char *key;
    int (*plan)(struct volume *v, const struct pod_view *pod, const json_t *volume,
                const struct volume_context *ctx, struct err *err);
} volume_rows[] = {
    { "emptyDir", volume_plan_empty },
    { "hostPath", volume_plan_host },
    { "configMap", volume_plan_payload },
    { "secret", volume_plan_payload },
    { "downwardAPI", volume_plan_payload },
    { "projected", volume_plan_payload },
    { "persistentVolumeClaim", volume_plan_claim },
    { "ephemeral", volume_plan_claim },
};

static const struct volume_row *volume_row(const json_t *volume)
{
    for (size_t i = 0; i < N_ELEMENTS(volume_rows); i++)
        if (json_at(volume, volume_rows[i].key) != NULL)
            return &volume_rows[i];
    return NULL;
}

int volumes_plan(struct volumes *ret, const struct pod_view *pod, const struct volume_context *ctx,
                 struct err *err)
{
    cleanup(volumes_fini) struct volumes all = VOLUMES_EMPTY;
    size_t i;
    json_t *volume;

    all.fs_group = json_int(pod->spec, "securityContext.fsGroup", -1);
    all.only_on_mismatch = str_eq(json_str(pod->spec, "securityContext.fsGroupChangePolicy"),
                                  "OnRootMismatch");
    json_array_foreach (json_at(pod->spec, "volumes"), i, volume) {
        const struct volume_row *row = volume_row(volume);
        struct volume *v;
        int rc;

        all.list = mem_grow(all.list, all.n + 1, sizeof(*all.list));
        v = &all.list[all.n++];
        *v = (struct volume){ .name = mem_str(json_str_or(volume, "name", "")) };
        if (v->name[0] == '\0' || strchr(v->name, '/') != NULL || v->name[0] == '.')
            return err_set(err, ERR_INVALID, "volume name \"%s\" is not usable", v->name);
        rc = row == NULL ? err_set(err, ERR_INVALID, "no volume plugin of this node supports it")
                         : row->plan(v, pod, volume, ctx, err);
        if (rc < 0)
            return err_wrap(err, rc, "MountVolume.SetUp failed for volume \"%s\" ", v->name);
    }
    *ret = all;
    all = (struct volumes)VOLUMES_EMPTY;
    return 0;
}

/* --- mounts --- */

static const char *volume_propagation(const json_t *mount)
{
    const char *mode = json_str_or(mount, "mountPropagation", "None");

    return str_eq(mode, "Bidirectional")     ? "rshared"
           : str_eq(mode, "HostToContainer") ? "rslave"
                                             : "rprivate";
}

bool volume_is_recursive(const json_t *mount)
{
    const char *mode = json_str(mount, "recursiveReadOnly");

    return json_bool(mount, "readOnly", false) &&
           (str_eq(mode, "Enabled") || str_eq(mode, "IfPossible"));
}

static const struct volume *volumes_find(const struct volumes *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (str_eq(v->list[i].name, name))
            return &v->list[i];
    return NULL;
}

struct volume_mount {
    struct runc_mount mount;
    char *sub;
    size_t depth, order;
};

static size_t volume_depth(const char *path)
{
    size_t n = 0;

    for (; *path != '\0'; path++)
        n += path[0] == '/' && path[1] != '/' && path[1] != '\0';
    return n;
}

/* Outer paths first; equal ones as written. */
static int volume_by_depth(const void *a, const void *b)
{
    const struct volume_mount *x = a, *y = b;

    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int volume_mount_plan(struct volume_mount *ret, const json_t *mount, const struct volumes *v,
                             const struct env_list *env, struct err *err)
{
    const char *name = json_str_or(mount, "name", "");
    const struct volume *volume = volumes_find(v, name);
    const char *path = json_str_or(mount, "mountPath", "");
    const char *expr = json_str(mount, "subPathExpr");
    const char *sub = json_str_or(mount, "subPath", "");

    if (volume == NULL)
        return err_set(err, ERR_INVALID, "cannot find volume \"%s\" to mount", name);
    ret->mount.source = mem_str(volume->path);
    ret->mount.destination = path[0] == '/' ? mem_str(path) : mem_fmt("/%s", path);
    ret->mount.read_only = volume->read_only || json_bool(mount, "readOnly", false) ||
                           volume->type == VOLUME_PAYLOAD;
    ret->mount.recursive = volume_is_recursive(mount);
    ret->mount.propagation = volume_propagation(mount);
    ret->sub = !str_empty(expr) ? env_expand_list(expr, env) : sub[0] != '\0' ? mem_str(sub) : NULL;
    ret->depth = volume_depth(ret->mount.destination);
    if (ret->sub != NULL && ret->sub[0] == '/')
        return err_set(err, ERR_INVALID, "subPath \"%s\" must be relative", ret->sub);
    return 0;
}

int volume_mounts(struct runc_mount **ret, char ***ret_sub, size_t *ret_n,
                  const struct pod_view *pod, const struct container_view *c,
                  const struct volumes *v, const struct env_list *env, struct err *err)
{
    const json_t *list = json_at(c->spec, "volumeMounts");
    size_t n = json_array_size(list), i;
    cleanup(freep) struct volume_mount *all = MEM_NEW_ARRAY(struct volume_mount, n + 1);
    json_t *mount;
    int rc = 0;

    (void)pod;
    json_array_foreach (list, i, mount) {
        all[i].order = i;
        if (rc == 0)
            rc = volume_mount_plan(&all[i], mount, v, env, err);
    }
    if (rc < 0) {
        for (i = 0; i < n; i++) {
            free(all[i].mount.source);
            free(all[i].mount.destination);
            free(all[i].sub);
        }
        return rc;
    }
    qsort(all, n, sizeof(*all), volume_by_depth);
    *ret = MEM_NEW_ARRAY(struct runc_mount, n + 8); /* room for the pod's own files */
    *ret_sub = MEM_NEW_ARRAY(char *, n + 8);
    for (i = 0; i < n; i++) {
        (*ret)[i] = all[i].mount;
        (*ret_sub)[i] = all[i].sub;
    }
    *ret_n = n;
    return 0;
}
