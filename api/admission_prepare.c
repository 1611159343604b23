/* What the strategies of single kinds prepare: first states, and what only the server may say. */
#include "api/admission.h"

#include "api/conditions.h"
#include "api/pod_resources.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

void admit_pod_status(struct op *op)
{
    json_put_str(op->tree, "status.phase", "Pending");
    json_put_str(op->tree, "status.qosClass", pod_qos(json_at(op->tree, "spec")));
}

void admit_namespace(struct op *op)
{
    json_put(op->tree, "spec.finalizers", json_pack("[s]", "kubernetes"));
    json_put_str(op->tree, "status.phase", "Active");
}

/* Only the finalize subresource may let go of the content. */
void admit_namespace_finalizers(struct op *op)
{
    json_t *finalizers = json_at(op->old_tree, "spec.finalizers");

    if (finalizers != NULL)
        json_put(op->tree, "spec.finalizers", json_deep_copy(finalizers));
    else
        json_del(op->tree, "spec.finalizers");
}

void admit_namespace_label(struct op *op)
{
    if (json_at(op->tree, "metadata.labels") == NULL)
        json_put(op->tree, "metadata.labels", json_object());
    json_object_set_new(json_at(op->tree, "metadata.labels"), "kubernetes.io/metadata.name",
                        json_string(json_str_or(op->tree, "metadata.name", "")));
}

void admit_volume(struct op *op)
{
    json_put_str(op->tree, "status.phase", "Pending");
}

/* stringData is a writer's convenience: it ends in data, base64. */
void admit_secret(struct op *op)
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
void admit_job_selector(struct op *op)
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
void admit_apiservice(struct op *op)
{
    json_t *status;

    if (json_at(op->tree, "spec.service") != NULL)
        return;
    json_object_set_new(op->tree, "status", status = json_object());
    condition_set(status, "Available", "True", "Local", "Local APIServices are always available",
                  op->r->opts.wall_ms(op->r->opts.arg));
}

void admit_service_status(struct op *op)
{
    json_object_set_new(op->tree, "status", json_pack("{s:{}}", "loadBalancer"));
}
