/* Stores of external secrets.  Whatever provider they name, their keys are read from the
 * cluster's own store (api/secret_store.h): this says so in their status. */
#include "controlplane/externalsecret_impl.h"

#include "api/conditions.h"
#include "api/selector.h"
#include "base/mem.h"

#include <regex.h>

/* --- who may use a ClusterSecretStore --- */

/* An expression that cannot be read lets nobody in. */
static bool external_store_matches(const json_t *list, const char *ns)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        regex_t regex;
        bool yes;

        if (regcomp(&regex, json_string_value(item), REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        yes = regexec(&regex, ns, 0, NULL, 0) == 0;
        regfree(&regex);
        if (yes)
            return true;
    }
    return false;
}

static bool external_store_selects(struct view *v, const json_t *label_selector, const char *ns)
{
    const struct object *o = view_get(v, "namespaces", "", ns);
    cleanup(selector_freep) struct selector *s = NULL;
    struct err err = ERR_EMPTY;

    return label_selector != NULL && o != NULL &&
           selector_from_json(&s, label_selector, &err) == 0 && selector_matches(s, o);
}

static bool external_store_may(struct view *v, const json_t *store, const char *ns)
{
    const json_t *conditions = json_at(store, "spec.conditions"), *c;
    size_t i;

    json_array_foreach (conditions, i, c)
        if (json_has_str(json_object_get(c, "namespaces"), ns) ||
            external_store_matches(json_object_get(c, "namespaceRegexes"), ns) ||
            external_store_selects(v, json_object_get(c, "namespaceSelector"), ns))
            return true;
    return json_array_size(conditions) == 0;
}

enum external_store external_store_find(const struct external *x, const json_t *ref,
                                        struct err *err)
{
    const char *name = json_str_or(ref, "name", ""), *ns = x->object->ns;
    const char *kind = json_str_or(ref, "kind", "SecretStore");
    bool whole = str_eq(kind, "ClusterSecretStore");
    const struct object *o = view_get(x->view, whole ? EXTERNAL_CLUSTER_STORES : EXTERNAL_STORES,
                                      whole ? "" : ns, name);
    const json_t *tree = o != NULL ? view_tree(x->view, o) : NULL;

    if (o == NULL) {
        err_set(err, ERR_NOT_FOUND,
                "could not get secret store: %s.external-secrets.io \"%s\" not found", kind, name);
        return EXTERNAL_STORE_REFUSED;
    }
    if (!str_empty(json_str(tree, "spec.controller")))
        return EXTERNAL_STORE_FOREIGN;
    if (whole && !external_store_may(x->view, tree, ns)) {
        err_set(err, ERR_FORBIDDEN,
                "using cluster store \"%s\" is not allowed from namespace \"%s\": denied by "
                "spec.condition",
                name, ns);
        return EXTERNAL_STORE_REFUSED;
    }
    return EXTERNAL_STORE_OK;
}

/* --- their own status --- */

static void external_store_plan(struct plan *ret, struct view *v, void *state UNUSED,
                                const char *ns, const char *name, struct clock_now now)
{
    const struct object *o = view_get(v, *ns ? EXTERNAL_STORES : EXTERNAL_CLUSTER_STORES, ns, name);
    const json_t *was = o != NULL ? view_tree(v, o) : NULL;
    json_t *tree, *status;
    bool changed;

    if (o == NULL || o->deleting || !str_empty(json_str(was, "spec.controller")))
        return;
    tree = json_deep_copy(was);
    status = json_object_get(tree, "status");
    if (status == NULL) {
        status = json_object();
        json_object_set_new(tree, "status", status);
    }
    changed = condition_set(status, "Ready", "True", "Valid",
                            "store validated: keys are read from the store of this cluster (mkube "
                            "secretstore)",
                            now.wall_ms);
    if (!str_eq(json_str(status, "capabilities"), "ReadOnly")) {
        json_put_str(status, "capabilities", "ReadOnly");
        changed = true;
    }
    if (!changed) {
        json_decref(tree);
        return;
    }
    plan_status(ret, o, tree);
    plan_on_success(ret, o, EXTERNAL_NAME, "Valid", "store validated");
}

static void external_store_map(struct queue *q, struct view *v UNUSED,
                               const struct store_change *change)
{
    queue_add(q, change->object->ns, change->object->name);
}

static const char *const external_store_buckets[] = { EXTERNAL_STORES, EXTERNAL_CLUSTER_STORES,
                                                      NULL };

const struct controller secretstore_controller = {
    .name = "secret-store",
    .buckets = external_store_buckets,
    .map = external_store_map,
    .plan = external_store_plan,
};
