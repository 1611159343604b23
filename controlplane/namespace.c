/* Namespaces: emptying those that are being deleted, and what every other one has.
 *
 * Workloads and their pods go first, everything else when no pod is left: what guards or feeds
 * a pod (policies, Secrets) outlives it. */
#include "controlplane/controllers.h"

#include "api/conditions.h"
#include "api/schema.h"
#include "base/mem.h"

#include <string.h>

#define NAMESPACE_NAME      "namespace-controller"
#define NAMESPACE_FINALIZER "kubernetes"
#define NAMESPACE_BURST     500

/* What is left in a namespace that goes away. */
struct namespace_rest {
    json_t *kinds;      /* owned; "pods." to count */
    json_t *finalizers; /* owned; finalizer to count */
    size_t n_objects, n_pods;
    size_t n_deleted; /* by this plan */
};

static void namespace_rest_fini(struct namespace_rest *r)
{
    json_decref(r->kinds);
    json_decref(r->finalizers);
}

static void namespace_count(json_t *counts, const char *key)
{
    json_object_set_new(counts, key,
                        json_integer(json_integer_value(json_object_get(counts, key)) + 1));
}

static void namespace_count_object(struct namespace_rest *r, struct view *v, const struct object *o)
{
    cleanup(freep) char *kind = mem_fmt("%s%s", o->bucket, strchr(o->bucket, '.') ? "" : ".");
    const json_t *f;
    size_t i;

    r->n_objects++;
    r->n_pods += str_eq(o->bucket, "pods");
    namespace_count(r->kinds, kind);
    if (!o->has_finalizers)
        return;
    json_array_foreach (json_at(view_tree(v, o), "metadata.finalizers"), i, f)
        namespace_count(r->finalizers, json_string_value(f));
}

static bool namespace_is_workload(const char *bucket)
{
    return str_eq(bucket, "pods") || str_eq(bucket, "replicationcontrollers") ||
           str_ends(bucket, ".apps") || str_ends(bucket, ".batch");
}

/* Counts all there is in @ns, and deletes it: only workloads when @workloads. */
static void namespace_sweep(struct plan *ret, struct namespace_rest *r, struct view *v,
                            const char *ns, bool workloads, bool others)
{
    cleanup(freep) const char **buckets = store_buckets(view_store(v));

    for (const char **b = buckets; *b; b++) {
        const struct schema_resource *resource = schema_bucket(*b);
        bool may = namespace_is_workload(*b) ? workloads : others;
        struct store_iter it;
        const struct object *o;

        if (!resource || !resource->namespaced)
            continue;
        store_iter_init(&it, view_store(v), *b, ns, NULL, NULL);
        while ((o = store_iter_next(&it))) {
            namespace_count_object(r, v, o);
            if (!may || o->deleting || r->n_deleted >= NAMESPACE_BURST)
                continue;
            plan_delete(ret, o);
            r->n_deleted++;
        }
    }
}

static void namespace_print(struct text *t, const json_t *counts, const char *form)
{
    const char *key, *separator = "";
    json_t *count;

    json_object_foreach ((json_t *)(uintptr_t)counts, key, count) {
        text_fmt(t, "%s%s %s %lld resource instances", separator, key, form,
                 (long long)json_integer_value(count));
        separator = ", ";
    }
}

static void namespace_set_conditions(json_t *status, const struct namespace_rest *r,
                                     int64_t wall_ms)
{
    cleanup(text_fini) struct text content = TEXT_EMPTY, finalizers = TEXT_EMPTY;

    text_puts(&content, "Some resources are remaining: ");
    namespace_print(&content, r->kinds, "has");
    text_puts(&finalizers, "Some content in the namespace has finalizers remaining: ");
    namespace_print(&finalizers, r->finalizers, "in");
    condition_set(status, "NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
                  "All resources successfully discovered", wall_ms);
    condition_set(status, "NamespaceDeletionGroupVersionParsingFailure", "False",
                  "ParsedGroupVersions", "All legacy kube types successfully parsed", wall_ms);
    condition_set(status, "NamespaceDeletionContentFailure", "False", "ContentDeleted",
                  "All content successfully deleted, may be waiting on finalization", wall_ms);
    condition_set(status, "NamespaceContentRemaining", "True", "SomeResourcesRemain",
                  text_str(&content), wall_ms);
    if (json_object_size(r->finalizers) > 0)
        condition_set(status, "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
                      text_str(&finalizers), wall_ms);
    else
        condition_set(status, "NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers",
                      "All content-preserving finalizers finished", wall_ms);
}

/* Tells what is waited for. */
static void namespace_tell(struct plan *ret, struct view *v, const struct object *ns,
                           const struct namespace_rest *r, int64_t wall_ms)
{
    json_t *tree = json_deep_copy(view_tree(v, ns));
    json_t *status = json_object_get(tree, "status");

    if (!status) {
        status = json_object();
        json_object_set_new(tree, "status", status);
    }
    namespace_set_conditions(status, r, wall_ms);
    if (json_equal(status, json_object_get(view_tree(v, ns), "status")))
        json_decref(tree);
    else
        plan_status(ret, ns, tree);
}

static void namespace_finalize(struct plan *ret, struct view *v, const struct object *ns)
{
    json_t *tree = json_deep_copy(view_tree(v, ns)), *list = json_at(tree, "spec.finalizers");
    bool found = false;

    for (size_t i = json_array_size(list); i-- > 0;)
        if (str_eq(json_string_value(json_array_get(list, i)), NAMESPACE_FINALIZER)) {
            json_array_remove(list, i);
            found = true;
        }
    if (found)
        plan_finalize(ret, ns, tree);
    else
        json_decref(tree);
}

static void namespace_plan(struct plan *ret, struct view *v, void *state, const char *key_ns,
                           const char *name, struct clock_now now)
{
    const struct object *ns = view_get(v, "namespaces", "", name);
    struct namespace_rest rest = { .kinds = json_object(), .finalizers = json_object() };

    (void)state, (void)key_ns;
    if (ns && ns->deleting) {
        bool no_pods = view_list(v, "pods", name, NULL)[0] == NULL;

        namespace_sweep(ret, &rest, v, name, true, no_pods);
        if (rest.n_objects == 0)
            namespace_finalize(ret, v, ns);
        else if (rest.n_deleted == 0)
            namespace_tell(ret, v, ns, &rest, now.wall_ms);
    }
    namespace_rest_fini(&rest);
}

static void namespace_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object, *ns;

    if (str_eq(o->bucket, "namespaces")) {
        if (o->deleting)
            queue_add(q, "", o->name);
        return;
    }
    ns = *o->ns ? view_get(v, "namespaces", "", o->ns) : NULL;
    if (ns && ns->deleting)
        queue_add(q, "", ns->name);
}

static const char *const namespace_buckets[] = { "*", NULL };

const struct controller namespace_controller = {
    .name = NAMESPACE_NAME,
    .buckets = namespace_buckets,
    .map = namespace_map,
    .plan = namespace_plan,
};

/* --- what every namespace has --- */

static const struct {
    const char *bucket, *name, *kind;
} namespace_extras[] = {
    { "serviceaccounts", "default", "ServiceAccount" },
    { "configmaps", "kube-root-ca.crt", "ConfigMap" }, /* the registry fills the CA in */
};

static void namespace_extras_plan(struct plan *ret, struct view *v, void *state, const char *key_ns,
                                  const char *name, struct clock_now now)
{
    const struct object *ns = view_get(v, "namespaces", "", name);

    (void)state, (void)key_ns, (void)now;
    for (size_t i = 0; ns && !ns->deleting && i < N_ELEMENTS(namespace_extras); i++)
        if (!view_get(v, namespace_extras[i].bucket, name, namespace_extras[i].name))
            plan_create(ret, namespace_extras[i].bucket, name,
                        json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind",
                                  namespace_extras[i].kind, "metadata", "name",
                                  namespace_extras[i].name, "namespace", name));
}

static void namespace_extras_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;

    (void)v;
    if (str_eq(o->bucket, "namespaces"))
        queue_add(q, "", o->name);
    for (size_t i = 0; change->type == STORE_DELETED && i < N_ELEMENTS(namespace_extras); i++)
        if (str_eq(o->bucket, namespace_extras[i].bucket) &&
            str_eq(o->name, namespace_extras[i].name))
            queue_add(q, "", o->ns);
}

static const char *const namespace_extras_buckets[] = { "namespaces", "serviceaccounts",
                                                        "configmaps", NULL };

const struct controller namespace_extras_controller = {
    .name = "serviceaccount-controller",
    .buckets = namespace_extras_buckets,
    .map = namespace_extras_map,
    .plan = namespace_extras_plan,
};
