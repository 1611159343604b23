/* Plugin PodSecurity: what a namespace's labels let its pods be.  Pods are refused (enforce) or
 * remarked upon (warn); what makes pods is only remarked upon; new labels are held against the
 * pods that are there. */
#include "api/admission.h"

#include "api/pod_security.h"
#include "api/resource_list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define ADMIT_SECURITY_PREFIX   "pod-security.kubernetes.io/"
#define ADMIT_SECURITY_PODS_MAX 1000 /* looked at when a namespace's level rises */

/* Where a pod's metadata and spec stand; "" = the object is one. */
static const struct admit_template {
    const char *bucket, *path;
} admit_templates[] = {
    { "pods", "" },
    { "podtemplates", "template" },
    { "replicationcontrollers", "spec.template" },
    { "replicasets.apps", "spec.template" },
    { "deployments.apps", "spec.template" },
    { "statefulsets.apps", "spec.template" },
    { "daemonsets.apps", "spec.template" },
    { "jobs.batch", "spec.template" },
    { "cronjobs.batch", "spec.jobTemplate.spec.template" },
};

static const struct admit_template *admit_template_of(const char *bucket)
{
    for (size_t i = 0; i < N_ELEMENTS(admit_templates); i++)
        if (str_eq(bucket, admit_templates[i].bucket))
            return &admit_templates[i];
    return NULL;
}

/* The labels of a namespace that speak of this; NULL when there are none, as in most. */
static json_t *admit_security_labels(const struct object *ns)
{
    json_t *labels = NULL;

    for (size_t i = 0; ns != NULL && i < ns->n_labels; i++) {
        if (!str_starts(ns->labels[i].key, ADMIT_SECURITY_PREFIX))
            continue;
        if (labels == NULL)
            labels = json_object();
        json_object_set_new(labels, ns->labels[i].key, json_string(ns->labels[i].value));
    }
    return labels;
}

/* --- pods, and what makes them --- */

/* The old form of seccomp profiles, in @a and not so in @b. */
static bool admit_seccomp_differs(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_at(a, "metadata.annotations"), key, value)
        if (strstr(key, "seccomp.security.alpha.kubernetes.io/") != NULL &&
            !str_eq(json_string_value(value),
                    json_string_value(json_object_get(json_at(b, "metadata.annotations"), key))))
            return true;
    return false;
}

/* Only images and old annotations of a pod can change so that it matters. */
static bool admit_security_differs(const struct op *op)
{
    static const char *const lists[] = { "spec.initContainers", "spec.containers",
                                         "spec.ephemeralContainers" };

    if (op->old_tree == NULL)
        return true;
    for (size_t i = 0; i < N_ELEMENTS(lists); i++) {
        const json_t *now = json_at(op->tree, lists[i]), *container;
        const json_t *old = json_at(op->old_tree, lists[i]);
        size_t j;

        if (json_array_size(now) != json_array_size(old))
            return true;
        json_array_foreach (now, j, container)
            if (!str_eq(json_str(container, "image"), json_str(json_array_get(old, j), "image")))
                return true;
    }
    return admit_seccomp_differs(op->tree, op->old_tree) ||
           admit_seccomp_differs(op->old_tree, op->tree);
}

static void admit_security_enforce(struct op *op, struct pod_security_policy p)
{
    cleanup(
        pod_security_findings_fini) struct pod_security_findings f = POD_SECURITY_FINDINGS_EMPTY;
    cleanup(text_fini) struct text name = TEXT_EMPTY;

    if (pod_security_check(&f, p, json_at(op->tree, "metadata"), json_at(op->tree, "spec")))
        return;
    pod_security_print(&name, p);
    admit_forbid(op, "violates PodSecurity \"%s\": %s", text_str(&name), text_str(&f.details));
}

/* For the audit log. */
static void admit_security_note(struct op *op, const char *key, const char *text)
{
    cleanup(freep) char *name = mem_fmt(ADMIT_SECURITY_PREFIX "%s", key);

    if (op->annotations == NULL)
        op->annotations = json_object();
    json_object_set_new(op->annotations, name, json_string(text));
}

static void admit_security_audit(struct op *op, const struct pod_security_policy *p,
                                 const json_t *pod, bool is_pod)
{
    cleanup(
        pod_security_findings_fini) struct pod_security_findings f = POD_SECURITY_FINDINGS_EMPTY;
    cleanup(text_fini) struct text text = TEXT_EMPTY;

    if (is_pod) {
        pod_security_print(&text, p[POD_SECURITY_ENFORCE]);
        admit_security_note(op, "enforce-policy", text_str(&text));
        text_clear(&text);
    }
    if (pod_security_check(&f, p[POD_SECURITY_AUDIT], json_at(pod, "metadata"),
                           json_at(pod, "spec")))
        return;
    text_puts(&text, "would violate PodSecurity \"");
    pod_security_print(&text, p[POD_SECURITY_AUDIT]);
    text_fmt(&text, "\": %s", text_str(&f.details));
    admit_security_note(op, "audit-violations", text_str(&text));
}

static void admit_security_warn(struct op *op, struct pod_security_policy p, const json_t *pod)
{
    cleanup(
        pod_security_findings_fini) struct pod_security_findings f = POD_SECURITY_FINDINGS_EMPTY;
    cleanup(text_fini) struct text name = TEXT_EMPTY;

    if (pod_security_check(&f, p, json_at(pod, "metadata"), json_at(pod, "spec")))
        return;
    pod_security_print(&name, p);
    op_warn(op, "would violate PodSecurity \"%s\": %s", text_str(&name), text_str(&f.details));
}

void admit_pod_security(struct op *op)
{
    const struct admit_template *t = admit_template_of(op->resource->bucket);
    cleanup(json_decrefpp) json_t *labels = NULL;
    struct pod_security_policy p[POD_SECURITY_MODES];
    const json_t *pod;
    bool is_pod;

    if (t == NULL)
        return;
    labels = admit_security_labels(admit_find(op, "namespaces", "", op->ns));
    is_pod = t->path[0] == '\0';
    pod = is_pod ? op->tree : json_at(op->tree, t->path);
    if (labels == NULL || pod == NULL || (is_pod && !admit_security_differs(op)))
        return;
    pod_security_read(p, labels, NULL);
    admit_security_audit(op, p, pod, is_pod);
    if (is_pod)
        admit_security_enforce(op, p[POD_SECURITY_ENFORCE]);
    if (op_ok(op))
        admit_security_warn(op, p[POD_SECURITY_WARN], pod);
}

/* --- namespaces --- */

/* How many pods are wrong in the same way, and the first of them. */
struct admit_wrong {
    const char *pod;
    size_t n;
};

static void admit_security_look(struct map *wrong, const struct object *o,
                                struct pod_security_policy p)
{
    cleanup(json_decrefpp) json_t *pod = object_tree(o);
    cleanup(
        pod_security_findings_fini) struct pod_security_findings f = POD_SECURITY_FINDINGS_EMPTY;
    struct admit_wrong *w;

    if (pod_security_check(&f, p, json_at(pod, "metadata"), json_at(pod, "spec")))
        return;
    w = map_get(wrong, text_str(&f.reasons));
    if (w == NULL) {
        w = MEM_NEW(struct admit_wrong);
        w->pod = o->name; /* pods are walked in order of names */
        map_put(wrong, text_str(&f.reasons), w);
    }
    w->n++;
}

static void admit_security_tell(struct op *op, struct map *wrong)
{
    cleanup(json_decrefpp) json_t *lines = json_object();
    cleanup(freep) const char **reasons = map_keys(wrong);
    cleanup(freep) const char **sorted = NULL;

    for (size_t i = 0; reasons[i] != NULL; i++) {
        const struct admit_wrong *w = map_get(wrong, reasons[i]);
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        text_puts(&t, w->pod);
        if (w->n > 1)
            text_fmt(&t, " (and %zu other %s)", w->n - 1, w->n == 2 ? "pod" : "pods");
        text_fmt(&t, ": %s", reasons[i]);
        json_object_set_new(lines, text_str(&t), json_true());
    }
    sorted = json_keys(lines);
    for (size_t i = 0; sorted[i] != NULL; i++)
        op_warn(op, "%s", sorted[i]);
}

static void admit_security_existing(struct op *op, struct pod_security_policy p)
{
    struct map *wrong = map_new(free);
    cleanup(text_fini) struct text name = TEXT_EMPTY;
    const struct object *o;
    struct store_iter it;
    size_t n = 0;

    store_iter_init(&it, op->r->store, "pods", op->name, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL)
        if (n++ < ADMIT_SECURITY_PODS_MAX)
            admit_security_look(wrong, o, p);
    if (n > ADMIT_SECURITY_PODS_MAX)
        op_warn(op,
                "new PodSecurity enforce level only checked against the first %d of %zu existing "
                "pods",
                ADMIT_SECURITY_PODS_MAX, n);
    pod_security_print(&name, p);
    if (map_len(wrong) > 0)
        op_warn(op,
                "existing pods in namespace \"%s\" violate the new PodSecurity enforce level "
                "\"%s\"",
                op->name, text_str(&name));
    admit_security_tell(op, wrong);
    map_free(wrong);
}

/* Labels that were wrong already may stay so. */
static void admit_security_refuse(struct op *op, struct field_errors *now,
                                  const struct field_errors *old)
{
    cleanup(text_fini) struct text a = TEXT_EMPTY;
    cleanup(text_fini) struct text b = TEXT_EMPTY;

    field_errors_text(now, &a);
    field_errors_text(old, &b);
    if (now->n > 0 && (old->n == 0 || !str_eq(text_str(&a), text_str(&b))))
        op_refuse(op, status_invalid(op->resource, admit_name(op), now));
}

void admit_namespace_security(struct op *op)
{
    struct pod_security_policy now[POD_SECURITY_MODES], old[POD_SECURITY_MODES];
    struct field_errors wrong = FIELD_ERRORS_EMPTY, wrong_before = FIELD_ERRORS_EMPTY;
    struct pod_security_policy *is = &now[POD_SECURITY_ENFORCE];
    const struct pod_security_policy *was = &old[POD_SECURITY_ENFORCE];

    pod_security_read(now, json_at(op->tree, "metadata.labels"), &wrong);
    pod_security_read(old, json_at(op->old_tree, "metadata.labels"), &wrong_before);
    admit_security_refuse(op, &wrong, &wrong_before);
    field_errors_fini(&wrong);
    field_errors_fini(&wrong_before);
    if (!op_ok(op) || op->old_tree == NULL || pod_security_same(*is, *was) ||
        is->level == POD_SECURITY_PRIVILEGED ||
        (is->minor == was->minor && is->level <= was->level))
        return;
    admit_security_existing(op, *is);
}
