#include "nodeagent/payload.h"

#include "base/mem.h"
#include "nodeagent/env.h"

#include <string.h>

#define PAYLOAD_MODE      0644
#define PAYLOAD_FILES_MAX 10000

void payload_fini(struct payload *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->files[i].path);
        free(p->files[i].data);
    }
    free(p->files);
    for (size_t i = 0; i < p->n_dirs; i++)
        free(p->dirs[i]);
    free(p->dirs);
    *p = (struct payload)PAYLOAD_EMPTY;
}

/* Relative, and never upwards: the API checks it too, the file system must not depend on that. */
static bool payload_is_path(const char *path)
{
    const char *p = path;

    if (p[0] == '/' || p[0] == '\0')
        return false;
    while (p != NULL) {
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            return false;
        p = strchr(p, '/');
        p = p == NULL ? NULL : p + 1;
    }
    return true;
}

/* A later source with the same path wins. */
static int payload_add(struct payload *p, const char *path, mode_t mode, struct text *data,
                       struct err *err)
{
    struct payload_file *f = NULL;

    if (!payload_is_path(path))
        return err_set(err, ERR_INVALID, "path \"%s\" is not within the volume", path);
    if (p->n >= PAYLOAD_FILES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d files in a volume", PAYLOAD_FILES_MAX);
    for (size_t i = 0; i < p->n && f == NULL; i++)
        if (str_eq(p->files[i].path, path))
            f = &p->files[i];
    if (f != NULL) {
        free(f->path);
        free(f->data);
    } else {
        p->files = mem_grow(p->files, p->n + 1, sizeof(*p->files));
        f = &p->files[p->n++];
    }
    *f = (struct payload_file){ .path = mem_str(path), .mode = mode, .len = data->len, .uid = -1 };
    f->data = text_take(data);
    return 0;
}

/* --- keys of a ConfigMap or Secret --- */

static int payload_add_keys(struct payload *p, const json_t *object, const char *member,
                            mode_t mode, struct err *err)
{
    const char *key;
    json_t *value;
    int rc = 0;

    json_object_foreach (json_object_get(object, member), key, value) {
        struct text data = TEXT_EMPTY;

        (void)value;
        if (rc == 0 && env_object_key(&data, object, key))
            rc = payload_add(p, key, mode, &data, err);
        text_fini(&data);
    }
    return rc;
}

static int payload_add_items(struct payload *p, const json_t *object, const json_t *items,
                             mode_t mode, bool optional, struct err *err)
{
    size_t i;
    json_t *item;
    int rc = 0;

    json_array_foreach (items, i, item) {
        const char *key = json_str_or(item, "key", "");
        struct text data = TEXT_EMPTY;

        if (env_object_key(&data, object, key))
            rc = payload_add(p, json_str_or(item, "path", key),
                             (mode_t)json_int(item, "mode", mode), &data, err);
        else if (!optional)
            rc = err_set(err, ERR_NOT_FOUND, "references non-existent %s key: %s",
                         str_eq(json_str(object, "kind"), "Secret") ? "secret" : "config", key);
        text_fini(&data);
        if (rc < 0)
            break;
    }
    return rc;
}

static int payload_add_object(struct payload *p, const json_t *source, const char *kind,
                              const char *name, mode_t mode, const struct payload_sources *sources,
                              struct err *err)
{
    bool optional = json_bool(source, "optional", false);
    const json_t *object = sources->find(sources->arg, kind, name);
    const json_t *items = json_at(source, "items");
    int rc;

    if (object == NULL)
        return optional ? 0
                        : err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found",
                                  str_eq(kind, "secrets") ? "secret" : "configmap", name);
    if (json_array_size(items) > 0)
        return payload_add_items(p, object, items, mode, optional, err);
    rc = payload_add_keys(p, object, "binaryData", mode, err);
    return rc < 0 ? rc : payload_add_keys(p, object, "data", mode, err);
}

/* --- downward API, tokens --- */

static int payload_add_downward(struct payload *p, const struct pod_view *pod, const json_t *items,
                                mode_t mode, const struct payload_sources *sources, struct err *err)
{
    size_t i;
    json_t *item;
    int rc = 0;

    json_array_foreach (items, i, item) {
        struct text data = TEXT_EMPTY;
        const json_t *field = json_at(item, "fieldRef");

        rc = field != NULL
                 ? pod_fields_get(&data, pod, json_str(field, "fieldPath"), sources->around, err)
                 : pod_fields_resource(&data, pod, json_at(item, "resourceFieldRef"), NULL,
                                       sources->around, err);
        if (rc == 0)
            rc = payload_add(p, json_str_or(item, "path", ""), (mode_t)json_int(item, "mode", mode),
                             &data, err);
        text_fini(&data);
        if (rc < 0)
            break;
    }
    return rc;
}

/* The one user all containers run as, or -1. */
static int64_t payload_run_as(const struct pod_view *pod)
{
    int64_t all = -2;

    for (size_t i = 0; i < pod->n; i++) {
        int64_t uid = json_int(pod->containers[i].spec, "securityContext.runAsUser",
                               json_int(pod->spec, "securityContext.runAsUser", -1));

        if (all != -2 && all != uid)
            return -1;
        all = uid;
    }
    return all;
}

static int payload_add_token(struct payload *p, const struct pod_view *pod, const char *volume,
                             const json_t *source, mode_t mode,
                             const struct payload_sources *sources, struct err *err)
{
    const char *token = sources->token(sources->arg, volume, source);
    int64_t uid = payload_run_as(pod);
    struct text data = TEXT_EMPTY;
    int rc;

    if (token == NULL)
        return err_set(err, ERR_UNAVAILABLE, "failed to fetch token for service account \"%s\"",
                       json_str_or(pod->spec, "serviceAccountName", "default"));
    text_puts(&data, token);
    /* Only who needs it may read it, when that can be told (KEP-2451). */
    if (uid >= 0 || json_int(pod->spec, "securityContext.fsGroup", -1) >= 0)
        mode = 0600;
    rc = payload_add(p, json_str_or(source, "path", "token"), mode, &data, err);
    text_fini(&data);
    if (rc == 0)
        p->files[p->n - 1].uid = uid;
    return rc;
}

static int payload_add_projected(struct payload *p, const struct pod_view *pod, const char *volume,
                                 const json_t *list, mode_t mode,
                                 const struct payload_sources *sources, struct err *err)
{
    size_t i;
    json_t *source;
    int rc = 0;

    json_array_foreach (list, i, source) {
        const json_t *x;

        if ((x = json_at(source, "configMap")) != NULL)
            rc = payload_add_object(p, x, "configmaps", json_str_or(x, "name", ""), mode, sources,
                                    err);
        else if ((x = json_at(source, "secret")) != NULL)
            rc = payload_add_object(p, x, "secrets", json_str_or(x, "name", ""), mode, sources,
                                    err);
        else if ((x = json_at(source, "downwardAPI")) != NULL)
            rc = payload_add_downward(p, pod, json_at(x, "items"), mode, sources, err);
        else if ((x = json_at(source, "serviceAccountToken")) != NULL)
            rc = payload_add_token(p, pod, volume, x, mode, sources, err);
        else
            rc = err_set(err, ERR_INVALID, "unsupported source of a projected volume");
        if (rc < 0)
            break;
    }
    return rc;
}

/* --- mounts below a mount --- */

/* "/etc/x/", "/etc/x/y/z" -> "y/z"; NULL: not below. */
static char *payload_below(const char *outer, const char *inner)
{
    size_t len = strlen(outer);
    char *rest;

    while (len > 0 && outer[len - 1] == '/')
        len--;
    if (strncmp(outer, inner, len) != 0 || inner[len] != '/')
        return NULL;
    inner += len + strspn(inner + len, "/");
    len = strlen(inner);
    while (len > 0 && inner[len - 1] == '/')
        len--;
    rest = mem_strn(inner, len);
    if (len > 0 && payload_is_path(rest))
        return rest;
    free(rest);
    return NULL;
}

/* A file, or a part of the way to one, of that name is in the place already. */
static bool payload_is_taken(const struct payload *p, const char *dir)
{
    size_t len = strcspn(dir, "/");

    for (size_t i = 0; i < p->n; i++)
        if (strncmp(p->files[i].path, dir, len) == 0 &&
            (p->files[i].path[len] == '\0' || p->files[i].path[len] == '/'))
            return true;
    return false;
}

/* The volume is read-only to the containers: what is to be mounted below it needs its directory
 * made here (kubelet: MakeNestedMountpoints). */
static void payload_add_dirs(struct payload *p, const struct pod_view *pod, const char *volume)
{
    size_t i, k;
    json_t *outer, *inner;

    for (size_t c = 0; c < pod->n; c++) {
        const json_t *mounts = json_at(pod->containers[c].spec, "volumeMounts");

        json_array_foreach (mounts, i, outer) {
            if (!str_eq(json_str(outer, "name"), volume) ||
                !str_empty(json_str(outer, "subPath")) ||
                !str_empty(json_str(outer, "subPathExpr")))
                continue;
            json_array_foreach (mounts, k, inner) {
                cleanup(freep) char *dir = payload_below(json_str_or(outer, "mountPath", ""),
                                                         json_str_or(inner, "mountPath", ""));

                if (dir == NULL || payload_is_taken(p, dir))
                    continue;
                p->dirs = mem_grow(p->dirs, p->n_dirs + 1, sizeof(*p->dirs));
                p->dirs[p->n_dirs++] = STEAL(dir);
            }
        }
    }
}

static const char *const payload_kinds[] = { "configMap", "secret", "downwardAPI", "projected" };

bool payload_is_volume(const json_t *volume)
{
    for (size_t i = 0; i < N_ELEMENTS(payload_kinds); i++)
        if (json_at(volume, payload_kinds[i]) != NULL)
            return true;
    return false;
}

int payload_make(struct payload *ret, const struct pod_view *pod, const json_t *volume,
                 const struct payload_sources *sources, struct err *err)
{
    const char *name = json_str_or(volume, "name", "");
    struct payload p = PAYLOAD_EMPTY;
    const json_t *x;
    int rc = 0;

    if ((x = json_at(volume, "configMap")) != NULL)
        rc = payload_add_object(&p, x, "configmaps", json_str_or(x, "name", ""),
                                (mode_t)json_int(x, "defaultMode", PAYLOAD_MODE), sources, err);
    else if ((x = json_at(volume, "secret")) != NULL)
        rc = payload_add_object(&p, x, "secrets", json_str_or(x, "secretName", ""),
                                (mode_t)json_int(x, "defaultMode", PAYLOAD_MODE), sources, err);
    else if ((x = json_at(volume, "downwardAPI")) != NULL)
        rc = payload_add_downward(&p, pod, json_at(x, "items"),
                                  (mode_t)json_int(x, "defaultMode", PAYLOAD_MODE), sources, err);
    else if ((x = json_at(volume, "projected")) != NULL)
        rc = payload_add_projected(&p, pod, name, json_at(x, "sources"),
                                   (mode_t)json_int(x, "defaultMode", PAYLOAD_MODE), sources, err);
    if (rc < 0) {
        payload_fini(&p);
        return rc;
    }
    payload_add_dirs(&p, pod, name);
    *ret = p;
    return 0;
}
