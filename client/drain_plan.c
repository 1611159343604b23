#include "client/drain_plan.h"

#include "api/pod_status.h"

#define DRAIN_MIRROR "kubernetes.io/config.mirror"

static const char *drain_owner(const json_t *pod)
{
    const json_t *refs = json_at(pod, "metadata.ownerReferences"), *ref;
    size_t i;

    json_array_foreach (refs, i, ref)
        if (json_bool(ref, "controller", false))
            return json_str_or(ref, "kind", "");
    return NULL;
}

static bool drain_has_local(const json_t *pod)
{
    const json_t *volumes = json_at(pod, "spec.volumes"), *v;
    size_t i;

    json_array_foreach (volumes, i, v)
        if (json_at(v, "emptyDir") != NULL)
            return true;
    return false;
}

enum drain_verdict drain_plan(const json_t *pod, const struct drain_opts *opts,
                              const char **ret_why)
{
    const char *owner = drain_owner(pod);

    *ret_why = NULL;
    if (json_object_get(json_at(pod, "metadata.annotations"), DRAIN_MIRROR) != NULL)
        return DRAIN_SKIP;
    if (pod_is_terminal(pod))
        return DRAIN_EVICT;
    if (str_eq(owner, "DaemonSet")) {
        *ret_why = opts->ignore_daemon_sets
                       ? "ignoring DaemonSet-managed Pods"
                       : "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)";
        return opts->ignore_daemon_sets ? DRAIN_SKIP : DRAIN_REFUSE;
    }
    if (drain_has_local(pod) && !opts->delete_local) {
        *ret_why = "cannot delete Pods with local storage (use --delete-emptydir-data to override)";
        return DRAIN_REFUSE;
    }
    if (owner == NULL) {
        *ret_why = opts->force ? "deleting Pods that declare no controller"
                               : "cannot delete Pods that declare no controller (use --force to "
                                 "override)";
        return opts->force ? DRAIN_EVICT : DRAIN_REFUSE;
    }
    return DRAIN_EVICT;
}
