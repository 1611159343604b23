/* pod_support: what a pod may ask that this node cannot do.
 *
 * Pure, one table.  Nothing is accepted and then ignored: a pod that asks for one of these is
 * held with an event that names the field.
 */
#ifndef NODEAGENT_POD_SUPPORT_H
#define NODEAGENT_POD_SUPPORT_H

#include "base/err.h"
#include "nodeagent/pod_view.h"

/* 0, or ERR_INVALID "spec.shareProcessNamespace is not supported on this node". */
int pod_support_check(const struct pod_view *pod, struct err *err);
/* Of that container alone, as it is of all but ephemeral ones above. */
int pod_support_container(const struct pod_view *pod, size_t index, struct err *err);
/* The same of the handler that the pod's RuntimeClass names, in containerd's words; "" = none. */
int pod_support_handler(const char *handler, struct err *err);
/* 0, or ERR_FORBIDDEN with the kubelet's sentence on a sysctl that is not among the safe ones. */
int pod_support_sysctls(const struct pod_view *pod, struct err *err);

#endif
