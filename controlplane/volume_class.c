#include "controlplane/volume_class.h"

#include "api/node_affinity.h"

#include "api/quantity.h"
#include "api/selector.h"
#include "base/mem.h"

/* Before there was a field, classes were named by this annotation; old manifests still do. */
#define VOLUME_CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"

const char *volume_annotation(const json_t *tree, const char *key)
{
    return json_string_value(json_object_get(json_at(tree, "metadata.annotations"), key));
}

static const char *volume_class_name(const json_t *tree)
{
    const char *name = volume_annotation(tree, VOLUME_CLASS_ANNOTATION);

    return name ? name : json_str_or(tree, "spec.storageClassName", "");
}

/* A class that nobody made: its volumes are local ones, for the first consumer. */
void volume_class_of(struct volume_class *ret, struct view *v, const json_t *claim)
{
    const struct object *o;

    *ret = (struct volume_class){ .name = volume_class_name(claim), .provisioner = "" };
    if (!*ret->name)
        return;
    o = view_get(v, VOLUME_CLASSES, "", ret->name);
    if (!o) {
        ret->provisions = ret->waits = true;
        return;
    }
    ret->tree = view_tree(v, o);
    ret->provisioner = json_str_or(ret->tree, "provisioner", "");
    ret->provisions = !str_eq(ret->provisioner, "kubernetes.io/no-provisioner");
    ret->waits = str_eq(json_str(ret->tree, "volumeBindingMode"), "WaitForFirstConsumer");
}

static bool volume_topology_allows(const json_t *term, const struct object *node)
{
    const json_t *e, *value;
    size_t i, j;

    json_array_foreach (json_object_get(term, "matchLabelExpressions"), i, e) {
        const char *have = object_label(node, json_str_or(e, "key", ""));
        bool found = false;

        json_array_foreach (json_object_get(e, "values"), j, value)
            found = found || (have && str_eq(have, json_string_value(value)));
        if (!found)
            return false;
    }
    return true;
}

bool volume_class_allows(const struct volume_class *c, const struct object *node)
{
    const json_t *terms = json_at(c->tree, "allowedTopologies"), *term;
    size_t i;

    json_array_foreach (terms, i, term)
        if (volume_topology_allows(term, node))
            return true;
    return json_array_size(terms) == 0;
}

bool volume_is_claimed_by(const json_t *volume, const struct object *claim)
{
    const char *uid = json_str_or(volume, "spec.claimRef.uid", "");

    return str_eq(json_str(volume, "spec.claimRef.namespace"), claim->ns) &&
           str_eq(json_str(volume, "spec.claimRef.name"), claim->name) &&
           (!*uid || str_eq(uid, claim->uid));
}

const struct object *volume_bound_to(struct view *v, const struct object *claim)
{
    const char *name = json_str_or(view_tree(v, claim), "spec.volumeName", "");
    const struct object *volume = *name ? view_get(v, VOLUME_VOLUMES, "", name) : NULL;

    return volume && volume_is_claimed_by(view_tree(v, volume), claim) ? volume : NULL;
}

/* --- ready-made volumes --- */

static bool volume_has_modes(const json_t *volume, const json_t *claim)
{
    const json_t *have = json_at(volume, "spec.accessModes"), *mode, *other;
    size_t i, j;

    json_array_foreach (json_at(claim, "spec.accessModes"), i, mode) {
        bool found = false;

        json_array_foreach (have, j, other)
            found = found || json_equal(mode, other);
        if (!found)
            return false;
    }
    return true;
}

static int64_t volume_size(const json_t *volume)
{
    return quantity_text_value(json_str(volume, "spec.capacity.storage"), 0);
}

static bool volume_has_labels(const struct object *volume, const json_t *claim)
{
    cleanup(selector_freep) struct selector *s = NULL;
    const json_t *selector = json_at(claim, "spec.selector");
    struct err err = ERR_EMPTY;

    return !selector ||
           (selector_from_json(&s, selector, &err) == 0 && selector_matches(s, volume));
}

static bool volume_is_free_for(const struct object *o, const json_t *volume,
                               const struct object *claim)
{
    if (o->deleting || str_eq(o->phase, "Released") || str_eq(o->phase, "Failed"))
        return false;
    return !json_at(volume, "spec.claimRef") || volume_is_claimed_by(volume, claim);
}

static bool volume_fits(const struct object *o, const json_t *volume, const struct object *claim,
                        const json_t *claim_tree)
{
    int64_t wanted = quantity_text_value(json_str(claim_tree, "spec.resources.requests.storage"),
                                         0);

    return volume_is_free_for(o, volume, claim) && volume_size(volume) >= wanted &&
           str_eq(volume_class_name(volume), volume_class_name(claim_tree)) &&
           str_eq(json_str_or(volume, "spec.volumeMode", "Filesystem"),
                  json_str_or(claim_tree, "spec.volumeMode", "Filesystem")) &&
           volume_has_modes(volume, claim_tree) && volume_has_labels(o, claim_tree);
}

static bool volume_is_reachable(const json_t *volume, const struct object *node)
{
    const json_t *terms = json_at(volume, "spec.nodeAffinity.required.nodeSelectorTerms");
    struct node_affinity *affinity;
    bool yes;

    if (!node || !terms)
        return true;
    affinity = node_affinity_new(terms);
    yes = node_affinity_matches(affinity, node);
    node_affinity_free(affinity);
    return yes;
}

const struct object *volume_find(struct view *v, const struct object *claim,
                                 const struct object *node)
{
    const json_t *claim_tree = view_tree(v, claim);
    const struct object *const *all = view_list(v, VOLUME_VOLUMES, NULL, NULL);
    const struct object *best = NULL;
    int64_t best_size = 0;

    for (; *all; all++) {
        const json_t *volume = view_tree(v, *all);
        int64_t size = volume_size(volume);

        if (!volume_fits(*all, volume, claim, claim_tree) || !volume_is_reachable(volume, node))
            continue;
        if (json_at(volume, "spec.claimRef"))
            return *all;
        if (!best || size < best_size) {
            best = *all;
            best_size = size;
        }
    }
    return best;
}
