/* Local volumes: a directory on one node, made by its agent when the first pod needs it. */
#include "api/taint.h"
#include "controlplane/binder_impl.h"

#include "api/conditions.h"
#include "base/mem.h"

#define BINDER_RETRY_MS (10 * 1000)

static bool binder_node_takes(struct view *v, const struct object *node,
                              const struct volume_class *class)
{
    static const char *const effects[] = { "NoSchedule", "NoExecute", NULL };
    const json_t *tree = view_tree(v, node);

    return !node->deleting && condition_is(json_at(tree, "status"), "Ready", "True") &&
           !json_bool(tree, "spec.unschedulable", false) &&
           !taint_untolerated(json_at(tree, "spec.taints"), NULL, effects) &&
           volume_class_allows(class, node);
}

static size_t binder_volumes_on(struct view *v, const struct object *node)
{
    const struct object *const *all = view_list(v, VOLUME_VOLUMES, NULL, NULL);
    size_t n = 0;

    for (; *all; all++)
        n += str_eq(volume_annotation(view_tree(v, *all), BINDER_NODE), node->name) ? 1 : 0;
    return n;
}

/* Nobody waits for the volume yet: it goes where there are fewest. */
static const struct object *binder_pick_node(struct view *v, const struct volume_class *class)
{
    const struct object *const *all = view_list(v, "nodes", NULL, NULL);
    const struct object *best = NULL;
    size_t best_n = 0;

    for (; *all; all++) {
        size_t n;

        if (!binder_node_takes(v, *all, class))
            continue;
        n = binder_volumes_on(v, *all);
        if (!best || n < best_n) {
            best = *all;
            best_n = n;
        }
    }
    return best;
}

static json_t *binder_node_affinity(const struct object *node)
{
    const char *hostname = object_label(node, "kubernetes.io/hostname");

    return json_pack("{s:{s:[{s:[{s:s, s:s, s:[s]}]}]}}", "required", "nodeSelectorTerms",
                     "matchExpressions", "key", "kubernetes.io/hostname", "operator", "In",
                     "values", hostname ? hostname : node->name);
}

static json_t *binder_volume_spec(const json_t *claim, const struct volume_class *class,
                                  const struct object *node, const char *name)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", BINDER_DATA_ROOT, name);
    json_t *spec = json_object();

    json_put_str(spec, "capacity.storage",
                 json_str_or(claim, "spec.resources.requests.storage", "1Gi"));
    json_put(spec, "accessModes", json_deep_copy(json_at(claim, "spec.accessModes")));
    json_put_str(spec, "persistentVolumeReclaimPolicy",
                 json_str_or(class->tree, "reclaimPolicy", "Delete"));
    json_put_str(spec, "storageClassName", class->name);
    json_put_str(spec, "volumeMode", "Filesystem");
    json_put_str(spec, "local.path", path);
    json_put(spec, "nodeAffinity", binder_node_affinity(node));
    return spec;
}

static json_t *binder_volume(struct view *v, const struct object *claim,
                             const struct volume_class *class, const struct object *node,
                             const char *name)
{
    const json_t *tree = view_tree(v, claim);
    json_t *volume = json_object();

    json_put_str(volume, "apiVersion", "v1");
    json_put_str(volume, "kind", "PersistentVolume");
    json_put_str(volume, "metadata.name", name);
    binder_annotate(volume, BINDER_PROVISIONED_BY, VOLUME_PROVISIONER);
    binder_annotate(volume, BINDER_NODE, node->name);
    binder_add_finalizer(volume, BINDER_VOLUME_PROTECTED);
    binder_add_finalizer(volume, BINDER_HAS_DATA);
    json_put(volume, "spec", binder_volume_spec(tree, class, node, name));
    json_put(volume, "spec.claimRef", binder_claim_ref(claim));
    return volume;
}

bool binder_claim_refer(struct plan *ret, struct view *v, const struct object *claim,
                        const char *name)
{
    const json_t *tree = view_tree(v, claim);
    bool by_us = !json_str(tree, "spec.volumeName");
    json_t *changed;

    if (!by_us && volume_annotation(tree, BINDER_COMPLETED))
        return false;
    changed = json_deep_copy(tree);
    json_put_str(changed, "spec.volumeName", name);
    binder_annotate(changed, BINDER_COMPLETED, "yes");
    if (by_us)
        binder_annotate(changed, BINDER_BY_US, "yes");
    if (str_starts(name, "pvc-"))
        binder_annotate(changed, BINDER_PROVISIONER, VOLUME_PROVISIONER);
    plan_update(ret, claim, changed);
    return true;
}

/* The chosen node is gone: the scheduler shall choose again. */
static void binder_unselect(struct plan *ret, struct view *v, const struct object *claim)
{
    json_t *changed = json_deep_copy(view_tree(v, claim));

    json_object_del(json_at(changed, "metadata.annotations"), VOLUME_SELECTED_NODE);
    plan_update(ret, claim, changed);
}

static void binder_tell_stand_in(struct plan *ret, const struct object *claim,
                                 const struct volume_class *class, const char *node)
{
    if (str_eq(class->provisioner, VOLUME_PROVISIONER))
        return;
    if (class->tree)
        plan_event(ret, claim, true, BINDER_NAME, "ProvisionedLocally",
                   "provisioner \"%s\" of storage class \"%s\" is not here: the volume is a local "
                   "one on node %s",
                   class->provisioner, class->name, node);
    else
        plan_event(ret, claim, true, BINDER_NAME, "ProvisionedLocally",
                   "storageclass.storage.k8s.io \"%s\" not found: the volume is a local one on "
                   "node %s",
                   class->name, node);
}

void binder_provision(struct plan *ret, struct view *v, const struct object *claim,
                      const struct volume_class *class)
{
    const json_t *tree = view_tree(v, claim);
    cleanup(freep) char *name = mem_fmt("pvc-%s", claim->uid);
    const char *selected = volume_annotation(tree, VOLUME_SELECTED_NODE);
    const struct object *node = selected ? view_get(v, "nodes", "", selected)
                                         : binder_pick_node(v, class);

    if (str_eq(json_str(tree, "spec.volumeMode"), "Block")) {
        plan_event(ret, claim, true, BINDER_NAME, "ProvisioningFailed",
                   "failed to provision volume with StorageClass \"%s\": local volumes have no "
                   "volumeMode Block",
                   class->name);
        return;
    }
    if (!node && selected) {
        binder_unselect(ret, v, claim);
        return;
    }
    if (!node) {
        plan_event(ret, claim, true, BINDER_NAME, "ProvisioningFailed",
                   "failed to provision volume with StorageClass \"%s\": no node is ready for it",
                   class->name);
        plan_again(ret, BINDER_RETRY_MS);
        return;
    }
    binder_tell_stand_in(ret, claim, class, node->name);
    plan_create(ret, VOLUME_VOLUMES, "", binder_volume(v, claim, class, node, name));
    plan_on_success(ret, claim, BINDER_NAME, "ProvisioningSucceeded",
                    "Successfully provisioned volume %s", name);
    binder_claim_refer(ret, v, claim, name);
}
