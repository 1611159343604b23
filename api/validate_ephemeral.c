/* Ephemeral containers of pods: what they may be, and that they only ever are added
 * (core/validation: validateEphemeralContainers, ValidatePodEphemeralContainersUpdate). */
#include "api/validate_impl.h"

#include "base/mem.h"
#include "base/text.h"

#define EPHEMERAL_CONTAINERS_MAX 64 /* of all kinds in one pod: the agents' plans hold so many */

static bool ephemeral_has(const json_t *container, const char *key)
{
    const json_t *value = json_object_get(container, key);

    return value != NULL && (!json_is_array(value) || json_array_size(value) > 0) &&
           (!json_is_object(value) || json_object_size(value) > 0);
}

/* They serve nothing and nobody waits for them. */
static void ephemeral_check(struct field_errors *e, const json_t *container, const char *path)
{
    static const char no[] = "cannot be set for an Ephemeral Container";
    static const char *const fields[] = { "ports",         "resources",     "resizePolicy",
                                          "restartPolicy", "livenessProbe", "readinessProbe",
                                          "startupProbe",  "lifecycle" };
    static const char *const sub_paths[] = { "subPath", "subPathExpr" };
    const json_t *mount;
    size_t i;

    for (i = 0; i < N_ELEMENTS(fields); i++)
        if (ephemeral_has(container, fields[i]))
            field_forbidden(e, AT("%s.%s", path, fields[i]), no);
    json_array_foreach (json_object_get(container, "volumeMounts"), i, mount)
        for (size_t k = 0; k < N_ELEMENTS(sub_paths); k++)
            if (json_string_length(json_object_get(mount, sub_paths[k])) > 0)
                field_forbidden(e, AT("%s.volumeMounts[%zu].%s", path, i, sub_paths[k]), no);
}

static void ephemeral_check_target(struct field_errors *e, const json_t *container,
                                   const json_t *spec, const char *path)
{
    const char *target = json_str_or(container, "targetContainerName", "");

    if (target[0] != '\0' &&
        json_find(json_object_get(spec, "containers"), "name", target) == NULL &&
        json_find(json_object_get(spec, "initContainers"), "name", target) == NULL)
        field_not_found(e, AT("%s.targetContainerName", path),
                        json_object_get(container, "targetContainerName"));
}

void validate_ephemeral_containers(struct field_errors *e, const json_t *spec, json_t *seen,
                                   const char *path)
{
    const json_t *container;
    size_t i;

    json_array_foreach (json_object_get(spec, "ephemeralContainers"), i, container) {
        struct validate_path at = validate_path("%s.ephemeralContainers[%zu]", path, i);

        validate_container(e, container, spec, at.s);
        validate_container_name(e, container, seen, at.s);
        ephemeral_check_target(e, container, spec, at.s);
        ephemeral_check(e, container, at.s);
    }
}

void validate_ephemeral_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    static const char path[] = "spec.ephemeralContainers";
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *now = json_object_get(spec, "ephemeralContainers"), *was;
    size_t i, n = json_array_size(json_object_get(spec, "containers")) +
                  json_array_size(json_object_get(spec, "initContainers")) + json_array_size(now);

    if (n > EPHEMERAL_CONTAINERS_MAX)
        field_too_many(e, path, (int)n, EPHEMERAL_CONTAINERS_MAX);
    json_array_foreach (json_at(old, path), i, was) {
        const char *name = json_str_or(was, "name", "");
        const json_t *is = json_find(now, "name", name);
        cleanup(freep) char *why = mem_fmt("existing ephemeral containers \"%s\" may not be %s\n",
                                           name, is == NULL ? "removed" : "changed");

        if (is == NULL || !json_equal(is, was))
            field_forbidden(e, path, why);
    }
}
