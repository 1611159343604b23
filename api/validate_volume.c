#include "api/validate_impl.h"

#include "base/mem.h"

#include <string.h>

#define MODE_WORDS "must be a number between 0 and 0777 (octal), both inclusive"

static void validate_mode(struct field_errors *e, const json_t *object, const char *key,
                          const char *path)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_integer(v) && (json_integer_value(v) < 0 || json_integer_value(v) > 0777))
        field_invalid(e, AT("%s.%s", path, key), v, MODE_WORDS);
}

/* "..", alone or as a step of the path. */
static bool validate_goes_up(const char *s)
{
    while (s != NULL) {
        if (str_starts(s, "..") && (s[2] == '\0' || s[2] == '/'))
            return true;
        s = strchr(s, '/');
        s = s != NULL ? s + 1 : NULL;
    }
    return false;
}

static void validate_no_back_steps(struct field_errors *e, const json_t *object, const char *key,
                                   const char *path)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_string(v) && validate_goes_up(json_string_value(v)))
        field_invalid(e, AT("%s.%s", path, key), v, "must not contain '..'");
}

static void validate_local_path(struct field_errors *e, const json_t *object, const char *path)
{
    const json_t *v = json_object_get(object, "path");
    const char *s = json_is_string(v) ? json_string_value(v) : "";

    if (*s == '/')
        field_invalid(e, AT("%s.path", path), v, "must be a relative path");
    validate_no_back_steps(e, object, "path", path);
    if (str_starts(s, "..") && !validate_goes_up(s))
        field_invalid(e, AT("%s.path", path), v, "must not start with '..'");
}

void validate_key_paths(struct field_errors *e, const json_t *items, const char *path)
{
    const json_t *item;
    size_t i;

    json_array_foreach (items, i, item) {
        struct validate_path at = validate_path("%s[%zu]", path, i);

        validate_local_path(e, item, at.s);
        validate_mode(e, item, "mode", at.s);
    }
}

/* --- sources ------------------------------------------------------------------ */

static void validate_host_path(struct field_errors *e, const json_t *source, const char *path)
{
    validate_no_back_steps(e, source, "path", path);
}

static void validate_empty_dir(struct field_errors *e, const json_t *source, const char *path)
{
    validate_quantity_not_negative(e, json_object_get(source, "sizeLimit"),
                                   AT("%s.sizeLimit", path));
}

static void validate_secret_volume(struct field_errors *e, const json_t *source, const char *path)
{
    validate_required(e, source, "secretName", path, NULL);
    validate_mode(e, source, "defaultMode", path);
    validate_key_paths(e, json_object_get(source, "items"), AT("%s.items", path));
}

static void validate_config_volume(struct field_errors *e, const json_t *source, const char *path)
{
    validate_required(e, source, "name", path, NULL);
    validate_mode(e, source, "defaultMode", path);
    validate_key_paths(e, json_object_get(source, "items"), AT("%s.items", path));
}

static void validate_projected_secret(struct field_errors *e, const json_t *source,
                                      const char *path)
{
    validate_required(e, source, "name", path, NULL);
    validate_key_paths(e, json_object_get(source, "items"), AT("%s.items", path));
}

static void validate_downward_items(struct field_errors *e, const json_t *items, const char *path)
{
    static const char *const fields[] = { "metadata.annotations", "metadata.labels",
                                          "metadata.name",        "metadata.namespace",
                                          "metadata.uid",         NULL };
    const json_t *item;
    size_t i;

    json_array_foreach (items, i, item) {
        struct validate_path at = validate_path("%s[%zu]", path, i);
        const json_t *field = json_object_get(item, "fieldRef");
        const json_t *resource = json_object_get(item, "resourceFieldRef");

        validate_local_path(e, item, at.s);
        validate_mode(e, item, "mode", at.s);
        if (field != NULL && resource != NULL)
            field_invalid_str(e, at.s, "resource",
                              "fieldRef and resourceFieldRef can not be specified simultaneously");
        else if (field != NULL)
            validate_field_ref(e, field, AT("%s.fieldRef", at.s), fields);
        else if (resource != NULL)
            validate_required(e, resource, "containerName", AT("%s.resourceFieldRef", at.s), NULL);
        else
            field_required(e, at.s, "one of fieldRef and resourceFieldRef is required");
    }
}

static void validate_downward_volume(struct field_errors *e, const json_t *source, const char *path)
{
    validate_mode(e, source, "defaultMode", path);
    validate_downward_items(e, json_object_get(source, "items"), AT("%s.items", path));
}

static void validate_projected_downward(struct field_errors *e, const json_t *source,
                                        const char *path)
{
    validate_downward_items(e, json_object_get(source, "items"), AT("%s.items", path));
}

static void validate_projected_token(struct field_errors *e, const json_t *source, const char *path)
{
    const json_t *seconds = json_object_get(source, "expirationSeconds");

    if (json_is_integer(seconds) && json_integer_value(seconds) < 600)
        field_invalid(e, AT("%s.expirationSeconds", path), seconds,
                      "may not specify a duration less than 10 minutes");
    validate_local_path(e, source, path);
}

struct validate_source {
    const char *name;
    void (*check)(struct field_errors *e, const json_t *source, const char *path);
};

static const struct validate_source validate_projections[] = {
    { "secret", validate_projected_secret },
    { "configMap", validate_projected_secret },
    { "downwardAPI", validate_projected_downward },
    { "serviceAccountToken", validate_projected_token },
    { "clusterTrustBundle", NULL },
};

static void validate_projection(struct field_errors *e, const json_t *item, const char *path)
{
    size_t n = 0;

    for (size_t i = 0; i < N_ELEMENTS(validate_projections); i++) {
        const struct validate_source *s = &validate_projections[i];
        const json_t *source = json_object_get(item, s->name);
        struct validate_path at = validate_path("%s.%s", path, s->name);

        if (source == NULL)
            continue;
        if (n++ > 0)
            field_forbidden(e, at.s, "may not specify more than 1 volume type");
        else if (s->check != NULL)
            s->check(e, source, at.s);
    }
    if (n == 0)
        field_required(e, path, "must specify a volume type");
}

static void validate_projected(struct field_errors *e, const json_t *source, const char *path)
{
    const json_t *item;
    size_t i;

    validate_mode(e, source, "defaultMode", path);
    json_array_foreach (json_object_get(source, "sources"), i, item)
        validate_projection(e, item, AT("%s.sources[%zu]", path, i));
}

static void validate_nfs(struct field_errors *e, const json_t *source, const char *path)
{
    const json_t *v = json_object_get(source, "path");

    if (json_string_length(v) > 0 && json_string_value(v)[0] != '/')
        field_invalid(e, AT("%s.path", path), v, "must be an absolute path");
}

static void validate_ephemeral(struct field_errors *e, const json_t *source, const char *path)
{
    const json_t *template = json_object_get(source, "volumeClaimTemplate");

    if (template == NULL)
        field_required(e, AT("%s.volumeClaimTemplate", path), NULL);
    else
        validate_claim_spec(e, json_object_get(template, "spec"),
                            AT("%s.volumeClaimTemplate.spec", path));
}

/* In Kubernetes' order: the first one found counts, each further one is forbidden. */
static const struct validate_source validate_sources[] = {
    { "emptyDir", validate_empty_dir },
    { "hostPath", validate_host_path },
    { "gitRepo", NULL },
    { "gcePersistentDisk", NULL },
    { "awsElasticBlockStore", NULL },
    { "secret", validate_secret_volume },
    { "nfs", validate_nfs },
    { "iscsi", NULL },
    { "glusterfs", NULL },
    { "flocker", NULL },
    { "persistentVolumeClaim", NULL },
    { "rbd", NULL },
    { "cinder", NULL },
    { "cephfs", NULL },
    { "quobyte", NULL },
    { "downwardAPI", validate_downward_volume },
    { "fc", NULL },
    { "flexVolume", NULL },
    { "configMap", validate_config_volume },
    { "azureFile", NULL },
    { "vsphereVolume", NULL },
    { "photonPersistentDisk", NULL },
    { "portworxVolume", NULL },
    { "azureDisk", NULL },
    { "storageos", NULL },
    { "projected", validate_projected },
    { "scaleIO", NULL },
    { "csi", NULL },
    { "ephemeral", validate_ephemeral },
    { "image", NULL },
};

static void validate_volume_source(struct field_errors *e, const json_t *volume, const char *path)
{
    size_t n = 0;

    for (size_t i = 0; i < N_ELEMENTS(validate_sources); i++) {
        const struct validate_source *s = &validate_sources[i];
        const json_t *source = json_object_get(volume, s->name);
        struct validate_path at = validate_path("%s.%s", path, s->name);

        if (source == NULL)
            continue;
        if (n++ > 0)
            field_forbidden(e, at.s, "may not specify more than 1 volume type");
        else if (s->check != NULL)
            s->check(e, source, at.s);
    }
    if (n == 0)
        field_required(e, path, "must specify a volume type");
}

void validate_volumes(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *volumes = json_object_get(spec, "volumes"), *volume;
    size_t i;

    json_array_foreach (volumes, i, volume) {
        struct validate_path at = validate_path("%s.volumes[%zu]", path, i);
        const char *name = json_str_or(volume, "name", "");

        validate_volume_source(e, volume, at.s);
        validate_text(e, volume, "name", at.s, validate_dns1123_label);
        if (*name != '\0' && json_find(volumes, "name", name) != volume)
            field_duplicate(e, AT("%s.name", at.s), json_object_get(volume, "name"));
    }
}
