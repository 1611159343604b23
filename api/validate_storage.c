#include "api/quantity.h"
#include "api/validate_impl.h"
#include "base/mem.h"

#include <string.h>

static void validate_modes(struct field_errors *e, const json_t *modes, const char *path)
{
    const json_t *mode;
    bool exclusive = false;
    size_t i;

    json_array_foreach (modes, i, mode)
        exclusive = exclusive || str_eq(json_string_value(mode), "ReadWriteOncePod");
    if (exclusive && json_array_size(modes) > 1)
        field_forbidden(e, path, "may not use ReadWriteOncePod with other access modes");
}

static void validate_amount(struct field_errors *e, const json_t *quantity, const char *path)
{
    struct quantity q;

    if (quantity_parse(json_string_value(quantity), &q) && q.nano <= 0)
        field_invalid(e, path, quantity, "must be greater than zero");
}

/* --- claims --------------------------------------------------------------------------- */

void validate_claim_spec(struct field_errors *e, const json_t *spec, const char *path)
{
    const json_t *storage = json_at(spec, "resources.requests.storage");
    const json_t *modes = json_object_get(spec, "accessModes");

    if (json_array_size(modes) == 0)
        field_required(e, AT("%s.accessModes", path), "at least 1 access mode is required");
    validate_label_selector(e, json_object_get(spec, "selector"), AT("%s.selector", path));
    validate_modes(e, modes, AT("%s.accessModes", path));
    if (storage == NULL)
        field_required(e, AT("%s.resources[storage]", path), NULL);
    validate_amount(e, storage, AT("%s.resources[storage]", path));
    validate_text(e, spec, "storageClassName", path, validate_dns1123_subdomain);
}

static void validate_claim(struct field_errors *e, const json_t *tree)
{
    validate_claim_spec(e, json_object_get(tree, "spec"), "spec");
}

/* What the binder sets once, and what a bound claim may ask for, is put back before comparing. */
static void validate_claim_settle(json_t *now, const json_t *old, bool bound)
{
    static const char *const set_once[] = { "volumeName", "storageClassName" };

    for (size_t i = 0; i < N_ELEMENTS(set_once); i++) {
        if (json_object_get(old, set_once[i]) == NULL)
            json_object_del(now, set_once[i]);
    }
    if (bound) {
        json_t *was = json_at(old, "resources.requests.storage");

        if (was != NULL && json_at(now, "resources.requests") != NULL)
            json_put(now, "resources.requests.storage", json_incref(was));
        json_object_del(now, "volumeAttributesClassName");
        if (json_object_get(old, "volumeAttributesClassName") != NULL)
            json_object_set(now, "volumeAttributesClassName",
                            json_object_get(old, "volumeAttributesClassName"));
    }
}

static void validate_claim_change(struct field_errors *e, const json_t *tree,
                                  const json_t *old_tree)
{
    cleanup(json_decrefpp) json_t *now = json_deep_copy(json_object_get(tree, "spec"));
    const json_t *old = json_object_get(old_tree, "spec");
    bool bound = str_eq(json_str(tree, "status.phase"), "Bound");
    struct quantity want, have;

    if (quantity_parse(json_str(now, "resources.requests.storage"), &want) &&
        quantity_parse(json_str(old_tree, "status.capacity.storage"), &have) &&
        quantity_cmp(want, have) < 0 &&
        !json_equal(json_at(now, "resources.requests.storage"),
                    json_at(old, "resources.requests.storage")))
        field_forbidden(e, "spec.resources.requests.storage",
                        "field can not be less than status.capacity");
    validate_claim_settle(now, old, bound);
    if (!json_equal(now, old))
        field_forbidden(e, "spec",
                        "spec is immutable after creation except resources.requests and "
                        "volumeAttributesClassName for bound claims");
}

/* --- volumes ----------------------------------------------------------------------------- */

static const char *const validate_volume_sources[] = {
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
};

static void validate_pv_source(struct field_errors *e, const json_t *spec)
{
    size_t n = 0;

    for (size_t i = 0; i < N_ELEMENTS(validate_volume_sources); i++) {
        if (json_object_get(spec, validate_volume_sources[i]) == NULL)
            continue;
        if (n++ > 0)
            field_forbidden(e, AT("spec.%s", validate_volume_sources[i]),
                            "may not specify more than 1 volume type");
    }
    if (n == 0)
        field_required(e, "spec", "must specify a volume type");
    if (json_object_get(spec, "local") != NULL && json_object_get(spec, "nodeAffinity") == NULL)
        field_required(e, "spec.nodeAffinity", "Local volume requires node affinity");
}

static void validate_pv(struct field_errors *e, const json_t *tree)
{
    static const char *const storage[] = { "storage", NULL };
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *capacity = json_object_get(spec, "capacity");

    if (json_array_size(json_object_get(spec, "accessModes")) == 0)
        field_required(e, "spec.accessModes", NULL);
    validate_modes(e, json_object_get(spec, "accessModes"), "spec.accessModes");
    if (json_object_size(capacity) == 0)
        field_required(e, "spec.capacity", NULL);
    else if (json_object_get(capacity, "storage") == NULL)
        field_not_supported(e, "spec.capacity", capacity, storage);
    validate_amount(e, json_object_get(capacity, "storage"), "spec.capacity[storage]");
    validate_pv_source(e, spec);
    validate_node_selector(e, json_at(spec, "nodeAffinity.required"), "spec.nodeAffinity.required");
    validate_text(e, spec, "storageClassName", "spec", validate_dns1123_subdomain);
    if (str_eq(json_str(spec, "hostPath.path"), "/") &&
        str_eq(json_str(spec, "persistentVolumeReclaimPolicy"), "Recycle"))
        field_forbidden(e, "spec.persistentVolumeReclaimPolicy",
                        "may not be 'recycle' for a hostPath mount of '/'");
}

static void validate_pv_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    const json_t *now = json_object_get(tree, "spec"), *was = json_object_get(old, "spec");

    for (size_t i = 0; i < N_ELEMENTS(validate_volume_sources); i++) {
        if (!json_equal(json_object_get(now, validate_volume_sources[i]),
                        json_object_get(was, validate_volume_sources[i])) &&
            (json_object_get(now, validate_volume_sources[i]) != NULL ||
             json_object_get(was, validate_volume_sources[i]) != NULL))
            field_forbidden(e, "spec.persistentvolumesource",
                            "spec.persistentvolumesource is immutable after creation");
    }
    validate_immutable(e, json_object_get(now, "volumeMode"), json_object_get(was, "volumeMode"),
                       "spec.volumeMode");
    if (json_object_get(was, "nodeAffinity") != NULL)
        validate_immutable(e, json_object_get(now, "nodeAffinity"),
                           json_object_get(was, "nodeAffinity"), "spec.nodeAffinity");
}

/* --- classes and drivers ---------------------------------------------------------------- */

static void validate_class(struct field_errors *e, const json_t *tree)
{
    const char *key;
    json_t *value;
    size_t size = 0;

    json_object_foreach (json_object_get(tree, "parameters"), key, value) {
        if (*key == '\0')
            field_invalid_str(e, "parameters", key, "field can not be empty.");
        size += strlen(key) + json_string_length(value);
    }
    if (size > (256 << 10))
        field_too_long(e, "parameters", 256 << 10);
    if (json_object_size(json_object_get(tree, "parameters")) > 512)
        field_too_long(e, "Provisioner Parameters exceeded max allowed", 512);
    validate_text(e, tree, "provisioner", "", validate_label_key);
}

static void validate_class_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    static const char *const fixed[] = { "parameters", "provisioner", "reclaimPolicy" };

    for (size_t i = 0; i < N_ELEMENTS(fixed); i++) {
        cleanup(freep) char *text = mem_fmt("updates to %s are forbidden.", fixed[i]);

        if (!validate_same(json_object_get(tree, fixed[i]), json_object_get(old, fixed[i])))
            field_forbidden(e, fixed[i], text);
    }
    validate_immutable(e, json_object_get(tree, "volumeBindingMode"),
                       json_object_get(old, "volumeBindingMode"), "volumeBindingMode");
}

static void validate_attachment(struct field_errors *e, const json_t *tree)
{
    const json_t *source = json_at(tree, "spec.source");

    if (json_object_get(source, "persistentVolumeName") == NULL &&
        json_object_get(source, "inlineVolumeSpec") == NULL)
        field_required(e, "spec.source",
                       "must specify one of inlineVolumeSpec and persistentVolumeName");
}

static void validate_attachment_change(struct field_errors *e, const json_t *tree,
                                       const json_t *old)
{
    validate_immutable(e, json_object_get(tree, "spec"), json_object_get(old, "spec"), "spec");
}

static void validate_driver(struct field_errors *e, const json_t *tree)
{
    const char *name = json_str_or(tree, "metadata.name", "");

    /* What a socket of the kubelet is called after it. */
    if (strlen(name) > 63)
        field_too_long(e, "metadata.name", 63);
}

static void validate_driver_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    const json_t *now = json_object_get(tree, "spec"), *was = json_object_get(old, "spec");

    /* The first name is spelled as Kubernetes spells it. */
    validate_immutable(e, json_object_get(now, "attachRequired"),
                       json_object_get(was, "attachRequired"), "spec.attachedRequired");
    validate_immutable(e, json_object_get(now, "volumeLifecycleModes"),
                       json_object_get(was, "volumeLifecycleModes"), "spec.volumeLifecycleModes");
}

static void validate_capacity(struct field_errors *e, const json_t *tree)
{
    validate_text(e, tree, "storageClassName", "", validate_dns1123_subdomain);
    validate_label_selector(e, json_object_get(tree, "nodeTopology"), "nodeTopology");
    validate_quantity_not_negative(e, json_object_get(tree, "capacity"), "capacity");
    validate_quantity_not_negative(e, json_object_get(tree, "maximumVolumeSize"),
                                   "maximumVolumeSize");
}

static void validate_capacity_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    validate_immutable_selector(e, json_object_get(tree, "nodeTopology"),
                                json_object_get(old, "nodeTopology"), "nodeTopology");
    validate_immutable(e, json_object_get(tree, "storageClassName"),
                       json_object_get(old, "storageClassName"), "storageClassName");
}

static void validate_csinode_change(struct field_errors *e, const json_t *tree, const json_t *old)
{
    const json_t *before = json_at(old, "spec.drivers"), *driver;
    size_t i;

    json_array_foreach (json_at(tree, "spec.drivers"), i, driver) {
        const json_t *was = json_find(before, "name", json_str_or(driver, "name", ""));

        if (was != NULL)
            validate_immutable(e, driver, was, "CSINodeDriver");
    }
}

static void validate_csinode(struct field_errors *e, const json_t *tree)
{
    const json_t *drivers = json_at(tree, "spec.drivers"), *driver;
    size_t i;

    json_array_foreach (drivers, i, driver) {
        struct validate_path at = validate_path("spec.drivers[%zu]", i);

        validate_text(e, driver, "name", at.s, validate_dns1123_subdomain);
        if (json_find(drivers, "name", json_str_or(driver, "name", "")) != driver)
            field_duplicate(e, AT("%s.name", at.s), json_object_get(driver, "name"));
    }
}

const struct validate_kind validate_kinds_storage[] = {
    { .bucket = "persistentvolumeclaims",
      .always = validate_claim,
      .change = validate_claim_change },
    { .bucket = "persistentvolumes", .always = validate_pv, .change = validate_pv_change },
    { .bucket = "storageclasses.storage.k8s.io",
      .always = validate_class,
      .change = validate_class_change },
    { .bucket = "volumeattachments.storage.k8s.io",
      .always = validate_attachment,
      .change = validate_attachment_change },
    { .bucket = "csinodes.storage.k8s.io",
      .always = validate_csinode,
      .change = validate_csinode_change },
    { .bucket = "csidrivers.storage.k8s.io",
      .always = validate_driver,
      .change = validate_driver_change },
    { .bucket = "csistoragecapacities.storage.k8s.io",
      .always = validate_capacity,
      .change = validate_capacity_change },
    { .bucket = NULL },
};
