#include "api/table.h"
#include "api/table_impl.h"
#include "base/mem.h"

#include <string.h>

/* Access modes in their fixed order, each once. */
static void table_cell_modes(const struct table_view *v, const struct table_column *c)
{
    static const struct {
        const char *mode, *text;
    } modes[] = {
        { "ReadWriteOnce", "RWO" },
        { "ReadOnlyMany", "ROX" },
        { "ReadWriteMany", "RWX" },
        { "ReadWriteOncePod", "RWOP" },
    };
    struct table_list list = { .text = TEXT_EMPTY };
    const json_t *mode;
    size_t i;

    for (size_t k = 0; k < N_ELEMENTS(modes); k++) {
        json_array_foreach (json_at(v->tree, c->path), i, mode) {
            if (str_eq(json_string_value(mode), modes[k].mode)) {
                table_list_add(&list, modes[k].text);
                break;
            }
        }
    }
    table_list_put(v, &list, "");
}

static void table_cell_volume_status(const struct table_view *v, const struct table_column *c)
{
    (void)c;
    if (json_str(v->tree, "metadata.deletionTimestamp") != NULL)
        table_put_text(v, "Terminating");
    else
        table_put_text(v, json_str_or(v->tree, "status.phase", ""));
}

/* The class, or its annotation from before it was a field. */
static void table_cell_volume_class(const struct table_view *v, const struct table_column *c)
{
    static const char beta[] = "volume.beta.kubernetes.io/storage-class";
    const json_t *annotation = json_object_get(json_at(v->tree, "metadata.annotations"), beta);

    (void)c;
    if (json_is_string(annotation))
        table_put_text(v, json_string_value(annotation));
    else
        table_put_text(v, json_str_or(v->tree, "spec.storageClassName", ""));
}

static void table_cell_volume_claim(const struct table_view *v, const struct table_column *c)
{
    const json_t *claim = json_at(v->tree, "spec.claimRef");
    cleanup(freep) char *text = NULL;

    (void)c;
    if (claim != NULL)
        text = mem_fmt("%s/%s", json_str_or(claim, "namespace", ""),
                       json_str_or(claim, "name", ""));
    table_put_text(v, text != NULL ? text : "");
}

static const struct table_column table_volume_columns[] = {
    TABLE_NAME,
    { .name = "Capacity", .cell = table_cell_text, .path = "spec.capacity.storage" },
    { .name = "Access Modes", .cell = table_cell_modes, .path = "spec.accessModes" },
    { .name = "Reclaim Policy",
      .cell = table_cell_text,
      .path = "spec.persistentVolumeReclaimPolicy" },
    { .name = "Status", .cell = table_cell_volume_status },
    { .name = "Claim", .cell = table_cell_volume_claim },
    { .name = "StorageClass", .cell = table_cell_volume_class },
    { .name = "VolumeAttributesClass",
      .cell = table_cell_text,
      .path = "spec.volumeAttributesClassName",
      .otherwise = "<unset>" },
    { .name = "Reason", .cell = table_cell_text, .path = "status.reason" },
    TABLE_AGE,
    { .name = "VolumeMode",
      .cell = table_cell_text,
      .path = "spec.volumeMode",
      .otherwise = "<unset>",
      .wide = true },
};

/* Capacity and modes of a claim are only known once it is bound. */
static void table_cell_claim_capacity(const struct table_view *v, const struct table_column *c)
{
    bool bound = !str_empty(json_str(v->tree, "spec.volumeName"));

    table_put_text(v, bound ? json_str_or(v->tree, c->path, "0") : "");
}

static void table_cell_claim_modes(const struct table_view *v, const struct table_column *c)
{
    if (str_empty(json_str(v->tree, "spec.volumeName")))
        table_put_text(v, "");
    else
        table_cell_modes(v, c);
}

static const struct table_column table_claim_columns[] = {
    TABLE_NAME,
    { .name = "Status", .cell = table_cell_volume_status },
    { .name = "Volume", .cell = table_cell_text, .path = "spec.volumeName" },
    { .name = "Capacity", .cell = table_cell_claim_capacity, .path = "status.capacity.storage" },
    { .name = "Access Modes", .cell = table_cell_claim_modes, .path = "status.accessModes" },
    { .name = "StorageClass", .cell = table_cell_volume_class },
    { .name = "VolumeAttributesClass",
      .cell = table_cell_text,
      .path = "spec.volumeAttributesClassName",
      .otherwise = "<unset>" },
    TABLE_AGE,
    { .name = "VolumeMode",
      .cell = table_cell_text,
      .path = "spec.volumeMode",
      .otherwise = "<unset>",
      .wide = true },
};

static bool table_class_is_default(const struct table_view *v, const char *annotation)
{
    const json_t *map = json_at(v->tree, "metadata.annotations");

    return str_eq(json_string_value(json_object_get(map, annotation)), "true");
}

static void table_cell_class_name(const struct table_view *v, const struct table_column *c)
{
    bool chosen = table_class_is_default(v, "storageclass.kubernetes.io/is-default-class") ||
                  table_class_is_default(v, "storageclass.beta.kubernetes.io/is-default-class");
    cleanup(freep) char *name = mem_fmt("%s%s", json_str_or(v->tree, "metadata.name", ""),
                                        chosen ? " (default)" : "");

    (void)c;
    table_put_text(v, name);
}

static const struct table_column table_class_columns[] = {
    { .name = "Name", .cell = table_cell_class_name, .format = "name" },
    { .name = "Provisioner", .cell = table_cell_text, .path = "provisioner" },
    { .name = "ReclaimPolicy",
      .cell = table_cell_text,
      .path = "reclaimPolicy",
      .otherwise = "Delete" },
    { .name = "VolumeBindingMode",
      .cell = table_cell_text,
      .path = "volumeBindingMode",
      .otherwise = "Immediate" },
    { .name = "AllowVolumeExpansion", .cell = table_cell_bool, .path = "allowVolumeExpansion" },
    TABLE_AGE,
};

static const struct table_column table_attachment_columns[] = {
    TABLE_NAME,
    { .name = "Attacher", .cell = table_cell_text, .path = "spec.attacher", .format = "name" },
    { .name = "PV", .cell = table_cell_text, .path = "spec.source.persistentVolumeName" },
    { .name = "Node", .cell = table_cell_text, .path = "spec.nodeName" },
    { .name = "Attached", .cell = table_cell_bool, .path = "status.attached", .type = "boolean" },
    TABLE_AGE,
};

static const struct table_column table_csinode_columns[] = {
    TABLE_NAME,
    { .name = "Drivers", .cell = table_cell_count, .path = "spec.drivers", .type = "integer" },
    TABLE_AGE,
};

/* Items of a list of texts, or of their @otherwise member when they are objects. */
static void table_cell_join(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY };
    const json_t *item;
    size_t i;

    json_array_foreach (json_at(v->tree, c->path), i, item) {
        const char *text = json_string_value(item);

        table_list_add(&list, text != NULL ? text : json_str_or(item, "audience", ""));
    }
    table_list_put(v, &list, c->otherwise);
}

static const struct table_column table_csidriver_columns[] = {
    TABLE_NAME,
    { .name = "AttachRequired",
      .cell = table_cell_bool,
      .path = "spec.attachRequired",
      .type = "boolean" },
    { .name = "PodInfoOnMount",
      .cell = table_cell_bool,
      .path = "spec.podInfoOnMount",
      .type = "boolean" },
    { .name = "StorageCapacity",
      .cell = table_cell_bool,
      .path = "spec.storageCapacity",
      .type = "boolean" },
    { .name = "TokenRequests",
      .cell = table_cell_join,
      .path = "spec.tokenRequests",
      .otherwise = "<unset>" },
    { .name = "RequiresRepublish",
      .cell = table_cell_bool,
      .path = "spec.requiresRepublish",
      .type = "boolean" },
    { .name = "Modes",
      .cell = table_cell_join,
      .path = "spec.volumeLifecycleModes",
      .otherwise = "<none>" },
    TABLE_AGE,
};

static const struct table_column table_csicapacity_columns[] = {
    TABLE_NAME,
    { .name = "StorageClassName", .cell = table_cell_text, .path = "storageClassName" },
    { .name = "Capacity", .cell = table_cell_text, .path = "capacity", .otherwise = "<unset>" },
};

static const struct table_column table_attributes_columns[] = {
    { .name = "Name", .cell = table_cell_class_name, .format = "name" },
    { .name = "DriverName", .cell = table_cell_text, .path = "driverName" },
    TABLE_AGE,
};

const struct table_kind table_kinds_storage[] = {
    TABLE_KIND("persistentvolumes", table_volume_columns),
    TABLE_KIND("persistentvolumeclaims", table_claim_columns),
    TABLE_KIND("storageclasses.storage.k8s.io", table_class_columns),
    TABLE_KIND("volumeattachments.storage.k8s.io", table_attachment_columns),
    TABLE_KIND("csinodes.storage.k8s.io", table_csinode_columns),
    TABLE_KIND("csidrivers.storage.k8s.io", table_csidriver_columns),
    TABLE_KIND("csistoragecapacities.storage.k8s.io", table_csicapacity_columns),
    TABLE_KIND("volumeattributesclasses.storage.k8s.io", table_attributes_columns),
    { .bucket = NULL },
};
