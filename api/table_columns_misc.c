#include "api/conditions.h"
#include "api/table.h"
#include "api/table_impl.h"
#include "base/mem.h"

#include <string.h>

/* --- access ------------------------------------------------------------------- */

static void table_cell_role(const struct table_view *v, const struct table_column *c)
{
    cleanup(freep) char *text = mem_fmt("%s/%s", json_str_or(v->tree, "roleRef.kind", ""),
                                        json_str_or(v->tree, "roleRef.name", ""));

    (void)c;
    table_put_text(v, text);
}

/* Subjects of the kind at path. */
static void table_cell_subjects(const struct table_view *v, const struct table_column *c)
{
    struct table_list list = { .text = TEXT_EMPTY, .separator = ", " };
    const json_t *subject;
    size_t i;

    json_array_foreach (json_object_get(v->tree, "subjects"), i, subject) {
        const char *name = json_str_or(subject, "name", "");
        cleanup(freep) char *full = mem_fmt("%s/%s", json_str_or(subject, "namespace", ""), name);

        if (str_eq(json_str(subject, "kind"), c->path))
            table_list_add(&list, str_eq(c->path, "ServiceAccount") ? full : name);
    }
    table_list_put(v, &list, "");
}

static const struct table_column table_binding_columns[] = {
    TABLE_NAME,
    { .name = "Role", .cell = table_cell_role },
    TABLE_AGE,
    { .name = "Users", .cell = table_cell_subjects, .path = "User", .wide = true },
    { .name = "Groups", .cell = table_cell_subjects, .path = "Group", .wide = true },
    { .name = "ServiceAccounts",
      .cell = table_cell_subjects,
      .path = "ServiceAccount",
      .wide = true },
};

static void table_cell_csr_condition(const struct table_view *v, const struct table_column *c)
{
    const json_t *status = json_object_get(v->tree, "status");
    struct table_list list = { .text = TEXT_EMPTY };

    (void)c;
    if (condition_get(status, "Denied") != NULL)
        table_list_add(&list, "Denied");
    else
        table_list_add(&list, condition_get(status, "Approved") != NULL ? "Approved" : "Pending");
    if (condition_get(status, "Failed") != NULL)
        table_list_add(&list, "Failed");
    if (!str_empty(json_str(status, "certificate")))
        table_list_add(&list, "Issued");
    table_list_put(v, &list, "");
}

static void table_cell_csr_duration(const struct table_view *v, const struct table_column *c)
{
    char age[TABLE_AGE_MAX] = "<none>";

    if (json_at(v->tree, c->path) != NULL)
        table_age(age, json_int(v->tree, c->path, 0) * 1000);
    table_put_text(v, age);
}

static const struct table_column table_csr_columns[] = {
    TABLE_NAME,
    TABLE_AGE,
    { .name = "SignerName",
      .cell = table_cell_text,
      .path = "spec.signerName",
      .otherwise = "<none>" },
    { .name = "Requestor", .cell = table_cell_text, .path = "spec.username" },
    { .name = "RequestedDuration",
      .cell = table_cell_csr_duration,
      .path = "spec.expirationSeconds" },
    { .name = "Condition", .cell = table_cell_csr_condition },
};

/* --- scheduling, nodes, leases --------------------------------------------------- */

static const struct table_column table_lease_columns[] = {
    TABLE_NAME,
    { .name = "Holder", .cell = table_cell_text, .path = "spec.holderIdentity" },
    TABLE_AGE,
};

static const struct table_column table_priorityclass_columns[] = {
    TABLE_NAME,
    { .name = "Value", .cell = table_cell_int, .path = "value", .type = "integer" },
    { .name = "Global-Default",
      .cell = table_cell_bool,
      .path = "globalDefault",
      .type = "boolean" },
    TABLE_AGE,
    { .name = "PreemptionPolicy", .cell = table_cell_text, .path = "preemptionPolicy" },
};

static const struct table_column table_runtimeclass_columns[] = {
    TABLE_NAME,
    { .name = "Handler", .cell = table_cell_text, .path = "handler" },
    TABLE_AGE,
};

/* --- extensions ---------------------------------------------------------------------- */

static void table_cell_apiservice(const struct table_view *v, const struct table_column *c)
{
    const json_t *service = json_at(v->tree, "spec.service");
    cleanup(freep) char *text = NULL;

    (void)c;
    if (service != NULL)
        text = mem_fmt("%s/%s", json_str_or(service, "namespace", ""),
                       json_str_or(service, "name", ""));
    table_put_text(v, text != NULL ? text : "Local");
}

static void table_cell_apiservice_available(const struct table_view *v,
                                            const struct table_column *c)
{
    const json_t *available = condition_get(json_object_get(v->tree, "status"), "Available");
    const char *status = json_str_or(available, "status", "Unknown");
    const char *reason = json_str_or(available, "reason", "");
    cleanup(freep) char *text = NULL;

    (void)c;
    if (!str_eq(status, "True") && *reason != '\0')
        text = mem_fmt("%s (%s)", status, reason);
    table_put_text(v, text != NULL ? text : status);
}

static const struct table_column table_apiservice_columns[] = {
    TABLE_NAME,
    { .name = "Service", .cell = table_cell_apiservice },
    { .name = "Available", .cell = table_cell_apiservice_available },
    TABLE_AGE,
};

static const struct table_column table_webhook_columns[] = {
    TABLE_NAME,
    { .name = "Webhooks", .cell = table_cell_count, .path = "webhooks", .type = "integer" },
    TABLE_AGE,
};

static void table_cell_param_kind(const struct table_view *v, const struct table_column *c)
{
    const json_t *kind = json_at(v->tree, "spec.paramKind");
    cleanup(freep) char *text = NULL;

    (void)c;
    if (kind != NULL)
        text = mem_fmt("%s/%s", json_str_or(kind, "apiVersion", ""), json_str_or(kind, "kind", ""));
    table_put_text(v, text != NULL ? text : "<unset>");
}

static const struct table_column table_policy_columns[] = {
    TABLE_NAME,
    { .name = "Validations",
      .cell = table_cell_count,
      .path = "spec.validations",
      .type = "integer" },
    { .name = "ParamKind", .cell = table_cell_param_kind },
    TABLE_AGE,
};

static void table_cell_param_ref(const struct table_view *v, const struct table_column *c)
{
    static const struct table_column selector = { .path = "spec.paramRef.selector" };
    const json_t *ref = json_at(v->tree, "spec.paramRef");
    const char *name = json_str_or(ref, "name", "");
    const char *ns = json_str_or(ref, "namespace", "");
    cleanup(freep) char *text = NULL;

    (void)c;
    if (ref == NULL) {
        table_put_text(v, "<unset>");
    } else if (*name == '\0') {
        table_cell_selector(v, &selector);
    } else {
        text = mem_fmt("%s/%s", *ns != '\0' ? ns : "*", name);
        table_put_text(v, text);
    }
}

static const struct table_column table_policybinding_columns[] = {
    TABLE_NAME,
    { .name = "PolicyName", .cell = table_cell_text, .path = "spec.policyName" },
    { .name = "ParamRef", .cell = table_cell_param_ref },
    TABLE_AGE,
};

/* --- flow control ------------------------------------------------------------------------ */

static void table_cell_missing_level(const struct table_view *v, const struct table_column *c)
{
    const json_t *dangling = condition_get(json_object_get(v->tree, "status"), "Dangling");

    (void)c;
    table_put_text(v, json_str_or(dangling, "status", "?"));
}

static const struct table_column table_flowschema_columns[] = {
    TABLE_NAME,
    { .name = "PriorityLevel",
      .cell = table_cell_text,
      .path = "spec.priorityLevelConfiguration.name" },
    { .name = "MatchingPrecedence", .cell = table_cell_int, .path = "spec.matchingPrecedence" },
    { .name = "DistinguisherMethod",
      .cell = table_cell_text,
      .path = "spec.distinguisherMethod.type",
      .otherwise = "<none>" },
    TABLE_AGE,
    { .name = "MissingPL", .cell = table_cell_missing_level },
};

static void table_cell_int_or_none(const struct table_view *v, const struct table_column *c)
{
    const json_t *value = json_at(v->tree, c->path);

    if (value == NULL)
        table_put_text(v, "<none>");
    else
        table_put_int(v, json_integer_value(value));
}

static void table_cell_level_shares(const struct table_view *v, const struct table_column *c)
{
    const json_t *shares = json_at(v->tree, "spec.limited.nominalConcurrencyShares");

    (void)c;
    if (shares == NULL)
        shares = json_at(v->tree, "spec.exempt.nominalConcurrencyShares");
    if (shares == NULL)
        table_put_text(v, "<none>");
    else
        table_put_int(v, json_integer_value(shares));
}

static const struct table_column table_prioritylevel_columns[] = {
    TABLE_NAME,
    { .name = "Type", .cell = table_cell_text, .path = "spec.type" },
    { .name = "NominalConcurrencyShares", .cell = table_cell_level_shares },
    { .name = "Queues",
      .cell = table_cell_int_or_none,
      .path = "spec.limited.limitResponse.queuing.queues" },
    { .name = "HandSize",
      .cell = table_cell_int_or_none,
      .path = "spec.limited.limitResponse.queuing.handSize" },
    { .name = "QueueLengthLimit",
      .cell = table_cell_int_or_none,
      .path = "spec.limited.limitResponse.queuing.queueLengthLimit" },
    TABLE_AGE,
};

const struct table_kind table_kinds_misc[] = {
    TABLE_KIND("rolebindings.rbac.authorization.k8s.io", table_binding_columns),
    TABLE_KIND("clusterrolebindings.rbac.authorization.k8s.io", table_binding_columns),
    TABLE_KIND("certificatesigningrequests.certificates.k8s.io", table_csr_columns),
    TABLE_KIND("leases.coordination.k8s.io", table_lease_columns),
    TABLE_KIND("priorityclasses.scheduling.k8s.io", table_priorityclass_columns),
    TABLE_KIND("runtimeclasses.node.k8s.io", table_runtimeclass_columns),
    TABLE_KIND("apiservices.apiregistration.k8s.io", table_apiservice_columns),
    TABLE_KIND("mutatingwebhookconfigurations.admissionregistration.k8s.io", table_webhook_columns),
    TABLE_KIND("validatingwebhookconfigurations.admissionregistration.k8s.io",
               table_webhook_columns),
    TABLE_KIND("validatingadmissionpolicies.admissionregistration.k8s.io", table_policy_columns),
    TABLE_KIND("validatingadmissionpolicybindings.admissionregistration.k8s.io",
               table_policybinding_columns),
    TABLE_KIND("flowschemas.flowcontrol.apiserver.k8s.io", table_flowschema_columns),
    TABLE_KIND("prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
               table_prioritylevel_columns),
    { .bucket = NULL },
};
