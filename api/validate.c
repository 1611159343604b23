#include "api/validate.h"

#include "api/validate_impl.h"
#include "base/mem.h"

#include <string.h>

static const struct validate_kind *validate_kind(const struct schema_resource *r)
{
    static const struct validate_kind otherwise = { .bucket = NULL };
    static const struct validate_kind *const lists[] = {
        validate_kinds_pods,    validate_kinds_workloads, validate_kinds_batch,
        validate_kinds_service, validate_kinds_network,   validate_kinds_storage,
        validate_kinds_config,  validate_kinds_access,    validate_kinds_cluster,
        validate_kinds_foreign, validate_kinds_crd,       validate_kinds_csr,
        validate_kinds_webhook, validate_kinds_policy,
    };

    for (size_t i = 0; i < N_ELEMENTS(lists); i++) {
        for (const struct validate_kind *k = lists[i]; k->bucket != NULL; k++) {
            if (str_eq(k->bucket, r->bucket))
                return k;
        }
    }
    return &otherwise;
}

/* --- metadata ----------------------------------------------------------------- */

/* A generated name goes on after the prefix, so a prefix may end in '-'. */
static void validate_generate_name(struct field_errors *e, const json_t *metadata,
                                   validate_text_fn fn)
{
    const json_t *prefix = json_object_get(metadata, "generateName");
    cleanup(freep) char *masked = NULL;
    const char *problem;
    size_t len;

    if (json_string_length(prefix) == 0)
        return;
    masked = mem_str(json_string_value(prefix));
    len = strlen(masked);
    if (len > 1 && masked[len - 1] == '-')
        masked[len - 1] = 'a';
    problem = fn(masked);
    if (problem != NULL)
        field_invalid(e, "metadata.generateName", prefix, "%s", problem);
}

static void validate_names(struct field_errors *e, const struct schema_resource *r,
                           const json_t *metadata, validate_text_fn fn)
{
    const char *ns = json_str_or(metadata, "namespace", "");

    validate_generate_name(e, metadata, fn);
    if (json_string_length(json_object_get(metadata, "name")) > 0)
        validate_text(e, metadata, "name", "metadata", fn);
    else if (json_string_length(json_object_get(metadata, "generateName")) == 0)
        field_required(e, "metadata.name", "name or generateName is required");
    if (r->namespaced && *ns == '\0')
        field_required(e, "metadata.namespace", NULL);
    else if (r->namespaced)
        validate_text(e, metadata, "namespace", "metadata", validate_dns1123_label);
    else if (*ns != '\0')
        field_forbidden(e, "metadata.namespace", "not allowed on this type");
}

static void validate_owner(struct field_errors *e, const json_t *owner)
{
    static const char *const members[] = { "kind", "name", "uid" };
    const char *version = json_str_or(owner, "apiVersion", "");
    const char *slash = strchr(version, '/');

    if (*(slash != NULL ? slash + 1 : version) == '\0')
        field_invalid_str(e, "metadata.ownerReferences.apiVersion", version,
                          "version must not be empty");
    for (size_t i = 0; i < N_ELEMENTS(members); i++) {
        const char *value = json_str_or(owner, members[i], "");

        if (*value == '\0')
            field_invalid_str(e, AT("metadata.ownerReferences.%s", members[i]), value,
                              "must not be empty");
    }
    if (str_eq(version, "v1") && str_eq(json_str(owner, "kind"), "Event"))
        field_invalid(e, "metadata.ownerReferences", owner,
                      "/v1, Kind=Event is disallowed from being an owner");
}

static void validate_owners(struct field_errors *e, const json_t *owners)
{
    const char *controller = NULL;
    const json_t *owner;
    size_t i;

    json_array_foreach (owners, i, owner) {
        validate_owner(e, owner);
        if (!json_bool(owner, "controller", false))
            continue;
        if (controller != NULL)
            field_invalid(e, "metadata.ownerReferences", owners,
                          "Only one reference can have Controller set to true. Found \"true\" in "
                          "references for %s and %s",
                          controller, json_str_or(owner, "name", ""));
        controller = json_str_or(owner, "name", "");
    }
}

static void validate_finalizers(struct field_errors *e, const json_t *finalizers)
{
    static const char *const standard[] = { "orphan", "foregroundDeletion", "kubernetes" };
    bool orphan = false, foreground = false;
    const json_t *f;
    size_t i;

    json_array_foreach (finalizers, i, f) {
        const char *name = json_is_string(f) ? json_string_value(f) : "";
        const char *problem = validate_label_key(name);
        bool known = strchr(name, '/') != NULL;

        for (size_t k = 0; k < N_ELEMENTS(standard); k++)
            known = known || str_eq(name, standard[k]);
        if (problem != NULL)
            field_invalid(e, "metadata.finalizers", f, "%s", problem);
        else if (!known)
            field_invalid(e, AT("metadata.finalizers[%zu]", i), f,
                          "name is neither a standard finalizer name nor is it fully qualified");
        orphan = orphan || str_eq(name, "orphan");
        foreground = foreground || str_eq(name, "foregroundDeletion");
    }
    if (orphan && foreground)
        field_invalid(e, "metadata.finalizers", finalizers,
                      "finalizer orphan and foregroundDeletion cannot be both set");
}

static void validate_metadata(struct field_errors *e, const struct schema_resource *r,
                              const struct validate_kind *kind, const json_t *metadata)
{
    validate_names(e, r, metadata, kind->name != NULL ? kind->name : validate_dns1123_subdomain);
    validate_non_negative(e, metadata, "generation", "metadata");
    validate_labels(e, json_object_get(metadata, "labels"), "metadata.labels");
    validate_annotations(e, json_object_get(metadata, "annotations"), "metadata.annotations");
    validate_owners(e, json_object_get(metadata, "ownerReferences"));
    validate_finalizers(e, json_object_get(metadata, "finalizers"));
}

static bool validate_has_text(const json_t *list, const json_t *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        if (json_equal(item, text))
            return true;
    }
    return false;
}

/* Whoever is going may not be held back by something new. */
static void validate_new_finalizers(struct field_errors *e, const json_t *metadata,
                                    const json_t *old)
{
    cleanup(text_fini) struct text names = TEXT_EMPTY;
    cleanup(text_fini) struct text detail = TEXT_EMPTY;
    const json_t *f;
    size_t i;

    if (json_str(old, "deletionTimestamp") == NULL)
        return;
    json_array_foreach (json_object_get(metadata, "finalizers"), i, f) {
        if (!validate_has_text(json_object_get(old, "finalizers"), f))
            text_fmt(&names, "%s\"%s\"", names.len > 0 ? ", " : "",
                     json_is_string(f) ? json_string_value(f) : "");
    }
    if (names.len == 0)
        return;
    text_fmt(&detail,
             "no new finalizers can be added if the object is being deleted, found new "
             "finalizers []string{%s}",
             text_str(&names));
    field_forbidden(e, "metadata.finalizers", text_str(&detail));
}

static void validate_metadata_change(struct field_errors *e, const json_t *metadata,
                                     const json_t *old)
{
    static const char *const fixed[] = { "name", "namespace", "uid", "creationTimestamp" };

    for (size_t i = 0; i < N_ELEMENTS(fixed); i++) {
        const json_t *now = json_object_get(metadata, fixed[i]);

        if (now != NULL)
            validate_immutable(e, now, json_object_get(old, fixed[i]), AT("metadata.%s", fixed[i]));
    }
    validate_new_finalizers(e, metadata, old);
}

/* --- objects ---------------------------------------------------------------------- */

static void validate_as_it_is(struct field_errors *ret, const struct schema_resource *r,
                              const struct validate_kind *kind, const json_t *tree)
{
    validate_metadata(ret, r, kind, json_object_get(tree, "metadata"));
    validate_schema(ret, r, tree);
    if (kind->always != NULL)
        kind->always(ret, tree);
}

void validate_create(struct field_errors *ret, const struct schema_resource *r, const json_t *tree)
{
    const struct validate_kind *kind = validate_kind(r);

    validate_as_it_is(ret, r, kind, tree);
    if (kind->create != NULL)
        kind->create(ret, tree);
}

void validate_update(struct field_errors *ret, const struct schema_resource *r, const json_t *tree,
                     const json_t *old)
{
    const struct validate_kind *kind = validate_kind(r);

    validate_metadata_change(ret, json_object_get(tree, "metadata"),
                             json_object_get(old, "metadata"));
    validate_as_it_is(ret, r, kind, tree);
    if (kind->change != NULL)
        kind->change(ret, tree, old);
}

void validate_ephemeral_update(struct field_errors *ret, const struct schema_resource *r,
                               const json_t *tree, const json_t *old)
{
    validate_as_it_is(ret, r, validate_kind(r), tree);
    validate_ephemeral_change(ret, tree, old);
}

void validate_status(struct field_errors *ret, const struct schema_resource *r, const json_t *tree,
                     const json_t *old)
{
    const struct validate_kind *kind = validate_kind(r);
    const json_t *metadata = json_object_get(tree, "metadata");

    validate_metadata_change(ret, metadata, json_object_get(old, "metadata"));
    validate_metadata(ret, r, kind, metadata);
    if (kind->status != NULL)
        kind->status(ret, tree, old);
}
