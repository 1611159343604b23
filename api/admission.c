/* Admission: what Kubernetes' built-in plugins add or refuse before validation, as a table of
 * steps in Kubernetes' order: NamespaceLifecycle, ServiceAccount, Priority,
 * DefaultTolerationSeconds, DefaultStorageClass, and the strategies' own preparations. */
#include "api/registry_impl.h"

#include "api/conditions.h"
#include "api/custom.h"
#include "api/pod_resources.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define ADMIT_TOKEN_SECONDS 3607
#define ADMIT_TOKEN_PATH    "/var/run/secrets/kubernetes.io/serviceaccount"

static const char *admit_name(const struct op *op)
{
    return json_str_or(op->tree, "metadata.name",
                       json_str_or(op->tree, "metadata.generateName", ""));
}

static const struct object *admit_find(struct op *op, const char *bucket, const char *ns,
                                       const char *name)
{
    return store_latest(op->r->store, bucket, ns, name);
}

/* --- NamespaceLifecycle --- */

static void admit_namespace_lifecycle(struct op *op)
{
    const struct object *ns;
    cleanup(freep) char *why = NULL;
    json_t *status;

    if (!op->resource->namespaced)
        return;
    ns = admit_find(op, "namespaces", "", op->ns);
    if (ns == NULL) {
        op_refuse(op, status_not_found(schema_bucket("namespaces"), op->ns));
        return;
    }
    if (!ns->deleting)
        return;
    why = mem_fmt("unable to create new content in namespace %s because it is being terminated",
                  op->ns);
    status = status_forbidden(op->resource, admit_name(op), why);
    json_put(status, "details.causes",
             json_pack("[{s:s, s:s, s:s}]", "reason", "NamespaceTerminating", "message",
                       "namespace is being terminated", "field", "metadata.namespace"));
    op_refuse(op, status);
}

/* --- ServiceAccount --- */

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

static void admit_mount_token(struct op *op)
{
    json_t *spec = json_at(op->tree, "spec");
    json_t *volumes = json_at(spec, "volumes");
    char volume[32];
    bool added;

    snprintf(volume, sizeof(volume), "kube-api-access-%05x",
             (unsigned)(op->r->opts.random(op->r->opts.arg) >> 44));
    added = admit_mounts_token(json_at(spec, "initContainers"), volume);
    added = admit_mounts_token(json_at(spec, "containers"), volume) || added;
    if (!added)
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

static void admit_service_account(struct op *op)
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

/* --- NodeRestriction: what a table of verbs cannot say, for a new object's name is in its body --- */

static bool admit_is_node(const struct op *op, const char *name)
{
    static const char prefix[] = "system:node:";
    bool member = false;

    for (size_t i = 0; op->user != NULL && op->user->groups != NULL && op->user->groups[i] != NULL;
         i++)
        member = member || str_eq(op->user->groups[i], "system:nodes");
    return !member || !str_starts(op->user->name, prefix) ||
           str_eq(op->user->name + strlen(prefix), name);
}

/* Its Node and its Lease are called like the node. */
static void admit_node_restriction(struct op *op)
{
    const char *name = json_str_or(op->tree, "metadata.name", "");
    cleanup(freep) char *why = NULL;

    if (admit_is_node(op, name))
        return;
    why = mem_fmt("node \"%s\" is not allowed to create %s \"%s\"",
                  op->user->name + strlen("system:node:"), op->resource->singular, name);
    op_refuse(op, status_forbidden(op->resource, name, why));
}

/* --- Priority --- */

static const struct object *admit_default_class(struct op *op, const char *bucket, const char *flag)
{
    struct store_iter it;
    const struct object *o;

    store_iter_init(&it, op->r->store, bucket, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = object_tree(o);
        json_t *annotations = json_at(tree, "metadata.annotations");

        if (json_bool(tree, flag, false) ||
            str_eq(json_string_value(json_object_get(annotations, flag)), "true"))
            return o;
    }
    return NULL;
}

static void admit_priority(struct op *op)
{
    const char *name = json_str_or(op->tree, "spec.priorityClassName", "");
    const struct object *o;
    cleanup(json_decrefpp) json_t *tree = NULL;
    int64_t value;

    if (name[0] != '\0')
        o = admit_find(op, "priorityclasses.scheduling.k8s.io", "", name);
    else
        o = admit_default_class(op, "priorityclasses.scheduling.k8s.io", "globalDefault");
    if (o == NULL && name[0] != '\0') {
        cleanup(freep) char *why = mem_fmt("no PriorityClass with name %s was found", name);

        op_refuse(op, status_forbidden(op->resource, admit_name(op), why));
        return;
    }
    if (o != NULL) {
        tree = object_tree(o);
        json_put_str(op->tree, "spec.priorityClassName", o->name);
    }
    value = json_int(tree, "value", 0);
    if (json_int(op->tree, "spec.priority", value) != value) {
        cleanup(freep) char *why = mem_fmt(
            "the integer value of priority (%lld) must not be provided in pod spec; "
            "priority admission controller computed %lld from the given PriorityClass name",
            (long long)json_int(op->tree, "spec.priority", value), (long long)value);

        op_refuse(op, status_forbidden(op->resource, admit_name(op), why));
        return;
    }
    json_put_int(op->tree, "spec.priority", value);
    if (json_at(op->tree, "spec.preemptionPolicy") == NULL)
        json_put_str(op->tree, "spec.preemptionPolicy",
                     json_str_or(tree, "preemptionPolicy", "PreemptLowerPriority"));
}

/* --- DefaultTolerationSeconds --- */

static bool admit_tolerates(const json_t *tolerations, const char *key)
{
    size_t i;
    json_t *t;

    json_array_foreach (tolerations, i, t) {
        const char *k = json_str_or(t, "key", "");
        const char *effect = json_str_or(t, "effect", "");

        if ((k[0] == '\0' || str_eq(k, key)) && (effect[0] == '\0' || str_eq(effect, "NoExecute")))
            return true;
    }
    return false;
}

static void admit_tolerations(struct op *op)
{
    static const char *const keys[] = { "node.kubernetes.io/not-ready",
                                        "node.kubernetes.io/unreachable" };
    json_t *list = json_at(op->tree, "spec.tolerations");

    for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
        if (admit_tolerates(list, keys[i]))
            continue;
        if (list == NULL) {
            list = json_array();
            json_put(op->tree, "spec.tolerations", list);
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:i}", "key", keys[i], "operator",
                                        "Exists", "effect", "NoExecute", "tolerationSeconds", 300));
    }
}

/* --- strategies: first status and what only the server may say --- */

static void admit_pod_status(struct op *op)
{
    json_put_str(op->tree, "status.phase", "Pending");
    json_put_str(op->tree, "status.qosClass", pod_qos(json_at(op->tree, "spec")));
}

static void admit_namespace(struct op *op)
{
    json_put(op->tree, "spec.finalizers", json_pack("[s]", "kubernetes"));
    json_put_str(op->tree, "status.phase", "Active");
}

/* Only the finalize subresource may let go of the content. */
static void admit_namespace_finalizers(struct op *op)
{
    json_t *finalizers = json_at(op->old_tree, "spec.finalizers");

    if (finalizers != NULL)
        json_put(op->tree, "spec.finalizers", json_deep_copy(finalizers));
    else
        json_del(op->tree, "spec.finalizers");
}

static void admit_namespace_label(struct op *op)
{
    if (json_at(op->tree, "metadata.labels") == NULL)
        json_put(op->tree, "metadata.labels", json_object());
    json_object_set_new(json_at(op->tree, "metadata.labels"), "kubernetes.io/metadata.name",
                        json_string(json_str_or(op->tree, "metadata.name", "")));
}

static void admit_storage_class(struct op *op)
{
    const struct object *o;

    json_put_str(op->tree, "status.phase", "Pending");
    if (json_at(op->tree, "spec.storageClassName") != NULL)
        return;
    o = admit_default_class(op, "storageclasses.storage.k8s.io",
                            "storageclass.kubernetes.io/is-default-class");
    if (o != NULL)
        json_put_str(op->tree, "spec.storageClassName", o->name);
}

/* Only for an Ingress that names no class in either way (plugin DefaultIngressClass). */
static void admit_ingress_class(struct op *op)
{
    const json_t *annotations = json_at(op->tree, "metadata.annotations");
    const struct object *o;

    if (json_at(op->tree, "spec.ingressClassName") != NULL ||
        json_object_get(annotations, "kubernetes.io/ingress.class") != NULL)
        return;
    o = admit_default_class(op, "ingressclasses.networking.k8s.io",
                            "ingressclass.kubernetes.io/is-default-class");
    if (o != NULL)
        json_put_str(op->tree, "spec.ingressClassName", o->name);
}

static void admit_volume(struct op *op)
{
    json_put_str(op->tree, "status.phase", "Pending");
}

/* stringData is a writer's convenience: it ends in data, base64. */
static void admit_secret(struct op *op)
{
    json_t *plain = json_object_get(op->tree, "stringData");
    json_t *data = json_object_get(op->tree, "data");
    const char *key;
    json_t *value;

    if (plain == NULL)
        return;
    if (data == NULL)
        json_object_set_new(op->tree, "data", data = json_object());
    json_object_foreach (plain, key, value) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        bits_base64(&t, json_string_value(value), json_string_length(value));
        json_object_set_new(data, key, json_string(text_str(&t)));
    }
    json_object_del(op->tree, "stringData");
}

/* A Job selects its pods by its own uid, unless its author says otherwise: two Jobs made of one
 * manifest never take each other's. */
static void admit_job_selector(struct op *op)
{
    static const char *const uid_labels[] = { "controller-uid",
                                              "batch.kubernetes.io/controller-uid" };
    static const char *const name_labels[] = { "job-name", "batch.kubernetes.io/job-name" };
    const char *uid = json_str_or(op->tree, "metadata.uid", "");
    json_t *labels = json_at(op->tree, "spec.template.metadata.labels");

    if (json_bool(op->tree, "spec.manualSelector", false) || !json_at(op->tree, "spec.template"))
        return;
    if (labels == NULL) {
        labels = json_object();
        json_put(op->tree, "spec.template.metadata.labels", labels);
    }
    for (size_t i = 0; i < N_ELEMENTS(uid_labels); i++) {
        json_object_set_new(labels, uid_labels[i], json_string(uid));
        json_object_set_new(labels, name_labels[i], json_string(admit_name(op)));
    }
    if (json_at(op->tree, "spec.selector") == NULL)
        json_put(op->tree, "spec.selector",
                 json_pack("{s:{s:s}}", "matchLabels", uid_labels[1], uid));
}

/* What no Service stands behind is served by ourselves (kube-aggregator's words). */
static void admit_apiservice(struct op *op)
{
    json_t *status;

    if (json_at(op->tree, "spec.service") != NULL)
        return;
    json_object_set_new(op->tree, "status", status = json_object());
    condition_set(status, "Available", "True", "Local", "Local APIServices are always available",
                  op->r->opts.wall_ms(op->r->opts.arg));
}

static void admit_service_status(struct op *op)
{
    json_object_set_new(op->tree, "status", json_pack("{s:{}}", "loadBalancer"));
}

enum admit_stage {
    ADMIT_CREATE,
    ADMIT_NAMED, /* create, once a generated name is known */
    ADMIT_UPDATE,
};
#define ADMIT_AT(stage) (1u << (stage))

/* Kinds that are kept and shown, but that nobody acts on yet: whoever writes one is told so. */
static const char *const admit_without_effect[] = {
    "resourcequotas",
    "limitranges",
    "runtimeclasses.node.k8s.io",
    "apiservices.apiregistration.k8s.io",
    "certificatesigningrequests.certificates.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
};

static void admit_warn_of_no_effect(struct op *op)
{
    for (size_t i = 0; i < N_ELEMENTS(admit_without_effect); i++)
        if (str_eq(op->resource->bucket, admit_without_effect[i]))
            op_warn(op, "mkube keeps this %s but does not act on it yet", op->resource->kind);
}

static const struct admit_row {
    const char *bucket; /* NULL = all */
    unsigned stages;
    void (*admit)(struct op *op);
} admit_rows[] = {
    { NULL, ADMIT_AT(ADMIT_CREATE), admit_namespace_lifecycle },
    { NULL, ADMIT_AT(ADMIT_CREATE), admit_warn_of_no_effect },
    { "nodes", ADMIT_AT(ADMIT_NAMED), admit_node_restriction },
    { "leases.coordination.k8s.io", ADMIT_AT(ADMIT_NAMED), admit_node_restriction },
    { "pods", ADMIT_AT(ADMIT_CREATE), admit_service_account },
    { "pods", ADMIT_AT(ADMIT_CREATE), admit_priority },
    { "pods", ADMIT_AT(ADMIT_CREATE), admit_tolerations },
    { "pods", ADMIT_AT(ADMIT_CREATE), admit_pod_status },
    { "namespaces", ADMIT_AT(ADMIT_CREATE), admit_namespace },
    { "namespaces", ADMIT_AT(ADMIT_UPDATE), admit_namespace_finalizers },
    { "namespaces", ADMIT_AT(ADMIT_NAMED) | ADMIT_AT(ADMIT_UPDATE), admit_namespace_label },
    { "jobs.batch", ADMIT_AT(ADMIT_NAMED), admit_job_selector },
    { "persistentvolumeclaims", ADMIT_AT(ADMIT_CREATE), admit_storage_class },
    { "ingresses.networking.k8s.io", ADMIT_AT(ADMIT_CREATE), admit_ingress_class },
    { "persistentvolumes", ADMIT_AT(ADMIT_CREATE), admit_volume },
    { "secrets", ADMIT_AT(ADMIT_CREATE) | ADMIT_AT(ADMIT_UPDATE), admit_secret },
    { "configmaps", ADMIT_AT(ADMIT_CREATE) | ADMIT_AT(ADMIT_UPDATE), admit_root_ca },
    { "apiservices.apiregistration.k8s.io", ADMIT_AT(ADMIT_CREATE), admit_apiservice },
    { "services", ADMIT_AT(ADMIT_CREATE), admit_service_status },
    { CUSTOM_BUCKET, ADMIT_AT(ADMIT_CREATE) | ADMIT_AT(ADMIT_UPDATE), admit_definition },
    { "ingresses.networking.k8s.io", ADMIT_AT(ADMIT_CREATE), admit_service_status },
};

static void admit_run(struct op *op, enum admit_stage stage)
{
    for (size_t i = 0; i < N_ELEMENTS(admit_rows) && op_ok(op); i++) {
        const struct admit_row *row = &admit_rows[i];

        if (row->bucket != NULL && !str_eq(row->bucket, op->resource->bucket))
            continue;
        if ((row->stages & ADMIT_AT(stage)) != 0)
            row->admit(op);
    }
}

void admit_create(struct op *op)
{
    admit_run(op, ADMIT_CREATE);
}

void admit_named(struct op *op)
{
    admit_run(op, ADMIT_NAMED);
}

void admit_update(struct op *op)
{
    if (op->sub[0] == '\0')
        admit_run(op, ADMIT_UPDATE);
}
