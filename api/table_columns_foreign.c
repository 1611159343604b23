/* Columns of the kinds of foreign.txt, as their CRDs' additionalPrinterColumns say.  There a cell
 * of an absent value is empty, and one of a list is its JSON. */
#include "api/table_impl.h"
#include "base/mem.h"

#include <stdlib.h>

/* What is at path as text: JSON of lists, numbers and objects. */
static void table_cell_value(const struct table_view *v, const struct table_column *c)
{
    const json_t *value = json_at(v->tree, c->path);
    cleanup(freep) char *printed = NULL;

    if (value == NULL) {
        table_put_text(v, NULL);
        return;
    }
    if (json_is_string(value)) {
        table_put_text(v, json_string_value(value));
        return;
    }
    printed = json_print(value, NULL);
    table_put_text(v, printed);
}

/* Member path of the condition Ready. */
static void table_cell_ready(const struct table_view *v, const struct table_column *c)
{
    const json_t *ready = json_find(json_at(v->tree, "status.conditions"), "type", "Ready");

    table_put_text(v, json_str(ready, c->path));
}

static const struct table_column table_target_group_columns[] = {
    TABLE_NAME,
    { .name = "SERVICE-NAME", .cell = table_cell_value, .path = "spec.serviceRef.name" },
    { .name = "SERVICE-PORT", .cell = table_cell_value, .path = "spec.serviceRef.port" },
    { .name = "TARGET-TYPE", .cell = table_cell_value, .path = "spec.targetType" },
    { .name = "ARN", .cell = table_cell_value, .path = "spec.targetGroupARN", .wide = true },
    { .name = "AGE", .cell = table_cell_age },
};

static const struct table_column table_pool_columns[] = {
    TABLE_NAME,
    { .name = "Auto Assign", .cell = table_cell_value, .path = "spec.autoAssign" },
    { .name = "Avoid Buggy IPs", .cell = table_cell_value, .path = "spec.avoidBuggyIPs" },
    { .name = "Addresses", .cell = table_cell_value, .path = "spec.addresses" },
};

static const struct table_column table_advertisement_columns[] = {
    TABLE_NAME,
    { .name = "IPAddressPools", .cell = table_cell_value, .path = "spec.ipAddressPools" },
    { .name = "IPAddressPool Selectors",
      .cell = table_cell_value,
      .path = "spec.ipAddressPoolSelectors" },
    { .name = "Interfaces", .cell = table_cell_value, .path = "spec.interfaces" },
    { .name = "Node Selectors",
      .cell = table_cell_value,
      .path = "spec.nodeSelectors",
      .wide = true },
};

static const struct table_column table_external_secret_columns[] = {
    TABLE_NAME,
    { .name = "StoreType", .cell = table_cell_value, .path = "spec.secretStoreRef.kind" },
    { .name = "Store", .cell = table_cell_value, .path = "spec.secretStoreRef.name" },
    { .name = "Refresh Interval", .cell = table_cell_value, .path = "spec.refreshInterval" },
    { .name = "Status", .cell = table_cell_ready, .path = "reason" },
    { .name = "Ready", .cell = table_cell_ready, .path = "status" },
};

static const struct table_column table_store_columns[] = {
    TABLE_NAME,
    TABLE_AGE,
    { .name = "Status", .cell = table_cell_ready, .path = "reason" },
    { .name = "Capabilities", .cell = table_cell_value, .path = "status.capabilities" },
    { .name = "Ready", .cell = table_cell_ready, .path = "status" },
};

const struct table_kind table_kinds_foreign[] = {
    TABLE_KIND("targetgroupbindings.elbv2.k8s.aws", table_target_group_columns),
    TABLE_KIND("ipaddresspools.metallb.io", table_pool_columns),
    TABLE_KIND("l2advertisements.metallb.io", table_advertisement_columns),
    TABLE_KIND("externalsecrets.external-secrets.io", table_external_secret_columns),
    TABLE_KIND("secretstores.external-secrets.io", table_store_columns),
    TABLE_KIND("clustersecretstores.external-secrets.io", table_store_columns),
    { .bucket = NULL },
};
