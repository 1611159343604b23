#include "controlplane/statefulset_impl.h"

#include "base/mem.h"
#include "controlplane/template.h"

#include <string.h>

#define STATEFULSET_CLAIMS          "persistentvolumeclaims"
#define STATEFULSET_CLAIM_LEAVES_MS 1000

int64_t statefulset_ordinal(const char *set_name, const char *pod_name)
{
    size_t len = strlen(set_name);
    uint64_t n;

    if (strncmp(pod_name, set_name, len) != 0 || pod_name[len] != '-')
        return -1;
    if (!str_u64(pod_name + len + 1, &n) || n > INT32_MAX)
        return -1;
    return (int64_t)n;
}

/* --- claims --- */

static char *statefulset_claim_name(const json_t *template_tree, const char *pod_name)
{
    return mem_fmt("%s-%s", json_str_or(template_tree, "metadata.name", ""), pod_name);
}

static json_t *statefulset_claim_owner(const struct object *o, const char *api_version,
                                       const char *kind)
{
    json_t *ref = json_object();

    json_put_str(ref, "apiVersion", api_version);
    json_put_str(ref, "kind", kind);
    json_put_str(ref, "name", o->name);
    json_put_str(ref, "uid", o->uid);
    return ref;
}

static void statefulset_claim_create(struct statefulset *s, const json_t *template_tree,
                                     const char *claim, const char *pod_name)
{
    json_t *tree = json_deep_copy(template_tree), *labels = json_at(tree, "metadata.labels");
    json_t *selector = json_at(s->tree, "spec.selector.matchLabels");

    if (!labels) {
        labels = json_object();
        json_put(tree, "metadata.labels", labels);
    }
    json_object_update(labels, selector);
    json_put_str(tree, "apiVersion", "v1");
    json_put_str(tree, "kind", "PersistentVolumeClaim");
    json_put_str(tree, "metadata.name", claim);
    json_put_str(tree, "metadata.namespace", s->object->ns);
    json_del(tree, "status");
    if (s->claims_follow_set) {
        json_t *refs = json_array();

        json_array_append_new(refs, statefulset_claim_owner(s->object, "apps/v1", "StatefulSet"));
        json_put(tree, "metadata.ownerReferences", refs);
    }
    plan_create(s->plan, STATEFULSET_CLAIMS, s->object->ns, tree);
    plan_on_success(s->plan, s->object, STATEFULSET_NAME, "SuccessfulCreate",
                    "create Claim %s Pod %s in StatefulSet %s success", claim, pod_name,
                    s->object->name);
    plan_on_failure(s->plan, s->object, STATEFULSET_NAME, "FailedCreate",
                    "create Claim %s for Pod %s in StatefulSet %s failed error: {error}", claim,
                    pod_name, s->object->name);
}

/* The claim that is being deleted, NULL when there is none: a pod started now would keep it
 * or lose it. */
static const struct object *statefulset_claims_create(struct statefulset *s, const char *pod_name)
{
    json_t *templates = json_at(s->tree, "spec.volumeClaimTemplates"), *t;
    size_t i;

    json_array_foreach (templates, i, t) {
        cleanup(freep) char *claim = statefulset_claim_name(t, pod_name);
        const struct object *o = view_get(s->view, STATEFULSET_CLAIMS, s->object->ns, claim);

        if (!o)
            statefulset_claim_create(s, t, claim, pod_name);
        else if (o->deleting)
            return o;
    }
    return NULL;
}

/* Adds or removes the reference to @owner; true when something changed. */
static bool statefulset_claim_set_owner(json_t *tree, const struct object *owner,
                                        const char *api_version, const char *kind, bool wanted)
{
    json_t *refs = json_at(tree, "metadata.ownerReferences");
    json_t *ref = json_find(refs, "uid", owner->uid);
    size_t i;
    json_t *each;

    if (!!ref == wanted)
        return false;
    if (wanted) {
        if (!refs) {
            refs = json_array();
            json_put(tree, "metadata.ownerReferences", refs);
        }
        json_array_append_new(refs, statefulset_claim_owner(owner, api_version, kind));
        return true;
    }
    json_array_foreach (refs, i, each) {
        if (each == ref) {
            json_array_remove(refs, i);
            break;
        }
    }
    return true;
}

/* A claim dies with the set (whenDeleted), or with the pod that a smaller set drops
 * (whenScaled): who owns it says so to the garbage collector. */
static void statefulset_claim_mend(struct statefulset *s, const struct object *claim,
                                   const struct object *pod, bool condemned)
{
    bool want_pod = s->claims_follow_pod && condemned;
    bool want_set = s->claims_follow_set && !want_pod;
    json_t *tree;
    bool changed;

    if (object_owned_by(claim, s->object->uid) == want_set &&
        object_owned_by(claim, pod->uid) == want_pod)
        return;
    tree = object_tree(claim);
    changed = statefulset_claim_set_owner(tree, s->object, "apps/v1", "StatefulSet", want_set);
    changed |= statefulset_claim_set_owner(tree, pod, "v1", "Pod", want_pod);
    if (changed)
        plan_update(s->plan, claim, tree);
    else
        json_decref(tree);
}

/* --- pods --- */

static json_t *statefulset_volumes(const struct statefulset *s, const json_t *spec,
                                   const char *pod_name)
{
    json_t *templates = json_at(s->tree, "spec.volumeClaimTemplates"), *t;
    json_t *volumes = json_array(), *volume;
    size_t i;

    json_array_foreach (templates, i, t) {
        cleanup(freep) char *claim = statefulset_claim_name(t, pod_name);

        volume = json_object();
        json_put_str(volume, "name", json_str_or(t, "metadata.name", ""));
        json_put_str(volume, "persistentVolumeClaim.claimName", claim);
        json_array_append_new(volumes, volume);
    }
    json_array_foreach (json_object_get(spec, "volumes"), i, volume)
        if (!json_find(volumes, "name", json_str_or(volume, "name", "")))
            json_array_append(volumes, volume);
    return volumes;
}

static json_t *statefulset_pod_tree(const struct statefulset *s, const struct history_entry *e,
                                    const char *name, int64_t ordinal)
{
    cleanup(json_decrefpp) json_t *template = history_template(e);
    json_t *pod = template_pod(template, s->object, "apps/v1", "StatefulSet"), *labels, *volumes;
    char index[24];

    snprintf(index, sizeof(index), "%lld", (long long)ordinal);
    labels = json_at(pod, "metadata.labels");
    if (!labels) {
        labels = json_object();
        json_put(pod, "metadata.labels", labels);
    }
    json_object_set_new(labels, STATEFULSET_POD_LABEL, json_string(name));
    json_object_set_new(labels, STATEFULSET_INDEX_LABEL, json_string(index));
    json_object_set_new(labels, STATEFULSET_REVISION_LABEL, json_string(e->name));
    json_put_str(pod, "metadata.name", name);
    json_put_str(pod, "spec.hostname", name);
    if (json_str(s->tree, "spec.serviceName"))
        json_put_str(pod, "spec.subdomain", json_str(s->tree, "spec.serviceName"));
    volumes = statefulset_volumes(s, json_object_get(pod, "spec"), name);
    if (json_array_size(volumes) > 0)
        json_put(pod, "spec.volumes", volumes);
    else
        json_decref(volumes);
    return pod;
}

void statefulset_pod_create(struct statefulset *s, int64_t ordinal)
{
    bool keep = s->rolling && ordinal < s->start + s->partition;
    cleanup(freep) char *name = mem_fmt("%s-%lld", s->object->name, (long long)ordinal);
    const struct object *leaving;

    leaving = statefulset_claims_create(s, name);
    if (leaving) {
        plan_event(s->plan, s->object, true, STATEFULSET_NAME, "FailedCreate",
                   "create Pod %s in StatefulSet %s failed error: pvc %s is being deleted", name,
                   s->object->name, leaving->name);
        plan_again(s->plan, STATEFULSET_CLAIM_LEAVES_MS);
        return;
    }
    plan_create(s->plan, "pods", s->object->ns,
                statefulset_pod_tree(s, keep ? s->current : s->history.update, name, ordinal));
    plan_on_success(s->plan, s->object, STATEFULSET_NAME, "SuccessfulCreate",
                    "create Pod %s in StatefulSet %s successful", name, s->object->name);
    plan_on_failure(s->plan, s->object, STATEFULSET_NAME, "FailedCreate",
                    "create Pod %s in StatefulSet %s failed error: {error}", name, s->object->name);
}

void statefulset_pod_delete(struct statefulset *s, const struct statefulset_pod *p)
{
    plan_delete(s->plan, p->object);
    plan_on_success(s->plan, s->object, STATEFULSET_NAME, "SuccessfulDelete",
                    "delete Pod %s in StatefulSet %s successful", p->object->name, s->object->name);
    plan_on_failure(s->plan, s->object, STATEFULSET_NAME, "FailedDelete",
                    "delete Pod %s in StatefulSet %s failed error: {error}", p->object->name,
                    s->object->name);
}

static void statefulset_labels_mend(struct statefulset *s, const struct statefulset_pod *p)
{
    json_t *tree, *labels;

    if (str_eq(object_label(p->object, STATEFULSET_POD_LABEL), p->object->name))
        return;
    tree = object_tree(p->object);
    labels = json_at(tree, "metadata.labels");
    if (!labels) {
        labels = json_object();
        json_put(tree, "metadata.labels", labels);
    }
    json_object_set_new(labels, STATEFULSET_POD_LABEL, json_string(p->object->name));
    plan_update(s->plan, p->object, tree);
}

void statefulset_pod_mend(struct statefulset *s, const struct statefulset_pod *p, bool condemned)
{
    json_t *templates = json_at(s->tree, "spec.volumeClaimTemplates"), *t;
    size_t i;

    if (!condemned) {
        statefulset_labels_mend(s, p);
        if (!str_eq(p->object->phase, "Running"))
            statefulset_claims_create(s, p->object->name);
    }
    json_array_foreach (templates, i, t) {
        cleanup(freep) char *name = statefulset_claim_name(t, p->object->name);
        const struct object *claim = view_get(s->view, STATEFULSET_CLAIMS, s->object->ns, name);

        if (claim && !claim->deleting)
            statefulset_claim_mend(s, claim, p->object, condemned);
    }
}
