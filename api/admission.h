/* admission: steps before and after validation, one file per family of plugins.  Private to
 * api/admission*.c; the registry calls admit_create, admit_named, admit_update and admit_check
 * (api/registry_impl.h), which go through the table in admission.c.
 *
 * A step may change op->tree, unless it is a check, and may refuse (op_refuse); the first refusal
 * ends the way.
 */
#ifndef API_ADMISSION_H
#define API_ADMISSION_H

#include "api/registry_impl.h"

/* --- admission.c: what steps share --- */
const char *admit_name(const struct op *op); /* name, or generateName while there is none */
/* Including what is not on the disk yet; borrowed or NULL. */
const struct object *admit_find(const struct op *op, const char *bucket, const char *ns,
                                const char *name);

/* `pods "x" is forbidden: why` */
void admit_forbid(struct op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- admission_lifecycle.c --- */
void admit_namespace_lifecycle(struct op *op);
void admit_node_taint(struct op *op);

/* --- admission_limits.c --- */
void admit_limit_defaults(struct op *op);
void admit_limits(struct op *op);

/* --- admission_node.c --- */
void admit_node_restriction(struct op *op);
void admit_node_create(struct op *op);
void admit_node_update(struct op *op);
void admit_node_pod_status(struct op *op);
void admit_node_csr(struct op *op);

/* --- admission_security.c --- */
void admit_pod_security(struct op *op);
void admit_namespace_security(struct op *op);

/* --- admission_account.c --- */
void admit_service_account(struct op *op);

/* --- admission_pod.c --- */
void admit_priority(struct op *op);
void admit_priority_class(struct op *op);
void admit_tolerations(struct op *op);

/* --- admission_class.c --- */
void admit_storage_class(struct op *op);
void admit_ingress_class(struct op *op);

/* --- admission_storage.c --- */
void admit_claim_protection(struct op *op);
void admit_volume_protection(struct op *op);
void admit_claim_resize(struct op *op);

/* --- admission_runtime.c --- */
void admit_runtime_class(struct op *op);
void admit_runtime_check(struct op *op);

/* --- admission_prepare.c --- */
void admit_pod_status(struct op *op);
void admit_namespace(struct op *op);
void admit_namespace_finalizers(struct op *op);
void admit_namespace_label(struct op *op);
void admit_volume(struct op *op);
void admit_secret(struct op *op);
void admit_job_selector(struct op *op);
void admit_apiservice(struct op *op);
void admit_service_status(struct op *op);

#endif
