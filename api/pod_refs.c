#include "api/pod_refs.h"

#include "base/mem.h"

/* Where a name may stand, below a list of the pod or of a container. */
static const struct {
    const char *resource, *list, *path;
    bool of_container;
} refs_paths[] = {
    { "secrets", "spec.imagePullSecrets", "name", false },
    { "secrets", "env", "valueFrom.secretKeyRef.name", true },
    { "secrets", "envFrom", "secretRef.name", true },
    { "secrets", "spec.volumes", "secret.secretName", false },
    { "configmaps", "env", "valueFrom.configMapKeyRef.name", true },
    { "configmaps", "envFrom", "configMapRef.name", true },
    { "configmaps", "spec.volumes", "configMap.name", false },
    { "persistentvolumeclaims", "spec.volumes", "persistentVolumeClaim.claimName", false },
};

struct refs_walk {
    pod_refs_fn each;
    void *arg;
};

static bool refs_tell(const struct refs_walk *w, const char *resource, const char *name)
{
    return !str_empty(name) && w->each(w->arg, resource, name);
}

static bool refs_list(const struct refs_walk *w, const json_t *list, const char *resource,
                      const char *path)
{
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item)
        if (refs_tell(w, resource, json_str(item, path)))
            return true;
    return false;
}

static bool refs_containers(const struct refs_walk *w, const json_t *pod, const char *resource,
                            const char *list, const char *path)
{
    static const char *const containers[] = { "spec.initContainers", "spec.containers",
                                              "spec.ephemeralContainers" };

    for (size_t c = 0; c < N_ELEMENTS(containers); c++) {
        size_t i;
        json_t *container;

        json_array_foreach (json_at(pod, containers[c]), i, container)
            if (refs_list(w, json_object_get(container, list), resource, path))
                return true;
    }
    return false;
}

static bool refs_projected(const struct refs_walk *w, const json_t *pod)
{
    size_t i;
    json_t *volume;

    json_array_foreach (json_at(pod, "spec.volumes"), i, volume) {
        const json_t *sources = json_at(volume, "projected.sources");

        if (refs_list(w, sources, "secrets", "secret.name") ||
            refs_list(w, sources, "configmaps", "configMap.name"))
            return true;
    }
    return false;
}

/* A claim that a volume of the pod was made into is called like both. */
static bool refs_ephemeral(const struct refs_walk *w, const json_t *pod)
{
    size_t i;
    json_t *volume;

    json_array_foreach (json_at(pod, "spec.volumes"), i, volume) {
        cleanup(freep) char *claim = mem_fmt("%s-%s", json_str_or(pod, "metadata.name", ""),
                                             json_str_or(volume, "name", ""));

        if (json_object_get(volume, "ephemeral") != NULL &&
            refs_tell(w, "persistentvolumeclaims", claim))
            return true;
    }
    return false;
}

bool pod_refs_each(const json_t *pod, pod_refs_fn each, void *arg)
{
    const struct refs_walk w = { .each = each, .arg = arg };

    for (size_t i = 0; i < N_ELEMENTS(refs_paths); i++) {
        const char *resource = refs_paths[i].resource;
        const char *list = refs_paths[i].list, *path = refs_paths[i].path;

        if (refs_paths[i].of_container ? refs_containers(&w, pod, resource, list, path)
                                       : refs_list(&w, json_at(pod, list), resource, path))
            return true;
    }
    return refs_projected(&w, pod) || refs_ephemeral(&w, pod);
}

struct refs_question {
    const char *resource, *name;
};

static bool refs_is_it(void *arg, const char *resource, const char *name)
{
    const struct refs_question *q = arg;

    return str_eq(q->resource, resource) && str_eq(q->name, name);
}

bool pod_refs_has(const json_t *pod, const char *resource, const char *name)
{
    struct refs_question q = { .resource = resource, .name = name };

    return pod_refs_each(pod, refs_is_it, &q);
}
