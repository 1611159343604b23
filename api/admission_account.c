/* Plugin ServiceAccount: whom a pod runs as, and how it proves that. */
#include "api/admission.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

#define ADMIT_TOKEN_SECONDS 3607
#define ADMIT_TOKEN_VOLUME  "kube-api-access-"
#define ADMIT_TOKEN_PATH    "/var/run/secrets/kubernetes.io/serviceaccount"

static bool admit_mounts_token(json_t *containers, const char *volume)
{
    size_t i, j;
    json_t *container, *mount;
    bool added = false;

    json_array_foreach (containers, i, container) {
        json_t *mounts = json_object_get(container, "volumeMounts");
        bool has = false;

        json_array_foreach (mounts, j, mount)
            has = has || str_eq(json_str(mount, "mountPath"), ADMIT_TOKEN_PATH);
        if (has)
            continue;
        if (mounts == NULL)
            json_object_set_new(container, "volumeMounts", mounts = json_array());
        json_array_append_new(mounts, json_pack("{s:s, s:b, s:s}", "name", volume, "readOnly", 1,
                                                "mountPath", ADMIT_TOKEN_PATH));
        added = true;
    }
    return added;
}

static json_t *admit_token_volume(const char *name)
{
    return json_pack("{s:s, s:{s:i, s:[{s:{s:i, s:s}}, {s:{s:s, s:[{s:s, s:s}]}}, "
                     "{s:{s:[{s:s, s:{s:s, s:s}}]}}]}}",
                     "name", name, "projected", "defaultMode", 420, "sources",
                     "serviceAccountToken", "expirationSeconds", ADMIT_TOKEN_SECONDS, "path",
                     "token", "configMap", "name", "kube-root-ca.crt", "items", "key", "ca.crt",
                     "path", "ca.crt", "downwardAPI", "items", "path", "namespace", "fieldRef",
                     "apiVersion", "v1", "fieldPath", "metadata.namespace");
}

/* The volume of an earlier look at the same pod: a webhook may have added containers since. */
static const char *admit_token_volume_of(const json_t *volumes)
{
    size_t i;
    json_t *volume;

    json_array_foreach (volumes, i, volume)
        if (str_starts(json_str_or(volume, "name", ""), ADMIT_TOKEN_VOLUME) &&
            json_at(volume, "projected") != NULL)
            return json_str(volume, "name");
    return NULL;
}

static void admit_mount_token(struct op *op)
{
    json_t *spec = json_at(op->tree, "spec");
    json_t *volumes = json_at(spec, "volumes");
    const char *present = admit_token_volume_of(volumes);
    char volume[64];
    bool added;

    if (present != NULL)
        snprintf(volume, sizeof(volume), "%s", present);
    else
        snprintf(volume, sizeof(volume), ADMIT_TOKEN_VOLUME "%05x",
                 (unsigned)(op->r->opts.random(op->r->opts.arg) >> 44));
    added = admit_mounts_token(json_at(spec, "initContainers"), volume);
    added = admit_mounts_token(json_at(spec, "containers"), volume) || added;
    if (!added || present != NULL)
        return;
    if (volumes == NULL)
        json_object_set_new(spec, "volumes", volumes = json_array());
    json_array_append_new(volumes, admit_token_volume(volume));
}

static void admit_image_pull_secrets(json_t *pod, const json_t *account)
{
    json_t *secrets = json_at(account, "imagePullSecrets");

    if (json_array_size(secrets) > 0 && json_array_size(json_at(pod, "spec.imagePullSecrets")) == 0)
        json_put(pod, "spec.imagePullSecrets", json_deep_copy(secrets));
}

void admit_service_account(struct op *op)
{
    const char *name = json_str(op->tree, "spec.serviceAccountName");
    const struct object *o;
    cleanup(json_decrefpp) json_t *account = NULL;

    if (str_empty(name))
        name = json_str_or(op->tree, "spec.serviceAccount", "default");
    o = admit_find(op, "serviceaccounts", op->ns, name);
    if (o == NULL) {
        cleanup(freep) char *why = mem_fmt("error looking up service account %s/%s: "
                                           "serviceaccount \"%s\" not found",
                                           op->ns, name, name);

        op_refuse(op, status_forbidden(op->resource, admit_name(op), why));
        return;
    }
    account = object_tree(o);
    json_put_str(op->tree, "spec.serviceAccountName", o->name);
    json_put_str(op->tree, "spec.serviceAccount", o->name);
    admit_image_pull_secrets(op->tree, account);
    if (json_bool(op->tree, "spec.automountServiceAccountToken",
                  json_bool(account, "automountServiceAccountToken", true)))
        admit_mount_token(op);
}
