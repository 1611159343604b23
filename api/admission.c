/* Admission: what Kubernetes' built-in plugins add or refuse, as a table of steps in Kubernetes'
 * order (v1.32, its default plugins); each family of plugins has a file of its own. */
#include "api/admission.h"

#include "api/csr.h"
#include "api/custom.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>

const char *admit_name(const struct op *op)
{
    return json_str_or(op->tree, "metadata.name",
                       json_str_or(op->tree, "metadata.generateName", ""));
}

const struct object *admit_find(const struct op *op, const char *bucket, const char *ns,
                                const char *name)
{
    return store_latest(op->r->store, bucket, ns, name);
}

void admit_forbid(struct op *op, const char *fmt, ...)
{
    cleanup(text_fini) struct text why = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&why, fmt, ap);
    va_end(ap);
    op_refuse(op, status_forbidden(op->resource, admit_name(op), text_str(&why)));
}

enum admit_stage {
    ADMIT_CREATE = 1,
    ADMIT_NAMED = 2, /* create, once a generated name is known */
    ADMIT_UPDATE = 4,
    ADMIT_SUB = 32,         /* update of a subresource: status, approval, scale */
    ADMIT_CHECK_CREATE = 8, /* after validation: nothing may change any more */
    ADMIT_CHECK_UPDATE = 16,
    ADMIT_CHECK = ADMIT_CHECK_CREATE | ADMIT_CHECK_UPDATE,
};

/* Kinds that are kept and shown, but that nobody acts on yet: whoever writes one is told so. */
static const char *const admit_without_effect[] = {
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
    { NULL, ADMIT_CREATE, admit_namespace_lifecycle },
    { NULL, ADMIT_CREATE, admit_warn_of_no_effect },
    /* LimitRanger */
    { "pods", ADMIT_CREATE, admit_limit_defaults },
    { "pods", ADMIT_CHECK_CREATE, admit_limits },
    { "persistentvolumeclaims", ADMIT_CHECK, admit_limits },
    { "pods", ADMIT_CREATE, admit_service_account },
    /* NodeRestriction */
    { "nodes", ADMIT_NAMED, admit_node_create },
    { "nodes", ADMIT_UPDATE | ADMIT_SUB, admit_node_update },
    { "pods", ADMIT_SUB, admit_node_pod_status },
    { "csinodes.storage.k8s.io", ADMIT_NAMED, admit_node_restriction },
    { CSR_BUCKET, ADMIT_CREATE, admit_node_csr },
    { "leases.coordination.k8s.io", ADMIT_NAMED, admit_node_restriction },
    { "nodes", ADMIT_CREATE, admit_node_taint },
    /* PodSecurity; of all kinds those with pods in them are looked at */
    { NULL, ADMIT_CHECK, admit_pod_security },
    { "namespaces", ADMIT_CHECK, admit_namespace_security },
    /* Priority */
    { "pods", ADMIT_CREATE, admit_priority },
    { "priorityclasses.scheduling.k8s.io", ADMIT_CHECK, admit_priority_class },
    { "pods", ADMIT_CREATE, admit_tolerations },
    { "persistentvolumeclaims", ADMIT_CREATE, admit_storage_class },
    /* StorageObjectInUseProtection */
    { "persistentvolumeclaims", ADMIT_CREATE, admit_claim_protection },
    { "persistentvolumes", ADMIT_CREATE, admit_volume_protection },
    { "persistentvolumeclaims", ADMIT_CHECK_UPDATE, admit_claim_resize },
    /* RuntimeClass */
    { "pods", ADMIT_CREATE, admit_runtime_class },
    { "pods", ADMIT_CHECK_CREATE, admit_runtime_check },
    /* CertificateApproval, CertificateSigning, CertificateSubjectRestriction */
    { CSR_BUCKET, ADMIT_CREATE, admit_csr_create },
    { CSR_BUCKET, ADMIT_UPDATE, admit_csr_update },
    { CSR_BUCKET, ADMIT_SUB, admit_csr_sub },
    { "ingresses.networking.k8s.io", ADMIT_CREATE, admit_ingress_class },
    /* What is left are no plugins in Kubernetes, but preparations of single kinds.  ResourceQuota
     * stands last of all, right at the store (admission_quota.c). */
    { "pods", ADMIT_CREATE, admit_pod_status },
    { "namespaces", ADMIT_CREATE, admit_namespace },
    { "namespaces", ADMIT_UPDATE, admit_namespace_finalizers },
    { "namespaces", ADMIT_NAMED | ADMIT_UPDATE, admit_namespace_label },
    { "jobs.batch", ADMIT_NAMED, admit_job_selector },
    { "persistentvolumes", ADMIT_CREATE, admit_volume },
    { "secrets", ADMIT_CREATE | ADMIT_UPDATE, admit_secret },
    { "secrets", ADMIT_NAMED | ADMIT_UPDATE, admit_account_secret },
    { "configmaps", ADMIT_CREATE | ADMIT_UPDATE, admit_root_ca },
    { "apiservices.apiregistration.k8s.io", ADMIT_CREATE, admit_apiservice },
    { "services", ADMIT_CREATE, admit_service_status },
    { RBAC_ROLES, ADMIT_CREATE | ADMIT_UPDATE, admit_role },
    { RBAC_CLUSTER_ROLES, ADMIT_CREATE | ADMIT_UPDATE, admit_role },
    { RBAC_ROLE_BINDINGS, ADMIT_CREATE | ADMIT_UPDATE, admit_role_binding },
    { RBAC_CLUSTER_ROLEBINDINGS, ADMIT_CREATE | ADMIT_UPDATE, admit_role_binding },
    { CUSTOM_BUCKET, ADMIT_CREATE | ADMIT_UPDATE, admit_definition },
    { "ingresses.networking.k8s.io", ADMIT_CREATE, admit_service_status },
};

static void admit_run(struct op *op, enum admit_stage stage)
{
    for (size_t i = 0; i < N_ELEMENTS(admit_rows) && op_ok(op); i++) {
        const struct admit_row *row = &admit_rows[i];

        if (row->bucket != NULL && !str_eq(row->bucket, op->resource->bucket))
            continue;
        if ((row->stages & stage) != 0)
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

void admit_check(struct op *op)
{
    if (op->old == NULL)
        admit_run(op, ADMIT_CHECK_CREATE);
    else if (op->sub[0] == '\0' || str_eq(op->sub, "ephemeralcontainers"))
        admit_run(op, ADMIT_CHECK_UPDATE);
}

void admit_update(struct op *op)
{
    admit_run(op, op->sub[0] == '\0' ? ADMIT_UPDATE : ADMIT_SUB);
}
