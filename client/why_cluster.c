/* Rules for volumes, nodes and what else belongs to the cluster. */
#include "api/conditions.h"
#include "api/pod_status.h"
#include "base/mem.h"
#include "client/why_impl.h"

#define WHY_DEFAULT_CLASS "storageclass.kubernetes.io/is-default-class"

/* --- claims --- */

static bool why_unbound(const struct why_case *c)
{
    return str_eq(json_str_or(c->o, "status.phase", "Pending"), "Pending");
}

static const char *why_class_of(const struct why_case *c)
{
    return json_str(c->o, "spec.storageClassName");
}

static bool why_claim_lost(struct why_case *c)
{
    why_put(c, "volume", "%s", json_str_or(c->o, "spec.volumeName", ""));
    return str_eq(json_str(c->o, "status.phase"), "Lost");
}

static bool why_claim_volume(struct why_case *c)
{
    const char *name = json_str_or(c->o, "spec.volumeName", "");

    why_put(c, "volume", "%s", name);
    return why_unbound(c) && name[0] != '\0' && why_lacks(c->w, "persistentvolumes", NULL, name);
}

static bool why_claim_no_default(struct why_case *c)
{
    const json_t *class;
    size_t i;

    if (!why_unbound(c) || why_class_of(c) != NULL || why_list(c->w, "storageclasses") == NULL)
        return false;
    json_array_foreach (why_list(c->w, "storageclasses"), i, class)
        if (str_eq(json_string_value(
                       json_object_get(json_at(class, "metadata.annotations"), WHY_DEFAULT_CLASS)),
                   "true"))
            return false;
    return true;
}

static bool why_claim_class(struct why_case *c)
{
    why_put(c, "class", "%s", why_class_of(c) != NULL ? why_class_of(c) : "");
    return why_unbound(c) && !str_empty(why_class_of(c)) &&
           why_lacks(c->w, "storageclasses", NULL, why_class_of(c));
}

static bool why_claim_told(struct why_case *c)
{
    const json_t *event = why_event(c, c->o, "ProvisioningFailed", NULL);

    why_put(c, "message", "%s", json_str_or(event, "message", ""));
    return why_unbound(c) && event != NULL;
}

static bool why_claim_used(const struct why_case *c)
{
    const json_t *pod, *v;
    size_t i, k;

    json_array_foreach (why_list(c->w, "pods"), i, pod)
        json_array_foreach (json_at(pod, "spec.volumes"), k, v)
            if (str_eq(why_ns(pod), why_ns(c->o)) &&
                str_eq(json_str(v, "persistentVolumeClaim.claimName"), why_name(c->o)))
                return true;
    return false;
}

static bool why_claim_waits(struct why_case *c)
{
    const json_t *class = why_get(c->w, "storageclasses", NULL,
                                  why_class_of(c) != NULL ? why_class_of(c) : "");

    return why_unbound(c) && why_list(c->w, "pods") != NULL &&
           str_eq(json_str(class, "volumeBindingMode"), "WaitForFirstConsumer") &&
           !why_claim_used(c);
}

static bool why_claim_static(struct why_case *c)
{
    why_put(c, "size", "%s", json_str_or(c->o, "spec.resources.requests.storage", ""));
    why_put(c, "class", "%s", why_class_of(c) != NULL ? why_class_of(c) : "");
    return why_unbound(c) && why_class_of(c) != NULL && why_class_of(c)[0] == '\0';
}

static bool why_claim_other(struct why_case *c)
{
    const json_t *event = why_event(c, c->o, NULL, NULL);

    why_put(c, "message", "%s", json_str_or(event, "message", ""));
    return why_unbound(c) && !why_claim_used(c);
}

const struct why_rule why_claim_rules[] = {
    { why_claim_lost, WHY_BROKEN, "its volume {volume} is gone, and the data with it",
      "mkube delete {object} {in}, create it again, and restore the data", WHY_NO_LOG, NULL },
    { why_claim_volume, WHY_BROKEN, "the volume {volume} that it asks for is not there",
      "create that PersistentVolume, or a claim without spec.volumeName", WHY_NO_LOG, NULL },
    { why_claim_no_default, WHY_BROKEN,
      "it names no StorageClass, and none of those that are here is the default",
      "mkube annotate storageclass NAME " WHY_DEFAULT_CLASS "=true; or spec.storageClassName",
      WHY_NO_LOG, NULL },
    { why_claim_told, WHY_BROKEN, "no volume can be made for it: {message}", "", WHY_NO_LOG, NULL },
    { why_claim_class, WHY_BROKEN, "its StorageClass {class} is not there",
      "mkube get storageclasses; create {class}, or a claim of another class", WHY_NO_LOG, NULL },
    { why_claim_static, WHY_BROKEN,
      "no PersistentVolume without a class fits it (it asks for {size})",
      "create a PersistentVolume of at least {size} with the same accessModes, or name a "
      "StorageClass",
      WHY_NO_LOG, NULL },
    { why_claim_waits, WHY_NOTE, "it gets its volume when the first pod uses it", "", WHY_NO_LOG,
      NULL },
    { why_claim_other, WHY_WAITING, "it has no volume yet: {message}", "", WHY_NO_LOG, NULL },
    WHY_END,
};

/* --- volumes --- */

static bool why_volume_released(struct why_case *c)
{
    why_put(c, "claim", "%s/%s", json_str_or(c->o, "spec.claimRef.namespace", ""),
            json_str_or(c->o, "spec.claimRef.name", ""));
    return str_eq(json_str(c->o, "status.phase"), "Released");
}

static bool why_volume_failed(struct why_case *c)
{
    why_put(c, "message", "%s", json_str_or(c->o, "status.message", ""));
    return str_eq(json_str(c->o, "status.phase"), "Failed");
}

const struct why_rule why_volume_rules[] = {
    { why_volume_failed, WHY_BROKEN, "it could not be given back: {message}", "", WHY_NO_LOG,
      NULL },
    { why_volume_released, WHY_NOTE, "its claim {claim} is gone; its data is kept (Retain)",
      "when nobody needs the data: mkube delete {object}; to use it again: remove spec.claimRef",
      WHY_NO_LOG, NULL },
    WHY_END,
};

/* --- nodes --- */

static bool why_node_silent(struct why_case *c)
{
    const json_t *ready = condition_get(json_at(c->o, "status"), "Ready");
    const json_t *pod;
    size_t n = 0, i;

    json_array_foreach (why_list(c->w, "pods"), i, pod)
        if (str_eq(json_str(pod, "spec.nodeName"), why_name(c->o)) && !pod_is_terminal(pod))
            n++;
    why_put(c, "n", "%zu", n);
    why_put(c, "message", "%s", json_str_or(ready, "message", "it has not said anything yet"));
    why_put_age(c, "age", json_str(ready, "lastTransitionTime"));
    return ready == NULL || str_eq(json_str(ready, "status"), "Unknown");
}

static bool why_node_unready(struct why_case *c)
{
    return !condition_is(json_at(c->o, "status"), "Ready", "True") && (why_node_silent(c) || true);
}

static bool why_node_pressure(struct why_case *c)
{
    static const char *const types[] = { "DiskPressure", "MemoryPressure", "PIDPressure",
                                         "NetworkUnavailable" };

    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        const json_t *condition = condition_get(json_at(c->o, "status"), types[i]);

        why_put(c, "type", "%s", types[i]);
        why_put(c, "message", "%s", json_str_or(condition, "message", ""));
        if (str_eq(json_str(condition, "status"), "True"))
            return true;
    }
    return false;
}

static bool why_node_cordoned(struct why_case *c)
{
    return json_bool(c->o, "spec.unschedulable", false);
}

const struct why_rule why_node_rules[] = {
    { why_node_silent, WHY_BROKEN,
      "nothing is heard of it since {age} ({n} pods are there): {message}",
      "is the host on, and its network? on it: systemctl status mkube-agent; mkube check agent",
      WHY_NO_LOG, NULL },
    { why_node_unready, WHY_BROKEN, "it is not ready since {age} ({n} pods are there): {message}",
      "on the host: mkube check agent, and the agent's log", WHY_NO_LOG, NULL },
    { why_node_pressure, WHY_BROKEN, "it is under {type}: {message}",
      "make room on the host: files, images, or fewer pods", WHY_NO_LOG, NULL },
    { why_node_cordoned, WHY_NOTE, "it is cordoned: it gets no new pods", "mkube uncordon {name}",
      WHY_NO_LOG, NULL },
    WHY_END,
};

/* --- others --- */

static bool why_csr_pending(struct why_case *c)
{
    why_put(c, "user", "%s", json_str_or(c->o, "spec.username", ""));
    why_put(c, "signer", "%s", json_str_or(c->o, "spec.signerName", ""));
    return json_array_size(json_at(c->o, "status.conditions")) == 0 &&
           json_at(c->o, "status.certificate") == NULL;
}

static bool why_csr_unsigned(struct why_case *c)
{
    why_put(c, "signer", "%s", json_str_or(c->o, "spec.signerName", ""));
    return condition_is(json_at(c->o, "status"), "Approved", "True") &&
           json_at(c->o, "status.certificate") == NULL;
}

const struct why_rule why_csr_rules[] = {
    { why_csr_pending, WHY_WAITING,
      "{user} asks {signer} for a certificate, and nobody has decided",
      "mkube certificate approve {name} (or deny)", WHY_NO_LOG, NULL },
    { why_csr_unsigned, WHY_WAITING, "it is approved, but {signer} has not signed it",
      "see that the signer {signer} runs", WHY_NO_LOG, NULL },
    WHY_END,
};

static bool why_namespace_ends(struct why_case *c)
{
    static const char *const types[] = { "NamespaceFinalizersRemaining",
                                         "NamespaceContentRemaining",
                                         "NamespaceDeletionContentFailure",
                                         "NamespaceDeletionDiscoveryFailure" };

    why_put_age(c, "age", json_str(c->o, "metadata.deletionTimestamp"));
    if (!str_eq(json_str(c->o, "status.phase"), "Terminating"))
        return false;
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        const json_t *condition = condition_get(json_at(c->o, "status"), types[i]);

        why_put(c, "message", "%s", json_str_or(condition, "message", ""));
        if (str_eq(json_str(condition, "status"), "True"))
            return true;
    }
    return false;
}

const struct why_rule why_namespace_rules[] = {
    { why_namespace_ends, WHY_WAITING, "it is being deleted since {age}: {message}",
      "look at what is left: mkube get all -n {name}; mkube why -n {name}", WHY_NO_LOG, NULL },
    WHY_END,
};
